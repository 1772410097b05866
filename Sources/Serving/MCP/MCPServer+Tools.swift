// SPDX-License-Identifier: Apache-2.0

import Base
import Agent
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

extension MCPServer {
    /// The tools in their fixed order; each takes the session whose handles it may name.
    func toolList(scope: AccessToken.Scope) -> [JSONValue] {
        var list = service.tools.specifications.map { tool -> JSONValue in
            var schema = tool.parameters.object ?? ["type": "object"]
            var properties = schema["properties"]?.object ?? [:]
            properties["session"] = [
                "type": "string",
                "description":
                    "The session of an earlier result, to name its handles; each result says it. Leave it out to start anew.",
            ]
            schema["properties"] = .object(properties)
            return [
                "name": .string(tool.name), "description": .string(tool.description), "inputSchema": .object(schema),
                "outputSchema": Self.outputSchema, "annotations": ["readOnlyHint": true, "openWorldHint": false],
            ]
        }
        if !service.strategies(over: nil).isEmpty, scope == .full { list.append(askTool) }
        return list
    }

    private var askTool: JSONValue {
        [
            "name": "ask",
            "description":
                "Answers a question from the corpus with citations: an agent searches in several hops. Use it for a question that takes more than one search.",
            "inputSchema": [
                "type": "object",
                "properties": [
                    "question": ["type": "string", "minLength": 1, "maxLength": 4096],
                    "policy": [
                        "type": "string", "enum": .array(service.strategies(over: nil).map { .string($0.name) }),
                    ],
                ], "required": ["question"], "additionalProperties": false,
            ],
            "outputSchema": [
                "type": "object",
                "properties": [
                    "answer": ["type": "string"], "citations": ["type": "array", "items": ["type": "object"]],
                    "stop_reason": ["type": "string"],
                ], "required": ["answer", "citations"],
            ],
        ]
    }

    private static let outputSchema: JSONValue = [
        "type": "object",
        "properties": [
            "session": ["type": "string"], "summary": ["type": "string"], "handle": ["type": ["string", "null"]],
            "total": ["type": ["integer", "null"]], "complete": ["type": ["boolean", "null"]],
            "passages": [
                "type": "array",
                "items": [
                    "type": "object",
                    "properties": [
                        "id": ["type": "string"], "title": ["type": "string"], "text": ["type": "string"],
                        "score": ["type": "number"],
                    ], "required": ["id", "text"],
                ],
            ],
        ], "required": ["session", "summary", "passages"],
    ]

    /// Runs `tools/call`. A failing tool is a result with `isError`; a wrong request is a failure of the protocol.
    func callTool(_ parameters: JSONValue, _ caller: Caller) async throws -> JSONObject {
        guard let name = parameters["name"]?.string else {
            throw MCPFailure(code: -32602, message: "\"name\" is missing")
        }
        var arguments = parameters["arguments"]?.object ?? [:]
        if name == "ask", !service.strategies(over: nil).isEmpty {
            guard caller.scope == .full else {
                throw MCPFailure(code: -32602, message: "this token may not run agents")
            }
            return try await ask(.object(arguments), token: parameters["_meta"]?["progressToken"], caller)
        }
        guard service.tools[name] != nil else {
            throw MCPFailure(code: -32602, message: "there is no tool \"\(name.prefix(64))\"")
        }
        let sessionID: String
        if let given = arguments.removeValue(forKey: "session")?.string {
            guard sessions.exists(given) else {
                return Self.errorResult(
                    "there is no session \"\(given.prefix(64))\", or it has expired; leave it out to start anew")
            }
            sessionID = given
        } else {
            sessionID = caller.sessionID ?? sessions.make()
        }
        let (handle, sets) = sessions.begin(sessionID)
        let output = try await service.tools.run(
            name, .object(arguments),
            in: ToolContext(corpus: service.corpora[0].corpus, resultSets: sets, handle: handle))
        if output.isError { return Self.errorResult(output.text) }
        if let set = output.resultSet { sessions.keep(set, in: sessionID) }
        let fenced = Fence(seed: UInt64.random(in: .min ... .max), call: handle).wrap(output.text, source: name)
        var structured: JSONObject = [
            "session": .string(sessionID), "summary": .string(output.summary), "handle": nil, "total": nil,
            "complete": nil,
            "passages": .array(
                output.passages.map { scored in
                    [
                        "id": .string(scored.passage.id), "title": .string(scored.passage.title),
                        "text": .string(Fence.neutralised(scored.passage.text)), "score": .number(scored.score),
                    ]
                }),
        ]
        if let set = output.resultSet {
            structured["handle"] = .string(set.handle)
            structured["total"] = .integer(set.total)
            structured["complete"] = .bool(set.isComplete)
        }
        return [
            "content": [["type": "text", "text": .string(fenced + "\nsession: \(sessionID)")]],
            "structuredContent": .object(structured), "isError": false,
        ]
    }

    /// Runs an agent, and tells of its progress.
    private func ask(_ arguments: JSONValue, token: JSONValue?, _ caller: Caller) async throws -> JSONObject {
        guard let question = arguments["question"]?.string, question.contains(where: { !$0.isWhitespace }),
            question.count <= service.limits.queryCharacters
        else {
            return Self.errorResult("\"question\" must be a text of 1 to \(service.limits.queryCharacters) characters")
        }
        let strategy: Strategy
        do {
            strategy = try service.strategy(named: arguments["policy"]?.string, over: nil)
        } catch { return Self.errorResult(error.message) }
        let session = AgentSession(
            Question(question), strategy: strategy, environment: service.environment(service.corpora[0].corpus),
            store: service.sessions, id: AgentRuns.makeID())
        let (answer, summary) = try await withThrowingTaskGroup(of: Answer.self) { group in
            group.addTask { try await session.run() }
            var summary = RunSummary()
            var progress = 0
            for await event in session.events() {
                summary.take(event)
                guard let token, let notify = caller.notify, let line = ProgressText.line(event) else { continue }
                progress += 1
                notify([
                    "jsonrpc": "2.0", "method": "notifications/progress",
                    "params": ["progressToken": token, "progress": .integer(progress), "message": .string(line)],
                ])
            }
            guard let answer = try await group.next() else { throw CancellationError() }
            return (answer, summary)
        }
        let citations = answer.citations.map { "[\($0.passageID)] \($0.title)" }.joined(separator: "\n")
        return [
            "content": [
                ["type": "text", "text": .string(answer.text + (citations.isEmpty ? "" : "\n\n" + citations))]
            ],
            "structuredContent": [
                "answer": .string(answer.text), "citations": .array(answer.citations.map(\.json)),
                "stop_reason": .string(summary.stop?.name ?? "answered"),
            ], "isError": false,
        ]
    }

    /// Runs `resources/read` for `forage://passage/{id}`.
    func readResource(_ parameters: JSONValue) async throws -> JSONObject {
        let prefix = "forage://passage/"
        guard let uri = parameters["uri"]?.string, uri.hasPrefix(prefix),
            let id = String(uri.dropFirst(prefix.count)).removingPercentEncoding, id.utf8.count <= 1024
        else { throw MCPFailure(code: -32602, message: "expected a uri such as forage://passage/ID") }
        let passages = try await service.corpora[0].corpus.passages(withID: id)
        guard !passages.isEmpty else {
            throw MCPFailure(code: -32002, message: "there is no passage \"\(id.prefix(100))\"")
        }
        let text = passages.prefix(50).map { ($0.title.isEmpty ? "" : $0.title + "\n") + $0.text }
            .joined(separator: "\n\n")
        return [
            "contents": [["uri": .string(uri), "mimeType": "text/plain", "text": .string(Fence.neutralised(text))]]
        ]
    }

    private static func errorResult(_ text: String) -> JSONObject {
        ["content": [["type": "text", "text": .string(text)]], "isError": true]
    }
}
