// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Threads of their own for the agents' sessions, as many as there are processors.
///
/// A session works for milliseconds at a time (a reader goes over passages, a model's layers are computed), a retrieval for
/// microseconds. In one pool the short would stand behind the long; on threads of their own the system shares the processors
/// between both, and these threads come second (`nice`), because whoever retrieves waits for nothing else.
final class AgentThreads: TaskExecutor {
    /// Those of this process.
    static let shared = AgentThreads(ProcessInfo.processInfo.activeProcessorCount)

    /// How far behind the other threads of the process these stand, of 0 to 19.
    private static let niceness: Int32 = 5

    private struct Queue {
        var jobs: [UnownedJob] = []
        var next = 0
    }

    private let queue = Mutex(Queue())
    private let isWaiting = DispatchSemaphore(value: 0)

    private init(_ count: Int) {
        for number in 0..<max(1, count) {
            let thread = Thread { [unowned self] in work() }
            thread.name = "agents \(number)"
            // The deepest parsers and the kernels of models need more than the half MiB that is usual for a second thread.
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.withLock { $0.jobs.append(job) }
        isWaiting.signal()
    }

    /// Runs jobs in the order in which they came, for as long as the process lives.
    private func work() -> Never {
        #if canImport(Glibc) || canImport(Musl)
        // On Linux this is about the calling thread alone. Where it is not allowed the thread is like any other.
        _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
        #endif
        while true {
            isWaiting.wait()
            let job: UnownedJob? = queue.withLock { queue in
                guard queue.next < queue.jobs.count else { return nil }
                defer { queue.next += 1 }
                return queue.jobs[queue.next]
            }
            queue.withLock { queue in
                // What has been taken is dropped when it is half of the list.
                guard queue.next > 64, queue.next * 2 > queue.jobs.count else { return }
                queue.jobs.removeFirst(queue.next)
                queue.next = 0
            }
            job?.runSynchronously(on: asUnownedTaskExecutor())
        }
    }
}
