// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import Corpus
import Foundation
import Synchronization

/// Approximate nearest neighbours: a hierarchical navigable small world graph (Malkov and Yashunin 2018), memory-mapped,
/// beside a vector index.
///
/// The graph is walked over vectors of int8, a quarter of the memory traffic of floats; what it finds is scored again
/// with the vectors of the index. Searches within a small scope look at the scope's vectors instead, which is exact.
/// Use from any number of threads.
public final class GraphIndex: Sendable {
    static let kind = "graph"
    static let version: UInt32 = 2

    /// What the index says of itself.
    struct About: Codable, Sendable {
        var count: Int
        var dimension: Int
        var width: Int
        var entry: Int
        var scale: Float
        var effort: Int
        var seed: UInt64
    }

    /// How a search trades speed for recall.
    public struct SearchOptions: Sendable, Hashable {
        /// How many of the best nodes are kept while walking (ef). Default: 64.
        public var effort: Int
        /// Scopes of at most this many passages are searched exactly, and so are those of less than a twentieth of all.
        /// Default: 4,096.
        public var exactScope: Int

        public init(effort: Int = 64, exactScope: Int = 4096) {
            self.effort = effort
            self.exactScope = exactScope
        }
    }

    /// The vectors that decide.
    public let vectors: VectorIndex
    let about: About
    let codes: MappedArray<Int8>
    let links: MappedArray<UInt32>
    let upper: MappedArray<UInt32>
    let upperStarts: MappedArray<UInt32>
    let levels: MappedArray<UInt8>
    let copies: MappedArray<UInt32>
    private let file: SectionFile
    private let idle = Mutex<[GraphScratch]>([])

    /// Opens a graph over `vectors`.
    /// - Throws: `CorpusError`, `SearchIndexError` when it is damaged or belongs to other vectors.
    public init(path: String, vectors: VectorIndex) throws {
        file = try SectionFile(path: path, kind: Self.kind)
        guard file.version == Self.version else {
            throw SearchIndexError.damaged(
                "\(path): the graph has version \(file.version); build it anew with `forage index`")
        }
        do {
            about = try JSONDecoder().decode(About.self, from: Data(try file.array("about", of: UInt8.self).elements))
        } catch is DecodingError {
            throw SearchIndexError.damaged("\(path): the description of the graph cannot be read")
        }
        self.vectors = vectors
        codes = try file.array("codes")
        links = try file.array("links")
        upper = try file.array("upper")
        upperStarts = try file.array("upper.starts")
        levels = try file.array("levels")
        copies = try file.array("copies")
        let (count, width) = (about.count, about.width)
        guard count > 0, width > 0, width <= 256, about.entry >= 0, about.entry < count, about.dimension > 0,
            codes.count == count * about.dimension, links.count == count * 2 * width, levels.count == count,
            upperStarts.count == count + 1, Int(upperStarts[count]) * width == upper.count,
            (0..<count).allSatisfy({ Int(upperStarts[$0]) + Int(levels[$0]) == Int(upperStarts[$0 + 1]) }),
            copies.count == 0 || copies.count == count,
            copies.elements.indices.allSatisfy({ copies[$0] == .max || copies[$0] > $0 && copies[$0] < count }),
            about.scale.isFinite, about.scale > 0
        else { throw SearchIndexError.damaged("\(path): the graph's sections do not fit together") }
        guard vectors.count == count, vectors.dimension == about.dimension else {
            throw SearchIndexError.damaged(
                "\(path): a graph of \(count) × \(about.dimension) for vectors of \(vectors.count) × \(vectors.dimension)"
            )
        }
    }

    /// The number of vectors.
    public var count: Int { about.count }
    /// The size of the file in bytes.
    public var byteCount: Int { file.file.bytes.count }

    /// Checks the whole file, bit by bit.
    public func verify() throws { try file.verify() }

    private func withGraph<Result>(_ body: (inout forage_graph) throws -> Result) throws -> Result {
        guard let codes = codes.elements.baseAddress, let links = links.elements.baseAddress,
            let starts = upperStarts.elements.baseAddress, let levels = levels.elements.baseAddress
        else { throw SearchIndexError.damaged("\(file.file.path): the graph is empty") }
        // Searches only read; the kernels' view is shared with the builder, which writes. A graph without upper layers
        // never reads them.
        var graph = forage_graph(
            codes: codes, links: UnsafeMutablePointer(mutating: links),
            upper: UnsafeMutablePointer(mutating: upper.elements.baseAddress ?? links), upper_at: starts,
            levels: levels, copies: copies.elements.baseAddress,
            count: UInt32(about.count), dimension: UInt32(about.dimension), width: UInt32(about.width),
            entry: UInt32(about.entry))
        return try body(&graph)
    }

    /// The passages with the largest inner products, at most `limit`, nearly: best first, ties by ordinal.
    /// - Parameter scope: finds only these passages; nil for all.
    public func search(
        _ query: [Float], limit: Int, within scope: OrdinalSet? = nil, options: SearchOptions = SearchOptions()
    ) throws -> [ScoredPassage] {
        guard query.count == about.dimension else {
            throw SearchIndexError.encoderMismatch(
                "the query's vector has \(query.count) dimensions, the graph \(about.dimension)")
        }
        guard limit > 0 else { return [] }
        if let scope, scope.count <= max(options.exactScope, count / 20) {
            return try vectors.search(query, limit: limit, within: scope)
        }
        // The rarer the members, the more nodes are passed on the way to enough of them.
        let share = scope.map { Double($0.count) / Double(count) } ?? 1
        let effort = Int(Double(max(options.effort, limit)) * min(8, max(1, 0.5 / share)))
        let members = scope.map { Self.bits($0, count: count) }
        let wide = Self.wide(query)
        let scratch = try idle.withLock { $0.popLast() } ?? GraphScratch(count: count)
        defer { idle.withLock { if $0.count < 64 { $0.append(scratch) } } }
        var found: UInt32 = 0
        let room = min(effort, count)
        let hits = try withGraph { graph in
            [forage_graph_hit](unsafeUninitializedCapacity: room) { hits, initialized in
                guard let base = hits.baseAddress else { return }
                if let members {
                    found = members.withUnsafeBufferPointer {
                        forage_graph_search(
                            &graph, wide, UInt32(effort), $0.baseAddress, UInt32(room), base, scratch.pointer)
                    }
                } else {
                    found = forage_graph_search(
                        &graph, wide, UInt32(effort), nil, UInt32(room), base, scratch.pointer)
                }
                initialized = found == .max ? 0 : Int(found)
            }
        }
        guard found != .max else { throw CorpusError(.system, "no memory for a graph search") }
        // int8 puts near neighbours in the wrong order: twice as many as asked for, and some, are scored again.
        let best = hits.prefix(max(2 * limit + 8, limit)).map(\.node).sorted()
        return try vectors.search(query, limit: limit, within: OrdinalSet(ascending: best))
    }

    /// Searches with several queries on all cores.
    public func search(
        _ queries: [[Float]], limit: Int, within scope: OrdinalSet? = nil, options: SearchOptions = SearchOptions()
    ) throws -> [[ScoredPassage]] {
        try Parallel.map(queries.count, minimum: 4) {
            try self.search(queries[$0], limit: limit, within: scope, options: options)
        }
    }

    /// A query as the kernels take it: scaled to -127...127 and rounded.
    static func wide(_ query: [Float]) -> [Int16] {
        let largest = query.reduce(Float(0)) { max($0, abs($1)) }
        guard largest > 0, largest.isFinite else { return [Int16](repeating: 0, count: query.count) }
        let factor = 127 / largest
        return query.map { Int16(($0 * factor).rounded()) }
    }

    private static func bits(_ scope: OrdinalSet, count: Int) -> [UInt64] {
        var bits = [UInt64](repeating: 0, count: count / 64 + 1)
        for ordinal in scope.ordinals {
            guard Int(ordinal) < count else { break }
            bits[Int(ordinal / 64)] |= 1 << UInt64(ordinal % 64)
        }
        return bits
    }
}

/// A thread's memory for graph searches.
final class GraphScratch: @unchecked Sendable {
    // Sendable: used by one thread at a time: a search takes it out of the pool.
    let pointer: OpaquePointer

    init(count: Int) throws {
        guard let pointer = forage_graph_scratch_create(UInt32(count)) else {
            throw CorpusError(.system, "no memory for a graph search")
        }
        self.pointer = pointer
    }

    deinit { forage_graph_scratch_free(pointer) }
}
