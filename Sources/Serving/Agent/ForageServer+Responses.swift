// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import HTTPTypes
import Hummingbird
import LanguageModels
import OrderedCollections
import Text

/// A response as OpenAI's newer interface has it.
struct ResponseObject: Sendable {
    let id: String
    let model: String
    let created: Int
    /// The id of the response before it.
    let previous: String?

    init(runID: String, model: String, previous: String?, created: Int = Int(Date().timeIntervalSince1970)) {
        id = Self.prefix + runID
        self.model = model
        self.created = created
        self.previous = previous
    }

    private static let prefix = "resp_"

    /// The session behind a response's id.
    static func session(of id: String) -> String { id.hasPrefix(prefix) ? String(id.dropFirst(prefix.count)) : id }

    var itemID: String { "msg_" + id.dropFirst(Self.prefix.count) }

    /// The response before there is an answer.
    func begun(_ status: String = "in_progress") -> JSONValue {
        object(status: status, output: [], usage: nil, run: nil)
    }

    func completed(_ finished: FinishedAnswer, _ summary: RunSummary, runID: String) -> JSONValue {
        object(
            status: finished.isCut ? "incomplete" : "completed", output: [item(finished)],
            usage: [
                "input_tokens": .integer(summary.spent.promptTokens),
                "input_tokens_details": ["cached_tokens": .integer(summary.usage.cachedTokens)],
                "output_tokens": .integer(summary.spent.completionTokens),
                "output_tokens_details": ["reasoning_tokens": .integer(summary.usage.reasoningTokens)],
                "total_tokens": .integer(summary.spent.promptTokens + summary.spent.completionTokens),
            ], run: ChatCompletionReply.run(finished.answer, summary, runID), isCut: finished.isCut)
    }

    func item(_ finished: FinishedAnswer) -> JSONValue {
        [
            "type": "message", "id": .string(itemID), "status": finished.isCut ? "incomplete" : "completed",
            "role": "assistant", "content": [part(finished)],
        ]
    }

    func part(_ finished: FinishedAnswer) -> JSONValue {
        guard !finished.isRefusal else { return ["type": "refusal", "refusal": .string(finished.rendering.text)] }
        return [
            "type": "output_text", "text": .string(finished.rendering.text),
            "annotations": .array(finished.rendering.responseAnnotations), "logprobs": [],
        ]
    }

    private func object(
        status: String, output: [JSONValue], usage: JSONValue?, run: JSONValue?, isCut: Bool = false
    ) -> JSONValue {
        var members: JSONObject = [
            "id": .string(id), "object": "response", "created_at": .integer(created), "status": .string(status),
            "error": nil, "incomplete_details": isCut ? ["reason": "max_output_tokens"] : nil, "instructions": nil,
            "max_output_tokens": nil, "model": .string(model), "output": .array(output), "parallel_tool_calls": true,
            "previous_response_id": previous.map { .string($0) } ?? nil, "reasoning": ["effort": nil, "summary": nil],
            "store": true, "temperature": nil, "text": ["format": ["type": "text"]], "tool_choice": "auto", "tools": [],
            "top_p": nil, "truncation": "disabled", "usage": usage ?? nil, "user": nil, "metadata": [:],
        ]
        if let run { members["x_run"] = run }
        return .object(members)
    }
}

extension ForageServer {
    /// Answers `POST /v1/responses`; the conversation goes on from `previous_response_id`.
    func respond(_ call: Call) async throws -> Response {
        let request = try AgentRequest.response(call.json, limits: service.limits)
        var dialogue = Dialogue()
        let previous = call.json["previous_response_id"]?.string
        if let previous {
            let session = ResponseObject.session(of: previous)
            guard let before = Dialogue.after(try await service.sessions.events(of: session), session: session) else {
                throw ServiceError(
                    .notFound, "there is no response \"\(previous.prefix(80))\"", location: ["previous_response_id"])
            }
            dialogue = before
        }
        let asked = try await understand(request, after: dialogue, call)
        let run = try start(asked, isKept: call.json["store"]?.bool ?? true, call)
        let object = ResponseObject(runID: run.session.id, model: request.model, previous: previous)
        guard request.streams else {
            return try await Self.cancellingOnCancel(run) {
                var summary = RunSummary()
                for await event in run.session.events() { summary.take(event) }
                let answer = finished(try await run.task.value, asked, run)
                return Response.json(object.completed(answer, summary, runID: run.session.id))
            }
        }
        return EventStreamBody.response(call) { [self] write in
            try await Self.cancellingOnCancel(run) {
                try await stream(run, asked, object, write)
            }
        }
    }

    private func stream(
        _ run: AgentRuns.Run, _ asked: Asked, _ object: ResponseObject, _ write: @Sendable (String) -> Void
    ) async throws {
        var number = 0
        func send(_ type: String, _ members: JSONObject) {
            var event: JSONObject = ["type": .string(type), "sequence_number": .integer(number)]
            for (name, value) in members { event[name] = value }
            number += 1
            write(EventStreamBody.event(JSONValue.object(event).serialized(), name: type))
        }
        let place: JSONObject = ["item_id": .string(object.itemID), "output_index": 0, "content_index": 0]
        func placed(_ members: JSONObject) -> JSONObject {
            var result = place
            for (name, value) in members { result[name] = value }
            return result
        }
        var limit = FinishedAnswer.limit(asked.request)
        func sendText(_ text: String) {
            let taken = limit.take(text)
            if !taken.isEmpty {
                send("response.output_text.delta", placed(["delta": .string(taken), "logprobs": []]))
            }
        }
        send("response.created", ["response": object.begun()])
        send("response.in_progress", ["response": object.begun()])
        send(
            "response.output_item.added",
            [
                "output_index": 0,
                "item": [
                    "type": "message", "id": .string(object.itemID), "status": "in_progress", "role": "assistant",
                    "content": [],
                ],
            ])
        send(
            "response.content_part.added",
            placed(["part": ["type": "output_text", "text": "", "annotations": [], "logprobs": []]]))
        var live = LiveAnswer()
        let summary = await follow(run, &live) { told in
            if case .text(let text) = told { sendText(text) }
        }
        let answer: FinishedAnswer
        do { answer = finished(try await run.task.value, asked, run) } catch let error
            where !(error is CancellationError) || isDraining
        {
            let why = error is CancellationError ? ServiceError.shuttingDown.message : "the session failed: \(error)"
            send("error", ["message": .string(why), "code": "server_error", "param": nil])
            return
        }
        if !answer.isRefusal {
            sendText(live.rest(of: answer.wholeText))
            for (index, annotation) in answer.rendering.responseAnnotations.enumerated() {
                send(
                    "response.output_text.annotation.added",
                    placed(["annotation_index": .integer(index), "annotation": annotation]))
            }
            send(
                "response.output_text.done",
                placed(["text": .string(answer.rendering.text), "logprobs": []]))
        }
        send("response.content_part.done", placed(["part": object.part(answer)]))
        send("response.output_item.done", ["output_index": 0, "item": object.item(answer)])
        send(
            answer.isCut ? "response.incomplete" : "response.completed",
            ["response": object.completed(answer, summary, runID: run.session.id)])
    }

    /// A response that was given before, made again from its session.
    func storedResponse(_ id: String, _ call: Call) async throws -> JSONValue {
        let session = ResponseObject.session(of: id)
        let events = try await service.sessions.events(of: session)
        var summary = RunSummary()
        for event in events { summary.take(event) }
        guard case .started(let header) = events.first?.kind else {
            throw ServiceError(.notFound, "there is no response \"\(id.prefix(80))\"")
        }
        let previous = header.question.dialogue.previous
        let object = ResponseObject(
            runID: session, model: header.policy.name, previous: previous.isEmpty ? nil : "resp_" + previous)
        guard let answer = summary.answer else {
            return object.begun(agents.run(session) == nil ? "incomplete" : "in_progress")
        }
        let host = call.request.head.authority ?? "\(options.host):\(options.port)"
        let request = try AgentRequest(["model": .string(header.policy.name)], limitNames: [], limits: service.limits)
        return object.completed(
            FinishedAnswer(answer, request, corpus: header.corpus.name, base: "http://\(host)", runID: session),
            summary,
            runID: session)
    }
}
