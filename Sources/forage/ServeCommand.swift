// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Corpus
import Encoders
import Foundation
import LanguageModels
import Logging
import Postgres
import PostgresCorpus
import Search
import Serving
import Synchronization
import Text
import Tools

/// What `serve` and `mcp` serve.
struct ServiceArguments: ParsableArguments, Sendable {
    @Option(name: .long, help: "A corpus folder or postgresql://…; several may be given, the first is the default.")
    var corpus: [String] = []

    @Option(name: .long, help: "The folder of tool manifests; without it the built-in tools.")
    var tools: String?

    @Option(
        name: .long,
        help: "A policy file or the name of a policy; several may be given. Default: every policy there is.")
    var policy: [String] = []

    @Option(
        name: .long,
        help:
            "The model: as for `forage ask`, a pulled model, a file, a folder, URL#name, or a name at OPENAI_BASE_URL.")
    var model: String?

    @Option(name: .long, help: "How /retrieve searches: keyword, semantic or hybrid. Default: keyword.")
    var mode: String = "keyword"

    @Option(name: .long, help: "Passages of a query that does not say how many.")
    var topk = 3

    @Option(
        name: .long, help: "The file in which sessions are kept, or postgresql://…; without it they are kept in memory."
    )
    var sessions: String?

    @Option(name: .long, help: "Questions (JSON lines: id, question, golden_answers) that environments play.")
    var tasks: String?

    @Option(name: .long, help: "A folder of training and evaluation runs that the web page shows. Default: runs.")
    var runs = "runs"

    func validate() throws {
        guard !corpus.isEmpty else {
            throw ValidationError("--corpus is missing: name a corpus folder such as news.forage")
        }
        guard RetrievalMode(rawValue: mode) != nil else {
            throw ValidationError("--mode must be keyword, semantic or hybrid, not \(mode)")
        }
    }

    /// Opens everything that is named.
    func makeService() async throws -> ForageService {
        var corpora: [(name: String, corpus: any RetrievalCorpus)] = []
        var encoder: ServedEncoder?
        for path in corpus {
            if PostgresAddress.isAddress(path) {
                let opened = try await PostgresCorpus(PostgresAddress(path))
                corpora.append((opened.summary.name, opened))
                if encoder == nil, let found = opened.encoder, let embed = opened.embedding {
                    encoder = ServedEncoder(
                        name: opened.encoderName ?? "encoder", dimensions: found.dimension, embed: embed)
                }
                continue
            }
            let opened = try await LocalCorpus(path: path)
            corpora.append((opened.summary.name, opened))
            if encoder == nil, let found = opened.encoder, let embed = opened.embedding {
                let parameters = opened.reader.manifest.files[IndexRole.vectors]?.parameters
                let name = parameters?["encoder"]?.string ?? "encoder"
                encoder = ServedEncoder(name: name, dimensions: found.dimension, embed: embed)
            }
        }
        let registry: ToolRegistry
        if let tools {
            registry = try await ToolRegistry.load(directory: tools)
        } else {
            registry = try ToolRegistry.builtIn()
        }
        let chosen = try model.map { try ModelOpening.open($0) } ?? nil
        // A learned policy knows the passages of one corpus.
        var strategies: [String: [Strategy]] = [:]
        for (name, corpus) in corpora { strategies[name] = try await self.strategies(over: corpus, chosen) }
        let store: any EventStore
        if let sessions {
            store = try await SessionStores.open(sessions)
        } else {
            store = InMemoryEventStore(mostSessions: 1000)
        }
        var service = try ForageService(
            corpora: corpora, tools: registry, retrieveMode: RetrievalMode(rawValue: mode) ?? .keyword,
            retrieveCount: max(1, topk), strategies: strategies[corpora[0].name] ?? [], model: chosen, encoder: encoder,
            sessions: store, tasks: try tasks.map(Self.readTasks) ?? [], runsFolder: runs)
        service.corpusStrategies = strategies
        renew(&service, chosen)
        for path in corpus where !PostgresAddress.isAddress(path) {
            guard let name = corpora.first(where: { ($0.corpus as? LocalCorpus)?.reader.path == path })?.name else {
                continue
            }
            let watch = GenerationWatch(path: path)
            let arguments = self
            service.renew(name) { served in
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
                return (
                    corpus: newer as any RetrievalCorpus,
                    strategies: try? await arguments.strategies(over: newer, chosen)
                )
            }
        }
        return service
    }

    /// Takes newer generations of corpora in databases into service: each is asked for at most once a second.
    private func renew(_ service: inout ForageService, _ model: (any LanguageModel)?) {
        let arguments = self
        for (name, corpus) in service.corpora {
            guard let opened = corpus as? PostgresCorpus else { continue }
            let encoder = opened.encoder
            let asked = Mutex(ContinuousClock.now)
            service.renew(name) { served in
                let isTime = asked.withLock { asked in
                    guard ContinuousClock.now - asked > .seconds(1) else { return false }
                    asked = ContinuousClock.now
                    return true
                }
                guard isTime, let served = served as? PostgresCorpus,
                    (try? await served.isOutdated()) == true,
                    let newer = try? await PostgresCorpus(served.address, encoder: encoder)
                else { return nil }
                return (
                    corpus: newer as any RetrievalCorpus,
                    strategies: try? await arguments.strategies(over: newer, model)
                )
            }
        }
    }

    /// The strategies over a corpus: those that were named, else all that there are, the default of `ask` first.
    private func strategies(
        over corpus: any RetrievalCorpus, _ model: (any LanguageModel)?
    ) async throws -> [Strategy] {
        let parts = try await LearnedDefaults.registry(models: model.map { [$0] } ?? [])
        var names = policy
        if policy.isEmpty {
            let first = LearnedDefaults.policy(for: corpus, model: model)
            names = [first] + Self.policyNames().filter { $0 != first }
        }
        var strategies: [Strategy] = []
        for name in names {
            let file = try PolicyFile.find(name)
            if file.model == .required, model == nil {
                if policy.isEmpty { continue }
                throw ValidationError("the policy \(name) needs a model: name one with --model")
            }
            do {
                strategies.append(try file.strategy(parts))
            } catch  where policy.isEmpty {
                note("the policy \(name) is left out: \(error)")
            }
        }
        return strategies
    }

    /// The policies that the program carries, and those of `Policies/` beside them.
    private static func policyNames() -> [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: "Policies")) ?? []
        let carried = BundledFiles.paths.filter { $0.hasPrefix("Policies/") }.map { String($0.dropFirst(9)) }
        return Set(files + carried).filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }

    /// Reads questions with their gold answers.
    static func readTasks(_ path: String) throws -> [EnvironmentTask] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path): the file cannot be read")
        }
        var tasks: [EnvironmentTask] = []
        for (index, line) in data.textLines(omittingEmpty: true).enumerated() {
            let row: JSONValue
            do { row = try JSONValue(parsing: Array(line)) } catch {
                throw ValidationError("\(path):\(index + 1): \(error)")
            }
            guard let question = row["question"]?.string else {
                throw ValidationError("\(path):\(index + 1): \"question\" is missing")
            }
            let gold =
                (row["golden_answers"] ?? row["answers"])?.array?.compactMap(\.string)
                ?? row["answer"]?.string.map { [$0] } ?? []
            let id = (row["id"] ?? row["_id"])?.string ?? String(index)
            tasks.append(EnvironmentTask(id: id, question: question, goldAnswers: gold))
        }
        return tasks
    }
}

/// `forage serve`: everything over HTTP.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve corpora, tools and agents over HTTP, with a web page at /.",
        discussion: """
            Tokens come from the environment: FORAGE_TOKEN opens everything, FORAGE_READ_TOKEN only searching and \
            reading. Without a token only a loopback address is listened on.
            """)

    @OptionGroup var service: ServiceArguments

    @Option(name: .long, help: "The address to listen on.")
    var host = "127.0.0.1"

    @Option(name: .long, help: "The port; 0 takes a free one.")
    var port = 8000

    @Option(name: .long, help: "A further host name under which the server may be addressed.")
    var allowHost: [String] = []

    @Flag(name: .long, help: "Listen on any address without a token.")
    var openAccess = false

    @Flag(name: .long, help: "Print one JSON line on standard output when the server listens.")
    var json = false

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        var tokens: [AccessToken] = []
        for (name, scope) in [("FORAGE_TOKEN", AccessToken.Scope.full), ("FORAGE_READ_TOKEN", .readOnly)] {
            guard let secret = environment[name], !secret.isEmpty else { continue }
            tokens.append(AccessToken(secret: secret, scope: scope))
        }
        let options = ServerOptions(
            host: host, port: port, tokens: tokens, allowedHosts: allowHost, allowsOpenAccess: openAccess)
        do { try options.validate() } catch { throw ValidationError(error.message) }
        let server = ForageServer(try await service.makeService(), options: options)
        var logger = Logger(label: "forage.serve") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        let (host, json) = (host, json)
        // The drain's own limit comes first; this one is for work that holds the threads of the drain.
        Interruption.endsAtLatest(after: options.limits.drainSeconds + 3)
        try await server.run(logger: logger) { port in
            let shown = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
            FileHandle.standardError.write(Data("Serving at http://\(shown):\(port)/\n".utf8))
            if json {
                let launch: JSONValue = ["event": "launch", "host": .string(host), "port": .integer(port)]
                FileHandle.standardOutput.write(Data((launch.serialized() + "\n").utf8))
            }
        }
    }
}
