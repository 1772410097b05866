// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The bytes that the bodies of all requests and answers together may hold at a time. Small bodies do not count, so that
/// ordinary requests are answered whatever large ones there are.
final class ByteBudget: Sendable {
    /// What every body may have without being counted.
    static let uncounted = 64 << 10

    private let most: Int
    private let held = Mutex(0)

    init(_ most: Int) { self.most = most }

    /// What is held now.
    var inUse: Int { held.withLock { $0 } }

    /// A part of the budget, which grows while a body comes and goes back when the last reference goes.
    final class Share: Sendable {
        private let budget: ByteBudget
        private let counted = Mutex(0)

        fileprivate init(_ budget: ByteBudget) { self.budget = budget }

        deinit {
            let counted = counted.withLock { $0 }
            budget.held.withLock { $0 -= counted }
        }

        /// Makes room for a body of this size altogether, before it is allocated.
        /// - Throws: `ServiceError` with status 503 when there is none.
        func grow(to size: Int) throws(ServiceError) {
            let wanted = max(0, size - ByteBudget.uncounted)
            try counted.withLock { counted throws(ServiceError) in
                guard wanted > counted else { return }
                let more = wanted - counted
                let fits = budget.held.withLock { held in
                    guard held <= budget.most - more else { return false }
                    held += more
                    return true
                }
                guard fits else { throw ServiceError(.unavailable, "too many large requests at once", retryAfter: 1) }
                counted = wanted
            }
        }
    }

    func share() -> Share { Share(self) }
}
