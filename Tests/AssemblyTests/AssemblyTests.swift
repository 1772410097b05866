// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Datasets
import Episodes
import Foundation
import LanguageModels
import Search
import Testing
import Tools

@testable import Assembly

/// Things opened by their names.
@Suite struct AssemblyTests {
    private let folder: String

    init() throws {
        folder = NSTemporaryDirectory() + "assembly-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    private func write(_ name: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private func corpusFile() throws -> String {
        try write(
            "c.jsonl",
            """
            {"id": "arthur", "title": "Arthur's Magazine", "text": "Arthur's Magazine was founded in Philadelphia in 1844.", "metadata": {"year": 1844}}

            {"contents": "\\"First for Women\\"\\nThe magazine was started in 1989."}
            """)
    }

    @Test func aSmallFileIsACorpus() async throws {
        let corpus = try await CorpusOpening.open(try corpusFile())
        #expect(corpus.summary.documentCount == 2 && corpus.summary.fields.map(\.name) == ["year"])
        let hits = try await corpus.search(.keyword, query: "Philadelphia", limit: 5, within: nil)
        #expect(hits.map(\.id) == ["arthur"])
        // Without an id a document is called by its line.
        #expect(try await corpus.passages(withID: "3").first?.title == "First for Women")
        #expect(CorpusOpening.encoder(of: corpus) == nil)
    }

    @Test func aFolderIsTheSameCorpusAsItsFile() async throws {
        let file = try corpusFile()
        let path = folder + "/c.forage"
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.ingest([file])
        let generation = try writer.beginGeneration()
        try await IndexBuilder(encoder: nil, encoderName: "none").build(generation)
        try generation.publish()
        let (stored, memory) = (try await CorpusOpening.open(path), try await CorpusOpening.open(file))
        for query in ["magazine", "1844", "started Philadelphia", "nothing"] {
            let left = try await stored.search(.keyword, query: query, limit: 5, within: nil)
            let right = try await memory.search(.keyword, query: query, limit: 5, within: nil)
            #expect(left.map(\.ordinal) == right.map(\.ordinal), "\(query)")
        }
    }

    @Test func whatIsNotThereIsSaid() async throws {
        await #expect(throws: AssemblyError.self) { try await CorpusOpening.open(folder + "/none.forage") }
        let file = try corpusFile()
        await #expect(throws: AssemblyError.self) { try await CorpusOpening.open(file, memoryLimit: 1) }
        await #expect(throws: DatasetError.self) {
            try await CorpusOpening.open(try write("bad.jsonl", "{\"id\": \"a\"}\n"))
        }
        #expect(throws: AssemblyError.self) { try ModelOpening.open("/no/such.gguf") }
        #expect(throws: AssemblyError.self) { try ModelOpening.open("./no-such-model") }
        let agent = AgentConfiguration(corpus: file, policy: "react")
        if try ModelOpening.open(nil as String?) == nil {
            await #expect(throws: AssemblyError.self) { try await agent.open() }
        }
        #expect(throws: AssemblyError.self) { try StrategyParts.registry(answerer: .model) }
    }

    @Test func scriptedModelsAreOpenedByTheirFile() throws {
        let path = try write("m.yaml", "turns:\n  - {content: hello}\n")
        #expect(try ModelOpening.open(path) is ScriptedModel)
    }

    @Test func manifestsBesideReplaceWordsAndStartNothing() async throws {
        let standard = try await ToolOpening.open(working: folder)
        #expect(standard.names == ToolRegistry.builtInNames)
        _ = try write(
            "Tools/keyword_search.yaml",
            "name: keyword_search\ndescription: My own words.\nruns: builtin\nparameters: {type: object}\n")
        _ = try write(
            "Tools/evil.yaml",
            "name: evil\ndescription: Starts a program.\nruns: {program: {command: [/bin/true]}}\nparameters: {type: object}\n"
        )
        var skipped: [String] = []
        let tools = try await ToolOpening.open(working: folder) { skipped.append($0) }
        #expect(tools.names == ToolRegistry.builtInNames)
        #expect(tools.specifications.first { $0.name == "keyword_search" }?.description == "My own words.")
        #expect(skipped.count == 1 && skipped[0].contains("Tools/evil.yaml") && skipped[0].contains("--tools"))
        // Who names the folder has all of it.
        #expect(try await ToolOpening.open(folder + "/Tools").names == ["keyword_search", "evil"])
    }

    @Test func anAgentIsOpenedByNamesAlone() async throws {
        let agent = try await AgentConfiguration(
            corpus: try corpusFile(), policy: "hops", answerer: .extractive
        ).open()
        let session = agent.session("Where was Arthur's Magazine founded?")
        let answer = try await session.run()
        #expect(answer.citations.map(\.passageID) == ["arthur"])
        #expect(agent.environment.tools.names.contains("keyword_search") && agent.environment.model == nil)
        // The same names and seed give the same answer.
        let again = try await agent.session("Where was Arthur's Magazine founded?").run()
        #expect(again == answer)
    }

    @Test func theDefaultPolicyFollowsWhatTheCorpusAndTheModelCanDo() async throws {
        let corpus = try await CorpusOpening.open(try corpusFile())
        #expect(PolicyDefaults.policy(for: corpus) == "hops")
        let model = try ScriptedModel(file: try write("m.yaml", "turns:\n  - {content: hello}\n"))
        #expect(PolicyDefaults.policy(for: corpus, model: model) == "react")
        #expect(PolicyDefaults.explanation(of: "react", model: model) == nil)
    }

    @Test func rankingsAreNamedOnce() throws {
        #expect(StrategyParts.ranking.fusions == ["interpolation", "product", "reciprocal_rank"])
        #expect(StrategyParts.ranking.feedbacks == ["rm3", "rocchio", "tf-idf"])
        #expect(StrategyParts.ranking.rerankers == ["reader"])
    }
}
