// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
import Encoders
public import Episodes
import Foundation
import LanguageModels
public import Net
import OrderedCollections
import Text
import Tools

/// A session as OpenTelemetry spans in OTLP's JSON form, with the attributes of the GenAI conventions.
///
/// Content (questions, arguments, passages, answers) is left out unless it is asked for: query text is sensitive.
public struct SpanExporter: Sendable {
    /// Whether spans carry texts. Default false.
    public var includesContent: Bool
    /// `service.name`. Default `forage`.
    public var service: String

    public init(includesContent: Bool = false, service: String = "forage") {
        self.includesContent = includesContent
        self.service = service
    }

    /// The body of a request to `/v1/traces`.
    /// - Parameter started: when the session began, in seconds since 1970-01-01T00:00:00Z.
    public func request(events: [SessionEvent], started: Double) throws(SessionError) -> JSONValue {
        let trajectory = try Trajectory(events: events)
        let state = trajectory.final
        let trace = hex(XXH64.hash(state.header.session, seed: 1)) + hex(XXH64.hash(state.header.session, seed: 2))
        let root = hex(XXH64.hash(state.header.session, seed: 3))
        func nanoseconds(_ time: Double) -> JSONValue { .string(String(UInt64(max(0, (started + time) * 1e9)))) }
        var spans: [JSONValue] = []
        func span(
            _ name: String, id: String, parent: String?, kind: Int, from: Double, to: Double, _ attributes: JSONObject,
            error: String? = nil
        ) {
            var attributes = attributes
            var members: JSONObject = ["traceId": .string(trace), "spanId": .string(id)]
            if let parent { members["parentSpanId"] = .string(parent) }
            members["name"] = .string(name)
            members["kind"] = .integer(kind)
            members["startTimeUnixNano"] = nanoseconds(from)
            members["endTimeUnixNano"] = nanoseconds(max(from, to))
            if let error { attributes["error.type"] = .string(error) }
            members["attributes"] = Self.attributes(attributes)
            if error != nil { members["status"] = ["code": 2] }
            spans.append(.object(members))
        }
        var open: [String: (time: Double, model: ModelCallRecord?, tool: ToolCallRecord?)] = [:]
        for event in events {
            switch event.kind {
            case .modelCalled(let record): open[record.id] = (event.time, record, nil)
            case .toolCalled(let record): open[record.id] = (event.time, nil, record)
            case .modelReturned(let id, let response):
                guard let begun = open.removeValue(forKey: id) else { continue }
                var attributes: JSONObject = [
                    "gen_ai.operation.name": "chat", "gen_ai.request.model": .string(state.header.model.name),
                    "gen_ai.response.model": .string(response.model),
                    "gen_ai.usage.input_tokens": .integer(response.usage.promptTokens),
                    "gen_ai.usage.output_tokens": .integer(response.usage.completionTokens),
                    "gen_ai.response.finish_reasons": .array(
                        response.completions.map { .string($0.finishReason.rawValue) }),
                    "openinference.span.kind": "LLM", "forage.purpose": .string(begun.model?.purpose ?? ""),
                ]
                if includesContent, let text = response.completions.first?.message.content {
                    attributes["gen_ai.output.messages"] = .string(text)
                }
                span(
                    "chat \(state.header.model.name)", id: spanID(id, state), parent: root, kind: 3, from: begun.time,
                    to: event.time, attributes)
            case .modelFailed(let id, let error):
                guard let begun = open.removeValue(forKey: id) else { continue }
                span(
                    "chat \(state.header.model.name)", id: spanID(id, state), parent: root, kind: 3, from: begun.time,
                    to: event.time, ["gen_ai.operation.name": "chat", "openinference.span.kind": "LLM"],
                    error: ModelJSON.json(error)["error"]?.string ?? "error")
            case .toolReturned(let id, let output):
                guard let begun = open.removeValue(forKey: id), let record = begun.tool else { continue }
                var attributes: JSONObject = [
                    "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": .string(record.invocation.tool),
                    "gen_ai.tool.call.id": .string(record.id), "gen_ai.tool.type": "function",
                    "gen_ai.data_source.id": .string(state.header.corpus.name),
                    "openinference.span.kind": output.passages.isEmpty ? "TOOL" : "RETRIEVER",
                    "forage.passages": .integer(output.passages.count),
                ]
                if includesContent {
                    attributes["gen_ai.tool.call.arguments"] = .string(record.invocation.arguments)
                    attributes["gen_ai.retrieval.documents"] = .string(
                        JSONValue.array(
                            output.passages.map { ["id": .string($0.passage.id), "score": .number($0.score)] }
                        ).serialized())
                }
                span(
                    "execute_tool \(record.invocation.tool)", id: spanID(id, state), parent: root, kind: 1,
                    from: begun.time, to: event.time, attributes, error: output.isError ? "tool_error" : nil)
            default: break
            }
        }
        var attributes: JSONObject = [
            "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": .string(state.header.policy.name),
            "gen_ai.conversation.id": .string(state.header.session), "openinference.span.kind": "AGENT",
            "gen_ai.usage.input_tokens": .integer(state.spent.promptTokens),
            "gen_ai.usage.output_tokens": .integer(state.spent.completionTokens),
            "forage.steps": .integer(state.spent.steps), "forage.tool_calls": .integer(state.spent.toolCalls),
            "forage.stop_reason": .string(state.stop?.name ?? "unfinished"),
        ]
        if includesContent {
            attributes["input.value"] = .string(state.question.text)
            if let answer = state.answer { attributes["output.value"] = .string(answer.text) }
        }
        span(
            "invoke_agent \(state.header.policy.name)", id: root, parent: nil, kind: 1, from: 0,
            to: events.map(\.time).max() ?? 0, attributes)
        return [
            "resourceSpans": [
                [
                    "resource": ["attributes": Self.attributes(["service.name": .string(service)])],
                    "scopeSpans": [["scope": ["name": "forage"], "spans": .array(spans)]],
                ]
            ]
        ]
    }

    /// Sends a session's spans.
    /// - Parameters:
    ///   - endpoint: the collector's base URL, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it.
    ///   - headers: such as `OTEL_EXPORTER_OTLP_HEADERS` has them.
    /// - Throws: `HTTPError`, `SessionError`.
    public func send(
        events: [SessionEvent], started: Double, to endpoint: String, headers: [(name: String, value: String)] = [],
        client: HTTPClient = .shared
    ) async throws {
        let body = try request(events: events, started: started).serialized()
        let base = endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint
        let url = base.hasSuffix("/v1/traces") ? base : base + "/v1/traces"
        let response = try await client.send(
            HTTPRequest(
                method: "POST", url: url, headers: [(name: "Content-Type", value: "application/json")] + headers,
                body: Array(body.utf8)))
        guard (200..<300).contains(response.status) else {
            throw SessionError.store("the collector refused the spans with status \(response.status)")
        }
    }

    /// Reads `name=value,name=value`.
    public static func headers(from text: String) -> [(name: String, value: String)] {
        text.split(separator: ",").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            return (
                name: parts[0].trimmingCharacters(in: .whitespaces),
                value: parts[1].trimmingCharacters(in: .whitespaces)
            )
        }
    }

    private func spanID(_ id: String, _ state: AgentState) -> String {
        hex(XXH64.hash(state.header.session + "/" + id, seed: 3))
    }

    private func hex(_ value: UInt64) -> String {
        let digits = String(value == 0 ? 1 : value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func attributes(_ members: JSONObject) -> JSONValue {
        .array(members.map { key, value in ["key": .string(key), "value": any(value)] })
    }

    private static func any(_ value: JSONValue) -> JSONValue {
        switch value {
        case .bool: return ["boolValue": value]
        // OTLP's JSON writes 64-bit integers as strings.
        case .integer(let number): return ["intValue": .string(String(number))]
        case .number: return ["doubleValue": value]
        case .array(let elements): return ["arrayValue": ["values": .array(elements.map(any))]]
        default: return ["stringValue": .string(value.string ?? value.serialized())]
        }
    }
}
