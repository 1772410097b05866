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
    static func names(in folder: SystemName) throws -> [SystemName] {
        guard let directory = folder.withCString({ opendir($0) }) else {
            throw CorpusError.system("read", folder.shown)
        }
        defer { closedir(directory) }
        var names: [SystemName] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                SystemName(bytes: Array(bytes.prefix { $0 != 0 }))
            }
            if name.shown != ".", name.shown != ".." { names.append(name) }
        }
        return names.sorted { $0.shown < $1.shown }
    }

    static func names(in folder: String) throws -> [String] { try names(in: SystemName(folder)).map(\.shown) }

    static func status(_ path: String) -> stat? { status(SystemName(path)) }

    static func status(_ path: SystemName) -> stat? {
        var status = stat()
        return path.withCString { stat($0, &status) } == 0 ? status : nil
    }

    static func isLink(_ path: SystemName) -> Bool {
        var status = stat()
        return path.withCString { lstat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    static func isFolder(_ path: String) -> Bool {
        guard let status = status(path) else { return false }
        return status.st_mode & S_IFMT == S_IFDIR
    }
}

/// A file's name or path as the system has it, which need not be UTF-8, and how it is shown.
struct SystemName {
    let bytes: [UInt8]
    /// The name; bytes that are no UTF-8 as `\xE9`.
    let shown: String

    var isUTF8: Bool { bytes.elementsEqual(shown.utf8) }

    init(_ name: String) {
        bytes = Array(name.utf8)
        shown = name
    }

    init(bytes: [UInt8]) {
        self.bytes = bytes
        shown = String(validating: bytes, as: UTF8.self) ?? Self.escaped(bytes)
    }

    private init(bytes: [UInt8], shown: String) {
        self.bytes = bytes
        self.shown = shown
    }

    /// The name in a folder.
    static func / (folder: SystemName, name: SystemName) -> SystemName {
        if folder.bytes.isEmpty { return name }
        return SystemName(
            bytes: folder.bytes + [UInt8(ascii: "/")] + name.bytes, shown: folder.shown + "/" + name.shown)
    }

    func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result?) -> Result? {
        (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { $0.baseAddress.flatMap(body) }
        }
    }

    /// The file that a path means which was made UTF-8 on its way, with U+FFFD for what is none: arguments of a program
    /// come so. Nil where there is none, or more than one.
    static func restored(_ path: String) -> SystemName? {
        guard path.contains("\u{FFFD}") else { return nil }
        let slash = path.lastIndex(of: "/")
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let last = slash.map { String(path[path.index(after: $0)...]) } ?? path
        let names = (try? FileSystem.names(in: SystemName(folder))) ?? []
        let meant = names.filter { !$0.isUTF8 && String(decoding: $0.bytes, as: UTF8.self) == last }
        guard meant.count == 1, let name = meant.first else { return nil }
        return slash == nil ? name : SystemName(folder == "/" ? "" : folder) / name
    }

    private static func escaped(_ bytes: [UInt8]) -> String {
        var text = ""
        var at = 0
        while at < bytes.count {
            let whole = (1...4).first { length in
                at + length <= bytes.count && String(validating: bytes[at..<(at + length)], as: UTF8.self) != nil
            }
            if let whole {
                text += String(decoding: bytes[at..<(at + whole)], as: UTF8.self)
            } else {
                text += "\\x" + (bytes[at] < 16 ? "0" : "") + String(bytes[at], radix: 16, uppercase: true)
            }
            at += whole ?? 1
        }
        return text
    }
}
