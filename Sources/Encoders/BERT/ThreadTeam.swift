// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A few threads that run one piece of work together: the caller and its helpers, which sleep in between.
///
/// Not Dispatch: work with barriers inside needs all its threads to run at once, which a shared pool does not promise.
final class ThreadTeam: Sendable {
    /// Threads, the caller included.
    let size: Int
    private let shared: Shared
    /// Held by the caller whose work the team does.
    private let owner = Mutex<Void>(())

    /// What the helpers wait for. `@unchecked Sendable`: fields are touched under `condition` only.
    private final class Shared: @unchecked Sendable {
        let condition = NSCondition()
        var work: (@Sendable (Int) -> Void)?
        var generation = 0
        var running = 0
        var isStopped = false
    }

    init(size: Int) {
        self.size = max(size, 1)
        shared = Shared()
        for index in 1..<max(size, 1) {
            let shared = shared
            let thread = Thread { Self.help(shared, index: index) }
            thread.name = "forage-encoder-\(index)"
            thread.stackSize = 1 << 20
            thread.start()
        }
    }

    deinit {
        shared.condition.lock()
        shared.isStopped = true
        shared.condition.broadcast()
        shared.condition.unlock()
    }

    /// Runs `work(thread)` once for each thread of the team, at once, and waits for all. Calls from several threads
    /// take turns.
    func run(_ work: @escaping @Sendable (Int) -> Void) {
        owner.withLock { _ in
            guard size > 1 else {
                work(0)
                return
            }
            shared.condition.lock()
            shared.work = work
            shared.generation += 1
            shared.running = size - 1
            shared.condition.broadcast()
            shared.condition.unlock()
            work(0)
            shared.condition.lock()
            while shared.running > 0 { shared.condition.wait() }
            shared.work = nil
            shared.condition.unlock()
        }
    }

    private static func help(_ shared: Shared, index: Int) {
        var seen = 0
        while true {
            shared.condition.lock()
            while !shared.isStopped, shared.generation == seen { shared.condition.wait() }
            if shared.isStopped {
                shared.condition.unlock()
                return
            }
            seen = shared.generation
            let work = shared.work
            shared.condition.unlock()
            work?(index)
            shared.condition.lock()
            shared.running -= 1
            if shared.running == 0 { shared.condition.broadcast() }
            shared.condition.unlock()
        }
    }
}

/// Where threads of one piece of work wait for each other. Stages last microseconds, so it spins, then yields, then sleeps.
final class SpinBarrier: Sendable {
    private let count: Int
    private let arrived = Atomic<Int>(0)
    private let phase = Atomic<Int>(0)

    init(count: Int) { self.count = count }

    func wait() {
        if count == 1 { return }
        let current = phase.load(ordering: .acquiring)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == count {
            arrived.store(0, ordering: .relaxed)
            phase.store(current + 1, ordering: .releasing)
            return
        }
        var spins = 0
        while phase.load(ordering: .acquiring) == current {
            spins += 1
            // A thread that yields without end keeps the processor from a team mate that waits for it, where other programs
            // want it too: then it sleeps.
            if spins > 4100 { usleep(50) } else if spins > 4000 { sched_yield() }
        }
    }
}
