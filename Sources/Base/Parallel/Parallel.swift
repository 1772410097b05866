// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization

/// Spreads short CPU work over the cores, on threads that are not those of Swift's cooperative pool.
package enum Parallel {
    /// The number of threads worth using.
    package static let width = max(1, ProcessInfo.processInfo.activeProcessorCount)

    /// Calls `body` with each index; the results in order. The first error (by index) is thrown.
    /// - Parameter minimum: below so many indices one thread does all.
    package static func map<Result: Sendable>(
        _ count: Int, minimum: Int = 2, _ body: @Sendable (Int) throws -> Result
    ) throws -> [Result] {
        guard count >= minimum, width > 1 else { return try (0..<count).map(body) }
        let next = Atomic<Int>(0)
        let results = Mutex<[Swift.Result<Result, any Error>?]>(Array(repeating: nil, count: count))
        let chunk = max(1, min(32, count / (width * 4)))
        DispatchQueue.concurrentPerform(iterations: width) { _ in
            while true {
                let from = next.wrappingAdd(chunk, ordering: .relaxed).oldValue
                guard from < count else { return }
                for index in from..<min(from + chunk, count) {
                    let result = Swift.Result { try body(index) }
                    results.withLock { $0[index] = result }
                }
            }
        }
        return try results.withLock { results in
            try results.map { result in
                // Every index was taken by exactly one thread, and concurrentPerform waits for all.
                guard let result else { preconditionFailure("an index was skipped") }
                return try result.get()
            }
        }
    }

    /// Splits 0..<count into one range for each thread, each but the last a multiple of `step`.
    package static func ranges(_ count: Int, step: Int, width: Int = width) -> [Range<Int>] {
        let blocks = (count + step - 1) / step
        let share = max(1, (blocks + width - 1) / width) * step
        return stride(from: 0, to: count, by: share).map { $0..<min($0 + share, count) }
    }
}
