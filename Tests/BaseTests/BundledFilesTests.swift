// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Base

@Suite struct BundledFilesTests {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// What the program carries is what stands in the folders, file by file and byte by byte.
    @Test(arguments: ["Policies", "Tools"])
    func areThoseOfTheFolders(_ folder: String) throws {
        let names = try FileManager.default.contentsOfDirectory(atPath: Self.root.appending(path: folder).path)
            .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".safetensors") }
        #expect(!names.isEmpty)
        #expect(Set(names.map { folder + "/" + $0 }) == Set(BundledFiles.paths.filter { $0.hasPrefix(folder + "/") }))
        for name in names {
            let carried = try MappedFile(path: "bundled:\(folder)/\(name)")
            let onDisk = try Data(contentsOf: Self.root.appending(path: folder).appending(path: name))
            #expect(Data(carried.bytes) == onDisk, "\(folder)/\(name)")
        }
    }

    @Test func otherPathsAreRefused() {
        for path in ["bundled:", "bundled:Policies", "bundled:Policies/../Package.swift", "bundled:/etc/passwd"] {
            #expect(throws: FileError.self) { try MappedFile(path: path) }
        }
    }
}
