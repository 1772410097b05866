// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Hummingbird
import LanguageModels
import Text
import Tools

extension ForageServer {
    /// OpenEnv's and verl-tool's endpoints; `/ws` is upgraded before a request gets here.
    func addEnvironmentRoutes<Context: RequestContext>(to router: Router<Context>) {
        router.post("/reset") { [service, environments] request, _ in
            Response.json(try await environments.reset(try await request.json(service.limits)))
        }
        router.post("/step") { [service, environments] request, _ in
            Response.json(try await environments.step(try await request.json(service.limits)))
        }
        router.get("/state") { [environments] request, _ in
            Response.json(try environments.state(of: request.uri.queryParameters["episode_id"].map(String.init)))
        }
        router.post("/get_observation") { [service, environments] request, _ in
            Response.json(try await environments.observe(try await request.json(service.limits)))
        }
        router.get("/ws") { _, _ in
            Response(status: .init(code: 426), headers: [.upgrade: "websocket", .connection: "upgrade"])
        }
        router.get("/metadata") { [service] _, _ in
            let limits = service.limits
            return Response.json([
                "name": "forage", "version": .string(service.version),
                "description": "Multi-hop retrieval over a corpus: search, read, and answer a question.",
                "tasks": .integer(service.tasks.count),
                "limits": [
                    "body_bytes": .integer(limits.bodyBytes), "json_depth": .integer(limits.jsonDepth),
                    "batch": .integer(limits.batch), "results": .integer(limits.results),
                    "query_characters": .integer(limits.queryCharacters),
                    "concurrent_requests": .integer(limits.concurrentRequests),
                    "waiting_requests": .integer(limits.waitingRequests),
                    "agent_sessions": .integer(limits.agentSessions),
                    "environment_sessions": .integer(limits.environmentSessions),
                    "environment_idle_seconds": .number(limits.environmentIdleSeconds),
                    "idle_seconds": .integer(limits.idleSeconds), "header_bytes": .integer(limits.headerBytes),
                    "connections": .integer(limits.connections),
                ],
            ])
        }
        router.get("/schema") { [service] _, _ in
            Response.json([
                "action": [
                    "type": "object", "required": ["tool"],
                    "properties": [
                        "tool": [
                            "type": "string", "enum": .array((service.tools.names + ["answer"]).map(JSONValue.string)),
                        ],
                        "arguments": ["type": "object"],
                    ],
                ],
                "observation": [
                    "type": "object",
                    "properties": [
                        "text": ["type": "string"], "episode_id": ["type": "string"], "question": ["type": "string"],
                        "passages": ["type": "array"],
                    ],
                ],
                "state": [
                    "type": "object",
                    "properties": [
                        "episode_id": ["type": "string"], "step_count": ["type": "integer"],
                        "done": ["type": "boolean"],
                    ],
                ],
                "tools": .array(
                    service.tools.specifications.map { ["name": .string($0.name), "parameters": $0.parameters] }),
            ])
        }
    }
}
