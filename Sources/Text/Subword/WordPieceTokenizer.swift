// SPDX-License-Identifier: Apache-2.0

/// BERT's tokenizer: basic words, then the longest pieces of the vocabulary from left to right (WordPiece).
/// Gives the ids that the `tokenizers` library gives for the same files.
public struct WordPieceTokenizer: Sendable {
    /// A text as a sequence of pieces.
    public struct Encoding: Sendable, Hashable {
        /// Ids of pieces, with the special ones where asked for.
        public var ids: [Int32]
        /// For each piece the UTF-8 byte range of the text that it stands for; empty for special pieces.
        public var offsets: [Range<Int>]
        /// 0 for the first text and 1 for the second of a pair.
        public var typeIDs: [Int32]

        public init(ids: [Int32] = [], offsets: [Range<Int>] = [], typeIDs: [Int32] = []) {
            self.ids = ids
            self.offsets = offsets
            self.typeIDs = typeIDs
        }

        /// Pieces, special ones included.
        public var count: Int { ids.count }
    }

    /// The settings that a tokenizer's files carry.
    public struct Options: Sendable, Hashable {
        public var lowercases = true
        /// nil: as `lowercases`.
        public var stripsAccents: Bool?
        public var separatesChinese = true
        public var cleansText = true
        public var continuingPrefix = "##"
        public var unknown = "[UNK]"
        public var start = "[CLS]"
        public var separator = "[SEP]"
        public var padding = "[PAD]"
        /// Words of more characters become one unknown piece.
        public var longestWord = 100

        public init() {}
    }

    public let options: Options
    /// How many ids there are.
    public var vocabularySize: Int { vocabulary.pieces.count }
    public let startID: Int32
    public let separatorID: Int32
    public let paddingID: Int32
    public let unknownID: Int32

    let vocabulary: WordPieceVocabulary
    let normalizer: BERTNormalizer
    /// Special pieces that are recognised in a text as they stand, longest first.
    let specials: [(utf8: [UInt8], id: Int32)]

    /// - Parameters:
    ///   - pieces: the vocabulary; the index is the id.
    ///   - specials: pieces recognised in a text as they stand; by default the options' special pieces and "[MASK]".
    /// - Throws: ``WordPieceError/missingSpecialPiece`` when the vocabulary lacks a special piece.
    public init(pieces: [String], options: Options = Options(), specials: [String]? = nil) throws(WordPieceError) {
        self.options = options
        let vocabulary = WordPieceVocabulary(pieces: pieces, continuingPrefix: options.continuingPrefix)
        func special(_ piece: String) throws(WordPieceError) -> Int32 {
            guard let id = vocabulary.id(of: piece) else { throw .missingSpecialPiece(piece) }
            return id
        }
        startID = try special(options.start)
        separatorID = try special(options.separator)
        paddingID = try special(options.padding)
        unknownID = try special(options.unknown)
        self.vocabulary = vocabulary
        normalizer = BERTNormalizer(
            lowercases: options.lowercases, stripsAccents: options.stripsAccents ?? options.lowercases,
            separatesChinese: options.separatesChinese, cleans: options.cleansText)
        let names = specials ?? [options.start, options.separator, options.padding, options.unknown, "[MASK]"]
        self.specials = names.compactMap { name in
            vocabulary.id(of: name).map { (utf8: Array(name.utf8), id: $0) }
        }.filter { !$0.utf8.isEmpty }.sorted { $0.utf8.count > $1.utf8.count }
    }

    /// The piece of an id, or nil for an id out of range.
    public func piece(_ id: Int32) -> String? {
        vocabulary.pieces.indices.contains(Int(id)) ? vocabulary.pieces[Int(id)] : nil
    }

    /// The id of a piece spelled with its prefix ("##ing").
    public func id(of piece: String) -> Int32? { vocabulary.id(of: piece) }

    /// Encodes a text.
    /// - Parameters:
    ///   - maximumLength: pieces at most, special ones included; the text is cut at its end. nil: no limit.
    ///   - addingSpecials: puts the start piece before and the separator after the text. Default: true.
    public func encode(_ text: String, maximumLength: Int? = nil, addingSpecials: Bool = true) -> Encoding {
        let added = addingSpecials ? 2 : 0
        let limit = maximumLength.map { max($0 - added, 0) } ?? .max
        var encoding = Encoding()
        if addingSpecials { encoding.append(startID) }
        appendPieces(of: text, limit: limit, type: 0, to: &encoding)
        if addingSpecials { encoding.append(separatorID) }
        return encoding
    }

    /// Encodes a pair (question and passage, say): start, first, separator, second, separator. Where they are too
    /// long together, only the second is cut (the first alone never takes more than the limit less three).
    public func encode(_ first: String, _ second: String, maximumLength: Int? = nil) -> Encoding {
        var encoding = Encoding()
        encoding.append(startID)
        let limit = maximumLength.map { max($0 - 3, 0) } ?? .max
        appendPieces(of: first, limit: limit, type: 0, to: &encoding)
        let used = encoding.count - 1
        encoding.append(separatorID)
        appendPieces(of: second, limit: limit == .max ? .max : limit - used, type: 1, to: &encoding)
        encoding.append(separatorID, type: 1)
        return encoding
    }

    /// The pieces of ids as strings, for people to read.
    public func pieces(_ ids: [Int32]) -> [String] {
        ids.map { piece($0) ?? options.unknown }
    }
}

extension WordPieceTokenizer.Encoding {
    mutating func append(_ id: Int32, offsets range: Range<Int> = 0..<0, type: Int32 = 0) {
        ids.append(id)
        offsets.append(range)
        typeIDs.append(type)
    }
}

/// Why a tokenizer could not be made.
public enum WordPieceError: Error, Equatable, Sendable, CustomStringConvertible {
    case missingSpecialPiece(String)
    case unreadable(path: String, reason: String)
    case malformed(path: String, reason: String)

    public var description: String {
        switch self {
        case .missingSpecialPiece(let piece): "the vocabulary has no piece \"\(piece)\""
        case .unreadable(let path, let reason): "\(path): \(reason)"
        case .malformed(let path, let reason): "\(path): not a WordPiece tokenizer: \(reason)"
        }
    }
}
