// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
public import Corpus
import Foundation
import Text

/// Why an index of token vectors could not be written or opened.
public enum LateInteractionError: Error, Equatable, Sendable, CustomStringConvertible {
    case system(path: String, reason: String)
    case malformed(path: String, reason: String)

    public var description: String {
        switch self {
        case .system(let path, let reason): "\(path): \(reason)"
        case .malformed(let path, let reason): "\(path): not an index of token vectors: \(reason)"
        }
    }
}

/// Token vectors of all passages of a corpus, memory-mapped, for re-ranking candidates by late interaction.
///
/// Layout, little-endian: a header of 64 bytes (magic, version, dimension, passages, tokens, checksums of the sections and of
/// the header), the first token of each passage (UInt64, one more than passages), the tokens' scales (Float), their
/// codes (`dimension` bytes a token).
public final class LateInteractionIndex: Sendable {
    static let magic: [UInt8] = Array("FORAGELI".utf8)
    static let version: UInt32 = 1
    static let headerBytes = 64

    public let path: String
    public let dimension: Int
    /// Passages; their ordinals are 0 to this.
    public let passageCount: Int
    public let tokenCount: Int
    private let file: MappedFile
    private var mapping: UnsafeRawBufferPointer { file.bytes }
    private let sectionChecksum: UInt32

    /// Maps an index and checks its header and the order of its offsets; ``verify()`` reads everything.
    public init(path: String) throws {
        self.path = path
        do {
            file = try MappedFile(path: path)
        } catch {
            throw LateInteractionError.system(path: path, reason: error.reason)
        }
        guard file.bytes.count >= Self.headerBytes + 8 else {
            throw LateInteractionError.malformed(path: path, reason: "only \(file.bytes.count) bytes long")
        }
        let header = try LateInteractionHeader(file.bytes, path: path)
        dimension = header.dimension
        passageCount = header.passages
        tokenCount = header.tokens
        sectionChecksum = header.sectionChecksum
    }

    /// Reads all bytes and compares their checksum.
    public func verify() throws {
        let body = UnsafeRawBufferPointer(rebasing: mapping[Self.headerBytes...])
        guard CRC32C.checksum(body) == sectionChecksum else {
            throw LateInteractionError.malformed(path: path, reason: "the checksum of its contents is wrong")
        }
    }

    /// The score of each passage; one that is out of range or has no token gets -infinity.
    public func scores(_ query: LateInteractionQuery, of passages: [PassageOrdinal]) -> [Float] {
        precondition(query.question.dimension == dimension, "a query of another encoder")
        var question = [Float](repeating: 0, count: query.question.count)
        var context = [Float](repeating: 0, count: query.context?.count ?? 0)
        return passages.map { ordinal in
            guard let tokens = tokens(of: Int(ordinal)) else { return -.infinity }
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
    ) -> [ScoredPassage] {
        let ranked = zip(candidates, scores(query, of: candidates)).map { ScoredPassage(ordinal: $0, score: $1) }
            .sorted(by: ScoredPassage.ranksBefore)
        return Array(ranked.prefix(max(limit, 0)))
    }

    /// The token vectors of a passage, without tokens for one that is out of range.
    public func tokenMatrix(of passage: PassageOrdinal) -> TokenMatrix {
        var matrix = TokenMatrix(dimension: dimension)
        guard let range = tokens(of: Int(passage)), let base = mapping.baseAddress else { return matrix }
        let scales = base + Self.headerBytes + (passageCount + 1) * 8
        let codes = scales + tokenCount * 4 + range.lowerBound * dimension
        matrix.append(
            codes: UnsafeBufferPointer(start: codes.assumingMemoryBound(to: Int8.self), count: range.count * dimension),
            scales: UnsafeBufferPointer(
                start: (scales + range.lowerBound * 4).assumingMemoryBound(to: Float.self), count: range.count))
        return matrix
    }

    // MARK: Matching

    private func match(_ query: TokenMatrix, _ tokens: Range<Int>, into best: inout [Float]) {
        guard let base = mapping.baseAddress, query.count > 0 else { return }
        let scales = base + Self.headerBytes + (passageCount + 1) * 8
        let codes = scales + tokenCount * 4 + tokens.lowerBound * dimension
        forage_maxsim_i8(
            query.codes, query.scales, query.count, codes.assumingMemoryBound(to: Int8.self),
            (scales + tokens.lowerBound * 4).assumingMemoryBound(to: Float.self), tokens.count, dimension, &best)
    }

    /// The tokens of a passage, or nil when it has none.
    private func tokens(of passage: Int) -> Range<Int>? {
        guard passage >= 0, passage < passageCount else { return nil }
        func start(_ index: Int) -> UInt64 {
            UInt64(
                littleEndian: mapping.loadUnaligned(
                    fromByteOffset: Self.headerBytes + index * 8, as: UInt64.self))
        }
        let (low, high) = (start(passage), start(passage + 1))
        // Checked here, at each use, so that opening an index of millions of passages reads none of them.
        guard low < high, high <= UInt64(tokenCount) else { return nil }
        return Int(low)..<Int(high)
    }

    /// The sum of the `count` largest values (nil: of all). Leaves them sorted where it has to choose.
    static func sumOfLargest(_ values: inout [Float], _ count: Int?) -> Float {
        guard let count, count < values.count else { return values.reduce(0, +) }
        values.sort(by: >)
        return values[..<max(count, 0)].reduce(0, +)
    }
}
