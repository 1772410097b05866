// SPDX-License-Identifier: Apache-2.0

import Agent
import Assembly
import Base
public import Corpus
import Datasets
import Encoders
import Foundation
import LanguageModels
import Postgres
import PostgresCorpus
import Search
import Synchronization
import Tools

/// What a server serves, by name: what `forage serve` and `forage mcp` have as options, and what a program of yours can write.
public struct ServiceConfiguration: Sendable, Hashable {
    /// Corpora: folders or `postgresql://…`; the first is the default.
    public var corpora: [String]
    /// A folder of tool manifests; see ``ToolOpening``.
    public var tools: String?
    /// Policies by name or file, the default first; empty for every policy there is, the default of `ask` first.
    public var policies: [String]
    /// See ``ModelOpening``; nil for none.
    public var model: String?
    /// How `/retrieve` searches where a request does not say. Default: keyword.
    public var mode: RetrievalMode
    /// The passages of a query that does not say how many. Default 3.
    public var count: Int
    /// Where sessions are kept: a file or `postgresql://…`; nil keeps the last thousand in memory.
    public var sessions: String?
    /// A file of questions that environments play.
    public var tasks: String?
    /// A folder of training and evaluation runs that the web page shows.
    public var runs: String?

    public init(
        corpora: [String], tools: String? = nil, policies: [String] = [], model: String? = nil,
        mode: RetrievalMode = .keyword, count: Int = 3, sessions: String? = nil, tasks: String? = nil,
        runs: String? = nil
    ) {
        self.corpora = corpora
        self.tools = tools
        self.policies = policies
        self.model = model
        self.mode = mode
        self.count = count
        self.sessions = sessions
        self.tasks = tasks
        self.runs = runs
    }

    /// Opens everything that is named. What is published anew in a corpus while it is served is taken into service.
    /// - Parameter note: is told what was left out and why.
    /// - Throws: `AssemblyError`, `ServiceError`, and what opening the parts throws.
    public func open(note: @escaping @Sendable (String) -> Void = { _ in }) async throws -> ForageService {
        var opened: [(name: String, corpus: any RetrievalCorpus)] = []
        var encoder: ServedEncoder?
        for name in corpora {
            let corpus = try await CorpusOpening.open(name)
            opened.append((corpus.summary.name, corpus))
            if encoder == nil, let found = CorpusOpening.encoder(of: corpus), let embed = corpus.embedding {
                encoder = ServedEncoder(name: found.name, dimensions: found.encoder.dimension, embed: embed)
            }
        }
        let model = try model.flatMap { try ModelOpening.open($0) }
        // A learned policy knows the passages of one corpus.
        var strategies: [String: [Strategy]] = [:]
        for (name, corpus) in opened { strategies[name] = try await self.strategies(over: corpus, model, note: note) }
        var store: any EventStore = InMemoryEventStore(mostSessions: 1000)
        if let sessions {
            store = FallbackEventStore(try await SessionStores.open(sessions)) { reason in
                note("sessions are kept in memory for now, and not in \(Self.shown(sessions)): \(reason)")
            }
        }
        var service = try ForageService(
            corpora: opened, tools: try await ToolOpening.open(tools, skipped: note), retrieveMode: mode,
            retrieveCount: max(1, count), strategies: opened.first.flatMap { strategies[$0.name] } ?? [], model: model,
            encoder: encoder, sessions: store, tasks: try tasks.map { try EnvironmentTask.read($0, note) } ?? [],
            runsFolder: runs)
        service.corpusStrategies = strategies
        service.ranking = StrategyParts.ranking
        for (name, corpus) in opened {
            let renewed = { @Sendable (newer: any RetrievalCorpus) async in
                (corpus: newer, strategies: try? await self.strategies(over: newer, model, note: note))
            }
            if let corpus = corpus as? LocalCorpus {
                service.renew(name, with: Self.renewal(of: corpus, renewed))
            } else if let corpus = corpus as? PostgresCorpus {
                service.renew(name, with: Self.renewal(of: corpus, renewed))
            }
        }
        return service
    }

    /// A store's name as it may be shown: an address without its password.
    private static func shown(_ store: String) -> String { (try? PostgresAddress(store))?.description ?? store }

    private typealias Renewal =
        @Sendable (any RetrievalCorpus) async -> (corpus: any RetrievalCorpus, strategies: [Strategy]?)?
    private typealias Renewed =
        @Sendable (any RetrievalCorpus) async -> (corpus: any RetrievalCorpus, strategies: [Strategy]?)

    /// A folder is opened anew when its files have changed.
    private static func renewal(of corpus: LocalCorpus, _ renewed: @escaping Renewed) -> Renewal {
        let path = corpus.reader.path
        let watch = GenerationWatch(path: path)
        return { served in
            guard let served = served as? LocalCorpus, watch.hasChanged() else { return nil }
            let newer: LocalCorpus
            do {
                newer = try await LocalCorpus(path: path, encoder: served.encoder)
            } catch {
                // With another encoder, or not whole yet: the next request looks again.
                guard let other = try? await LocalCorpus(path: path) else {
                    watch.forget()
                    return nil
                }
                newer = other
            }
            guard newer.reader.manifest.number != served.reader.manifest.number else { return nil }
            return await renewed(newer)
        }
    }

    /// A database is asked at most once a second.
    private static func renewal(of corpus: PostgresCorpus, _ renewed: @escaping Renewed) -> Renewal {
        let encoder = corpus.encoder
        let asked = Mutex(ContinuousClock.now)
        return { served in
            let isTime = asked.withLock { asked in
                guard ContinuousClock.now - asked > .seconds(1) else { return false }
                asked = ContinuousClock.now
                return true
            }
            guard isTime, let served = served as? PostgresCorpus, (try? await served.isOutdated()) == true,
                let newer = try? await PostgresCorpus(served.address, encoder: encoder)
            else { return nil }
            return await renewed(newer)
        }
    }

    /// The strategies over a corpus: those that were named, else all that there are, the default of `ask` first.
    private func strategies(
        over corpus: any RetrievalCorpus, _ model: (any LanguageModel)?, note: (String) -> Void
    ) async throws -> [Strategy] {
        let parts = try StrategyParts.registry(models: model.map { [$0] } ?? [])
        var files = try policies.map { try PolicyFile.find($0) }
        if policies.isEmpty {
            let first = PolicyDefaults.policy(for: corpus, model: model)
            files = [try PolicyFile.find(first)]
            for name in PolicyFile.names() where name != first {
                do { files.append(try PolicyFile.find(name)) } catch {
                    note("the policy \(name) is left out: \(error)")
                }
            }
        }
        var strategies: [Strategy] = []
        for file in files {
            if file.model == .required, model == nil {
                if policies.isEmpty { continue }
                throw AssemblyError("the policy \(file.name) needs a model: name one with --model")
            }
            do {
                strategies.append(try file.strategy(parts))
            } catch  where policies.isEmpty {
                note("the policy \(file.name) is left out: \(error)")
            }
        }
        return strategies
    }
}

extension EnvironmentTask {
    /// Reads questions with their gold answers from a file of any format that `forage eval` reads.
    /// - Throws: `DatasetError`.
    static func read(_ path: String, _ note: (String) -> Void) throws -> [EnvironmentTask] {
        let set = try DatasetReader.read(path)
        for line in set.refusals { note(line) }
        return set.questions.map { EnvironmentTask(id: $0.id, question: $0.text, goldAnswers: $0.answers) }
    }
}
