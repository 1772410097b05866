// SPDX-License-Identifier: Apache-2.0

import CKernels
public import CorpusStore
import TextProcessing

extension KeywordIndex {
    /// A term of a query that the index knows.
    struct QueryTerm: Sendable {
        var term: Term
        /// idf times the term's weight in the query.
        var weight: Double
    }

    /// The passages that match best, at most `limit`, by descending score, equal scores by ascending ordinal.
    ///
    /// The kernel prunes with float sums; its hits and a few more are scored again exactly, in the order of the query's
    /// terms, so that the result is the brute-force scorer's.
    /// - Parameter scope: searches only these passages, without looking at the rest; nil for all.
    /// - Throws: `SearchIndexError`, `CorpusError` when the index is damaged.
    public func search(_ query: KeywordQuery, limit: Int, within scope: OrdinalSet? = nil) throws -> [ScoredPassage] {
        let terms = queryTerms(query)
        guard limit > 0, !terms.isEmpty else { return [] }
        guard let scope = try restricted(scope, by: query) else { return try search(terms, limit: limit, scope: nil) }
        return scope.isEmpty ? [] : try search(terms, limit: limit, scope: scope)
    }

    /// What each term of the query adds to a passage's score, for explanations and for the features of policies.
    public func contributions(of query: KeywordQuery, to passage: PassageOrdinal) throws -> [(term: String, score: Double)] {
        var result: [(String, Double)] = []
        for term in queryTerms(query) {
            guard var view = try view(of: term.term.number, weight: 1) else { continue }
            var frequency: UInt32 = 0
            var passage = passage
            guard forage_bm25_frequencies(&view, &passage, 1, &frequency) != 0 else { throw damagedPostings() }
            guard frequency > 0 else { continue }
            result.append((text(of: term.term), score(term, frequency, passage)))
        }
        return result
    }

    /// The query's terms in the order of their first occurrence, each once, with idf times its count.
    func queryTerms(_ query: KeywordQuery) -> [QueryTerm] {
        var weights: [(text: String, weight: Double)] = []
        var places: [String: Int] = [:]
        func add(_ text: String, _ weight: Double) {
            for term in analyzer.terms(in: text) {
                if let place = places[term] {
                    weights[place].weight += weight
                } else {
                    places[term] = weights.count
                    weights.append((term, weight))
                }
            }
        }
        add(query.text, 1)
        for text in query.must { add(text, 1) }
        for term in query.weighted where term.weight.isFinite && term.weight > 0 { add(term.text, term.weight) }
        var result: [QueryTerm] = []
        for (text, weight) in weights {
            guard let term = term(text) else { continue }
            result.append(QueryTerm(term: term, weight: weight * inverseDocumentFrequency(of: term)))
        }
        let known = Set(result.map(\.term.number))
        for prefix in query.prefixes {
            for term in terms(withPrefix: prefix.lowercased(), limit: 64) where !known.contains(term.number) {
                result.append(QueryTerm(term: term, weight: inverseDocumentFrequency(of: term)))
            }
        }
        if result.count > 256 {
            // The kernel takes 256 terms; the least telling ones of a longer query go.
            result = result.enumerated().sorted { ($1.element.weight, $0.offset) < ($0.element.weight, $1.offset) }
                .prefix(256).sorted { $0.offset < $1.offset }.map(\.element)
        }
        return result
    }

    /// The scope with the query's must and must-not clauses applied; nil for all passages.
    private func restricted(_ scope: OrdinalSet?, by query: KeywordQuery) throws -> OrdinalSet? {
        var scope = scope
        for text in query.must {
            for word in analyzer.terms(in: text) {
                guard let term = term(word) else { return OrdinalSet() }
                let passages = try passages(with: term)
                scope = scope?.intersection(passages) ?? passages
            }
        }
        var banned = OrdinalSet()
        for text in query.mustNot {
            for word in analyzer.terms(in: text) {
                if let term = term(word) { banned = banned.union(try passages(with: term)) }
            }
        }
        if !banned.isEmpty {
            scope = (scope ?? OrdinalSet(ascending: Array(0..<UInt32(passageCount)))).subtracting(banned)
        }
        return scope
    }

    private func search(_ terms: [QueryTerm], limit: Int, scope: OrdinalSet?) throws -> [ScoredPassage] {
        var views: [forage_bm25_term] = []
        var viewed: [QueryTerm] = []
        for term in terms {
            guard let view = try view(of: term.term.number, weight: Float(term.weight)) else { continue }
            views.append(view)
            viewed.append(term)
        }
        // More than asked for: float sums of another order can swap hits whose exact scores are nearly equal.
        let wanted = min(limit + 16 + limit / 8, passageCount)
        var hits = [forage_bm25_hit](repeating: forage_bm25_hit(), count: wanted)
        let count: UInt32
        if let scope {
            count = scope.ordinals.withUnsafeBufferPointer { scope in
                forage_bm25_search(
                    views, UInt32(views.count), norms.elements.baseAddress, UInt32(passageCount), scope.baseAddress,
                    UInt32(scope.count), UInt32(wanted), &hits)
            }
        } else {
            count = forage_bm25_search(
                views, UInt32(views.count), norms.elements.baseAddress, UInt32(passageCount), nil, 0, UInt32(wanted),
                &hits)
        }
        guard count != .max else { throw damagedPostings() }
        let passages = hits[..<Int(count)].map(\.passage).sorted()
        var scores = [Double](repeating: 0, count: passages.count)
        var frequencies = [UInt32](repeating: 0, count: passages.count)
        for (index, term) in viewed.enumerated() {
            guard forage_bm25_frequencies(&views[index], passages, UInt32(passages.count), &frequencies) != 0 else {
                throw damagedPostings()
            }
            for (place, frequency) in frequencies.enumerated() where frequency > 0 {
                scores[place] += score(term, frequency, passages[place])
            }
        }
        let ranked = zip(passages, scores).sorted { $0.1 != $1.1 ? $0.1 > $1.1 : $0.0 < $1.0 }
        return ranked.prefix(limit).map { ScoredPassage(ordinal: $0.0, score: Float($0.1)) }
    }

    private func score(_ term: QueryTerm, _ quarters: UInt32, _ passage: PassageOrdinal) -> Double {
        let frequency = Double(quarters) / 4
        return term.weight * frequency / (frequency + Double(norms.elements[Int(passage)]))
    }
}
