// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import LanguageModels
public import Logging
import NIOCore
import NIOPosix
import OrderedCollections
import ServiceLifecycle
import Synchronization
import Text
import Tools
import UnixSignals

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
    let bodies: ByteBudget
    let agents: AgentRuns
    let environments: EnvironmentHub
    let mcp: MCPServer
    let requestGuard: RequestGuard
    let connections = Connections()
    private let draining = Atomic<Bool>(false)
    private let ending = Mutex(Ending())

    /// What ends the server, as soon as there is something to end.
    private struct Ending {
        var isAskedFor = false
        var group: ServiceGroup?
    }

    public init(_ service: ForageService, options: ServerOptions = ServerOptions()) {
        var service = service
        service.limits = options.limits
        self.service = service
        self.options = options
        gate = AdmissionGate(running: options.limits.concurrentRequests, waiting: options.limits.waitingRequests)
        bodies = ByteBudget(options.limits.bodiesBytes)
        agents = AgentRuns(service: service)
        environments = EnvironmentHub(service: service)
        mcp = MCPServer(service: service, agents: agents)
        requestGuard = RequestGuard(options: options)
    }

    /// Whether the server is ending: then `/ready` and new work are refused.
    var isDraining: Bool { draining.load(ordering: .relaxed) }

    /// Serves until the task is cancelled or the process gets SIGTERM or SIGINT; then requests that run are finished.
    /// - Parameter onListening: receives the port, when the socket is bound.
    /// - Throws: `ServiceError` when the options are unsafe; the system's error when the address cannot be bound.
    public func run(
        logger: Logger = Logger(label: "forage.serve"), onListening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) async throws {
        try options.validate()
        let most = try DescriptorLimit.connections(wanted: options.limits.connections)
        let router = Router(context: ServedContext.self, options: .autoGenerateHeadEndpoints)
        addRoutes(to: router)
        var application = Application(
            responder: router.buildResponder(),
            server: HTTPServerBuilder { responder in
                ForageChannel(responder: responder, server: self)
            },
            configuration: ApplicationConfiguration(
                address: .hostname(options.host, port: options.port), serverName: "forage", backlog: 1024,
                availableConnectionsDelegate: BoundedConnections(most: most, connections: connections)),
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? 0) }, logger: logger)
        application.addServices(Housekeeping(server: self, mostConnections: most))
        let group = ServiceGroup(
            configuration: .init(
                services: [application], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        let isAskedFor = ending.withLock { ending in
            ending.group = group
            return ending.isAskedFor
        }
        if !isAskedFor { try await group.run() }
    }

    /// Ends the server as SIGTERM does: requests that run are finished. Asked for before `run`, that returns at once. A
    /// program that has a handler for signals of its own calls it there: one that comes before `run` listens for signals would
    /// be lost.
    public func shutDown() {
        let group = ending.withLock { ending in
            ending.isAskedFor = true
            return ending.group
        }
        if let group { Task { await group.triggerGracefulShutdown() } }
    }

    /// Begins to drain, once, while requests still run.
    func beginDrain() {
        guard !draining.exchange(true, ordering: .relaxed) else { return }
        Task { await drain() }
    }

    /// Ends what runs, in the background and for clients that wait, within the limit.
    func drain() async {
        draining.store(true, ordering: .relaxed)
        let limit = Duration.seconds(max(1, options.limits.drainSeconds))
        await agents.drain(within: limit)
        // What is still open is a client that does not read its answer, or work that does not end.
        let end = ContinuousClock.now + .seconds(1)
        while connections.count > 0, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(20)) }
        connections.closeAll()
    }
}

/// The context of requests of `ForageServer.run`: it knows the connection.
struct ServedContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }
}
