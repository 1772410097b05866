// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// A new file that is written from front to back through a buffer, then synchronised to the disk.
final class OutputFile {
    let path: String
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    private let capacity: Int
    /// The bytes accepted so far.
    private(set) var count = 0

    /// Creates the file in place of one that is there.
    init(path: String, capacity: Int = 1 << 20) throws {
        self.path = path
        self.capacity = capacity
        do throws(FolderFileError) { descriptor = try FolderFile.replace(path: path) } catch {
            throw CorpusError(.system, error.description)
        }
        buffer.reserveCapacity(capacity + 4096)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        count += bytes.count
        if bytes.count >= capacity {
            try flush()
            try write(bytes)
            return
        }
        buffer.append(contentsOf: bytes)
        if buffer.count >= capacity { try flush() }
    }

    /// Writes what is buffered, synchronises and closes.
    func finish() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw CorpusError.system("write", path) }
        let closing = descriptor
        descriptor = -1
        guard close(closing) == 0 else { throw CorpusError.system("write", path) }
    }

    private func flush() throws {
        try buffer.withUnsafeBytes { try write($0) }
        buffer.removeAll(keepingCapacity: true)
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        var done = 0
        while done < bytes.count {
            let written = Foundation.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw CorpusError.system("write", path) }
            done += written
        }
    }
}

/// Small file-system steps with errors that name the path.
enum FileSystem {
    /// Makes renames and new names in a folder durable.
    static func synchronize(folder: String) throws {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CorpusError.system("open", folder) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CorpusError.system("synchronise", folder) }
    }

    /// Makes a written file durable.
    static func synchronize(file: String) throws {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CorpusError.system("open", file) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw CorpusError.system("synchronise", file) }
    }

    /// The names in a folder, sorted.
    static func names(in folder: String) throws -> [String] {
        guard let directory = opendir(folder) else { throw CorpusError.system("read", folder) }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }

    static func isFolder(_ path: String) -> Bool {
        guard let status = status(path) else { return false }
        return status.st_mode & S_IFMT == S_IFDIR
    }
}
