// SPDX-License-Identifier: Apache-2.0

import Foundation
import HummingbirdCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How many files the system lets this process open (`RLIMIT_NOFILE`), of which each connection is one.
enum DescriptorLimit {
    /// The fewest with which a server starts: event loops, corpora, session files, and a few connections.
    static let fewest = 64

    /// Raises the limit as far as the system allows and the connections need.
    /// - Returns: how many connections fit, with room left for files and outside connections.
    /// - Throws: `ServiceError` when the limit is too low for any server.
    static func connections(wanted: Int) throws(ServiceError) -> Int {
        var limit = rlimit()
        #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
        let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limit) == 0 else { return wanted }
        let need = rlim_t(wanted + 512)
        if limit.rlim_cur < need {
            var raised = limit
            raised.rlim_cur = min(need, limit.rlim_max)
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        let available = limit.rlim_cur > rlim_t(Int32.max) ? Int(Int32.max) : Int(limit.rlim_cur)
        guard available >= fewest else {
            throw ServiceError(
                .unavailable,
                "the system lets this process open \(available) files (ulimit -n); a server needs \(fewest) or more")
        }
        return max(8, min(wanted, available - max(32, min(512, available / 4))))
    }
}

/// Accepts connections up to a number; at that number the idlest make room, an eighth of all at a time.
struct BoundedConnections: AvailableConnectionsDelegate {
    let most: Int
    let connections: Connections
    private var count = 0

    init(most: Int, connections: Connections) {
        self.most = most
        self.connections = connections
    }

    mutating func connectionOpened() { count += 1 }
    mutating func connectionClosed() { count -= 1 }

    func isAcceptingNewConnections() -> Bool {
        if count < most { return true }
        connections.closeIdlest(most / 8)
        return false
    }
}
