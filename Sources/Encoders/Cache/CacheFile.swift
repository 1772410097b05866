// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation
import Text

/// The file of an ``EmbeddingCache``: owner of descriptor, mapping and key table.
struct CacheFile: ~Copyable {
    static let magic: [UInt8] = Array("FORAGEEC".utf8)
    static let version: UInt32 = 1
    static let headerBytes = 64

    private let path: String
    private let fingerprintHash: UInt64
    private let dimension: Int
    private let isWritable: Bool
    private var descriptor: Int32 = -1
    private var mapping: UnsafeMutableRawPointer?
    private var mappedBytes = 0
    private var slots: [CacheKey: Int] = [:]
    private var records = 0

    /// Key, length, padding to 24 bytes; vector; checksum.
    private var recordBytes: Int { 24 + dimension * 4 + 4 }
    var count: Int { slots.count }

    init(path: String, fingerprint: String, dimension: Int, isWritable: Bool) throws {
        self.path = path
        fingerprintHash = XXH64.hash(fingerprint, seed: 1)
        self.dimension = dimension
        self.isWritable = isWritable
        descriptor = open(path, isWritable ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw Self.systemError(path) }
        if isWritable, flock(descriptor, LOCK_EX | LOCK_NB) != 0 { throw EmbeddingCacheError.locked(path: path) }
        try load()
    }

    deinit {
        if let mapping { munmap(mapping, mappedBytes) }
        if descriptor >= 0 { close(descriptor) }
    }

    /// Maps the file and reads the keys of records not yet known. A writer makes the header and cuts a torn tail.
    mutating func load() throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Self.systemError(path) }
        var size = Int(status.st_size)
        if size < Self.headerBytes, isWritable {
            // Nothing but a torn header can be this short.
            guard ftruncate(descriptor, 0) == 0 else { throw Self.systemError(path) }
            try write(header(), at: 0)
            size = Self.headerBytes
        }
        guard size >= Self.headerBytes else {
            throw EmbeddingCacheError.foreign(path: path, reason: "only \(size) bytes long")
        }
        try map(size)
        guard let mapping else { return }
        let bytes = UnsafeRawBufferPointer(start: mapping, count: size)
        guard Array(bytes[0..<Self.headerBytes]) == header() else {
            throw EmbeddingCacheError.foreign(path: path, reason: "its header names another format or encoder")
        }
        while Self.headerBytes + (records + 1) * recordBytes <= size {
            let start = Self.headerBytes + records * recordBytes
            let record = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + recordBytes)])
            guard Self.isWhole(record) else { break }
            slots[Self.key(record)] = records
            records += 1
        }
        let end = Self.headerBytes + records * recordBytes
        if isWritable, end < size {
            guard ftruncate(descriptor, off_t(end)) == 0 else { throw Self.systemError(path) }
            try map(end)
        }
    }

    func find(_ key: CacheKey) -> [Float]? {
        guard let slot = slots[key], let mapping else { return nil }
        let start = Self.headerBytes + slot * recordBytes
        guard start + recordBytes <= mappedBytes else { return nil }
        let record = UnsafeRawBufferPointer(start: mapping + start, count: recordBytes)
        // Checked at each use: a disk may decay, and a wrong vector would be wrong silently.
        guard Self.isWhole(record) else { return nil }
        return (0..<dimension).map { index in
            Float(
                bitPattern: UInt32(littleEndian: record.loadUnaligned(fromByteOffset: 24 + index * 4, as: UInt32.self)))
        }
    }

    mutating func append(_ keys: [CacheKey], _ vectors: EmbeddingMatrix) throws {
        guard isWritable else { throw EmbeddingCacheError.system(path: path, reason: "opened for reading only") }
        var bytes: [UInt8] = []
        var added: [CacheKey] = []
        var seen = Set<CacheKey>()
        for (row, key) in keys.enumerated() where slots[key] == nil && seen.insert(key).inserted {
            var record: [UInt8] = []
            record.reserveCapacity(recordBytes)
            Self.put(key.first, into: &record)
            Self.put(key.second, into: &record)
            Self.put(UInt64(key.length), into: &record)
            for value in vectors[row] { Self.put(value.bitPattern, into: &record) }
            Self.put(record.withUnsafeBytes { CRC32C.checksum($0) }, into: &record)
            bytes += record
            added.append(key)
        }
        guard !added.isEmpty else { return }
        let start = Self.headerBytes + records * recordBytes
        do {
            try write(bytes, at: start)
        } catch {
            ftruncate(descriptor, off_t(start))
            throw error
        }
        try map(start + bytes.count)
        for key in added {
            slots[key] = records
            records += 1
        }
    }

    func synchronise() throws {
        if fdatasync(descriptor) != 0 { throw Self.systemError(path) }
    }

    // MARK: Bytes

    private func header() -> [UInt8] {
        var bytes = Self.magic
        Self.put(Self.version, into: &bytes)
        Self.put(UInt32(dimension), into: &bytes)
        Self.put(fingerprintHash, into: &bytes)
        bytes += [UInt8](repeating: 0, count: Self.headerBytes - 4 - bytes.count)
        Self.put(bytes.withUnsafeBytes { CRC32C.checksum($0) }, into: &bytes)
        return bytes
    }

    private static func put(_ value: some FixedWidthInteger, into bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    private static func isWhole(_ record: UnsafeRawBufferPointer) -> Bool {
        let body = UnsafeRawBufferPointer(rebasing: record.dropLast(4))
        let stored = UInt32(littleEndian: record.loadUnaligned(fromByteOffset: record.count - 4, as: UInt32.self))
        return CRC32C.checksum(body) == stored
    }

    private static func key(_ record: UnsafeRawBufferPointer) -> CacheKey {
        func word(_ offset: Int) -> UInt64 {
            UInt64(littleEndian: record.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
        }
        return CacheKey(first: word(0), second: word(8), length: UInt32(truncatingIfNeeded: word(16)))
    }

    private mutating func map(_ size: Int) throws {
        if let mapping { munmap(mapping, mappedBytes) }
        mapping = nil
        mappedBytes = 0
        guard let address = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), address != MAP_FAILED else {
            throw Self.systemError(path)
        }
        mapping = address
        mappedBytes = size
    }

    private func write(_ bytes: [UInt8], at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                pwrite(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done, off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Self.systemError(path) }
            done += count
        }
    }

    private static func systemError(_ path: String) -> EmbeddingCacheError {
        .system(path: path, reason: String(cString: strerror(errno)))
    }
}
