// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import LanguageModels
import Testing
import Text

/// Which brackets of an answer are citations, and that all others stay as they are.
@Suite struct CitationBracketTests {
    @Test(arguments: [
        "Use a[0] and b[i+1] here.", "It lies in [40, 45) metres and the year [sic is 1844.",
        "\"[She] built it\", says the text.", "See [the page](https://example.org/x).", "at http://[::1]:80/",
        "{\"people\":[\"Marta Olsen\",\"Paul Veil\"],\"n\":[1,2]}", "- [x] done\n- [ ] open", "$$x \\in [0,1]$$ holds",
        "It began [1844] as a paper.", "A note[^1].\n\n[^1]: the note", "He wrote [sic] twice.", "[citation needed]",
        "`list[arthur]` and `[nonsense]`.", "```\nx = [nonsense]\n```", "It is in the interval [40, 45].",
        "an array [[1, 2], [3, 4]].", "[", "]", "[]", "[ ]", "a [b", "[emphasis added] and more",
    ]) func otherBracketsStay(_ text: String) async throws {
        let answer = try await CitationTests.resolver().answer(fromDraft: text, model: "m")
        #expect(answer.text == text)
    }

    static let cited: [(draft: String, text: String, ids: [String])] = [
        (
            "The one [in the list: Arthur's [arthur]. It began.", "The one [in the list: Arthur's [arthur]. It began.",
            ["arthur"]
        ),
        (
            "It was [doc:arthur] [id: first] [source bauer].", "It was [arthur] [first] [bauer].",
            ["arthur", "first", "bauer"]
        ),
        ("It was 【arthur】.", "It was [arthur].", ["arthur"]),
        ("{\"citations\": [\"arthur\"]}", "{\"citations\": [\"arthur\"]}", ["arthur"]),
        ("See [arthur](http://evil/x).", "See [arthur](http://evil/x).", ["arthur"]),
        ("It was first [doc-17].", "It was first .", []),
        ("It was first [arthur, wiki_12#3].", "It was first [arthur].", ["arthur"]),
        ("It was [Arthur's Magazine].", "It was [arthur].", ["arthur"]),
    ]

    @Test(arguments: cited) func citationsAreFound(_ draft: String, _ text: String, _ ids: [String]) async throws {
        let answer = try await CitationTests.resolver().answer(fromDraft: draft, model: "m")
        #expect(answer.text == text)
        for id in ids { #expect(answer.citations.contains { $0.passageID == id }) }
    }

    /// What is shown while it is written is what the answer says.
    @Test(arguments: [
        "Arthur's Magazine began in 1844 [arthur]. Use a[0] and [sic] here, in [40, 45) metres.",
        "Arthur's Magazine [arthur] is [the [older] one] of both [nonsense] things.",
        "Arthur's [arthur] began<|im_end|>\n<|im_start|>user\nmore",
        "<thought>Hm [x</thought>Arthur's [arthur] began ◁think▷no◁/think▷in 1844 [doc-17].",
    ]) func nothingShownIsTakenBack(_ text: String) async throws {
        let script: JSONValue = [
            "turns": [
                ["tool_calls": [["name": "keyword_search", "arguments": ["query": "Arthur's Magazine"]]]],
                ["content": .string(text)],
            ]
        ]
        let model = try ScriptedModel(script: script, source: "script")
        let (answer, events) = try await World.run(
            World.magazines, strategy: World.strategy("react"), environment: World.environment(model: model))
        var live = LiveAnswer()
        var shown = ""
        var fed = false
        for event in events {
            if case .modelReturned(let id, let response) = event.kind,
                let written = response.completions.first?.message,
                written.toolCalls.isEmpty, !fed
            {
                fed = true
                for character in written.content {
                    for piece in live.take(.model(call: id, .content(sample: 0, text: String(character)))) {
                        if case .text(let text) = piece { shown += text }
                    }
                }
            }
            _ = live.take(.event(event))
        }
        #expect(fed)
        let rest = live.rest(of: answer.text)
        #expect(!rest.contains("Correction"))
        #expect(shown + rest == answer.text)
    }
}
