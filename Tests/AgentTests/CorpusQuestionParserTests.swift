// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Testing
import Text
import Tools

@testable import Agent

@Suite struct CorpusQuestionParserTests {
    static let parser = CorpusQuestionParser(fields: [
        CorpusField(name: "source", type: .text, documentCount: 9),
        CorpusField(name: "published_at", type: .date, documentCount: 9),
        CorpusField(name: "tons", type: .number, documentCount: 9),
        CorpusField(name: "tags", type: .textList, documentCount: 9),
    ])

    @Test(arguments: [
        ("How many articles whose source is \"BBC\" are there?", #"{"field":"source","op":"==","value":"BBC"}"#),
        ("Count the articles that have “a b” as their tags.", #"{"field":"tags","op":"==","value":"a b"}"#),
        (
            "How many articles with tons above 3.5 and in which \"flood\" occurs?",
            #"{"and":[{"field":"tons","op":">","value":3.5},{"op":"match","value":"flood","mode":"phrase"}]}"#
        ),
        (
            "How many with a published at before 2023-10-18 and either whose source is \"A\" or with tons below 7?",
            #"{"and":[{"field":"published_at","op":"<","value":"2023-10-18"},{"or":[{"field":"source","op":"==","value":"A"},{"field":"tons","op":"<","value":7}]}]}"#
        ),
        (
            "How many are later, with published at later than 2023-10-18?",
            #"{"field":"published_at","op":">","value":"2023-10-18T23:59:59Z"}"#
        ),
        ("How many have tons between 3 and 8?", #"{"field":"tons","op":"between","value":[3,8]}"#),
        (
            "How many with a source other than \"A\"?",
            #"{"and":[{"field":"source","op":"exists"},{"not":{"field":"source","op":"==","value":"A"}}]}"#
        ),
    ])
    func conditions(question: String, expected: String) throws {
        let request = try #require(Self.parser.parse(question))
        #expect(request.condition == (try JSONValue(parsing: expected)))
        #expect(request.orderField == nil)
    }

    @Test(
        arguments: [
            ("Which article whose source is \"A\" has the latest published at?", "published_at", false, 1),
            ("Sort the articles whose source is \"A\" by tons from lowest to highest.", "tons", true, nil),
            ("Name the 3 articles whose source is \"A\" with the highest tons, highest first.", "tons", false, 3),
            ("Put the articles whose source is \"A\" in descending order of published at.", "published_at", false, nil),
            ("Among those with tons above 2, give the two whose tons is lowest, in ascending order.", "tons", true, 2),
        ] as [(String, String, Bool, Int?)])
    func orders(question: String, field: String, ascending: Bool, limit: Int?) throws {
        let request = try #require(Self.parser.parse(question))
        #expect(request.orderField == field && request.isAscending == ascending && request.limit == limit)
    }

    @Test func noConditionIsNoRequest() {
        #expect(Self.parser.parse("Who designed the lighthouse?") == nil)
        #expect(Self.parser.parse("") == nil)
        #expect(Self.parser.parse("How many \"unclosed?") == nil)
    }
}
