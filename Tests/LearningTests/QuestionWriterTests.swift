// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import Testing
import Text
import Tools

@testable import Learning

@Suite struct QuestionWriterTests {
    static let passage = Passage(
        id: "lind", ordinal: 0, documentID: "lind", documentOrdinal: 0, title: "Ada Lind",
        text: "Ada Lind was an engineer who designed eleven lighthouses. She was born in the port of Karrow in 1832.",
        range: 0..<100)

    @Test func clozesAskForNamesAndNumbersInTheirPlace() {
        let entries = QuestionWriter.clozes(of: Self.passage, most: 10)
        #expect(
            entries.map(\.question) == [
                "Ada Lind: She was born in the port of what or whom in 1832?",
                "Ada Lind: She was born in the port of Karrow in which year?",
            ])
        #expect(entries.map(\.answer) == ["Karrow", "1832"])
        #expect(entries.allSatisfy { $0.passage == "lind" })
    }

    @Test func repliesAreReadAsTheyComes() {
        let reply = """
            1. Where was Ada Lind born? | Karrow
            - Who designed eleven lighthouses? | "Ada Lind".
            Here is one: | x
            What is this? no answer
            """
        #expect(
            QuestionWriter.parsed(reply, passage: "p").map(\.answer) == ["Karrow", "Ada Lind"])
        #expect(QuestionWriter.parsed(reply, passage: "p").map(\.question).first == "Where was Ada Lind born?")
    }

    /// What the reader answers otherwise, or the passage does not hold, is not kept.
    @Test func onlyTheRoundTripKeeps() async throws {
        let model = try ScriptedModel(
            script: YAMLReader.read(
                """
                repeat_last: true
                turns:
                  - content: "Where was Ada Lind born? | Karrow\\nWhat did she design? | lighthouses\\nWhen did she die? | 1904"
                """, name: "script"), source: "script")
        let asked = Asked()
        let writer = QuestionWriter(model: model) { question, _ in
            await asked.add(question)
            return question.hasPrefix("Where") ? "Karrow." : question.hasPrefix("What") ? "bridges" : "1904"
        }
        let (kept, written) = try await writer.questions(for: Self.passage)
        #expect(written == 3 && kept.map(\.answer) == ["Karrow"])
        #expect(await asked.questions.count == 2, "an answer that the passage lacks is not even asked")
        let (clozes, _) = try await QuestionWriter(most: 1) { question, _ in
            question.contains("which year") ? "1832" : nil
        }.questions(for: Self.passage)
        #expect(clozes.map(\.answer) == ["1832"])
    }

    private actor Asked {
        var questions: [String] = []
        func add(_ question: String) { questions.append(question) }
    }
}
