// SPDX-License-Identifier: Apache-2.0

import CBundledFiles

/// The files of `Policies/` and `Tools/` that the program carries: it gives the same answers in whatever folder it is
/// started. ``MappedFile`` and ``YAMLReader`` read them under paths that begin with ``BundledFiles/prefix``.
public enum BundledFiles {
    /// What the path of a bundled file begins with: `bundled:Policies/hops.yaml`.
    public static let prefix = "bundled:"

    /// The paths of all bundled files from the repository's root, such as `Policies/hops.yaml`, sorted.
    public static var paths: [String] { contents.keys.sorted() }

    /// The bytes of a bundled file, which stay where they are for as long as the program runs.
    /// - Parameter path: from the repository's root, with or without ``prefix``.
    /// - Returns: nil when there is no such file.
    public static func bytes(of path: String) -> UnsafeRawBufferPointer? {
        let name = path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : path
        guard let file = contents[name] else { return nil }
        return UnsafeRawBufferPointer(start: file.bytes, count: file.count)
    }

    /// The table of the C target, by path. Sendable: its pointers lead to constants of the program.
    private struct File: @unchecked Sendable {
        var bytes: UnsafePointer<UInt8>
        var count: Int
    }

    private static let contents: [String: File] = Dictionary(
        uniqueKeysWithValues: (0..<forage_bundled_file_count()).map { index in
            let file = forage_bundled_file_at(index)
            return (String(cString: file.path), File(bytes: file.bytes, count: file.count))
        })
}
