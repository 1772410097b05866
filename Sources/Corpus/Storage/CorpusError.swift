// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Why a corpus could not be opened, read or changed.
public struct CorpusError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure, for callers that act on it.
    public enum Code: String, Sendable, Hashable {
        /// There is no corpus at that path, or it is something else.
        case notACorpus
        /// Another process is writing to the corpus.
        case locked
        /// A file of the corpus is missing, truncated or fails its checksum.
        case damaged
        /// The corpus was written by a later version of Forage.
        case unsupportedVersion
        /// The system refused: no space, no permission, an unreadable file.
        case system
        /// An input file or line is not what was expected.
        case badInput
        /// An argument is wrong: an unknown option, a field that does not exist.
        case badArgument
        /// An id that is not in the corpus.
        case notFound
        /// The operation was cancelled; what was committed before stays.
        case cancelled
    }

    /// The kind of failure.
    public var code: Code
    /// What is wrong, where, and what was expected: one line.
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }

    /// A file that the system refused.
    init(_ error: FileError) { self.init(.system, error.description) }

    /// The failure of the last system call, from `errno`.
    static func system(_ action: String, _ path: String, errno code: Int32 = errno) -> CorpusError {
        CorpusError(.system, "cannot \(action) \(path): \(String(cString: strerror(code)))")
    }
}
