// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Serving

/// `forage mcp`: the tools for an MCP client that starts this program.
struct MCPCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp",
        abstract: "Serve the tools over standard input and output, for MCP clients.",
        discussion: "For MCP over HTTP use `forage serve`; its address is /mcp.")

    @OptionGroup var service: ServiceArguments

    func run() async throws {
        await MCPStdio.serve(try await service.makeService())
    }
}
