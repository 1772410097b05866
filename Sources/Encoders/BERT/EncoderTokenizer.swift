// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
public import Text

/// The tokenizer of an encoder, as its folder has it: WordPiece (BERT, DistilBERT, MPNet), byte-level BPE (RoBERTa) or
/// unigram (XLM-R), with the tokens that it puts around texts.
public struct EncoderTokenizer: Sendable {
    private enum Model: Sendable {
        case wordPiece(WordPieceTokenizer)
        case byteLevel(SubwordTokenizer, addsSpace: Bool, lowercases: Bool)
        case unigram(UnigramTokenizer)
    }

    private let model: Model
    private let start: Int32
    private let end: Int32
    /// Whether two separators stand between the texts of a pair (RoBERTa), and all tokens are of one type.
    private let isRoberta: Bool
    /// How many ids there are.
    public let vocabularySize: Int
    /// Identifies pieces and settings.
    let identity: String

    /// The WordPiece tokenizer, where the model has one.
    public var wordPiece: WordPieceTokenizer? {
        if case .wordPiece(let tokenizer) = model { return tokenizer }
        return nil
    }

    /// Reads `tokenizer.json`, else `vocab.txt` with `tokenizer_config.json`.
    /// - Throws: `WordPieceError`, `SubwordTokenizerError`, ``TextEncoderError``.
    init(folder: String) throws {
        let path = folder + "/tokenizer.json"
        let json: JSONValue? = try BERTConfiguration.optionalJSON(path)
        let kind = json?["model"]?["type"]?.string ?? "WordPiece"
        let frame = Self.frame(json?["post_processor"])
        switch kind {
        case "BPE", "Unigram":
            guard let json, let frame else {
                throw TextEncoderError.badModel(
                    path: path, reason: "the post-processor does not say which tokens stand around a text")
            }
            (start, end, isRoberta) = (frame.start, frame.end, true)
            if kind == "BPE" {
                let tokenizer = try SubwordTokenizer(tokenizerJSON: json)
                let steps = json["pre_tokenizer"]
                let own = steps?["pretokenizers"]?.array ?? [steps ?? .null]
                let normalizers = json["normalizer"]?["normalizers"]?.array ?? [json["normalizer"] ?? .null]
                model = .byteLevel(
                    tokenizer, addsSpace: own.contains { $0["add_prefix_space"]?.bool == true },
                    lowercases: normalizers.contains { $0["type"]?.string == "Lowercase" })
                vocabularySize = tokenizer.count
                identity = "bpe \(XXH64.hash(json["model"]?.serialized() ?? "")) \(frame)"
            } else {
                let tokenizer = try UnigramTokenizer(tokenizerJSON: json)
                model = .unigram(tokenizer)
                vocabularySize = tokenizer.count
                identity = "unigram \(XXH64.hash(json["model"]?.serialized() ?? "")) \(frame)"
            }
        default:
            let tokenizer = try WordPieceTokenizer(folder: folder)
            model = .wordPiece(tokenizer)
            vocabularySize = tokenizer.vocabularySize
            (start, end) = (tokenizer.startID, tokenizer.separatorID)
            isRoberta = frame?.isRoberta ?? false
            // A changed vocabulary changes vectors as a changed weight does.
            let pieces = (0..<tokenizer.vocabularySize).reduce(UInt64(0)) { hash, id in
                XXH64.hash(tokenizer.piece(Int32(id)) ?? "", seed: hash)
            }
            identity = "\(tokenizer.options) \(pieces)"
        }
    }

    /// The ids around a text, from the post-processor: its own form of RoBERTa and BERT, or a template.
    private static func frame(_ json: JSONValue?) -> (start: Int32, end: Int32, isRoberta: Bool)? {
        guard let json, !json.isNull else { return nil }
        switch json["type"]?.string {
        case "RobertaProcessing"?, "BertProcessing"?:
            guard let start = json["cls"]?[1]?.int, let end = json["sep"]?[1]?.int else { return nil }
            return (
                Int32(truncatingIfNeeded: start), Int32(truncatingIfNeeded: end),
                json["type"]?.string == "RobertaProcessing"
            )
        case "TemplateProcessing"?:
            let names = json["single"]?.array?.compactMap { $0["SpecialToken"]?["id"]?.string } ?? []
            guard let first = names.first, let last = names.last,
                let start = json["special_tokens"]?[first]?["ids"]?[0]?.int,
                let end = json["special_tokens"]?[last]?["ids"]?[0]?.int
            else { return nil }
            let between = json["pair"]?.array?.count { $0["SpecialToken"]?["id"]?.string == last } ?? 2
            return (Int32(truncatingIfNeeded: start), Int32(truncatingIfNeeded: end), between > 2)
        case "Sequence"?: return (json["processors"]?.array ?? []).lazy.compactMap { frame($0) }.first
        default: return nil
        }
    }

    /// The pieces of a text, at most `limit`.
    private func pieces(_ text: String, limit: Int) -> (ids: [Int32], offsets: [Range<Int>]) {
        switch model {
        case .wordPiece(let tokenizer):
            let encoding = tokenizer.encode(text, maximumLength: limit, addingSpecials: false)
            return (encoding.ids, encoding.offsets)
        case .byteLevel(let tokenizer, let addsSpace, let lowercases):
            var source = lowercases ? text.lowercased() : text
            // A text of many times the limit is not merged whole.
            if source.utf8.count > limit * 64, limit < 1 << 20 { source = String(source.prefix(limit * 64)) }
            let shift = addsSpace && !source.isEmpty && source.first != " " ? 1 : 0
            if shift == 1 { source = " " + source }
            var offsets: [Range<Int>] = []
            var at = -shift
            let ids = tokenizer.encode(source).prefix(limit).map { id -> Int32 in
                let next = at + (tokenizer.bytes.indices.contains(id) ? tokenizer.bytes[id].count : 0)
                offsets.append(min(max(at, 0), text.utf8.count)..<min(max(next, 0), text.utf8.count))
                at = next
                return Int32(id)
            }
            return (ids, offsets)
        case .unigram(let tokenizer): return tokenizer.encode(text, limit: limit)
        }
    }

    /// Encodes a text with the tokens around it.
    /// - Parameter maximumLength: pieces at most, those around it included; the text is cut at its end.
    public func encode(_ text: String, maximumLength: Int? = nil) -> WordPieceTokenizer.Encoding {
        if let wordPiece, !isRoberta { return wordPiece.encode(text, maximumLength: maximumLength) }
        let (ids, offsets) = pieces(text, limit: maximumLength.map { max($0 - 2, 0) } ?? .max)
        return WordPieceTokenizer.Encoding(
            ids: [start] + ids + [end], offsets: [0..<0] + offsets + [0..<0],
            typeIDs: [Int32](repeating: 0, count: ids.count + 2))
    }

    /// Encodes a pair; where the texts are too long together, only the second is cut.
    public func encode(_ first: String, _ second: String, maximumLength: Int? = nil) -> WordPieceTokenizer.Encoding {
        if let wordPiece, !isRoberta { return wordPiece.encode(first, second, maximumLength: maximumLength) }
        let limit = maximumLength.map { max($0 - 4, 0) } ?? .max
        let (a, aOffsets) = pieces(first, limit: limit)
        let (b, bOffsets) = pieces(second, limit: limit == .max ? .max : limit - a.count)
        let ids = [start] + a + [end, end] + b + [end]
        return WordPieceTokenizer.Encoding(
            ids: ids, offsets: [0..<0] + aOffsets + [0..<0, 0..<0] + bOffsets + [0..<0],
            typeIDs: [Int32](repeating: 0, count: ids.count))
    }
}
