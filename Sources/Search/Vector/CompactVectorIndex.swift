// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import Corpus
import Foundation

/// Vectors of int8 with a scale for each, scanned in place of the floats: a quarter of the memory traffic. The best are
/// scored again with the floats, so that only a neighbour that falls out of the first choice is lost.
public final class CompactVectorIndex: Sendable {
    static let kind = "vectors.int8"
    static let version: UInt32 = 1

    /// The vectors that decide.
    public let exact: VectorIndex
    /// How many candidates are scored again for each passage asked for. Default: 4.
    public let oversampling: Int
    private let file: SectionFile
    private let bytes: MappedArray<Int8>
    private let scales: MappedArray<Float>

    /// Writes the compact form of an index.
    public static func build(from exact: VectorIndex, path: String) throws {
        let file = try SectionFileWriter(path: path, kind: kind, version: version)
        var scales: [Float] = []
        scales.reserveCapacity(exact.count)
        var row = [Int8](repeating: 0, count: exact.dimension)
        try file.begin("bytes")
        for start in stride(from: 0, to: exact.count, by: VectorIndex.chunk) {
            let end = min(start + VectorIndex.chunk, exact.count)
            try exact.withRows(start..<end) { rows in
                for index in 0..<(end - start) {
                    scales.append(
                        forage_quantize_i8(rows.baseAddress.map { $0 + index * exact.dimension }, exact.dimension, &row)
                    )
                    try row.withUnsafeBytes { try file.append($0) }
                }
            }
        }
        try file.end()
        try file.add("scales", scales)
        try file.finish()
    }

    /// Opens the compact form of `exact`.
    public init(path: String, exact: VectorIndex, oversampling: Int = 4) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        bytes = try file.array("bytes", checking: false)
        scales = try file.array("scales")
        self.exact = exact
        self.oversampling = max(1, oversampling)
        guard file.version == Self.version, scales.count == exact.count, bytes.count == exact.count * exact.dimension
        else {
            throw SearchIndexError.damaged("\(path): the compact vectors do not fit the index")
        }
        try file.check(try file.range(of: "bytes"))
    }

    /// Checks all bytes against the checksums.
    public func verify() throws { try file.verify() }

    /// The passages with the largest inner products, at most `limit`; see ``VectorIndex``.
    public func search(
        _ query: [Float], limit: Int, within scope: OrdinalSet? = nil, threads: Int? = nil
    ) throws -> [ScoredPassage] {
        guard query.count == exact.dimension else {
            throw SearchIndexError.encoderMismatch(
                "a query of \(query.count) numbers for vectors of \(exact.dimension)")
        }
        if scope != nil || limit * oversampling >= exact.count {
            return try exact.search(query, limit: limit, within: scope)
        }
        var quantized = [Int8](repeating: 0, count: query.count)
        let scale = forage_quantize_i8(query, query.count, &quantized)
        let words = quantized.map { Int16($0) }
        let dimension = exact.dimension
        let width = bytes.count < 4 << 20 ? 1 : threads ?? Parallel.width
        let ranges = Parallel.ranges(exact.count, step: VectorIndex.chunk, width: width)
        let parts = try Parallel.map(ranges.count) { part in
            var top = TopPassages(capacity: limit * self.oversampling)
            withUnsafeTemporaryAllocation(of: Float.self, capacity: VectorIndex.chunk) { products in
                for start in stride(from: ranges[part].lowerBound, to: ranges[part].upperBound, by: VectorIndex.chunk) {
                    let end = min(start + VectorIndex.chunk, ranges[part].upperBound)
                    forage_dot_rows_i8(
                        self.bytes.elements.baseAddress.map { $0 + start * dimension },
                        self.scales.elements.baseAddress.map { $0 + start }, end - start, dimension, words, scale,
                        products.baseAddress)
                    top.offer(UnsafeBufferPointer(rebasing: products[..<(end - start)]), first: UInt32(start))
                }
            }
            return top.finish()
        }
        let best = parts.joined().sorted(by: ScoredPassage.ranksBefore).prefix(limit * oversampling).map(\.ordinal)
            .sorted()
        return try exact.search(query, limit: limit, within: OrdinalSet(ascending: best))
    }
}
