// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

extension MCPServer {
    /// The tools that the caller may use, in their fixed order; each takes the session whose handles it may name, and the
    /// corpus where there are several.
    func toolList(for caller: Caller) -> [JSONValue] {
        var list = service.tools.tools.filter { caller.may(Route.Access($0.access)) }.map { tool -> JSONValue in
            var schema = tool.specification.parameters.object ?? ["type": "object"]
            var properties = schema["properties"]?.object ?? [:]
            properties["session"] = [
                "type": "string",
                "description":
                    "The session of an earlier result, to name its handles; each result says it. Leave it out to start anew.",
            ]
            if let corpus = corpusSchema { properties["corpus"] = corpus }
            schema["properties"] = .object(properties)
            return [
                "name": .string(tool.name), "description": .string(tool.specification.description),
                "inputSchema": .object(schema), "outputSchema": Self.outputSchema,
                "annotations": [
                    "readOnlyHint": .bool(tool.access == .read), "openWorldHint": .bool(tool.access != .read),
                ],
            ]
        }
        if !service.agentNames.isEmpty, caller.may(.full) { list.append(askTool) }
        return list
    }

    /// The argument that names a corpus; nil where there is one alone.
    private var corpusSchema: JSONValue? {
        guard service.corpora.count > 1 else { return nil }
        return [
            "type": "string", "enum": .array(service.corpora.map { .string($0.name) }),
            "description": .string("The corpus. Default: \(service.corpora[0].name)."),
        ]
    }

    private var askTool: JSONValue {
        var properties: JSONObject = [
            "question": ["type": "string", "minLength": 1, "maxLength": .integer(service.limits.queryCharacters)],
            "policy": ["type": "string", "enum": .array(policyNames.map(JSONValue.string))],
        ]
        if let corpus = corpusSchema { properties["corpus"] = corpus }
        return [
            "name": "ask",
            "description":
                "Answers a question from the corpus with citations: an agent searches in several hops. Use it for a question that takes more than one search.",
            "inputSchema": [
                "type": "object",
                "properties": .object(properties), "required": ["question"], "additionalProperties": false,
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

    /// The policies of all corpora.
    private var policyNames: [String] {
        var names: [String] = []
        for corpus in service.corpora {
            for name in service.strategies(over: corpus.name).map(\.name) where !names.contains(name) {
                names.append(name)
            }
        }
        return names
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
    func callTool(_ parameters: JSONValue, _ caller: Sender) async throws -> JSONObject {
        guard let written = parameters["name"]?.string else {
            throw MCPFailure(code: -32602, message: "\"name\" is missing")
        }
        // A caller's model writes names and arguments as models do: they are read as they were meant.
        let name = written == "ask" ? written : service.tools.toolName(written) ?? written
        let given = parameters["arguments"] ?? nil
        var arguments = (given.string.flatMap { LenientJSON.read($0)?.value } ?? given).object ?? [:]
        if name == "ask", !service.agentNames.isEmpty {
            guard caller.caller.may(.full) else {
                throw MCPFailure(code: -32602, message: "this token may not run agents")
            }
            return try await ask(.object(arguments), token: parameters["_meta"]?["progressToken"], caller)
        }
        guard let tool = service.tools[name] else {
            throw MCPFailure(code: -32602, message: "there is no tool \"\(name.prefix(64))\"")
        }
        guard caller.caller.may(Route.Access(tool.access)) else {
            throw MCPFailure(code: -32602, message: "this token may not call \(name)")
        }
        let corpus: any RetrievalCorpus
        do throws(ServiceError) {
            let named = service.corpora.count > 1 ? arguments.removeValue(forKey: "corpus")?.string : nil
            corpus = try service.corpus(named: named)
        } catch {
            return Self.errorResult(error.message)
        }
        let sessionID: String
        if let given = arguments.removeValue(forKey: "session")?.string, !given.isEmpty {
            guard sessions.exists(given, owner: caller.caller.token) else {
                return Self.errorResult(
                    "there is no session \"\(given.prefix(64))\", or it has expired; leave it out to start anew")
            }
            sessionID = given
        } else {
            sessionID = caller.sessionID ?? sessions.make(.singleCall, owner: caller.caller.token)
        }
        let (handle, sets) = sessions.begin(sessionID, corpus: corpus.fingerprint)
        let output = try await service.tools.run(
            name, .object(arguments), in: ToolContext(corpus: corpus, resultSets: sets, handle: handle))
        if output.isError { return Self.errorResult(output.text) }
        if let set = output.resultSet { sessions.keep(set, corpus: corpus.fingerprint, in: sessionID) }
        let fenced = Fence(seed: UInt64.random(in: .min ... .max), call: handle).wrap(output.text, source: name)
        var structured: JSONObject = [
            "session": .string(sessionID), "summary": .string(Fence.neutralised(output.summary)), "handle": nil,
            "total": nil,
            "complete": nil,
            "passages": .array(
                output.passages.map { scored in
                    [
                        "id": .string(Fence.neutralised(scored.passage.id)),
                        "title": .string(Fence.neutralised(scored.passage.title)),
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
    private func ask(_ arguments: JSONValue, token: JSONValue?, _ caller: Sender) async throws -> JSONObject {
        guard let question = arguments["question"]?.string, question.contains(where: { !$0.isWhitespace }),
            !question.isLonger(than: service.limits.queryCharacters)
        else {
            return Self.errorResult("\"question\" must be a text of 1 to \(service.limits.queryCharacters) characters")
        }
        let run: AgentRuns.Run
        do throws(ServiceError) {
            let corpus = arguments["corpus"]?.string
            run = try agents.start(
                Question(question), strategy: service.strategy(named: arguments["policy"]?.string, over: corpus),
                corpus: service.corpus(named: corpus), seed: nil)
        } catch {
            return Self.errorResult(error.message)
        }
        let (answer, summary) = try await withTaskCancellationHandler {
            var summary = RunSummary()
            var progress = 0
            for await event in run.session.events() {
                summary.take(event)
                guard let token, let notify = caller.notify, let line = ProgressText.line(event) else { continue }
                progress += 1
                notify([
                    "jsonrpc": "2.0", "method": "notifications/progress",
                    "params": ["progressToken": token, "progress": .integer(progress), "message": .string(line)],
                ])
            }
            return (try await run.task.value, summary)
        } onCancel: {
            run.task.cancel()
        }
        let citations = answer.citations.map { "[\($0.passageID)] \($0.title)" }.joined(separator: "\n")
        let text = Fence.neutralised(answer.text + (citations.isEmpty ? "" : "\n\n" + citations))
        return [
            "content": [
                ["type": "text", "text": .string(text)]
            ],
            "structuredContent": [
                "answer": .string(Fence.neutralised(answer.text)),
                "citations": .array(answer.citations.map { Fence.neutralised($0.json) }),
                "stop_reason": .string(summary.stop?.name ?? "answered"),
            ], "isError": false,
        ]
    }

    /// Runs `resources/read` for `forage://passage/{id}`.
    func readResource(_ parameters: JSONValue) async throws -> JSONObject {
        let prefix = "forage://passage/"
        guard let uri = parameters["uri"]?.string, uri.hasPrefix(prefix) else {
            throw MCPFailure(code: -32602, message: "expected a uri such as forage://passage/ID")
        }
        let parts = uri.dropFirst(prefix.count).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let member = parts.count > 1 ? parts[1] : ""
        guard let id = String(parts[0]).removingPercentEncoding, id.utf8.count <= 1024,
            member.isEmpty || member.hasPrefix("corpus="),
            let corpus = String(member.dropFirst(7)).removingPercentEncoding
        else { throw MCPFailure(code: -32602, message: "expected a uri such as forage://passage/ID?corpus=NAME") }
        let passages = try await service.corpus(named: corpus).passages(withID: id)
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
        ["content": [["type": "text", "text": .string(Fence.neutralised(text))]], "isError": true]
    }
}
