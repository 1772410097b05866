// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Synchronization
import Testing
import Text

/// What `forage model probe` finds out, and what it says where it could not be told.
@Suite(.timeLimit(.minutes(1))) struct ModelProbeTests {
    private static let plain =
        #"{"choices":[{"index":0,"message":{"role":"assistant","content":"red, green, blue"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5}}"#

    private func probe(
        _ answer: @escaping @Sendable (JSONValue) -> [FakeChatServer.Step]
    ) async throws -> (findings: [String: ModelProbe.Finding], departures: [String]) {
        let server = try FakeChatServer { number, body in
            number == 0 ? FakeChatServer.json(#"{"data":[{"id":"tiny","max_model_len":4096}]}"#) : answer(body)
        }
        defer { server.stop() }
        let probe = ModelProbe(
            OpenAICompatibleModel.Configuration(
                baseURL: server.url, model: "", retries: 0, firstPause: 0.01, idleTimeout: 1))
        let found = Mutex<[ModelProbe.Finding]>([])
        let departures = try await probe.run { finding in found.withLock { $0.append(finding) } }
        return (Dictionary(found.withLock { $0 }.map { ($0.ability, $0) }) { $1 }, departures)
    }

    @Test func whatWasNotAnsweredInTimeCouldNotBeTold() async throws {
        let (findings, _) = try await probe { body in
            body["tools"] != nil ? [FakeChatServer.streamHead, .stall(20)] : FakeChatServer.json(Self.plain)
        }
        #expect(findings["model"]?.detail == "tiny")
        #expect(findings["context length"]?.detail == "4096 tokens, by its own word")
        for ability in ["tool calls", "must call when told to"] {
            #expect(findings[ability]?.can == nil && findings[ability]?.mark == "?")
        }
        #expect(findings["answers"]?.mark == "yes" && findings["streams"]?.mark == "no")
        #expect(findings["keeps reasoning apart"]?.mark == "?", "it gave none: that says nothing")
        #expect(findings["JSON Schema"]?.mark == "no" && findings["log-probabilities"]?.mark == "no")
        #expect(findings["heeds a seed"]?.mark == "yes")
    }

    @Test func aServerThatFailsOverAndOverCouldNotBeToldEither() async throws {
        let (findings, _) = try await probe { body in
            body["logprobs"] != nil
                ? FakeChatServer.json(#"{"error":{"message":"busy"}}"#, status: "503 Service Unavailable")
                : FakeChatServer.json(Self.plain)
        }
        #expect(findings["log-probabilities"]?.mark == "?")
    }

    @Test func whatTheServerRefusesItCannot() async throws {
        let (findings, departures) = try await probe { body in
            if body["tools"] != nil {
                return FakeChatServer.json(
                    #"{"error":{"message":"m does not support tools"}}"#, status: "400 Bad Request")
            }
            if body["seed"] != nil {
                return FakeChatServer.json(
                    #"{"detail":[{"loc":["body","seed"],"msg":"Extra inputs are not permitted"}]}"#,
                    status: "422 Unprocessable Entity")
            }
            return FakeChatServer.json(Self.plain)
        }
        #expect(findings["calls tools"]?.mark == "no" && findings["heeds a seed"]?.mark == "no")
        #expect(departures.contains { $0.contains("takes no tools") } && departures.contains { $0.contains("seed") })
    }
}
