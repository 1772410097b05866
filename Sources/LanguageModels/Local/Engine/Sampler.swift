// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation
import TensorMath

/// Chooses tokens from logits: repetition penalty, mask, temperature, top-k, min-p, top-p, in this order.
///
/// Log-probabilities are those of the model's own distribution, before penalty, mask and temperature.
struct Sampler {
    /// Tokens that the repetition penalty looks back on.
    static let penaltyWindow = 64

    var temperature: Double
    var topK: Int
    var topP: Double
    var minP: Double
    var repetitionPenalty: Double
    private var generator: SplitMix64

    /// - Parameter stream: tells the samples of one request apart.
    init(_ options: SamplingOptions, stream: Int) {
        temperature = max(0, options.temperature ?? 0)
        topK = max(0, options.topK ?? 0)
        topP = min(1, max(0, options.topP ?? 1))
        minP = min(1, max(0, options.minP ?? 0))
        repetitionPenalty = max(0.01, options.repetitionPenalty ?? 1)
        generator = SplitMix64(seed: options.seed ?? 0, stream: UInt64(stream))
    }

    /// A token of the row, or nil when the mask allows none.
    mutating func choose(_ logits: UnsafeBufferPointer<Float>, recent: ArraySlice<Int32>, mask: [UInt64]?) -> Int32? {
        var row = logits
        var penalised: [Float] = []
        if repetitionPenalty != 1, !recent.isEmpty {
            penalised = Array(logits)
            for token in Set(recent.suffix(Self.penaltyWindow)) where penalised.indices.contains(Int(token)) {
                let value = penalised[Int(token)]
                penalised[Int(token)] =
                    value > 0 ? value / Float(repetitionPenalty) : value * Float(repetitionPenalty)
            }
            return penalised.withUnsafeBufferPointer { draw($0, mask) }
        }
        row = logits
        return draw(row, mask)
    }

    /// Leaves a token out that is the only one allowed: later draws are those that they would be after choosing it.
    mutating func passOver() {
        if temperature != 0, topK != 1 { _ = generator.uniform() }
    }

    private mutating func draw(_ row: UnsafeBufferPointer<Float>, _ mask: [UInt64]?) -> Int32? {
        let best: Int =
            if let mask {
                mask.withUnsafeBufferPointer { forage_lm_argmax(row.baseAddress, row.count, $0.baseAddress) }
            } else {
                forage_lm_argmax(row.baseAddress, row.count, nil)
            }
        guard best >= 0 else { return nil }
        if temperature == 0 || topK == 1 { return Int32(best) }
        // Tokens 40 temperatures below the best one weigh less than 1e-17 together with all their like.
        let floor = row[best] - Float(40 * temperature)
        var candidates: [(id: Int32, weight: Double)] = []
        for id in row.indices where row[id] >= floor {
            if let mask, mask[id / 64] >> UInt64(id % 64) & 1 == 0 { continue }
            candidates.append((Int32(id), exp((Double(row[id]) - Double(row[best])) / temperature)))
        }
        candidates.sort { $0.weight != $1.weight ? $0.weight > $1.weight : $0.id < $1.id }
        if topK > 0, candidates.count > topK { candidates.removeLast(candidates.count - topK) }
        if minP > 0 { candidates.removeAll { $0.weight < minP } }
        if topP < 1 {
            let total = candidates.reduce(0) { $0 + $1.weight }
            var sum = 0.0
            var kept = 0
            while kept < candidates.count, sum < topP * total {
                sum += candidates[kept].weight
                kept += 1
            }
            candidates.removeLast(candidates.count - max(kept, 1))
        }
        var left = generator.uniform() * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            left -= candidate.weight
            if left < 0 { return candidate.id }
        }
        return candidates.last?.id ?? Int32(best)
    }
}

/// The log-probability of a token in a row of logits.
func logProbability(of token: Int32, in row: UnsafeBufferPointer<Float>) -> Double {
    Double(row[Int(token)]) - forage_lm_log_sum_exp(row.baseAddress, row.count)
}

/// The `count` most probable tokens of a row, best first, the lower id first among equals.
func mostProbable(_ count: Int, in row: UnsafeBufferPointer<Float>) -> [(id: Int32, logProbability: Double)] {
    guard count > 0 else { return [] }
    var best: [(id: Int32, value: Float)] = []
    for id in row.indices where best.count < count || row[id] > best[best.count - 1].value {
        let at = best.firstIndex { $0.value < row[id] } ?? best.count
        best.insert((Int32(id), row[id]), at: at)
        if best.count > count { best.removeLast() }
    }
    let total = forage_lm_log_sum_exp(row.baseAddress, row.count)
    return best.map { ($0.id, Double($0.value) - total) }
}
