// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import Search
import Testing
import Text
import Tools

@testable import Traces

/// One session, told in three ways.
@Suite struct TraceTests {
    private static let documents = [
        Document(
            id: "arthur", title: "Arthur's Magazine",
            text: "Arthur's Magazine was an American literary periodical published in Philadelphia in 1844."),
        Document(
            id: "first", title: "First for Women",
            text: "First for Women is a woman's magazine published by Bauer Media Group. It was started in 1989."),
        Document(
            id: "notes", title: "Notes \u{1B}[31m<b>",
            text: "The notes say </q><script>alert(1)</script> and \u{202E}backwards."),
    ]

    private static let script = """
        turns:
          - reasoning: I must look both up.
            tool_calls:
              - {name: keyword_search, arguments: {query: "Arthur's Magazine"}}
          - content: |
              Arthur's Magazine began in 1844 [arthur].
              Answer: Arthur's Magazine
        """

    private func events(
        _ question: String, policy: String = "hops", script: String? = nil, price: ModelPrice = ModelPrice()
    ) async throws -> [SessionEvent] {
        let model = try script.map { try ScriptedModel(script: YAMLReader.read($0, name: "script"), source: "script") }
        let environment = AgentEnvironment(
            corpus: try InMemoryCorpus(documents: Self.documents), tools: try ToolRegistry.builtIn(), model: model,
            clock: TickingClock(tick: 0.001))
        let store = InMemoryEventStore()
        let session = AgentSession(
            Question(question), strategy: try PolicyFile.find(policy, in: []).strategy(prices: price),
            environment: environment, store: store, seed: 1)
        _ = try await session.run()
        return try await store.events(of: session.id)
    }

    @Test func theStoryIsPlainEnglish() async throws {
        let events = try await events("Which magazine began in Philadelphia?", policy: "react", script: Self.script)
        var narrator = SessionNarrator()
        let story = events.flatMap { narrator.lines(for: $0) }
        #expect(
            Array(story.prefix(9)) == [
                "Which magazine began in Philadelphia?", "", "(I must look both up.)",
                "Looks for the words “Arthur's Magazine”", "   r1: 2 passages, no more match, first arthur",
                "  + [arthur] Arthur's Magazine", "  + [first] First for Women", "",
                "Answer (written by scripted): Arthur's Magazine began in 1844 [arthur].",
            ])
        #expect(story.contains("In short: Arthur's Magazine"))
        #expect(!story.contains { $0.contains("gate") || $0.contains("threshold") || $0.contains("tries ") })
    }

    @Test func everyDecisionStandsInTheFullTrace() async throws {
        let events = try await events("Which magazine was started first, Arthur's Magazine or First for Women?")
        var narrator = SessionNarrator(detail: .full, width: 60)
        let lines = events.flatMap { narrator.lines(for: $0) }
        #expect(lines.contains { $0.hasPrefix("Step 1") })
        #expect(lines.contains { $0.contains("→ keyword_search(") })
        #expect(lines.contains { $0.hasPrefix("Stopped (") })
        #expect(lines.allSatisfy { !$0.contains("\n") && !$0.contains("\u{1B}") })
        // Each call is told once, with what came of it.
        let calls = events.count { if case .toolReturned = $0.kind { true } else { false } }
        #expect(lines.count { $0.hasPrefix("  → ") } == calls)
        var styled = SessionNarrator(usesStyle: true)
        #expect(events.flatMap { styled.lines(for: $0) }.contains { $0.contains("\u{1B}[1m") })
    }

    @Test func pagesLoadNothingAndEscapeEverything() async throws {
        let events = try await events("What do the notes say? <script>alert(1)</script>")
        let page = try TracePage(events: events).html()
        #expect(page.hasPrefix("<!doctype html>") && page.contains("default-src 'none'"))
        #expect(!page.contains("<script>") && page.contains("&lt;script&gt;"))
        #expect(!page.contains("http://") && !page.contains("https://"))
        // Every link inside the page has its target there.
        for link in page.matches(of: #/href="#([^"]+)"/#) { #expect(page.contains("id=\"\(link.output.1)\"")) }
        let paid = try await self.events(
            "Which?", policy: "react", script: Self.script,
            price: ModelPrice(promptPerMillion: 1, completionPerMillion: 2))
        #expect(try TracePage(events: paid).html().contains("<th>cost<th>seconds"))
    }

    @Test func spansFormOneTreeInOrder() async throws {
        let events = try await events("Which magazine began in Philadelphia?", policy: "react", script: Self.script)
        let body = try SpanExporter().request(events: events, started: 100)
        let spans = try #require(body["resourceSpans"]?[0]?["scopeSpans"]?[0]?["spans"]?.array)
        let roots = spans.filter { $0["parentSpanId"] == nil }
        let root = try #require(roots.first?["spanId"]?.string)
        #expect(roots.count == 1 && roots[0]["name"]?.string == "invoke_agent react")
        #expect(spans.allSatisfy { $0["traceId"]?.string?.count == 32 && $0["spanId"]?.string?.count == 16 })
        #expect(Set(spans.compactMap { $0["spanId"]?.string }).count == spans.count)
        #expect(spans.filter { $0["parentSpanId"] != nil }.allSatisfy { $0["parentSpanId"]?.string == root })
        for span in spans {
            let start = try #require(span["startTimeUnixNano"]?.string.flatMap(UInt64.init))
            let end = try #require(span["endTimeUnixNano"]?.string.flatMap(UInt64.init))
            #expect(start >= 100_000_000_000 && end >= start)
        }
        #expect(spans.contains { $0["name"]?.string == "execute_tool keyword_search" })
        #expect(spans.contains { $0["name"]?.string == "chat \(events.first?.json["model"]?["name"]?.string ?? "?")" })
        // The same session gives the same bytes.
        #expect(try SpanExporter().request(events: events, started: 100) == body)
    }

    @Test func textsAreExportedOnlyWhenAskedFor() async throws {
        let events = try await events("What do the secret notes say?", policy: "react", script: Self.script)
        let closed = try SpanExporter().request(events: events, started: 0).serialized()
        for text in ["secret notes", "Philadelphia", "1844", "Arthur"] { #expect(!closed.contains(text), "\(text)") }
        let open = try SpanExporter(includesContent: true).request(events: events, started: 0).serialized()
        #expect(open.contains("secret notes") && open.contains("1844"))
    }

    @Test func headersAreReadAsTheVariableHasThem() {
        let read = SpanExporter.headers(from: "a=1, b = x=y ,broken,c=")
        #expect(read.map(\.name) == ["a", "b"] && read.map(\.value) == ["1", "x=y"])
    }

    @Test func terminalEscapesAreStripped() {
        #expect(SessionNarrator.clean("a\u{1B}[31mred\u{7}\u{202E}b\nc") == "a [31mred b c")
        #expect(SessionNarrator.cleanLines("a\u{7}b\n\u{2066}c") == "a b\nc")
        // Whatever comes, no control character is left and nothing grows.
        var generator = SplitMix64(seed: 5)
        for _ in 0..<200 {
            var text = String.UnicodeScalarView()
            for _ in 0..<20 {
                let scalar = Unicode.Scalar(UInt32.random(in: 0..<0x2100, using: &generator)) ?? "a"
                text.append(scalar)
            }
            let cleaned = SessionNarrator.clean(String(text))
            #expect(cleaned.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
            #expect(cleaned.unicodeScalars.count <= text.count)
        }
    }

    @Test func aPageNeedsWholeEvents() {
        #expect(throws: SessionError.self) { try TracePage(events: []) }
    }
}
