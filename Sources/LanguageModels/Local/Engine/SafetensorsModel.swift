// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation
import OrderedCollections
import TensorMath
import Text

/// A model of float weights in a folder: `config.json`, `tokenizer.json`, `*.safetensors`.
enum SafetensorsModel {
    /// Keeps the mapped files alive.
    private final class Owner: MappedWeights {
        let files: [SafetensorsFile]
        init(_ files: [SafetensorsFile]) { self.files = files }
        var isTorn: Bool { files.contains(where: \.isTorn) }
    }

    static func open(_ folder: String) throws -> ModelFiles {
        func json(_ name: String) throws -> JSONValue {
            guard let data = FileManager.default.contents(atPath: folder + "/" + name) else {
                throw LanguageModelError.unavailable("\(folder)/\(name) cannot be read")
            }
            do { return try JSONValue(parsing: Array(data)) } catch {
                throw LanguageModelError.unavailable("\(folder)/\(name): \(error)")
            }
        }
        let config = try json("config.json")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasSuffix(".safetensors") }.sorted()
        guard !names.isEmpty else { throw LanguageModelError.unavailable("\(folder) holds no .safetensors file") }
        let files = try names.map { try SafetensorsFile(path: folder + "/" + $0) }
        let tokenizer = try SubwordTokenizer(tokenizerJSON: json("tokenizer.json"))
        let weights = try self.weights(files, config, folder)
        let settings = try? json("tokenizer_config.json")
        // Some models name several templates.
        let named = settings?["chat_template"]?.array?.first { $0["name"]?.string == "default" }
        let template =
            settings?["chat_template"]?.string ?? named?["template"]?.string
            ?? FileManager.default.contents(atPath: folder + "/chat_template.jinja")
            .map { String(decoding: $0, as: UTF8.self) }
        func special(_ key: String) -> Int32? {
            let value = settings?[key]
            guard let name = value?.string ?? value?["content"]?.string, let id = tokenizer.special(named: name) else {
                return nil
            }
            return Int32(id)
        }
        var ends = ModelFiles.turnEnds(tokenizer)
        if let eos = special("eos_token") { ends.insert(eos) }
        let eos = (try? json("generation_config.json"))?["eos_token_id"] ?? config["eos_token_id"]
        for id in eos?.array ?? eos.map({ [$0] }) ?? [] {
            if let id = id.int, (0..<tokenizer.count).contains(id) { ends.insert(Int32(id)) }
        }
        let print = try files.map { file in
            try file.withUnsafeBytes(named: file.names.first ?? "") { ModelFiles.fingerprint($0) }
        }
        return ModelFiles(
            name: URL(fileURLWithPath: folder).lastPathComponent, fingerprint: print.joined(separator: "+"),
            weights: weights, tokenizer: tokenizer, template: template, ends: ends, bos: special("bos_token"),
            addsBOS: settings?["add_bos_token"]?.bool ?? false)
    }

    /// How the rotation of queries and keys is stretched beyond the length that a model was first trained for.
    private struct Rotation {
        var base: Double
        /// Positions are divided by it.
        var scale = 1.0
        /// Llama 3.1's scaling: long waves are stretched, short ones stay.
        private var bands: (factor: Double, low: Double, high: Double, length: Double)?

        /// Reads "rope_theta" with "rope_scaling", or "rope_parameters", which holds both.
        init(_ config: JSONValue, _ fail: (String) -> LanguageModelError) throws {
            let parameters = config["rope_parameters"].flatMap { $0.object == nil ? nil : $0 }
            // Gemma 3 names the parameters by the kind of layer.
            let settings =
                parameters.map { $0["full_attention"] ?? $0 } ?? config["rope_scaling"].flatMap { $0.isNull ? nil : $0 }
            base = config["rope_theta"]?.double ?? settings?["rope_theta"]?.double ?? 10_000
            guard let settings else { return }
            func number(_ key: String) throws -> Double {
                guard let value = settings[key]?.double, value > 0, value.isFinite else {
                    throw fail("\"\(key)\" of the rotation's scaling is missing or no number above 0")
                }
                return value
            }
            switch (settings["rope_type"] ?? settings["type"])?.string ?? "default" {
            case "default": return
            case "linear": scale = try number("factor")
            case "llama3":
                bands = (
                    try number("factor"), try number("low_freq_factor"), try number("high_freq_factor"),
                    try number("original_max_position_embeddings")
                )
                if let bands, bands.high <= bands.low { throw fail("\"high_freq_factor\" is not above the low one") }
            case let type: throw fail("rope scaling of type \"\(type)\" is not supported")
            }
        }

        /// What each pair's frequency is divided by; empty for ones.
        func factors(pairs: Int) -> [Float] {
            guard let (factor, low, high, length) = bands else { return [] }
            return (0..<pairs).map { pair in
                let wave = 2 * Double.pi * pow(base, Double(pair) / Double(pairs))
                let share = min(1, max(0, (length / wave - low) / (high - low)))
                return Float(1 / ((1 - share) / factor + share))
            }
        }
    }

    private static func configuration(_ config: JSONValue, _ folder: String) throws -> ModelConfiguration {
        func fail(_ what: String) -> LanguageModelError { .unavailable("\(folder)/config.json: \(what)") }
        let architectures: [String: ModelArchitecture] = [
            "llama": .llama, "mistral": .llama, "qwen2": .qwen2, "qwen3": .qwen3, "gemma3_text": .gemma3,
        ]
        let type = config["model_type"]?.string ?? ""
        guard let architecture = architectures[type] else { throw fail("the model type \"\(type)\" is not supported") }
        func int(_ key: String, _ fallback: Int? = nil) throws -> Int {
            guard let value = config[key]?.int ?? fallback else { throw fail("\"\(key)\" is missing or no integer") }
            return value
        }
        let width = try int("hidden_size")
        let heads = try int("num_attention_heads")
        let headSize = try int("head_dim", width / max(heads, 1))
        let rotation = try Rotation(config, fail)
        var window: ModelConfiguration.SlidingWindow?
        if architecture == .gemma3 {
            window = .init(
                length: try int("sliding_window", 512), ropeBase: config["rope_local_base_freq"]?.double ?? 10_000,
                period: try int("sliding_window_pattern", 6))
        }
        let configuration = ModelConfiguration(
            architecture: architecture, layers: try int("num_hidden_layers"), width: width,
            hidden: try int("intermediate_size"), heads: heads,
            keyValueHeads: try int("num_key_value_heads", heads), headSize: headSize, rotary: headSize,
            vocabulary: try int("vocab_size"), contextLength: try int("max_position_embeddings"),
            epsilon: Float(config["rms_norm_eps"]?.double ?? 1e-6), ropeBase: rotation.base,
            ropeScale: rotation.scale, window: window, interleavesRotation: false)
        if let fault = configuration.fault() { throw fail(fault) }
        return configuration
    }

    private static func weights(
        _ files: [SafetensorsFile], _ config: JSONValue, _ folder: String
    ) throws -> ModelWeights {
        let c = try configuration(config, folder)
        let factors = try Rotation(config) { .unavailable("\(folder)/config.json: \($0)") }.factors(pairs: c.rotary / 2)
        func find(_ name: String) -> (SafetensorsFile, SafetensorsFile.Tensor)? {
            for file in files {
                if let tensor = file.tensors["model." + name] ?? file.tensors[name] { return (file, tensor) }
            }
            return nil
        }
        func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> WeightMatrix {
            guard let (file, tensor) = find(name), tensor.shape == [rows, columns] else {
                throw LanguageModelError.unavailable("\(folder): no tensor \(name) of shape [\(rows), \(columns)]")
            }
            let types: [TensorElement: forage_lm_type] = [
                .float32: FORAGE_LM_F32, .float16: FORAGE_LM_F16, .bfloat16: FORAGE_LM_BF16,
            ]
            guard let type = types[tensor.element] else {
                throw LanguageModelError.unavailable(
                    "\(folder): \(name) is \(tensor.element.rawValue), not a float type")
            }
            // The address stays good as long as the mapped file, which the weights' owner holds.
            let base = try file.withUnsafeBytes(named: tensor.name) { $0.baseAddress }
            guard let base else { throw LanguageModelError.unavailable("\(folder): \(name) is empty") }
            return WeightMatrix(type: Int32(bitPattern: type.rawValue), base: base, rows: rows, columns: columns)
        }
        // Gemma's norms are stored as the difference from one.
        let offset: Float = c.architecture == .gemma3 ? 1 : 0
        func vector(_ name: String, _ count: Int, norm: Bool = true) throws -> [Float]? {
            guard let (file, tensor) = find(name) else { return nil }
            guard tensor.count == count else {
                throw LanguageModelError.unavailable(
                    "\(folder): \(name) has \(tensor.count) entries, expected \(count)")
            }
            return try file.floats(named: tensor.name).map { norm ? $0 + offset : $0 }
        }
        func required(_ name: String, _ count: Int) throws -> [Float] {
            guard let values = try vector(name, count) else {
                throw LanguageModelError.unavailable("\(folder): the tensor \(name) is missing")
            }
            return values
        }
        let inner = c.heads * c.headSize
        let shared = c.keyValueHeads * c.headSize
        let gemma = c.architecture == .gemma3
        let layers = try (0..<c.layers).map { index -> LayerWeights in
            let p = "layers.\(index)."
            let a = p + "self_attn."
            return LayerWeights(
                attentionNorm: try required(p + "input_layernorm.weight", c.width),
                query: try matrix(a + "q_proj.weight", inner, c.width),
                key: try matrix(a + "k_proj.weight", shared, c.width),
                value: try matrix(a + "v_proj.weight", shared, c.width),
                output: try matrix(a + "o_proj.weight", c.width, inner),
                queryBias: try vector(a + "q_proj.bias", inner, norm: false),
                keyBias: try vector(a + "k_proj.bias", shared, norm: false),
                valueBias: try vector(a + "v_proj.bias", shared, norm: false),
                queryNorm: try vector(a + "q_norm.weight", c.headSize),
                keyNorm: try vector(a + "k_norm.weight", c.headSize),
                attentionPostNorm: gemma ? try required(p + "post_attention_layernorm.weight", c.width) : nil,
                hiddenPostNorm: gemma ? try required(p + "post_feedforward_layernorm.weight", c.width) : nil,
                hiddenNorm: try required(
                    p + (gemma ? "pre_feedforward_layernorm.weight" : "post_attention_layernorm.weight"), c.width),
                gate: try matrix(p + "mlp.gate_proj.weight", c.hidden, c.width),
                up: try matrix(p + "mlp.up_proj.weight", c.hidden, c.width),
                down: try matrix(p + "mlp.down_proj.weight", c.width, c.hidden))
        }
        let embeddings = try matrix("embed_tokens.weight", c.vocabulary, c.width)
        let output =
            find("lm_head.weight") == nil ? embeddings : try matrix("lm_head.weight", c.vocabulary, c.width)
        return ModelWeights(
            configuration: c, embeddings: embeddings, outputNorm: try required("norm.weight", c.width), output: output,
            layers: layers, ropeFactors: factors, owner: Owner(files))
    }
}
