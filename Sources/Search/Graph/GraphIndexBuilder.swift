// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Corpus
import Dispatch
import Foundation
import Synchronization
import TensorMath
import Text

/// Builds the graph over a vector index on all cores, or extends one by the vectors that came after it was built.
///
/// With one thread the same vectors give the same graph; with several the links differ from run to run, as those of all
/// parallel builders do, and recall does not.
public struct GraphIndexBuilder: Sendable {
    /// Links a node keeps in the upper layers (M); twice as many in the lowest. Default: 16.
    public var width = 16
    /// How many of the best nodes are kept while a node's neighbours are sought (efConstruction). Default: 100.
    public var effort = 100
    /// Of the nodes' levels. Default: 1.
    public var seed: UInt64 = 1
    /// Default: all cores.
    public var threads: Int?
    /// Asked now and then; true ends the build with `CorpusError` `cancelled`.
    public var isCancelled: @Sendable () -> Bool = { false }

    public init() {}

    /// Writes the graph over all vectors of an index.
    /// - Parameter old: a graph over the first vectors of `vectors`, whose links are kept and extended.
    public func build(_ vectors: VectorIndex, extending old: GraphIndex? = nil, path: String) throws {
        guard vectors.count > 0, width > 1, width <= 256, effort > 0 else {
            throw SearchIndexError.invalidOption("a graph needs vectors, a width from 2 to 256 and an effort")
        }
        if let old, old.count > vectors.count || old.about.dimension != vectors.dimension || old.about.width != width {
            throw SearchIndexError.invalidOption(
                "the graph to extend was built over other vectors or with another width")
        }
        let storage = try GraphStorage(vectors: vectors, width: width, seed: seed, old: old)
        try insertAll(into: storage, from: old?.count ?? 0)
        let file = try SectionFileWriter(path: path, kind: GraphIndex.kind, version: GraphIndex.version)
        try storage.write(
            to: file, effort: effort, seed: seed)
        try file.finish()
    }

    private func insertAll(into storage: GraphStorage, from first: Int) throws {
        let count = storage.count
        var start = first
        // The first nodes go in one after the other, so that threads have something to search.
        let alone = min(count, max(first, 512))
        let scratch = try GraphScratch(count: count)
        while start < alone {
            try storage.insert(UInt32(start), effort: effort, scratch: scratch)
            start += 1
        }
        let width = max(1, threads ?? Parallel.width)
        let next = Atomic<Int>(start)
        let failure = Mutex<(any Error)?>(nil)
        let stopped = Atomic<Bool>(false)
        DispatchQueue.concurrentPerform(iterations: width) { _ in
            do {
                let scratch = try GraphScratch(count: count)
                while !stopped.load(ordering: .relaxed) {
                    let from = next.wrappingAdd(64, ordering: .relaxed).oldValue
                    guard from < count else { return }
                    if isCancelled() { throw CorpusError(.cancelled, "indexing was cancelled") }
                    for node in from..<min(from + 64, count) {
                        try storage.insert(UInt32(node), effort: effort, scratch: scratch)
                    }
                }
            } catch {
                stopped.store(true, ordering: .relaxed)
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

/// A graph in memory while it is built.
final class GraphStorage: @unchecked Sendable {
    // Sendable: the kernels guard each node's links with its lock, `entry` has a lock, all else is constant after init.
    let count: Int
    private let dimension: Int
    private let width: Int
    private let scale: Float
    private let codes: UnsafeMutablePointer<Int8>
    private let links: UnsafeMutablePointer<UInt32>
    private let upper: UnsafeMutablePointer<UInt32>
    private let upperCount: Int
    private let upperStarts: UnsafeMutablePointer<UInt32>
    private let levels: UnsafeMutablePointer<UInt8>
    private let locks: UnsafeMutablePointer<UInt8>
    /// As in the kernels' view.
    private let copies: UnsafeMutablePointer<UInt32>
    /// The nodes that hang on another one.
    private let isCopy: [Bool]
    private let entry: Mutex<UInt32>
    private let hasEntry: Mutex<Bool>

    init(vectors: VectorIndex, width: Int, seed: UInt64, old: GraphIndex?) throws {
        count = vectors.count
        dimension = vectors.dimension
        self.width = width
        codes = .allocate(capacity: count * dimension)
        links = .allocate(capacity: count * 2 * width)
        links.initialize(repeating: .max, count: count * 2 * width)
        upperStarts = .allocate(capacity: count + 1)
        levels = .allocate(capacity: count)
        locks = .allocate(capacity: count)
        locks.initialize(repeating: 0, count: count)
        scale = try old?.about.scale ?? Self.scale(of: vectors)
        let (codes, scale, dimension, chunk) = (codes, scale, dimension, VectorIndex.chunk)
        for start in stride(from: 0, to: count, by: chunk) {
            let end = min(start + chunk, count)
            try vectors.withRows(start..<end) { rows in
                for (index, value) in rows.enumerated() {
                    codes[start * dimension + index] = Int8(max(-127, min(127, (value / scale).rounded())))
                }
            }
        }
        copies = .allocate(capacity: count)
        copies.initialize(repeating: .max, count: count)
        isCopy = Self.chain(codes, count: count, dimension: dimension, into: copies)
        // A node's level depends on the seed and its number alone, so that extending a graph draws the same ones.
        var rows = 0
        for node in 0..<count {
            var generator = SplitMix64(seed: seed, stream: UInt64(node))
            let draw = max(generator.uniform(), 1e-12)
            let level =
                isCopy[node]
                ? 0
                : node < old?.count ?? 0 ? Int(old?.levels[node] ?? 0) : min(15, Int(-log(draw) / log(Double(width))))
            levels[node] = UInt8(level)
            upperStarts[node] = UInt32(rows)
            rows += level
        }
        upperStarts[count] = UInt32(rows)
        upperCount = rows * width
        upper = .allocate(capacity: max(1, upperCount))
        upper.initialize(repeating: .max, count: max(1, upperCount))
        entry = Mutex(UInt32(old?.about.entry ?? 0))
        hasEntry = Mutex(old != nil)
        if let old {
            links.update(from: old.links.elements.baseAddress ?? UnsafePointer(links), count: old.links.count)
            upper.update(from: old.upper.elements.baseAddress ?? UnsafePointer(upper), count: old.upper.count)
        }
    }

    deinit {
        codes.deallocate()
        links.deallocate()
        upper.deallocate()
        upperStarts.deallocate()
        levels.deallocate()
        locks.deallocate()
        copies.deallocate()
    }

    /// Chains each code to the next one that equals it. Returns which nodes are not the first with their code.
    private static func chain(
        _ codes: UnsafeMutablePointer<Int8>, count: Int, dimension: Int, into copies: UnsafeMutablePointer<UInt32>
    ) -> [Bool] {
        var isCopy = [Bool](repeating: false, count: count)
        var last: [UInt64: UInt32] = [:]
        last.reserveCapacity(count)
        for node in 0..<count {
            let code = codes + node * dimension
            let hash = XXH64.hash(UnsafeRawBufferPointer(start: code, count: dimension))
            // Different codes of equal hashes stay nodes of their own.
            if let before = last[hash] {
                guard memcmp(codes + Int(before) * dimension, code, dimension) == 0 else { continue }
                copies[Int(before)] = UInt32(node)
                isCopy[node] = true
            }
            last[hash] = UInt32(node)
        }
        return isCopy
    }

    /// One scale for all vectors, from the largest number in them.
    private static func scale(of vectors: VectorIndex) throws -> Float {
        var largest: Float = 0
        for start in stride(from: 0, to: vectors.count, by: VectorIndex.chunk) {
            try vectors.withRows(start..<min(start + VectorIndex.chunk, vectors.count)) { rows in
                for value in rows where abs(value) > largest && value.isFinite { largest = abs(value) }
            }
        }
        return largest > 0 ? largest / 127 : 1
    }

    private func graph(entry: UInt32) -> forage_graph {
        forage_graph(
            codes: codes, links: links, upper: upper, upper_at: upperStarts, levels: levels, copies: copies,
            count: UInt32(count), dimension: UInt32(dimension), width: UInt32(width), entry: entry)
    }

    func insert(_ node: UInt32, effort: Int, scratch: GraphScratch) throws {
        guard !isCopy[Int(node)] else { return }
        let isFirst = hasEntry.withLock { has in
            defer { has = true }
            return !has
        }
        if isFirst {
            entry.withLock { $0 = node }
            return
        }
        let current = entry.withLock { $0 }
        var graph = graph(entry: current)
        guard forage_graph_insert(&graph, node, current, UInt32(effort), locks, scratch.pointer) != 0 else {
            throw CorpusError(.system, "no memory to build a graph")
        }
        if levels[Int(node)] > levels[Int(current)] {
            entry.withLock { if levels[Int(node)] > levels[Int($0)] { $0 = node } }
        }
    }

    func write(to file: SectionFileWriter, effort: Int, seed: UInt64) throws {
        func add<Element>(_ name: String, _ start: UnsafeMutablePointer<Element>, _ count: Int) throws {
            try file.begin(name)
            try file.append(UnsafeRawBufferPointer(UnsafeBufferPointer(start: start, count: count)))
            try file.end()
        }
        try add("codes", codes, count * dimension)
        try add("links", links, count * 2 * width)
        try add("upper", upper, upperCount)
        try add("upper.starts", upperStarts, count + 1)
        try add("levels", levels, count)
        try add("copies", copies, isCopy.contains(true) ? count : 0)
        let about = GraphIndex.About(
            count: count, dimension: dimension, width: width, entry: Int(entry.withLock { $0 }), scale: scale,
            effort: effort, seed: seed)
        try file.add("about", Array(try JSONEncoder.sorted.encode(about)))
    }
}
