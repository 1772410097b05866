// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import LanguageModels
import OrderedCollections
import Serving
import Testing
import Text

/// Conversations over OpenAI's two interfaces, as its clients hold them.
@Suite(.serialized) struct ConversationTests {
    private static let first = "Which magazine was published in Philadelphia from 1844?"

    private static func chat(_ messages: [(String, String)], _ more: String = "") -> String {
        let list = messages.map { #"{"role":"\#($0.0)","content":\#(JSONValue.string($0.1).serialized())}"# }.joined(
            separator: ",")
        return #"{"model":"hops","messages":[\#(list)]\#(more)}"#
    }

    @Test func threeTurns() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            var messages = [("system", "Be brief."), ("user", "Tell me about Arthur's Magazine.")]
            func ask() async throws -> JSONValue {
                let answer = try await server.post("/v1/chat/completions", Self.chat(messages))
                #expect(answer.status == 200, "\(answer.text)")
                return answer.json
            }
            let one = try await ask()
            let text = one["choices"]?[0]?["message"]?["content"]?.string ?? ""
            #expect(text.contains("[arthur"), "a marker stands in the text: \(text)")
            messages += [("assistant", text), ("user", "In which city was it published?")]
            let two = try await ask()
            #expect(two["x_run"]?["question"]?.string?.contains("Arthur's Magazine") == true)
            #expect(two["choices"]?[0]?["message"]?["content"]?.string?.contains("Philadelphia") == true)
            messages += [
                ("assistant", two["choices"]?[0]?["message"]?["content"]?.string ?? ""), ("user", "And since when?"),
            ]
            let three = try await ask()
            #expect(three["x_run"]?["question"]?.string?.contains("Arthur's Magazine") == true)
        }
    }

    @Test func citationsAreAnnotations() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await server.post("/v1/chat/completions", Self.chat([("user", Self.first)])).json
            let message = answer["choices"]?[0]?["message"]
            let text = Array((message?["content"]?.string ?? "").unicodeScalars)
            let annotation = try #require(message?["annotations"]?[0])
            #expect(annotation["type"] == "url_citation")
            let place = try #require(annotation["url_citation"])
            let marker = String(
                String.UnicodeScalarView(text[(place["start_index"]?.int ?? 0)..<(place["end_index"]?.int ?? 0)]))
            #expect(marker.hasPrefix("[") && marker.hasSuffix("]"))
            #expect(place["title"] == "Arthur's Magazine")
            let path = try #require(URLComponents(string: place["url"]?.string ?? ""))
            let passage = try await server.send("GET", path.percentEncodedPath + "?" + (path.percentEncodedQuery ?? ""))
            #expect(passage.status == 200, "the address of a citation shows the passage")
        }
    }

    @Test(arguments: [
        #""stop":["x"]"#, #""functions":[{}]"#, #""logit_bias":{"5":1}"#, #""frequency_penalty":0.5"#,
        #""web_search_options":{}"#,
        #""n":2"#, #""logprobs":true"#, #""tools":[{"type":"function","function":{"name":"f"}}]"#,
        #""tool_choice":"required""#,
        #""temperature":"hot""#, #""response_format":{"type":"xml"}"#,
        #""response_format":{"type":"json_schema","json_schema":{"schema":{"type":"string"}}}"#,
        #""modalities":["audio"]"#, #""made_up":1"#,
    ]) func whatCannotBeHeededIsRefused(_ member: String) async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let answer = try await server.post("/v1/chat/completions", Self.chat([("user", Self.first)], "," + member))
            #expect(answer.status == 400, "\(answer.text)")
            #expect(answer.json["error"]?["param"]?.string?.isEmpty == false)
        }
    }

    @Test func whatAsksForNothingIsTaken() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            // As Open WebUI, LangChain and LlamaIndex write them.
            for more in [
                #","stream":false,"n":1,"temperature":0.7,"top_p":1,"max_tokens":256,"presence_penalty":0,"frequency_penalty":0,"stop":null,"user":"u","seed":3"#,
                #","logprobs":false,"tools":[],"metadata":{"chat_id":"1"},"parallel_tool_calls":false,"response_format":{"type":"text"},"store":false"#,
            ] {
                let answer = try await server.post("/v1/chat/completions", Self.chat([("user", Self.first)], more))
                #expect(answer.status == 200, "\(answer.text)")
            }
            let parts =
                #"{"model":"hops","messages":[{"role":"user","content":[{"type":"text","text":"Which magazine was published in Philadelphia?"}]}]}"#
            #expect(try await server.post("/v1/chat/completions", parts).status == 200)
            let image =
                #"{"model":"hops","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,"}}]}]}"#
            #expect(try await server.post("/v1/chat/completions", image).status == 400)
        }
    }

    /// What a client takes is heeded whether the answer comes whole or in pieces, by both interfaces.
    @Test(arguments: [1, 3, 1000]) func longerThanTheClientTakes(_ most: Int) async throws {
        func prepare(_ service: inout ForageService) {
            service.model = PiecemealModel(pieces: ["Arthur", "'s Maga", "zine  was ", "first", " published in 1844."])
        }
        @Sendable func words(_ text: String) -> Int { text.split(whereSeparator: \.isWhitespace).count }
        try await RunningServer.with(prepare: prepare) { (server: RunningServer) async throws -> Void in
            let chat = Self.chat([("user", Self.first)], #","max_tokens":\#(most)"#)
            let whole = try await server.post("/v1/chat/completions", chat)
            let choice = whole.json["choices"]?[0]
            let text = choice?["message"]?["content"]?.string ?? ""
            #expect(most == 1000 ? words(text) > 3 : words(text) == most, "\(text)")
            #expect(choice?["finish_reason"] == (most == 1000 ? "stop" : "length"))
            let streamed = try await server.post(
                "/v1/chat/completions", Self.chat([("user", Self.first)], #","max_tokens":\#(most),"stream":true"#))
            let pieces = Self.events(streamed.text)
            #expect(pieces.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.joined() == text)
            #expect(
                pieces.compactMap { $0["choices"]?[0]?["finish_reason"]?.string } == [most == 1000 ? "stop" : "length"])

            let response = #"{"model":"hops","input":"\#(Self.first)","max_output_tokens":\#(most)"#
            let object = try await server.post("/v1/responses", response + "}").json
            #expect(object["output"]?[0]?["content"]?[0]?["text"]?.string == text)
            #expect(object["status"] == (most == 1000 ? "completed" : "incomplete"))
            #expect(object["incomplete_details"]?["reason"]?.string == (most == 1000 ? nil : "max_output_tokens"))
            let events = Self.events(try await server.post("/v1/responses", response + #","stream":true}"#).text)
            let deltas = events.filter { $0["type"] == "response.output_text.delta" }
            #expect(deltas.compactMap { $0["delta"]?.string }.joined() == text)
            #expect(events.last?["type"] == (most == 1000 ? "response.completed" : "response.incomplete"))
            #expect(events.last?["response"]?["output"]?[0]?["content"]?[0]?["text"]?.string == text)
        }
    }

    @Test func anUnknownCorpusIsAnError() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let named = try await server.post(
                "/v1/chat/completions", Self.chat([("user", Self.first)], #","corpus":"nope""#))
            #expect(named.status == 404)
            #expect(
                try await server.post(
                    "/v1/chat/completions", #"{"model":"hops@nope","messages":[{"role":"user","content":"x"}]}"#
                ).status == 404)
        }
    }

    @Test func theAnswerTakesTheFormOfASchema() async throws {
        let schema =
            #"{"type":"object","properties":{"answer":{"type":"string"},"sources":{"type":"array","items":{"type":"string"}}},"required":["answer","sources"],"additionalProperties":false}"#
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            for format in [
                #"{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":\#(schema)}}"#,
                #"{"type":"json_object"}"#,
            ] {
                let answer = try await server.post(
                    "/v1/chat/completions", Self.chat([("user", Self.first)], #","response_format":\#(format)"#))
                let text = answer.json["choices"]?[0]?["message"]?["content"]?.string ?? ""
                let value = try JSONValue(parsing: text)
                #expect(value["answer"]?.string?.isEmpty == false, "\(text)")
            }
            let tool =
                #","tools":[{"type":"function","function":{"name":"Reply","parameters":\#(schema)}}],"tool_choice":{"type":"function","function":{"name":"Reply"}}"#
            let called = try await server.post("/v1/chat/completions", Self.chat([("user", Self.first)], tool)).json
            #expect(called["choices"]?[0]?["finish_reason"] == "tool_calls")
            let arguments =
                called["choices"]?[0]?["message"]?["tool_calls"]?[0]?["function"]?["arguments"]?.string ?? ""
            #expect(try JSONValue(parsing: arguments)["sources"]?[0]?.string?.hasPrefix("arthur") == true)
            // What the answer does not say is not made up: a refusal, as the interface has it.
            let number =
                #"{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"weight_in_kg":{"type":"number"}},"required":["weight_in_kg"]}}}"#
            let refused = try await server.post(
                "/v1/chat/completions",
                Self.chat([("user", "Who edits First for Women?")], #","response_format":\#(number)"#)
            ).json
            let message = refused["choices"]?[0]?["message"]
            #expect(message?["refusal"]?.string != nil || message?["content"]?.string?.contains("weight_in_kg") == true)
        }
    }

    @Test func responsesGoOnFromOneAnother() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let one = try await server.post(
                "/v1/responses",
                #"{"model":"hops","input":"Tell me about Arthur's Magazine.","instructions":"Be brief."}"#)
            #expect(one.status == 200, "\(one.text)")
            #expect(one.json["status"] == "completed")
            let id = try #require(one.json["id"]?.string)
            #expect(one.json["output"]?[0]?["content"]?[0]?["annotations"]?[0]?["type"] == "url_citation")
            let two = try await server.post(
                "/v1/responses",
                #"{"model":"hops","input":[{"role":"user","content":[{"type":"input_text","text":"In which city was it published?"}]}],"previous_response_id":"\#(id)"}"#
            )
            #expect(two.json["previous_response_id"] == .string(id), "\(two.text)")
            #expect(two.json["x_run"]?["question"]?.string?.contains("Arthur's Magazine") == true)
            #expect(
                try await server.post(
                    "/v1/responses", #"{"model":"hops","input":"x","previous_response_id":"resp_nope"}"#
                ).status == 404)
            #expect(
                try await server.post("/v1/responses", #"{"model":"hops","input":"x","background":true}"#).status == 400
            )
            let again = try await server.send("GET", "/v1/responses/\(id)")
            #expect(again.json["output"] == one.json["output"])
            #expect(try await server.send("DELETE", "/v1/responses/\(id)").status == 200)
            #expect(try await server.send("GET", "/v1/responses/\(id)").status == 404)
        }
    }

    /// A model that writes an answer in pieces.
    struct PiecemealModel: LanguageModel {
        var pieces: [String]
        var failure: LanguageModelError?
        let name = "piecemeal"
        let fingerprint = "piecemeal"
        let capabilities = ModelCapabilities(toolCalls: true)

        func respond(to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void) async throws
            -> ModelResponse
        {
            if let failure { throw failure }
            for piece in pieces {
                onEvent(.content(sample: 0, text: piece))
                await Task.yield()
            }
            return ModelResponse(
                completions: [
                    Completion(message: ChatMessage(role: .assistant, content: pieces.joined()), finishReason: .stop)
                ],
                usage: TokenUsage(promptTokens: 7, completionTokens: 5), model: name)
        }
    }

    private static func events(_ text: String) -> [JSONValue] {
        text.components(separatedBy: "\n\n").compactMap { block in
            block.split(separator: "\n").first { $0.hasPrefix("data: {") }.flatMap {
                try? JSONValue(parsing: String($0.dropFirst(6)))
            }
        }
    }

    @Test func theAnswerStreamsAsItIsWritten() async throws {
        let model = PiecemealModel(
            pieces: [
                "<think>hm", "m</think>", "Arthur's ", "Magazine began ", "in Phila", "delphia [", "1", "].", "\nAns",
                "wer: Philadelphia",
            ])
        try await RunningServer.with(prepare: {
            $0.model = model
            $0.strategies = (try? [PolicyFile.find("single-shot", in: []).strategy()]) ?? []
        }) { (server: RunningServer) async throws -> Void in
            let body =
                #"{"model":"single-shot","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Where was Arthur's Magazine published?"}]}"#
            let chunks = Self.events(try await server.post("/v1/chat/completions", body).text)
            let pieces = chunks.compactMap { $0["choices"]?[0]?["delta"]?["content"]?.string }.filter { !$0.isEmpty }
            #expect(pieces.count >= 3, "\(pieces)")
            #expect(pieces.joined().hasPrefix("Arthur's Magazine began in Philadelphia"), "\(pieces)")
            #expect(!pieces.joined().contains("hmm") && !pieces.joined().contains("Correction"))
            #expect(chunks.last?["usage"]?["total_tokens"] == 12)
            #expect(chunks.contains { $0["x_run"]?["first_text_seconds"]?.double != nil })

            let response = Self.events(
                try await server.post(
                    "/v1/responses",
                    #"{"model":"single-shot","stream":true,"input":"Where was Arthur's Magazine published?"}"#
                ).text)
            let types = response.compactMap { $0["type"]?.string }
            #expect(types.first == "response.created" && types.last == "response.completed")
            #expect(types.filter { $0 == "response.output_text.delta" }.count >= 3)
            #expect(response.compactMap { $0["sequence_number"]?.int } == Array(0..<response.count))
            let text = response.filter { $0["type"] == "response.output_text.delta" }.compactMap { $0["delta"]?.string }
                .joined()
            #expect(response.last?["response"]?["output"]?[0]?["content"]?[0]?["text"] == .string(text))
        }
    }

    @Test func aModelThatNeverAnsweredIsNamed() async throws {
        let dead = PiecemealModel(pieces: [], failure: .refused(status: 401, message: "Incorrect API key"))
        try await RunningServer.with(prepare: {
            $0.model = dead
            $0.strategies = (try? [PolicyFile.find("single-shot", in: []).strategy()]) ?? []
        }) { (server: RunningServer) async throws -> Void in
            let body =
                #"{"model":"single-shot","messages":[{"role":"user","content":"Where was Arthur's Magazine published?"}]}"#
            let answer = try await server.post("/v1/chat/completions", body).json
            #expect(answer["x_run"]?["model_error"]?.string?.contains("never answered") == true)
            #expect(answer["usage"]?["total_tokens"] == 0, "a refused call cost nothing")
        }
    }

    @Test func sessionsOfThePageHaveFollowUps() async throws {
        try await RunningServer.with { (server: RunningServer) async throws -> Void in
            let one = try await server.post("/api/sessions", #"{"question":"Tell me about Arthur's Magazine."}"#)
            let id = try #require(one.json["id"]?.string)
            _ = try await server.send("GET", "/api/sessions/\(id)/events")
            let two = try await server.post(
                "/api/sessions", #"{"question":"In which city was it published?","after":"\#(id)"}"#)
            let next = try #require(two.json["id"]?.string)
            let events = try await server.send("GET", "/api/sessions/\(next)/events").text
            #expect(events.contains(#""conversation":"\#(id)""#))
            #expect(events.contains("Arthur's Magazine published"))
            #expect(try await server.post("/api/sessions", #"{"question":"x","after":"nope"}"#).status == 404)
        }
    }
}
