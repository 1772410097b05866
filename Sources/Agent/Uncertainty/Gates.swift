// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import QualityMetrics
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
        let reading = try await measure.reading(in: state, using: context)
        guard let value = reading.value else {
            return GateDecision(measure: measure.name, threshold: threshold, retrieve: true, reason: "not measurable")
        }
        guard reading.holdsAnswer else {
            return GateDecision(
                measure: measure.name, uncertainty: value, threshold: threshold, retrieve: true,
                reason: GateMeasure.Reading.noAnswer)
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
        var holdsAnswer = true
        var isMeasured = false
        for (measure, weight) in zip(measures, weights) {
            let reading = try await measure.reading(in: state, using: context)
            logit += weight * (reading.value ?? 0)
            holdsAnswer = holdsAnswer && reading.holdsAnswer
            isMeasured = isMeasured || reading.value != nil
        }
        let probability = 1 / (1 + exp(-logit))
        guard isMeasured, holdsAnswer else {
            return GateDecision(
                measure: "learned", uncertainty: isMeasured ? probability : nil, threshold: threshold, retrieve: true,
                reason: isMeasured ? GateMeasure.Reading.noAnswer : "not measurable")
        }
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

    /// What was measured, and whether there was an answer to measure at all.
    struct Reading {
        static let noAnswer = "what the model wrote answers nothing"

        /// The uncertainty; nil when it cannot be taken.
        var value: Double?
        /// Whether most of what the model wrote answers the question. That all samples are empty, cut off, refusals or say
        /// that they do not know makes none of them knowledge.
        var holdsAnswer = true
    }

    /// The measure in a state; nil when it cannot be taken: no model, no log-probabilities, no encoder.
    public func value(in state: AgentState, using context: StepContext) async throws -> Double? {
        try await reading(in: state, using: context).value
    }

    /// The measure in a state, and whether the model gave an answer.
    func reading(in state: AgentState, using context: StepContext) async throws -> Reading {
        switch kind {
        case .coverage:
            let words = EvidenceWords(question: state.question.text, items: state.evidence.ranking)
            return Reading(value: 1 - (words.bestSentence()?.coverage ?? 0))
        case .samples(let measure, let similarity):
            guard let samples = try await sampled(similarity, state, context, withTokens: false) else {
                return Reading()
            }
            return Reading(
                value: measure.value(of: samples.matrix, samples: samples.texts), holdsAnswer: samples.holdAnswer)
        case .likelihoods(let similarity):
            guard context.modelCapabilities?.logProbabilities == true,
                let samples = try await sampled(similarity, state, context, withTokens: true),
                samples.logLikelihoods.allSatisfy({ $0 != nil })
            else { return Reading() }
            return Reading(
                value: UncertaintyMeasure.semanticEntropy(
                    of: samples.matrix, logLikelihoods: samples.logLikelihoods.compactMap { $0 }),
                holdsAnswer: samples.holdAnswer)
        case .tokens(let measure):
            guard let completion = try await answer(state, context) else { return Reading() }
            return Reading(value: measure.value(of: completion.tokens), holdsAnswer: !Self.abstains(completion))
        case .nextSentence(let rule):
            guard let completion = try await answer(state, context), !completion.tokens.isEmpty else {
                return Reading()
            }
            let sentence = rule.firstSentence(of: completion.tokens, in: completion.message.content)
            return Reading(value: rule.isTriggered(by: sentence) ? 1 : 0, holdsAnswer: !Self.abstains(completion))
        }
    }

    /// The short answer in a sample.
    private static func short(_ completion: Completion) -> String {
        let split = AnswerText.split(completion.message.content)
        return split.short ?? split.text
    }

    /// Whether a sample answers nothing: it was cut off or held back, calls a tool, or says nothing that is an answer.
    private static func abstains(_ completion: Completion) -> Bool {
        completion.finishReason != .stop || !completion.message.toolCalls.isEmpty
            || AbstentionWording.isAbstention(short(completion))
    }

    /// Samples of the answer.
    private struct Samples {
        var texts: [String]
        /// How alike they are; those that answer nothing are alike to none.
        var matrix: SampleSimilarity
        var logLikelihoods: [Double?]
        /// Whether more than half of them answer.
        var holdAnswer: Bool
    }

    /// Samples of the answer; nil when they cannot be had.
    private func sampled(
        _ similarity: SimilarityKind, _ state: AgentState, _ context: StepContext, withTokens: Bool
    ) async throws -> Samples? {
        guard context.hasModel else { return nil }
        var request = request(state, context, samples: samples, temperature: temperature)
        if withTokens { request.options.topLogProbabilities = 0 }
        let response = try await context.respond(to: request, purpose: "uncertainty")
        let texts = response.completions.map(Self.short)
        let abstaining = response.completions.map(Self.abstains)
        let answers = abstaining.count { !$0 }
        func drawn(_ matrix: SampleSimilarity, _ logs: [Double?]) -> Samples {
            Samples(
                texts: texts, matrix: matrix.setting(apart: abstaining), logLikelihoods: logs,
                holdAnswer: answers * 2 > texts.count)
        }
        let logs = response.completions.map { completion in
            completion.tokens.isEmpty ? nil : completion.tokens.reduce(0) { $0 + $1.logProbability }
        }
        switch similarity {
        case .jaccard: return drawn(.jaccard(texts), logs)
        case .cosine:
            guard let embed = context.embed else { return nil }
            return drawn(.cosine(try await embed(texts)), logs)
        case .entailment:
            return drawn(try await .entailment(texts, question: state.question.text, context: context), logs)
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
