// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Makes a folder of its own for one test, under the system's temporary folder.
func temporaryFolder() -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("forage-\(UUID().uuidString)")
    try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    return folder.path
}
