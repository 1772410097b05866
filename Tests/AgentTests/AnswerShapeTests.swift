// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import OrderedCollections
import Testing
import Text

/// Answers put into a form that a client asked for: right, or not at all.
@Suite struct AnswerShapeTests {
    private static func object(_ properties: JSONValue, required: [String]) -> JSONValue {
        [
            "type": "object", "properties": properties, "required": .array(required.map { .string($0) }),
            "additionalProperties": false,
        ]
    }

    static let one = object(["answer": ["type": "string"]], required: ["answer"])
    static let city = object(["city": ["type": "string"]], required: ["city"])
    static let person = object(
        ["name": ["type": "string"], "year": ["type": "integer"]], required: ["name", "year"])
    static let cited = Answer(
        text: "Marta Olsen built it [kestrel].", short: "Marta Olsen", label: .model, answerer: "m",
        citations: [Citation(passageID: "kestrel")])

    @Test(arguments: [one, city]) func aCitationIsNoAnswer(_ schema: JSONValue) throws {
        let shape = try AnswerShape(schema: schema)
        #expect(shape.read(Self.cited.text) == nil)
        #expect(shape.filled(from: Self.cited)?.object?.values.first == "Marta Olsen")
    }

    @Test(arguments: [
        #"{"name":"Marta Olsen","year":1871,"note":"x"}"#, #"["{"name":"Marta Olsen","year":1871}"]"#,
        #"Here it is [kestrel]: {"name":"Marta Olsen","year":"1871"} I hope that helps."#,
        #"{"properties":{"name":"Marta Olsen","year":1871}}"#, #"{"output":{"name":"Marta Olsen","year":1871}}"#,
        "```json\n{\"name\":\"Marta Olsen\",\"year\":1871}\n```",
    ]) func whatIsRightButForItsFormIsRead(_ text: String) throws {
        let value = try #require(try AnswerShape(schema: Self.person).read(text))
        #expect(value == ["name": "Marta Olsen", "year": 1871])
    }

    @Test(arguments: [
        #"{"name":"Marta Olsen","year":18"#, #"{"year":1871,"name":"Marta Ol"#, #"{"name":"Marta Olsen","year":"#,
        #"{"name":"Marta Olsen"}"#, "Marta Olsen, 1871 [kestrel]", "[1871]",
    ]) func whatIsCutOrMissingIsNot(_ text: String) throws {
        #expect(try AnswerShape(schema: Self.person).read(text) == nil)
    }

    static let open = object(
        [
            "name": ["type": "string"], "year": ["anyOf": [["type": "integer"], ["type": "null"]]],
            "place": ["type": ["string", "null"]],
            "home": ["anyOf": [["$ref": "#/$defs/Home"], ["type": "null"]]],
        ], required: ["name", "year", "place", "home"])

    /// What a model leaves out is null where the form lets it be, and nothing else is made up.
    @Test func whatMayBeNullMayBeLeftOut() throws {
        var schema = Self.open.object ?? [:]
        schema["$defs"] = [
            "Home": Self.object(
                ["town": ["type": "string"], "since": ["type": ["integer", "null"]]], required: ["town", "since"])
        ]
        let shape = try AnswerShape(schema: .object(schema))
        #expect(
            shape.read(#"{"name":"Marta Olsen"}"#) == ["name": "Marta Olsen", "year": nil, "place": nil, "home": nil])
        #expect(
            shape.read(#"{"name":"Marta Olsen","year":null,"home":{"town":"Bergen"},"note":"x"}"#)
                == ["name": "Marta Olsen", "year": nil, "home": ["town": "Bergen", "since": nil], "place": nil])
        for text in [#"{"year":1871}"#, #"{"name":null,"year":1871}"#, "{}", #"{"other":1}"#] {
            #expect(shape.read(text) == nil, "\(text)")
        }
        // What must be there and may not be null is refused as before; what need not be there may say null.
        #expect(try AnswerShape(schema: Self.person).read(#"{"name":"Marta Olsen","year":null}"#) == nil)
        let loose = Self.object(["name": ["type": "string"], "year": ["type": "integer"]], required: ["name"])
        #expect(
            try AnswerShape(schema: loose).read(#"{"name":"Marta Olsen","year":null}"#) == ["name": "Marta Olsen"])
    }

    @Test func oneAnswerFillsOneMember() throws {
        let two = Self.object(
            [
                "items": ["type": "array", "items": ["type": "string"]],
                "loc": Self.object(["island": ["type": "string"]], required: ["island"]),
            ], required: ["items", "loc"])
        #expect(try AnswerShape(schema: two).filled(from: Self.cited) == nil)
        let deep = Self.object(
            [
                "people": ["type": "array", "items": Self.person],
                "country": ["anyOf": [["type": "string"], ["type": "null"]]],
            ], required: ["people"])
        #expect(try AnswerShape(schema: deep).filled(from: Self.cited) == nil)
        let plain = Self.object(
            [
                "answer": ["type": "string"], "explanation": ["type": "string"],
                "sources": ["type": "array", "items": ["type": "string"]],
            ],
            required: ["answer", "explanation", "sources"])
        #expect(
            try AnswerShape(schema: plain).filled(from: Self.cited)
                == ["answer": "Marta Olsen", "explanation": "Marta Olsen built it [kestrel].", "sources": ["kestrel"]])
    }

    @Test func thatThereIsNoAnswerIsNone() throws {
        let nothing = Answer(text: Answer.nothingFound, label: .none, answerer: "m")
        #expect(try AnswerShape(schema: Self.city).filled(from: nothing) == nil)
        let open = Self.object(
            ["found": ["type": "boolean"], "answer": ["anyOf": [["type": "string"], ["type": "null"]]]],
            required: ["found", "answer"])
        #expect(try AnswerShape(schema: open).filled(from: nothing) == ["found": false, "answer": nil])
    }
}

/// What an answer leaves to the question after it.
@Suite struct AntecedentTests {
    private func question(_ asked: String, after messages: [(Bool, String)]) async throws -> String {
        let dialogue = try await Dialogue.from(messages.map { ($0.0, $0.1) }) { _ in [] }
        return try await FollowUp().question(asked, in: dialogue).text
    }

    @Test func aSentenceIsNoName() async throws {
        let text = try await question(
            "And where was she born?",
            after: [(true, "Who built the Kestrel Lighthouse?"), (false, "Marta Olsen built it [kestrel].")])
        #expect(text == "And where was Marta Olsen born?")
    }

    @Test(arguments: [
        "Not in this corpus: nothing that was found answers the question. What was looked for: Kestrel.",
        "I don't know.", "Unknown",
    ]) func aRefusalIsNothingToReferTo(_ answer: String) async throws {
        let text = try await question(
            "When was it built?", after: [(true, "Who built the Kestrel Lighthouse?"), (false, answer)])
        #expect(text == "When was Kestrel Lighthouse built?")
    }

    @Test func howItWasCountedIsNoPartOfIt() async throws {
        let text = try await question(
            "What is its capital?",
            after: [
                (true, "Which one has the most lighthouses?"), (false, "Norway (of 5 documents 1 qualifies) [kestrel]"),
            ])
        #expect(text == "What is Norway's capital?")
    }
}
