// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import HTTPTypes
import Hummingbird
import LanguageModels
import Text
import Tools

extension ForageServer {
    /// OpenEnv's and verl-tool's endpoints; `/ws` is upgraded before a request gets here.
    var environmentRoutes: [Route] {
        [
            .post("/reset", .full, "Begin an episode", statuses: [503]) { [environments] call in
                Response.json(try await environments.reset(call.json, client: EnvironmentClient(call)))
            },
            .post("/step", .full, "Act in an episode", statuses: [409]) { [environments] call in
                Response.json(try await environments.step(call.json, client: EnvironmentClient(call)))
            },
            .get("/state", .full, "The state of an episode", statuses: [404]) { [environments] call in
                Response.json(try environments.state(of: call.query("episode_id"), client: EnvironmentClient(call)))
            },
            .post("/get_observation", .full, "Actions of many trajectories, as verl-tool sends them") {
                [environments] call in
                Response.json(try await environments.observe(call.json))
            },
            .get(Self.socketPath, Self.socketAccess, "A WebSocket begins here", statuses: [426]) { _ in
                Response(status: .init(code: 426), headers: [.upgrade: "websocket", .connection: "upgrade"])
            },
            .get("/metadata", .read, "What the environment is, and every limit") { [service] _ in
                let limits = service.limits
                return Response.json([
                    "name": "forage", "version": .string(service.version),
                    "description": "Multi-hop retrieval over a corpus: search, read, and answer a question.",
                    "tasks": .integer(service.tasks.count),
                    "limits": [
                        "body_bytes": .integer(limits.bodyBytes), "json_depth": .integer(limits.jsonDepth),
                        "batch": .integer(limits.batch), "refined_batch": .integer(limits.refinedBatch),
                        "results": .integer(limits.results),
                        "query_characters": .integer(limits.queryCharacters),
                        "concurrent_requests": .integer(limits.concurrentRequests),
                        "waiting_requests": .integer(limits.waitingRequests),
                        "agent_sessions": .integer(limits.agentSessions),
                        "environment_sessions": .integer(limits.environmentSessions),
                        "environment_idle_seconds": .number(limits.environmentIdleSeconds),
                        "idle_seconds": .integer(limits.idleSeconds), "header_bytes": .integer(limits.headerBytes),
                        "connections": .integer(limits.connections), "response_bytes": .integer(limits.responseBytes),
                        "bodies_bytes": .integer(limits.bodiesBytes), "drain_seconds": .number(limits.drainSeconds),
                    ],
                ])
            },
            .get("/schema", .read, "The shapes of actions and observations") { [service] _ in
                Response.json([
                    "action": [
                        "type": "object", "required": ["tool"],
                        "properties": [
                            "tool": [
                                "type": "string",
                                "enum": .array((service.tools.names + ["answer"]).map(JSONValue.string)),
                            ],
                            "arguments": ["type": "object"],
                        ],
                    ],
                    "observation": [
                        "type": "object",
                        "properties": [
                            "text": ["type": "string"], "episode_id": ["type": "string"],
                            "question": ["type": "string"],
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
            },
        ]
    }
}
