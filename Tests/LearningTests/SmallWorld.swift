// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Episodes
import Foundation
import LanguageModels
import Search
import TensorMath
import Tools

@testable import Learning

/// A made-up corpus with two-hop questions: a person's page names a town, the town's page tells its river.
enum SmallWorld {
    static let people = [
        "Ada Brook", "Ben Carver", "Cleo Dunn", "Dora Eames", "Egon Frost", "Fay Grove", "Gus Hale", "Hana Ives",
        "Ivo Judd", "Jana Kerr", "Kurt Lamb", "Lena Moss",
    ]
    static let towns = [
        "Arlen", "Borvik", "Candel", "Dunmore", "Elsworth", "Farrow", "Gildan", "Harrowby", "Isenburg", "Jorund",
        "Kestrel", "Lorwick",
    ]
    static let rivers = [
        "Ostra", "Pelin", "Quill", "Rhoden", "Salva", "Tamble", "Ulven", "Vardo", "Welm", "Xandra", "Yarrow", "Zelt",
    ]

    static func passages() -> [WorldPassage] {
        var passages: [WorldPassage] = []
        for index in people.indices {
            passages.append(
                WorldPassage(
                    id: "person-\(index)", title: people[index],
                    text: "\(people[index]) is a painter. The painter was born in \(towns[index]) and studied abroad."))
            passages.append(
                WorldPassage(
                    id: "town-\(index)", title: towns[index],
                    text: "\(towns[index]) is a small place known for its market. It lies beside the \(rivers[index]).")
            )
            passages.append(
                WorldPassage(
                    id: "noise-\(index)", title: "Rivers, part \(index)",
                    text:
                        "A river flows through many towns. A painter born near a river often paints the river of that town."
                ))
        }
        return passages
    }

    /// The small world as a corpus; its sources are papers, as a field to filter by.
    static func corpus(_ more: [WorldPassage] = []) throws -> InMemoryCorpus {
        try InMemoryCorpus(
            name: "small",
            documents: (passages() + more).map {
                Document(
                    id: $0.id, title: $0.title, text: $0.text,
                    metadata: ["paper": .text($0.id.hasPrefix("town") ? "Town Gazette" : "Evening Post")])
            }, links: true)
    }

    static func questions() -> [LearningQuestion] {
        people.indices.map { index in
            LearningQuestion(
                id: "q\(index)",
                text: "Which river flows through the town where the painter \(people[index]) was born?",
                answers: [rivers[index]], gold: ["person-\(index)", "town-\(index)"], type: "bridge", hops: 2)
        }
    }

    static func training(_ more: [WorldPassage] = []) throws -> [TrainingQuestion] {
        let corpus = try TrainingCorpus(corpus(more))
        return questions().map { TrainingQuestion($0, on: corpus) }
    }

    static func folder() -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("forage-\(UUID().uuidString)")
        try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url.path
    }

    /// The mean share of gold among the first two kept passages.
    static func recall(_ policy: LearnedPolicy, _ questions: [TrainingQuestion]) async throws -> Double {
        let scores = try await PolicyScores(policy, on: questions).recallAt2
        return scores.reduce(0, +) / Double(scores.count)
    }

    /// An episode that was not run: it keeps passages one by one, after calls where there are some.
    ///
    /// - Parameter calls: Tools called one a step before anything is kept, with how many new passages each shows.
    static func episode(
        _ kept: [WorldPassage], stopped: Bool = false, question: LearningQuestion,
        calls: [(tool: String, news: Int)] = []
    ) throws -> Episode {
        var kinds: [SessionEvent.Kind] = [
            .started(
                SessionHeader(
                    session: "", question: question.asked, corpus: .init(), model: .init(), policy: .init(), seed: 0,
                    budget: Budget(), tools: []))
        ]
        for (index, call) in calls.enumerated() {
            let invocation = ToolInvocation(tool: call.tool, arguments: "{\"query\":\"\(index)\"}")
            let record = ToolCallRecord(id: "t\(index + 1)", invocation: invocation, handle: "r\(index + 1)")
            let shown = (0..<call.news).map { number in
                ShownPassage(
                    passage: Passage(
                        id: "shown-\(index)-\(number)", ordinal: 0, documentID: "d", documentOrdinal: 0, title: "",
                        text: "", range: 0..<0), score: 1)
            }
            kinds += [
                .proposed(Proposal([CandidateAction(.call([invocation]), proposer: "test")])),
                .chose(PolicyChoice(index: 0)), .toolCalled(record),
                .toolReturned(id: record.id, ToolOutput(passages: shown, text: "", summary: "")), .kept(Keeping()),
            ]
        }
        for passage in kept {
            let item = EvidenceItem(
                passageID: passage.id, documentID: passage.document, title: passage.title, text: passage.text, score: 1)
            kinds += [
                .proposed(Proposal([CandidateAction(.keep([passage.id]), proposer: "test")])),
                .chose(PolicyChoice(index: 0)), .kept(Keeping(kept: [item])),
            ]
        }
        if stopped {
            kinds += [
                .proposed(Proposal([CandidateAction(.answer(text: nil), proposer: "test")])),
                .chose(PolicyChoice(index: 0)), .closing(.answered),
            ]
        }
        let events = kinds.enumerated().map { SessionEvent(sequence: $0.offset, time: 0, kind: $0.element) }
        return Episode(question: question, trajectory: try Trajectory(events: events))
    }
}
