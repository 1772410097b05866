// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Text

/// Pseudo-relevance feedback: a query made better by what a first search found. One works on words, another on vectors;
/// what it cannot do is nil.
public protocol RelevanceFeedback: Sendable {
    /// The name in the registry.
    var name: String { get }
    /// Words to add to the query, the best first, as they stand in the passages.
    func words(_ text: FeedbackText, limit: Int) -> [String]?
    /// The query's vector, moved towards the passages that are taken for relevant; of length one.
    func vector(query: [Float], passages: [[Float]]) -> [Float]?
}

extension RelevanceFeedback {
    /// None.
    public func words(_ text: FeedbackText, limit: Int) -> [String]? { nil }
    /// None.
    public func vector(query: [Float], passages: [[Float]]) -> [Float]? { nil }
}

/// The texts that feedback over words reads: a query, the passages taken for relevant, and what else was found.
public struct FeedbackText: Sendable {
    /// The query's terms.
    public var query: Set<String>
    /// The words of each passage that the query lacks, with their terms.
    public var passages: [[(term: String, word: String)]]
    /// The passages' scores.
    public var scores: [Double]
    /// How many of the found passages hold a term, and how many there are.
    public var background: (frequency: [String: Double], count: Int)

    /// - Parameters:
    ///   - relevant: the texts taken for relevant, with their scores.
    ///   - found: the texts of all that was found; the first 200 are read.
    public init(
        query: String, relevant: [(text: String, score: Double)], found: some Sequence<String>, foundCount: Int,
        analyzer: TextAnalyzer
    ) {
        let asked = Set(analyzer.terms(in: query))
        self.query = asked
        passages = relevant.map { item in
            item.text.split(whereSeparator: { !$0.isLetter && !$0.isNumber }).compactMap { word in
                analyzer.terms(in: String(word)).first.flatMap { asked.contains($0) ? nil : ($0, String(word)) }
            }
        }
        scores = relevant.map(\.score)
        var frequency: [String: Double] = [:]
        for text in found.prefix(200) { for term in Set(analyzer.terms(in: text)) { frequency[term, default: 0] += 1 } }
        background = (frequency, foundCount)
    }

    /// A word for each term, the first that stands in a passage.
    var surface: [String: String] {
        var surface: [String: String] = [:]
        for (term, word) in passages.joined() where surface[term] == nil { surface[term] = word }
        return surface
    }
}

/// The words that are frequent in the passages taken for relevant and rare in what else was found.
public struct FrequentWords: RelevanceFeedback {
    public var name: String { "tf-idf" }

    public init() {}

    public func words(_ text: FeedbackText, limit: Int) -> [String]? {
        var relevant: [String: Double] = [:]
        for (term, _) in text.passages.joined() { relevant[term, default: 0] += 1 }
        let count = Double(max(1, text.background.count))
        let surface = text.surface
        return relevant.map { term, frequency in
            (term, frequency * log(1 + count / (text.background.frequency[term] ?? 1)))
        }
        .sorted { ($0.1, $1.0) > ($1.1, $0.0) }.compactMap { surface[$0.0] }.prefix(limit).map { $0 }
    }
}

/// RM3: the terms that are most probable in the passages, mixed with the query (Abdul-Jaleel et al., TREC 2004).
public struct RelevanceModel: RelevanceFeedback {
    public var name: String { "rm3" }
    /// The share of the original query. Default 0.5.
    public var originalWeight: Double

    public init(originalWeight: Double = 0.5) { self.originalWeight = originalWeight }

    public func words(_ text: FeedbackText, limit: Int) -> [String]? {
        let passages = zip(text.passages, text.scores).map { (terms: $0.0.map(\.term), score: $0.1) }
        let surface = text.surface
        return expanded(query: text.query.sorted(), passages: passages, terms: limit)
            .filter { !text.query.contains($0.text) }
            .sorted { ($0.weight, $1.text) > ($1.weight, $0.text) }.compactMap { surface[$0.text] }
    }

    /// The query with its expansion terms.
    /// - Parameters:
    ///   - passages: the terms of each feedback passage with the passage's score.
    ///   - terms: how many expansion terms. Default 10.
    /// - Returns: the query's terms and the expansion terms with weights that add up to the query's length.
    public func expanded(
        query: [String], passages: [(terms: [String], score: Double)], terms: Int = 10
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

/// Rocchio over vectors: α · query + β · mean of the passages, of length one (Rocchio 1971; for dense retrieval Li et al.,
/// arXiv 2205.00235).
public struct Rocchio: RelevanceFeedback {
    public var name: String { "rocchio" }
    /// Default 1.
    public var alpha: Float
    /// Default 0.5.
    public var beta: Float

    public init(alpha: Float = 1, beta: Float = 0.5) {
        self.alpha = alpha
        self.beta = beta
    }

    /// The mean of vectors, of length one: of a question and of passages made up for it (HyDE, Gao et al., 2023). The
    /// vectors have one length; none gives none.
    public static func mean(_ vectors: [[Float]]) -> [Float] {
        guard let first = vectors.first else { return [] }
        return Rocchio(alpha: 1, beta: Float(vectors.count - 1)).vector(
            query: first, passages: Array(vectors.dropFirst())) ?? first
    }

    public func vector(query: [Float], passages: [[Float]]) -> [Float]? {
        guard !passages.isEmpty else { return query }
        var result = query.map { $0 * alpha }
        for passage in passages where passage.count == query.count {
            for index in result.indices { result[index] += beta * passage[index] / Float(passages.count) }
        }
        let length = result.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return length > 0 ? result.map { $0 / length } : query
    }
}
