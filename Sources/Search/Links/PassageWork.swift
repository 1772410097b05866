// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus

extension CorpusReader {
    /// Passages that one thread takes at a time.
    private static let piece = 256

    /// Calls `work` with every passage, on all cores, and `take` with what it made of each, in order. Memory is bounded by
    /// what some thousands of passages make.
    /// - Parameter isCancelled: asked now and then; true ends the call with `CorpusError` `cancelled`.
    func mapPassages<Result: Sendable>(
        isCancelled: () -> Bool,
        _ work: @Sendable (_ ordinal: PassageOrdinal, _ text: UnsafeBufferPointer<UInt8>) -> Result,
        _ take: (_ ordinal: PassageOrdinal, _ result: Result) throws -> Void
    ) throws {
        let group = Self.piece * 8 * Parallel.width
        for start in stride(from: 0, to: passageCount, by: group) {
            if isCancelled() { throw CorpusError(.cancelled, "indexing was cancelled") }
            let end = min(start + group, passageCount)
            let pieces = stride(from: start, to: end, by: Self.piece).map { $0..<min($0 + Self.piece, end) }
            let results = try Parallel.map(pieces.count) { index in
                var made: [Result] = []
                made.reserveCapacity(pieces[index].count)
                let range = PassageOrdinal(pieces[index].lowerBound)..<PassageOrdinal(pieces[index].upperBound)
                try forEachPassage(in: range) { ordinal, _, text in made.append(work(ordinal, text)) }
                return made
            }
            for (piece, made) in zip(pieces, results) {
                for (ordinal, result) in zip(piece, made) { try take(PassageOrdinal(ordinal), result) }
            }
            try releaseTexts(of: PassageOrdinal(start)..<PassageOrdinal(end))
        }
    }
}

/// A set of hashes that most look-ups are not in: a table of bits says so at once.
struct SparseHashes: Sendable {
    private var bits = [UInt64](repeating: 0, count: 1 << 14)
    private(set) var hashes: Set<UInt64> = []

    mutating func insert(_ hash: UInt64) {
        guard hashes.insert(hash).inserted else { return }
        bits[Int(hash >> 50)] |= 1 << (hash & 63)
    }

    func contains(_ hash: UInt64) -> Bool {
        bits[Int(hash >> 50)] & (1 << (hash & 63)) != 0 && hashes.contains(hash)
    }
}
