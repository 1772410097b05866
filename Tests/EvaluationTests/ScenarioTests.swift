// SPDX-License-Identifier: Apache-2.0

import Evaluation
import Foundation
import LanguageModels
import OrderedCollections
import Testing
import Text

/// The scenarios of the repository, and the machinery that runs them.
@Suite struct ScenarioTests {
    private static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().path
    private static let folder = repository + "/Examples/scenarios"
    private static let files = (try? ScenarioFile.find(folder)) ?? []

    /// `FORAGE_UPDATE_GOLDEN=1` writes the golden traces of the repository instead of comparing them.
    private func runner(updates: Bool = false) -> ScenarioRunner {
        ScenarioRunner(policyDirectories: [Self.repository + "/Policies"], updates: updates)
    }

    @Test func thereAreAtLeastFortyScenarios() throws {
        #expect(Self.files.count >= 40)
        for file in Self.files {
            #expect(try ScenarioFile(file: file).name + ".yaml" == (file as NSString).lastPathComponent)
        }
    }

    @Test(arguments: files) func theScenarioHolds(file: String) async throws {
        let updates = ProcessInfo.processInfo.environment["FORAGE_UPDATE_GOLDEN"] == "1"
        for result in await runner(updates: updates).run(file: file) {
            // Not the result itself: its whole trace would be printed above the few lines that say what differs.
            let passed = result.passed
            #expect(passed, "\(ScenarioReport.text([result]))")
        }
    }

    private func results(_ yaml: String) async throws -> [ScenarioResult] {
        let folder = try TemporaryFolder()
        return await runner().run(file: try folder.write("made.yaml", yaml))
    }

    private static let base = """
        scenario: made
        corpus: [{id: d1, title: Northay, text: Northay is an island with a lighthouse.}]
        question: What is Northay?
        policy: react
        model:
          turns:
            - tool_calls: [{name: keyword_search, arguments: {query: Northay}}]
            - content: "An island [d1].\\nAnswer: an island"

        """

    @Test func aBrokenExpectationSaysWhatWasFound() async throws {
        let result = try #require(
            try await results(
                Self.base + """
                    expect:
                      tools: [semantic_search]
                      calls: [{tool: keyword_search, arguments: {query: Greyholm}}]
                      answer: a river
                      cited: {includes: [d2]}
                      stop: exhausted
                      spent: {tool_calls: {at_most: 0}}
                      never: [{event: tool_called, contains: northay}]
                    """
            ).first)
        #expect(
            result.mismatches.map(\.place) == [
                "tools", "calls[0].arguments.query", "answer", "cited", "stop", "spent.tool_calls", "never[0]",
            ])
        #expect(result.mismatches[0].found == "keyword_search")
        let xml = ScenarioReport.junit([result])
        #expect(xml.contains("failures=\"1\""))
        #expect(XMLWellFormed.check(xml))
    }

    @Test func unknownKeysAndMissingFilesAreOneFailedResult() async throws {
        let unknown = try await results(Self.base + "expect: {answr: x}")
        #expect(unknown.first?.mismatches.first?.found.contains("answr") == true)
        let missing = await runner().run(file: "/nowhere/at-all.yaml")
        #expect(missing.count == 1 && missing.first?.passed == false)
    }

    @Test func goldenTracesAreWrittenThenCompared() async throws {
        let folder = try TemporaryFolder()
        let file = try folder.write("made.yaml", Self.base + "golden: true\nexpect: {answer: an island}\n")
        #expect(await runner().run(file: file).first?.mismatches.first?.place == "golden")
        var updating = runner()
        updating.updates = true
        #expect(await updating.run(file: file).first?.updated == true)
        #expect(await runner().run(file: file).first?.passed == true)
        // A changed trace is shown at the member that differs.
        let golden = folder.path + "/golden/made.jsonl"
        let text = try String(contentsOfFile: golden, encoding: .utf8).replacing("an island", with: "a rock")
        try Data(text.utf8).write(to: URL(fileURLWithPath: golden))
        let mismatch = try #require(await runner().run(file: file).first?.mismatches.first)
        #expect(mismatch.place.hasPrefix("golden event"))
        #expect(mismatch.expected.contains("a rock") && mismatch.found.contains("an island"))
    }

    @Test func contrastsThatDoNotChangeTheAnswerFail() async throws {
        let edited = try await results(
            Self.base + """
                expect: {}
                contrast:
                  - {name: same, question: "What is Northay called?", changes_answer: true}
                """)
        #expect(edited.count == 2)
        #expect(edited[1].mismatches.map(\.place) == ["changes_answer"])
    }
}

/// Whether a text is well-formed XML as far as nesting and quoting go.
private enum XMLWellFormed {
    static func check(_ text: String) -> Bool {
        var open: [Substring] = []
        var rest = text[...]
        while let start = rest.firstIndex(of: "<") {
            guard let end = rest[start...].firstIndex(of: ">") else { return false }
            let tag = rest[rest.index(after: start)..<end]
            rest = rest[rest.index(after: end)...]
            if tag.hasPrefix("?") || tag.hasSuffix("/") { continue }
            if tag.hasPrefix("/") {
                guard open.popLast() == tag.dropFirst() else { return false }
            } else {
                open.append(tag.prefix { $0 != " " })
            }
        }
        return open.isEmpty && !rest.contains("<")
    }
}
