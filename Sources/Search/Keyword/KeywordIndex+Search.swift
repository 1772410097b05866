// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import Corpus
import Text

extension KeywordIndex {
    /// A term of a query that the index knows.
    struct QueryTerm: Sendable {
        var term: Term
        /// idf times the term's weight in the query.
        var weight: Double
    }

    /// The title and text of a passage, in which phrases are looked for: the index keeps no positions.
    public typealias TextSource = (PassageOrdinal) throws -> (title: String, text: String)

    /// The passages that match best, at most `limit`, by descending score, equal scores by ascending ordinal.
    /// - Parameters:
    ///   - scope: searches only these passages, without looking at the rest; nil for all.
    ///   - texts: where phrases are verified; without it a phrase asks for all of its words in any order.
    /// - Throws: `SearchIndexError`, `CorpusError` when the index is damaged.
    public func search(
        _ query: KeywordQuery, limit: Int, within scope: OrdinalSet? = nil, texts: TextSource? = nil
    ) throws -> [ScoredPassage] {
        let terms = queryTerms(query)
        guard limit > 0, !terms.isEmpty else { return [] }
        guard let scope = try restricted(scope, by: query, texts) else {
            return try search(terms, limit: limit, scope: nil)
        }
        return scope.isEmpty ? [] : try search(terms, limit: limit, scope: scope)
    }

    /// Searches with several queries on all cores; gives what one search after the other would.
    public func search(
        _ queries: [KeywordQuery], limit: Int, within scope: OrdinalSet? = nil
    ) throws -> [[ScoredPassage]] {
        try Parallel.map(queries.count, minimum: 4) { try self.search(queries[$0], limit: limit, within: scope) }
    }

    /// What each term of the query adds to a passage's score, for explanations and for the features of policies.
    public func contributions(of query: KeywordQuery, to passage: PassageOrdinal) throws -> [(
        term: String, score: Double
    )] {
        guard Int(passage) < passageCount else { return [] }
        var result: [(String, Double)] = []
        for term in queryTerms(query) {
            var list = try postings(of: term.term, weight: 1)
            var frequency: UInt32 = 0
            var passage = passage
            guard forage_posting_frequencies(&list, UInt32(passageCount), &passage, 1, &frequency) != 0 else {
                throw damagedPostings()
            }
            guard frequency > 0 else { continue }
            let weighted = Double(frequency) * Double(options.unit)
            result.append(
                (term.term.text, term.weight * weighted / (weighted + Double(norms[passage]))))
        }
        return result
    }

    /// What of a query's text is searched.
    public struct Reading: Sendable, Hashable {
        /// Frequent words that were left out, as the query has them.
        public var ignored: [String] = []
        /// Words that no passage holds, as the query has them.
        public var unknown: [String] = []
    }

    /// Says which words of a query a search looks up and which it passes over.
    public func reading(of query: KeywordQuery) -> Reading {
        var reading = Reading()
        for text in [query.text] + query.weighted.map(\.text) {
            let chosen = Set(searched(text).map(\.text))
            for term in analyzer.queryTerms(in: text) where term.role == .stopWord && !chosen.contains(term.text) {
                if !reading.ignored.contains(term.surface) { reading.ignored.append(term.surface) }
            }
            for term in searched(text) where term.role == .word && self.term(term.text) == nil {
                if !reading.unknown.contains(term.surface) { reading.unknown.append(term.surface) }
            }
        }
        // A word that is an abbreviation here and grammar elsewhere (IT) is told once.
        reading.ignored.removeAll { reading.unknown.contains($0) }
        return reading
    }

    /// The terms of a text that are looked up: its words; where it has none, its stop words; and where the index holds
    /// none of them, the pieces that are mostly grammar.
    private func searched(_ text: String) -> [AnalyzedTerm] {
        let all = analyzer.queryTerms(in: text)
        let words = all.filter { $0.role == .word || $0.role == .character }
        if all.contains(where: { $0.role == .fragment }), !words.contains(where: { term($0.text) != nil }) {
            return words + all.filter { $0.role == .fragment }
        }
        return words.isEmpty ? all : words
    }

    /// The query's terms in the order of their first occurrence, each once, with idf times its count.
    func queryTerms(_ query: KeywordQuery) -> [QueryTerm] {
        var weights: [(text: String, weight: Double)] = []
        var places: [String: Int] = [:]
        func add(_ text: String, _ weight: Double) {
            for term in searched(text) {
                // A single character of a longer row tells half of what a pair does.
                let weight = term.role == .character ? weight / 2 : weight
                if let place = places[term.text] {
                    weights[place].weight += weight
                } else {
                    places[term.text] = weights.count
                    weights.append((term.text, weight))
                }
            }
        }
        add(query.text, 1)
        for text in query.must + query.phrases { add(text, 1) }
        for term in query.weighted where term.weight.isFinite && term.weight > 0 { add(term.text, term.weight) }
        var result: [QueryTerm] = []
        for (text, weight) in weights {
            guard let term = term(text) else { continue }
            result.append(QueryTerm(term: term, weight: weight * inverseDocumentFrequency(of: term)))
        }
        var known = Set(result.map(\.term.text))
        for prefix in query.prefixes {
            let folded = options.analyzer.foldsUnicode ? TextFolding.fold(prefix) : prefix.lowercased()
            for term in terms(withPrefix: folded, limit: 64) + shorterStems(of: folded)
            where known.insert(term.text).inserted {
                result.append(QueryTerm(term: term, weight: inverseDocumentFrequency(of: term)))
            }
        }
        if result.count > 1024 {
            // The kernel takes 1,024 terms; the least telling ones of a longer query go.
            result = result.enumerated().sorted { ($1.element.weight, $0.offset) < ($0.element.weight, $1.offset) }
                .prefix(1024).sorted { $0.offset < $1.offset }.map(\.element)
        }
        return result
    }

    /// Endings with which a prefix becomes a word, for `shorterStems`.
    private static let endings =
        (UInt8(ascii: "a")...UInt8(ascii: "z")).map { String(UnicodeScalar($0)) } + [
            "al", "ally", "ation", "ed", "er", "ers", "es", "ies", "ing", "ion", "ions", "ities", "ity", "ive", "ly",
            "ment",
            "ness",
        ]

    /// The terms of words that begin with a prefix but whose stems are shorter than it: "universit" begins "university",
    /// whose stem is "univers".
    private func shorterStems(of prefix: String) -> [Term] {
        var stems: [String] = []
        for ending in [""] + Self.endings {
            for stem in analyzer.terms(in: prefix + ending)
            where stem != prefix && prefix.hasPrefix(stem) && !stems.contains(stem) {
                stems.append(stem)
            }
        }
        return stems.compactMap { term($0) }
    }

    /// The scope with the query's must, phrase and must-not clauses applied; nil for all passages.
    private func restricted(_ scope: OrdinalSet?, by query: KeywordQuery, _ texts: TextSource?) throws -> OrdinalSet? {
        var scope = scope
        for text in query.must + query.phrases {
            // The rarest first keeps the intersections small.
            var terms: [Term] = []
            for word in Set(sequence(text)) {
                guard let term = term(word) else { return OrdinalSet() }
                terms.append(term)
            }
            for term in terms.sorted(by: { ($0.passageCount, $0.text) < ($1.passageCount, $1.text) }) {
                let passages = try passages(with: term)
                scope = scope?.intersection(passages) ?? passages
            }
        }
        if let texts, let candidates = scope {
            for phrase in query.phrases.map({ sequence($0) }) where phrase.count > 1 {
                scope = OrdinalSet(
                    ascending: try (scope ?? candidates).ordinals.filter { ordinal in
                        let (title, text) = try texts(ordinal)
                        return holds(phrase, text) || holds(phrase, title)
                    })
            }
        }
        var banned = OrdinalSet()
        for text in query.mustNot {
            for word in searched(text).filter({ $0.role != .character }).map(\.text) {
                if let term = term(word) { banned = banned.union(try passages(with: term)) }
            }
        }
        if !banned.isEmpty {
            scope = (scope ?? OrdinalSet(ascending: Array(0..<UInt32(passageCount)))).subtracting(banned)
        }
        return scope
    }

    /// The terms of a text one after the other, stop words included: equal stretches of text have equal stretches of terms.
    private func sequence(_ text: String) -> [String] {
        analyzer.indexTerms(in: text).compactMap { $0.role == .variant ? nil : $0.text }
    }

    private func holds(_ phrase: [String], _ text: String) -> Bool {
        let terms = sequence(text)
        guard terms.count >= phrase.count else { return false }
        return (0...(terms.count - phrase.count)).contains { start in
            terms[start] == phrase[0] && terms[start..<(start + phrase.count)].elementsEqual(phrase)
        }
    }

    private func search(_ terms: [QueryTerm], limit: Int, scope: OrdinalSet?) throws -> [ScoredPassage] {
        let lists = try terms.map { try postings(of: $0.term, weight: Float($0.weight)) }
        // What lies beyond the index is left out.
        let members = scope.map { scope in
            scope.ordinals.prefix(
                scope.ordinals.last.map { Int($0) < passageCount } ?? true ? scope.count : below(scope.ordinals))
        }
        let room = min(limit, members?.count ?? passageCount)
        guard room > 0 else { return [] }
        let (unit, count) = (options.unit, UInt32(passageCount))
        var norms = norms.view
        var found: UInt32 = 0
        let hits = [forage_keyword_hit](unsafeUninitializedCapacity: room) { hits, initialized in
            if let members {
                found = members.withUnsafeBufferPointer { members in
                    forage_keyword_search(
                        lists, UInt32(lists.count), &norms, unit, count, members.baseAddress, UInt32(members.count),
                        UInt32(room), hits.baseAddress)
                }
            } else {
                found = forage_keyword_search(
                    lists, UInt32(lists.count), &norms, unit, count, nil, 0, UInt32(room), hits.baseAddress)
            }
            initialized = found == .max ? 0 : Int(found)
        }
        guard found != .max else { throw damagedPostings() }
        return hits.map { ScoredPassage(ordinal: $0.passage, score: $0.score) }
    }

    private func below(_ ordinals: [UInt32]) -> Int {
        ordinals.firstIndex { Int($0) >= passageCount } ?? ordinals.count
    }
}
