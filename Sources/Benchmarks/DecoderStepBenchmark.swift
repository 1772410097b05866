// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import LanguageModels
import TensorMath
import Transformers

/// A step of low-rank tuning of a decoder, beside PyTorch on a model of the same sizes, in alternating rounds; and what an
/// adapter costs the fast pass, with and without it in turn.
struct DecoderStepBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decoder-step",
        abstract:
            "Low-rank tuning of a decoder beside PyTorch, and an adapter's cost in the fast pass; best of all rounds.")

    @Option(help: "Model by name or path.") var model = "smollm2"
    @Option(help: "The rank.") var rank = 8
    @Option(help: "Tokens of a step, in one sequence.") var tokens = 512
    @Option(help: "How many of them are learned.") var learned = 64
    @Option(help: "Rounds.") var rounds = 3
    @Flag(help: "Leaves training out.") var onlyFast = false
    @Option(help: "Python with torch and transformers; none: no comparison.") var python: String?
    @Option(help: "The peer's script.") var peer = "Sources/Benchmarks/peers/decoder_step.py"

    func run() async throws {
        guard let place = try LocalModelName.find(model) else { throw ValidationError("there is no model \(model)") }
        let options = LocalModel.Options(threads: 1, guessesFromContext: false)
        let plain = try LocalModel(path: place.path, options: options)
        let decoder = try DifferentiableDecoder(plain)
        let tuning = Tuning.lora(rank: rank, scale: Float(2 * rank), layers: .max)
        let parameters = decoder.parameters(for: tuning)
        BLAS.threads = 1
        var line = Measurement("decoder-step")
        line.set("tokens", tokens)
        line.set("rank", rank)
        if !onlyFast {
            var (own, other) = (Double.infinity, Double.infinity)
            for _ in 0..<rounds {
                for _ in 0..<2 { own = min(own, step(decoder, parameters, tuning)) }
                if let seconds = try peerSeconds(decoder) { other = min(other, seconds) }
            }
            line.set("tokens_a_second", Double(tokens) / own)
            line.set("seconds", own)
            if other.isFinite {
                line.set("pytorch_seconds", other)
                line.set("ratio", other / own)
            }
        }
        let adapter = LowRankAdapter(parameters, tuning: tuning, of: decoder, base: plain.identity)
        let adapted = try LocalModel(path: place.path, adapting: adapter, options: options)
        var best: [String: Double] = [:]
        for _ in 0..<(2 * rounds) {
            for (name, model) in [("plain", plain), ("adapted", adapted)] {
                let (prompt, written) = try await fast(model)
                best[name + "_prompt"] = min(best[name + "_prompt"] ?? .infinity, prompt)
                best[name + "_decode"] = min(best[name + "_decode"] ?? .infinity, written)
            }
        }
        for (name, seconds) in best.sorted(by: { $0.key < $1.key }) { line.set(name, seconds) }
        line.print()
    }

    private func clockSeconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    private func step(_ decoder: DifferentiableDecoder, _ parameters: ParameterSet, _ tuning: Tuning) -> Double {
        var batch = DecoderBatch()
        batch.append(
            (0..<tokens).map { Int32(100 + $0 % 1000) }, learned: (0..<tokens).map { $0 >= tokens - learned })
        let begun = clockSeconds()
        let tape = Tape()
        let variables = parameters.variables(on: tape)
        let values = decoder.logProbabilities(
            of: batch, parameters: parameters, variables: variables, tuning: tuning, on: tape, keepsActivations: true
        ).values
        _ = tape.gradients(of: -values.mean(), for: variables.variables)
        return clockSeconds() - begun
    }

    /// Seconds of a prompt of 256 tokens, and of 32 tokens written after it.
    private func fast(_ model: LocalModel) async throws -> (prompt: Double, written: Double) {
        model.clearCache()
        let prompt = (0..<256).map { 100 + $0 % 1000 }
        let start = clockSeconds()
        _ = try await model.complete(prompt: prompt, options: SamplingOptions(temperature: 0, maxTokens: 1))
        let middle = clockSeconds()
        _ = try await model.complete(prompt: prompt, options: SamplingOptions(temperature: 0, maxTokens: 32))
        return (middle - start, clockSeconds() - middle)
    }

    private func peerSeconds(_ decoder: DifferentiableDecoder) throws -> Double? {
        guard let python else { return nil }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        let shape = decoder.shape
        process.arguments =
            [peer]
            + [
                shape.width, shape.hidden, shape.heads, shape.keyValueHeads, decoder.layerCount,
                decoder.base[DifferentiableDecoder.embeddingsName].rows, tokens, learned, rank,
            ].map(String.init)
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
