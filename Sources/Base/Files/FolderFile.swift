// SPDX-License-Identifier: Apache-2.0

import CKernels
import Foundation

/// Why a file beneath a folder could not be opened.
public struct FolderFileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The folder and the name, for messages.
    public var path: String
    /// The system's number for the reason; `ELOOP` and `EXDEV` for a link or a name that leads out of the folder.
    public var code: Int32
    /// What was to be done.
    public var action: String

    /// Whether it was refused because of a symbolic link, or because the name leads out of the folder.
    public var isRefused: Bool { code == ELOOP || code == EXDEV || code == ENOTDIR }

    /// Why, without the path.
    public var reason: String {
        isRefused
            ? "it is a link, or leads out of its folder; links are not followed here" : String(cString: strerror(code))
    }

    public var description: String { "cannot \(action) \(path): \(reason)" }
}

/// Opens files beneath a folder: no symbolic link is followed on the way from the folder to the file, and no name leads
/// out of the folder. The folder itself may be a link, because whoever calls named it.
///
/// Everything that reads or writes in a folder of which someone else may have chosen the content (a corpus, a folder of
/// sources, an archive that was unpacked) opens its files here.
public enum FolderFile {
    /// What is done with the file.
    public enum Access: Sendable {
        /// Reads a regular file, or a device or pipe where `allowsSpecial`.
        case reading
        /// Reads and writes a regular file with one name, and creates it when it is not there.
        case updating
        /// Creates a file that must not be there.
        case creating
    }

    /// Opens a file; the caller closes the descriptor.
    /// - Parameters:
    ///   - name: relative to the folder, parts between single slashes; `.` and `..` are refused.
    ///   - allowsSpecial: whether pipes and devices may be opened, too.
    /// - Throws: `FolderFileError`; with `EISDIR` or `EINVAL` for what is no regular file.
    public static func open(
        _ name: String, beneath folder: String, _ access: Access, allowsSpecial: Bool = false
    ) throws(FolderFileError) -> Int32 {
        try open(bytes: Array(name.utf8), shown: name, beneath: folder, access, allowsSpecial: allowsSpecial)
    }

    /// Opens a file whose name need not be UTF-8; the caller closes the descriptor.
    /// - Parameters:
    ///   - bytes: the name as the system has it, relative to the folder.
    ///   - shown: the name for messages.
    /// - Throws: as ``open(_:beneath:_:allowsSpecial:)``.
    public static func open(
        bytes: [UInt8], shown name: String, beneath folder: String, _ access: Access, allowsSpecial: Bool = false
    ) throws(FolderFileError) -> Int32 {
        let flags: Int32
        switch access {
        // Opening a pipe that nobody writes to would wait for ever.
        case .reading: flags = O_RDONLY | (allowsSpecial ? 0 : O_NONBLOCK)
        case .updating: flags = O_RDWR | O_CREAT | O_NONBLOCK
        case .creating: flags = O_WRONLY | O_CREAT | O_EXCL
        }
        let action = if case .reading = access { "open" } else { "write to" }
        func failure(_ code: Int32) -> FolderFileError {
            FolderFileError(path: folder + "/" + name, code: code, action: action)
        }
        guard !bytes.contains(0) else { throw failure(EXDEV) }
        let descriptor = (bytes + [0]).withUnsafeBufferPointer { buffer in
            buffer.withMemoryRebound(to: CChar.self) { own in
                own.baseAddress.map { forage_open_beneath(folder, $0, flags, 0o644) } ?? -EINVAL
            }
        }
        guard descriptor >= 0 else { throw failure(-descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let code = errno
            close(descriptor)
            throw failure(code)
        }
        let kind = status.st_mode & S_IFMT
        guard kind == S_IFREG || (allowsSpecial && kind != S_IFDIR) else {
            close(descriptor)
            throw failure(kind == S_IFDIR ? EISDIR : EINVAL)
        }
        // A second name of a file elsewhere would be written through, too.
        if case .updating = access, status.st_nlink > 1 {
            close(descriptor)
            throw failure(EXDEV)
        }
        return descriptor
    }

    /// Opens the file at a path, whose folder may be a link while the file itself may not.
    public static func open(path: String, _ access: Access) throws(FolderFileError) -> Int32 {
        let (folder, name) = parts(of: path)
        return try open(name, beneath: folder, access)
    }

    /// Creates a file in place of what stands at a path: a file or a link there is removed, a link not followed.
    /// - Throws: `FolderFileError`; with `EINVAL` where a device, a pipe or a folder stands there.
    public static func replace(path: String) throws(FolderFileError) -> Int32 {
        var status = stat()
        if lstat(path, &status) == 0 {
            let kind = status.st_mode & S_IFMT
            guard kind == S_IFREG || kind == S_IFLNK else {
                throw FolderFileError(path: path, code: EINVAL, action: "write to")
            }
            unlink(path)
        }
        return try open(path: path, .creating)
    }

    /// Whether a path is a symbolic link.
    public static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    private static func parts(of path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
    }
}

/// A file that is mapped for reading and may become shorter while it is: then what it lost reads as zeros, in place of an
/// end of the process, and `isTorn` says so.
public struct GuardedMapping: Sendable {
    private let number: Int32

    public init(_ bytes: UnsafeRawBufferPointer) { number = forage_mapping_add(bytes.baseAddress, bytes.count) }

    /// Whether a part was read that the file no longer has.
    public var isTorn: Bool { forage_mapping_is_torn(number) != 0 }

    /// Ends the watch; before the memory is unmapped.
    public func end() { forage_mapping_remove(number) }

    /// How often that happened in this process: an answer during which it grew may be wrong.
    public static var tornPages: UInt64 { forage_mapping_torn_pages() }
}
