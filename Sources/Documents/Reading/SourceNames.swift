// SPDX-License-Identifier: Apache-2.0

/// Names that are left out of folders and archives.
package enum SourceNames {
    /// Hidden files, what systems and programs leave behind, and code that others wrote.
    package static func isLeftOut(_ name: some StringProtocol) -> Bool {
        name.hasPrefix(".") || name.hasPrefix("~$") || name.hasSuffix("~")
            || ["node_modules", "__pycache__", "__MACOSX", "Thumbs.db", "desktop.ini"].contains(String(name))
    }

    package static func isLeftOut(path: String) -> Bool { path.split(separator: "/").contains { isLeftOut($0) } }
}
