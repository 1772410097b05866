// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle

/// What runs beside the requests: unused environment sessions are ended, connections make room for others, and on shutdown
/// the agents are asked to finish and what does not end is closed.
struct Housekeeping: Service {
    let server: ForageServer
    let mostConnections: Int

    func run() async throws {
        await withGracefulShutdownHandler {
            var reaped = ContinuousClock.now - .seconds(15)
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                if ContinuousClock.now - reaped >= .seconds(15) {
                    server.environments.reap()
                    reaped = .now
                }
                let isFull = server.connections.count >= mostConnections
                if isFull { server.connections.closeIdlest(mostConnections / 8) }
                // Whoever waits to be let in waits for the next look.
                let pause = Duration.milliseconds(isFull ? 100 : 1000)
                do { try await cancelWhenGracefulShutdown { try await Task.sleep(for: pause) } } catch { break }
            }
            await server.drain()
        } onGracefulShutdown: {
        }
    }
}
