// SPDX-License-Identifier: Apache-2.0

/// Why a file or a record is no document: one line that says what was found and what was expected. The caller knows where.
package struct DocumentError: Error, Sendable, Hashable, CustomStringConvertible {
    package var message: String

    package init(_ message: String) { self.message = message }

    /// Reading ended because nobody waits for it any more.
    package static let cancelled = DocumentError("reading was interrupted")

    package var description: String { message }
}
