// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Text

/// Names of two or more words that recur in a corpus without being a title, and the passages that mention them:
/// memory-mapped.
///
/// A name is a row of words with capitals (`TitleWords.nameRuns`) that stands in at least two documents. Names are
/// compared by 64-bit keys of their folded words. A name is not resolved: who bears it stays open, and it leads to every
/// passage that mentions it.
public final class NameIndex: Sendable {
    static let kind = "names"
    static let version: UInt32 = 1

    /// A name that stands in a text.
    public struct Mention: Sendable, Hashable {
        /// The name's number, below `nameCount`.
        public var name: Int
        /// Where it stands in the text, in UTF-8 bytes.
        public var span: Range<Int>
        /// How many passages mention it.
        public var passageCount: Int
    }

    /// The number of distinct names.
    public let nameCount: Int
    private let file: SectionFile
    private let words: TitleWords
    private let keys: MappedArray<UInt64>
    private let starts: MappedArray<UInt64>
    private let mentionOffsets: MappedArray<UInt32>
    private let mentions: MappedArray<UInt32>
    private let passageOffsets: MappedArray<UInt32>
    private let passages: MappedArray<UInt32>

    /// Opens an index file.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged.
    public init(path: String) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        guard file.version == Self.version else {
            throw SearchIndexError.damaged(
                "\(path): the name index has version \(file.version); build it anew with `forage index`")
        }
        words = try TitleWords()
        keys = try file.array("name.keys")
        starts = try file.array("name.starts")
        mentionOffsets = try file.array("mention.offsets")
        mentions = try file.array("mentions")
        passageOffsets = try file.array("name.offsets")
        passages = try file.array("name.passages")
        nameCount = keys.count
        let passageCount = max(0, mentionOffsets.count - 1)
        guard LinkIndex.areOffsets(passageOffsets, nameCount, passages.count),
            LinkIndex.areOffsets(mentionOffsets, passageCount, mentions.count / 3), mentions.count % 3 == 0,
            passages.elements.allSatisfy({ $0 < UInt32(passageCount) }),
            stride(from: 0, to: mentions.count, by: 3).allSatisfy({
                mentions[$0] < UInt32(nameCount) && mentions[$0 + 1] <= mentions[$0 + 2]
            })
        else { throw SearchIndexError.damaged("\(path): the name index's sections do not fit together") }
    }

    /// The recurring names that a passage mentions, in the order of its text, each once.
    public func names(in passage: PassageOrdinal) -> [Mention] {
        guard Int(passage) < mentionOffsets.count - 1 else { return [] }
        return (Int(mentionOffsets[Int(passage)])..<Int(mentionOffsets[Int(passage) + 1])).map { place in
            mention(
                of: Int(mentions[3 * place]), at: Int(mentions[3 * place + 1])..<Int(mentions[3 * place + 2]))
        }
    }

    /// The recurring names that a text mentions, a question, say; the longest at each place, each once.
    public func names(in text: String) -> [Mention] {
        var text = text
        let found = text.withUTF8 { bytes in
            LinkIndex.mentions(
                in: words.words(in: bytes), find: { MappedKeys.place(of: $0, in: keys) },
                mayStart: { MappedKeys.place(of: $0, in: starts) != nil })
        }
        return found.map { mention(of: $0.title, at: $0.span) }
    }

    /// The passages that mention a name, ascending, at most `limit`.
    public func passages(naming name: Int, limit: Int = .max) -> [PassageOrdinal] {
        guard name >= 0, name < nameCount else { return [] }
        return Array(passages.elements[range(of: name)].prefix(max(0, limit)))
    }

    private func range(of name: Int) -> Range<Int> { Int(passageOffsets[name])..<Int(passageOffsets[name + 1]) }

    private func mention(of name: Int, at span: Range<Int>) -> Mention {
        Mention(name: name, span: span, passageCount: range(of: name).count)
    }

    /// Checks the whole file, bit by bit.
    public func verify() throws { try file.verify() }
}

/// Look-ups in sorted keys of a mapped file.
enum MappedKeys {
    /// The place of a key in an ascending array; nil when it is missing.
    static func place(of key: UInt64, in sorted: MappedArray<UInt64>) -> Int? {
        let elements = sorted.elements
        var low = 0
        var high = elements.count
        while low < high {
            let middle = (low + high) / 2
            if elements[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low < elements.count && elements[low] == key ? low : nil
    }
}
