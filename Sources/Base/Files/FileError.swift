// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The system refused a file: what was tried, on which file, and why.
public struct FileError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was tried: "open", "read", "map", "write".
    public var action: String
    /// The file as the caller named it.
    public var path: String
    /// The system's words, or what is wrong with the file.
    public var reason: String

    /// A refusal in the caller's words.
    public init(action: String, path: String, reason: String) {
        self.action = action
        self.path = path
        self.reason = reason
    }

    /// The failure of the last system call, from `errno`.
    public init(_ action: String, _ path: String) {
        self.init(action: action, path: path, reason: String(cString: strerror(errno)))
    }

    public var description: String { "cannot \(action) \(path): \(reason)" }
}
