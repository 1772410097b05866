// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
public import Search
import Text

/// The components that a policy file can name. A new one is one new file and one line here, or one line in the program
/// that brings it: learned policies and readers come from modules above this one.
public struct StrategyRegistry: Sendable {
    /// Makes a component from its options and the policy file that it stands in.
    public typealias Maker<Component> = @Sendable (inout PolicyReader, PolicyFile) throws -> Component

    public var proposers: [String: Maker<any ActionProposer>]
    public var policies: [String: Maker<any RetrievalPolicy>]
    public var gates: [String: Maker<any RetrievalGate>]
    public var keepers: [String: Maker<any EvidenceKeeper>]
    public var answerers: [String: Maker<any Answerer>]

    /// The components of this module.
    public static let standard = standard(ranking: RankingRegistry())

    /// The components of this module.
    /// - Parameter ranking: the fusions, feedbacks and rerankers that policies can name.
    public static func standard(ranking: RankingRegistry) -> StrategyRegistry {
        StrategyRegistry(
            proposers: proposers(ranking), policies: standardPolicies, gates: standardGates, keepers: keepers(ranking),
            answerers: answerers(withoutModel: ExtractiveAnswerer()))
    }

    /// The registry with another answerer for sessions without a model: a trained reader, a local model.
    ///
    /// - Parameter withModels: who answers in sessions with a model, by the model's name; any other model writes itself.
    public func answering(
        withoutModel answerer: any Answerer, withModels: [String: any Answerer] = [:]
    ) -> StrategyRegistry {
        var registry = self
        registry.answerers["auto"] = { _, _ in AutomaticAnswerer(withoutModel: answerer, withModels: withModels) }
        return registry
    }

    /// The registry whose "auto" is this answerer, with a model and without.
    public func always(_ answerer: any Answerer) -> StrategyRegistry {
        var registry = self
        registry.answerers["auto"] = { _, _ in answerer }
        return registry
    }

    /// Makes a component and refuses options that it does not know.
    func make<Component>(
        _ component: (name: String, options: PolicyReader), from makers: [String: Maker<Component>], _ file: PolicyFile
    ) throws -> Component {
        guard let maker = makers[component.name] else {
            let known = makers.keys.sorted().joined(separator: ", ")
            throw PolicyError(
                file: file.source, path: component.options.path, message: "unknown; expected one of \(known)")
        }
        var options = component.options
        let made = try maker(&options, file)
        try options.finish()
        return made
    }

    private static func answerers(withoutModel answerer: any Answerer) -> [String: Maker<any Answerer>] {
        [
            "auto": { _, _ in AutomaticAnswerer(withoutModel: answerer) },
            "extractive": { options, _ in ExtractiveAnswerer(citations: try options.int("citations", default: 3)) },
            "model": { options, _ in
                ModelAnswerer(
                    instructions: try options.string("instructions", default: ModelAnswerer.standardInstructions),
                    options: try sampling(&options, maxTokens: 512), passages: try options.int("passages", default: 10))
            },
        ]
    }

    private static let standardPolicies: [String: Maker<any RetrievalPolicy>] = [
        "model": { _, _ in ModelDrivenPolicy() },
        "ordered": { options, _ in OrderedPolicy(order: try options.strings("order", default: [])) },
        "random": { options, _ in RandomPolicy(temperature: try options.optionalDouble("temperature", in: 0...1000)) },
    ]

    /// Sampling options that several components take.
    static func sampling(
        _ options: inout PolicyReader, maxTokens: Int, temperature: Double = 0
    ) throws -> SamplingOptions {
        SamplingOptions(
            temperature: try options.double("temperature", default: temperature, in: 0...10),
            topP: try options.optionalDouble("top_p", in: 0...1),
            maxTokens: try options.int("max_tokens", default: maxTokens, in: 1...1_000_000))
    }
}

/// Answers with the session's model where there is one, else with what was chosen for sessions without, which also takes
/// over where the model fails.
public struct AutomaticAnswerer: Answerer {
    public var withoutModel: any Answerer
    /// Who answers in a session with the model of that name, such as a reader that lets a small model choose; any other
    /// model writes itself.
    public var withModels: [String: any Answerer]

    public var name: String { "auto" }
    public var fingerprint: String {
        let readers = withModels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.fingerprint)" }
        return "auto \(withoutModel.fingerprint) \(readers.joined(separator: " "))"
    }

    public init(withoutModel: any Answerer, withModels: [String: any Answerer] = [:]) {
        self.withoutModel = withoutModel
        self.withModels = withModels
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        // A model that is shown nothing can only make things up, unless the gate found that it knows the answer.
        if context.hasModel, !evidence.isEmpty || context.isCertain {
            do {
                if !evidence.isEmpty, let reader = withModels[context.modelName] {
                    return try await reader.answer(question, from: evidence, using: context)
                }
                return try await ModelAnswerer().answer(question, from: evidence, using: context)
            } catch is LanguageModelError {
            } catch SessionError.budget {
            }
        }
        return try await withoutModel.answer(question, from: evidence, using: context)
    }
}
