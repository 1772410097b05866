// SPDX-License-Identifier: Apache-2.0

/// Why something that was named cannot be opened: what was named, and what was expected.
public struct AssemblyError: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
