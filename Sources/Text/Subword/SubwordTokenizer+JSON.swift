// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections

extension SubwordTokenizer {
    /// Reads a `tokenizer.json` of the BPE family: byte-level (GPT-2, Llama 3, Qwen) or with byte fall-back
    /// (Llama 2, Gemma).
    /// - Throws: `SubwordTokenizerError`.
    public convenience init(tokenizerJSON json: JSONValue) throws(SubwordTokenizerError) {
        guard let model = json["model"], let vocabulary = model["vocab"]?.object else {
            throw .malformed("tokenizer.json has no model with a vocabulary")
        }
        let type = model["type"]?.string ?? "BPE"
        guard type == "BPE" else { throw .unsupported("a tokenizer.json model of type \(type)") }
        let added = json["added_tokens"]?.array ?? []
        let limit = 1 << 21
        var count = 0
        for id in vocabulary.values {
            guard let id = id.int, (0..<limit).contains(id) else { throw .malformed("a token's id is out of range") }
            count = max(count, id + 1)
        }
        for token in added {
            guard let id = token["id"]?.int, (0..<limit).contains(id), token["content"]?.string != nil else {
                throw .malformed("an added token lacks its id or its content")
            }
            count = max(count, id + 1)
        }
        var names = [[UInt8]](repeating: [], count: count)
        var kinds = [Kind](repeating: .unused, count: count)
        let fallback = model["byte_fallback"]?.bool ?? false
        for (name, id) in vocabulary {
            guard let id = id.int else { continue }
            names[id] = Array(name.utf8)
            kinds[id] =
                fallback && name.utf8.count == 6 && name.hasPrefix("<0x") && name.hasSuffix(">") ? .byte : .normal
        }
        for token in added {
            guard let id = token["id"]?.int, let content = token["content"]?.string else { continue }
            names[id] = Array(content.utf8)
            kinds[id] = token["special"]?.bool ?? false ? .control : .userDefined
        }
        var merges: [(left: [UInt8], right: [UInt8])] = []
        for entry in model["merges"]?.array ?? [] {
            if let text = entry.string {
                let parts = text.utf8.split(separator: 0x20, omittingEmptySubsequences: false)
                guard parts.count == 2 else { throw .malformed("a merge is no pair: \"\(text.prefix(40))\"") }
                merges.append((Array(parts[0]), Array(parts[1])))
            } else if let left = entry[0]?.string, let right = entry[1]?.string {
                merges.append((Array(left.utf8), Array(right.utf8)))
            } else {
                throw .malformed("a merge is no pair")
            }
        }
        let steps = Self.steps(json["pre_tokenizer"]) + Self.steps(json["normalizer"])
        let algorithm: Algorithm
        if steps.contains(where: { $0["type"]?.string == "ByteLevel" }) {
            algorithm = .byteLevel(
                try Self.preTokenizer(steps), wholePieces: model["ignore_merges"]?.bool ?? false)
        } else if fallback {
            let prefix = steps.contains { step in
                step["type"]?.string == "Prepend"
                    || (step["type"]?.string == "Metaspace" && step["prepend_scheme"]?.string ?? "always" != "never")
            }
            algorithm = .sentencePiece(prefix: prefix)
        } else {
            throw .unsupported("a tokenizer.json that is neither byte-level nor has byte fall-back")
        }
        try self.init(
            names: names, kinds: kinds, merges: merges, algorithm: algorithm,
            normalizes: steps.contains { $0["type"]?.string == "NFC" })
    }

    /// The steps of a pre-tokenizer or normaliser, which may be a sequence.
    private static func steps(_ json: JSONValue?) -> [JSONValue] {
        guard let json, !json.isNull else { return [] }
        if json["type"]?.string == "Sequence" {
            return json["pretokenizers"]?.array ?? json["normalizers"]?.array ?? []
        }
        return [json]
    }

    private static func preTokenizer(_ steps: [JSONValue]) throws(SubwordTokenizerError) -> PreTokenizer {
        if let pattern = steps.compactMap({ $0["pattern"]?["Regex"]?.string }).first {
            if pattern.contains("\\p{N}{1,3}") { return .llama3 }
            if pattern.contains("|\\p{N}|") { return .qwen2 }
            throw .unsupported("the pre-tokenizer pattern \(pattern)")
        }
        if steps.contains(where: { $0["type"]?.string == "Digits" && $0["individual_digits"]?.bool == true }) {
            return .smollm
        }
        return .gpt2
    }
}
