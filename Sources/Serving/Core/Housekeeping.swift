// SPDX-License-Identifier: Apache-2.0

import ServiceLifecycle

/// What runs beside the requests: unused environment sessions are ended, and on shutdown the agents are asked to finish.
struct Housekeeping: Service {
    let server: ForageServer

    func run() async throws {
        await withGracefulShutdownHandler {
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                server.environments.reap()
                do { try await cancelWhenGracefulShutdown { try await Task.sleep(for: .seconds(15)) } } catch { break }
            }
            await server.drain()
        } onGracefulShutdown: {
        }
    }
}
