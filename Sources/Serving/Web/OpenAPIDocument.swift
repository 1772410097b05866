// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Text
import Tools

/// The interface as an OpenAPI 3.1 document, for client generators and for fuzzing the server against its own word.
enum OpenAPIDocument {
    static func make(_ service: ForageService) -> JSONValue {
        var paths: JSONObject = [:]
        for path in [
            "/health", "/ready", "/tools", "/v1/models", "/metadata", "/schema", "/api/sessions", "/api/about",
            "/api/runs",
        ] {
            paths[path] = ["get": operation("GET " + path, errors: path == "/ready" ? ["503"] : [])]
        }
        let queries: JSONValue = [
            "type": "array", "items": ["type": "string", "maxLength": .integer(service.limits.queryCharacters)],
            "maxItems": .integer(service.limits.batch),
        ]
        let count: JSONValue = ["type": "integer", "minimum": 0, "maximum": .integer(service.limits.results)]
        paths["/retrieve"] = [
            "post": operation(
                "Search with one or many queries",
                body: [
                    "type": "object", "required": ["queries"],
                    "properties": [
                        "queries": queries, "topk": count, "return_scores": ["type": "boolean"],
                        "mode": [
                            "type": "string",
                            "enum": .array(service.corpora[0].corpus.summary.modes.map { .string($0.rawValue) }),
                        ],
                    ],
                ], errors: ["413", "422", "429"])
        ]
        paths["/rerank"] = [
            "post": operation(
                "Order documents by relevance",
                body: [
                    "type": "object", "required": ["queries", "documents"],
                    "properties": [
                        "queries": queries,
                        "documents": ["type": "array", "items": ["type": "array", "items": ["type": "string"]]],
                        "rerank_topk": count, "return_scores": ["type": "boolean"],
                    ],
                ], errors: ["413", "422", "429"])
        ]
        for tool in service.tools.specifications {
            paths["/tools/\(tool.name)"] = [
                "post": operation(
                    tool.description,
                    body: [
                        "anyOf": [
                            [
                                "type": "object", "required": ["arguments"],
                                "properties": ["arguments": tool.parameters],
                            ], tool.parameters,
                        ]
                    ],
                    errors: ["413", "422", "429"])
            ]
        }
        if !service.agentNames.isEmpty {
            // Every message of the user has a text; the newest is the question.
            let question: JSONValue = [
                "type": "object", "required": ["role", "content"],
                "properties": [
                    "role": ["const": "user"],
                    "content": [
                        "type": "string", "pattern": "\\S", "maxLength": .integer(service.limits.queryCharacters),
                    ],
                ],
            ]
            let other: JSONValue = [
                "type": "object", "required": ["role"],
                "properties": [
                    "role": ["enum": ["system", "developer", "assistant", "tool"]],
                    "content": ["type": ["string", "null"]],
                ],
            ]
            paths["/v1/chat/completions"] = [
                "post": operation(
                    "Ask an agent",
                    body: [
                        "type": "object", "required": ["model", "messages"],
                        "properties": [
                            "model": ["type": "string", "enum": .array(service.agentNames.map(JSONValue.string))],
                            "messages": [
                                "type": "array", "minItems": 1,
                                "items": ["anyOf": [question, other]], "contains": question,
                            ],
                        ],
                    ], errors: ["400", "404", "409", "413", "422", "429"])
            ]
        }
        return [
            "openapi": "3.1.0", "info": ["title": "Forage", "version": .string(service.version)],
            "paths": .object(paths),
        ]
    }

    private static func operation(_ summary: String, body: JSONValue? = nil, errors: [String]) -> JSONValue {
        let json: JSONValue = ["application/json": ["schema": ["type": "object"]]]
        var responses: JSONObject = ["200": ["description": "The answer", "content": json]]
        for status in errors { responses[status] = ["description": "The refusal", "content": json] }
        var members: JSONObject = ["summary": .string(summary), "responses": .object(responses)]
        if let body {
            members["requestBody"] = ["required": true, "content": ["application/json": ["schema": body]]]
        }
        return .object(members)
    }
}
