// SPDX-License-Identifier: Apache-2.0

public import Base
public import TensorMath

/// One decision as a network sees it: every candidate's features.
public struct Decision: Sendable {
    /// Candidates × features.
    public let features: Matrix

    /// The number of choices.
    public var count: Int { features.rows }

    /// Wraps the features of a state's candidates.
    public init(features: Matrix) { self.features = features }
}

/// Several decisions stacked for one pass through a network.
public struct DecisionBatch: Sendable {
    /// All rows of all decisions × features.
    public let features: Matrix
    /// Decision i is rows `offsets[i] ..< offsets[i + 1]`.
    public let offsets: [Int]

    /// Stacks decisions.
    ///
    /// - Precondition: at least one.
    public init(_ decisions: [Decision]) {
        precondition(!decisions.isEmpty, "no decisions")
        var elements: [Float] = []
        elements.reserveCapacity(decisions.reduce(0) { $0 + $1.features.elements.count })
        var offsets = [0]
        for decision in decisions {
            elements += decision.features.elements
            offsets.append(offsets[offsets.count - 1] + decision.features.rows)
        }
        self.offsets = offsets
        features = Matrix(rows: offsets[offsets.count - 1], columns: decisions[0].features.columns, elements: elements)
    }

    /// The decision that each row belongs to.
    var owners: [Int] {
        (0..<(offsets.count - 1)).flatMap { [Int](repeating: $0, count: offsets[$0 + 1] - offsets[$0]) }
    }
}

/// A network that turns decisions into a logit for each choice and a value for each state.
///
/// A conformer is added in one file, and registered by one line in `PolicyNetworks.all`. It is a value that describes
/// sizes only; the weights are a `ParameterSet` beside it, so that deciding can run on many threads at once.
public protocol PolicyNetwork: Sendable {
    /// The name in policy files.
    static var architecture: String { get }
    /// Makes a network for decisions with this many features.
    init(features: Int)
    /// Draws the weights to start from.
    func initialParameters(seed: UInt64) -> ParameterSet
    /// Computes logits (rows × 1) and values (decisions × 1).
    ///
    /// - Parameter noise: Draws drop-out while training; nil when deciding.
    func apply(
        _ batch: DecisionBatch, _ weights: ParameterVariables, noise: inout SplitMix64?
    ) -> (logits: Variable, values: Variable)
}

/// The networks that policy files can name.
public enum PolicyNetworks {
    /// Every architecture by name.
    public static let all: [String: any PolicyNetwork.Type] = [
        CandidateScorer.architecture: CandidateScorer.self
    ]
}
