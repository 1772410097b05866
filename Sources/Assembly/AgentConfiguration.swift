// SPDX-License-Identifier: Apache-2.0

public import Agent
import Corpus
import LanguageModels
import Tools

/// An agent by the names of its parts: what `forage ask` has as options, and what a program of yours can write.
///
/// ```swift
/// let agent = try await AgentConfiguration(corpus: "papers.forage").open()
/// let answer = try await agent.session("Who measured it first?").run()
/// ```
public struct AgentConfiguration: Sendable, Hashable {
    /// See ``CorpusOpening``.
    public var corpus: String
    /// See ``ModelOpening``; nil takes the environment's, and none where that names none.
    public var model: String?
    /// A policy's name or file; nil for the default (``PolicyDefaults``).
    public var policy: String?
    /// Who answers where the policy says "auto".
    public var answerer: AnswererChoice
    /// A folder of tool manifests; see ``ToolOpening``.
    public var tools: String?
    /// A price table (YAML): what models cost, for budgets in money.
    public var prices: String?
    /// Records the model's calls in this file.
    public var record: String?

    public init(
        corpus: String, model: String? = nil, policy: String? = nil, answerer: AnswererChoice = .auto,
        tools: String? = nil, prices: String? = nil, record: String? = nil
    ) {
        self.corpus = corpus
        self.model = model
        self.policy = policy
        self.answerer = answerer
        self.tools = tools
        self.prices = prices
        self.record = record
    }

    /// Opens everything that a session needs.
    /// - Throws: `AssemblyError`, `PolicyError`, and what opening the parts throws.
    public func open() async throws -> OpenedAgent {
        var model = try ModelOpening.open(model)
        if let opened = model, let record { model = try RecordingModel(opened, to: record) }
        let corpus = try await CorpusOpening.open(corpus)
        var notes: [String] = []
        let file = try PolicyFile.find(policy ?? PolicyDefaults.policy(for: corpus, model: model))
        if policy == nil, let line = PolicyDefaults.explanation(of: file.name, model: model) { notes.append(line) }
        if file.model == .required, model == nil {
            throw AssemblyError(
                "policy \(file.name) needs a model: give --model, or set OPENAI_BASE_URL and OPENAI_API_KEY")
        }
        let registry = try StrategyParts.registry(models: model.map { [$0] } ?? [], answerer: answerer)
        let price = try prices.map { try PriceTable(file: $0).price(of: model?.name ?? "") } ?? ModelPrice()
        var tools = try await ToolOpening.open(tools) { notes.append($0) }
        if let names = file.tools { tools = try tools.selecting(names) }
        return OpenedAgent(
            environment: AgentEnvironment(
                corpus: corpus, tools: tools, model: file.model == .none ? nil : model, embed: corpus.embedding),
            strategy: try file.strategy(registry, prices: price), notes: notes)
    }
}

/// An agent whose parts are open.
public struct OpenedAgent: Sendable {
    public var environment: AgentEnvironment
    public var strategy: Strategy
    /// What a person should know who named less than there is to choose, a line each.
    public var notes: [String]

    /// A session over a question.
    /// - Parameter store: where its events are kept. Default: in memory.
    public func session(
        _ question: String, store: any EventStore = InMemoryEventStore(), seed: UInt64 = 0
    ) -> AgentSession {
        AgentSession(Question(question), strategy: strategy, environment: environment, store: store, seed: seed)
    }
}
