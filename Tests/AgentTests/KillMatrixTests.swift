// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import LanguageModels
import Synchronization
import TensorMath
import Testing
import Text
import Tools

/// Sessions with a recorded model, cut off at every event and within writes, and resumed: the same events and the same
/// answer come out, no finished tool runs twice, and no finished model turn is paid for again.
@Suite struct KillMatrixTests {
    static let question = "In which country is the company headquartered that publishes First for Women?"

    static let withModel = [
        "react", "search-r1", "r1-searcher", "search-o1", "ircot", "golden", "baleen", "decompose", "agents", "clues",
        "hyde",
        "feedback", "jargon", "rewrite", "corpus", "adaptive", "tree-search", "single-shot", "hops",
    ]
    static let withoutModel = [
        "golden", "baleen", "decompose", "agents", "clues", "feedback", "jargon", "corpus", "tree-search",
        "single-shot",
        "hops",
    ]

    /// What the recorded model said: enough for every strategy to take all its turns.
    private static func reply(_ request: ModelRequest) -> [ChatMessage] {
        let system = request.messages.first?.content ?? ""
        let last = request.messages.last?.content ?? ""
        let turns = request.messages.filter { $0.role == .assistant }.count
        func text(_ content: String) -> [ChatMessage] { [ChatMessage(role: .assistant, content: content)] }
        if !request.tools.isEmpty {
            func calls(_ list: [(String, String)]) -> [ChatMessage] {
                var message = ChatMessage(role: .assistant, content: "")
                message.toolCalls = list.enumerated().map {
                    ToolCall(id: "c\(turns)-\($0)", name: $1.0, arguments: $1.1)
                }
                return [message]
            }
            switch turns {
            case 0:
                return calls([
                    ("keyword_search", #"{"query": "First for Women"}"#),
                    ("semantic_search", #"{"query": "who publishes the magazine", "limit": 2}"#),
                    ("google", #"{"query": "x"}"#),
                ])
            case 1: return calls([("keyword_search", #"{"query": "Bauer Media Group"}"#)])
            case 2: return calls([("read", #"{"ids": ["bauer"]}"#)])
            default: return text("It is in Germany [bauer].\nAnswer: Germany")
            }
        }
        for (open, close) in [
            ("<search>", "</search>"), ("<|begin_of_query|>", "<|end_of_query|>"),
            ("<|begin_search_query|>", "<|end_search_query|>"),
        ] where system.contains(open) {
            let turns = last.components(separatedBy: close).count - 1
            let queries = ["publisher of First for Women", "Bauer Media Group headquarters"]
            if turns < queries.count { return text("<think>Hm.</think>\(open)\(queries[turns])\(close)") }
            return text(open == "<|begin_search_query|>" ? "\\boxed{Germany}" : "<answer>Germany</answer>")
        }
        if system.contains("one next sentence") {
            return text(
                last.contains("so far: (none)")
                    ? "First for Women is published by Bauer Media Group." : "So the answer is: Germany.")
        }
        if system.contains("one search query") {
            return text(last.contains("so far: (none)") ? "Bauer Media Group headquarters" : "DONE")
        }
        if system.contains("Split the question") {
            return text("1. Who publishes First for Women?\n2. What is Hamburg?\n3. In which country is #1?")
        }
        if system.contains("shortest phrase, and nothing else. ") {
            return text(last.contains("Who publishes") ? "Bauer Media Group" : "Germany")
        }
        if system.contains("clues, one a line") { return text("a woman's magazine\na company in Hamburg") }
        if system.contains("different search queries") { return text("publisher First for Women\nBauer head office") }
        if system.contains("numbered sentences") { return text("1, 2, 3") }
        if system.contains("`filter`") { return text(#"{"where": {"op": "match", "value": "Hamburg"}}"#) }
        if system.contains("`aggregate`") { return text(#"{"measures": [{"op": "count"}]}"#) }
        if request.options.samples > 1 {
            return (0..<request.options.samples).map {
                ChatMessage(role: .assistant, content: ["Peru", "Atlantis", "no idea", "Hamburg", "the moon"][$0 % 5])
            }
        }
        return text("It is in Germany [bauer].\nAnswer: Germany")
    }

    /// A run's model as a recording in a file, and its events when nothing interrupts it.
    private struct Recording {
        var path: String?
        var whole: [SessionEvent]
        var answer: Answer

        func model() throws -> CountingModel? { try path.map { CountingModel(try RecordedModel(file: $0)) } }
    }

    private static func record(_ policy: String, model hasModel: Bool, in folder: String) async throws -> Recording {
        let strategy = try World.strategy(policy)
        var path: String?
        if hasModel {
            path = folder + "/recording.jsonl"
            let recorder = try RecordingModel(ReplyingModel(reply: Self.reply), to: folder + "/recording.jsonl")
            _ = try await World.run(question, strategy: strategy, environment: World.environment(model: recorder))
        }
        let model = try path.map { try RecordedModel(file: $0) }
        let run = try await World.run(question, strategy: strategy, environment: World.environment(model: model))
        return Recording(path: path, whole: run.events, answer: run.answer)
    }

    private static func environment(
        _ model: (any LanguageModel)?, _ policy: String
    ) throws -> (AgentEnvironment, ToolCounter) {
        let counter = ToolCounter()
        var environment = try World.environment(model: model)
        // With the tools that the policy brings along, so that their calls are counted too.
        let tools = try environment.tools.adding(World.strategy(policy).proposers.flatMap(\.tools))
        environment.tools = try ToolRegistry(tools.tools.map { CountingTool(base: $0, counter: counter) })
        return (environment, counter)
    }

    /// Resumes from what the store holds, and checks the end against the uninterrupted run.
    private static func resume(
        _ id: String, _ policy: String, _ recording: Recording, from store: any EventStore, _ place: String
    ) async throws {
        let stored = try await store.events(of: id)
        let model = try recording.model()
        let (environment, counter) = try environment(model, policy)
        let session = try await AgentSession.resume(
            id, strategy: World.strategy(policy), environment: environment, store: store)
        let answer = try await session.run()
        let events = try await store.events(of: id)
        #expect(events.lines == recording.whole.lines, "\(place)")
        #expect(answer == recording.answer, "\(place)")
        func count(_ name: String, _ events: [SessionEvent]) -> Int { events.names.filter { $0 == name }.count }
        #expect(
            model?.calls ?? 0 == count("model_returned", recording.whole) - count("model_returned", stored),
            "\(place): model turns paid for")
        #expect(
            counter.calls == count("tool_returned", recording.whole) - count("tool_returned", stored)
                - Self.unknown(recording.whole, without: stored), "\(place): tools run")
    }

    /// How many results that `stored` lacks are of calls of tools that do not exist, and so never ran.
    private static func unknown(_ whole: [SessionEvent], without stored: [SessionEvent]) -> Int {
        var ids: Set<String> = []
        for event in whole {
            if case .toolCalled(let record) = event.kind, record.invocation.tool == "google" { ids.insert(record.id) }
        }
        for event in stored {
            if case .toolReturned(let id, _) = event.kind { ids.remove(id) }
        }
        return ids.count
    }

    private static func matrix(_ policy: String, model hasModel: Bool) async throws {
        let folder = StoreTests.temporaryFolder()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let recording = try await record(policy, model: hasModel, in: folder)
        #expect(recording.whole.names.contains("tool_returned"), "\(policy)")
        if hasModel { #expect(recording.whole.names.contains("model_returned"), "\(policy)") }
        #expect(!recording.whole.names.contains("model_failed"), "\(policy)")
        for count in 1..<recording.whole.count {
            let store = InMemoryEventStore()
            let (environment, _) = try environment(recording.model(), policy)
            let session = AgentSession(
                Question(question), strategy: try World.strategy(policy), environment: environment,
                store: DyingStore(store, after: count), seed: 1)
            await #expect(throws: SessionError.self) { try await session.run() }
            try await resume(session.id, policy, recording, from: store, "\(policy), killed after \(count) events")
        }
        // Killed again and again: each life appends three events.
        let store = InMemoryEventStore()
        let (environment, _) = try environment(recording.model(), policy)
        let session = AgentSession(
            Question(question), strategy: try World.strategy(policy), environment: environment,
            store: DyingStore(store, after: 3), seed: 1)
        _ = try? await session.run()
        for _ in 0..<recording.whole.count {
            guard try await store.events(of: session.id).last.map({ $0.name != "finished" }) ?? false else { break }
            let (environment, _) = try Self.environment(recording.model(), policy)
            let next = try await AgentSession.resume(
                session.id, strategy: World.strategy(policy), environment: environment,
                store: DyingStore(store, after: 3))
            _ = try? await next.run()
        }
        #expect(try await store.events(of: session.id).lines == recording.whole.lines, "\(policy), three events a life")
    }

    @Test(arguments: withModel)
    func aKillAtEveryEventWithARecordedModel(_ policy: String) async throws {
        try await Self.matrix(policy, model: true)
    }

    @Test(arguments: withoutModel)
    func aKillAtEveryEventWithoutAModel(_ policy: String) async throws {
        try await Self.matrix(policy, model: false)
    }

    /// The write-ahead log as a crash may leave it: cut off anywhere, or with a block of it torn. What was torn is gone
    /// as if it had never been begun; all before it counts.
    @Test func tornWritesLoseOnlyWhatWasTorn() async throws {
        let folder = StoreTests.temporaryFolder()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let recording = try await Self.record("react", model: true, in: folder)
        let store = try SQLiteEventStore(path: folder + "/live/sessions.sqlite")
        let (environment, _) = try Self.environment(recording.model(), "react")
        let session = AgentSession(
            Question(Self.question), strategy: try World.strategy("react"), environment: environment, store: store,
            seed: 1)
        _ = try await session.run()
        // The files of a process that is killed now.
        let database = try Data(contentsOf: URL(fileURLWithPath: folder + "/live/sessions.sqlite"))
        let log = try Data(contentsOf: URL(fileURLWithPath: folder + "/live/sessions.sqlite-wal"))
        #expect(log.count > 20 * 4096)
        var random = SplitMix64(seed: 7)
        var lengths: Set<Int> = []
        for round in 0..<120 {
            var torn = log
            let place = 32 + random.integer(below: log.count - 32)
            switch round % 3 {
            case 0: torn = torn.prefix(place)
            case 1:
                for index in place..<min(place + 512, torn.count) { torn[index] = 0 }
            default:
                for index in place..<min(place + 512, torn.count) { torn[index] = UInt8(random.integer(below: 256)) }
            }
            let copy = folder + "/copy\(round)"
            try FileManager.default.createDirectory(atPath: copy, withIntermediateDirectories: true)
            try database.write(to: URL(fileURLWithPath: copy + "/sessions.sqlite"))
            try torn.write(to: URL(fileURLWithPath: copy + "/sessions.sqlite-wal"))
            let left = try SQLiteEventStore(path: copy + "/sessions.sqlite")
            let events = try await left.events(of: session.id)
            lengths.insert(events.count)
            guard !events.isEmpty else { continue }
            try await Self.resume(session.id, "react", recording, from: left, "torn at \(place), round \(round)")
        }
        #expect(lengths.count > 10)
    }
}

/// A model that says what a function says.
private struct ReplyingModel: LanguageModel {
    var reply: @Sendable (ModelRequest) -> [ChatMessage]
    var name: String { "replying" }
    var fingerprint: String { "replying/1" }
    var capabilities: ModelCapabilities { ModelCapabilities(toolCalls: true) }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        let completions = reply(request).map {
            Completion(message: $0, finishReason: $0.toolCalls.isEmpty ? .stop : .toolCalls)
        }
        return ModelResponse(
            completions: completions, usage: TokenUsage(promptTokens: 100, completionTokens: 20), model: name)
    }
}

/// How many calls of tools ran.
private final class ToolCounter: Sendable {
    private let count = Mutex(0)
    var calls: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}

private struct CountingTool: RetrievalTool {
    var base: any RetrievalTool
    var counter: ToolCounter
    var specification: ToolSpecification { base.specification }

    func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        counter.add()
        return try await base.call(arguments, in: context)
    }
}
