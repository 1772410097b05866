// SPDX-License-Identifier: Apache-2.0

public import Corpus
public import LanguageModels
public import Tools

/// How an agent goes about a question: the components of one policy file, put together.
public struct Strategy: Sendable {
    /// The policy file's name.
    public var name: String
    /// Identifies the file and the weights beside it.
    public var fingerprint: String
    /// Asked in this order; their candidates are chosen among together.
    public var proposers: [any ActionProposer]
    public var policy: any RetrievalPolicy
    /// Nil retrieves always.
    public var gate: (any RetrievalGate)?
    public var keeper: any EvidenceKeeper
    public var answerer: any Answerer
    public var budget: Budget
    public var rules: LoopRules
    /// How much one call of a tool may return.
    public var toolLimits: ToolLimits

    public init(
        name: String, fingerprint: String, proposers: [any ActionProposer], policy: any RetrievalPolicy,
        gate: (any RetrievalGate)? = nil, keeper: any EvidenceKeeper, answerer: any Answerer,
        budget: Budget = Budget(), rules: LoopRules = LoopRules(), toolLimits: ToolLimits = ToolLimits()
    ) {
        self.name = name
        self.fingerprint = fingerprint
        self.proposers = proposers
        self.policy = policy
        self.gate = gate
        self.keeper = keeper
        self.answerer = answerer
        self.budget = budget
        self.rules = rules
        self.rules.isGated = gate != nil
        self.toolLimits = toolLimits
    }
}

extension AgentEnvironment {
    /// The environment with the tools that a strategy's proposers bring along.
    func equipped(for strategy: Strategy) -> AgentEnvironment {
        let brought = strategy.proposers.flatMap(\.tools)
        guard !brought.isEmpty, let tools = try? tools.adding(brought) else { return self }
        var environment = self
        environment.tools = tools
        return environment
    }
}

/// What an agent works with: every outside thing behind a seam with an in-memory or scripted twin.
public struct AgentEnvironment: Sendable {
    public var corpus: any RetrievalCorpus
    public var tools: ToolRegistry
    /// Nil for none.
    public var model: (any LanguageModel)?
    /// Makes vectors of texts; nil without an encoder.
    public var embed: (@Sendable ([String]) async throws -> [[Float]])?
    public var clock: any SessionClock
    /// Receives what the model writes, as it writes it, with the id of the call; nothing of it is recorded.
    public var onModelEvent: (@Sendable (String, ModelStreamEvent) -> Void)?

    public init(
        corpus: any RetrievalCorpus, tools: ToolRegistry, model: (any LanguageModel)? = nil,
        embed: (@Sendable ([String]) async throws -> [[Float]])? = nil, clock: any SessionClock = SystemClock(),
        onModelEvent: (@Sendable (String, ModelStreamEvent) -> Void)? = nil
    ) {
        self.corpus = corpus
        self.tools = tools
        self.model = model
        self.embed = embed
        self.clock = clock
        self.onModelEvent = onModelEvent
    }
}
