// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import Synchronization
import Text

/// Why a cache could not be opened or written.
public enum EmbeddingCacheError: Error, Equatable, Sendable, CustomStringConvertible {
    case system(path: String, reason: String)
    /// The file is no cache, or one of another format or vector length.
    case foreign(path: String, reason: String)
    /// Another process writes to it.
    case locked(path: String)

    public var description: String {
        switch self {
        case .system(let path, let reason): "\(path): \(reason)"
        case .foreign(let path, let reason): "\(path): not this embedding cache: \(reason)"
        case .locked(let path): "\(path): another process writes to this embedding cache"
        }
    }
}

/// Vectors on disk by encoder and text, so that the same text is encoded once.
///
/// One append-only file for each encoder (its fingerprint is in the file's name and header): a header of 64 bytes, then
/// records of one size: the XXH64 pair of the text (128 bits), its length, the vector as float32 and a CRC-32C over all of
/// it. Opening reads the keys through a mapping and stops at the first record that is torn; a writer cuts it off.
/// One process writes (advisory lock), any number read; readers see what was there when they opened or refreshed.
public final class EmbeddingCache: Sendable {
    public let path: String
    public let dimension: Int
    private let state: Mutex<CacheFile>

    /// Opens or makes the cache of an encoder in a folder.
    /// - Parameter isWritable: takes the writer's lock.
    /// - Throws: ``EmbeddingCacheError``.
    public init(folder: String, fingerprint: String, dimension: Int, isWritable: Bool = true) throws {
        let digits = String(XXH64.hash(fingerprint), radix: 16)
        path = folder + "/" + String(repeating: "0", count: 16 - digits.count) + digits + ".embeddings"
        self.dimension = dimension
        if isWritable {
            do {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            } catch {
                throw EmbeddingCacheError.system(path: folder, reason: "the folder cannot be made")
            }
        }
        state = Mutex(
            try CacheFile(path: path, fingerprint: fingerprint, dimension: dimension, isWritable: isWritable))
    }

    /// Vectors stored.
    public var count: Int { state.withLock { $0.count } }

    /// The vector of a text, if it is there and whole.
    public func vector(of text: String) -> [Float]? {
        let key = CacheKey(text)
        return state.withLock { $0.find(key) }
    }

    /// Stores vectors; those already there are left as they are. Written at once, synchronised with ``synchronise()``.
    /// - Throws: ``EmbeddingCacheError``; what was half written is cut off again.
    public func store(_ texts: [String], _ vectors: EmbeddingMatrix) throws {
        precondition(texts.count == vectors.count && (texts.isEmpty || vectors.dimension == dimension))
        let keys = texts.map(CacheKey.init)
        try state.withLock { try $0.append(keys, vectors) }
    }

    /// Makes what was stored outlast a power cut.
    public func synchronise() throws { try state.withLock { try $0.synchronise() } }

    /// Reads what another process has appended.
    public func refresh() throws { try state.withLock { try $0.load() } }
}

/// A text's identity in a cache: two 64-bit hashes and the length.
struct CacheKey: Hashable {
    var first: UInt64
    var second: UInt64
    var length: UInt32

    init(_ text: String) {
        first = XXH64.hash(text)
        second = XXH64.hash(text, seed: 0x5DEE_CE66)
        length = UInt32(truncatingIfNeeded: text.utf8.count)
    }

    init(first: UInt64, second: UInt64, length: UInt32) {
        self.first = first
        self.second = second
        self.length = length
    }
}

/// An encoder that looks into a cache first.
public struct CachedEncoder<Base: TextEncoder>: TextEncoder {
    public let base: Base
    public let cache: EmbeddingCache
    public var dimension: Int { base.dimension }
    public var fingerprint: String { base.fingerprint }
    public var prompts: EncoderPrompts { base.prompts }

    /// - Parameter folder: where the caches of all encoders lie.
    public init(_ base: Base, folder: String, isWritable: Bool = true) throws {
        self.base = base
        cache = try EmbeddingCache(
            folder: folder, fingerprint: base.fingerprint, dimension: base.dimension, isWritable: isWritable)
        isStoring = isWritable
    }
    private let isStoring: Bool

    /// Queries are not kept: an encoder may read them in another way than the texts that are.
    @concurrent
    public func encodeQueries(_ texts: [String]) async throws -> EmbeddingMatrix { try await base.encodeQueries(texts) }

    @concurrent
    public func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        var found = texts.map { cache.vector(of: $0) }
        // Each missing text once, also when it stands in the list several times.
        var rows: [String: Int] = [:]
        var missing: [String] = []
        for (text, vector) in zip(texts, found) where vector == nil && rows[text] == nil {
            rows[text] = missing.count
            missing.append(text)
        }
        if !missing.isEmpty {
            let vectors = try await base.encode(missing)
            if isStoring { try cache.store(missing, vectors) }
            for index in found.indices where found[index] == nil {
                if let row = rows[texts[index]] { found[index] = Array(vectors[row]) }
            }
        }
        return EmbeddingMatrix(dimension: dimension, values: found.flatMap { $0 ?? [] })
    }
}
