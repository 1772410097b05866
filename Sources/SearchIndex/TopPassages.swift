// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The best passages seen so far: a heap with the worst of them on top.
struct TopPassages {
    let limit: Int
    private var heap: [ScoredPassage] = []

    init(limit: Int) {
        self.limit = limit
        heap.reserveCapacity(limit)
    }

    /// A passage with a lower score than this cannot enter.
    var threshold: Float { heap.count < limit ? -.infinity : heap[0].score }

    mutating func offer(_ passage: ScoredPassage) {
        if heap.count < limit {
            heap.append(passage)
            var at = heap.count - 1
            while at > 0, ScoredPassage.ranksBefore(heap[(at - 1) / 2], heap[at]) {
                heap.swapAt(at, (at - 1) / 2)
                at = (at - 1) / 2
            }
        } else if limit > 0, ScoredPassage.ranksBefore(passage, heap[0]) {
            heap[0] = passage
            var at = 0
            while true {
                var child = 2 * at + 1
                guard child < heap.count else { break }
                if child + 1 < heap.count, ScoredPassage.ranksBefore(heap[child], heap[child + 1]) { child += 1 }
                guard ScoredPassage.ranksBefore(heap[at], heap[child]) else { break }
                heap.swapAt(at, child)
                at = child
            }
        }
    }

    /// The passages, best first.
    func ranked() -> [ScoredPassage] { heap.sorted(by: ScoredPassage.ranksBefore) }
}

/// Results of parallel parts: each part sets its own slot.
final class Slots<Value: Sendable>: Sendable {
    private let slots: Mutex<[Value?]>

    init(count: Int) { slots = Mutex(Array(repeating: nil, count: count)) }

    func set(_ index: Int, _ value: Value) { slots.withLock { $0[index] = value } }

    func values() -> [Value] { slots.withLock { $0.compactMap { $0 } } }
}
