// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Foundation
public import LanguageModels
package import Learning
import Net
public import Search
import Synchronization

/// Who answers where a policy leaves it open.
public enum AnswererChoice: String, Sendable, Hashable, CaseIterable {
    /// The trained span reader where there is no model; a model in this process writes a short answer and chooses between it
    /// and what the span reader finds; another model writes.
    case auto
    /// The best sentence.
    case extractive
    /// The model writes.
    case model
    /// A model in this process chooses among what the evidence offers.
    case modelSpans = "model-spans"
}

/// What strategies are made of: the standard parts, learned policies, rankings by name, and the answerer that "auto" stands
/// for.
public enum StrategyParts {
    /// The model that chooses spans where the session has none of this process.
    static let reader = "smollm2"

    /// The fusions, feedbacks and rerankers that can be named, in policies and in requests.
    public static let ranking: RankingRegistry = {
        let registry = RankingRegistry()
        registry.registerReader { spanReader() }
        registry.register(
            rerankerKind: "cross",
            .init(names: { RerankerOpening.names() }, open: { try RerankerOpening.open($0) }))
        return registry
    }()

    /// The registry of strategies' parts.
    /// - Parameter models: the models that sessions will have.
    /// - Throws: `AssemblyError` where the answerer needs a model that is not there.
    public static func registry(
        models: [any LanguageModel] = [], answerer: AnswererChoice = .auto
    ) throws -> StrategyRegistry {
        let registry = StrategyRegistry.standard(ranking: ranking).learning()
        switch answerer {
        case .auto:
            // Models in this process read: they choose among what the evidence offers and what they would write themselves.
            var readers: [String: any Answerer] = [:]
            for local in models.compactMap({ $0 as? LocalModel }) {
                readers[local.name] = choosing(local, writes: local.capabilities.toolCalls)
            }
            // Without the weights, or the encoder that they were trained on, the best sentence is the answer.
            let trained: (any Answerer)? = spanReader().map { SpanAnswerer($0) }
            return registry.answering(withoutModel: trained ?? ExtractiveAnswerer(), withModels: readers)
        case .extractive: return registry.always(ExtractiveAnswerer())
        case .model:
            guard !models.isEmpty else { throw AssemblyError("--answerer model needs --model") }
            return registry.always(ModelAnswerer())
        case .modelSpans:
            if let local = models.compactMap({ $0 as? LocalModel }).first { return registry.always(choosing(local)) }
            guard let path = ModelStore().resolve(reader) else {
                throw AssemblyError(
                    "--answerer model-spans needs a model in this process: `forage model pull \(reader)`")
            }
            return registry.always(choosing(try LocalModel(path: path, name: reader)))
        }
    }

    /// A model in this process that weighs the span reader's candidates, or without that reader those of rules.
    /// - Parameter writes: whether it is the session's own model, whose words are a candidate too.
    private static func choosing(_ model: LocalModel, writes: Bool = false) -> any Answerer {
        let reader = spanReader()
        let answerer = SpanChoiceAnswerer(
            reader: EvidenceAnswerer(model: model, proposer: reader?.proposer()), writes: writes)
        return reader.map { JudgedAnswerer(answerer, by: $0) } ?? answerer
    }

    /// The readers that were opened, by weights and encoder.
    private static let readers = Mutex<[[String]: SpanReader]>([:])

    /// The trained span reader, where its weights and the encoder that it was tuned from are at hand. It is opened once:
    /// whoever asks meanwhile waits for it, so that many first requests at a time cost no more than one.
    package static func spanReader() -> SpanReader? {
        guard let folder = ModelStore().resolve("minilm"), let path = PolicyFile.locate(SpanReader.standardName)
        else { return nil }
        return readers.withLock { readers in
            if let reader = readers[[path, folder]] { return reader }
            let reader = try? SpanReader(weights: path, model: folder)
            readers[[path, folder]] = reader
            return reader
        }
    }
}
