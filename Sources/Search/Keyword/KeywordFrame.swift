// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
package import Corpus
import Foundation
import Text

/// What a keyword index knows beside its postings: how it scores and analyses, and each passage's length. With the postings
/// of some terms it is an index for queries of these terms, so that an index can be kept in a database, term by term.
package struct KeywordFrame: Sendable {
    let about: KeywordIndex.About
    let analyzer: TextAnalyzer
    let norms: PassageNorms
    /// What the index is, for messages.
    let name: String

    /// - Parameters:
    ///   - about: how the index was made.
    ///   - norms: the norm of each length that occurs, 4-byte numbers.
    ///   - places: for each passage its norm's place there, in one or two bytes.
    /// - Throws: `SearchIndexError` when they do not fit together.
    package init(about: [UInt8], norms: [UInt8], places: [UInt8], name: String) throws {
        do {
            self.about = try JSONDecoder().decode(KeywordIndex.About.self, from: Data(about))
        } catch {
            throw SearchIndexError.damaged("\(name): the description of the keyword index cannot be read")
        }
        guard (0..<Int(Int32.max)).contains(self.about.passageCount), self.about.termCount >= 0,
            self.about.meanLength.isFinite, self.about.meanLength >= 0
        else { throw SearchIndexError.damaged("\(name): the keyword index does not fit together") }
        try KeywordIndexOptions(self.about).validate()
        analyzer = try TextAnalyzer(self.about.analyzer)
        self.norms = try PassageNorms(norms: norms, places: places, passageCount: self.about.passageCount, name: name)
        self.name = name
    }

    /// How the index was made.
    package var options: KeywordIndexOptions { KeywordIndexOptions(about) }

    /// The terms whose postings a query reads.
    package struct QueryTerms: Sendable {
        /// Those that are looked up first.
        package var first: [String]
        /// Those that are looked up where the index holds none of the first.
        package var otherwise: [String]
    }

    /// The terms that a search for a query's text looks up.
    package func terms(of query: String) -> QueryTerms {
        let all = analyzer.queryTerms(in: query)
        let words = all.filter { $0.role == .word || $0.role == .character }
        let fragments = all.filter { $0.role == .fragment }
        return QueryTerms(
            first: (words.isEmpty ? all : words).map(\.text), otherwise: words.isEmpty ? [] : fragments.map(\.text))
    }
}

/// A term with its encoded postings, as an index file has them.
package struct PostingList: Sendable, Hashable {
    package var term: [UInt8]
    /// How many passages hold it.
    package var passageCount: Int
    package var bytes: [UInt8]

    package init(term: [UInt8], passageCount: Int, bytes: [UInt8]) {
        self.term = term
        self.passageCount = passageCount
        self.bytes = bytes
    }
}

extension KeywordIndex {
    /// An index of a few terms in memory: searches with other terms find nothing. Its scores are those of the whole index.
    /// - Throws: `SearchIndexError`.
    package convenience init(frame: KeywordFrame, lists: [PostingList]) throws {
        var dictionary = TermDictionaryBuilder()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(lists.reduce(0) { $0 + $1.bytes.count + 3 })
        for list in lists.sorted(by: { $0.term.lexicographicallyPrecedes($1.term) }) {
            let start = TermDictionary.start(of: list.passageCount, after: UInt64(bytes.count))
            bytes += [UInt8](repeating: 0, count: Int(start) - bytes.count)
            bytes += list.bytes
            list.term.withUnsafeBufferPointer {
                dictionary.add($0, count: list.passageCount, start: start, size: list.bytes.count)
            }
        }
        let terms = MappedFile(copying: dictionary.bytes, as: frame.name)
        let blocks = dictionary.blocks.withUnsafeBytes { MappedFile(copying: Array($0), as: frame.name) }
        guard
            let known = TermDictionary(
                bytes: MappedArray(elements: terms.bytes.assumingMemoryBound(to: UInt8.self), owner: terms),
                blocks: MappedArray(
                    elements: blocks.bytes.assumingMemoryBound(to: TermDictionary.Block.self), owner: blocks),
                postings: bytes.count)
        else { throw SearchIndexError.damaged("\(frame.name): the postings do not fit together") }
        self.init(frame: frame, dictionary: known, postings: MappedFile(copying: bytes, as: frame.name))
    }

    /// The parts of a frame, as `KeywordFrame` reads them.
    package func frameBytes() throws -> (about: [UInt8], norms: [UInt8], places: [UInt8]) {
        let (table, places) = norms.bytes
        let about = About(
            k1: options.k1, b: options.b, titleWeight: options.titleWeight, analyzer: options.analyzer,
            passageCount: passageCount, termCount: termCount, meanLength: meanLength)
        return (Array(try JSONEncoder.sorted.encode(about)), table, places)
    }
}

extension KeywordIndexOptions {
    init(_ about: KeywordIndex.About) {
        self.init(k1: about.k1, b: about.b, titleWeight: about.titleWeight, analyzer: about.analyzer)
    }
}

/// Which passages can match the words of a text match, as far as postings tell.
package struct TextMatchCandidates: Sendable {
    private let options: KeywordIndexOptions
    private let analyzer: TextAnalyzer
    private let plain: TextAnalyzer

    /// - Throws: when the index's analyzer cannot be made here.
    package init(options: KeywordIndexOptions) throws {
        self.options = options
        analyzer = try TextAnalyzer(options.analyzer)
        plain = try TextAnalyzer(.plain)
    }

    /// The stems of each word that postings can tell something of, with nil for the others; nil when they tell nothing.
    private func stems(of words: String, _ mode: FilterExpression.MatchMode) -> [String?]? {
        // Words folded in another way have other stems, and titles without a weight have no postings.
        guard options.analyzer.foldsUnicode, options.titleWeight > 0 else { return nil }
        var terms = plain.terms(in: words)
        if mode == .prefix, !terms.isEmpty { terms.removeLast() }
        return terms.map { term in
            let stems = analyzer.indexTerms(in: term).filter { $0.role != .variant }
            return stems.count == 1 ? stems[0].text : nil
        }
    }

    /// The terms whose postings `passages` reads.
    package func terms(of words: String, mode: FilterExpression.MatchMode) -> [String] {
        stems(of: words, mode)?.compactMap { $0 } ?? []
    }

    /// The passages that can match; nil when the index cannot tell.
    package func passages(
        matching words: String, mode: FilterExpression.MatchMode, in index: KeywordIndex
    ) throws -> OrdinalSet? {
        guard let stems = stems(of: words, mode) else { return nil }
        var found: OrdinalSet?
        for stem in stems {
            guard let stem else {
                // A word that the index's lengths leave out: any passage may hold it.
                if mode == .any { return nil }
                continue
            }
            let passages = try index.term(stem).map { try index.passages(with: $0) } ?? OrdinalSet()
            guard let before = found else {
                found = passages
                continue
            }
            found = mode == .any ? before.union(passages) : before.intersection(passages)
        }
        return found
    }
}
