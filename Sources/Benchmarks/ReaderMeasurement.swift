// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import QualityMetrics
import Text

/// Questions with their gold passages, and what a local model answers from them.
struct ReaderMeasurement {
    /// A question with everything that a reader needs.
    struct Item {
        var question: String
        var gold: [String]
        var passages: [EvidenceAnswerer.Passage]
    }

    /// A scored candidate.
    struct Choice {
        var text: String
        var features: [Double]
        var f1: Double
    }

    /// - Parameter corpus: JSON lines of id, title and text.
    static func items(questions: String, corpus: String, skip: Int, count: Int) throws -> [Item] {
        var passages: [String: EvidenceAnswerer.Passage] = [:]
        for line in try String(contentsOfFile: corpus, encoding: .utf8).split(separator: "\n") {
            let json = try JSONValue(parsing: Array(line.utf8))
            guard let id = json["id"]?.string, let text = json["text"]?.string else { continue }
            passages[id] = .init(id: id, title: json["title"]?.string ?? "", text: text)
        }
        var items: [Item] = []
        let lines = try String(contentsOfFile: questions, encoding: .utf8).split(separator: "\n")
        for line in lines.dropFirst(skip).prefix(count) {
            let json = try JSONValue(parsing: Array(line.utf8))
            guard let question = json["question"]?.string, let supporting = json["supporting"]?.array else { continue }
            items.append(
                Item(
                    question: question, gold: json["answers"]?.array?.compactMap(\.string) ?? [],
                    passages: supporting.compactMap { $0.string.flatMap { passages[$0] } }))
        }
        return items
    }

    /// What the model writes by itself, without sampling.
    static func written(_ item: Item, by model: LocalModel) async throws -> (text: String, scores: AnswerScores) {
        let request = ModelRequest(
            messages: EvidenceAnswerer.conversation(item.question, item.passages),
            options: SamplingOptions(temperature: 0, maxTokens: 24, stop: ["\n"], timeout: 600))
        let response = try await model.respond(to: request) { _ in }
        let text = response.completions[0].message.content
        return (text, scores(text, item))
    }

    /// HotpotQA's own measures.
    static func scores(_ text: String, _ item: Item) -> AnswerScores {
        AnswerBenchmark.hotpotQA.score(text, gold: item.gold)
    }

    /// What a model that is good enough to be let write answers; nil for another.
    static func draft(_ item: Item, by answerer: EvidenceAnswerer) async throws -> String? {
        guard answerer.proposer != nil, answerer.model.capabilities.toolCalls else { return nil }
        let response = try await answerer.model.respond(to: answerer.request(item.question, item.passages)) { _ in }
        return response.completions.first.map { EvidenceAnswerer.short($0.message.content) }
    }

    /// The candidates of a question with their features.
    static func choices(_ item: Item, by answerer: EvidenceAnswerer) async throws -> [Choice] {
        let written = try await draft(item, by: answerer)
        return try await answerer.answer(item.question, passages: item.passages, written: written).ranked.map {
            ranked in
            Choice(
                text: ranked.candidate.text, features: ranked.candidate.features,
                f1: scores(ranked.candidate.text, item).f1)
        }
    }

    /// Weights under which the softmax over a question's candidates is near the candidates' F1: gradient descent on
    /// the cross-entropy, with features divided by their deviations and a small squared penalty.
    static func fit(_ questions: [[Choice]], rounds: Int = 3000, rate: Double = 0.05, penalty: Double = 2e-3)
        -> [Double]
    {
        let questions = questions.filter { $0.contains { $0.f1 > 0 } }
        guard let width = questions.first?.first?.features.count else { return [] }
        var deviations = [Double](repeating: 0, count: width)
        var count = 0.0
        for choices in questions {
            for f in 0..<width {
                let mean = choices.reduce(0) { $0 + $1.features[f] } / Double(choices.count)
                deviations[f] += choices.reduce(0) { $0 + ($1.features[f] - mean) * ($1.features[f] - mean) }
            }
            count += Double(choices.count)
        }
        deviations = deviations.map { max(1e-6, ($0 / max(1, count)).squareRoot()) }
        var weights = [Double](repeating: 0, count: width)
        var momentum = weights
        let scaled = questions.map { $0.map { zip($0.features, deviations).map(/) } }
        let targets = questions.map { choices in
            let sum = choices.reduce(0) { $0 + $1.f1 }
            return choices.map { $0.f1 / sum }
        }
        for _ in 0..<rounds {
            var gradient = weights.map { penalty * $0 }
            for (rows, target) in zip(scaled, targets) {
                let scores = rows.map { zip($0, weights).reduce(0) { $0 + $1.0 * $1.1 } }
                let top = scores.max() ?? 0
                let powers = scores.map { exp($0 - top) }
                let sum = powers.reduce(0, +)
                for (i, row) in rows.enumerated() {
                    let difference = (powers[i] / sum - target[i]) / Double(questions.count)
                    for f in 0..<width { gradient[f] += difference * row[f] }
                }
            }
            for f in 0..<width {
                momentum[f] = 0.9 * momentum[f] + gradient[f]
                weights[f] -= rate * momentum[f]
            }
        }
        return zip(weights, deviations).map(/)
    }

    /// The F1 of the best candidates under the weights.
    static func f1(_ questions: [[Choice]], weights: [Double]) -> Double {
        let sum = questions.reduce(0.0) { sum, choices in
            let best = choices.max { a, b in
                zip(a.features, weights).reduce(0) { $0 + $1.0 * $1.1 }
                    < zip(b.features, weights).reduce(0) { $0 + $1.0 * $1.1 }
            }
            return sum + (best?.f1 ?? 0)
        }
        return sum / Double(max(1, questions.count))
    }
}
