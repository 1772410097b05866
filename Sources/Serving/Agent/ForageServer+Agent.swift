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

extension ForageServer {
    /// The agent as a model, and the sessions for the web page.
    var agentRoutes: [Route] {
        [
            .get("/v1/models", .read, "The agents and the encoder as models") { [service] _ in
                var names = service.agentNames
                if let encoder = service.encoder { names.append(encoder.name) }
                return Response.json([
                    "object": "list",
                    "data": .array(
                        names.map { ["id": .string($0), "object": "model", "created": 0, "owned_by": "forage"] }),
                ])
            },
            .get("/v1/models/{id}", .read, "One model", statuses: [404]) { [service] call in
                let id = try call.parameter("id")
                guard service.agentNames.contains(id) || service.encoder?.name == id else {
                    throw ServiceError(.notFound, "there is no model \"\(id.prefix(100))\"", location: ["model"])
                }
                return Response.json(["id": .string(id), "object": "model", "created": 0, "owned_by": "forage"])
            },
            .post(
                "/v1/chat/completions", .full, "Ask an agent", schema: AgentRequest.chatSchema(service),
                statuses: [400, 404, 409]
            ) { [self] call in try await chat(call) },
            .post(
                "/v1/responses", .full, "Ask an agent, by the newer interface",
                schema: AgentRequest.responseSchema(service),
                statuses: [400, 404, 409]
            ) { [self] call in try await respond(call) },
            .get("/v1/responses/{id}", .full, "An earlier response", statuses: [404]) { [self] call in
                Response.json(try await storedResponse(call.parameter("id"), call))
            },
            Route(
                method: .delete, path: "/v1/responses/{id}", access: .full, summary: "Delete a response",
                statuses: [404, 409]
            ) { [self] call in
                let id = try call.parameter("id")
                try await deleteSession(ResponseObject.session(of: id))
                return Response.json(["id": .string(id), "object": "response", "deleted": true])
            },
            .get("/api/sessions", sessionAccess, "The sessions, newest first") { [self] call in
                try await listSessions(call)
            },
            .post("/api/sessions", .full, "Begin a session", statuses: [201, 404]) { [self] call in
                try await startSession(call)
            },
            .get("/api/sessions/{id}", sessionAccess, "The events of a session", statuses: [404]) { [service] call in
                let id = try call.parameter("id")
                let events = try await service.sessions.events(of: id)
                guard !events.isEmpty else {
                    throw ServiceError(.notFound, "there is no session \"\(id.prefix(64))\"")
                }
                return Response.json(["id": .string(id), "events": .array(events.map(\.timedJSON))])
            },
            .get(
                "/api/sessions/{id}/events", sessionAccess, "The events of a session as they come", statuses: [404],
                mediaType: "text/event-stream"
            ) { [self] call in try await streamSession(call.parameter("id"), call) },
            Route(
                method: .post, path: "/api/sessions/{id}/interrupt", access: .full, summary: "Interrupt a session",
                statuses: [404]
            ) { [agents] call in
                guard let run = agents.run(try call.parameter("id")) else {
                    throw ServiceError(.notFound, "no such session runs")
                }
                run.session.interrupt()
                return Response.json(["interrupted": true])
            },
            Route(
                method: .delete, path: "/api/sessions/{id}", access: .full, summary: "Delete a session",
                statuses: [404, 409]
            ) { [self] call in
                try await deleteSession(call.parameter("id"))
                return Response.json(["deleted": true])
            },
            .get("/api/passages/{id}", .read, "A passage or a document", statuses: [404]) { [service] call in
                let id = try call.parameter("id")
                let corpus = try service.corpus(named: call.query("corpus"))
                let passages = try await corpus.passages(withID: id.removingPercentEncoding ?? id)
                guard !passages.isEmpty else {
                    throw ServiceError(.notFound, "there is no passage \"\(id.prefix(100))\"")
                }
                return Response.json(["passages": .array(passages.prefix(50).map(ForageService.document))])
            },
            .get("/api/about", .read, "What is served") { [service] _ in
                Response.json([
                    "version": .string(service.version),
                    "policies": .array(service.strategies(over: nil).map { .string($0.name) }),
                    "model": service.model.map { .string($0.name) } ?? nil,
                    "corpora": .array(
                        service.corpora.map { name, corpus in
                            [
                                "name": .string(name), "documents": .integer(corpus.summary.documentCount),
                                "passages": .integer(corpus.summary.passageCount),
                                "policies": .array(service.strategies(over: name).map { .string($0.name) }),
                            ]
                        }),
                ])
            },
        ]
    }

    /// Runs the body; when its task is cancelled, because the client is gone, the session is too.
    static func cancellingOnCancel<Result: Sendable>(
        _ run: AgentRuns.Run, _ body: () async throws -> Result
    ) async throws -> Result {
        try await withTaskCancellationHandler {
            try await body()
        } onCancel: {
            run.task.cancel()
        }
    }

    private func deleteSession(_ id: String) async throws {
        guard agents.run(id) == nil else { throw ServiceError(.conflict, "the session still runs") }
        do { try await service.sessions.delete(id) } catch SessionError.notFound {
            throw ServiceError(.notFound, "there is no session \"\(id.prefix(64))\"")
        }
    }

    private func listSessions(_ call: Call) async throws -> Response {
        let offset = max(0, call.query("offset").flatMap { Int($0) } ?? 0)
        let all = try await service.sessions.sessions()
        return Response.json([
            "total": .integer(all.count),
            "sessions": .array(
                all.dropFirst(offset).prefix(50).map { session in
                    [
                        "id": .string(session.id), "question": .string(session.question),
                        "policy": .string(session.policy), "created": .number(session.created),
                        "events": .integer(session.eventCount), "running": .bool(agents.run(session.id) != nil),
                        "stop": session.stop.map { .string($0.name) } ?? nil,
                    ]
                }),
        ])
    }

    private func startSession(_ call: Call) async throws -> Response {
        let json = call.json
        guard let question = json["question"]?.string, question.contains(where: { !$0.isWhitespace }),
            !question.isLonger(than: service.limits.queryCharacters)
        else {
            throw ServiceError(
                .invalid, "expected a question of 1 to \(service.limits.queryCharacters) characters",
                location: ["question"])
        }
        let strategy = try service.strategy(named: json["policy"]?.string, over: json["corpus"]?.string)
        let corpus = try service.corpus(named: json["corpus"]?.string)
        var dialogue = Dialogue()
        if let id = json["after"]?.string {
            guard let before = Dialogue.after(try await service.sessions.events(of: id), session: id) else {
                throw ServiceError(.notFound, "there is no session \"\(id.prefix(64))\"", location: ["after"])
            }
            dialogue = before
        }
        let run = try agents.start(
            try await FollowUp(model: service.model).question(question, in: dialogue), strategy: strategy,
            corpus: corpus,
            seed: json["seed"]?.int.map { UInt64(max(0, $0)) })
        return Response.json(["id": .string(run.session.id)], status: .created)
    }

    private func streamSession(_ id: String, _ call: Call) async throws -> Response {
        if let run = agents.run(id) {
            return EventStreamBody.response(call) { write in
                var live = LiveAnswer()
                for await update in run.session.updates() {
                    for piece in live.take(update) {
                        guard let shown = Self.liveJSON(piece) else { continue }
                        write(EventStreamBody.event(shown.serialized(), name: "live"))
                    }
                    guard case .event(let event) = update else { continue }
                    write(EventStreamBody.event(event.timedJSON.serialized(), id: event.sequence))
                }
                write(EventStreamBody.event("{}", name: "end"))
            }
        }
        let events = try await service.sessions.events(of: id)
        guard !events.isEmpty else { throw ServiceError(.notFound, "there is no session \"\(id.prefix(64))\"") }
        let text = events.map { EventStreamBody.event($0.timedJSON.serialized(), id: $0.sequence) }.joined()
        return Response.text(
            (text + EventStreamBody.event("{}", name: "end")).utf8, type: "text/event-stream; charset=utf-8")
    }
}

extension ForageServer {
    /// What the page shows of an answer while it is written.
    private static func liveJSON(_ piece: LiveAnswer.Piece) -> JSONValue? {
        switch piece {
        case .text(let text): return ["event": "live", "text": .string(text)]
        // Every eighth is enough to see that something happens.
        case .thinking(let tokens): return tokens % 8 == 1 ? ["event": "live", "thinking": .integer(tokens)] : nil
        case .reasoning: return nil
        }
    }
}

extension HTTPField.Name {
    /// Names the conversation of a client that asks several questions.
    static let threadID = HTTPField.Name("X-Thread-Id") ?? .server
}
