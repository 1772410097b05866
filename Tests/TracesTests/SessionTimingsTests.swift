// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Episodes
import LanguageModels
import OrderedCollections
import Search
import Testing
import Tools

@testable import Traces

@Suite struct SessionTimingsTests {
    /// A session's events, a tenth of a second apart: every tenth is in one part.
    @Test func partsAddUpToTheWhole() async throws {
        let documents = [
            Document(id: "a", title: "Mill", text: "The mill was built in 1844."),
            Document(id: "b", title: "Dam", text: "The dam was built in 1901 beside the mill."),
        ]
        let environment = AgentEnvironment(
            corpus: try InMemoryCorpus(documents: documents), tools: try ToolRegistry.builtIn())
        let store = InMemoryEventStore()
        let session = AgentSession(
            Question("When was the mill built?"), strategy: try PolicyFile.find("hops", in: []).strategy(),
            environment: environment, store: store, seed: 1)
        _ = try await session.run()
        var timings = SessionTimings()
        let events = try await store.events(of: session.id)
        for (place, event) in events.enumerated() { timings.take(.event(event), at: Double(place + 1) / 10) }
        #expect(abs(timings.total - Double(events.count) / 10) < 1e-9)
        #expect(abs(timings.parts.values.reduce(0) { $0 + $1.seconds } - timings.total) < 1e-9)
        #expect(timings.parts.values.reduce(0) { $0 + $1.count } == events.count)
        let names = timings.parts.keys.flatMap { part -> [String] in
            if case .tools(let names) = part { return names }
            return []
        }
        #expect(names.contains("keyword_search"))
        let answered = events.firstIndex { if case .answered = $0.kind { true } else { false } }
        #expect(timings.firstWord == answered.map { Double($0 + 1) / 10 })
        #expect(timings.lines().last?.contains("the answer's first word after") == true)
    }

    @Test func aModelReadsUntilItsFirstWordAndWritesFromThereOn() {
        var timings = SessionTimings()
        let call = ModelCallRecord(id: "m1", purpose: "answer", digest: "", promptTokens: 10, completionTokens: 5)
        timings.take(.event(SessionEvent(sequence: 0, time: 1, kind: .modelCalled(call))), at: 1)
        timings.take(.model(call: "m1", .content(sample: 0, text: "The")), at: 3)
        timings.take(.model(call: "m1", .content(sample: 0, text: " mill")), at: 3.5)
        timings.take(
            .event(SessionEvent(sequence: 1, time: 4, kind: .modelFailed(id: "m1", .timedOut(seconds: 1)))), at: 4)
        #expect(timings.parts[.modelReading(purpose: "answer")]?.seconds == 2)
        #expect(timings.parts[.modelWriting(purpose: "answer")]?.seconds == 1)
        #expect(timings.firstWord == 3)
    }
}
