// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Encoders
import Foundation
import LanguageModels
import Net

/// `forage model`: models on this machine.
struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model", abstract: "Fetch, list, inspect, run and time models.",
        subcommands: [Pull.self, List.self, Info.self, Run.self, Bench.self, Probe.self, ModelMergeCommand.self])

    /// A model and how it is opened.
    struct Source: ParsableArguments {
        @Argument(help: "A pulled model's name, a .gguf file, or a folder; with +ADAPTER behind it.")
        var model = "smollm2"
        @Option(help: "Worker threads; 0 for one per processor.")
        var threads = 0
        @Option(help: "MiB of the key-value cache.")
        var cache = 512

        func open() throws -> LocalModel {
            var options = LocalModel.Options(cacheBytes: max(cache, 1) << 20)
            if threads > 0 { options.threads = threads }
            guard let place = try LocalModelName.find(model) else {
                throw ValidationError("there is no model \"\(model)\"; `forage model pull \(model)` may fetch it")
            }
            do {
                return try LocalModel(path: place.path, adapter: place.adapter, name: model, options: options)
            } catch {
                throw ModelFailure(message: "\(error)")
            }
        }
    }

    /// An error whose message is shown as it is.
    struct ModelFailure: LocalizedError, CustomStringConvertible {
        var message: String
        var description: String { message }
        var errorDescription: String? { message }
    }

    struct Pull: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract:
                "Fetch a model: a known name, \"default\", qwen2.5:1.5b and the like, a file, a folder, or hf.co/owner/name:Q4_K_M."
        )
        @Argument var model = "default"
        @Flag(help: "Fetch also what is there already.")
        var force = false

        func run() async throws {
            let isTerminal = isatty(2) == 1
            let folder = try await LanguageModelPull().pull(model, force: force) { line in
                FileHandle.standardError.write(Data((isTerminal ? "\r\u{1B}[K" : "").utf8))
                FileHandle.standardError.write(Data((line + (isTerminal ? "" : "\n")).utf8))
            }
            if isTerminal { FileHandle.standardError.write(Data("\n".utf8)) }
            print(folder)
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "The models that are there.")

        func run() throws {
            for entry in ModelStore().list() { print("\(entry.name)\t\(entry.bytes)\t\(entry.folder)") }
        }
    }

    struct Info: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "What a model is.")
        @OptionGroup var source: Source

        func run() throws {
            let model = try source.open()
            let c = model.configuration
            print("name\t\(model.name)\nfingerprint\t\(model.fingerprint)")
            print("architecture\t\(c.architecture.rawValue)\nlayers\t\(c.layers)\nwidth\t\(c.width)")
            print("heads\t\(c.heads)\nkey-value heads\t\(c.keyValueHeads)\nvocabulary\t\(c.vocabulary)")
            print("context\t\(c.contextLength)")
        }
    }

    struct Run: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let a model answer a prompt.")
        @OptionGroup var source: Source
        @Option(help: "What the user says; standard input when it is missing.")
        var prompt: String?
        @Option(help: "What the system says.")
        var system: String?
        @Option var maxTokens = 256
        @Option var temperature = 0.0
        @Option var seed: UInt64 = 0

        func run() async throws {
            let text = try prompt ?? String(decoding: FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
            let model = try source.open()
            var messages = system.map { [ChatMessage(role: .system, content: $0)] } ?? []
            messages.append(ChatMessage(role: .user, content: text))
            let options = SamplingOptions(temperature: temperature, seed: seed, maxTokens: maxTokens, timeout: 3600)
            _ = try await model.respond(to: ModelRequest(messages: messages, options: options)) { event in
                if case .content(_, let text) = event {
                    FileHandle.standardOutput.write(Data(TerminalText.safe(text).utf8))
                }
            }
            print("")
        }
    }

    struct Bench: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Time prefill and decode, in tokens a second.")
        @OptionGroup var source: Source
        @Option(help: "Tokens of the prompt.")
        var prompt = 512
        @Option(help: "Tokens that are generated.")
        var generate = 128
        @Option(help: "Sequences that are decoded together.")
        var sequences = 1
        @Option(help: "Runs; the best and the median are printed.")
        var repeats = 5

        func run() async throws {
            let begin = ContinuousClock.now
            let model = try source.open()
            let opened = ContinuousClock.now - begin
            let result = try await LocalModelBenchmark(
                promptTokens: prompt, generatedTokens: generate, sequences: sequences, repeats: repeats
            ).run(model)
            print("threads\t\(source.threads > 0 ? source.threads : ProcessInfo.processInfo.activeProcessorCount)")
            print("open_s\t\(seconds(opened))\nfirst_token_s\t\(seconds(result.firstToken))")
            print("prefill_tok_s\tbest \(rate(result.bestPrefill))\tmedian \(rate(result.medianPrefill))")
            print("decode_tok_s\tbest \(rate(result.bestDecode))\tmedian \(rate(result.medianDecode))")
            if let peak = Self.peakMemory { print("peak_MB\t\(rate(peak))") }
        }

        /// The most memory of the process that was resident, in MiB; nil where the system does not tell.
        private static var peakMemory: Double? {
            guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
                let line = status.textLines(omittingEmpty: true).first(where: { $0.hasPrefix("VmHWM:") })
            else { return nil }
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) }.map { $0 / 1024 }
        }

        private func seconds(_ duration: Duration) -> String { String(format: "%.3f", duration / .seconds(1)) }
        private func rate(_ value: Double) -> String { String(format: "%.1f", value) }
    }
}
