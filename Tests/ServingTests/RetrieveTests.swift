// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Serving
import Testing
import Text

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

    /// The parts of a ranking, by the names that policies and `forage search` use.
    @Test func rankingsAreNamed() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            func ask(_ more: String) async throws -> (status: Int, json: JSONValue, text: String) {
                let reply = try await server.post(
                    "/retrieve", #"{"queries":["first magazine"],"topk":2,"mode":"hybrid""# + more + "}")
                return (Int(reply.status), reply.json, reply.text)
            }
            let plain = try await ask("")
            #expect(try await ask(#","fusion":"reciprocal_rank""#).json["result"] == plain.json["result"])
            let other = try await ask(#","fusion":{"interpolation":{"normalization":"z_score"}}"#)
            #expect(other.status == 200 && other.json["result"] != plain.json["result"])
            #expect(try await ask(#","feedback":"rm3""#).status == 200)
            for (more, place) in [
                (#","fusion":"magic""#, "fusion"), (#","fusion":{"reciprocal_rank":{"k":-2}}"#, "fusion"),
                (#","feedback":["rm3"]"#, "feedback"), (#","reranker":"none""#, "reranker"),
            ] {
                let refused = try await ask(more)
                #expect(refused.status == 422 && refused.text.contains(place), "\(refused.text)")
            }
            let many = (0..<33).map { _ in "\"a\"" }.joined(separator: ",")
            let refused = try await server.post("/retrieve", #"{"queries":["# + many + #"],"feedback":"rm3"}"#)
            #expect(refused.status == 422 && refused.text.contains("at most 32"))
            #expect(try await server.post("/retrieve", #"{"queries":["# + many + "]}").status == 200)
        }
    }

    /// Batches of random sizes and orders, with repetitions, in each dialect.
    @Test func aQueryGetsTheSameAloneAndInABatchInAnyOrder() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let words = [
                "first", "magazine", "radio", "philadelphia", "women", "started", "1844", "gold", "zzz", "é\u{0}\"",
            ]
            var generator = SplitMix(state: 11)
            var queries = [""]
            for _ in 0..<40 {
                let count = Int.random(in: 1...4, using: &generator)
                queries.append(
                    (0..<count).map { _ in words.randomElement(using: &generator) ?? "" }.joined(separator: " "))
            }
            for mode in ["keyword", "semantic", "hybrid"] {
                var alone: [JSONValue?] = []
                for query in queries {
                    let body: JSONValue = ["query": .string(query), "topk": 3, "mode": .string(mode)]
                    alone.append(try await server.post("/retrieve", body.serialized()).json["result"]?[0])
                }
                for round in 0..<24 {
                    let size = round == 0 ? 300 : Int.random(in: 0...40, using: &generator)
                    let order = (0..<size).map { _ in Int.random(in: 0..<queries.count, using: &generator) }
                    var body: JSONObject = [
                        "queries": .array(order.map { .string(queries[$0]) }), "mode": .string(mode),
                    ]
                    let isBare = round % 4 == 1
                    switch round % 4 {
                    case 0: body["topk"] = 3
                    case 1: body["return_scores"] = false
                    case 2:
                        body["topk_retrieval"] = 10
                        body["topk_rerank"] = 3
                    default: break
                    }
                    let answer = try await server.post("/retrieve", JSONValue.object(body).serialized())
                    let batch = answer.json["result"]?.array ?? []
                    #expect(answer.status == 200 && batch.count == size)
                    for (result, index) in zip(batch, order) {
                        let expected = alone[index]?.array ?? []
                        #expect(result == .array(isBare ? expected.map { $0["document"] ?? nil } : expected))
                    }
                }
            }
        }
    }

    @Test(arguments: [
        "{}", "[]", "7", #"{"queries":7}"#, #"{"queries":[7]}"#, #"{"queries":["x"],"topk":-1}"#,
        #"{"queries":["x"],"topk":"3"}"#, #"{"queries":["x"],"topk":101}"#, #"{"queries":["x"],"return_scores":"yes"}"#,
        #"{"queries":["x"],"mode":"magic"}"#, "{", "\u{0}",
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

    @Test func aRunawayQueryIsCutAndCostsNoOtherItsAnswer() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let alone = try await server.post("/retrieve", #"{"queries":["river"],"topk":1}"#)
            let long = String(repeating: "river ", count: 4000)
            let batch = try await server.post("/retrieve", #"{"queries":["\#(long)","river"],"topk":1}"#)
            #expect(batch.status == 200)
            #expect(batch.json["result"]?.array?.count == 2)
            #expect(batch.json["result"]?[1] == alone.json["result"]?[0])
            #expect(batch.json["cut_queries"] == [0])
            #expect(alone.json["cut_queries"] == nil)
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

    @Test func rerankModelsAnswerAsTheirClientsExpect() async throws {
        try await RunningServer.with(prepare: { $0.encoder = nil }) { server in
            let body =
                #"{"model":"bm25","query":"river","documents":["a mountain",{"text":"the river bank"}],"top_n":1,"return_documents":true}"#
            for path in ["/v1/rerank", "/v2/rerank"] {
                let answer = try await server.post(path, body)
                #expect(answer.status == 200, "\(answer.text)")
                #expect(answer.json["results"]?.array?.count == 1)
                #expect(answer.json["results"]?[0]?["index"] == 1)
                #expect(answer.json["results"]?[0]?["document"]?["text"] == "the river bank")
                let score = try #require(answer.json["results"]?[0]?["relevance_score"]?.double)
                #expect(score > 0 && score < 1)
            }
            let texts = try await server.post(
                "/rerank", #"{"query":"river","texts":["a mountain","the river bank"],"return_text":true}"#)
            #expect(texts.json.array?.count == 2)
            #expect(texts.json[0]?["index"] == 1)
            #expect(texts.json[0]?["text"] == "the river bank")
            for (bad, status) in [
                (#"{"query":"a","documents":[]}"#, 400), (#"{"documents":["a"]}"#, 400),
                (#"{"query":"a","documents":["a"],"model":"no such"}"#, 404),
                (#"{"query":"a","documents":["a"],"top_n":0}"#, 400),
            ] {
                let answer = try await server.post("/v1/rerank", bad)
                #expect(answer.status == status, "\(bad): \(answer.text)")
            }
        }
    }
}
