// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import OrderedCollections

extension WordPieceTokenizer {
    /// Reads the tokenizer of a model folder: `tokenizer.json`, else `vocab.txt` with `tokenizer_config.json`.
    /// - Throws: ``WordPieceError``.
    public init(folder: String) throws(WordPieceError) {
        let json = folder + "/tokenizer.json"
        if FileManager.default.fileExists(atPath: json) {
            try self.init(tokenizerJSON: json)
            return
        }
        var options = Options()
        let config = folder + "/tokenizer_config.json"
        if FileManager.default.fileExists(atPath: config) {
            let value = try Self.json(config)
            options.lowercases = value["do_lower_case"]?.bool ?? true
            options.stripsAccents = value["strip_accents"]?.bool
            options.separatesChinese = value["tokenize_chinese_chars"]?.bool ?? true
            options.unknown = value["unk_token"]?.string ?? options.unknown
            options.start = value["cls_token"]?.string ?? options.start
            options.separator = value["sep_token"]?.string ?? options.separator
            options.padding = value["pad_token"]?.string ?? options.padding
        }
        try self.init(vocabularyFile: folder + "/vocab.txt", options: options)
    }

    /// Reads a `vocab.txt`: one piece a line, the line's number (from 0) is the id.
    public init(vocabularyFile path: String, options: Options = Options()) throws(WordPieceError) {
        let bytes = try Self.read(path)
        var pieces: [String] = []
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            let trimmed = line.last == 0x0D ? line.dropLast() : line
            pieces.append(String(decoding: trimmed, as: UTF8.self))
        }
        if pieces.last == "" { pieces.removeLast() }
        guard !pieces.isEmpty else { throw .malformed(path: path, reason: "it is empty") }
        try self.init(pieces: pieces, options: options)
    }

    /// Reads a `tokenizer.json` whose model is WordPiece and whose normaliser is BERT's.
    public init(tokenizerJSON path: String) throws(WordPieceError) {
        let value = try Self.json(path)
        guard let model = value["model"], let vocabulary = model["vocab"]?.object else {
            throw .malformed(path: path, reason: "expected \"model\" with an object \"vocab\"")
        }
        if let type = model["type"]?.string, type != "WordPiece" {
            throw .malformed(path: path, reason: "its model is \(type)")
        }
        var options = Options()
        options.continuingPrefix = model["continuing_subword_prefix"]?.string ?? options.continuingPrefix
        options.unknown = model["unk_token"]?.string ?? options.unknown
        options.longestWord = model["max_input_chars_per_word"]?.int ?? options.longestWord
        if let normalizer = value["normalizer"], !normalizer.isNull {
            guard normalizer["type"]?.string == "BertNormalizer" else {
                throw .malformed(
                    path: path,
                    reason: "its normaliser is \(normalizer["type"]?.string ?? "unnamed"), "
                        + "expected BertNormalizer")
            }
            options.lowercases = normalizer["lowercase"]?.bool ?? true
            options.stripsAccents = normalizer["strip_accents"]?.bool
            options.separatesChinese = normalizer["handle_chinese_chars"]?.bool ?? true
            options.cleansText = normalizer["clean_text"]?.bool ?? true
        }
        var largest = 0
        for (piece, id) in vocabulary {
            guard let id = id.int, id >= 0, id < 10_000_000 else {
                throw .malformed(path: path, reason: "the id of piece \"\(piece)\" is no small number")
            }
            largest = max(largest, id)
        }
        var pieces = [String](repeating: "", count: vocabulary.isEmpty ? 0 : largest + 1)
        for (piece, id) in vocabulary { if let id = id.int { pieces[id] = piece } }
        var specials: [String] = []
        for token in value["added_tokens"]?.array ?? [] {
            guard let content = token["content"]?.string, let id = token["id"]?.int, id >= 0, id <= largest + 10_000
            else { continue }
            if id >= pieces.count { pieces += [String](repeating: "", count: id + 1 - pieces.count) }
            if pieces[id].isEmpty { pieces[id] = content }
            specials.append(content)
        }
        try self.init(pieces: pieces, options: options, specials: specials)
    }

    private static func json(_ path: String) throws(WordPieceError) -> JSONValue {
        let bytes = try read(path)
        do throws(JSONError) {
            return try JSONValue(parsing: bytes)
        } catch {
            throw .malformed(path: path, reason: error.description)
        }
    }

    private static func read(_ path: String) throws(WordPieceError) -> [UInt8] {
        do {
            return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
        } catch {
            throw .unreadable(path: path, reason: "cannot be read")
        }
    }
}
