// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A file that is mapped into memory for reading, whole, until the last user lets go of it.
///
/// Whoever maps a file trusts that nobody changes it: the files of a corpus are never changed once they are written, and
/// stay readable when a later generation removes the file's name. Only a regular file is mapped.
public final class MappedFile: @unchecked Sendable {
    // Sendable: the mapping is private and read-only, and it lives exactly as long as this object.

    /// The bytes. Valid for as long as this object lives.
    public let bytes: UnsafeRawBufferPointer
    /// The path that was opened, for messages.
    public let path: String
    private let watch: GuardedMapping
    private let isMapped: Bool
    /// Memory of this object's own, where there is no file.
    private let memory: UnsafeMutableRawBufferPointer?

    /// Bytes in memory under a name, for readers of files.
    package init(copying bytes: [UInt8], as name: String) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 64)
        memory.copyBytes(from: bytes)
        self.memory = memory
        self.bytes = UnsafeRawBufferPointer(start: memory.baseAddress, count: bytes.count)
        path = name
        isMapped = false
        watch = GuardedMapping(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Maps a file, or takes a bundled one.
    /// - Parameter followingLinks: whether the file may be a symbolic link: not where someone else may have made the
    ///   folder (`FolderFile`). Default true.
    /// - Throws: `FileError` when it cannot be opened or mapped, or is no regular file.
    public init(path: String, followingLinks: Bool = true) throws(FileError) {
        self.path = path
        memory = nil
        if path.hasPrefix(BundledFiles.prefix) {
            guard let bytes = BundledFiles.bytes(of: path) else {
                throw FileError(action: "open", path: path, reason: "the program carries no such file")
            }
            self.bytes = bytes
            isMapped = false
            watch = GuardedMapping(UnsafeRawBufferPointer(start: nil, count: 0))
            return
        }
        isMapped = true
        let descriptor: Int32
        if followingLinks {
            // Opening a pipe that nobody writes to would wait for ever.
            descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { throw FileError("open", path) }
        } else {
            do { descriptor = try FolderFile.open(path: path, .reading) } catch {
                throw FileError(action: "open", path: path, reason: error.reason)
            }
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileError("read", path) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw FileError(action: "map", path: path, reason: "not a regular file")
        }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            watch = GuardedMapping(bytes)
            return
        }
        guard let base = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), base != MAP_FAILED else {
            throw FileError("map", path)
        }
        bytes = UnsafeRawBufferPointer(start: base, count: size)
        watch = GuardedMapping(bytes)
    }

    /// Whether the file was made shorter while it was in use, and a part was read that it lost: that part reads as zeros.
    public var isTorn: Bool { watch.isTorn }

    deinit {
        watch.end()
        memory?.deallocate()
        if isMapped, let base = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: base), bytes.count) }
    }

    /// Gives back the memory of pages that have been read; read again they come from the file. The bytes do not change.
    public func release(_ range: Range<Int>) {
        let page = Int(getpagesize())
        let start = (range.lowerBound + page - 1) / page * page
        let end = min(range.upperBound, bytes.count) / page * page
        guard isMapped, let base = bytes.baseAddress, start >= 0, start < end else { return }
        _ = madvise(UnsafeMutableRawPointer(mutating: base + start), end - start, Int32(MADV_DONTNEED))
    }

    /// How the pages will be read, for the system's read-ahead.
    public enum Access: Sendable { case normal, random, sequential }

    /// Tells the system how the pages will be read.
    public func advise(_ access: Access) {
        guard isMapped, let base = bytes.baseAddress else { return }
        let advice: Int32
        switch access {
        case .normal: advice = Int32(POSIX_MADV_NORMAL)
        case .random: advice = Int32(POSIX_MADV_RANDOM)
        case .sequential: advice = Int32(POSIX_MADV_SEQUENTIAL)
        }
        _ = posix_madvise(UnsafeMutableRawPointer(mutating: base), bytes.count, advice)
    }
}

/// A typed view of a part of a mapped file, which it keeps alive.
public struct MappedArray<Element: BitwiseCopyable>: @unchecked Sendable {
    // Sendable: it only reads constant memory, and it holds the owner of that memory.

    /// The elements. Valid while this value (or the file) is held.
    public let elements: UnsafeBufferPointer<Element>
    private let owner: MappedFile?

    /// The empty array.
    public init() {
        elements = UnsafeBufferPointer(start: nil, count: 0)
        owner = nil
    }

    /// - Precondition: the elements lie inside `owner`'s bytes and are aligned.
    public init(elements: UnsafeBufferPointer<Element>, owner: MappedFile) {
        self.elements = elements
        self.owner = owner
    }

    /// The number of elements.
    @inlinable public var count: Int { elements.count }

    /// The element at an index, which is checked.
    @inlinable public subscript(index: Int) -> Element {
        precondition(index >= 0 && index < elements.count, "index out of range")
        return elements[index]
    }
}
