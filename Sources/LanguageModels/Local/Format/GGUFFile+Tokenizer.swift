// SPDX-License-Identifier: Apache-2.0

import Base
public import Text

extension GGUFFile {
    /// The tokenizer that the file's metadata describes.
    /// - Throws: `GGUFError`, `SubwordTokenizerError`.
    public func tokenizer() throws -> SubwordTokenizer {
        guard let model = metadata["tokenizer.ggml.model"]?.string else {
            throw GGUFError.missing(path: path, what: "tokenizer.ggml.model is missing")
        }
        guard let entries = metadata["tokenizer.ggml.tokens"]?.array, !entries.isEmpty else {
            throw GGUFError.missing(path: path, what: "tokenizer.ggml.tokens is missing")
        }
        var names: [[UInt8]] = []
        names.reserveCapacity(entries.count)
        for entry in entries {
            guard let bytes = entry.utf8 else {
                throw GGUFError.missing(path: path, what: "a token is no text")
            }
            names.append(bytes)
        }
        var kinds = [SubwordTokenizer.Kind](repeating: .normal, count: names.count)
        if let types = metadata["tokenizer.ggml.token_type"]?.array {
            guard types.count == names.count else {
                throw GGUFError.missing(
                    path: path, what: "token_type has \(types.count) entries for \(names.count) tokens")
            }
            kinds = types.map { $0.int.flatMap(SubwordTokenizer.Kind.init(rawValue:)) ?? .normal }
        }
        let prefix = metadata["tokenizer.ggml.add_space_prefix"]?.bool ?? true
        switch model {
        case "gpt2":
            let pre = metadata["tokenizer.ggml.pre"]?.string ?? "default"
            guard let preTokenizer = PreTokenizer(ggufName: pre) else {
                throw SubwordTokenizerError.unsupported("the pre-tokenizer \"\(pre)\"")
            }
            return try SubwordTokenizer(
                names: names, kinds: kinds, merges: try merges(),
                algorithm: .byteLevel(preTokenizer, wholePieces: preTokenizer == .llama3))
        case "llama":
            let scores = (metadata["tokenizer.ggml.scores"]?.array ?? []).map { Float($0.double ?? 0) }
            return try SubwordTokenizer(
                names: names, kinds: kinds, scores: scores, merges: nil, algorithm: .sentencePiece(prefix: prefix))
        default: throw SubwordTokenizerError.unsupported("a tokenizer of model \"\(model)\"")
        }
    }

    private func merges() throws -> [(left: [UInt8], right: [UInt8])] {
        guard let entries = metadata["tokenizer.ggml.merges"]?.array else {
            throw GGUFError.missing(path: path, what: "tokenizer.ggml.merges is missing")
        }
        return try entries.map { entry in
            // The parts hold no space: the byte alphabet writes it as another character.
            guard let bytes = entry.utf8, let space = bytes.dropFirst().firstIndex(of: 0x20) else {
                throw GGUFError.missing(path: path, what: "a merge is no pair")
            }
            return (Array(bytes[..<space]), Array(bytes[(space + 1)...]))
        }
    }
}
