// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import Text

/// Retrieves always, or never.
public struct FixedGate: RetrievalGate {
    public var retrieves: Bool
    public var name: String { retrieves ? "always" : "never" }

    public init(retrieves: Bool) {
        self.retrieves = retrieves
    }

    public func assess(_ state: AgentState, using context: StepContext) async throws -> GateDecision {
        GateDecision(retrieve: retrieves, reason: name)
    }
}

/// Retrieves as long as a measure of uncertainty is above a threshold.
///
/// Before the first step that is the decision whether to retrieve at all; before later ones, whether the evidence is
/// enough. The samples are short answers to the question, drawn with the evidence so far in the prompt.
public struct ThresholdGate: RetrievalGate {
    public var measure: GateMeasure
    /// Retrieve when the uncertainty is above this.
    public var threshold: Double

    public var name: String { "threshold" }

    public init(measure: GateMeasure, threshold: Double) {
        self.measure = measure
        self.threshold = threshold
    }

    public func assess(_ state: AgentState, using context: StepContext) async throws -> GateDecision {
        guard let value = try await measure.value(in: state, using: context) else {
            return GateDecision(measure: measure.name, threshold: threshold, retrieve: true, reason: "not measurable")
        }
        return GateDecision(
            measure: measure.name, uncertainty: value, threshold: threshold, retrieve: value > threshold,
            reason: value > threshold ? "too uncertain" : "certain enough")
    }
}

/// Retrieves when a logistic regression over several measures says that it pays; `forage calibrate` fits the weights.
public struct LearnedGate: RetrievalGate {
    public var measures: [GateMeasure]
    public var weights: [Double]
    public var bias: Double
    /// Retrieve when the probability of a wrong answer is above this. Default 0.5.
    public var threshold: Double

    public var name: String { "learned" }

    public init(measures: [GateMeasure], weights: [Double], bias: Double, threshold: Double = 0.5) {
        self.measures = measures
        self.weights = weights
        self.bias = bias
        self.threshold = threshold
    }

    public func assess(_ state: AgentState, using context: StepContext) async throws -> GateDecision {
        var logit = bias
        for (measure, weight) in zip(measures, weights) {
            logit += weight * (try await measure.value(in: state, using: context) ?? 0)
        }
        let probability = 1 / (1 + exp(-logit))
        return GateDecision(
            measure: "learned", uncertainty: probability, threshold: threshold, retrieve: probability > threshold,
            reason: "probability of a wrong answer")
    }
}

/// A measure of how uncertain the agent is, with what it needs to be taken.
public struct GateMeasure: Sendable, Hashable {
    /// What is measured.
    public enum Kind: Sendable, Hashable {
        /// Agreement of sampled answers.
        case samples(UncertaintyMeasure, similarity: SimilarityKind)
        /// Semantic entropy of sampled answers, each counted by its likelihood.
        case likelihoods(SimilarityKind)
        /// Log-probabilities of one answer.
        case tokens(TokenUncertainty)
        /// FLARE's trigger: 1 when a token of the next sentence is unsure, else 0.
        case nextSentence(ForwardLooking)
        /// 1 minus the share of the question's words that the best sentence of the evidence covers; needs no model.
        case coverage
    }

    /// How samples are compared.
    public enum SimilarityKind: String, Sendable, Hashable, CaseIterable { case jaccard, cosine, entailment }

    public var kind: Kind
    /// How many answers are sampled. Default 10.
    public var samples: Int
    /// The sampling temperature. Default 1.
    public var temperature: Double
    /// The most tokens of one sample. Default 48.
    public var maxTokens: Int

    public init(_ kind: Kind, samples: Int = 10, temperature: Double = 1, maxTokens: Int = 48) {
        self.kind = kind
        self.samples = samples
        self.temperature = temperature
        self.maxTokens = maxTokens
    }

    public var name: String {
        switch kind {
        case .samples(let measure, let similarity): return measure.rawValue + "/" + similarity.rawValue
        case .likelihoods(let similarity): return Self.likelihoodName + "/" + similarity.rawValue
        case .tokens(let measure): return measure.rawValue
        case .nextSentence: return "flare"
        case .coverage: return "coverage"
        }
    }

    private static let likelihoodName = "semantic_entropy_likelihood"

    /// The measure of that name, such as `degmat`, `eigv/cosine`, `mean_logprob`, `flare` or `coverage`.
    public init?(name: String, samples: Int = 10, temperature: Double = 1, maxTokens: Int = 48) {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        guard let first = parts.first else { return nil }
        let kind: Kind
        if let measure = UncertaintyMeasure(rawValue: first) {
            guard let similarity = SimilarityKind(rawValue: parts.count > 1 ? parts[1] : "jaccard") else { return nil }
            kind = .samples(measure, similarity: similarity)
        } else if first == Self.likelihoodName {
            guard let similarity = SimilarityKind(rawValue: parts.count > 1 ? parts[1] : "jaccard") else { return nil }
            kind = .likelihoods(similarity)
        } else if parts.count == 1, let measure = TokenUncertainty(rawValue: first) {
            kind = .tokens(measure)
        } else if name == "flare" {
            kind = .nextSentence(ForwardLooking())
        } else if name == "coverage" {
            kind = .coverage
        } else {
            return nil
        }
        self.init(kind, samples: samples, temperature: temperature, maxTokens: maxTokens)
    }

    /// The names that `init(name:)` takes.
    public static var names: [String] {
        UncertaintyMeasure.allCases.flatMap { measure in
            SimilarityKind.allCases.map { measure.rawValue + "/" + $0.rawValue }
        } + SimilarityKind.allCases.map { likelihoodName + "/" + $0.rawValue }
            + TokenUncertainty.allCases.map(\.rawValue)
            + ["flare", "coverage"]
    }

    /// The measure in a state; nil when it cannot be taken: no model, no log-probabilities, no encoder.
    public func value(in state: AgentState, using context: StepContext) async throws -> Double? {
        switch kind {
        case .coverage:
            let words = EvidenceWords(question: state.question.text, items: state.evidence.ranking)
            return 1 - (words.bestSentence()?.coverage ?? 0)
        case .samples(let measure, let similarity):
            guard let (texts, matrix, _) = try await sampled(similarity, state, context, withTokens: false) else {
                return nil
            }
            return measure.value(of: matrix, samples: texts)
        case .likelihoods(let similarity):
            guard context.modelCapabilities?.logProbabilities == true,
                let (_, matrix, logs) = try await sampled(similarity, state, context, withTokens: true),
                logs.allSatisfy({ $0 != nil })
            else { return nil }
            return UncertaintyMeasure.semanticEntropy(of: matrix, logLikelihoods: logs.compactMap { $0 })
        case .tokens(let measure):
            guard let completion = try await answer(state, context) else { return nil }
            return measure.value(of: completion.tokens)
        case .nextSentence(let rule):
            guard let completion = try await answer(state, context), !completion.tokens.isEmpty else { return nil }
            let sentence = rule.firstSentence(of: completion.tokens, in: completion.message.content)
            return rule.isTriggered(by: sentence) ? 1 : 0
        }
    }

    /// Samples of the answer, how alike they are, and each one's log-likelihood; nil when they cannot be had.
    private func sampled(
        _ similarity: SimilarityKind, _ state: AgentState, _ context: StepContext, withTokens: Bool
    ) async throws -> (texts: [String], matrix: SampleSimilarity, logLikelihoods: [Double?])? {
        guard context.hasModel else { return nil }
        var request = request(state, context, samples: samples, temperature: temperature)
        if withTokens { request.options.topLogProbabilities = 0 }
        let response = try await context.respond(to: request, purpose: "uncertainty")
        let texts = response.completions.map { AnswerText.split($0.message.content) }.map { $0.short ?? $0.text }
        let logs = response.completions.map { completion in
            completion.tokens.isEmpty ? nil : completion.tokens.reduce(0) { $0 + $1.logProbability }
        }
        switch similarity {
        case .jaccard: return (texts, .jaccard(texts), logs)
        case .cosine:
            guard let embed = context.embed else { return nil }
            return (texts, .cosine(try await embed(texts)), logs)
        case .entailment:
            return (
                texts, try await .entailment(texts, question: state.question.text, context: context), logs
            )
        }
    }

    private func answer(_ state: AgentState, _ context: StepContext) async throws -> Completion? {
        guard context.modelCapabilities?.logProbabilities == true else { return nil }
        var request = request(state, context, samples: 1, temperature: 0)
        request.options.topLogProbabilities = 5
        return try await context.respond(to: request, purpose: "uncertainty").completions.first
    }

    private func request(
        _ state: AgentState, _ context: StepContext, samples: Int, temperature: Double
    ) -> ModelRequest {
        var random = context.random
        let fence = Fence(seed: random.next(), salt: context.fenceSalt, call: "uncertainty")
        var content = "Question: " + state.question.text
        if !state.evidence.isEmpty {
            content =
                fence.wrap(EvidencePrompt.list(state.evidence, limit: 6), source: "the evidence") + "\n\n" + content
        }
        return ModelRequest(
            messages: [
                ChatMessage(
                    role: .system,
                    content: "Answer the question with the shortest phrase that answers it, and nothing else. "
                        + Fence.note),
                ChatMessage(role: .user, content: content),
            ], toolChoice: .none,
            options: SamplingOptions(
                temperature: temperature, seed: random.next() >> 11, maxTokens: maxTokens, samples: samples))
    }
}

extension StrategyRegistry {
    static let standardGates: [String: Maker<any RetrievalGate>] = [
        "always": { _, _ in FixedGate(retrieves: true) },
        "never": { _, _ in FixedGate(retrieves: false) },
        "threshold": { options, _ in
            ThresholdGate(
                measure: try measure(&options), threshold: try options.double("value", default: 0.4, in: -1000...1000))
        },
        "learned": { options, file in
            let names = try options.strings("measures", default: [])
            let samples = try options.int("samples", default: 10, in: 2...100)
            var measures: [GateMeasure] = []
            for name in names {
                guard let measure = GateMeasure(name: name, samples: samples) else {
                    throw options.error(
                        "measures",
                        "unknown measure \"\(name)\"; there are \(GateMeasure.names.joined(separator: ", "))")
                }
                measures.append(measure)
            }
            let weights = (options.value("weights")?.array ?? []).compactMap(\.double)
            guard weights.count == measures.count, !measures.isEmpty else {
                throw options.error("weights", "expected \(measures.count) numbers, one a measure")
            }
            return LearnedGate(
                measures: measures, weights: weights, bias: try options.double("bias", default: 0),
                threshold: try options.double("value", default: 0.5, in: 0...1))
        },
    ]

    private static func measure(_ options: inout PolicyReader) throws -> GateMeasure {
        let name = try options.string("measure", default: "degmat")
        guard
            let measure = GateMeasure(
                name: name, samples: try options.int("samples", default: 10, in: 2...100),
                temperature: try options.double("temperature", default: 1, in: 0...10),
                maxTokens: try options.int("max_tokens", default: 48, in: 1...4096))
        else {
            throw options.error(
                "measure", "unknown measure \"\(name)\"; there are \(GateMeasure.names.joined(separator: ", "))")
        }
        return measure
    }
}
