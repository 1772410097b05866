// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle

/// What runs beside the requests: unused environment sessions are ended, connections make room for others, and on shutdown
/// the agents are asked to finish and what does not end is closed.
struct Housekeeping: Service {
    let server: ForageServer
    let mostConnections: Int

    func run() async throws {
        await withGracefulShutdownHandler {
            var turn = 0
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                if turn % 15 == 0 { server.environments.reap() }
                turn += 1
                if server.connections.count >= mostConnections { server.connections.closeIdlest() }
                do { try await cancelWhenGracefulShutdown { try await Task.sleep(for: .seconds(1)) } } catch { break }
            }
            await server.drain()
        } onGracefulShutdown: {
        }
    }
}
