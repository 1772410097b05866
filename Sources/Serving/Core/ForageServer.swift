// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import HTTPTypes
public import Hummingbird
import HummingbirdCore
import LanguageModels
public import Logging
import NIOCore
import NIOPosix
import OrderedCollections
import Synchronization
import Text
import Tools

/// The HTTP server: routes over a `ForageService`, with the guard before them.
///
/// ```swift
/// let server = ForageServer(service, options: ServerOptions(port: 8000))
/// try await server.run()
/// ```
/// To put the routes into another hummingbird application, call `addRoutes(to:)` on its router.
public final class ForageServer: Sendable {
    public let service: ForageService
    public let options: ServerOptions
    let metrics = ServerMetrics()
    let gate: AdmissionGate
    let agents: AgentRuns
    let environments: EnvironmentHub
    let mcp: MCPServer
    private let draining = Atomic<Bool>(false)

    public init(_ service: ForageService, options: ServerOptions = ServerOptions()) {
        var service = service
        service.limits = options.limits
        self.service = service
        self.options = options
        gate = AdmissionGate(running: options.limits.concurrentRequests, waiting: options.limits.waitingRequests)
        agents = AgentRuns(service: service)
        environments = EnvironmentHub(service: service)
        mcp = MCPServer(service: service)
    }

    /// Serves until the task is cancelled or the process gets SIGTERM or SIGINT; then requests that run are finished.
    /// - Parameter onListening: receives the port, when the socket is bound.
    /// - Throws: `ServiceError` when the options are unsafe; the system's error when the address cannot be bound.
    public func run(
        logger: Logger = Logger(label: "forage.serve"), onListening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws {
        try options.validate()
        let router = Router(options: .autoGenerateHeadEndpoints)
        addRoutes(to: router)
        let limits = options.limits
        var application = Application(
            responder: router.buildResponder(),
            server: HTTPServerBuilder { responder in
                ForageChannel(responder: responder, limits: limits, server: self)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: options.port), serverName: "forage", backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? 0) }, logger: logger)
        application.addServices(Housekeeping(server: self))
        try await application.runService()
    }

    /// Adds every route, with the guard before them.
    public func addRoutes<Context: RequestContext>(to router: Router<Context>) {
        let others = Set(router.routes.map(\.path.description))
        router.add(
            middleware: GuardMiddleware<Context>(
                requestGuard: RequestGuard(options: options), gate: gate, metrics: metrics,
                isDraining: { [weak self] in self?.draining.load(ordering: .relaxed) ?? true }))
        addBasicRoutes(to: router)
        addAgentRoutes(to: router)
        addMCPRoutes(to: router)
        addEnvironmentRoutes(to: router)
        addPageRoutes(to: router)
        addRunRoutes(to: router)
        refuseOtherMethods(of: router, except: others)
    }

    /// A path that is there answers other methods with 405 and those that it has, rather than with 404. `HEAD` is left out:
    /// applications choose whether their router answers it.
    private func refuseOtherMethods<Context: RequestContext>(of router: Router<Context>, except others: Set<String>) {
        // QUERY is HTTP's newest method: a GET with a body.
        let query = HTTPRequest.Method("QUERY").map { [$0] } ?? []
        let methods: [HTTPRequest.Method] = [.get, .put, .post, .delete, .options, .trace, .patch] + query
        for (path, routes) in Dictionary(grouping: router.routes, by: \.path.description) where !others.contains(path) {
            let allowed = routes.map(\.method.rawValue).sorted().joined(separator: ", ")
            for method in methods where !routes.contains(where: { $0.method == method }) {
                router.on(RouterPath(path), method: method) { _, _ in
                    var response = Response.json(
                        ServiceError(.methodNotAllowed, "this path answers \(allowed)").detail,
                        status: .methodNotAllowed)
                    response.headers[.allow] = allowed
                    return response
                }
            }
        }
    }

    private func addBasicRoutes<Context: RequestContext>(to router: Router<Context>) {
        router.get("/health") { [service] _, _ in
            Response.json(["status": "healthy", "service": "forage", "version": .string(service.version)])
        }
        router.get("/ready") { [self] _, _ in
            let isReady = !draining.load(ordering: .relaxed)
            return Response.json(
                ["ready": .bool(isReady), "corpora": .integer(service.corpora.count)],
                status: isReady ? .ok : .serviceUnavailable)
        }
        router.get("/metrics") { [self] _, _ in
            let text = metrics.text(gauges: [
                ("forage_requests_admitted", gate.running), ("forage_agent_sessions_running", agents.running),
                ("forage_environment_sessions_open", environments.count),
            ])
            return Response.text(text.utf8, type: "text/plain; version=0.0.4; charset=utf-8")
        }
        router.get("/tools") { [service] _, _ in
            Response.json([
                "tools": .array(
                    service.tools.specifications.map { tool in
                        [
                            "name": .string(tool.name), "description": .string(tool.description),
                            "parameters": tool.parameters,
                        ]
                    })
            ])
        }
        router.post("/tools/:name") { [service] request, context in
            let name = try context.parameters.require("name")
            return Response.json(try await service.callTool(name, request.json(service.limits)))
        }
        router.post("/retrieve") { [service, metrics] request, _ in
            let answer = try await service.retrieve(request.json(service.limits))
            metrics.count("forage_queries_total", answer["result"]?.array?.count ?? 0)
            return Response.json(answer)
        }
        router.post("/rerank") { [service] request, _ in
            Response.json(try await service.rerank(request.json(service.limits)))
        }
        router.post("/v1/embeddings") { [service] request, _ in
            Response.json(try await service.embeddings(request.json(service.limits)))
        }
        router.get("/openapi.json") { [service] _, _ in Response.json(OpenAPIDocument.make(service)) }
    }

    /// Ends what runs in the background, after the last request.
    func drain() async {
        draining.store(true, ordering: .relaxed)
        await agents.drain()
    }
}
