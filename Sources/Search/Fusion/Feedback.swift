// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Pseudo-relevance feedback: a query made better by what a first search found.
public enum Feedback {
    /// Rocchio over vectors: α · query + β · mean of the passages, of length one (Rocchio 1971; for dense retrieval Li et
    /// al., arXiv 2205.00235).
    public static func rocchio(query: [Float], passages: [[Float]], alpha: Float = 1, beta: Float = 0.5) -> [Float] {
        guard !passages.isEmpty else { return query }
        var result = query.map { $0 * alpha }
        for passage in passages where passage.count == query.count {
            for index in result.indices { result[index] += beta * passage[index] / Float(passages.count) }
        }
        let length = result.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? result.map { $0 / length } : query
    }

    /// RM3 over words: the terms that are most probable in the passages, mixed with the query (Abdul-Jaleel et al., TREC 2004).
    /// - Parameters:
    ///   - passages: the terms of each feedback passage with the passage's score.
    ///   - terms: how many expansion terms. Default 10.
    ///   - originalWeight: the share of the original query. Default 0.5.
    /// - Returns: the query's terms and the expansion terms with weights that add up to the query's length.
    public static func rm3(
        query: [String], passages: [(terms: [String], score: Double)], terms: Int = 10, originalWeight: Double = 0.5
    ) -> [KeywordQuery.WeightedTerm] {
        guard !query.isEmpty else { return [] }
        let highest = passages.map(\.score).max() ?? 0
        // Scores as log-likelihoods: their soft-max weighs the passages.
        let likelihoods = passages.map { exp($0.score - highest) }
        let total = likelihoods.reduce(0, +)
        var model: [String: Double] = [:]
        for (passage, likelihood) in zip(passages, likelihoods) where !passage.terms.isEmpty && total > 0 {
            let share = likelihood / total / Double(passage.terms.count)
            for term in passage.terms { model[term, default: 0] += share }
        }
        let best = model.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }.prefix(terms)
        let mass = best.reduce(0) { $0 + $1.value }
        let length = Double(query.count)
        var weights: [String: Double] = [:]
        var order: [String] = []
        func add(_ term: String, _ weight: Double) {
            if weights[term] == nil { order.append(term) }
            weights[term, default: 0] += weight
        }
        for term in query { add(term, mass > 0 ? originalWeight : 1) }
        for (term, value) in best where mass > 0 { add(term, (1 - originalWeight) * value / mass * length) }
        return order.map { KeywordQuery.WeightedTerm(text: $0, weight: weights[$0] ?? 0) }
    }
}
