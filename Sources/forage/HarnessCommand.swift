// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

/// `forage harness`: one rollout of a trainer that owns the model and the tools.
struct HarnessCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "harness",
        abstract: "Let a trainer's model use a trainer's MCP tools until it answers.",
        discussion: """
            Takes what runners of the verifiers family pass to a harness: an OpenAI-compatible endpoint, a prompt, and \
            MCP servers. Only that endpoint is asked. The answer goes to standard output.
            """)

    @Option(name: .customLong("base-url"), help: "The endpoint. Default: OPENAI_BASE_URL.")
    var baseURL: String?

    @Option(
        name: .long, help: "The endpoint's key. Default: OPENAI_API_KEY, which other users of a machine cannot read.")
    var apiKey: String?

    @Option(name: .long, help: "The model's name there. Default: OPENAI_MODEL.")
    var model: String?

    @Option(name: .long, help: "What the model is told before the prompt.")
    var systemPrompt: String?

    @Option(name: .long, help: "The prompt.")
    var prompt: String?

    @Option(name: .long, help: "A file with the first messages, as a JSON list, instead of a prompt.")
    var initialMessagesFile: String?

    @Option(
        name: .long,
        help: #"The tools' servers: {"mcpServers": {"NAME": {"url": "http://…", "headers": {}, "timeout": 60}}}."#)
    var mcpConfig: String?

    @Option(name: .long, help: "The most turns of the model.")
    var maxTurns = 32

    @Option(name: .long, help: "The most tokens of one turn.")
    var maxTokens = 2048

    func validate() throws {
        guard (prompt == nil) != (initialMessagesFile == nil) else {
            throw ValidationError("give either --prompt or --initial-messages-file")
        }
        guard maxTurns > 0, maxTokens > 0 else {
            throw ValidationError("--max-turns and --max-tokens must be positive")
        }
    }

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        guard let base = baseURL ?? environment["OPENAI_BASE_URL"], !base.isEmpty else {
            throw ValidationError("--base-url is missing, and OPENAI_BASE_URL is not set")
        }
        guard let name = model ?? environment["OPENAI_MODEL"], !name.isEmpty else {
            throw ValidationError("--model is missing, and OPENAI_MODEL is not set")
        }
        let remote = try OpenAICompatibleModel(
            OpenAICompatibleModel.Configuration(
                baseURL: base, model: name, apiKey: apiKey ?? environment["OPENAI_API_KEY"], streams: false))
        var messages = try firstMessages()
        let tools = try await HarnessTools(configuration: mcpConfig)
        for _ in 0..<maxTurns {
            let response = try await remote.respond(
                to: ModelRequest(
                    messages: messages, tools: tools.specifications,
                    options: SamplingOptions(maxTokens: maxTokens, timeout: 600))
            ) { _ in }
            guard let message = response.completions.first?.message else { break }
            messages.append(message)
            guard !message.toolCalls.isEmpty else {
                print(message.content)
                return
            }
            for call in message.toolCalls {
                note("\(call.name) \(call.arguments)")
                let text = try await tools.call(call)
                messages.append(ChatMessage(role: .tool, content: text, toolCallID: call.id))
            }
        }
        note("no answer within \(maxTurns) turns")
    }

    private func firstMessages() throws -> [ChatMessage] {
        var messages: [ChatMessage] = []
        if let systemPrompt { messages.append(ChatMessage(role: .system, content: systemPrompt)) }
        if let prompt { messages.append(ChatMessage(role: .user, content: prompt)) }
        guard let path = initialMessagesFile else { return messages }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw ValidationError("\(path): the file cannot be read")
        }
        guard let rows = try JSONValue(parsing: Array(data)).array else {
            throw ValidationError("\(path): expected a list of messages")
        }
        for (index, row) in rows.enumerated() {
            guard let role = row["role"]?.string.flatMap(ChatMessage.Role.init(rawValue:)) else {
                throw ValidationError("\(path): message \(index): the role must be system, user, assistant or tool")
            }
            let content = row["content"] ?? nil
            let text = content.string ?? content.array?.compactMap { $0["text"]?.string }.joined(separator: "\n") ?? ""
            let calls = (row["tool_calls"]?.array ?? []).map { call in
                ToolCall(
                    id: call["id"]?.string ?? "", name: call["function"]?["name"]?.string ?? "",
                    arguments: call["function"]?["arguments"]?.string ?? "{}")
            }
            messages.append(
                ChatMessage(role: role, content: text, toolCalls: calls, toolCallID: row["tool_call_id"]?.string))
        }
        return messages
    }
}

/// The tools of the MCP servers that a runner names.
private struct HarnessTools {
    private var owners: [String: (client: MCPClient, name: String, seconds: Double)] = [:]
    private(set) var specifications: [ToolSpecification] = []

    /// Reaches the servers and lists their tools. A name that two servers have gets the server's name before it.
    init(configuration: String?) async throws {
        guard let configuration, !configuration.isEmpty else { return }
        guard let servers = try JSONValue(parsing: configuration)["mcpServers"]?.object else {
            throw ValidationError("--mcp-config: \"mcpServers\" must be an object")
        }
        for (name, entry) in servers {
            guard let url = entry["url"]?.string else {
                throw ValidationError("--mcp-config: \(name): \"url\" is missing")
            }
            var options = MCPServerOptions(transport: .http(url: url, headers: [:]))
            if let headers = entry["headers"]?.object {
                options.transport = .http(url: url, headers: headers.compactMapValues(\.string))
            }
            let seconds = entry["timeout"]?.double ?? 60
            let client = try MCPClient(options)
            for tool in try await client.listTools(seconds: seconds) {
                let offered = owners[tool.name] == nil ? tool.name : "\(name)_\(tool.name)"
                owners[offered] = (client, tool.name, seconds)
                specifications.append(
                    ToolSpecification(name: offered, description: tool.description, parameters: tool.inputSchema))
            }
        }
    }

    /// What the model reads after its call. A wrong call is told to the model; it may do better.
    func call(_ call: ToolCall) async throws -> String {
        guard let owner = owners[call.name] else {
            return "Error: there is no tool \(call.name); there are \(owners.keys.sorted().joined(separator: ", "))"
        }
        let text = call.arguments.allSatisfy(\.isWhitespace) ? "{}" : call.arguments
        guard let arguments = try? JSONValue(parsing: text), arguments.object != nil else {
            return "Error: the arguments of \(call.name) are not a JSON object"
        }
        do {
            let answer = try await owner.client.callTool(owner.name, arguments, seconds: owner.seconds)
            return answer.isError ? "Error: \(answer.text)" : answer.text
        } catch let error as CancellationError {
            throw error
        } catch {
            return "Error: \(error)"
        }
    }
}
