// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import TensorMath
import Testing
import Text

@testable import LanguageModels

/// A folder as the Hugging Face hub lays it out is the same model as the GGUF file that is made of it.
struct SafetensorsModelTests {
    /// A tiny model as a folder: the tensors of its GGUF file under their other names, in their other layout.
    private final class Folder {
        let path = NSTemporaryDirectory() + "forage-model-\(UUID().uuidString)"

        init(_ model: TinyModel, config changes: [String: JSONValue] = [:], parts: Int = 1) throws {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            try write("config.json", Self.config(model, changes))
            try write("tokenizer.json", Self.tokenizer())
            try write(
                "tokenizer_config.json",
                [
                    "eos_token": "<|im_end|>", "bos_token": ["content": "<|im_start|>"],
                    "chat_template": .string(ChatTemplate.chatML),
                ])
            let tensors = Self.tensors(model)
            for part in 0..<parts {
                var writer = SafetensorsWriter()
                for (index, tensor) in tensors.enumerated() where index % parts == part {
                    writer.add(tensor.name, shape: tensor.shape, tensor.values)
                }
                try writer.write(to: path + "/model-\(part + 1)-of-\(parts).safetensors")
            }
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ name: String, _ json: JSONValue) throws {
            try json.serialized().write(toFile: path + "/" + name, atomically: true, encoding: .utf8)
        }

        static func config(_ model: TinyModel, _ changes: [String: JSONValue]) -> JSONValue {
            var members: JSONObject = [
                "model_type": .string(model.architecture == .gemma3 ? "gemma3_text" : model.architecture.rawValue),
                "hidden_size": .integer(model.width), "intermediate_size": .integer(model.hidden),
                "num_attention_heads": .integer(model.heads), "num_key_value_heads": .integer(model.keyValueHeads),
                "head_dim": .integer(model.headSize), "num_hidden_layers": .integer(model.layers),
                "vocab_size": .integer(TinyModel.tokens.count), "max_position_embeddings": 2048,
                "rms_norm_eps": 1e-5, "rope_theta": 10_000, "sliding_window": 8, "sliding_window_pattern": 6,
            ]
            for (key, value) in changes { members[key] = value }
            return .object(members)
        }

        private static func tokenizer() -> JSONValue {
            let names = TinyModel.tokens
            var vocabulary: JSONObject = [:]
            for (id, name) in names.enumerated().dropFirst(TinyModel.controls.count) { vocabulary[name] = .integer(id) }
            return [
                "model": [
                    "type": "BPE", "vocab": .object(vocabulary),
                    "merges": .array(TinyModel.mergePairs.map { .string($0.0 + " " + $0.1) }),
                ],
                "added_tokens": .array(
                    TinyModel.controls.enumerated().map { id, name in
                        ["id": .integer(id), "content": .string(name), "special": true]
                    }),
                "pre_tokenizer": [
                    "type": "Sequence",
                    "pretokenizers": [
                        ["type": "Digits", "individual_digits": true], ["type": "ByteLevel", "use_regex": true],
                    ],
                ],
            ]
        }

        private static func tensors(_ model: TinyModel) -> [(name: String, shape: [Int], values: [Float])] {
            let isGemma = model.architecture == .gemma3
            let names = [
                "attn_norm": "input_layernorm",
                "ffn_norm": isGemma ? "pre_feedforward_layernorm" : "post_attention_layernorm",
                "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
                "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
                "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm",
                "attn_k_norm": "self_attn.k_norm", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
                "ffn_down": "mlp.down_proj",
            ]
            return model.writer().tensors.map { tensor in
                var values = tensor.bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
                let shape = Array(tensor.shape.reversed())
                var parts = tensor.name.split(separator: ".").map(String.init)
                let isNorm = parts[parts.count - 2].hasSuffix("norm")
                if isGemma, isNorm { values = values.map { $0 - 1 } }
                guard parts[0] == "blk" else {
                    return (
                        parts[0] == "token_embd" ? "model.embed_tokens.weight" : "model.norm.weight", shape, values
                    )
                }
                // GGUF's Llama files hold the rows of a head as pairs (2i, 2i+1), the hub's as (i, i + half).
                if model.architecture == .llama, parts[2] == "attn_q" || parts[2] == "attn_k" {
                    let half = model.headSize / 2
                    let columns = model.width
                    var rows = values
                    for row in 0..<shape[0] {
                        let (head, place) = (row / model.headSize, row % model.headSize)
                        let from = head * model.headSize + 2 * (place % half) + place / half
                        for column in 0..<columns { rows[row * columns + column] = values[from * columns + column] }
                    }
                    values = rows
                }
                parts[2] = names[parts[2]] ?? parts[2]
                return ("model.layers.\(parts[1]).\(parts[2]).\(parts[3])", shape, values)
            }
        }
    }

    private func logits(_ weights: ModelWeights) throws -> [Float] {
        let pass = try ForwardPass(weights: weights, threads: 1, cacheBytes: 1 << 24)
        let sequence = CachedSequence(cache: pass.cache, prompt: [])
        var random = SplitMix64(seed: 9)
        let tokens = (0..<40).map { _ in Int32(random.integer(below: TinyModel.tokens.count)) }
        #expect(sequence.reserve(tokens.count))
        return Array(
            pass.run(ForwardBatch(runs: [.init(sequence: sequence, tokens: tokens[...], wantedFrom: 0)])))
    }

    private func distance(_ a: [Float], _ b: [Float]) -> Double {
        #expect(a.count == b.count)
        let error = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
        return (error / b.reduce(0.0) { $0 + Double($1) * Double($1) }).squareRoot()
    }

    @Test(arguments: ModelArchitecture.allCases, [1, 3]) func aFolderIsTheModelOfItsGGUFFile(
        architecture: ModelArchitecture, parts: Int
    ) throws {
        var model = TinyModel()
        model.architecture = architecture
        model.layers = architecture == .gemma3 ? 7 : 2
        let folder = try Folder(model, parts: parts)
        let gguf = try TemporaryFile(model.writer().encoded())
        let ours = try ModelFiles.open(folder.path)
        let theirs = try ModelFiles.open(gguf.path)
        // The cache holds halves: pairs in another order round otherwise.
        #expect(distance(try logits(ours.weights), try logits(theirs.weights)) < 2e-3)
        for text in ["the thin one 1234", "over <|im_end|> there", "a\n\nb  c"] {
            #expect(ours.tokenizer.encode(text) == theirs.tokenizer.encode(text), "\(text)")
        }
        #expect(ours.ends.isSuperset(of: [2]))
        #expect(ours.bos == 1)
        #expect(ours.template == ChatTemplate.chatML)
    }

    /// Llama 3.1's scaling of the rotation, against the factors that converters write into GGUF files.
    @Test func llama3ScalingIsThatOfTheFactors() throws {
        var model = TinyModel()
        model.headSize = 32
        let scaling: JSONValue = [
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 256,
        ]
        let folder = try Folder(model, config: ["rope_scaling": scaling])
        let plain = try Folder(model)
        var writer = model.writer()
        let factors = (0..<16).map { i -> Float in
            let wavelength = 2 * Double.pi * pow(10_000, Double(2 * i) / 32)
            if wavelength < 256 / 4 { return 1 }
            if wavelength > 256 { return 8 }
            let smooth = (256 / wavelength - 1) / (4 - 1)
            return Float(1 / ((1 - smooth) / 8 + smooth))
        }
        #expect(Set(factors).count > 3, "the three ranges are all there")
        writer.add("rope_freqs.weight", [16], type: 0, factors)
        let gguf = try TemporaryFile(writer.encoded())
        let scaled = try logits(ModelFiles.open(folder.path).weights)
        #expect(distance(scaled, try logits(ModelFiles.open(gguf.path).weights)) < 2e-3)
        #expect(distance(scaled, try logits(ModelFiles.open(plain.path).weights)) > 1e-2, "the scaling is felt")
        // Newer configurations keep base and scaling together.
        let newer = try Folder(
            model, config: ["rope_theta": .null, "rope_parameters": .object(scaling.object ?? [:])])
        #expect(try logits(ModelFiles.open(newer.path).weights) == scaled)
    }

    @Test func linearScalingDividesThePositions() throws {
        var model = TinyModel()
        model.architecture = .qwen2
        let folder = try Folder(model, config: ["rope_scaling": ["type": "linear", "factor": 4.0]])
        var writer = model.writer()
        writer.metadata += [("qwen2.rope.scaling.type", .string("linear")), ("qwen2.rope.scaling.factor", .number(4))]
        let gguf = try TemporaryFile(writer.encoded())
        #expect(
            distance(
                try logits(ModelFiles.open(folder.path).weights), try logits(ModelFiles.open(gguf.path).weights))
                < 2e-3)
    }

    @Test(
        arguments: [
            (["model_type": "mamba"], "mamba"), (["hidden_size": "wide"], "hidden_size"),
            (["hidden_size": 72], "expected 72"), (["num_hidden_layers": 3], "layers.2"),
            (["num_hidden_layers": 0], "layers"),
            (["rope_scaling": ["rope_type": "yarn", "factor": 4.0]], "yarn"),
            (["rope_scaling": ["rope_type": "llama3", "factor": 8.0]], "low_freq_factor"),
            (["rope_scaling": ["type": "linear", "factor": 0]], "factor"),
        ] as [([String: JSONValue], String)])
    func aConfigurationThatDoesNotFitIsAnError(changes: [String: JSONValue], named: String) throws {
        let folder = try Folder(TinyModel(), config: changes)
        let error = try #require(throws: LanguageModelError.self) { _ = try ModelFiles.open(folder.path) }
        #expect("\(error)".contains(named), "\(error)")
    }

    @Test func truncatedFilesAreErrors() throws {
        let folder = try Folder(TinyModel())
        let path = folder.path + "/model-1-of-1.safetensors"
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var random = SplitMix64(seed: 3)
        for _ in 0..<40 {
            try whole.prefix(random.integer(below: whole.count)).write(to: URL(fileURLWithPath: path))
            #expect(throws: (any Error).self) { _ = try ModelFiles.open(folder.path) }
        }
        for _ in 0..<60 {
            var bytes = whole
            bytes[random.integer(below: 4000)] = UInt8(truncatingIfNeeded: random.next())
            try bytes.write(to: URL(fileURLWithPath: path))
            // A model with other weights or a typed error, never a trap.
            _ = try? ModelFiles.open(folder.path)
        }
    }
}
