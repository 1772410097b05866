// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
import OrderedCollections

/// SentencePiece's unigram tokenizer (Kudo 2018), as XLM-R and multilingual E5 use it: of all ways to cut a word into
/// pieces the one with the highest sum of scores.
public struct UnigramTokenizer: Sendable {
    private let pieces: [[UInt8]]
    private let scores: [Double]
    /// Ids by the hash of their bytes; texts are compared on a hit.
    private let ids: [UInt64: Int32]
    private let longest: Int
    private let unknown: Int32
    private let unknownScore: Double

    /// The number of pieces.
    public var count: Int { pieces.count }

    /// U+2581, which stands for a space.
    private static let space: [UInt8] = [0xE2, 0x96, 0x81]

    /// Reads a `tokenizer.json` whose model is Unigram.
    /// - Throws: `SubwordTokenizerError`.
    public init(tokenizerJSON json: JSONValue) throws(SubwordTokenizerError) {
        guard let model = json["model"], model["type"]?.string == "Unigram", let vocabulary = model["vocab"]?.array
        else {
            throw .malformed("tokenizer.json has no Unigram model with a vocabulary")
        }
        guard model["byte_fallback"]?.bool != true else { throw .unsupported("a Unigram model with byte fall-back") }
        guard (1...(1 << 21)).contains(vocabulary.count) else {
            throw .malformed("the vocabulary is empty or too large")
        }
        var pieces: [[UInt8]] = []
        var scores: [Double] = []
        var ids: [UInt64: Int32] = Dictionary(minimumCapacity: vocabulary.count)
        var longest = 0
        for (index, entry) in vocabulary.enumerated() {
            guard let piece = entry[0]?.string, let score = entry[1]?.double, score.isFinite else {
                throw .malformed("piece \(index) is no pair of text and score")
            }
            let bytes = Array(piece.utf8)
            pieces.append(bytes)
            scores.append(score)
            longest = max(longest, bytes.count)
            if ids[Self.hash(bytes)] == nil { ids[Self.hash(bytes)] = Int32(index) }
        }
        let unknown = model["unk_id"]?.int ?? 0
        guard pieces.indices.contains(unknown) else { throw .malformed("the id of the unknown piece is out of range") }
        self.pieces = pieces
        self.scores = scores
        self.ids = ids
        self.longest = min(longest, 256)
        self.unknown = Int32(unknown)
        unknownScore = (scores.min() ?? 0) - 10
    }

    private static func hash(_ bytes: [UInt8]) -> UInt64 { bytes.reduce(seed, step) }
    private static let seed: UInt64 = 0xCBF2_9CE4_8422_2325
    @inline(__always) private static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 {
        (hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// The text of a piece; nil for an id out of range.
    public func piece(_ id: Int32) -> String? {
        pieces.indices.contains(Int(id)) ? String(decoding: pieces[Int(id)], as: UTF8.self) : nil
    }

    /// The ids of a text's pieces, at most `limit`, each with the place of its word in bytes of `text`.
    public func encode(_ text: String, limit: Int = .max) -> (ids: [Int32], offsets: [Range<Int>]) {
        var ids: [Int32] = []
        var offsets: [Range<Int>] = []
        var offset = 0
        for word in text.split(omittingEmptySubsequences: true, whereSeparator: \.isWhitespace) {
            guard ids.count < limit else { break }
            offset = text.utf8.distance(from: text.utf8.startIndex, to: word.startIndex)
            let clean = word.precomposedStringWithCompatibilityMapping.unicodeScalars.filter {
                $0.properties.generalCategory != .control && $0.value != 0x200B && $0.value != 0xFEFF
            }
            // Compatibility forms may bring spaces along.
            for part in String(String.UnicodeScalarView(clean)).split(whereSeparator: \.isWhitespace) {
                for id in cut(Self.space + Array(part.utf8)) where ids.count < limit {
                    ids.append(id)
                    offsets.append(offset..<(offset + word.utf8.count))
                }
            }
        }
        return (ids, offsets)
    }

    /// The best cut of one word (Viterbi). Very long words are cut in stretches of 4,096 bytes.
    private func cut(_ word: [UInt8]) -> [Int32] {
        if word.count > 4096 {
            var end = 4096
            while end > 4000, word[end] & 0xC0 == 0x80 { end -= 1 }
            return cut(Array(word[..<end])) + cut(Array(word[end...]))
        }
        var best = [Double](repeating: -.infinity, count: word.count + 1)
        var from = [Int](repeating: -1, count: word.count + 1)
        var chosen = [Int32](repeating: unknown, count: word.count + 1)
        best[0] = 0
        for start in word.indices where best[start] > -.infinity {
            var hash = Self.seed
            var end = start
            var hasSingle = false
            let width = Self.width(word[start])
            while end < word.count, end - start < longest {
                hash = Self.step(hash, word[end])
                end += 1
                if end < word.count, word[end] & 0xC0 == 0x80 { continue }
                guard let id = ids[hash], pieces[Int(id)].elementsEqual(word[start..<end]) else { continue }
                if end - start == width { hasSingle = true }
                if best[start] + scores[Int(id)] > best[end] {
                    best[end] = best[start] + scores[Int(id)]
                    from[end] = start
                    chosen[end] = id
                }
            }
            let single = min(start + width, word.count)
            if !hasSingle, best[start] + unknownScore > best[single] {
                best[single] = best[start] + unknownScore
                from[single] = start
                chosen[single] = unknown
            }
        }
        var ids: [Int32] = []
        var at = word.count
        while at > 0, from[at] >= 0 {
            // Unknown characters side by side are one piece.
            if chosen[at] != unknown || ids.last != unknown { ids.append(chosen[at]) }
            at = from[at]
        }
        return ids.reversed()
    }

    private static func width(_ byte: UInt8) -> Int { byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4 }
}
