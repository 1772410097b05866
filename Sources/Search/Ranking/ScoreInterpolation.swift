// SPDX-License-Identifier: Apache-2.0

/// Weighted interpolation: the sum of weight × normalised score (for keyword and dense scores: Li et al., 2022). What a
/// ranking lacks gets the lowest score that the ranking can give: 0 with `minMax`, else the lowest in it.
public struct ScoreInterpolation: RankFusion {
    /// How the scores of a ranking are made comparable before they are added.
    public enum Normalization: String, Sendable, Hashable, CaseIterable {
        case none
        /// Onto 0…1 within the ranking.
        case minMax = "min_max"
        /// To mean 0 and deviation 1 within the ranking.
        case zScore = "z_score"
    }

    public var name: String { "interpolation" }
    /// Default min-max.
    public var normalization: Normalization

    public init(_ normalization: Normalization = .minMax) { self.normalization = normalization }

    public func scores<ID: Hashable & Comparable & Sendable>(_ rankings: [Ranking<ID>]) -> [ID: Double] {
        var scores: [ID: Double] = [:]
        var floors = 0.0
        for ranking in rankings where !ranking.ids.isEmpty {
            let values = Self.normalised(ranking.scores, normalization)
            let floor = normalization == .minMax ? 0 : values.min() ?? 0
            floors += ranking.weight * floor
            for (id, value) in zip(ranking.ids, values) { scores[id, default: 0] += ranking.weight * (value - floor) }
        }
        return floors == 0 ? scores : scores.mapValues { $0 + floors }
    }

    /// As the best of a list: there is no score that would say less.
    public func score(ofPlace place: Int) -> Double { 1 }

    /// The scores of one ranking, made comparable with another's. Equal scores become 1 with `minMax` and 0 with `zScore`.
    public static func normalised(_ scores: [Double], _ normalization: Normalization) -> [Double] {
        switch normalization {
        case .none: return scores
        case .minMax:
            guard let low = scores.min(), let high = scores.max(), high > low else { return scores.map { _ in 1 } }
            return scores.map { ($0 - low) / (high - low) }
        case .zScore:
            let mean = scores.reduce(0, +) / Double(scores.count)
            let variance = scores.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(scores.count)
            guard variance > 0 else { return scores.map { _ in 0 } }
            return scores.map { ($0 - mean) / variance.squareRoot() }
        }
    }
}
