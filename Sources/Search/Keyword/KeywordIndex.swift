// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import Corpus
import Foundation
import Synchronization
import Text

/// A keyword index: BM25 over title and text, memory-mapped. Use from any number of threads.
///
/// The score of a passage is the sum over the query's terms, repeats counted, of `idf · tf / (tf + k1 (1 − b + b · length /
/// mean length))` with `idf = ln(1 + (N − n + 0.5) / (n + 0.5))`: Lucene's form of BM25 (Robertson and Zaragoza 2009). Term
/// frequency and length count a word of the title `titleWeight` times, which is BM25F with one length normalisation for
/// both fields.
///
/// Contributions are added in fixed point, so that a sum does not depend on the order in which postings are read: pruned
/// and exhaustive search give the same passages, order and scores.
public final class KeywordIndex: Sendable {
    static let kind = "keyword"
    static let version: UInt32 = 4

    /// What the index says of itself.
    struct About: Codable, Sendable {
        var k1: Double
        var b: Double
        var titleWeight: Double
        var analyzer: AnalyzerOptions
        var passageCount: Int
        var termCount: Int
        var meanLength: Double
    }

    /// How the index was made.
    public let options: KeywordIndexOptions
    /// The number of passages.
    public let passageCount: Int
    /// The number of distinct terms.
    public let termCount: Int
    /// The mean length of a passage in words, those of titles weighted.
    public let meanLength: Double
    let analyzer: TextAnalyzer
    let norms: PassageNorms
    private let source: PostingSource
    private let dictionary: TermDictionary
    private let postings: Range<Int>
    /// Bytes of the lists that were handed to searches since the postings' memory was last given back.
    private let handedOut = Atomic<Int>(0)
    /// After lists of so many bytes the postings' pages are given back, so that a process is resident with about as much
    /// of them, however large the index. They stay in the system's cache: mapping them again costs 1 to 2 % of a search.
    static let residentPostings = 48 << 20

    /// Opens an index file. Postings are checked when they are first used.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged.
    public init(path: String) throws {
        let file = try SectionFile(path: path, kind: Self.kind)
        source = .file(file)
        guard file.version == Self.version else {
            throw SearchIndexError.outdated(
                "\(path): the keyword index was made by another version of Forage, whose words differ from those of "
                    + "today's queries; run `forage corpus reindex` on the corpus")
        }
        let about = try Self.about(file)
        options = KeywordIndexOptions(about)
        try options.validate()
        analyzer = try TextAnalyzer(about.analyzer)
        postings = try file.range(of: "postings")
        guard (0..<Int(Int32.max)).contains(about.passageCount), (0...postings.count).contains(about.termCount),
            about.meanLength.isFinite, about.meanLength >= 0,
            let dictionary = TermDictionary(
                bytes: try file.array("terms"), blocks: try file.array("term.blocks"), postings: postings.count)
        else { throw SearchIndexError.damaged("\(path): the index's sections do not fit together") }
        self.dictionary = dictionary
        passageCount = about.passageCount
        norms = try PassageNorms(file, passageCount: passageCount)
        termCount = about.termCount
        meanLength = about.meanLength
    }

    /// An index in memory: see ``init(frame:lists:)``.
    init(frame: KeywordFrame, dictionary: TermDictionary, postings: MappedFile) {
        source = .memory(postings)
        options = frame.options
        analyzer = frame.analyzer
        self.postings = 0..<postings.bytes.count
        self.dictionary = dictionary
        passageCount = frame.about.passageCount
        norms = frame.norms
        termCount = frame.about.termCount
        meanLength = frame.about.meanLength
    }

    private static func about(_ file: SectionFile) throws -> About {
        do {
            return try JSONDecoder().decode(About.self, from: Data(try file.array("about", of: UInt8.self).elements))
        } catch is DecodingError {
            throw SearchIndexError.damaged("\(file.file.path): the description of the index cannot be read")
        }
    }

    /// How an index was made, also one of an older version: what it is built anew with.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged.
    public static func options(path: String) throws -> KeywordIndexOptions {
        let about = try about(try SectionFile(path: path, kind: kind))
        return KeywordIndexOptions(about)
    }

    /// The size of the file in bytes.
    public var byteCount: Int { source.bytes.count }

    /// A term of the index, in the form that the analyzer gives it.
    public struct Term: Sendable, Hashable {
        public let text: String
        /// How many passages hold it.
        public let passageCount: Int
        let entry: TermDictionary.Entry
    }

    /// Looks a term up, in the form that the analyzer gives it. O(log terms).
    public func term(_ text: String) -> Term? {
        var bytes = text
        guard let entry = bytes.withUTF8({ dictionary.find($0) }) else { return nil }
        return Term(text: text, passageCount: entry.count, entry: entry)
    }

    /// The terms that start with a text, in the order of their bytes, at most `limit`.
    public func terms(withPrefix prefix: String, limit: Int) -> [Term] {
        var prefix = prefix
        return prefix.withUTF8 { dictionary.terms(startingWith: $0, limit: limit) }.map {
            Term(text: String(decoding: $0.term, as: UTF8.self), passageCount: $0.entry.count, entry: $0.entry)
        }
    }

    /// ln(1 + (N − n + 0.5) / (n + 0.5)).
    public func inverseDocumentFrequency(of term: Term) -> Double {
        let n = Double(term.passageCount)
        return log(1 + (Double(passageCount) - n + 0.5) / (n + 0.5))
    }

    /// The kernel's view of a term, after its bytes were checked. Valid while the index lives.
    func postings(of term: Term, weight: Float) throws -> forage_posting_list {
        let entry = term.entry
        guard entry.count > 0, entry.count <= passageCount, entry.start <= UInt64(postings.count),
            entry.size <= postings.count - Int(entry.start), let base = source.bytes.baseAddress
        else { throw SearchIndexError.damaged("\(source.path): the postings of \(term.text) are out of range") }
        let start = postings.lowerBound + Int(entry.start)
        if postings.count > Self.residentPostings,
            handedOut.wrappingAdd(entry.size, ordering: .relaxed).newValue > Self.residentPostings
        {
            handedOut.store(0, ordering: .relaxed)
            source.release(postings)
        }
        // Pruning leaves out many blocks of a long list: only those that are read become resident.
        try source.check(start..<(start + entry.size))
        return forage_posting_list(
            data: base.advanced(by: start).assumingMemoryBound(to: UInt8.self), size: UInt64(entry.size),
            posting_count: UInt32(entry.count), weight: weight)
    }

    func damagedPostings() -> SearchIndexError {
        SearchIndexError.damaged(
            "\(source.path): postings cannot be read, or memory ran out; build the index anew with `forage index`")
    }

    /// The passages that hold a term, ascending.
    public func passages(with term: Term) throws -> OrdinalSet {
        var list = try postings(of: term, weight: 1)
        let count = term.passageCount
        var frequencies = [UInt32](repeating: 0, count: count)
        var good = false
        let passages = [UInt32](unsafeUninitializedCapacity: count) { passages, initialized in
            good = forage_posting_decode(&list, UInt32(passageCount), passages.baseAddress, &frequencies) != 0
            initialized = good ? count : 0
        }
        guard good else { throw damagedPostings() }
        return OrdinalSet(ascending: passages)
    }

    /// Calls a body with every term's postings, in the order of the terms' bytes.
    package func forEachList(
        _ body: (_ term: [UInt8], _ passageCount: Int, _ bytes: UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var problem: (any Error)?
        for block in 0..<dictionary.blocks.count {
            dictionary.forEachTerm(inBlock: block) { text, entry in
                do {
                    let term = Term(
                        text: String(decoding: text, as: UTF8.self), passageCount: entry.count, entry: entry)
                    let list = try postings(of: term, weight: 1)
                    try body(copy text, entry.count, UnsafeRawBufferPointer(start: list.data, count: Int(list.size)))
                } catch {
                    problem = error
                }
                return problem == nil
            }
            if let problem { throw problem }
        }
    }

    /// Checks the whole file, bit by bit, and that every term's list can be read.
    public func verify() throws {
        try source.verify()
        var frequencies: [UInt32] = []
        var passages: [UInt32] = []
        var terms = 0
        var problem: (any Error)?
        for block in 0..<dictionary.blocks.count {
            dictionary.forEachTerm(inBlock: block) { text, entry in
                terms += 1
                do {
                    let term = Term(
                        text: String(decoding: text, as: UTF8.self), passageCount: entry.count, entry: entry)
                    var list = try postings(of: term, weight: 1)
                    if frequencies.count < entry.count {
                        frequencies = [UInt32](repeating: 0, count: entry.count)
                        passages = frequencies
                    }
                    guard forage_posting_decode(&list, UInt32(passageCount), &passages, &frequencies) != 0 else {
                        throw damagedPostings()
                    }
                } catch {
                    problem = error
                }
                return problem == nil
            }
            if let problem { throw problem }
        }
        guard terms == termCount else {
            throw SearchIndexError.damaged("\(source.path): \(terms) terms can be read, expected \(termCount)")
        }
    }

    /// Refuses to go on where the file was made shorter while it was in use.
    func checkWhole() throws { try source.checkWhole() }

    /// Refuses a file that is not the one that the manifest lists.
    func expect(_ listed: GenerationManifest.File) throws { try source.expect(listed) }
}

/// Where an index's postings are: in a file, whose blocks are checked when they are first read, or in memory.
enum PostingSource: Sendable {
    case file(SectionFile)
    case memory(MappedFile)

    var bytes: UnsafeRawBufferPointer {
        switch self {
        case .file(let file): return file.file.bytes
        case .memory(let memory): return memory.bytes
        }
    }

    var path: String {
        switch self {
        case .file(let file): return file.file.path
        case .memory(let memory): return memory.path
        }
    }

    func check(_ range: Range<Int>) throws {
        if case .file(let file) = self { try file.check(range, releasing: true) }
    }

    func release(_ range: Range<Int>) {
        if case .file(let file) = self { file.file.release(range) }
    }

    func verify() throws {
        if case .file(let file) = self { try file.verify() }
    }

    func checkWhole() throws {
        if case .file(let file) = self { try file.checkWhole() }
    }

    func expect(_ listed: GenerationManifest.File) throws {
        if case .file(let file) = self { try file.expect(listed) }
    }
}
