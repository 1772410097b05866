// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import HTTPTypes
public import Hummingbird
import LanguageModels
import OrderedCollections
import Search
import Text
import Tools

extension ForageServer {
    /// Where a WebSocket begins, and what its caller must have.
    static let socketPath = "/ws"
    static let socketAccess = Route.Access.full

    /// What a caller needs who sees sessions and runs.
    var sessionAccess: Route.Access { options.readersSeeSessions ? .read : .full }

    /// Every endpoint there is. Each part of the server brings its own.
    var routes: [Route] {
        basicRoutes + toolRoutes + retrievalRoutes + agentRoutes + mcpRoutes + environmentRoutes + pageRoutes
            + runRoutes
    }

    /// Adds every route, with the guard before them.
    public func addRoutes<Context: RequestContext>(to router: Router<Context>) {
        let others = Set(router.routes.map(\.path.description))
        router.add(
            middleware: GuardMiddleware<Context>(
                requestGuard: requestGuard, metrics: metrics, isDraining: { [weak self] in self?.isDraining ?? true }))
        for route in routes {
            router.on(RouterPath(route.path), method: route.method) { [self] request, context in
                try await perform(
                    route, request, context.parameters,
                    (context as? ServedContext).flatMap { connections.connection(of: $0.channel) })
            }
        }
        refuseOtherMethods(of: router, except: others)
    }

    /// Lets a request through to its route: by its access level, while the server is not ending, with its body read
    /// before it takes one of the places for work, and cancelled when its client goes away.
    func perform(
        _ route: Route, _ request: Request, _ parameters: Parameters, _ connection: Connection?
    ) async throws -> Response {
        let caller = try requestGuard.caller(RequestGuard.Head(request), for: route.access)
        guard route.isGated else {
            return try await route.answer(
                Call(
                    request: request, parameters: parameters, caller: caller, bytes: [], json: nil,
                    connection: connection))
        }
        guard !isDraining else { throw ServiceError(.unavailable, "the server is shutting down", retryAfter: 5) }
        let share = bodies.share()
        let bytes: [UInt8]
        switch route.body {
        case .none: bytes = []
        case .json, .bytes: bytes = try await request.bytes(service.limits, share)
        }
        await service.refresh()
        let limits = service.limits
        let work: @Sendable () async throws -> Response = { [gate] in
            try await gate.admit {
                let json: JSONValue = if case .json = route.body { try Self.json(bytes, limits) } else { nil }
                return try await route.answer(
                    Call(
                        request: request, parameters: parameters, caller: caller, bytes: bytes, json: json,
                        connection: connection))
            }
        }
        var response: Response = if let connection { try await connection.whileOpen(work) } else { try await work() }
        guard let length = response.body.contentLength else { return response }
        guard length <= limits.responseBytes else { throw ServiceError.answerTooLarge(limits) }
        if length > ByteBudget.uncounted {
            let held = bodies.share()
            try held.grow(to: length)
            let body = response.body
            response.body = ResponseBody(contentLength: length) { writer in
                defer { withExtendedLifetime(held) {} }
                try await body.write(writer)
            }
        }
        return response
    }

    static func json(_ bytes: [UInt8], _ limits: ServerOptions.Limits) throws(ServiceError) -> JSONValue {
        do {
            return try JSONValue(
                parsing: bytes,
                limits: JSONLimits(depth: limits.jsonDepth, bytes: limits.bodyBytes, values: limits.jsonValues))
        } catch {
            throw ServiceError(.invalid, "the body is not JSON: \(error)")
        }
    }

    /// A path that is there answers other methods with 405 and those that it has, rather than with 404. `HEAD` is left out:
    /// applications choose whether their router answers it.
    private func refuseOtherMethods<Context: RequestContext>(of router: Router<Context>, except others: Set<String>) {
        // QUERY is HTTP's newest method: a GET with a body.
        let query = HTTPRequest.Method("QUERY").map { [$0] } ?? []
        let methods: [HTTPRequest.Method] = [.get, .put, .post, .delete, .options, .trace, .patch] + query
        for (path, routes) in Dictionary(grouping: router.routes, by: \.path.description) where !others.contains(path) {
            let allowed = routes.map(\.method.rawValue).sorted().joined(separator: ", ")
            let access = self.routes.filter { $0.path == path }.map(\.access).min() ?? .read
            for method in methods where !routes.contains(where: { $0.method == method }) {
                router.on(RouterPath(path), method: method) { [requestGuard] request, _ in
                    _ = try requestGuard.caller(RequestGuard.Head(request), for: access)
                    var response = Response.json(
                        ServiceError(.methodNotAllowed, "this path answers \(allowed)").detail,
                        status: .methodNotAllowed)
                    response.headers[.allow] = allowed
                    return response
                }
            }
        }
    }

    private var basicRoutes: [Route] {
        [
            .get("/health", .open, "Whether the server lives", isGated: false) { [service] _ in
                Response.json(["status": "healthy", "service": "forage", "version": .string(service.version)])
            },
            .get("/ready", .open, "Whether new work is taken", statuses: [503], isGated: false) { [self] _ in
                var members: JSONObject = [
                    "ready": .bool(!isDraining), "corpora": .integer(service.corpora.count),
                ]
                if let store = service.sessions as? FallbackEventStore {
                    members["sessions_stored"] = .bool(store.failure == nil)
                }
                return Response.json(.object(members), status: isDraining ? .serviceUnavailable : .ok)
            },
            .get("/metrics", .read, "Counts in Prometheus's form", isGated: false, mediaType: "text/plain") {
                [self] _ in
                let text = metrics.text(gauges: [
                    ("forage_requests_admitted", gate.running), ("forage_agent_sessions_running", agents.running),
                    ("forage_environment_sessions_open", environments.count),
                    ("forage_connections_open", connections.count), ("forage_bodies_bytes", bodies.inUse),
                ])
                return Response.text(text.utf8, type: "text/plain; version=0.0.4; charset=utf-8")
            },
            .get("/openapi.json", .read, "This document") { [self] _ in
                Response.json(OpenAPIDocument.make(service, routes))
            },
        ]
    }

    /// Each tool is a route of its own, at the access level that the tool asks for.
    private var toolRoutes: [Route] {
        let list = Route.get("/tools", .read, "The tools, and what a caller needs for each") { [service] call in
            Response.json([
                "tools": .array(
                    service.tools.tools.map { tool in
                        [
                            "name": .string(tool.name), "description": .string(tool.specification.description),
                            "parameters": tool.specification.parameters, "access": .string(tool.access.rawValue),
                        ]
                    })
            ])
        }
        let tools = service.tools.tools.map { tool in
            Route.post(
                "/tools/\(tool.name)", Route.Access(tool.access), tool.specification.description,
                schema: [
                    "anyOf": [
                        [
                            "type": "object", "required": ["arguments"],
                            "properties": ["arguments": tool.specification.parameters],
                        ], tool.specification.parameters,
                    ]
                ]
            ) { [service] call in Response.json(try await service.callTool(tool.name, call.json)) }
        }
        var unknown = Route.post("/tools/{name}", .read, "A tool that there is not") { [service] call in
            let name = try call.parameter("name")
            throw ServiceError(
                .notFound,
                "there is no tool \"\(name.prefix(64))\"; there are \(service.tools.names.joined(separator: ", "))")
        }
        unknown.isDocumented = false
        return [list] + tools + [unknown]
    }

    /// A part of a ranking: a name, or one with its options.
    private static func part(_ names: [String]) -> JSONValue {
        [
            "oneOf": [
                ["type": "string", "enum": .array(names.map { .string($0) })],
                ["type": "object", "minProperties": 1, "maxProperties": 1],
            ]
        ]
    }

    private var retrievalRoutes: [Route] {
        let limits = service.limits
        let queries: JSONValue = [
            "type": "array", "items": ["type": "string", "maxLength": .integer(limits.queryCharacters)],
            "maxItems": .integer(limits.batch),
        ]
        let count: JSONValue = ["type": "integer", "minimum": 0, "maximum": .integer(limits.results)]
        let rerankers: JSONValue = ["type": "string", "enum": .array(service.ranking.rerankers.map { .string($0) })]
        let models = ["/v1/rerank", "/v2/rerank"].map { path in
            Route.post(
                path, .read, "Score documents against a query",
                schema: [
                    "type": "object", "required": ["query", "documents"],
                    "properties": [
                        "model": ["type": "string"], "query": ["type": "string"], "documents": ["type": "array"],
                        "top_n": ["type": "integer", "minimum": 1], "return_documents": ["type": "boolean"],
                    ],
                ], statuses: [400, 404]
            ) { [service] call in Response.json(try await service.rerankModel(call.json)) }
        }
        return [
            .post(
                "/retrieve", .read, "Search with one or many queries",
                schema: [
                    "type": "object", "required": ["queries"],
                    "properties": [
                        "queries": queries, "topk": count, "return_scores": ["type": "boolean"],
                        "mode": [
                            "type": "string",
                            "enum": .array(service.corpora[0].corpus.summary.modes.map { .string($0.rawValue) }),
                        ],
                        "fusion": Self.part(service.ranking.fusions), "feedback": Self.part(service.ranking.feedbacks),
                        "reranker": rerankers,
                    ],
                ], statuses: [404]
            ) { [service, metrics] call in
                let answer = try await service.retrieve(call.json)
                metrics.count("forage_queries_total", answer["result"]?.array?.count ?? 0)
                return Response.json(answer)
            },
            .post(
                "/rerank", .read, "Order documents by relevance",
                schema: [
                    "type": "object",
                    "properties": [
                        "queries": queries,
                        "documents": ["type": "array", "items": ["type": "array", "items": ["type": "string"]]],
                        "rerank_topk": count, "return_scores": ["type": "boolean"], "reranker": rerankers,
                        "query": ["type": "string"], "texts": ["type": "array", "items": ["type": "string"]],
                        "raw_scores": ["type": "boolean"], "return_text": ["type": "boolean"],
                    ],
                    "anyOf": [["required": ["queries", "documents"]], ["required": ["query", "texts"]]],
                ]
            ) { [service] call in Response.json(try await service.rerank(call.json)) },
            .post("/v1/embeddings", .read, "The vectors of texts", statuses: [400, 404]) { [service] call in
                Response.json(try await service.embeddings(call.json))
            },
        ] + models
    }
}

extension Route.Access {
    /// What a tool asks for.
    init(_ access: ToolAccess) { self = access == .read ? .read : .full }
}

extension ServiceError {
    /// What a request gets that asks for too much.
    static func answerTooLarge(_ limits: ServerOptions.Limits) -> ServiceError {
        ServiceError(
            .invalid, "the answer would have more than \(limits.responseBytes) bytes: ask for fewer results at a time")
    }
}
