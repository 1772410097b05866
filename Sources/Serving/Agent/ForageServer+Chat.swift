// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import HTTPTypes
import Hummingbird
import LanguageModels
import OrderedCollections
import Text
import Tools

/// An answer that is there, in the form that the client asked for.
struct FinishedAnswer: Sendable {
    let answer: Answer
    let rendering: AnswerRendering
    /// Whether the client wanted a form that the answer could not be brought into.
    let isRefusal: Bool
    /// Whether the answer was longer than the client takes.
    let isCut: Bool
    /// The text of a message before it was cut.
    let wholeText: String
    private let tool: AgentRequest.AnswerTool?
    private let runID: String

    init(_ answer: Answer, _ request: AgentRequest, corpus: String, base: String, runID: String) {
        self.runID = runID
        let shape = request.format.flatMap { try? AnswerShape(schema: $0) }
        // The same words are counted as in a stream, which shows them with their markers.
        var limit = Self.limit(request)
        var answer = answer
        let whole = AnswerRendering(answer, corpus: corpus, base: base, isJSON: shape != nil).text
        let taken = limit.take(whole)
        isCut = limit.isCut
        wholeText = whole
        if isCut { answer.text = taken }
        self.answer = answer
        isRefusal = shape.map { $0.read(answer.text) == nil } ?? false
        tool = request.answerTool
        rendering = AnswerRendering(
            answer, corpus: corpus, base: base, isJSON: shape != nil, addsMissing: !isCut)
    }

    /// The members of a chat message. An answer without the form that was asked for is a refusal, as the interface has it.
    var message: JSONObject {
        if isRefusal { return ["content": nil, "refusal": .string(rendering.text)] }
        if tool != nil { return ["content": nil, "tool_calls": [.object(call)]] }
        var members: JSONObject = ["content": .string(rendering.text), "refusal": nil]
        if !rendering.marks.isEmpty { members["annotations"] = rendering.chatAnnotations }
        return members
    }

    private var call: JSONObject {
        [
            "id": .string("call_" + runID.prefix(16)), "type": "function",
            "function": ["name": .string(tool?.name ?? ""), "arguments": .string(answer.text)],
        ]
    }

    /// What is left to stream when the answer's text has been shown already.
    var lastDelta: JSONObject {
        if isRefusal { return ["refusal": .string(rendering.text)] }
        if tool != nil {
            var call = call
            call["index"] = 0
            return ["tool_calls": [.object(call)]]
        }
        return rendering.marks.isEmpty ? [:] : ["annotations": rendering.chatAnnotations]
    }

    /// Whether the text is a message's content.
    var isText: Bool { !isRefusal && tool == nil }
    var finishReason: String { isCut ? "length" : isRefusal || tool == nil ? "stop" : "tool_calls" }

    /// How long an answer the client takes. Half an object is none: what has a form is not cut.
    static func limit(_ request: AgentRequest) -> AnswerLimit {
        AnswerLimit(tokens: request.format == nil ? request.sampling.maxTokens : nil)
    }
}

extension ForageServer {
    /// The question of a request with its conversation, and whom it is put to.
    struct Asked: Sendable {
        var request: AgentRequest
        var question: Question
        var strategy: Strategy
        var corpus: any RetrievalCorpus
        var corpusName: String
        /// The address under which the client sees the server.
        var base: String
    }

    /// Puts a request together with what was said before it.
    /// - Parameter dialogue: what the server itself knows of the conversation; the request's messages come after it.
    func understand(_ request: AgentRequest, after dialogue: Dialogue = Dialogue(), _ call: Call) async throws -> Asked
    {
        var name = request.model
        if let corpus = request.corpus, !name.contains("@"), service.corpora.count > 1 { name += "@" + corpus }
        if let corpus = request.corpus { _ = try service.corpus(named: corpus) }
        let agent = try service.agent(named: name)
        var whole = dialogue
        let said = try await Dialogue.from(request.earlier.map { ($0.isUser, $0.text) }) { id in
            (try? await agent.corpus.passages(withID: id)) ?? []
        }
        whole.turns += said.turns
        whole.evidence += said.evidence.filter { item in !whole.evidence.contains { $0.passageID == item.passageID } }
        whole.instructions = request.instructions
        whole.format = request.format
        let question = try await FollowUp(model: service.model).question(request.question, in: whole)
        let host = call.request.head.authority ?? "\(options.host):\(options.port)"
        let scheme = call.request.head.headerFields[.forwardedProto]?.lowercased() == "https" ? "https" : "http"
        return Asked(
            request: request, question: question, strategy: agent.strategy, corpus: agent.corpus,
            corpusName: agent.corpus.summary.name, base: "\(scheme)://\(host)")
    }

    func start(_ asked: Asked, isKept: Bool = true, _ call: Call) throws -> AgentRuns.Run {
        try agents.start(
            asked.question, strategy: asked.strategy, corpus: asked.corpus, seed: asked.request.seed,
            sampling: asked.request.sampling, isKept: isKept,
            thread: call.request.headers[.threadID] ?? asked.request.user, isWatched: asked.request.streams)
    }

    func finished(_ answer: Answer, _ asked: Asked, _ run: AgentRuns.Run) -> FinishedAnswer {
        FinishedAnswer(answer, asked.request, corpus: asked.corpusName, base: asked.base, runID: run.session.id)
    }

    func chat(_ call: Call) async throws -> Response {
        let asked = try await understand(AgentRequest.chat(call.json, limits: service.limits), call)
        let run = try start(asked, call)
        let reply = ChatCompletionReply(runID: run.session.id, model: asked.request.model)
        guard asked.request.streams else {
            return try await Self.cancellingOnCancel(run) {
                var summary = RunSummary()
                var lines: [String] = []
                for await event in run.session.events() {
                    summary.take(event)
                    if let line = ProgressText.line(event) { lines.append(line) }
                }
                let answer = finished(try await run.task.value, asked, run)
                return Response.json(
                    reply.whole(answer, reasoning: lines.joined(separator: "\n"), summary, runID: run.session.id))
            }
        }
        let includesUsage = call.json["stream_options"]?["include_usage"]?.bool ?? false
        return EventStreamBody.response(call) { [self] write in
            try await Self.cancellingOnCancel(run) {
                func send(_ value: JSONValue) { write(EventStreamBody.event(value.serialized())) }
                send(reply.chunk(["role": "assistant", "content": ""]))
                var live = LiveAnswer()
                var limit = FinishedAnswer.limit(asked.request)
                func sendText(_ text: String) {
                    let taken = limit.take(text)
                    if !taken.isEmpty { send(reply.chunk(["content": .string(taken)])) }
                }
                let summary = await follow(run, &live) { piece in
                    switch piece {
                    case .progress(let line): send(reply.chunk(["reasoning_content": .string(line + "\n")]))
                    case .reasoning(let text): send(reply.chunk(["reasoning_content": .string(text)]))
                    case .text(let text): sendText(text)
                    }
                }
                do {
                    let answer = finished(try await run.task.value, asked, run)
                    if answer.isText { sendText(live.rest(of: answer.wholeText)) }
                    if !answer.lastDelta.isEmpty { send(reply.chunk(answer.lastDelta)) }
                    send(
                        reply.chunk(
                            [:], finish: answer.finishReason,
                            extra: ["x_run": ChatCompletionReply.run(answer.answer, summary, run.session.id)]))
                    if includesUsage { send(reply.usageChunk(summary)) }
                } catch let error where !(error is CancellationError) || isDraining {
                    let isEnding = error is CancellationError
                    send((isEnding ? .shuttingDown : ServiceError(.failed, "the session failed: \(error)")).openAI)
                }
                write("data: [DONE]\n\n")
            }
        }
    }

    /// What a client is told of a run.
    enum Told {
        case progress(String)
        case reasoning(String)
        case text(String)
    }

    /// Follows a run to its end.
    func follow(_ run: AgentRuns.Run, _ live: inout LiveAnswer, _ tell: (Told) -> Void) async -> RunSummary {
        var summary = RunSummary()
        let start = ContinuousClock.now
        for await update in run.updates ?? run.session.updates() {
            for piece in live.take(update) {
                switch piece {
                case .text(let text):
                    if summary.firstText == nil { summary.firstText = (ContinuousClock.now - start) / .seconds(1) }
                    tell(.text(text))
                case .reasoning(let text): tell(.reasoning(text))
                case .thinking: break
                }
            }
            guard case .event(let event) = update else { continue }
            summary.take(event)
            if let line = ProgressText.line(event) { tell(.progress(line)) }
        }
        return summary
    }
}

extension HTTPField.Name {
    /// The protocol that the client spoke to a proxy.
    static let forwardedProto = HTTPField.Name("X-Forwarded-Proto") ?? .server
}

extension AgentRequest {
    /// The JSON schema of a chat request. Every message has a text; the last one is the user's question.
    static func chatSchema(_ service: ForageService) -> JSONValue {
        let message: JSONValue = [
            "type": "object", "required": ["role", "content"],
            "properties": [
                "role": ["const": "user"],
                "content": [
                    "type": "string", "pattern": "\\S", "maxLength": .integer(service.limits.queryCharacters),
                ],
            ],
        ]
        return [
            "type": "object", "required": ["model", "messages"], "additionalProperties": false,
            "properties": [
                "model": ["type": "string", "enum": .array(service.agentNames.map(JSONValue.string))],
                "messages": ["type": "array", "minItems": 1, "items": message],
                "stream": ["type": "boolean"],
            ],
        ]
    }

    /// The JSON schema of a response's request.
    static func responseSchema(_ service: ForageService) -> JSONValue {
        [
            "type": "object", "required": ["model", "input"], "additionalProperties": false,
            "properties": [
                "model": ["type": "string", "enum": .array(service.agentNames.map(JSONValue.string))],
                "input": ["type": "string", "pattern": "\\S", "maxLength": .integer(service.limits.queryCharacters)],
                "stream": ["type": "boolean"],
            ],
        ]
    }
}
