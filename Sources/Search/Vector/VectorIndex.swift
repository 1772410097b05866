// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import COpenBLAS
public import Corpus
import Foundation

/// Exact nearest neighbours by inner product over memory-mapped vectors, one for each passage. Use from any number of
/// threads. Results are ordered by descending product, ties by ordinal.
public final class VectorIndex: Sendable {
    static let kind = "vectors"
    static let version: UInt32 = 2
    /// Rows that are scored before the best of them are kept: their products stay in the first-level cache.
    static let chunk = 512

    /// What the index says of itself.
    struct About: Codable, Sendable {
        var dimension: Int
        var count: Int
        var precision: VectorPrecision
    }

    /// The number of numbers in a vector.
    public let dimension: Int
    /// The number of vectors: ordinals are below it.
    public let count: Int
    /// How vectors are kept.
    public let precision: VectorPrecision

    private let file: SectionFile
    private let floats: MappedArray<Float>
    private let halves: MappedArray<UInt16>
    private let offset: Int

    /// Opens an index. Blocks are checked when they are first read.
    /// - Throws: `CorpusError`, `IndexError` `damaged`.
    public init(path: String) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        let about: About
        do {
            about = try JSONDecoder().decode(
                About.self, from: Data(try file.array("about", of: UInt8.self).elements))
        } catch is DecodingError {
            throw SearchIndexError.damaged("\(path): the description of the vector index cannot be read")
        }
        guard file.version == Self.version, about.dimension > 0, about.dimension <= 65_536, about.count >= 0 else {
            throw SearchIndexError.damaged(
                "\(path): vector index of version \(file.version), dimension \(about.dimension)")
        }
        floats = about.precision == .float32 ? try file.array("vectors", checking: false) : MappedArray()
        halves = about.precision == .float16 ? try file.array("vectors", checking: false) : MappedArray()
        guard max(floats.count, halves.count) == about.dimension * about.count else {
            throw SearchIndexError.damaged("\(path): the vectors do not fit their description")
        }
        offset = try file.range(of: "vectors").lowerBound
        dimension = about.dimension
        count = about.count
        precision = about.precision
    }

    /// The size of the file in bytes.
    public var byteCount: Int { file.file.bytes.count }

    /// Checks every block of the file.
    public func verify() throws { try file.verify() }

    private var rowBytes: Int { dimension * (precision == .float32 ? 4 : 2) }

    private func check(_ rows: Range<Int>) throws {
        try file.check((offset + rows.lowerBound * rowBytes)..<(offset + rows.upperBound * rowBytes))
    }

    /// The vector of a passage.
    public func vector(at ordinal: PassageOrdinal) throws -> [Float] {
        let row = Int(ordinal)
        guard row < count else { throw SearchIndexError.invalidOption("there is no passage \(ordinal)") }
        try check(row..<(row + 1))
        return (0..<dimension).map { number(row * dimension + $0) }
    }

    private func number(_ index: Int) -> Float {
        precision == .float32 ? floats.elements[index] : Self.float(halves.elements[index])
    }

    /// Calls `body` with the float32 rows of a range, for those who copy or convert them.
    func withRows<Result>(_ rows: Range<Int>, _ body: (UnsafeBufferPointer<Float>) throws -> Result) throws -> Result {
        try check(rows)
        let range = (rows.lowerBound * dimension)..<(rows.upperBound * dimension)
        if precision == .float32 { return try body(UnsafeBufferPointer(rebasing: floats.elements[range])) }
        let copy = range.map { Self.float(halves.elements[$0]) }
        return try copy.withUnsafeBufferPointer { try body($0) }
    }

    private static func float(_ half: UInt16) -> Float {
        let sign: Float = half & 0x8000 == 0 ? 1 : -1
        let exponent = Int(half >> 10 & 31)
        let mantissa = Float(half & 1023)
        if exponent == 0 { return sign * mantissa * 0x1p-24 }
        if exponent == 31 { return mantissa == 0 ? sign * .infinity : .nan }
        return sign * (1 + mantissa / 1024) * Float(sign: .plus, exponent: exponent - 15, significand: 1)
    }

    // MARK: Search

    private func validate(_ query: [Float]) throws {
        guard query.count == dimension else {
            throw SearchIndexError.encoderMismatch(
                "the query's vector has \(query.count) dimensions, the index \(dimension): it was made with another encoder"
            )
        }
    }

    /// The passages whose vectors have the largest inner products with `query`, at most `limit`.
    /// - Parameters:
    ///   - scope: the passages to search within, without looking at the rest; nil for all.
    ///   - threads: how many cores one large search may use. Default: all.
    public func search(
        _ query: [Float], limit: Int, within scope: OrdinalSet? = nil, threads: Int? = nil
    ) throws -> [ScoredPassage] {
        try validate(query)
        guard limit > 0 else { return [] }
        if let scope { return try search(query, limit: limit, members: scope.ordinals) }
        // A second thread pays from some megabytes on.
        let width = count * rowBytes < 4 << 20 ? 1 : threads ?? Parallel.width
        let ranges = Parallel.ranges(count, step: Self.chunk, width: width)
        let parts = try Parallel.map(ranges.count) { part in
            var top = TopPassages(capacity: min(limit, self.count))
            try self.scan(query, ranges[part], into: &top)
            return top.finish()
        }
        if parts.count == 1 { return parts[0] }
        return Array(parts.joined().sorted(by: ScoredPassage.ranksBefore).prefix(limit))
    }

    private func scan(_ query: [Float], _ rows: Range<Int>, into top: inout TopPassages) throws {
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: Self.chunk) { products in
            for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.chunk) {
                let end = min(start + Self.chunk, rows.upperBound)
                try check(start..<end)
                if precision == .float32 {
                    forage_dot_rows_f32(
                        floats.elements.baseAddress.map { $0 + start * dimension }, end - start, dimension, query,
                        products.baseAddress)
                } else {
                    forage_dot_rows_f16(
                        halves.elements.baseAddress.map { $0 + start * dimension }, end - start, dimension, query,
                        products.baseAddress)
                }
                top.offer(UnsafeBufferPointer(rebasing: products[..<(end - start)]), first: UInt32(start))
            }
        }
    }

    private func search(_ query: [Float], limit: Int, members: [UInt32]) throws -> [ScoredPassage] {
        var top = TopPassages(capacity: min(limit, members.count))
        let scores = try products(of: query, with: members)
        let known = members.prefix { Int($0) < count }
        scores.withUnsafeBufferPointer { scores in
            known.withUnsafeBufferPointer { top.offer(scores, ordinals: $0) }
        }
        return top.finish()
    }

    /// The inner products of a query with the vectors of passages; those not below `count` are left out at the end.
    /// - Precondition: `ordinals` is ascending where some are out of range.
    func products(of query: [Float], with ordinals: [UInt32]) throws -> [Float] {
        let known = ordinals.prefix { Int($0) < count }
        for ordinal in known { try check(Int(ordinal)..<(Int(ordinal) + 1)) }
        return [Float](unsafeUninitializedCapacity: known.count) { products, initialized in
            if precision == .float32 {
                known.withUnsafeBufferPointer {
                    forage_dot_gather_f32(
                        floats.elements.baseAddress, $0.baseAddress, $0.count, dimension, query, products.baseAddress)
                }
            } else {
                for (index, ordinal) in known.enumerated() {
                    forage_dot_rows_f16(
                        halves.elements.baseAddress.map { $0 + Int(ordinal) * dimension }, 1, dimension, query,
                        products.baseAddress.map { $0 + index })
                }
            }
            initialized = known.count
        }
    }

    /// The inner product of a query's vector with each of some passages.
    public func scores(_ query: [Float], of ordinals: some Sequence<PassageOrdinal>) throws -> [Float] {
        try validate(query)
        let ordinals = Array(ordinals)
        guard ordinals.allSatisfy({ Int($0) < count }) else {
            throw SearchIndexError.invalidOption("a passage is not below \(count)")
        }
        return try products(of: query, with: ordinals)
    }

    /// Searches with several queries at once: blocks of vectors are read once for all, as matrix products.
    /// Gives the passages and scores of single searches.
    public func search(
        _ queries: [[Float]], limit: Int, within scope: OrdinalSet? = nil, threads: Int? = nil
    ) throws -> [[ScoredPassage]] {
        for query in queries { try validate(query) }
        if scope != nil || precision != .float32 || queries.count < 4 || limit <= 0 {
            return try Parallel.map(queries.count) {
                try self.search(queries[$0], limit: limit, within: scope, threads: 1)
            }
        }
        var results: [[ScoredPassage]] = []
        for start in stride(from: 0, to: queries.count, by: 128) {
            results += try searchBlock(
                Array(queries[start..<min(start + 128, queries.count)]), limit: limit,
                threads: threads ?? Parallel.width)
        }
        return results
    }

    /// Rows in one matrix product.
    private static let blockRows = 1024

    private func searchBlock(_ queries: [[Float]], limit: Int, threads: Int) throws -> [[ScoredPassage]] {
        let matrix = queries.flatMap { $0 }
        // Products of matrices round otherwise than single ones: a few more are taken and scored again.
        let room = min(limit + 8, count)
        let ranges = Parallel.ranges(count, step: Self.blockRows, width: threads)
        let parts = try Parallel.map(ranges.count) { part in
            var tops = queries.map { _ in TopPassages(capacity: room) }
            let rows = Self.blockRows
            try withUnsafeTemporaryAllocation(of: Float.self, capacity: rows * queries.count) { products in
                for start in stride(from: ranges[part].lowerBound, to: ranges[part].upperBound, by: rows) {
                    let size = min(rows, ranges[part].upperBound - start)
                    try self.check(start..<(start + size))
                    cblas_sgemm(
                        CblasRowMajor, CblasNoTrans, CblasTrans, Int32(queries.count), Int32(size),
                        Int32(self.dimension), 1,
                        matrix, Int32(self.dimension),
                        self.floats.elements.baseAddress.map { $0 + start * self.dimension },
                        Int32(self.dimension), 0, products.baseAddress, Int32(rows))
                    for query in queries.indices {
                        tops[query].offer(
                            UnsafeBufferPointer(rebasing: products[(query * rows)..<(query * rows + size)]),
                            first: UInt32(start))
                    }
                }
            }
            return tops.map { top in
                var top = top
                return top.finish()
            }
        }
        return try queries.indices.map { query in
            let ordinals = parts.flatMap { $0[query].map(\.ordinal) }.sorted()
            let products = try products(of: queries[query], with: ordinals)
            let scored = zip(ordinals, products).map { ScoredPassage(ordinal: $0, score: $1) }
            return Array(scored.sorted(by: ScoredPassage.ranksBefore).prefix(limit))
        }
    }
}
