// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels

extension ToolRegistry {
    /// The built-in tools in the order in which a model is told of them.
    public static let builtInNames = ["semantic_search", "keyword_search", "filter", "aggregate", "read"]

    /// The manifests of the built-in tools that the program carries.
    public static func builtInManifests() throws -> [ToolManifest] {
        try builtInNames.map { try ToolManifest(file: "\(BundledFiles.prefix)Tools/\($0).yaml") }
    }

    /// The built-in tools with the manifests that the program carries.
    public static func builtIn() throws -> ToolRegistry {
        try ToolRegistry(builtInManifests().map(makeBuiltIn))
    }

    /// The tools of a folder: each `*.yaml` in it is a manifest. Built-in tools come first, in their order, the others
    /// after them by the files' names.
    /// - Throws: `ToolManifestError`, `YAMLError`, and `ToolError` when an MCP server cannot be reached.
    public static func load(directory: String) async throws -> ToolRegistry {
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
            throw ToolManifestError("\(directory): the folder of tools cannot be read")
        }
        let files = names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
        return try await load(manifests: files.map { try ToolManifest(file: directory + "/" + $0) })
    }

    /// The tools of some manifests: the built-in ones first, in their order, then the others as given.
    public static func load(manifests: [ToolManifest]) async throws -> ToolRegistry {
        let ranked = manifests.enumerated().sorted { left, right in
            let a = builtInNames.firstIndex(of: left.element.specification.name) ?? builtInNames.count
            let b = builtInNames.firstIndex(of: right.element.specification.name) ?? builtInNames.count
            return (a, left.offset) < (b, right.offset)
        }
        var tools: [any RetrievalTool] = []
        for (_, manifest) in ranked {
            switch manifest.runner {
            case .builtIn: tools.append(try makeBuiltIn(manifest))
            case .http(let options):
                tools.append(
                    HTTPTool(specification: manifest.specification, options: options, access: manifest.access))
            case .program(let options):
                tools.append(
                    ProgramTool(specification: manifest.specification, options: options, access: manifest.access))
            case .mcp(let options): tools += try await MCPTool.tools(of: manifest, options: options)
            }
        }
        return try ToolRegistry(tools)
    }

    /// The one place where a built-in tool is registered.
    private static func makeBuiltIn(_ manifest: ToolManifest) throws -> any RetrievalTool {
        let specification = manifest.specification
        guard case .builtIn(let name) = manifest.runner else {
            throw ToolManifestError("\(manifest.source): not a built-in tool")
        }
        switch name {
        case "semantic_search": return SearchTool(mode: .semantic, specification: specification)
        case "keyword_search": return SearchTool(mode: .keyword, specification: specification)
        case "hybrid_search": return SearchTool(mode: .hybrid, specification: specification)
        case "filter": return FilterTool(specification: specification)
        case "aggregate": return AggregateTool(specification: specification)
        case "read": return ReadTool(specification: specification)
        case FindTextTool.name: return FindTextTool(specification: specification)
        case VectorSearchTool.name: return VectorSearchTool(specification: specification)
        default:
            let known = builtInNames + ["hybrid_search", FindTextTool.name, VectorSearchTool.name]
            let hint = nearest(to: name, among: known).map { "; did you mean \($0)?" } ?? ""
            throw ToolManifestError("\(manifest.source): there is no built-in tool \"\(name)\"\(hint)")
        }
    }
}
