// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// Answers a question from passages with a model that is too weak to be let write freely: the answer is a span of the
/// evidence, yes or no, or one of the things compared.
///
/// Every candidate is scored by its log-probability as the answer, with the evidence and without it: what the
/// evidence makes more probable is what it says. A linear ranking adds how a candidate looks or, where another reader
/// proposes the candidates, how probable that reader holds them. The weights are fitted on training questions.
public struct EvidenceAnswerer: Sendable {
    /// A passage that may hold the answer.
    public struct Passage: Sendable, Hashable {
        public var id: String
        public var title: String
        public var text: String

        public init(id: String, title: String, text: String) {
            self.id = id
            self.title = title
            self.text = text
        }
    }

    /// The answer, the passages that it rests on, and the candidates that it was chosen from.
    public struct Answer: Sendable, Hashable {
        public var text: String
        /// Ids of the passages that hold the answer; for yes, no and comparisons those of all passages.
        public var citations: [String]
        /// The probability of the chosen candidate among all, by the ranking's scores.
        public var confidence: Double
        /// All candidates, best first.
        public var ranked: [Ranked]
        /// Tokens that passed through the model.
        public var tokens: Int
    }

    /// A candidate with its score.
    public struct Ranked: Sendable, Hashable {
        public var candidate: AnswerCandidate
        public var score: Double
    }

    /// A candidate that another reader found, such as a trained span reader.
    public struct Proposal: Sendable, Hashable {
        public var text: String
        /// The index of the passage that holds it; nil for yes and no.
        public var passage: Int?
        /// How probable the other reader holds it.
        public var probability: Double

        public init(text: String, passage: Int?, probability: Double) {
            self.text = text
            self.passage = passage
            self.probability = probability
        }
    }

    /// Finds the candidates of a question in passages.
    public typealias Proposer = @Sendable (_ question: String, _ passages: [Passage]) async throws -> [Proposal]

    /// The linear ranking: weights of the log-probabilities and of how a candidate looks.
    public struct Weights: Sendable, Hashable {
        /// Of: mean log-probability with the evidence, sum with it, mean without it, sum without it.
        public var logProbabilities: [Double]
        /// Of the candidate's features, in the order of `featureNames`; for proposals of the logarithm of their
        /// probability alone.
        public var features: [Double]

        public init(logProbabilities: [Double], features: [Double]) {
            self.logProbabilities = logProbabilities
            self.features = features
        }

        /// Fitted with SmolLM2-135M-Instruct on 100 training questions of HotpotQA with their gold passages
        /// (`ForageBenchmarks reader --training`).
        public static let standard = Weights(
            logProbabilities: [0.335, 0.026, -0.115, 0.028],
            features: [1.597, -1.388, 0.256, 0.653, 3.028, 0.444, 0.391, 1.210, -0.635, -0.049])

        /// The same for proposals of the span reader, on 80 training questions of MuSiQue, which that reader has not seen.
        public static let proposed = Weights(logProbabilities: [0.026, 0.028, 0.072, 0.001], features: [0.281])
    }

    /// The names of a candidate's features.
    public static let featureNames = CandidateFinder.featureNames

    public let model: LocalModel
    public var weights: Weights
    /// Finds the candidates; nil for the rules of `CandidateFinder`.
    public var proposer: Proposer?
    /// The most candidates that are scored by the model.
    public var mostCandidates: Int
    /// The most characters of all passages together; later passages are cut.
    public var mostCharacters: Int

    public init(
        model: LocalModel, weights: Weights? = nil, proposer: Proposer? = nil, mostCandidates: Int = 80,
        mostCharacters: Int = 6000
    ) {
        self.model = model
        self.weights = weights ?? (proposer == nil ? .standard : .proposed)
        self.proposer = proposer
        self.mostCandidates = mostCandidates
        self.mostCharacters = mostCharacters
    }

    /// Answers from the passages, the most relevant first.
    /// - Throws: `LanguageModelError`, `CancellationError`.
    @concurrent
    public func answer(_ question: String, passages: [Passage]) async throws -> Answer {
        let passages = cut(passages)
        let candidates = try await candidates(question, passages)
        guard !candidates.isEmpty else { return Answer(text: "", citations: [], confidence: 0, ranked: [], tokens: 0) }
        let texts = candidates.map { model.tokenizer.encode($0.text) }
        let withEvidence = try model.promptTokens(for: Self.conversation(question, passages))
        let without = try model.promptTokens(for: Self.conversation(question, []))
        let given = try await model.score(continuations: texts, after: withEvidence)
        let alone = try await model.score(continuations: texts, after: without)
        var ranked: [Ranked] = []
        for (index, candidate) in candidates.enumerated() {
            let count = Double(max(1, given[index].tokenCount))
            let sums = [given[index].logProbability, alone[index].logProbability]
            let values = [sums[0] / count, sums[0], sums[1] / count, sums[1]]
            let score = zip(values, weights.logProbabilities).reduce(0) { $0 + $1.0 * $1.1 } + looks(candidate)
            var candidate = candidate
            candidate.features += values
            ranked.append(Ranked(candidate: candidate, score: score))
        }
        let order = ranked.indices.sorted {
            ranked[$0].score != ranked[$1].score ? ranked[$0].score > ranked[$1].score : $0 < $1
        }
        ranked = order.map { ranked[$0] }
        let best = ranked[0]
        let total = ranked.reduce(0) { $0 + exp($1.score - best.score) }
        return Answer(
            text: best.candidate.text, citations: citations(best.candidate, passages), confidence: 1 / total,
            ranked: ranked, tokens: withEvidence.count + without.count + 2 * texts.reduce(0) { $0 + $1.count })
    }

    private func candidates(_ question: String, _ passages: [Passage]) async throws -> [AnswerCandidate] {
        if let proposer {
            return try await proposer(question, passages).prefix(mostCandidates).map {
                AnswerCandidate(text: $0.text, passage: $0.passage, features: [log(max($0.probability, 1e-6))])
            }
        }
        let finder = CandidateFinder(question: question)
        let plain = [Double](repeating: 0, count: Self.featureNames.count)
        let alternatives = finder.alternatives()
        switch finder.kind {
        case .yesNo: return ["yes", "no"].map { AnswerCandidate(text: $0, passage: nil, features: plain) }
        case .choice where alternatives.count == 2:
            return alternatives.map { AnswerCandidate(text: $0, passage: nil, features: plain) }
        default:
            let candidates = finder.candidates(titles: passages.map(\.title), texts: passages.map(\.text))
            let ordered = candidates.indices.sorted { a, b in
                let x = looks(candidates[a])
                let y = looks(candidates[b])
                return x != y ? x > y : a < b
            }
            return ordered.prefix(mostCandidates).sorted().map { candidates[$0] }
        }
    }

    private func looks(_ candidate: AnswerCandidate) -> Double {
        zip(candidate.features, weights.features).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private func citations(_ candidate: AnswerCandidate, _ passages: [Passage]) -> [String] {
        guard candidate.passage != nil else { return passages.map(\.id) }
        return passages.filter { $0.text.contains(candidate.text) || $0.title.contains(candidate.text) }.map(\.id)
    }

    private func cut(_ passages: [Passage]) -> [Passage] {
        var left = mostCharacters
        var out: [Passage] = []
        for var passage in passages where left > 0 {
            passage.text = String(passage.text.prefix(left))
            left -= passage.text.count
            out.append(passage)
        }
        return out
    }

    /// The prompt. What the model may say is given, and no control token comes of a passage's text, so that a passage can
    /// win no more than the place of a candidate.
    public static func conversation(_ question: String, _ passages: [Passage]) -> [ChatMessage] {
        var text = ""
        for (index, passage) in passages.enumerated() {
            text += "[\(index + 1)] \(passage.title): \(passage.text)\n"
        }
        if !passages.isEmpty { text = "Passages:\n" + text + "\n" }
        text += "Question: \(question)\nAnswer with a few words only."
        return [
            ChatMessage(role: .system, content: "You answer questions with short facts."),
            ChatMessage(role: .user, content: text),
        ]
    }
}
