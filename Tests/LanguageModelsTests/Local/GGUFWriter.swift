// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation
import TensorMath

@testable import LanguageModels

/// Writes GGUF files for tests.
struct GGUFWriter {
    var metadata: [(String, GGUFFile.Value)] = []
    var tensors: [(name: String, shape: [Int], type: Int, bytes: [UInt8])] = []
    var version: UInt32 = 3

    mutating func add(_ name: String, _ shape: [Int], type: Int, _ values: [Float]) {
        let weights = Int(forage_lm_block_weights(Int32(type)))
        var bytes = [UInt8](repeating: 0, count: values.count / weights * Int(forage_lm_block_bytes(Int32(type))))
        bytes.withUnsafeMutableBytes { out in _ = forage_lm_quantize(Int32(type), values, out.baseAddress, values.count)
        }
        tensors.append((name, shape, type, bytes))
    }

    static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }
    static func text(_ bytes: [UInt8]) -> [UInt8] { little(UInt64(bytes.count)) + bytes }

    static func encode(_ value: GGUFFile.Value) -> (type: UInt32, bytes: [UInt8]) {
        switch value {
        case .integer(let number): return (5, little(Int32(number)))
        case .number(let number): return (6, little(Float(number).bitPattern))
        case .bool(let flag): return (7, [flag ? 1 : 0])
        case .string(let string): return (8, text(Array(string.utf8)))
        case .bytes(let bytes): return (8, text(bytes))
        case .array(let list):
            let parts = list.map(encode)
            return (9, little(parts.first?.type ?? 8) + little(UInt64(list.count)) + parts.flatMap(\.bytes))
        }
    }

    func encoded() -> [UInt8] {
        var out = Array("GGUF".utf8) + Self.little(version)
        out += Self.little(UInt64(tensors.count)) + Self.little(UInt64(metadata.count))
        for (key, value) in metadata {
            let (type, bytes) = Self.encode(value)
            out += Self.text(Array(key.utf8)) + Self.little(type) + bytes
        }
        var offset = 0
        for tensor in tensors {
            out += Self.text(Array(tensor.name.utf8)) + Self.little(UInt32(tensor.shape.count))
            for size in tensor.shape { out += Self.little(UInt64(size)) }
            out += Self.little(UInt32(tensor.type)) + Self.little(UInt64(offset))
            offset += (tensor.bytes.count + 31) / 32 * 32
        }
        out += [UInt8](repeating: 0, count: (32 - out.count % 32) % 32)
        for tensor in tensors {
            out += tensor.bytes + [UInt8](repeating: 0, count: (32 - tensor.bytes.count % 32) % 32)
        }
        return out
    }
}

/// A file that goes away with the object.
final class TemporaryFile {
    let path: String
    init(_ bytes: [UInt8], suffix: String = ".gguf") throws {
        path = NSTemporaryDirectory() + "forage-test-\(UUID().uuidString)\(suffix)"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// A tiny model with random weights and a byte-level vocabulary: the 256 bytes, a few merges, four control tokens.
struct TinyModel {
    var architecture = ModelArchitecture.llama
    var type = 0
    var width = 64
    var hidden = 96
    var heads = 4
    var keyValueHeads = 2
    var headSize = 16
    var layers = 2
    var template: String? = ChatTemplate.chatML

    static let controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|secret|>"]
    static let mergePairs = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("e", "r"), ("Ġ", "a"), ("o", "n")]

    static var alphabet: [String] {
        var next: UInt32 = 256
        return (0..<256).map { (byte: UInt32) -> String in
            var code = byte
            if !((33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)) {
                code = next
                next += 1
            }
            return String(Unicode.Scalar(code).map(Character.init) ?? "?")
        }
    }

    static var tokens: [String] { controls + alphabet + mergePairs.map { $0.0 + $0.1 } }

    func writer() -> GGUFWriter {
        var w = GGUFWriter()
        let name = architecture.rawValue
        let tokens = Self.tokens
        w.metadata = [
            ("general.architecture", .string(name)), ("\(name).block_count", .integer(layers)),
            ("\(name).embedding_length", .integer(width)), ("\(name).feed_forward_length", .integer(hidden)),
            ("\(name).attention.head_count", .integer(heads)),
            ("\(name).attention.head_count_kv", .integer(keyValueHeads)),
            ("\(name).attention.key_length", .integer(headSize)),
            ("\(name).attention.value_length", .integer(headSize)),
            ("\(name).rope.dimension_count", .integer(headSize)), ("\(name).context_length", .integer(2048)),
            ("\(name).attention.layer_norm_rms_epsilon", .number(1e-5)), ("\(name).rope.freq_base", .number(10_000)),
            ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("smollm")),
            ("tokenizer.ggml.tokens", .array(tokens.map { .string($0) })),
            ("tokenizer.ggml.token_type", .array(tokens.indices.map { .integer($0 < Self.controls.count ? 3 : 1) })),
            ("tokenizer.ggml.merges", .array(Self.mergePairs.map { .string($0.0 + " " + $0.1) })),
            ("tokenizer.ggml.eos_token_id", .integer(2)), ("tokenizer.ggml.bos_token_id", .integer(1)),
            ("tokenizer.ggml.add_bos_token", .bool(false)),
        ]
        if let template { w.metadata.append(("tokenizer.chat_template", .string(template))) }
        if architecture == .gemma3 { w.metadata.append(("gemma3.attention.sliding_window", .integer(8))) }
        var random = SplitMix64(seed: 11)
        func matrix(_ label: String, _ rows: Int, _ columns: Int) {
            let scale = 1 / Double(columns).squareRoot()
            w.add(
                label, [columns, rows], type: type, (0..<rows * columns).map { _ in Float(random.gaussian() * scale) })
        }
        func vector(_ label: String, _ count: Int, around center: Double) {
            w.add(label, [count], type: 0, (0..<count).map { _ in Float(center + 0.1 * random.gaussian()) })
        }
        let inner = heads * headSize
        let shared = keyValueHeads * headSize
        matrix("token_embd.weight", tokens.count, width)
        vector("output_norm.weight", width, around: 1)
        for layer in 0..<layers {
            let p = "blk.\(layer)."
            vector(p + "attn_norm.weight", width, around: 1)
            vector(p + "ffn_norm.weight", width, around: 1)
            matrix(p + "attn_q.weight", inner, width)
            matrix(p + "attn_k.weight", shared, width)
            matrix(p + "attn_v.weight", shared, width)
            matrix(p + "attn_output.weight", width, inner)
            matrix(p + "ffn_gate.weight", hidden, width)
            matrix(p + "ffn_up.weight", hidden, width)
            matrix(p + "ffn_down.weight", width, hidden)
            if architecture == .qwen2 {
                vector(p + "attn_q.bias", inner, around: 0)
                vector(p + "attn_k.bias", shared, around: 0)
                vector(p + "attn_v.bias", shared, around: 0)
            }
            if architecture == .qwen3 || architecture == .gemma3 {
                vector(p + "attn_q_norm.weight", headSize, around: 1)
                vector(p + "attn_k_norm.weight", headSize, around: 1)
            }
            if architecture == .gemma3 {
                vector(p + "post_attention_norm.weight", width, around: 1)
                vector(p + "post_ffw_norm.weight", width, around: 1)
            }
        }
        return w
    }

    /// The model's file, and the model opened from it.
    func open(cacheBytes: Int = 64 << 20, guesses: Bool = true) throws -> LocalModel {
        let file = try TemporaryFile(writer().encoded())
        return try LocalModel(
            path: file.path, options: .init(threads: 2, cacheBytes: cacheBytes, guessesFromContext: guesses))
    }
}
