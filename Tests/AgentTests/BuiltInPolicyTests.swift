// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Agent

@Suite struct BuiltInPolicyTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Policies")

    @Test func carriedPoliciesAreThoseOfTheFolder() throws {
        var inFolder: [String: String] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: Self.folder.path) where name.hasSuffix(".yaml")
        {
            let text = try String(contentsOf: Self.folder.appending(path: name), encoding: .utf8)
            // A trained policy needs its weights beside it: the program carries none.
            guard !text.contains("learned:") else { continue }
            inFolder[String(name.dropLast(5))] = text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let carried = Dictionary(uniqueKeysWithValues: BuiltInPolicies.all.map { ($0.name, $0.yaml) })
        #expect(Set(carried.keys) == Set(inFolder.keys))
        for (name, text) in carried { #expect(text == inFolder[name], "Policies/\(name).yaml") }
    }
}
