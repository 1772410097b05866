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
    static let version: UInt32 = 3

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
    private let file: SectionFile
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
        file = try SectionFile(path: path, kind: Self.kind)
        guard file.version == Self.version else {
            throw SearchIndexError.damaged(
                "\(path): the index has version \(file.version); build it anew with `forage index`")
        }
        let about: About
        do {
            about = try JSONDecoder().decode(About.self, from: Data(try file.array("about", of: UInt8.self).elements))
        } catch is DecodingError {
            throw SearchIndexError.damaged("\(path): the description of the index cannot be read")
        }
        options = KeywordIndexOptions(
            k1: about.k1, b: about.b, titleWeight: about.titleWeight, analyzer: about.analyzer)
        try options.validate()
        analyzer = try TextAnalyzer(about.analyzer)
        dictionary = TermDictionary(bytes: try file.array("terms"), blocks: try file.array("term.blocks"))
        postings = try file.range(of: "postings")
        guard about.passageCount >= 0 else {
            throw SearchIndexError.damaged("\(path): the index's sections do not fit together")
        }
        passageCount = about.passageCount
        norms = try PassageNorms(file, passageCount: passageCount)
        termCount = about.termCount
        meanLength = about.meanLength
    }

    /// The size of the file in bytes.
    public var byteCount: Int { file.file.bytes.count }

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
            entry.size <= postings.count - Int(entry.start), let base = file.file.bytes.baseAddress
        else { throw SearchIndexError.damaged("\(file.file.path): the postings of \(term.text) are out of range") }
        let start = postings.lowerBound + Int(entry.start)
        if postings.count > Self.residentPostings,
            handedOut.wrappingAdd(entry.size, ordering: .relaxed).newValue > Self.residentPostings
        {
            handedOut.store(0, ordering: .relaxed)
            file.file.release(postings)
        }
        // Pruning leaves out many blocks of a long list: only those that are read become resident.
        try file.check(start..<(start + entry.size), releasing: true)
        return forage_posting_list(
            data: base.advanced(by: start).assumingMemoryBound(to: UInt8.self), size: UInt64(entry.size),
            posting_count: UInt32(entry.count), weight: weight)
    }

    func damagedPostings() -> SearchIndexError {
        SearchIndexError.damaged(
            "\(file.file.path): postings cannot be read, or memory ran out; build the index anew with `forage index`")
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

    /// Checks the whole file, bit by bit.
    public func verify() throws { try file.verify() }
}
