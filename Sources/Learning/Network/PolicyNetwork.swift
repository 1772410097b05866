// SPDX-License-Identifier: Apache-2.0

public import Base
public import TensorMath

/// One decision as a network sees it: every candidate's features, and on request the frozen vectors behind them.
///
/// The last row stands for stopping where `allowsStop` is set; it has no passage and a vector of zeros.
public struct Decision: Sendable {
    /// Candidates × features.
    public let features: Matrix
    /// The encoder's vector of the question.
    public let question: [Float]
    /// Ordinals of the kept passages, in order.
    public let kept: [Int]
    /// Ordinals of the candidates, one for each row but that of stopping.
    public let candidates: [Int]
    /// Whether the last row is the choice to stop.
    public let allowsStop: Bool
    let world: RetrievalWorld

    /// The number of choices.
    public var count: Int { features.rows }
}

/// Several decisions stacked for one pass through a network.
public struct DecisionBatch: Sendable {
    /// All rows of all decisions × features.
    public let features: Matrix
    /// Decision i is rows `offsets[i] ..< offsets[i + 1]`.
    public let offsets: [Int]
    /// The decisions.
    public let decisions: [Decision]

    /// Stacks decisions.
    ///
    /// - Precondition: at least one.
    public init(_ decisions: [Decision]) {
        precondition(!decisions.isEmpty, "no decisions")
        var elements: [Float] = []
        var offsets = [0]
        for decision in decisions {
            elements += decision.features.elements
            offsets.append(offsets[offsets.count - 1] + decision.features.rows)
        }
        self.decisions = decisions
        self.offsets = offsets
        features = Matrix(rows: offsets[offsets.count - 1], columns: decisions[0].features.columns, elements: elements)
    }

    /// The decision that each row belongs to.
    var owners: [Int] {
        (0..<decisions.count).flatMap { [Int](repeating: $0, count: offsets[$0 + 1] - offsets[$0]) }
    }

    /// The questions' vectors: decisions × dimension.
    var questionVectors: Matrix { Matrix(stacking: decisions.map(\.question)) }

    /// The candidates' vectors: rows × dimension, zeros for stopping.
    var candidateVectors: Matrix {
        let dimension = decisions[0].world.vectors.columns
        var elements: [Float] = []
        elements.reserveCapacity(features.rows * dimension)
        for decision in decisions {
            for candidate in decision.candidates { elements += decision.world.vectors.row(candidate) }
            if decision.allowsStop { elements += [Float](repeating: 0, count: dimension) }
        }
        return Matrix(rows: features.rows, columns: dimension, elements: elements)
    }

    /// The vectors of the passages kept at a step: decisions × dimension, zeros where fewer were kept.
    func keptVectors(step: Int) -> Matrix {
        let dimension = decisions[0].world.vectors.columns
        return Matrix(
            stacking: decisions.map { decision in
                step < decision.kept.count
                    ? Array(decision.world.vectors.row(decision.kept[step])) : [Float](repeating: 0, count: dimension)
            })
    }
}

/// A network that turns decisions into a logit for each choice and a value for each state.
///
/// A conformer is added in one file, and registered by one line in `PolicyNetworks.all`. It is a value that describes
/// sizes only; the weights are a `ParameterSet` beside it, so that deciding can run on many threads at once.
public protocol PolicyNetwork: Sendable {
    /// The name in policy files.
    static var architecture: String { get }
    /// Makes a network for decisions with this many features over vectors of this many dimensions.
    init(features: Int, dimension: Int)
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
        CandidateScorer.architecture: CandidateScorer.self,
        RecurrentRetriever.architecture: RecurrentRetriever.self,
        CompositionalRetriever.architecture: CompositionalRetriever.self,
    ]
}
