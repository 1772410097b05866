// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Serving
import Testing
import Text

@Suite(.serialized) struct EnvironmentTests {
    @Test func anEpisodeOverHTTP() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let reset = try await server.post("/reset", #"{"seed":1,"episode_id":"e1"}"#).json
            #expect(reset["observation"]?["question"] == "Which magazine was started first?")
            #expect(reset["reward"] == .some(.null))
            let step = try await server.post(
                "/step", #"{"episode_id":"e1","action":{"tool":"search","query":"magazine"}}"#
            ).json
            #expect(step["done"] == false)
            #expect(step["observation"]?["passages"]?.array?.isEmpty == false)
            #expect(try await server.send("GET", "/state?episode_id=e1").json["step_count"] == 1)
            let wrong = try await server.post("/step", #"{"episode_id":"e1","action":{"tool":"fly"}}"#)
            #expect(wrong.status == 422)
            let end = try await server.post(
                "/step", #"{"episode_id":"e1","action":{"tool":"answer","answer":"arthur's magazine"}}"#
            ).json
            #expect(end["reward"] == 1.0)
            #expect(end["done"] == true)
            #expect(
                try await server.post("/step", #"{"episode_id":"e1","action":{"tool":"answer","answer":"x"}}"#).status
                    == 422)
            #expect(try await server.send("GET", "/schema").text.contains("Arthur") == false)
        }
    }

    @Test func sessionsAreBounded() async throws {
        var options = ServerOptions(port: 0)
        options.limits.environmentSessions = 2
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            for index in 0..<2 {
                #expect(try await server.post("/reset", #"{"episode_id":"e\#(index)"}"#).status == 200)
            }
            let refused = try await server.post("/reset", #"{"episode_id":"e9"}"#)
            #expect(refused.status == 503)
            #expect(refused.headers["retry-after"] != nil)
            #expect(try await server.post("/reset", #"{"episode_id":"e1"}"#).status == 200)
        }
    }

    @Test func verlToolObservations() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await server.post(
                "/get_observation",
                #"{"trajectory_ids":["a","b","c","d"],"actions":["<search>radio</search>","<think>x</think><answer>y</answer>","hm","ignored"],"extra_fields":[{},{},{},{"finish":true}]}"#
            ).json
            #expect(answer["dones"] == [false, true, false, true])
            #expect(answer["valids"] == [true, true, false, true])
            let text = answer["observations"]?[0]?.string ?? ""
            #expect(text.hasPrefix("\n\n<information>Doc 1(Title: Radio) Radio "))
            // The document's own tags are harmless.
            #expect(text.components(separatedBy: "</information>").count == 2)
            #expect(!text.contains("<answer>"))
            #expect(try await server.post("/get_observation", #"{"trajectory_ids":["a"],"actions":[]}"#).status == 422)
        }
    }
}
