// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Where a source file is, and how far it is trusted: one that the user named is opened as it stands, one that was found
/// in a folder is opened beneath that folder, without following links.
package struct FilePlace: Sendable, Hashable {
    /// The whole path, for messages; `-` is standard input.
    package let path: String
    /// The folder that the file was found in, and its name below it; nil for a file that the user named.
    private let found: Found?

    /// The path that the user named, as the system has it, where it is no UTF-8.
    private let bytes: [UInt8]?

    private struct Found: Sendable, Hashable {
        let folder: String
        let name: String
        /// The name as the system has it.
        let bytes: [UInt8]
    }

    /// A file that the user named, or whose links are to be followed.
    package init(_ path: String) {
        self.path = path
        found = nil
        bytes = nil
    }

    /// A file that the user named, whose path need not be UTF-8.
    /// - Parameter shown: the path for messages.
    package init(bytes: [UInt8], shown: String) {
        path = shown
        found = nil
        self.bytes = bytes
    }

    /// A file that was found in a folder.
    /// - Parameter name: the way from the folder to the file.
    package init(_ name: String, beneath folder: String) {
        self.init(bytes: Array(name.utf8), shown: name, beneath: folder)
    }

    /// A file that was found in a folder, whose name need not be UTF-8.
    /// - Parameters:
    ///   - bytes: the way from the folder to the file, as the system has it.
    ///   - shown: the same for messages.
    package init(bytes: [UInt8], shown: String, beneath folder: String) {
        path = folder + "/" + shown
        found = Found(folder: folder, name: shown, bytes: bytes)
        self.bytes = nil
    }

    /// Opens the file for reading; the caller closes the descriptor.
    /// - Throws: `DocumentError` for what cannot be opened: in a folder also a link, and what is no regular file.
    package func open() throws(DocumentError) -> Int32 {
        if let found {
            do {
                return try FolderFile.open(bytes: found.bytes, shown: found.name, beneath: found.folder, .reading)
            } catch {
                throw DocumentError("it cannot be read: \(error.reason)")
            }
        }
        let descriptor: Int32
        if let bytes {
            descriptor = (bytes + [0]).withUnsafeBufferPointer { buffer in
                buffer.withMemoryRebound(to: CChar.self) { own in
                    own.baseAddress.map { Glibc.open($0, O_RDONLY | O_CLOEXEC) } ?? -1
                }
            }
        } else {
            descriptor = path == "-" ? fcntl(0, F_DUPFD_CLOEXEC, 3) : Glibc.open(path, O_RDONLY | O_CLOEXEC)
        }
        guard descriptor >= 0 else { throw DocumentError("it cannot be read: \(String(cString: strerror(errno)))") }
        return descriptor
    }
}
