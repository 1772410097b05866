// SPDX-License-Identifier: Apache-2.0

import Base

/// Why a tokenizer cannot be built.
public enum SubwordTokenizerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A part of the description is missing or has another form.
    case malformed(String)
    /// The description asks for an algorithm or a pre-tokenizer that is not known here.
    case unsupported(String)

    public var description: String {
        switch self {
        case .malformed(let reason): return "the tokenizer cannot be read: \(reason)"
        case .unsupported(let reason): return "the tokenizer is not supported: \(reason)"
        }
    }
}

/// The sub-word tokenizer of a language model: byte-level BPE (GPT-2 and its family) or SentencePiece-style BPE.
///
/// Ordinary text never becomes a control token: those are matched only where `encode` is told that the text is the
/// frame of a conversation, and no sequence of merges reaches them. Encoding and decoding are exact inverses for
/// byte-level vocabularies: `decode(encode(text)) == text` for every text.
public final class SubwordTokenizer: Sendable {
    /// What a token is, numbered as in GGUF files.
    public enum Kind: Int, Sendable { case normal = 1, unknown, control, userDefined, unused, byte }

    /// How text is cut and merged.
    public enum Algorithm: Sendable {
        /// Merges of bytes by rank, within the pieces of a pre-tokenizer. `wholePieces`: a piece that is a token is
        /// taken as it is, whatever the merges say (Llama 3).
        case byteLevel(PreTokenizer, wholePieces: Bool)
        /// Merges of characters where a space is written U+2581, with bytes as a fall-back; `prefix`: a space is put
        /// before the text.
        case sentencePiece(prefix: Bool)
    }

    /// The tokens' texts as the vocabulary file has them.
    public let names: [[UInt8]]
    /// What each token writes.
    public let bytes: [[UInt8]]
    public let kinds: [Kind]
    public let algorithm: Algorithm
    /// Whether text is brought to normal form C first.
    let normalizes: Bool
    let merges: MergeTable
    /// Token of a single byte, or -1.
    let byteTokens: [Int32]
    let unknown: Int32?
    /// Tokens that are cut out of ordinary text before it is merged, and those cut out of frames.
    let userDefined: TokenTrie
    let specials: TokenTrie
    let ids: [[UInt8]: Int32]

    /// - Parameters:
    ///   - names: the tokens' texts, in the order of their ids.
    ///   - merges: pairs of texts in the order of their rank; nil to merge by `scores`, the highest first.
    /// - Throws: `SubwordTokenizerError`.
    public init(
        names: [[UInt8]], kinds: [Kind], scores: [Float] = [], merges: [(left: [UInt8], right: [UInt8])]?,
        algorithm: Algorithm, normalizes: Bool = false
    ) throws(SubwordTokenizerError) {
        guard names.count == kinds.count, names.count <= 1 << 21 else {
            throw .malformed("\(names.count) tokens have \(kinds.count) kinds")
        }
        self.names = names
        self.kinds = kinds
        self.algorithm = algorithm
        self.normalizes = normalizes
        var ids: [[UInt8]: Int32] = Dictionary(minimumCapacity: names.count)
        var bytes: [[UInt8]] = []
        bytes.reserveCapacity(names.count)
        var byteTokens = [Int32](repeating: -1, count: 256)
        var userDefined = TokenTrie()
        var specials = TokenTrie()
        var unknown: Int32?
        for (index, name) in names.enumerated() {
            let id = Int32(index)
            let written: [UInt8]
            switch (kinds[index], algorithm) {
            case (.control, _), (.unused, _), (.unknown, _), (.userDefined, _): written = name
            case (.byte, _): written = Self.hexByte(name).map { [$0] } ?? name
            case (.normal, .byteLevel): written = ByteAlphabet.decode(name) ?? name
            case (.normal, .sentencePiece): written = Self.replacingMarker(name)
            }
            bytes.append(written)
            switch kinds[index] {
            case .normal: if ids[name] == nil { ids[name] = id }
            case .byte: if let byte = Self.hexByte(name) { byteTokens[Int(byte)] = id }
            case .userDefined: userDefined.insert(name, id)
            case .unknown: if unknown == nil { unknown = id }
            case .control, .unused: break
            }
            if kinds[index] == .control || kinds[index] == .userDefined { specials.insert(name, id) }
        }
        if case .byteLevel = algorithm {
            for byte in 0...255 {
                if let id = ids[ByteAlphabet.encode(UInt8(byte))] { byteTokens[byte] = id }
            }
        }
        self.ids = ids
        self.bytes = bytes
        self.byteTokens = byteTokens
        self.userDefined = userDefined
        self.specials = specials
        self.unknown = unknown
        if let merges {
            self.merges = .ranked(try Self.ranks(merges, ids: ids))
        } else {
            guard scores.count == names.count else {
                throw .malformed("\(names.count) tokens have \(scores.count) scores")
            }
            self.merges = .scored(scores)
        }
    }

    /// The number of tokens.
    public var count: Int { names.count }

    /// The id of a special token by its text, such as `<|im_end|>`.
    public func special(named name: String) -> Int? { specials.exact(Array(name.utf8)).map(Int.init) }

    /// Whether a token frames a conversation instead of writing text.
    public func isControl(_ id: Int) -> Bool {
        guard kinds.indices.contains(id) else { return true }
        return kinds[id] == .control || kinds[id] == .unused || kinds[id] == .unknown
    }

    private static func ranks(
        _ merges: [(left: [UInt8], right: [UInt8])], ids: [[UInt8]: Int32]
    ) throws(SubwordTokenizerError) -> [UInt64: MergeTable.Merge] {
        var table: [UInt64: MergeTable.Merge] = Dictionary(minimumCapacity: merges.count)
        for (rank, merge) in merges.enumerated() {
            // A merge to something that is no token of ordinary text can never be used.
            guard let left = ids[merge.left], let right = ids[merge.right], let whole = ids[merge.left + merge.right]
            else { continue }
            let key = MergeTable.key(left, right)
            if table[key] == nil { table[key] = MergeTable.Merge(rank: Int32(rank), id: whole) }
        }
        guard merges.isEmpty || !table.isEmpty else { throw .malformed("no merge joins two tokens to a third") }
        return table
    }

    /// The byte of a token such as `<0x0A>`.
    private static func hexByte(_ name: [UInt8]) -> UInt8? {
        guard name.count == 6, name[0] == 0x3C, name[1] == 0x30, name[2] == 0x78, name[5] == 0x3E else { return nil }
        return UInt8(String(decoding: name[3...4], as: UTF8.self), radix: 16)
    }

    /// U+2581 stands for a space.
    private static func replacingMarker(_ name: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var i = 0
        while i < name.count {
            if i + 2 < name.count, name[i] == 0xE2, name[i + 1] == 0x96, name[i + 2] == 0x81 {
                out.append(0x20)
                i += 3
            } else {
                out.append(name[i])
                i += 1
            }
        }
        return out
    }
}

/// GPT-2's way to write every byte as a printable character.
enum ByteAlphabet {
    /// The code point of each byte.
    static let codes: [UInt32] = {
        var next: UInt32 = 256
        return (0..<256).map { (byte: UInt32) -> UInt32 in
            if (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte) { return byte }
            defer { next += 1 }
            return next
        }
    }()
    static let inverse: [UInt32: UInt8] = Dictionary(
        uniqueKeysWithValues: codes.enumerated().map { ($1, UInt8($0)) })
    static let encoded: [[UInt8]] = codes.map { code in Unicode.Scalar(code).map { Array(String($0).utf8) } ?? [] }

    static func encode(_ byte: UInt8) -> [UInt8] { encoded[Int(byte)] }

    /// The bytes that a token's text stands for; nil when a character is not of the alphabet.
    static func decode(_ name: [UInt8]) -> [UInt8]? {
        var out: [UInt8] = []
        for scalar in String(decoding: name, as: UTF8.self).unicodeScalars {
            guard let byte = inverse[scalar.value] else { return nil }
            out.append(byte)
        }
        return out
    }
}
