// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Encoders
import Foundation
import Net
import TensorMath
import Transformers

/// A training step through the uppermost blocks of an encoder, beside PyTorch on the same sizes, in alternating rounds.
struct TrainingStepBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "training-step",
        abstract: "Forward and backward through an encoder's blocks, beside PyTorch; best of all rounds.")

    @Option(help: "Model by name or folder.") var model = "minilm"
    @Option(help: "How many of the uppermost blocks.") var layers = 2
    @Option(help: "Texts of a step.") var texts = 8
    @Option(help: "Tokens of a text.") var length = 128
    @Option(help: "Threads; each takes its share of the texts.") var threads = 1
    @Option(help: "Rounds.") var rounds = 5
    @Option(help: "The share of numbers dropped.") var dropout: Float = 0
    @Option(help: "Python with torch and safetensors; none: no comparison.") var python: String?
    @Option(help: "The peer's script.") var peer = "Sources/Benchmarks/peers/training_step.py"

    func run() throws {
        guard let folder = ModelStore().resolve(model) else { throw ValidationError("there is no model \(model)") }
        let encoder = try DifferentiableBERT(folder: folder)
        var (own, other) = (Double.infinity, Double.infinity)
        for _ in 0..<rounds {
            for _ in 0..<7 { own = min(own, step(encoder)) }
            if let seconds = try peerSeconds(folder) { other = min(other, seconds) }
        }
        var line = Measurement("training-step")
        line.set("layers", layers)
        line.set("tokens", texts * length)
        line.set("threads", threads)
        line.set("seconds", own)
        if other.isFinite {
            line.set("pytorch_seconds", other)
            line.set("ratio", other / own)
        }
        line.print()
    }

    /// With one thread the processor's time, which a shared machine does not spoil; else the wall's.
    private func seconds() -> Double {
        threads == 1 ? Double(clock()) / Double(CLOCKS_PER_SEC) : wallSeconds()
    }

    private func step(_ encoder: DifferentiableBERT) -> Double {
        let tuning = Tuning.top(layers)
        let parameters = encoder.parameters(for: tuning)
        let first = tuning.firstLayer(of: encoder.layerCount)
        let (length, dropout) = (length, dropout)
        let share = (texts + threads - 1) / threads
        let begun = seconds()
        _ = GradientWork.sum(parts: threads, threads: threads) { part in
            var batch = TokenBatch()
            for _ in 0..<min(share, max(0, texts - part * share)) {
                batch.append([Int32](repeating: 1, count: length), types: [Int32](repeating: 0, count: length))
            }
            let tape = Tape()
            let variables = parameters.variables(on: tape)
            var generator = SplitMix64(seed: 1)
            let lower = Matrix(
                rows: batch.count, columns: encoder.shape.width, deviation: 0.1, using: &generator)
            let states = encoder.states(
                of: batch, weights: encoder.weights(parameters, variables, tuning, on: tape), lower: (lower, first),
                dropout: dropout > 0 ? EncoderDropout(rate: dropout, seed: 1) : nil)
            let loss = states.squared().mean()
            return (Double(loss.scalar), tape.gradients(of: loss, for: variables.variables))
        }
        return seconds() - begun
    }

    private func peerSeconds(_ folder: String) throws -> Double? {
        guard let python else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [
            peer, folder, String(layers), String(texts), String(length), String(threads), String(dropout),
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        guard process.terminationStatus == 0, let seconds = Double(text) else {
            throw ValidationError("the peer printed \"\(text)\", expected seconds")
        }
        return seconds
    }
}
