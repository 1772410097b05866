// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Testing

@testable import Transformers

/// A small decoder with random weights.
private func decoder(isInterleaved: Bool = false, hasBiases: Bool = true, isTied: Bool = true) -> DifferentiableDecoder
{
    let shape = DecoderShape(
        width: 12, hidden: 10, heads: 4, keyValueHeads: 2, headSize: 6, epsilon: 1e-5,
        frequencies: [1, 0.3, 0.05], interleavesRotation: isInterleaved)
    var generator = SplitMix64(seed: 3)
    var base = ParameterSet()
    base.add(DifferentiableDecoder.embeddingsName, Matrix(rows: 23, columns: 12, deviation: 0.4, using: &generator))
    var names = [DifferentiableDecoder.outputNormName]
    if !isTied {
        base.add(DifferentiableDecoder.outputName, Matrix(rows: 23, columns: 12, deviation: 0.4, using: &generator))
    }
    for layer in 0..<2 {
        names += [DifferentiableDecoder.attentionNormName(layer), DifferentiableDecoder.hiddenNormName(layer)]
        for projection in DecoderProjection.allCases {
            let (outputs, inputs) = projection.size(shape)
            base.add(
                DifferentiableDecoder.name(layer, projection),
                Matrix(rows: outputs, columns: inputs, deviation: 0.3, using: &generator))
            if hasBiases, projection.mayHaveBias {
                base.add(
                    DifferentiableDecoder.biasName(layer, projection),
                    Matrix(rows: 1, columns: outputs, deviation: 0.3, using: &generator))
            }
        }
    }
    for name in names {
        var gain = Matrix(rows: 1, columns: 12, deviation: 0.2, using: &generator)
        for index in gain.elements.indices { gain.elements[index] += 1 }
        base.add(name, gain)
    }
    return DifferentiableDecoder(shape: shape, layerCount: 2, base: base)
}

private func batch() -> DecoderBatch {
    var batch = DecoderBatch()
    batch.append([1, 4, 7, 2, 10], learned: [false, true, false, true, true])
    batch.append([3], learned: [false])
    batch.append([5, 5, 6, 0, 2, 9, 8, 1, 22], learned: [false, false, true, true, true, true, false, true, true])
    return batch
}

@Suite struct DecoderBlockTests {
    private func loss(
        _ model: DifferentiableDecoder, _ tuning: Tuning, _ parameters: ParameterSet, _ batch: DecoderBatch,
        keepsActivations: Bool? = nil
    ) -> (loss: Double, gradients: [Matrix]) {
        let tape = Tape()
        let variables = parameters.variables(on: tape)
        let found = model.logProbabilities(
            of: batch, parameters: parameters, variables: variables, tuning: tuning, on: tape,
            keepsActivations: keepsActivations
        ).values
        var generator = SplitMix64(seed: 8)
        let pull = Matrix(rows: found.rows, columns: 1, deviation: 1, using: &generator)
        let value = (found * tape.constant(pull)).sum()
        return (Double(value.scalar), tape.gradients(of: value, for: variables.variables))
    }

    @Test(arguments: [Tuning.full, .top(1), .lora(rank: 2, scale: 4, layers: 2), .lora(rank: 2, scale: 3, layers: 1)])
    func gradientsEqualFiniteDifferences(_ tuning: Tuning) {
        for (isInterleaved, isTied) in [(false, true), (true, false)] {
            let model = decoder(isInterleaved: isInterleaved, isTied: isTied)
            var parameters = model.parameters(for: tuning)
            var generator = SplitMix64(seed: 12)
            // The second thin matrices start at zero, where half of the gradients are zero too.
            for index in parameters.values.indices {
                let shape = parameters.values[index]
                parameters.values[index].add(
                    Matrix(rows: shape.rows, columns: shape.columns, deviation: 0.1, using: &generator))
            }
            let found = loss(model, tuning, parameters, batch()).gradients
            for index in found.indices {
                let element = generator.integer(below: found[index].elements.count)
                func at(_ shift: Float) -> Double {
                    var shifted = parameters
                    shifted.values[index].elements[element] += shift
                    return loss(model, tuning, shifted, batch()).loss
                }
                let numeric = (at(4e-3) - at(-4e-3)) / 8e-3
                let exact = Double(found[index].elements[element])
                #expect(
                    abs(numeric - exact) < 0.02 * max(0.5, abs(exact)),
                    "\(tuning) \(parameters.names[index]): \(numeric), \(exact)")
            }
        }
    }

    @Test func checkpointsOfActivationsChangeNothing() {
        let model = decoder()
        for tuning in [Tuning.full, .lora(rank: 2, scale: 4, layers: 2)] {
            let parameters = model.parameters(for: tuning)
            let kept = loss(model, tuning, parameters, batch(), keepsActivations: true)
            let again = loss(model, tuning, parameters, batch(), keepsActivations: false)
            #expect(kept.loss == again.loss && kept.gradients == again.gradients)
        }
    }

    @Test func aTokenSeesNeitherLaterOnesNorOtherSequences() {
        let model = decoder()
        var alone = DecoderBatch()
        alone.append([5, 5, 6], learned: [false, true, true])
        let whole = model.logits(of: batch())
        let part = model.logits(of: alone)
        for row in 0..<3 {
            for (a, b) in zip(part.row(row), whole.row(6 + row)) { #expect(abs(a - b) < 1e-5) }
        }
    }

    @Test func aLongSequenceIsTheSameInBlocksOfRows() {
        // Longer than the rows that attention computes together.
        let model = decoder()
        var generator = SplitMix64(seed: 2)
        let ids = (0..<300).map { _ in Int32(generator.integer(below: 23)) }
        var whole = DecoderBatch()
        whole.append(ids, learned: ids.map { _ in false })
        let logits = model.logits(of: whole)
        for length in [1, 128, 129, 256, 299] {
            var part = DecoderBatch()
            part.append(Array(ids.prefix(length)), learned: ids.prefix(length).map { _ in false })
            let found = model.logits(of: part)
            for (a, b) in zip(found.row(length - 1), logits.row(length - 1)) { #expect(abs(a - b) < 1e-4) }
        }
    }

    // MARK: PyTorch

    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .appendingPathComponent("Fixtures/decoder").path

    private func fixture(_ name: String) throws -> (
        model: DifferentiableDecoder, batch: DecoderBatch, pull: Matrix, file: SafetensorsFile
    ) {
        let file = try SafetensorsFile(path: Self.fixtures + "/" + name + ".safetensors")
        var base = ParameterSet()
        for stored in file.names
        where stored.hasSuffix("weight") || stored.hasSuffix("bias") {
            guard !stored.hasPrefix("gradient."), !stored.contains("lora_") else { continue }
            base.add(stored, try file.matrix(named: stored))
        }
        let shape = DecoderShape(
            width: 32, hidden: 24, heads: 4, keyValueHeads: 2, headSize: 8, epsilon: 1e-5,
            frequencies: (0..<4).map { pow(10_000, -Double($0) / 4) }, interleavesRotation: false)
        var batch = DecoderBatch()
        var pull: [Float] = []
        for number in 0..<3 {
            let ids = try file.integers(named: "\(number).ids").map(Int32.init)
            batch.append(ids, learned: try file.integers(named: "\(number).learned").map { $0 != 0 })
            pull += try file.floats(named: "\(number).pull")
        }
        return (DifferentiableDecoder(shape: shape, layerCount: 2, base: base), batch, Matrix(column: pull), file)
    }

    private func compare(
        _ name: String, tuning: Tuning, _ parameters: (DifferentiableDecoder, SafetensorsFile) throws -> ParameterSet,
        expected: String
    ) throws {
        let (model, batch, pull, file) = try fixture(name)
        let parameters = try parameters(model, file)
        let tape = Tape()
        let variables = parameters.variables(on: tape)
        let found = model.logProbabilities(
            of: batch, parameters: parameters, variables: variables, tuning: tuning, on: tape
        ).values
        let theirs = try (0..<3).flatMap { try file.floats(named: "\($0).\(expected)") }
        for (a, b) in zip(found.value.elements, theirs) { #expect(abs(a - b) < 1e-4) }
        #expect(found.rows == theirs.count)
        let gradients = tape.gradients(of: (found * tape.constant(pull)).sum(), for: variables.variables)
        for (tensor, gradient) in zip(parameters.names, gradients) {
            let theirs = try file.floats(named: "gradient." + tensor)
            let size = theirs.reduce(0) { max($0, abs($1)) }
            #expect(theirs.count == gradient.elements.count)
            let apart = zip(gradient.elements, theirs).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
            #expect(apart <= 1e-4 * max(1, size), "\(name) \(tensor): \(apart) of \(size)")
        }
    }

    @Test(arguments: ["llama", "qwen2"]) func gradientsEqualPyTorchs(name: String) throws {
        try compare(name, tuning: .full, { model, _ in model.parameters(for: .full) }, expected: "expected")
    }

    @Test(arguments: ["llama", "qwen2"]) func lowRankGradientsEqualPyTorchs(name: String) throws {
        let tuning = Tuning.lora(rank: 3, scale: 4.5, layers: .max)
        try compare(
            name, tuning: tuning, { model, file in try model.parameters(for: tuning).loaded(from: file) },
            expected: "adapted")
    }
}
