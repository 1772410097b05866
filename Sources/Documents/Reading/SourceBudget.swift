// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// What the files inside of one file may cost together, however they are nested: archives in archives in mail multiply what
/// each of them may cost alone. Shared by all that is read of one source, on whatever threads.
package final class SourceBudget: Sendable {
    private let membersLeft: Atomic<Int>
    private let bytesLeft: Atomic<Int>
    private let nanoseconds: UInt64
    private let start = Atomic<UInt64>(0)
    private let cancelled: @Sendable () -> Bool

    /// - Parameters:
    ///   - size: the bytes of the source; what is inside of it may be so many files, bytes and seconds.
    ///   - isCancelled: whether nobody waits for the source any more.
    package init(size: Int, isCancelled: @escaping @Sendable () -> Bool = { false }) {
        let size = min(max(size, 0), 1 << 44)
        membersLeft = Atomic(2000 + size / 64)
        bytesLeft = Atomic(8 << 20 + size * 100)
        nanoseconds = UInt64(20 + size >> 14) * 1_000_000_000
        cancelled = isCancelled
    }

    /// A source whose size nobody knows, such as standard input.
    package static func ofUnknownSize(isCancelled: @escaping @Sendable () -> Bool = { false }) -> SourceBudget {
        SourceBudget(size: 1 << 30, isCancelled: isCancelled)
    }

    package var isCancelled: Bool { cancelled() }

    /// Counts a file inside of another one, before it is unpacked.
    /// - Throws: `DocumentError` when there were too many of them, or they took too long.
    func countMember() throws(DocumentError) {
        if cancelled() { throw .cancelled }
        let now = DispatchTime.now().uptimeNanoseconds
        let began = start.compareExchange(expected: 0, desired: now, ordering: .relaxed)
        guard began.exchanged || now &- began.original <= nanoseconds else {
            throw DocumentError("the files inside of it take too long; the rest of them is set aside")
        }
        guard membersLeft.subtract(1, ordering: .relaxed).newValue >= 0 else {
            throw DocumentError("too many files are nested in it for its size; the rest of them is set aside")
        }
    }

    /// Counts what such a file unpacked to, and the text that it gave.
    /// - Throws: `DocumentError` when it is too much.
    func count(bytes: Int) throws(DocumentError) {
        guard bytesLeft.subtract(bytes, ordering: .relaxed).newValue >= 0 else {
            throw DocumentError("the files inside of it unpack to too much for its size; the rest of them is set aside")
        }
    }

    /// Whether something was too much already: then nothing more is unpacked.
    var isSpent: Bool {
        membersLeft.load(ordering: .relaxed) < 0 || bytesLeft.load(ordering: .relaxed) < 0 || cancelled()
    }
}

extension SourceBudget: Hashable {
    /// A budget says nothing about how files are read: options that differ in it alone are the same.
    package static func == (_: SourceBudget, _: SourceBudget) -> Bool { true }

    package func hash(into _: inout Hasher) {}
}
