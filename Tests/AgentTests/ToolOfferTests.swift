// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Episodes
import LanguageModels
import Synchronization
import Testing
import Text
import Tools

@testable import Agent

@Suite struct ToolOfferTests {
    private static let documents = (0..<12).map { index in
        Document(
            id: "d\(index)", title: "Report \(index)", text: "Floods and harvests of the year, number \(index).",
            metadata: [
                "source": .text(index % 3 == 0 ? "BBC" : "Reuters"), "pages": .number(Double(index)),
                "published": .date(1_700_000_000 + Int64(index) * 86_400),
            ])
    }

    private static func property(_ tools: [ToolSpecification], _ tool: String, _ name: String) -> JSONValue? {
        tools.first { $0.name == tool }?.parameters["properties"]?[name]
    }

    private static func state(after script: String) async throws -> AgentState {
        let events = try await World.run(
            "How many floods?", strategy: World.strategy("react"),
            environment: World.environment(model: World.model(script), documents: documents)
        ).events
        return try Trajectory(events: events).final
    }

    private static let twoSearches = """
        turns:
          - tool_calls: [{name: keyword_search, arguments: {query: floods}}]
          - tool_calls: [{name: filter, arguments: {where: {field: source, op: "==", value: BBC}}}]
          - {content: "Answer: 12"}
        """

    /// Before there are results nothing can name one; afterwards exactly those that there are.
    @Test func handlesAreThoseThatExist() async throws {
        let corpus = try World.corpus(Self.documents)
        let registry = try ToolRegistry.builtIn()
        let empty = try await Self.state(after: "turns: [{content: \"Answer: 1\"}]")
        var fresh = AgentState(header: empty.header)
        for detail in [PromptDetail.full, .compact] {
            let tools = ToolOffer(state: fresh, corpus: corpus, detail: detail).specifications(of: registry)
            for tool in tools {
                #expect(
                    tool.parameters["properties"]?["within"] == nil && tool.parameters["properties"]?["over"] == nil)
                #expect(!tool.parameters.serialized().contains("intersect"), "\(tool.name)")
            }
            #expect(!tools.contains { $0.name == "read" })
        }
        fresh = try await Self.state(after: Self.twoSearches)
        let tools = ToolOffer(state: fresh, corpus: corpus, detail: .compact).specifications(of: registry)
        #expect(Self.property(tools, "keyword_search", "within")?["enum"]?.array == ["r2", "r1"])
        #expect(tools.contains { $0.name == "read" })
        let full = ToolOffer(state: fresh, corpus: corpus, detail: .full).specifications(of: registry)
        #expect(
            Self.property(full, "filter", "within")?["enum"]?.array
                == ["r2", "r1", "r1 union r2", "r1 intersect r2", "r1 subtract r2"])
        // What an offer allows, the tool takes.
        for expression in Self.property(full, "filter", "within")?["enum"]?.array ?? [] {
            _ = try ScopeExpression(expression.string ?? "").evaluate(
                in: Dictionary(
                    uniqueKeysWithValues: fresh.resultSets.map { ($0.key, $0.value) }))
        }
    }

    @Test func fieldsAreTheCorpusOwn() async throws {
        let corpus = try World.corpus(Self.documents)
        let state = AgentState(header: try await Self.state(after: "turns: [{content: x}]").header)
        let tools = ToolOffer(state: state, corpus: corpus, detail: .full)
            .specifications(of: try ToolRegistry.builtIn())
        let clause = Self.property(tools, "filter", "where")?["anyOf"]?.array?.first
        let fields = clause?["properties"]?["field"]?["enum"]?.array ?? []
        #expect(Set(fields.compactMap(\.string)) == ["source", "pages", "published", "title", "text", "id"])
        let card = await CorpusCard.of(corpus).text(isCompact: false)
        #expect(card.contains("12 documents") && card.contains("source (text: Reuters, BBC)"))
        #expect(card.contains("pages (number: 0 to 11)") && card.contains("published (date: 2023-11-"))
        #expect(card.contains("Report 0"))
        // What can be offered is a schema that calls can be checked by.
        for tool in tools { _ = try ToolRegistry([Stub(specification: tool)]) }
    }

    /// All tools together, as a model reads them: 500 tokens at four bytes each, metadata and handles included.
    @Test func compactPromptsAreSmall() async throws {
        let corpus = try World.corpus(Self.documents)
        let state = try await Self.state(after: Self.twoSearches)
        let tools = ToolOffer(state: state, corpus: corpus, detail: .compact)
            .specifications(of: try ToolRegistry.builtIn())
        #expect(tools.count == 5)
        let bytes = tools.reduce(0) {
            $0 + $1.name.utf8.count + $1.description.utf8.count + $1.parameters.serialized().utf8.count
        }
        #expect(bytes <= 2000, "\(bytes) bytes")
    }

    /// A call that was repeated, or that failed twice, is not offered again, and the next sample is another one.
    @Test func whatLedNowhereIsNotOfferedAgain() async throws {
        let script = """
            turns:
              - tool_calls: [{name: keyword_search, arguments: {query: floods}}]
              - tool_calls: [{name: keyword_search, arguments: {query: floods}}]
              - {content: "Answer: 12"}
            """
        let model = SeeingModel(try World.model(script))
        _ = try await World.run(
            "How many floods?", strategy: World.strategy("react"),
            environment: World.environment(model: model, documents: Self.documents))
        let requests = model.requests
        #expect(requests.count == 3)
        #expect(requests[1].tools.contains { $0.name == "keyword_search" })
        #expect(!requests[2].tools.contains { $0.name == "keyword_search" })
        #expect(requests[2].tools.contains { $0.name == "semantic_search" })
        #expect(requests[1].options.temperature == 0 && (requests[2].options.temperature ?? 0) > 0)
        #expect(requests[2].options.seed != requests[1].options.seed)
        #expect(requests[0].messages[0].content.contains("The corpus: 12 documents"))
    }
}

/// A tool that is nothing but its description.
private struct Stub: RetrievalTool {
    var specification: ToolSpecification

    func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput { .failure("a stub") }
}

@Suite struct MenuTests {
    /// A model that only writes text drives by lines; the first step is the question itself.
    @Test func aModelWithoutToolCallsDrivesByLines() async throws {
        let script = """
            select: call
            tool_calls: false
            turns:
              - {content: "search: Bauer Media Group headquarters"}
              - {content: "answer"}
              - {content: "Hamburg [1].\\nAnswer: Hamburg"}
            """
        let model = SeeingModel(try World.model(script))
        let (answer, events) = try await World.run(
            "In which city is the publisher of First for Women?", strategy: World.strategy("react"),
            environment: World.environment(model: model))
        #expect(answer.short == "Hamburg")
        #expect(events.stop == .answered)
        let calls = events.compactMap { event -> String? in
            if case .toolCalled(let record) = event.kind { return record.invocation.arguments }
            return nil
        }
        #expect(calls.count == 4 && calls[0].contains("First for Women"))
        #expect(calls[2].contains("Bauer Media Group headquarters"))
        #expect(model.requests[0].tools.isEmpty)
        #expect(model.requests[0].messages.map(\.content).joined().contains("Question: In which city"))
    }

    @Test(arguments: ["", "banana", "search:", "open: nowhere", "SEARCH: x", "1. search: \"y\"", "answer: 42"])
    func anyLineIsRead(_ line: String) async throws {
        let script = """
            select: call
            tool_calls: false
            repeat_last: true
            turns: [{content: \(JSONValue.string(line).serialized())}]
            """
        let (answer, events) = try await World.run(
            "Which company publishes First for Women?", strategy: World.strategy("react"),
            environment: World.environment(model: World.model(script)))
        #expect(events.stop != nil)
        #expect(!answer.text.isEmpty)
        #expect(events.names.contains("tool_returned"))
    }

    @Test func theGrammarOffersWhatCanBeOpened() {
        let grammar = MenuTurn.grammar([.init(title: "A (b) \\ c", id: "a")])
        #expect(grammar.contains("\"open: \" (\"A (b) \\\\ c\")"))
        #expect(!MenuTurn.grammar([]).contains("open"))
    }
}

/// Remembers what a model was asked.
final class SeeingModel: LanguageModel {
    let base: any LanguageModel
    private let seen = Mutex<[ModelRequest]>([])

    init(_ base: any LanguageModel) { self.base = base }

    var name: String { base.name }
    var fingerprint: String { base.fingerprint }
    var capabilities: ModelCapabilities { base.capabilities }
    var requests: [ModelRequest] { seen.withLock { $0 } }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        seen.withLock { $0.append(request) }
        return try await base.respond(to: request, onEvent: onEvent)
    }
}
