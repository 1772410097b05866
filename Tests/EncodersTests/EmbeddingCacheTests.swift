import Encoders
// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization
import Testing

/// An encoder that counts what it is asked for: each text's vector is made of its bytes.
private final class CountingEncoder: TextEncoder {
    let dimension = 5
    let fingerprint: String
    let asked = Mutex<[String]>([])

    init(_ fingerprint: String = "counting") { self.fingerprint = fingerprint }

    static func vector(_ text: String) -> [Float] {
        (0..<5).map { column in Float(text.utf8.reduce(column) { ($0 &* 31 &+ Int($1)) % 10_007 }) }
    }

    func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        asked.withLock { $0 += texts }
        return EmbeddingMatrix(dimension: 5, values: texts.flatMap(Self.vector))
    }
}

@Suite struct EmbeddingCacheTests {
    private func folder() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("cache-\(UInt64.random(in: 0 ... .max))").path
    }

    @Test func eachTextIsEncodedOnce() async throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let encoder = CountingEncoder()
        let texts = ["a", "b", "a", "", "🙂"]
        do {
            let cached = try CachedEncoder(encoder, folder: folder)
            let first = try await cached.encode(texts)
            #expect(first.values == texts.flatMap(CountingEncoder.vector))
            #expect(encoder.asked.withLock { $0 } == ["a", "b", "", "🙂"])
            #expect(try await cached.encode(["🙂", "c"]).values == ["🙂", "c"].flatMap(CountingEncoder.vector))
            try cached.cache.synchronise()
        }
        let again = try CachedEncoder(encoder, folder: folder)
        #expect(again.cache.count == 5)
        #expect(try await again.encode(texts).values == texts.flatMap(CountingEncoder.vector))
        #expect(encoder.asked.withLock { $0.count } == 5)
        // Another encoder has a cache of its own.
        let other = try CachedEncoder(CountingEncoder("other"), folder: folder)
        #expect(other.cache.count == 0)
    }

    @Test func oneWriterManyReaders() throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let writer = try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5)
        #expect(throws: EmbeddingCacheError.locked(path: writer.path)) {
            try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5)
        }
        let reader = try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5, isWritable: false)
        try writer.store(["x"], EmbeddingMatrix(dimension: 5, values: [1, 2, 3, 4, 5]))
        #expect(reader.vector(of: "x") == nil)
        try reader.refresh()
        #expect(reader.vector(of: "x") == [1, 2, 3, 4, 5])
        #expect(throws: EmbeddingCacheError.self) {
            try reader.store(["y"], EmbeddingMatrix(dimension: 5, values: [1, 2, 3, 4, 5]))
        }
        #expect(throws: EmbeddingCacheError.self) {
            try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 6, isWritable: false)
        }
    }

    /// Cut at any byte the file opens with the whole records before the cut, and goes on from there.
    @Test func everyTruncationOpens() throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let texts = (0..<6).map { "text \($0)" }
        let path: String
        do {
            let cache = try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5)
            path = cache.path
            try cache.store(texts, EmbeddingMatrix(dimension: 5, values: texts.flatMap(CountingEncoder.vector)))
        }
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        let record = 24 + 20 + 4
        #expect(whole.count == 64 + 6 * record)
        for length in 0...whole.count {
            try whole.prefix(length).write(to: URL(fileURLWithPath: path))
            let cache = try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5)
            let kept = max(0, length - 64) / record
            #expect(cache.count == kept)
            for (index, text) in texts.enumerated() {
                #expect(cache.vector(of: text) == (index < kept ? CountingEncoder.vector(text) : nil))
            }
            try cache.store(["new"], EmbeddingMatrix(dimension: 5, values: [9, 8, 7, 6, 5]))
            #expect(cache.vector(of: "new") == [9, 8, 7, 6, 5])
        }
    }

    @Test func decayedRecordsAreNotGivenOut() throws {
        let folder = folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path: String
        do {
            let cache = try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5)
            path = cache.path
            try cache.store(["x", "y"], EmbeddingMatrix(dimension: 5, values: (0..<10).map(Float.init)))
        }
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        data[64 + 30] ^= 4
        try data.write(to: URL(fileURLWithPath: path))
        let reader = try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5, isWritable: false)
        #expect(reader.vector(of: "x") == nil)
        data[10] ^= 1
        try data.write(to: URL(fileURLWithPath: path))
        #expect(throws: EmbeddingCacheError.self) {
            try EmbeddingCache(folder: folder, fingerprint: "f", dimension: 5, isWritable: false)
        }
    }
}
