// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath
import Transformers

/// Heads over an encoder of which a part is tuned with them: what a run of training changes, and all that it needs to go
/// on after it was stopped.
public struct TunedHeads: Sendable {
    var heads: ParameterSet
    var encoder: ParameterSet
    var headAdam: Adam
    var encoderAdam: Adam
    /// Steps done.
    public internal(set) var step = 0

    init(heads: ParameterSet, encoder: ParameterSet, weightDecay: Float) {
        self.heads = heads
        self.encoder = encoder
        headAdam = Adam(for: heads, weightDecay: weightDecay)
        encoderAdam = Adam(for: encoder, weightDecay: weightDecay)
    }

    /// Moves heads and encoder against their gradients, those of the heads first.
    mutating func update(_ gradients: [Matrix], headRate: Float, encoderRate: Float) {
        let count = heads.values.count
        headAdam.update(&heads, gradients: Array(gradients.prefix(count)), learningRate: headRate)
        encoderAdam.update(&encoder, gradients: Array(gradients.dropFirst(count)), learningRate: encoderRate)
        step += 1
    }

    /// The weights that lie between another state's and these.
    ///
    /// - Parameter share: 0 is the other state, 1 this one.
    func mixed(with other: TunedHeads, share: Float) -> TunedHeads {
        func between(_ a: ParameterSet, _ b: ParameterSet) -> ParameterSet {
            var result = a
            for index in a.values.indices where a.values[index].elements.count == b.values[index].elements.count {
                result.values[index] = Matrix(
                    rows: a.values[index].rows, columns: a.values[index].columns,
                    elements: zip(a.values[index].elements, b.values[index].elements).map {
                        share * $0 + (1 - share) * $1
                    })
            }
            return result
        }
        var result = self
        result.heads = between(heads, other.heads)
        result.encoder = between(encoder, other.encoder)
        return result
    }

    /// Writes the heads and what changed of the encoder's weights.
    ///
    /// - Parameter shapes: The encoder's weights, for the sizes of their matrices.
    func write(_ delta: WeightDelta?, shapes: ParameterSet, to path: String, notes: [String: String]) throws {
        var writer = SafetensorsWriter(metadata: notes)
        heads.add(to: &writer, prefix: "heads.")
        delta?.add(to: &writer, shapes: shapes)
        try writer.write(to: path)
    }

    /// Writes all that a run needs to go on.
    ///
    /// - Parameters:
    ///   - best: The best score so far.
    ///   - seconds: The time spent so far.
    func checkpoint(to path: String, steps: Int, best: Double, seconds: Double) throws {
        var writer = SafetensorsWriter(
            metadata: [
                "step": String(step), "steps": String(steps), "best": String(best), "seconds": String(seconds),
            ])
        heads.add(to: &writer, prefix: "heads.")
        encoder.add(to: &writer, prefix: "encoder.")
        headAdam.add(to: &writer, names: heads.names, prefix: "heads.adam.")
        encoderAdam.add(to: &writer, names: encoder.names, prefix: "encoder.adam.")
        try writer.write(to: path)
    }

    /// The state that a checkpoint of a run with the same settings holds.
    ///
    /// - Throws: `SafetensorsError`.
    func resumed(from file: SafetensorsFile) throws -> TunedHeads {
        var state = self
        state.heads = try heads.loaded(from: file, prefix: "heads.")
        state.encoder = try encoder.loaded(from: file, prefix: "encoder.")
        state.headAdam = try headAdam.loaded(from: file, names: heads.names, prefix: "heads.adam.")
        state.encoderAdam = try encoderAdam.loaded(from: file, names: encoder.names, prefix: "encoder.adam.")
        state.step = Int(file.metadata["step"] ?? "") ?? state.headAdam.step
        return state
    }
}
