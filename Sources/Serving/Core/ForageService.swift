// SPDX-License-Identifier: Apache-2.0

public import Agent
public import Corpus
import Foundation
public import LanguageModels
public import Search
import Synchronization
import Text
public import Tools

/// What is served: corpora, tools, agents, an encoder. The HTTP routes, the MCP server and the environments are thin
/// layers over it.
public struct ForageService: Sendable {
    /// A corpus under a name. The first one is used where a request names none. A request sees one state of it from its
    /// beginning to its end; the next one sees what was published in between (`refresh`).
    public var corpora: [(name: String, corpus: any RetrievalCorpus)] {
        get { live.corpora }
        set { live = LiveCorpora(newValue, strategies: live.strategies, renewals: live.renewals) }
    }
    public var tools: ToolRegistry
    /// How `/retrieve` searches when the request does not say.
    public var retrieveMode: RetrievalMode
    /// The passages of a query when the request does not say. Default 3, as trainers expect.
    public var retrieveCount: Int
    /// The strategies that answer questions; each is a model for OpenAI's clients. The first one is the default.
    public var strategies: [Strategy]
    /// The strategies of a corpus by its name, where it has its own: a learned policy knows the passages of one corpus.
    public var corpusStrategies: [String: [Strategy]] {
        get { live.strategies }
        set { live = LiveCorpora(live.corpora, strategies: newValue, renewals: live.renewals) }
    }
    private var live: LiveCorpora
    /// The model that strategies may use; nil for none.
    public var model: (any LanguageModel)?
    /// Makes vectors, for `/v1/embeddings` and for strategies; nil without an encoder.
    public var encoder: ServedEncoder?
    /// The fusions, feedbacks and rerankers that requests can name.
    public var ranking = RankingRegistry()
    /// Where sessions are kept.
    public var sessions: any EventStore
    /// Questions with gold answers that environments play; the gold never leaves the server.
    public var tasks: [EnvironmentTask]
    /// A folder whose subfolders hold what training and evaluation wrote, for the web page; nil shows none.
    public var runsFolder: String?
    public var limits: ServerOptions.Limits
    /// The version that is told to clients.
    public var version: String

    public init(
        corpora: [(name: String, corpus: any RetrievalCorpus)], tools: ToolRegistry,
        retrieveMode: RetrievalMode = .keyword, retrieveCount: Int = 3, strategies: [Strategy] = [],
        model: (any LanguageModel)? = nil, encoder: ServedEncoder? = nil,
        sessions: any EventStore = InMemoryEventStore(), tasks: [EnvironmentTask] = [],
        runsFolder: String? = nil, limits: ServerOptions.Limits = ServerOptions.Limits(), version: String = "0.1"
    ) throws(ServiceError) {
        guard !corpora.isEmpty else { throw ServiceError(.badRequest, "a server needs a corpus") }
        live = LiveCorpora(corpora, strategies: [:], renewals: [:])
        self.tools = tools
        self.retrieveMode = retrieveMode
        self.retrieveCount = retrieveCount
        self.strategies = strategies
        self.model = model
        self.encoder = encoder
        self.sessions = sessions
        self.tasks = tasks
        self.runsFolder = runsFolder
        self.limits = limits
        self.version = version
    }

    /// Asks before each request whether a corpus has been published anew.
    /// - Parameter renew: gets the corpus that is served; returns the newer one, with strategies over it where it has its
    ///   own, or nil while there is none. It is asked by one request at a time, and must be quick to say nil.
    public mutating func renew(
        _ name: String,
        with renew:
            @escaping @Sendable (any RetrievalCorpus) async -> (corpus: any RetrievalCorpus, strategies: [Strategy]?)?
    ) {
        var renewals = live.renewals
        renewals[name] = renew
        live = LiveCorpora(live.corpora, strategies: live.strategies, renewals: renewals)
    }

    /// Takes newer states of the corpora into service. Requests that run keep those with which they began.
    func refresh() async { await live.refresh() }

    /// The corpus of a name, or the first.
    /// - Throws: `ServiceError` with status 404.
    public func corpus(named name: String?) throws(ServiceError) -> any RetrievalCorpus {
        guard let name, !name.isEmpty else { return corpora[0].corpus }
        guard let found = corpora.first(where: { $0.name == name }) else {
            let known = corpora.map(\.name).joined(separator: ", ")
            throw ServiceError(
                .notFound, "there is no corpus \"\(name.prefix(100))\"; there are \(known)", location: ["corpus"])
        }
        return found.corpus
    }

    /// What a strategy works with on a corpus.
    func environment(_ corpus: any RetrievalCorpus) -> AgentEnvironment {
        AgentEnvironment(corpus: corpus, tools: tools, model: model, embed: corpus.embedding ?? encoder?.embed)
    }

    /// The strategies that answer questions over a corpus, the default first.
    /// - Parameter corpus: nil for the first corpus.
    public func strategies(over corpus: String?) -> [Strategy] {
        let name = corpus.flatMap { $0.isEmpty ? nil : $0 } ?? corpora[0].name
        return corpusStrategies[name] ?? strategies
    }

    /// The strategy of a name over a corpus; without a name the default.
    /// - Throws: `ServiceError` with status 404, or 503 where there is none at all.
    func strategy(named name: String?, over corpus: String?) throws(ServiceError) -> Strategy {
        let known = strategies(over: corpus)
        guard let name = name ?? known.first?.name else {
            throw ServiceError(.unavailable, "this server has no agent")
        }
        guard let found = known.first(where: { $0.name == name }) else {
            throw ServiceError(
                .notFound,
                "there is no policy \"\(name.prefix(100))\"; there are \(known.map(\.name).joined(separator: ", "))",
                location: ["policy"])
        }
        return found
    }

    /// The agents as models: `policy`, and `policy@corpus` when there are several corpora.
    var agentNames: [String] {
        guard corpora.count > 1 else { return strategies(over: nil).map(\.name) }
        return strategies(over: nil).map(\.name)
            + corpora.flatMap { corpus in strategies(over: corpus.name).map { "\($0.name)@\(corpus.name)" } }
    }

    /// The strategy and the corpus of a model name.
    /// - Throws: `ServiceError` with status 404.
    func agent(named name: String) throws(ServiceError) -> (strategy: Strategy, corpus: any RetrievalCorpus) {
        let parts = name.split(separator: "@", maxSplits: 1).map(String.init)
        let corpus = try corpus(named: parts.count > 1 ? parts[1] : nil)
        let known = strategies(over: parts.count > 1 ? parts[1] : nil)
        guard let first = parts.first, let strategy = known.first(where: { $0.name == first }) else {
            throw ServiceError(
                .notFound, "there is no model \"\(name.prefix(100))\"; there are \(agentNames.joined(separator: ", "))",
                location: ["model"])
        }
        return (strategy, corpus)
    }
}

/// An encoder as clients see it.
public struct ServedEncoder: Sendable {
    public var name: String
    public var dimensions: Int
    /// The vectors of texts, in their order.
    public var embed: @Sendable ([String]) async throws -> [[Float]]

    public init(name: String, dimensions: Int, embed: @escaping @Sendable ([String]) async throws -> [[Float]]) {
        self.name = name
        self.dimensions = dimensions
        self.embed = embed
    }
}

/// A question that an environment plays, with what its answer is compared with.
public struct EnvironmentTask: Sendable, Hashable {
    public var id: String
    public var question: String
    /// Never sent to a client.
    public var goldAnswers: [String]

    public init(id: String, question: String, goldAnswers: [String]) {
        self.id = id
        self.question = question
        self.goldAnswers = goldAnswers
    }
}
