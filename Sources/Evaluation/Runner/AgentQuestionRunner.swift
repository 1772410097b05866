// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
public import Corpus
public import Datasets
import Foundation
public import LanguageModels
import OrderedCollections
public import Search
import Text
public import Tools

/// Runs questions with the agent runtime.
public struct AgentQuestionRunner: QuestionRunner {
    private let corpus: any RetrievalCorpus
    private let tools: ToolRegistry
    private let strategies: [String: Strategy]
    private let policyTools: [String: [String]]
    private let models: [String: any LanguageModel]
    private let embed: (@Sendable ([String]) async throws -> [[Float]])?
    /// Where the events of each session go; nil keeps none.
    private let traces: (@Sendable (_ key: RunKey, _ events: [SessionEvent]) throws -> Void)?

    /// - Parameters:
    ///   - policies: policy files by the name that the suite uses.
    ///   - models: by the name that the suite uses; a name that is not here runs without a model.
    ///   - traces: receives the events of each finished session.
    public init(
        corpus: any RetrievalCorpus, tools: ToolRegistry, policies: [(name: String, file: PolicyFile)],
        registry: StrategyRegistry = .standard, models: [String: any LanguageModel] = [:],
        embed: (@Sendable ([String]) async throws -> [[Float]])? = nil,
        traces: (@Sendable (_ key: RunKey, _ events: [SessionEvent]) throws -> Void)? = nil
    ) throws {
        self.corpus = corpus
        self.tools = tools
        var strategies: [String: Strategy] = [:]
        var policyTools: [String: [String]] = [:]
        for (name, file) in policies {
            strategies[name] = try file.strategy(registry)
            policyTools[name] = file.tools
        }
        self.strategies = strategies
        self.policyTools = policyTools
        self.models = models
        self.embed = embed
        self.traces = traces
    }

    public func fingerprint(policies: [String], models names: [String]) async throws -> RunFingerprint {
        var parts: OrderedDictionary<String, String> = ["corpus": corpus.fingerprint]
        for name in policies {
            parts["policy \(name)"] = strategies[name]?.fingerprint ?? "missing"
            parts["answerer of \(name)"] = strategies[name].map { SHA256.hex($0.answerer.fingerprint).prefix(16) + "" }
        }
        for name in names { parts["model \(name)"] = models[name].map { SHA256.hex($0.fingerprint) } ?? "none" }
        parts["tools"] = SHA256.hex(
            tools.specifications.map { "\($0.name)\n\($0.description)\n\($0.parameters.serialized())" }.joined())
        return RunFingerprint(parts)
    }

    public func run(_ question: EvalQuestion, key: RunKey) async throws -> RunOutcome {
        guard let strategy = strategies[key.policy] else {
            throw DatasetError(file: key.policy, message: "the suite has no such policy")
        }
        let store = InMemoryEventStore()
        let shown =
            question.withheld.isEmpty ? corpus : try await WithheldCorpus(corpus, without: question.withheld)
        let environment = AgentEnvironment(
            corpus: shown, tools: try policyTools[key.policy].map { try tools.selecting($0) } ?? tools,
            model: models[key.model], embed: embed)
        // One stream of draws a question: with one for all, a seed would be lucky or unlucky on every question alike, and
        // the questions of a run would not be independent, as its statistics take them to be.
        let session = AgentSession(
            Question(question.text, id: question.id), strategy: strategy, environment: environment, store: store,
            seed: XXH64.hash(question.id, seed: key.seed))
        let answer = try await session.run()
        let events = try await store.events(of: session.id)
        try traces?(key, events)
        let state = await session.state
        var outcome = RunOutcome(status: .answered)
        outcome.stop = state.stop?.name ?? "answered"
        if case .budget = state.stop { outcome.status = .limit }
        // A failure of the model or the policy is no wrong answer, even though the session closed with what it had.
        if case .failed(let message) = state.stop {
            outcome.status = .error
            outcome.error = message
        }
        outcome.answer = answer.prediction
        outcome.fullAnswer = answer.text
        outcome.refused = answer.label == .none
        outcome.unsupported = !answer.isSupported
        outcome.confidence = answer.confidence
        outcome.signs = answer.signs
        // Gold names documents: passages of one document count once, at the place of the best.
        var kept: OrderedDictionary<String, String> = [:]
        for item in state.evidence.ranking {
            kept[item.documentID] = (kept[item.documentID].map { $0 + "\n" } ?? "") + item.text
        }
        outcome.kept = Array(kept.keys)
        outcome.keptTexts = Array(kept.values)
        outcome.retrieved = Array(OrderedSet(state.retrieved.values.map(\.passage.documentID)))
        let cited = answer.citations.map { state.retrieved[$0.passageID]?.passage.documentID ?? $0.passageID }
        outcome.cited = Array(OrderedSet(cited))
        outcome.statements = answer.statements { state.retrieved[$0]?.passage.documentID ?? $0 }
        outcome.toolCalls = state.spent.toolCalls
        outcome.modelCalls = state.spent.modelCalls
        outcome.promptTokens = state.spent.promptTokens
        outcome.completionTokens = state.spent.completionTokens
        outcome.cost = state.spent.money
        outcome.seconds = events.last?.time ?? 0
        return outcome
    }
}

/// Opens corpora for evaluations: passages from a file in memory; other kinds through what the caller brings.
public enum EvalCorpus {
    /// A corpus of passages in memory, searched by brute force: exact, and fast enough for some thousand passages.
    public static func inMemory(_ passages: [EvalPassage], name: String) throws -> InMemoryCorpus {
        try InMemoryCorpus(name: name, documents: passages.map(\.document))
    }

    /// The documents of a corpus with their metadata, in its order; the passages of one are joined by line ends.
    /// - Throws: what reading the corpus throws.
    public static func documents(of corpus: any RetrievalCorpus) async throws -> [EvalPassage] {
        let count = DocumentOrdinal(corpus.summary.documentCount)
        var result: [EvalPassage] = []
        for document in try await corpus.documents(at: Array(0..<count)) {
            let passages = try await corpus.passages(at: Array(document.passages))
            result.append(
                EvalPassage(
                    id: document.id, title: document.title, text: passages.map(\.text).joined(separator: "\n"),
                    metadata: JSONObject(
                        uniqueKeysWithValues: document.metadata.sorted { $0.key < $1.key }.map {
                            ($0.key, $0.value.json)
                        })))
        }
        return result
    }
}
