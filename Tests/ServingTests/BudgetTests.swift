// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Serving
import Testing
import Text

/// Small requests for large answers: refused before anything large is made.
@Suite(.serialized) struct BudgetTests {
    /// What the process holds in memory, in MiB.
    private static func resident() -> Int {
        let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096 >> 20
    }

    @Test func resultSetsAreNoBombs() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let before = Self.resident()
            let set =
                #"{"handle":"r1","tool":"filter","description":"","total":1,"complete":true,"documents":"0-268435454"}"#
            let body = #"{"arguments":{"over":"r1"},"result_sets":[\#(set),\#(set),\#(set)]}"#
            let answer = try await server.post("/tools/read", body)
            #expect(answer.status == 422, "\(answer.text)")
            #expect(Self.resident() - before < 300)
        }
    }

    @Test func answersAreBounded() async throws {
        var options = ServerOptions(port: 0)
        options.limits.responseBytes = 20_000
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let queries = JSONValue.array((0..<200).map { _ in "magazine" }).serialized()
            let answer = try await server.post("/retrieve", #"{"queries":\#(queries),"topk":3}"#)
            #expect(answer.status == 422)
            #expect(answer.text.contains("ask for fewer"))
            #expect(try await server.post("/retrieve", #"{"queries":["magazine"]}"#).status == 200)
        }
    }

    @Test func bodiesOfManyValuesAreRefused() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let before = Self.resident()
            let zeros = "[" + String(repeating: "0,", count: 1_900_000) + "0]"
            #expect(try await server.post("/retrieve", #"{"queries":\#(zeros)}"#).status == 422)
            #expect(Self.resident() - before < 300)
        }
    }

    /// What all bodies hold together is bounded; small requests go on.
    @Test func largeBodiesShareABudget() async throws {
        var options = ServerOptions(port: 0)
        options.limits.bodiesBytes = 1 << 20
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let text = String(repeating: "x", count: 2 << 20)
            #expect(try await server.post("/retrieve", #"{"queries":["\#(text)"]}"#).status == 503)
            #expect(try await server.post("/retrieve", #"{"queries":["magazine"]}"#).status == 200)
        }
    }
}
