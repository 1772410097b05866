// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
public import Corpus
import Foundation
import Text

/// Token vectors of all passages of a corpus, memory-mapped, for re-ranking candidates by late interaction.
///
/// A section file: what it is (`about`), the first token of each passage (`starts`: UInt64, one more than passages), the
/// tokens' scales (Float) and their codes (`dimension` bytes a token). Blocks are checked when they are first read. Use
/// from any number of threads.
public final class LateInteractionIndex: Sendable {
    static let kind = "late"
    static let version: UInt32 = 2

    /// What the index says of itself.
    struct About: Codable, Sendable {
        var dimension: Int
        var passages: Int
        var tokens: Int
    }

    public let path: String
    public let dimension: Int
    /// Passages; their ordinals are 0 to this.
    public let passageCount: Int
    public let tokenCount: Int
    private let file: SectionFile
    private let starts: MappedArray<UInt64>
    private let scales: MappedArray<Float>
    private let codes: MappedArray<Int8>
    private let places: (starts: Int, scales: Int, codes: Int)

    /// Maps an index and checks its structure.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged, or was written by an earlier version.
    public init(path: String) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        guard file.version == Self.version else {
            throw SearchIndexError.damaged(
                "\(path): the token vectors have version \(file.version); build them anew with `forage index`")
        }
        let about: About
        do {
            about = try JSONDecoder().decode(About.self, from: Data(try file.array("about", of: UInt8.self).elements))
        } catch is DecodingError {
            throw SearchIndexError.damaged("\(path): the description of the token vectors cannot be read")
        }
        starts = try file.array("starts", checking: false)
        scales = try file.array("scales", checking: false)
        codes = try file.array("codes", checking: false)
        guard (1...65_536).contains(about.dimension), about.passages >= 0, about.passages < Int(Int32.max),
            starts.count == about.passages + 1, about.tokens >= 0, scales.count == about.tokens,
            codes.count % about.dimension == 0, codes.count / about.dimension == about.tokens
        else { throw SearchIndexError.damaged("\(path): the token vectors do not fit their description") }
        self.path = path
        (dimension, passageCount, tokenCount) = (about.dimension, about.passages, about.tokens)
        places = (
            try file.range(of: "starts").lowerBound, try file.range(of: "scales").lowerBound,
            try file.range(of: "codes").lowerBound
        )
    }

    /// Reads all bytes and compares their checksums; checks that passages follow each other.
    public func verify() throws {
        try file.verify()
        var last: UInt64 = 0
        for start in starts.elements {
            guard start >= last, start <= UInt64(tokenCount) else { throw misplaced() }
            last = start
        }
    }

    /// Refuses to go on where the file was made shorter while it was in use.
    func checkWhole() throws { try file.checkWhole() }

    /// Refuses a file that is not the one that the manifest lists.
    func expect(_ listed: GenerationManifest.File) throws { try file.expect(listed) }

    private func misplaced() -> SearchIndexError {
        SearchIndexError.damaged("\(path): the tokens of a passage are out of range")
    }

    /// The score of each passage; one that is out of range or has no token gets -infinity.
    /// - Throws: `CorpusError` or `SearchIndexError` when the part that is read is damaged, or for a query of another
    ///   encoder.
    public func scores(_ query: LateInteractionQuery, of passages: [PassageOrdinal]) throws -> [Float] {
        guard query.question.dimension == dimension else {
            throw SearchIndexError.encoderMismatch(
                "token vectors of \(query.question.dimension) numbers for an index of \(dimension)")
        }
        var question = [Float](repeating: 0, count: query.question.count)
        var context = [Float](repeating: 0, count: query.context?.count ?? 0)
        return try passages.map { ordinal in
            guard let tokens = try tokens(of: Int(ordinal)) else { return -.infinity }
            match(query.question, tokens, into: &question)
            var score = Self.sumOfLargest(&question, query.questionTokens)
            if let matrix = query.context, matrix.count >= query.contextTokens {
                match(matrix, tokens, into: &context)
                score += Self.sumOfLargest(&context, query.contextTokens)
            }
            return score
        }
    }

    /// The candidates in the order of their late-interaction scores, ties by ordinal; `limit` at most.
    public func rerank(
        _ candidates: [PassageOrdinal], by query: LateInteractionQuery, limit: Int = .max
    ) throws -> [ScoredPassage] {
        let ranked = zip(candidates, try scores(query, of: candidates))
            .map { ScoredPassage(ordinal: $0, score: $1) }.sorted(by: ScoredPassage.ranksBefore)
        return Array(ranked.prefix(max(limit, 0)))
    }

    /// The token vectors of a passage, without tokens for one that is out of range.
    public func tokenMatrix(of passage: PassageOrdinal) throws -> TokenMatrix {
        var matrix = TokenMatrix(dimension: dimension)
        guard let range = try tokens(of: Int(passage)) else { return matrix }
        matrix.append(
            codes: UnsafeBufferPointer(
                rebasing: codes.elements[(range.lowerBound * dimension)..<(range.upperBound * dimension)]),
            scales: UnsafeBufferPointer(rebasing: scales.elements[range]))
        return matrix
    }

    // MARK: Matching

    private func match(_ query: TokenMatrix, _ tokens: Range<Int>, into best: inout [Float]) {
        guard let codes = codes.elements.baseAddress, let scales = scales.elements.baseAddress, query.count > 0 else {
            return
        }
        forage_maxsim_i8(
            query.codes, query.scales, query.count, codes + tokens.lowerBound * dimension, scales + tokens.lowerBound,
            tokens.count, dimension, &best)
    }

    /// The tokens of a passage, whose blocks have been checked; nil when it has none.
    private func tokens(of passage: Int) throws -> Range<Int>? {
        guard passage >= 0, passage < passageCount else { return nil }
        try file.check((places.starts + passage * 8)..<(places.starts + (passage + 2) * 8))
        let (low, high) = (starts[passage], starts[passage + 1])
        guard low <= high, high <= UInt64(tokenCount) else { throw misplaced() }
        guard low < high else { return nil }
        let range = Int(low)..<Int(high)
        try file.check((places.scales + range.lowerBound * 4)..<(places.scales + range.upperBound * 4))
        try file.check(
            (places.codes + range.lowerBound * dimension)..<(places.codes + range.upperBound * dimension))
        return range
    }

    /// The sum of the `count` largest values (nil: of all). Leaves them sorted where it has to choose.
    static func sumOfLargest(_ values: inout [Float], _ count: Int?) -> Float {
        guard let count, count < values.count else { return values.reduce(0, +) }
        values.sort(by: >)
        return values[..<max(count, 0)].reduce(0, +)
    }
}
