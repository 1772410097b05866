// SPDX-License-Identifier: Apache-2.0

import Base
import HTTPTypes
import LanguageModels
import OrderedCollections
import Text

/// The interface as an OpenAPI 3.1 document, for client generators and for fuzzing the server against its own word. It is
/// made of the routes themselves.
enum OpenAPIDocument {
    static func make(_ service: ForageService, _ routes: [Route]) -> JSONValue {
        var paths: JSONObject = [:]
        for route in routes where route.isDocumented {
            var path = paths[route.path]?.object ?? [:]
            path[route.method.rawValue.lowercased()] = operation(route)
            paths[route.path] = .object(path)
        }
        return [
            "openapi": "3.1.0", "info": ["title": "Forage", "version": .string(service.version)],
            "paths": .object(paths),
            "components": ["securitySchemes": ["token": ["type": "http", "scheme": "bearer"]]],
        ]
    }

    private static func operation(_ route: Route) -> JSONValue {
        let json: JSONValue = ["application/json": ["schema": ["type": "object"]]]
        let media = String(route.mediaType.prefix { $0 != ";" })
        let success = route.statuses.contains(201) ? "201" : "200"
        var responses: JSONObject = [
            success: ["description": "The answer", "content": media == "application/json" ? json : [media: [:]]]
        ]
        var refusals = Set(route.statuses.filter { $0 >= 300 }).union([400, 421])
        if route.access > .open { refusals.formUnion([401, 403]) }
        if route.isGated { refusals.formUnion([408, 422, 429, 503]) }
        if route.body != .none { refusals.insert(413) }
        for status in refusals.sorted() {
            responses[String(status)] = ["description": "The refusal", "content": json]
        }
        var members: JSONObject = ["summary": .string(route.summary), "responses": .object(responses)]
        let names = route.path.split(separator: "/").filter { $0.hasPrefix("{") }.map { $0.dropFirst().dropLast() }
        if !names.isEmpty {
            members["parameters"] = .array(
                names.map {
                    ["name": .string(String($0)), "in": "path", "required": true, "schema": ["type": "string"]]
                })
        }
        if route.access > .open {
            members["security"] = [["token": []]]
            members["x-access"] = .string(route.access == .full ? "full" : "read")
        }
        if route.body != .none {
            members["requestBody"] = [
                "required": true,
                "content": ["application/json": ["schema": route.schema ?? ["type": "object"]]],
            ]
        }
        return .object(members)
    }
}
