// SPDX-License-Identifier: Apache-2.0

import CKernels

/// The best passages seen so far: a heap with the worst of them on top.
struct TopPassages: Sendable {
    private var keys: [UInt64]
    private var held = 0

    init(capacity: Int) { keys = [UInt64](repeating: 0, count: max(0, capacity)) }

    mutating func offer(_ scores: UnsafeBufferPointer<Float>, first: UInt32) {
        forage_top_offer(scores.baseAddress, scores.count, first, nil, &keys, &held, keys.count)
    }

    mutating func offer(_ scores: UnsafeBufferPointer<Float>, ordinals: UnsafeBufferPointer<UInt32>) {
        forage_top_offer(scores.baseAddress, scores.count, 0, ordinals.baseAddress, &keys, &held, keys.count)
    }

    /// The best, in order.
    mutating func finish() -> [ScoredPassage] {
        var ordinals = [UInt32](repeating: 0, count: held)
        var scores = [Float](repeating: 0, count: held)
        forage_top_finish(&keys, held, &ordinals, &scores)
        return zip(ordinals, scores).map { ScoredPassage(ordinal: $0, score: $1) }
    }
}
