// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Dispatch
import Encoders
import Foundation
import Net
import Text

/// The sentence encoder beside ONNX Runtime on the same texts and threads, in alternating rounds of one run.
struct EncoderBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "encoder", abstract: "The sentence encoder, beside ONNX Runtime on the same texts and threads.")

    @Argument(help: "Texts: JSON lines with \"text\" and perhaps \"title\".") var passages: String
    @Option(help: "Model by name or folder.") var model = "minilm"
    @Option(help: "Threads.") var threads = 2
    @Option(help: "Rounds; the best of each engine counts.") var rounds = 3
    @Option(help: "Takes every n-th text.") var every = 4
    @Option(help: "Python with onnxruntime, onnx, safetensors and tokenizers; none: no comparison.")
    var python: String?
    @Option(help: "The peer's script.") var peer = "Tests/Fixtures/scripts/encoder_peer.py"

    /// Speeds of one round.
    private struct Round: Codable {
        var perSecond: Double
        var perCPUSecond: Double
        var queryMilliseconds: Double
    }

    func run() throws {
        guard let folder = ModelStore().resolve(model) else {
            throw ValidationError("no model \"\(model)\": forage model pull \(model)")
        }
        let texts = try read()
        var best: [String: Round] = [:]
        func note(_ engine: String, _ round: Round) {
            let old = best[engine]
            best[engine] = Round(
                perSecond: max(round.perSecond, old?.perSecond ?? 0),
                perCPUSecond: max(round.perCPUSecond, old?.perCPUSecond ?? 0),
                queryMilliseconds: min(round.queryMilliseconds, old?.queryMilliseconds ?? .infinity))
        }
        let engines = try BERTEncoder.Precision.allCases.map {
            try BERTEncoder(folder: folder, precision: $0, threads: threads)
        }
        for _ in 0..<rounds {
            for engine in engines { note("forage \(engine.precision.rawValue)", try measure(engine, texts)) }
            if let round = try measurePeer(texts, folder: folder) { note("onnxruntime float32", round) }
        }
        let reference = best["onnxruntime float32"] ?? best["forage float32"]
        print("engine | texts/s | texts per CPU second | query ms | ratio to \(python == nil ? "float32" : "peer")")
        for (engine, round) in best.sorted(by: { $0.key < $1.key }) {
            let ratio = round.perSecond / (reference?.perSecond ?? 1)
            print(
                "\(engine) | "
                    + String(
                        format: "%.1f | %.1f | %.2f | %.2f", round.perSecond, round.perCPUSecond,
                        round.queryMilliseconds,
                        ratio))
        }
    }

    private func read() throws -> [String] {
        let data = try Data(contentsOf: URL(fileURLWithPath: passages))
        var texts: [String] = []
        for (index, line) in data.split(separator: 0x0A).enumerated() where index % max(every, 1) == 0 {
            let value = try JSONValue(parsing: [UInt8](line))
            let title = value["title"]?.string.map { $0 + " " } ?? ""
            texts.append(title + (try value.requiredString("text")))
        }
        return texts
    }

    private func measure(_ encoder: BERTEncoder, _ texts: [String]) throws -> Round {
        _ = try encoder.embeddings(of: Array(texts.prefix(64)))
        let (start, cpu) = (DispatchTime.now().uptimeNanoseconds, clock())
        _ = try encoder.embeddings(of: texts)
        let wall = Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9
        let used = Double(clock() - cpu) / 1e6  // POSIX fixes the unit at a microsecond
        var times: [Double] = []
        for _ in 0..<200 {
            let start = DispatchTime.now().uptimeNanoseconds
            _ = try encoder.embeddings(of: ["who wrote the novel that inspired the first film"])
            times.append(Double(DispatchTime.now().uptimeNanoseconds - start) / 1e6)
        }
        return Round(
            perSecond: Double(texts.count) / wall, perCPUSecond: Double(texts.count) / used,
            queryMilliseconds: times.sorted()[times.count / 2])
    }

    private func measurePeer(_ texts: [String], folder: String) throws -> Round? {
        guard let python else { return nil }
        let file = NSTemporaryDirectory() + "forage-encoder-benchmark.json"
        try JSONValue.array(texts.map { .string($0) }).serialized().write(
            toFile: file, atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [python, peer, folder, file, "\(threads)", "1"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw ValidationError("\(peer) failed") }
        return try JSONDecoder().decode(Round.self, from: data)
    }
}
