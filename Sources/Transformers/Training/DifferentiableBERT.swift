// SPDX-License-Identifier: Apache-2.0

import Base
public import TensorMath

/// Token ids of several texts one behind the other, without padding.
public struct TokenBatch: Sendable, Hashable {
    /// The ids of all tokens, special ones included.
    public private(set) var ids: [Int32] = []
    /// 0 for tokens of a first text, 1 for those of a second.
    public private(set) var types: [Int32] = []
    /// Where each text starts; one more entry holds the number of tokens.
    public private(set) var starts: [Int] = [0]

    public init() {}

    /// Adds a text.
    ///
    /// - Precondition: one type for each id.
    public mutating func append(_ ids: [Int32], types: [Int32]) {
        precondition(ids.count == types.count, "one type for each id")
        self.ids += ids
        self.types += types
        starts.append(self.ids.count)
    }

    /// Adds the texts of another batch.
    public mutating func append(_ other: TokenBatch) {
        let before = ids.count
        ids += other.ids
        types += other.types
        starts += other.starts.dropFirst().map { $0 + before }
    }

    /// Tokens.
    public var count: Int { ids.count }
    /// Texts.
    public var textCount: Int { starts.count - 1 }
}

/// A BERT-family encoder whose forward pass is recorded on a tape, over the weights of the fast pass.
public struct DifferentiableBERT: Sendable {
    /// The sizes of a block.
    public let shape: EncoderShape
    /// The number of blocks.
    public let layerCount: Int
    /// The weights by their names in the files of the Transformers library, matrices outputs × inputs, vectors as one row.
    public let base: ParameterSet

    /// - Precondition: `base` has the tensors of ``tensorNames(layers:)``.
    public init(shape: EncoderShape, layerCount: Int, base: ParameterSet) {
        for name in Self.tensorNames(layers: layerCount) {
            precondition(base.contains(name), "no tensor '\(name)'")
        }
        self.shape = shape
        self.layerCount = layerCount
        self.base = base
    }

    static let embeddingNames = [
        "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight", "embeddings.LayerNorm.weight", "embeddings.LayerNorm.bias",
    ]

    static func prefix(_ layer: Int) -> String { "encoder.layer.\(layer)." }

    /// The names of all tensors.
    public static func tensorNames(layers: Int) -> [String] {
        embeddingNames + (0..<layers).flatMap { layer in EncoderBlock.names.map { prefix(layer) + $0 } }
    }

    /// The weights that learn, at their start.
    public func parameters(for tuning: Tuning, seed: UInt64 = 1) -> ParameterSet {
        var result = ParameterSet()
        var generator = SplitMix64(seed: seed, stream: 0x10AA)
        if tuning == .full {
            for name in Self.embeddingNames { result.add(name, base[name]) }
        }
        if case .prompt(let length) = tuning {
            for layer in 0..<layerCount {
                result.add(
                    DeepPrompt.name(layer),
                    Matrix(rows: length, columns: shape.width, deviation: 0.2, using: &generator))
            }
            return result
        }
        for layer in tuning.firstLayer(of: layerCount)..<layerCount {
            if case .lora(let rank, _, _) = tuning {
                for name in LowRank.layers.map({ Self.prefix(layer) + $0 }) {
                    let inputs = base[name].columns
                    result.add(
                        LowRank.first(name),
                        Matrix(
                            rows: rank, columns: inputs, deviation: 1 / Float(inputs).squareRoot(), using: &generator))
                    result.add(LowRank.second(name), Matrix(rows: base[name].rows, columns: rank))
                }
            } else {
                for name in EncoderBlock.names.map({ Self.prefix(layer) + $0 }) { result.add(name, base[name]) }
            }
        }
        return result
    }

    /// Enters weights that learn on a tape.
    public func weights(_ parameters: ParameterSet, _ variables: ParameterVariables, _ tuning: Tuning, on tape: Tape)
        -> TunedWeights
    {
        TunedWeights(tape: tape, base: base, parameters: parameters, variables: variables, tuning: tuning)
    }

    /// The weights with what was learned put in.
    public func merged(_ parameters: ParameterSet, tuning: Tuning) -> ParameterSet {
        let tape = Tape(records: false)
        let weights = weights(parameters, parameters.variables(on: tape), tuning, on: tape)
        var result = base
        for name in Self.tensorNames(layers: layerCount) { result[name] = weights.variable(name).value }
        for layer in 0..<layerCount where parameters.contains(DeepPrompt.name(layer)) {
            result.add(DeepPrompt.name(layer), parameters[DeepPrompt.name(layer)])
        }
        return result
    }

    /// The last hidden states of a batch (tokens × width).
    ///
    /// - Parameters:
    ///   - lower: The states below block `first`, from the fast pass or an earlier one; nil starts at the word vectors.
    ///   - dropout: Noise; nil for none.
    ///   - keepsActivations: Whether all of a block's numbers are kept for the way back; otherwise each block is computed
    ///     twice and a batch takes about a tenth of the memory.
    public func states(
        of batch: TokenBatch, weights: TunedWeights, lower: (states: Matrix, first: Int)? = nil,
        dropout: EncoderDropout? = nil, keepsActivations: Bool = true
    ) -> Variable {
        let tape = weights.tape
        var states: Variable
        if let lower {
            precondition(lower.states.rows == batch.count && lower.states.columns == shape.width, "tokens × width")
            states = tape.constant(lower.states)
        } else {
            states = embeddings(of: batch, weights: weights)
        }
        for layer in (lower?.first ?? 0)..<layerCount {
            let tensors = EncoderBlock.names.map { weights.variable(Self.prefix(layer) + $0) }
            func block(_ starts: [Int], _ input: Variable) -> Variable {
                EncoderBlock(shape: shape, starts: starts, layer: layer, dropout: dropout)
                    .apply(to: input, weights: tensors, keepsActivations: keepsActivations)
            }
            guard weights.parameters.contains(DeepPrompt.name(layer)) else {
                states = block(batch.starts, states)
                continue
            }
            let prompt = weights.variables[DeepPrompt.name(layer)]
            let places = PromptedRows(starts: batch.starts, prompt: prompt.rows)
            states = block(places.starts, Variable.joinedRows([prompt, states]).rows(at: places.entering))
                .rows(at: places.leaving)
        }
        return states
    }

    /// The normalised sum of the vectors of word, position and type. Ids out of range count as 0.
    private func embeddings(of batch: TokenBatch, weights: TunedWeights) -> Variable {
        func rows(_ name: String, _ indices: [Int]) -> Variable {
            let table = base[name]
            let inRange = indices.map { $0 >= 0 && $0 < table.rows ? $0 : 0 }
            guard weights.parameters.contains(name) else {
                // Without a gradient the table itself need not be entered.
                return weights.tape.constant(table.rows(at: inRange))
            }
            return weights.variable(name).rows(at: inRange)
        }
        let longest = base[Self.embeddingNames[1]].rows - 1
        let positions = zip(batch.starts, batch.starts.dropFirst()).flatMap { start, end in
            (0..<(end - start)).map { min($0, longest) }
        }
        let sum =
            rows(Self.embeddingNames[0], batch.ids.map(Int.init)) + rows(Self.embeddingNames[1], positions)
            + rows(Self.embeddingNames[2], batch.types.map(Int.init))
        return sum.layerNorm(
            scale: weights.variable(Self.embeddingNames[3]), shift: weights.variable(Self.embeddingNames[4]),
            epsilon: shape.epsilon)
    }
}

/// Where rows go when the vectors of a prompt are put before each text.
private struct PromptedRows {
    /// Where each text starts with them; one more entry holds the number of rows.
    var starts: [Int] = [0]
    /// For each row the one that it is of the prompt and the texts' tokens, one below the other.
    var entering: [Int] = []
    /// The rows of the texts' tokens.
    var leaving: [Int] = []

    init(starts: [Int], prompt: Int) {
        for (start, end) in zip(starts, starts.dropFirst()) {
            entering += 0..<prompt
            leaving += entering.count..<(entering.count + end - start)
            entering += (prompt + start)..<(prompt + end)
            self.starts.append(entering.count)
        }
    }
}

extension Variable {
    /// The mean of each text's token states, of length one: what a sentence encoder with mean pooling gives.
    public func meanPooled(starts: [Int]) -> Variable {
        segmentMeans(offsets: starts).unitRows()
    }

    /// Each row divided by its length.
    public func unitRows() -> Variable {
        let lengths = (squared().rowSums() + tape.constant(Matrix(rows: rows, columns: 1, filledWith: 1e-12))).log()
        return scaling(rowsBy: (lengths * -0.5).exp())
    }
}
