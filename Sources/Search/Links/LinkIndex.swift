// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Text

/// Which passages a text leads to by the titles that it names: memory-mapped.
///
/// A title is named where its words stand one after the other, at least one of them with a capital (a title of one
/// word has more than two letters); of titles that begin at the same place the longest counts. What stands in brackets behind a title, and a leading "the", may be left out. Titles
/// are compared by 64-bit keys of their folded words; a name that several documents bear stays ambiguous and leads to all of them.
public final class LinkIndex: Sendable {
    static let kind = "links"
    static let version: UInt32 = 1

    /// A passage that a text leads to.
    public struct Link: Sendable, Hashable {
        /// The first passage of a document whose title is named.
        public var target: PassageOrdinal
        /// Where the title stands in the text, in UTF-8 bytes.
        public var span: Range<Int>
        /// How many documents bear the title.
        public var candidates: Int
    }

    /// The number of distinct titles.
    public let titleCount: Int
    private let file: SectionFile
    private let words: TitleWords
    private let keys: MappedArray<UInt64>
    private let starts: MappedArray<UInt64>
    private let titleOffsets: MappedArray<UInt32>
    private let titlePassages: MappedArray<UInt32>
    private let passageTitles: MappedArray<UInt32>
    private let mentionOffsets: MappedArray<UInt32>
    private let mentions: MappedArray<UInt32>
    private let mentionerOffsets: MappedArray<UInt32>
    private let mentioners: MappedArray<UInt32>

    /// Opens an index file.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged.
    public init(path: String) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        guard file.version == Self.version else {
            throw SearchIndexError.damaged(
                "\(path): the link index has version \(file.version); build it anew with `forage index`")
        }
        words = try TitleWords()
        keys = try file.array("title.keys")
        starts = try file.array("title.starts")
        titleOffsets = try file.array("title.offsets")
        titlePassages = try file.array("title.passages")
        passageTitles = try file.array("passage.titles")
        mentionOffsets = try file.array("mention.offsets")
        mentions = try file.array("mentions")
        mentionerOffsets = try file.array("mentioner.offsets")
        mentioners = try file.array("mentioners")
        titleCount = keys.count
        guard Self.areOffsets(titleOffsets, titleCount, titlePassages.count),
            Self.areOffsets(mentionerOffsets, titleCount, mentioners.count),
            Self.areOffsets(mentionOffsets, passageTitles.count, mentions.count / 3), mentions.count % 3 == 0,
            titlePassages.elements.allSatisfy({ $0 < UInt32(passageTitles.count) }),
            mentioners.elements.allSatisfy({ $0 < UInt32(passageTitles.count) }),
            stride(from: 0, to: mentions.count, by: 3).allSatisfy({
                mentions[$0] < UInt32(titleCount) && mentions[$0 + 1] <= mentions[$0 + 2]
            })
        else { throw SearchIndexError.damaged("\(path): the link index's sections do not fit together") }
    }

    /// The number of passages that it knows.
    var passageCount: Int { passageTitles.count }

    static func areOffsets(_ offsets: MappedArray<UInt32>, _ count: Int, _ total: Int) -> Bool {
        guard offsets.count == count + 1, offsets[0] == 0, Int(offsets[count]) == total else { return false }
        return (0..<count).allSatisfy { offsets[$0] <= offsets[$0 + 1] }
    }

    /// The passages that a passage's text leads to, in the order in which it names them, its own title left out.
    public func links(from passage: PassageOrdinal) -> [Link] {
        guard Int(passage) < passageTitles.count else { return [] }
        var links: [Link] = []
        for mention in Int(mentionOffsets[Int(passage)])..<Int(mentionOffsets[Int(passage) + 1]) {
            append(
                title: Int(mentions[3 * mention]),
                span: Int(mentions[3 * mention + 1])..<Int(mentions[3 * mention + 2]), to: &links)
        }
        return links
    }

    /// The passages whose text names the title of this passage's document, ascending: its incoming links.
    public func passages(naming passage: PassageOrdinal) -> [PassageOrdinal] {
        guard Int(passage) < passageTitles.count, passageTitles[Int(passage)] != .max else { return [] }
        let title = Int(passageTitles[Int(passage)])
        guard title < titleCount else { return [] }
        return Array(mentioners.elements[Int(mentionerOffsets[title])..<Int(mentionerOffsets[title + 1])])
    }

    /// The number of the title of a passage's document, by which `passages(naming:)` knows it; nil without one.
    package func titleNumber(of passage: PassageOrdinal) -> Int? {
        guard Int(passage) < passageTitles.count, passageTitles[Int(passage)] != .max else { return nil }
        let title = Int(passageTitles[Int(passage)])
        return title < titleCount ? title : nil
    }

    /// The passages whose titles a text names: a question, say.
    public func links(in text: String) -> [Link] {
        var text = text
        let found = text.withUTF8 { bytes in
            Self.mentions(in: words.words(in: bytes), find: find, mayStart: mayStart)
        }
        var links: [Link] = []
        for mention in found { append(title: mention.title, span: mention.span, to: &links) }
        return links
    }

    private func append(title: Int, span: Range<Int>, to links: inout [Link]) {
        let range = Int(titleOffsets[title])..<Int(titleOffsets[title + 1])
        for target in titlePassages.elements[range] {
            links.append(Link(target: target, span: span, candidates: range.count))
        }
    }

    private func find(_ key: UInt64) -> Int? { MappedKeys.place(of: key, in: keys) }

    private func mayStart(_ word: UInt64) -> Bool { MappedKeys.place(of: word, in: starts) != nil }

    struct Mention {
        var title: Int
        var span: Range<Int>
    }

    /// Finds the longest title at each place, from left to right, each title once.
    static func mentions(
        in words: [TitleWords.Word], find: (UInt64) -> Int?, mayStart: (UInt64) -> Bool
    ) -> [Mention] {
        var result: [Mention] = []
        var seen = Set<Int>()
        var index = 0
        while index < words.count {
            var match: (title: Int, length: Int)?
            if mayStart(words[index].hash) {
                var key: UInt64 = 0
                var isMarked = false
                for length in 1...min(TitleWords.longestTitle, words.count - index) {
                    let word = words[index + length - 1]
                    key = TitleWords.extend(key, by: word.hash)
                    isMarked = isMarked || word.isMarked
                    if isMarked, length > 1 || word.isLong, let title = find(key) { match = (title, length) }
                }
            }
            guard let match else {
                index += 1
                continue
            }
            if seen.insert(match.title).inserted {
                let span = words[index].bytes.lowerBound..<words[index + match.length - 1].bytes.upperBound
                result.append(Mention(title: match.title, span: span))
            }
            index += match.length
        }
        return result
    }

    /// Checks the whole file, bit by bit.
    public func verify() throws { try file.verify() }

    /// Refuses to go on where the file was made shorter while it was in use.
    func checkWhole() throws { try file.checkWhole() }

    /// Refuses a file that is not the one that the manifest lists.
    func expect(_ listed: GenerationManifest.File) throws { try file.expect(listed) }
}
