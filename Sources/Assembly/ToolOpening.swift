// SPDX-License-Identifier: Apache-2.0

import Foundation
import LanguageModels
public import Tools

/// Opens the tools of an agent.
public enum ToolOpening {
    /// The tools of a folder of manifests, or without one the built-in tools. A manifest in `Tools/` of the working folder takes
    /// the place of the built-in one of its name, where the tool that it describes is built in: a folder that one happens to
    /// work in starts no program and asks no server.
    /// - Parameters:
    ///   - folder: the folder; nil for the built-in tools.
    ///   - working: where `Tools/` is looked for. Default: the working folder.
    ///   - skipped: is told of each manifest in `Tools/` that has to be named by its folder.
    /// - Throws: `ToolManifestError`, `YAMLError`; `ToolError` when an MCP server cannot be reached.
    public static func open(
        _ folder: String? = nil, working: String = ".", skipped: (String) -> Void = { _ in }
    ) async throws -> ToolRegistry {
        if let folder { return try await ToolRegistry.load(directory: folder) }
        let beside = working == "." ? "Tools" : working + "/Tools"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: beside)) ?? []
        var manifests: [ToolManifest] = []
        for name in names.sorted() where name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
            let manifest = try ToolManifest(file: beside + "/" + name)
            if case .builtIn = manifest.runner {
                manifests.append(manifest)
            } else {
                skipped("\(beside)/\(name) is left out: give --tools \(beside) to let it run")
            }
        }
        let own = Set(manifests.map(\.specification.name))
        manifests += try ToolRegistry.builtInManifests().filter { !own.contains($0.specification.name) }
        return try await ToolRegistry.load(manifests: manifests)
    }
}
