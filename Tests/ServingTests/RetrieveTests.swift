// SPDX-License-Identifier: Apache-2.0

import Serving
import Testing
import TextProcessing

@Suite(.serialized) struct RetrieveTests {
    @Test func dialects() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let base = try await server.post(
                "/retrieve", #"{"queries":["first magazine","radio"],"topk":2,"return_scores":true}"#)
            #expect(base.status == 200)
            let hit = base.json["result"]?[0]?[0]
            #expect(hit?["document"]?["contents"]?.string?.hasPrefix("\"First for Women\"\nFirst for Women is") == true)
            #expect(hit?["document"]?["id"] == "first")
            #expect((hit?["score"]?.double ?? 0) > 0)
            #expect(base.json["result"]?.array?.count == 2)

            let bare = try await server.post("/retrieve", #"{"queries":["radio"],"topk":1,"return_scores":false}"#)
            #expect(bare.json["result"]?[0]?[0]?["contents"]?.string?.hasPrefix("\"Radio\"\n") == true)
            let sky = try await server.post("/retrieve", #"{"query":"radio","topk":1,"return_scores":true}"#)
            #expect(sky.json["result"]?[0]?[0]?["document"]?["id"] == "evil")
            let rerank = try await server.post(
                "/retrieve", #"{"queries":["radio"],"topk_retrieval":10,"topk_rerank":1}"#)
            #expect(rerank.json["result"]?[0]?.array?.count == 1)
            let proxy = try await server.post("/retrieve", #"{"queries":["radio"]}"#)
            #expect(proxy.json["result"]?[0]?[0]?["document"]?["id"] == "evil")
            #expect(try await server.post("/retrieve", #"{"queries":[]}"#).text == #"{"result":[]}"#)
            #expect(try await server.post("/retrieve", #"{"queries":["zzz"]}"#).text == #"{"result":[[]]}"#)
        }
    }

    @Test func aQueryGetsTheSameAloneAndInABatchInAnyOrder() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let queries = ["first magazine", "radio", "philadelphia", "women started", ""]
            var alone: [JSONValue?] = []
            for query in queries {
                let body: JSONValue = ["queries": [.string(query)], "topk": 3, "return_scores": true]
                alone.append(try await server.post("/retrieve", body.serialized()).json["result"]?[0])
            }
            for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 2, 0, 4, 1]] {
                let body: JSONValue = [
                    "queries": .array(order.map { .string(queries[$0]) }), "topk": 3, "return_scores": true,
                ]
                let batch = try await server.post("/retrieve", body.serialized()).json["result"]
                for (place, index) in order.enumerated() { #expect(batch?[place] == alone[index]) }
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", "7", #"{"queries":7}"#, #"{"queries":[7]}"#, #"{"queries":["x"],"topk":-1}"#,
        #"{"queries":["x"],"topk":"3"}"#, #"{"queries":["x"],"topk":101}"#, #"{"queries":["x"],"return_scores":"yes"}"#,
        #"{"queries":["x"],"mode":"magic"}"#, "{", "\u{0}", #"{"queries":["\#(String(repeating: "x", count: 5000))"]}"#,
        #"{"queries":\#(String(repeating: "[", count: 100))\#(String(repeating: "]", count: 100))}"#,
    ])
    func badInputIsRefusedWithDetails(body: String) async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await server.post("/retrieve", body)
            #expect(answer.status == 422)
            #expect(answer.json["detail"]?[0]?["msg"]?.string?.isEmpty == false)
            #expect(try await server.send("GET", "/health").status == 200)
        }
    }

    @Test func bodiesAreBounded() async throws {
        var options = ServerOptions(port: 0)
        options.limits.bodyBytes = 1000
        try await RunningServer.with(options) { (server: RunningServer) async throws -> Void in
            let long = try await server.post("/retrieve", #"{"queries":["\#(String(repeating: "x", count: 2000))"]}"#)
            #expect(long.status == 413)
        }
    }

    @Test func rerankComparesAQueryWithItsOwnDocuments() async throws {
        try await RunningServer.with(prepare: { $0.encoder = nil }) { server in
            let answer = try await server.post(
                "/rerank",
                #"{"queries":["river","mountain"],"documents":[["a mountain","the river","a river bank of the river"],["x",{"contents":"mountain"}]],"rerank_topk":2,"return_scores":true}"#
            )
            #expect(answer.status == 200, "\(answer.text)")
            #expect(answer.json["result"]?[0]?[0]?["document"] == "a river bank of the river")
            #expect(answer.json["result"]?[0]?[1]?["document"] == "the river")
            #expect(answer.json["result"]?[1]?[0]?["document"]?["contents"] == "mountain")
            let bad = try await server.post("/rerank", #"{"queries":["a"],"documents":[]}"#)
            #expect(bad.status == 422)
        }
    }
}
