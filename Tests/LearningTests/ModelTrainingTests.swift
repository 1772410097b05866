// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import CKernels
import Datasets
import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import TensorMath
import Testing
import Text
import Tools
import Transformers

@testable import Learning

/// A tiny model with random weights in a folder, as the Transformers library lays it out: two layers, the 256 bytes and
/// three control tokens.
private final class TinyFolder {
    let path = SmallWorld.folder()

    init() throws {
        func write(_ name: String, _ json: JSONValue) throws {
            try json.serialized().write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
        }
        let controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        var next: UInt32 = 256
        var vocabulary: JSONObject = [:]
        for byte in UInt32(0)..<256 {
            var code = byte
            if !((33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)) {
                code = next
                next += 1
            }
            vocabulary[Unicode.Scalar(code).map { String($0) } ?? "?"] = .integer(Int(byte) + controls.count)
        }
        let count = 256 + controls.count
        try write(
            "config.json",
            [
                "model_type": "llama", "hidden_size": 32, "intermediate_size": 48, "num_attention_heads": 4,
                "num_key_value_heads": 2, "head_dim": 8, "num_hidden_layers": 2, "vocab_size": .integer(count),
                "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10_000,
            ])
        try write(
            "tokenizer.json",
            [
                "model": ["type": "BPE", "vocab": .object(vocabulary), "merges": []],
                "added_tokens": .array(
                    controls.enumerated().map { ["id": .integer($0), "content": .string($1), "special": true] }),
                "pre_tokenizer": ["type": "ByteLevel", "use_regex": true],
            ])
        try write(
            "tokenizer_config.json",
            [
                "eos_token": "<|im_end|>",
                "chat_template": """
                {% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}\
                {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
                """,
            ])
        var writer = SafetensorsWriter()
        var random = SplitMix64(seed: 11)
        func matrix(_ name: String, _ rows: Int, _ columns: Int) {
            let scale = 1 / Double(columns).squareRoot()
            writer.add(
                "model." + name + ".weight", shape: [rows, columns],
                (0..<rows * columns).map { _ in Float(random.gaussian() * scale) })
        }
        func norm(_ name: String) {
            writer.add("model." + name + ".weight", shape: [32], [Float](repeating: 1, count: 32))
        }
        matrix("embed_tokens", count, 32)
        norm("norm")
        for layer in 0..<2 {
            let p = "layers.\(layer)."
            norm(p + "input_layernorm")
            norm(p + "post_attention_layernorm")
            for (name, rows, columns) in [
                ("self_attn.q_proj", 32, 32), ("self_attn.k_proj", 16, 32), ("self_attn.v_proj", 16, 32),
                ("self_attn.o_proj", 32, 32), ("mlp.gate_proj", 48, 32), ("mlp.up_proj", 48, 32),
                ("mlp.down_proj", 32, 48),
            ] { matrix(p + name, rows, columns) }
        }
        try writer.write(to: path + "/model.safetensors")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func open(_ adapter: LowRankAdapter? = nil) throws -> LocalModel {
        let options = LocalModel.Options(threads: 1, cacheBytes: 16 << 20)
        guard let adapter else { return try LocalModel(path: path, options: options) }
        return try LocalModel(path: path, adapting: adapter, options: options)
    }
}

@Suite struct ModelTrainingTests {
    private let tuning = Tuning.lora(rank: 8, scale: 16, layers: .max)

    private func messages(_ text: String) -> [ChatMessage] { [ChatMessage(role: .user, content: text)] }

    private func examples(_ model: LocalModel) throws -> [ModelExample] {
        try [("one", "open: A"), ("two", "answer"), ("three", "search: b")].map {
            try ModelExample(messages: messages($0.0), reply: $0.1, model: model)
        }
    }

    private func learner(_ model: LocalModel) throws -> ModelLearner {
        var learner = ModelLearner(try DifferentiableDecoder(model), tuning: tuning)
        learner.partTokens = 60
        return learner
    }

    @Test func onlyTheModelsOwnWordsAreLearned() throws {
        let folder = try TinyFolder()
        let model = try folder.open()
        let example = try ModelExample(messages: messages("hidden"), reply: "open: X", model: model)
        let own = zip(example.tokens, example.learned).filter(\.1).map { Int($0.0) }
        #expect(model.tokenizer.decode(own, showingSpecials: true) == "open: X<|im_end|>")
        let shown = zip(example.tokens, example.learned).filter { !$0.1 }.map { Int($0.0) }
        #expect(try shown == model.promptTokens(for: messages("hidden")))
    }

    @Test func whatIsTunedIsWhatTheEngineWritesThen() async throws {
        let folder = try TinyFolder()
        let plain = try folder.open()
        let learner = try learner(plain)
        var training = SupervisedTuning()
        training.steps = 120
        training.batch = 3
        training.learningRate = 2e-2
        let examples = try examples(plain)
        var losses: [Double] = []
        let end = try training.run(
            learner, on: examples,
            from: SupervisedTuning.Progress(from: learner.decoder.parameters(for: tuning))
        ) { record, _ in losses.append(record.loss) }
        let (first, last) = (losses.first ?? 0, losses.last ?? 9)
        #expect(first > 2 && last < first / 4, "\(first) to \(last)")
        let adapter = LowRankAdapter(end.parameters, tuning: tuning, of: learner.decoder, base: plain.identity)
        let tuned = try folder.open(adapter)
        for (asked, wanted) in [("one", "open: A"), ("two", "answer"), ("three", "search: b")] {
            let request = ModelRequest(
                messages: messages(asked), toolChoice: .none, options: SamplingOptions(temperature: 0, maxTokens: 20))
            let reply = try await tuned.respond(to: request) { _ in }
            #expect(reply.completions.first?.message.content == wanted)
        }
    }

    @Test func aRunThatWasCutOffEndsAsIfItHadNot() throws {
        let folder = try TinyFolder()
        let plain = try folder.open()
        let learner = try learner(plain)
        let examples = try examples(plain)
        var training = SupervisedTuning()
        training.steps = 8
        training.batch = 2
        let fresh = SupervisedTuning.Progress(from: learner.decoder.parameters(for: tuning))
        let whole = try training.run(learner, on: examples, from: fresh)
        let records = try TrainingFolder(folder.path + "/run")
        struct Cut: Error {}
        #expect(throws: Cut.self) {
            try training.run(learner, on: examples, from: fresh) { record, now in
                try records.append(record)
                if now.step == 4 { try records.store(now) }
                if now.step == 6 { throw Cut() }
            }
        }
        let stored = try #require(try records.stored(fresh))
        #expect(stored.step == 4)
        // What was written down after the checkpoint is done again.
        #expect(try records.curve(of: "loss").count == 4)
        let resumed = try training.run(learner, on: examples, from: stored)
        #expect(resumed.parameters == whole.parameters && resumed.adam == whole.adam)
    }

    @Test func partsChangeNothingButRounding() throws {
        let folder = try TinyFolder()
        let plain = try folder.open()
        let examples = try examples(plain)
        var parameters = try learner(plain).decoder.parameters(for: tuning)
        var random = SplitMix64(seed: 3)
        for index in parameters.values.indices {
            let shape = parameters.values[index]
            parameters.values[index].add(
                Matrix(rows: shape.rows, columns: shape.columns, deviation: 0.05, using: &random))
        }
        var one = try learner(plain)
        one.partTokens = 10_000
        one.threads = 1
        #expect(one.parts(of: examples).count == 1)
        let several = try learner(plain)
        #expect(several.parts(of: examples).count > 1)
        let whole = one.gradients(examples, parameters) { _, values, _ in values.sum() }
        let parted = several.gradients(examples, parameters) { _, values, _ in values.sum() }
        #expect(abs(whole.loss - parted.loss) < 1e-3)
        for (a, b) in zip(whole.gradients, parted.gradients) {
            for (x, y) in zip(a.elements, b.elements) { #expect(abs(x - y) < 1e-3) }
        }
    }

    @Test func demonstrationsLeadToTheGoldPassages() async throws {
        var menu = MenuOptions()
        menu.shown = 2
        menu.found = 4
        menu.characters = 200
        var demonstrations = MenuDemonstrations(
            menu: menu, keeper: RerankKeeper(limit: 8, opened: 1), budget: Budget(steps: 6, toolCalls: 12),
            rules: LoopRules())
        demonstrations.mistakes = 0
        let questions = try SmallWorld.training()
        let written = try await demonstrations.collect(questions, seed: 1)
        #expect(try await demonstrations.collect(questions, seed: 1) == written)
        for (question, steps) in zip(questions, written) {
            let last = try #require(steps.last)
            let shown = last.messages.last?.content ?? ""
            for reply in steps.map(\.reply) {
                #expect(reply == "answer" || reply.hasPrefix("open: ") || reply.hasPrefix("search: "))
            }
            if last.reply == "answer" {
                for id in question.question.gold { #expect(shown.contains("[\(id)")) }
            }
            // What is opened stood on the menu.
            for step in steps where step.reply.hasPrefix("open: ") {
                let menu = step.messages.last?.content.split(separator: "\n").first { $0.hasPrefix("Can be opened") }
                #expect(menu?.contains(step.reply.dropFirst(6)) == true)
            }
            // The instructions of the dialect are short, and hold no answer.
            #expect(last.messages[0].content.split(separator: " ").count < 90)
        }
        #expect(written.flatMap { $0 }.contains { $0.reply.hasPrefix("open: ") })
    }

    @Test func rewardsRaiseWhatEarnedMoreAndTheEngineIsTheLearner() async throws {
        let folder = try TinyFolder()
        let plain = try folder.open()
        let learner = try learner(plain)
        let start = learner.decoder.parameters(for: tuning)
        let acting = ActingModel(plain)
        for seed in UInt64(0)..<4 {
            let options = SamplingOptions(temperature: 0.3, seed: seed, maxTokens: 12)
            _ = try await acting.respond(
                to: ModelRequest(messages: messages("go"), toolChoice: .none, options: options)
            ) { _ in }
        }
        var turns = acting.turns.filter { $0.example.learnedCount > 0 }
        try #require(turns.count >= 2)
        // What the engine said of its tokens is what the learner says.
        let own = learner.logProbabilities(turns.map(\.example), start)
        for (turn, values) in zip(turns, own) {
            #expect(turn.behaviour.count == values.count)
            for (a, b) in zip(turn.behaviour, values) { #expect(abs(a - b) < 0.02) }
        }
        for index in turns.indices {
            turns[index].credit = StepCredit(advantage: index == 0 ? 1 : -1, valueTarget: 0)
        }
        let tokens = turns.reduce(0) { $0 + $1.example.learnedCount }
        let training = ModelRewardTraining()
        var parameters = start
        var adam = Adam(for: parameters)
        var passes: [ModelRewardTraining.Pass] = []
        for _ in 0..<6 {
            let (gradients, pass) = training.gradients(learner, turns, own, tokens, parameters)
            passes.append(pass)
            adam.update(&parameters, gradients: gradients, learningRate: 5e-3)
        }
        #expect(abs(passes[0].meanRatio - 1) < 0.02 && abs(passes[0].divergence) < 1e-4 && passes[0].mismatch < 0.02)
        #expect((passes.last?.divergence ?? 0) > 0)
        let after = learner.logProbabilities(turns.map(\.example), parameters)
        func mean(_ values: [Float]) -> Float { values.reduce(0, +) / Float(values.count) }
        #expect(mean(after[0]) > mean(own[0]))
        #expect(mean(after.dropFirst().map(mean)) < mean(own.dropFirst().map(mean)))
    }

    @Test func iterationsOfRewardsRunTheOrdinaryLoop() async throws {
        let folder = try TinyFolder()
        let plain = try folder.open()
        let learner = try learner(plain)
        var training = ModelRewardTraining()
        training.iterations = 1
        training.batch = 1
        training.group = 2
        var proposer = ModelProposer(detail: .menu)
        proposer.options.maxTokens = 6
        let strategy = Strategy(
            name: "menu", fingerprint: "test", proposers: [proposer], policy: ModelDrivenPolicy(),
            keeper: RerankKeeper(limit: 5), answerer: WithoutAnswer(), budget: Budget(steps: 2, toolCalls: 6))
        let mix = RewardMix([(1, GoldCoverage())])
        let (base, tuning, path) = (plain.identity, tuning, folder.path)
        let end = try await training.run(
            learner,
            engine: { parameters in
                try LocalModel(
                    path: path,
                    adapting: LowRankAdapter(parameters, tuning: tuning, of: learner.decoder, base: base),
                    options: .init(threads: 1, cacheBytes: 16 << 20))
            }, strategy: strategy, from: .init(from: learner.decoder.parameters(for: tuning)),
            on: Array(SmallWorld.training().prefix(2)), rewards: mix
        ) { record, _, _ in
            #expect(record.episodes == 2 && record.failures == 0 && record.reward > 0)
            #expect(abs(record.meanRatio - 1) < 0.1)
        }
        #expect(end.iteration == 1)
    }

    @Test func exportedTrajectoriesOfAnotherModelAreSetAside() throws {
        let folder = try TinyFolder()
        let model = try folder.open()
        let good = """
            {"model": "\(model.fingerprint)", "nodes": [{"parent": null, "token_ids": [1, 5, 6], "mask": [0, 0, 0]}, \
            {"parent": 0, "token_ids": [7, 2], "mask": [1, 1]}, {"parent": 0, "token_ids": [8], "mask": [1]}]}
            """
        let lines = [
            good, "{", good.replacing("[7, 2]", with: "[7, 99999]"),
            good.replacing("\"parent\": 0", with: "\"parent\": 9"),
            good.replacing(model.fingerprint, with: "xxh64:0"), "[]",
        ]
        try lines.joined(separator: "\n").write(toFile: folder.path + "/t.jsonl", atomically: true, encoding: .utf8)
        let read = try ExportedTrajectories(file: folder.path + "/t.jsonl", model: model)
        #expect(read.examples.map(\.tokens) == [[1, 5, 6, 7, 2], [1, 5, 6, 8]])
        #expect(read.examples[0].learned == [false, false, false, true, true])
        #expect(read.refused.count == 5)
    }
}
