// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Text
import Transformers

/// What a model's files hold, ready to run.
struct ModelFiles {
    var name: String
    var fingerprint: String
    var weights: ModelWeights
    var tokenizer: SubwordTokenizer
    var template: String?
    var ends: Set<Int32>
    var bos: Int32?
    var addsBOS: Bool

    /// Opens a GGUF file, a folder with one GGUF file, or a safetensors folder.
    /// - Throws: `GGUFError`, `SubwordTokenizerError`, `SafetensorsError`, `LanguageModelError`.
    static func open(_ path: String) throws -> ModelFiles {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw LanguageModelError.unavailable("there is no file or folder \(path)")
        }
        guard isFolder.boolValue else { return try gguf(path) }
        let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        let files = names.filter { $0.hasSuffix(".gguf") }
        if files.count == 1 { return try gguf(path + "/" + files[0]) }
        guard files.isEmpty else {
            throw LanguageModelError.unavailable(
                "\(path) holds several GGUF files (\(files.joined(separator: ", "))): name one of them")
        }
        guard names.contains("config.json") else {
            throw LanguageModelError.unavailable("\(path) holds neither a .gguf file nor a config.json")
        }
        return try SafetensorsModel.open(path)
    }

    /// Reads an adapter of this model.
    /// - Throws: `LowRankAdapterError`, `SafetensorsError`, `LanguageModelError`.
    func adapter(_ path: String) throws -> LowRankAdapter {
        let adapter = try LowRankAdapter(path: path)
        try check(adapter, path: path)
        return adapter
    }

    /// Refuses an adapter of another model.
    /// - Throws: `LowRankAdapterError.mismatch`, `LanguageModelError`.
    func check(_ adapter: LowRankAdapter, path: String) throws {
        let shape = try weights.decoderShape()
        if let fault = adapter.fault(shape: shape, layers: weights.layers.count, base: weights.identity) {
            throw LowRankAdapterError.mismatch(path: path, reason: fault)
        }
    }

    private static func gguf(_ path: String) throws -> ModelFiles {
        let file = try GGUFFile(path: path)
        let tokenizer = try file.tokenizer()
        func id(_ key: String) -> Int32? {
            guard let value = file.metadata["tokenizer.ggml." + key]?.int, (0..<tokenizer.count).contains(value) else {
                return nil
            }
            return Int32(value)
        }
        let base = URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent
        let ends = [id("eos_token_id"), id("eot_token_id"), id("eom_token_id")].compactMap { $0 }
        return ModelFiles(
            name: base, fingerprint: fingerprint(file.file.bytes), weights: try file.weights(), tokenizer: tokenizer,
            template: file.metadata["tokenizer.chat_template"]?.string,
            ends: Set(ends).union(turnEnds(tokenizer)), bos: id("bos_token_id"),
            addsBOS: file.metadata["tokenizer.ggml.add_bos_token"]?.bool
                ?? (file.metadata["tokenizer.ggml.model"]?.string == "llama"))
    }

    /// The tokens that end a turn in the families that are known here.
    static func turnEnds(_ tokenizer: SubwordTokenizer) -> Set<Int32> {
        let names = ["<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>", "</s>", "<eos>"]
        return Set(
            names.compactMap { tokenizer.special(named: $0) }.filter { tokenizer.isControl($0) }.map(Int32.init))
    }

    /// A hash of the file's size, its first 16 MiB and 64 KiB at each of 64 even distances: quick for any size, and
    /// other weights give another.
    static func fingerprint(_ bytes: UnsafeRawBufferPointer) -> String {
        var sample: [UInt8] = withUnsafeBytes(of: UInt64(bytes.count).littleEndian, Array.init)
        sample += bytes.prefix(16 << 20)
        let stride = bytes.count / 64
        if bytes.count > 16 << 20 {
            for i in 0..<64 { sample += bytes[(i * stride)..<min(bytes.count, i * stride + (64 << 10))] }
        }
        return "xxh64:" + String(sample.withUnsafeBytes { XXH64.hash($0) }, radix: 16)
    }
}
