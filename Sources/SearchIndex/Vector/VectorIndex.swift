// SPDX-License-Identifier: Apache-2.0

import CKernels
public import CorpusStore
import Foundation

/// Exact search over one vector for each passage: float32, of length one, row-major, memory-mapped.
///
/// Scores are inner products, which for vectors of length one are cosines.
public final class VectorIndex: Sendable {
    static let kind = "vectors"
    static let version: UInt32 = 1

    /// The length of each vector.
    public let dimension: Int
    /// The number of vectors: the number of passages.
    public let count: Int
    private let file: SectionFile
    private let vectors: MappedArray<Float>
    private let range: Range<Int>

    /// Opens an index file. Blocks are checked when they are first read.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged.
    public init(path: String) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        let shape = try file.array("shape", of: UInt64.self)
        guard file.version == Self.version, shape.count == 2, let count = Int(exactly: shape[0]),
            let dimension = Int(exactly: shape[1]), dimension > 0, dimension <= 65536
        else { throw SearchIndexError.damaged("\(path): this is no vector index that this version reads") }
        vectors = try file.array("vectors", checking: false)
        range = try file.range(of: "vectors")
        guard vectors.count == count * dimension else {
            throw SearchIndexError.damaged("\(path): the vectors do not fit the shape \(count) × \(dimension)")
        }
        self.count = count
        self.dimension = dimension
    }

    /// The vector of a passage.
    /// - Throws: `CorpusError` when its block is damaged; `SearchIndexError` for a passage that is none.
    public func vector(at ordinal: PassageOrdinal) throws -> [Float] {
        let row = Int(ordinal)
        guard row < count else { throw SearchIndexError.invalidOption("there is no passage \(ordinal)") }
        try check(rows: row..<(row + 1))
        return Array(vectors.elements[(row * dimension)..<((row + 1) * dimension)])
    }

    private func check(rows: Range<Int>) throws {
        let width = dimension * 4
        try file.check((range.lowerBound + rows.lowerBound * width)..<(range.lowerBound + rows.upperBound * width))
    }

    /// The passages whose vectors have the largest inner products with the query's, at most `limit`, by descending score,
    /// equal scores by ascending ordinal.
    /// - Parameter scope: searches only these passages; nil for all.
    /// - Throws: `SearchIndexError` when the query has another dimension; `CorpusError` for damaged blocks.
    public func search(_ query: [Float], limit: Int, within scope: OrdinalSet? = nil) throws -> [ScoredPassage] {
        guard query.count == dimension else {
            throw SearchIndexError.encoderMismatch(
                "the query's vector has \(query.count) dimensions, the index \(dimension): it was made with another encoder")
        }
        guard limit > 0, count > 0 else { return [] }
        if let scope { return try searchScope(query, limit, scope) }
        try check(rows: 0..<count)
        guard let base = vectors.elements.baseAddress else { return [] }
        let scan = RowScan(rows: base, count: count, dimension: dimension)
        // Two threads pay from some megabytes on; below that one is done before the other wakes.
        let parts = count * dimension > 1 << 21 ? max(1, ProcessInfo.processInfo.activeProcessorCount) : 1
        guard parts > 1 else { return scan.top(query, limit, rows: 0..<count) }
        let results = Slots<[ScoredPassage]>(count: parts)
        let (total, query) = (count, query)
        DispatchQueue.concurrentPerform(iterations: parts) { part in
            results.set(part, scan.top(query, limit, rows: (total * part / parts)..<(total * (part + 1) / parts)))
        }
        return Array(results.values().flatMap { $0 }.sorted(by: ScoredPassage.ranksBefore).prefix(limit))
    }

    private func searchScope(_ query: [Float], _ limit: Int, _ scope: OrdinalSet) throws -> [ScoredPassage] {
        var heap = TopPassages(limit: limit)
        guard let base = vectors.elements.baseAddress else { return [] }
        for ordinal in scope.ordinals {
            guard Int(ordinal) < count else { break }
            try check(rows: Int(ordinal)..<(Int(ordinal) + 1))
            let score = forage_dot(query, base + Int(ordinal) * dimension, dimension)
            heap.offer(ScoredPassage(ordinal: ordinal, score: score))
        }
        return heap.ranked()
    }

    /// The cosine of a query's vector with each of some passages.
    public func scores(_ query: [Float], of ordinals: some Sequence<PassageOrdinal>) throws -> [Float] {
        guard query.count == dimension, let base = vectors.elements.baseAddress else {
            throw SearchIndexError.encoderMismatch("the query's vector has \(query.count) dimensions, the index \(dimension)")
        }
        return try ordinals.map { ordinal in
            guard Int(ordinal) < count else { throw SearchIndexError.invalidOption("there is no passage \(ordinal)") }
            try check(rows: Int(ordinal)..<(Int(ordinal) + 1))
            return forage_dot(query, base + Int(ordinal) * dimension, dimension)
        }
    }

    /// Checks the whole file, bit by bit.
    public func verify() throws { try file.verify() }

    /// Writes an index file row by row.
    public final class Writer {
        private let file: SectionFileWriter
        private let dimension: Int
        private var count = 0

        /// - Parameter dimension: the length of each vector.
        public init(path: String, dimension: Int) throws {
            file = try SectionFileWriter(path: path, kind: VectorIndex.kind, version: VectorIndex.version)
            self.dimension = dimension
            try file.begin("vectors")
        }

        /// Appends the next passages' vectors: whole rows, each of length one.
        public func append(_ rows: UnsafeBufferPointer<Float>) throws {
            precondition(rows.count % dimension == 0, "whole rows")
            count += rows.count / dimension
            try file.append(UnsafeRawBufferPointer(rows))
        }

        /// Ends the file.
        public func finish() throws {
            try file.end()
            try file.add("shape", [UInt64(count), UInt64(dimension)])
            try file.finish()
        }
    }
}

/// Rows of the mapped index, for the threads of one search. The index outlives the search that made this.
private struct RowScan: @unchecked Sendable {
    let rows: UnsafePointer<Float>
    let count: Int
    let dimension: Int

    func top(_ query: [Float], _ limit: Int, rows range: Range<Int>) -> [ScoredPassage] {
        var heap = TopPassages(limit: limit)
        var products = [Float](repeating: 0, count: 512)
        var start = range.lowerBound
        while start < range.upperBound {
            let size = min(512, range.upperBound - start)
            forage_dot_rows(query, rows + start * dimension, size, dimension, &products)
            for index in 0..<size where products[index] >= heap.threshold {
                heap.offer(ScoredPassage(ordinal: UInt32(start + index), score: products[index]))
            }
            start += size
        }
        return heap.ranked()
    }
}
