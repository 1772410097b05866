// SPDX-License-Identifier: Apache-2.0

import Base

/// Chooses wrong passages so that a teacher's margins between the gold passage and them are spread: margins fall into ten
/// bins of one width, a bin that holds any is drawn, then one of its passages (balanced margin sampling, Hofstätter et al.,
/// arXiv 2104.06967).
enum BalancedMargins {
    static let binCount = 10

    /// - Parameter scores: The teacher's scores of a list, that of the gold passage first.
    /// - Returns: The places that are kept: the first, and at most so many others, each once.
    static func chosen(_ scores: [Float], count: Int, using generator: inout SplitMix64) -> [Int] {
        guard let gold = scores.first else { return [] }
        let margins = scores.map { gold - $0 }
        let others = scores.indices.dropFirst().filter { margins[$0].isFinite }
        guard let low = others.map({ margins[$0] }).min(), let high = others.map({ margins[$0] }).max() else {
            return [0]
        }
        let width = max(1e-6, (high - low) / Float(binCount))
        var bins = [[Int]](repeating: [], count: binCount)
        for place in others { bins[min(binCount - 1, Int((margins[place] - low) / width))].append(place) }
        var kept = [0]
        while kept.count <= count {
            bins.removeAll(where: \.isEmpty)
            guard !bins.isEmpty else { break }
            let bin = generator.integer(below: bins.count)
            kept.append(bins[bin].remove(at: generator.integer(below: bins[bin].count)))
        }
        return kept
    }
}
