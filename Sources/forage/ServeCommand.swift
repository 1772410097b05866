// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
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
    @Option(
        name: [.short, .long],
        help: "A corpus folder or postgresql://…; several may be given, the first is the default.")
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

    @Option(name: .long, help: "Questions that environments play, in any format that `forage eval` reads.")
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
        try await ServiceConfiguration(
            corpora: corpus, tools: tools, policies: policy, model: model,
            mode: RetrievalMode(rawValue: mode) ?? .keyword,
            count: topk, sessions: sessions, tasks: tasks, runs: runs
        ).open { note($0) }
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

    @Flag(name: [.short, .long], help: "Print one JSON line on standard output when the server listens.")
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
        Interruption.endsAtLatest(after: options.limits.drainSeconds + 3) { server.shutDown() }
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
