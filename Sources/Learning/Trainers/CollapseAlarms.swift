// SPDX-License-Identifier: Apache-2.0

public import TensorMath

/// Limits beyond which a run is not learning but falling apart.
public struct CollapseAlarms: Sendable, Hashable {
    /// What went wrong.
    public enum Alarm: Sendable, Hashable, CustomStringConvertible {
        case notFinite
        case entropy(Float)
        case divergence(Float)
        case flatGroups(Float)
        case nothingKept(Float)

        public var description: String {
            switch self {
            case .notFinite: "weights, loss or gradient are not finite"
            case .entropy(let value): "the decisions' entropy fell to \(value) nats"
            case .divergence(let value): "the policy went \(value) nats away from where it started"
            case .flatGroups(let share): "in \(share) of the groups all episodes earn the same"
            case .nothingKept(let count): "episodes keep only \(count) passages"
            }
        }
    }

    /// The lowest mean entropy. Default: 0.005 nats.
    public var leastEntropy: Float = 0.005
    /// The largest mean KL divergence from the reference. Default: 5 nats.
    public var mostDivergence: Float = 5
    /// The largest share of groups without any difference to learn from. Default: 0.98.
    public var mostFlatGroups: Float = 0.98
    /// How many such iterations in a row are borne: sparse rewards begin that way. Default: 10.
    public var flatPatience = 10
    /// The fewest passages kept on average. Default: 0.5.
    public var leastKept: Float = 0.5

    /// Makes the defaults.
    public init() {}

    /// Returns the first limit that an iteration broke.
    ///
    /// - Parameter flatStreak: Iterations in a row, this one included, with a larger share of flat groups than `mostFlatGroups`.
    public func check(_ record: IterationRecord, parameters: ParameterSet, flatStreak: Int) -> Alarm? {
        guard parameters.isFinite, record.loss.isFinite, record.gradientNorm.isFinite else { return .notFinite }
        guard record.episodes > 0 else { return nil }
        if record.entropy < leastEntropy, record.gradientNorm > 0 { return .entropy(record.entropy) }
        if record.divergence > mostDivergence { return .divergence(record.divergence) }
        if flatStreak > flatPatience { return .flatGroups(record.flatGroups) }
        if record.kept < leastKept { return .nothingKept(record.kept) }
        return nil
    }
}
