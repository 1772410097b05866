// SPDX-License-Identifier: Apache-2.0

public import Base
public import LanguageModels
import Text

/// One tool of an MCP server.
public struct MCPTool: RetrievalTool {
    public let specification: ToolSpecification
    public let access: ToolAccess
    private let client: MCPClient
    private let remoteName: String
    private let seconds: Double?

    /// - Parameter remoteName: what the server calls the tool.
    public init(
        specification: ToolSpecification, remoteName: String, client: MCPClient, seconds: Double? = nil,
        access: ToolAccess = .full
    ) {
        self.access = access
        self.specification = specification
        self.remoteName = remoteName
        self.client = client
        self.seconds = seconds
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let result = try await client.callTool(remoteName, arguments, seconds: seconds ?? context.limits.seconds)
        if result.isError { throw ToolError(.failed, oneLine(result.text, most: 1000)) }
        return ToolOutput(
            text: result.text, summary: "\(specification.name): \(counted(result.text.count, "character"))")
    }

    /// The tools that a manifest offers, in the order of the manifest, else of the server.
    /// - Throws: `ToolManifestError` when the server lacks a tool that the manifest names, or one has a schema that
    ///   cannot be checked; `ToolError` when it cannot be reached.
    public static func tools(of manifest: ToolManifest, options: MCPServerOptions) async throws -> [MCPTool] {
        let client = try MCPClient(options)
        let offered = try await client.listTools()
        let prefix = options.prefix ?? manifest.specification.name + "_"
        return try (options.tools ?? offered.map(\.name)).map { wanted in
            guard let tool = offered.first(where: { $0.name == wanted }) else {
                throw ToolManifestError(
                    "\(manifest.source): runs.mcp.tools: the server has no \"\(wanted)\"; it has \(offered.map(\.name).joined(separator: ", "))"
                )
            }
            let name = String((prefix + tool.name).map { $0 == "." || $0 == "/" ? "_" : $0 }.prefix(64))
            return MCPTool(
                specification: ToolSpecification(
                    name: name, description: tool.description, parameters: tool.inputSchema),
                remoteName: tool.name, client: client, seconds: options.seconds,
                access: manifest.access)
        }
    }
}
