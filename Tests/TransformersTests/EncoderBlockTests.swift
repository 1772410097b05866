// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Testing

@testable import Transformers

/// A small encoder with random weights.
private func encoder(layers: Int, usesReLU: Bool = false, seed: UInt64 = 5) -> DifferentiableBERT {
    let shape = EncoderShape(width: 8, heads: 2, inner: 12, epsilon: 1e-5, usesReLU: usesReLU)
    var generator = SplitMix64(seed: seed)
    var weights = ParameterSet()
    for name in DifferentiableBERT.tensorNames(layers: layers) {
        let isNorm = name.contains("LayerNorm.weight")
        var matrix =
            if name.contains("word_embeddings") {
                Matrix(rows: 11, columns: 8, deviation: 0.5, using: &generator)
            } else if name.contains("position_embeddings") {
                Matrix(rows: 16, columns: 8, deviation: 0.5, using: &generator)
            } else if name.contains("token_type") {
                Matrix(rows: 2, columns: 8, deviation: 0.5, using: &generator)
            } else if name.hasSuffix("intermediate.dense.weight") {
                Matrix(rows: 12, columns: 8, deviation: 0.5, using: &generator)
            } else if name.hasSuffix("intermediate.dense.bias") {
                Matrix(rows: 1, columns: 12, deviation: 0.5, using: &generator)
            } else if name.hasSuffix(".output.dense.weight"), !name.contains("attention") {
                Matrix(rows: 8, columns: 12, deviation: 0.5, using: &generator)
            } else if name.hasSuffix("dense.weight") || (name.contains("self.") && name.hasSuffix(".weight")) {
                Matrix(rows: 8, columns: 8, deviation: 0.5, using: &generator)
            } else {
                Matrix(rows: 1, columns: 8, deviation: 0.3, using: &generator)
            }
        if isNorm { for index in matrix.elements.indices { matrix.elements[index] += 1 } }
        weights.add(name, matrix)
    }
    return DifferentiableBERT(shape: shape, layerCount: layers, base: weights)
}

private func batch() -> TokenBatch {
    var batch = TokenBatch()
    batch.append([1, 4, 7, 2, 10], types: [0, 0, 0, 1, 1])
    batch.append([3], types: [0])
    batch.append([5, 5, 6, 0, 2, 9, 8, 1, 3], types: [0, 0, 0, 0, 1, 1, 1, 1, 1])
    return batch
}

/// A loss whose slope differs at each number.
private func loss(_ states: Variable) -> Variable {
    var generator = SplitMix64(seed: 8)
    let pull = Matrix(rows: states.rows, columns: states.columns, deviation: 1, using: &generator)
    return (states * states.tape.constant(pull)).sum()
}

@Suite struct EncoderBlockTests {
    private func gradients(
        _ model: DifferentiableBERT, _ tuning: Tuning, _ parameters: ParameterSet, dropout: EncoderDropout? = nil,
        keepsActivations: Bool = true
    ) -> (loss: Double, gradients: [Matrix]) {
        let tape = Tape()
        let variables = parameters.variables(on: tape)
        let value = loss(
            model.states(
                of: batch(), weights: model.weights(parameters, variables, tuning, on: tape), dropout: dropout,
                keepsActivations: keepsActivations))
        return (Double(value.scalar), tape.gradients(of: value, for: variables.variables))
    }

    @Test(arguments: [Tuning.full, .top(1), .lora(rank: 2, scale: 4, layers: 2)], [false, true])
    func gradientsEqualFiniteDifferences(_ tuning: Tuning, _ hasNoise: Bool) throws {
        for usesReLU in [false, true] {
            let model = encoder(layers: 2, usesReLU: usesReLU)
            var parameters = model.parameters(for: tuning)
            var generator = SplitMix64(seed: 12)
            // The second thin matrices start at zero, where half of the gradients are zero too.
            for index in parameters.values.indices {
                let shape = parameters.values[index]
                parameters.values[index].add(
                    Matrix(rows: shape.rows, columns: shape.columns, deviation: 0.1, using: &generator))
            }
            let dropout = hasNoise ? EncoderDropout(rate: 0.3, seed: 4) : nil
            let found = gradients(model, tuning, parameters, dropout: dropout).gradients
            for index in found.indices {
                let element = generator.integer(below: found[index].elements.count)
                func at(_ shift: Float) -> Double {
                    var shifted = parameters
                    shifted.values[index].elements[element] += shift
                    return gradients(model, tuning, shifted, dropout: dropout).loss
                }
                let numeric = (at(2e-3) - at(-2e-3)) / 4e-3
                let exact = Double(found[index].elements[element])
                #expect(
                    abs(numeric - exact) < 0.02 * max(1, abs(exact)),
                    "\(parameters.names[index]): \(numeric), \(exact)")
            }
        }
    }

    @Test func checkpointsOfActivationsChangeNothing() {
        let model = encoder(layers: 2)
        let parameters = model.parameters(for: .full)
        let noise = EncoderDropout(rate: 0.2, seed: 9)
        let kept = gradients(model, .full, parameters, dropout: noise)
        let again = gradients(model, .full, parameters, dropout: noise, keepsActivations: false)
        #expect(kept.loss == again.loss && kept.gradients == again.gradients)
        #expect(gradients(model, .full, parameters, dropout: EncoderDropout(rate: 0.2, seed: 8)).loss != kept.loss)
    }

    @Test func textsDoNotSeeEachOther() {
        let model = encoder(layers: 2)
        let parameters = ParameterSet()
        func states(_ batch: TokenBatch) -> Matrix {
            let tape = Tape(records: false)
            let weights = model.weights(parameters, parameters.variables(on: tape), .top(1), on: tape)
            return model.states(of: batch, weights: weights).value
        }
        var alone = TokenBatch()
        alone.append([3], types: [0])
        let together = states(batch())
        for (one, other) in zip(states(alone).row(0), together.row(5)) { #expect(abs(one - other) < 1e-5) }
    }

    @Test func thinMatricesChangeNothingAtFirstAndMergeExactly() {
        let model = encoder(layers: 2)
        let tuning = Tuning.lora(rank: 2, scale: 4, layers: 1)
        var parameters = model.parameters(for: tuning)
        #expect(model.merged(parameters, tuning: tuning) == model.base)
        #expect(parameters.names.allSatisfy { $0.contains("encoder.layer.1.") })
        for index in parameters.values.indices where parameters.names[index].hasPrefix("lora.b.") {
            for element in parameters.values[index].elements.indices {
                parameters.values[index].elements[element] = 0.1
            }
        }
        let merged = model.merged(parameters, tuning: tuning)
        #expect(merged != model.base)
        let other = DifferentiableBERT(shape: model.shape, layerCount: 2, base: merged)
        let (a, b) = (
            gradients(model, tuning, parameters).loss, gradients(other, .top(1), other.parameters(for: .top(1))).loss
        )
        #expect(abs(a - b) < 1e-4 * max(1, abs(a)))
    }

    @Test(arguments: ["full", "top:2", "lora:8", "lora:8:3"]) func tuningsAreReadAsWritten(_ text: String) throws {
        #expect(try #require(Tuning(text)).description == text)
    }

    @Test(arguments: ["", "top", "top:0", "top:x", "lora", "full:1", "lora:1:2:3"])
    func otherTuningsAreRefused(_ text: String) { #expect(Tuning(text) == nil) }

    @Test func cachedGradientsEqualThoseOfTheWholeBatch() {
        let model = encoder(layers: 1)
        let parameters = model.parameters(for: .full)
        let texts: [[Int32]] = [[1, 2, 3], [4, 5], [6, 7, 8, 9], [2, 2]]
        func vectors(_ part: ArraySlice<[Int32]>, _ tape: Tape, _ variables: ParameterVariables) -> Variable {
            var batch = TokenBatch()
            for ids in part { batch.append(ids, types: [Int32](repeating: 0, count: ids.count)) }
            return model.states(of: batch, weights: model.weights(parameters, variables, .full, on: tape))
                .meanPooled(starts: batch.starts)
        }
        func contrast(_ all: Variable) -> Variable {
            (all.times(all, transposingOther: true) * 5).crossEntropy(classes: [1, 0, 3, 2])
        }
        let tape = Tape()
        let variables = parameters.variables(on: tape)
        let value = contrast(vectors(texts[...], tape, variables))
        let whole = tape.gradients(of: value, for: variables.variables)
        let cached = GradientCache.gradients(
            chunks: 2, threads: 2, parameters: parameters,
            represent: { vectors(texts[(2 * $0)..<(2 * $0 + 2)], $1, $2) },
            loss: contrast)
        #expect(abs(cached.loss - Double(value.scalar)) < 1e-5)
        for (one, other) in zip(cached.gradients, whole) {
            for (a, b) in zip(one.elements, other.elements) { #expect(abs(a - b) < 1e-4) }
        }
    }

    @Test func changesAreStoredInEightBits() throws {
        let model = encoder(layers: 1)
        var tuned = model.base
        var generator = SplitMix64(seed: 2)
        let name = "encoder.layer.0.output.dense.weight"
        tuned[name].add(Matrix(rows: 8, columns: 12, deviation: 0.01, using: &generator))
        tuned["encoder.layer.0.output.dense.bias"].add(Matrix(rows: 1, columns: 8, deviation: 0.01, using: &generator))
        let delta = WeightDelta(from: model.base, to: tuned)
        #expect(delta.names == ["encoder.layer.0.output.dense.bias", name])
        let path = NSTemporaryDirectory() + "delta-\(UUID().uuidString).safetensors"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var writer = SafetensorsWriter()
        delta.add(to: &writer, shapes: model.base)
        try writer.write(to: path)
        let read = try WeightDelta(file: SafetensorsFile(path: path))
        #expect(read.names == delta.names)
        for stored in delta.names {
            for (one, other) in zip(read.change(of: stored) ?? [], delta.change(of: stored) ?? []) {
                #expect(abs(one - other) < 1e-6)
            }
        }
        let change = try #require(read.change(of: name))
        for (index, value) in change.enumerated() {
            #expect(abs(value - (tuned[name].elements[index] - model.base[name].elements[index])) < 3e-4)
        }
        #expect(read.change(of: "encoder.layer.0.attention.self.key.weight") == nil)
    }
}
