// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath
import Testing

@testable import Learning

@Suite struct WorldTests {
    @Test func linksNamesAndTitlesAreFound() throws {
        let world = try SmallWorld.world()
        let ada = try #require(world.ordinals["person-0"])
        let arlen = try #require(world.ordinals["town-0"])
        #expect(world.mentionedTitles[ada] == [world.titleNumbers[arlen]])
        #expect(world.mentioningPassages[world.titleNumbers[arlen]] == [ada])
        #expect(
            world.titles.mentions(in: "He met ada brook and Ben Carver in the arlen hills.") == [world.titleNumbers[3]])
        #expect(world.titles.mentions(in: "").isEmpty)
    }

    @Test func searchRanksAsScoringEachPassageDoes() throws {
        let world = try SmallWorld.world()
        for text in ["painter born in Arlen", "river market place", "Ada", "nothing known", ""] {
            let query = WeightedTerms(
                Set(world.analysis.terms(text).compactMap { world.termNumbers[$0] }).map { ($0, 1.5) })
            let scores = world.passages.indices.map { world.score(query, $0) }
            let expected = scores.indices.filter { scores[$0] > 0 }.sorted {
                abs(scores[$0] - scores[$1]) > 1e-5 ? scores[$0] > scores[$1] : $0 < $1
            }
            #expect(
                world.search(query, count: 7).map { scores[$0] } == expected.prefix(7).map { scores[$0] }, "\(text)")
        }
    }

    @Test func cosinesAgreeHoweverTheyAreMade() throws {
        let world = try SmallWorld.world()
        let exact = world.cosines(Array(world.vectors.row(3)))
        let coarse = world.coarseCosines(with: 3)
        #expect(abs(exact[3] - 1) < 1e-5)
        for passage in world.passages.indices {
            #expect(abs(exact[passage] - world.cosine(between: 3, passage)) < 1e-5)
            #expect(abs(exact[passage] - coarse[passage]) < 0.03)
        }
        let expected = exact.indices.sorted { (exact[$0], $1) > (exact[$1], $0) }.prefix(5)
        #expect(largest(exact, count: 5) == Array(expected))
        #expect(largest([], count: 3).isEmpty && largest([1, 2], count: 0).isEmpty)
    }

    @Test func featuresKeptUpToDateEqualThoseOfAFreshState() throws {
        let question = try SmallWorld.prepared()[2]
        var state = EvidenceState(question.pool)
        for step in 0..<4 {
            state.keep(at: (step * 3) % state.candidates.count)
            let pairs = CandidatePool.pairNames.count
            let decision = state.decision(allowsStop: false)
            for (row, candidate) in state.candidates.enumerated() {
                var best = [Float](repeating: -.infinity, count: pairs)
                for kept in state.kept {
                    question.pool.withPair(kept: kept, candidate) { features in
                        for index in 0..<pairs { best[index] = max(best[index], features[index]) }
                    }
                }
                let start = CandidatePool.fixedNames.count
                #expect(Array(decision.features.row(row).dropFirst(start).prefix(pairs)) == best)
            }
        }
    }

    @Test func keepingAPassageBringsItsLinksIntoReach() throws {
        let question = try SmallWorld.prepared()[0]
        var state = EvidenceState(question.pool)
        let before = state.candidates.count
        let person = try #require(question.pool.world.ordinals["person-0"])
        let index = try #require(state.candidatePassages.firstIndex(of: person))
        state.keep(at: index)
        #expect(state.keptPassages == [person])
        #expect(!state.candidatePassages.contains(person))
        let town = try #require(question.pool.world.ordinals["town-0"])
        #expect(state.candidatePassages.contains(town))
        #expect(state.candidates.count >= before - 1)
        #expect(Set(state.candidates).count == state.candidates.count)
        // The link shows in the features of the town, and of no passage that is not linked.
        let decision = state.decision(allowsStop: true)
        let column = try #require(EvidenceState.featureNames.firstIndex(of: "any-linked-from-kept"))
        let row = try #require(decision.candidates.firstIndex(of: town))
        #expect(decision.features[row, column] == 1)
        #expect(decision.features.rows == decision.candidates.count + 1)
        #expect(decision.features.isFinite)
        let stop = try #require(EvidenceState.featureNames.firstIndex(of: "is-stop"))
        #expect((0..<decision.features.rows).map { decision.features[$0, stop] }.reduce(0, +) == 1)
    }

    @Test func featuresHaveOneNameEachAndDoNotDependOnGold() throws {
        #expect(Set(EvidenceState.featureNames).count == EvidenceState.featureCount)
        let world = try SmallWorld.world()
        let vector = Array(SmallWorld.vectors(1, seed: 4).row(0))
        var question = SmallWorld.questions()[3]
        let open = PreparedQuestion(question, vector: vector, world: world)
        question.gold = ["noise-3"]
        question.answers = ["something else"]
        let shuffled = PreparedQuestion(question, vector: vector, world: world)
        #expect(
            EvidenceState(open.pool).decision(allowsStop: true).features
                == EvidenceState(shuffled.pool).decision(allowsStop: true).features)
    }

    @Test func questionsOutsideTheCorpusAndEmptyCorporaAreHarmless() throws {
        let empty = try RetrievalWorld(passages: [], vectors: Matrix(rows: 0, columns: 8))
        let vector = Array(SmallWorld.vectors(1, seed: 4).row(0))
        let policy = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 1)
        #expect(LearnedRetriever(policy: policy, world: empty).retrieve("Who?", vector: vector).isEmpty)
        let retriever = LearnedRetriever(policy: policy, world: try SmallWorld.world())
        #expect(retriever.retrieve("", vector: vector, count: 3).count == 3)
        let kept = retriever.retrieve("Which river?", vector: vector, count: 1000)
        #expect(Set(kept.map(\.passage.id)).count == kept.count)
        #expect(kept.allSatisfy { $0.probability > 0 && $0.probability <= 1 })
    }

    @Test func damagedDataIsNamedByFileAndLine() throws {
        let folder = SmallWorld.folder()
        func write(_ name: String, _ text: String) throws {
            try text.write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        }
        #expect(throws: LearningDataError.self) { try LearningDataset(folder: folder) }
        try write(
            "corpus.jsonl", "{\"id\":\"a\",\"title\":\"A\",\"text\":\"x\u{2028}y\"}\n\n{\"id\":\"b\",\"text\":\"z\"}\n")
        #expect(try LearningDataset(folder: folder).passages.count == 2)
        try write(
            "questions.train.jsonl", "{\"id\":\"q\",\"question\":\"Who?\",\"supporting\":[\"a\"]}\n{\"id\":\"r\"}\n")
        let error = #expect(throws: LearningDataError.self) { try LearningDataset(folder: folder) }
        #expect(error?.line == 2)
        try write("questions.train.jsonl", "{\"id\":\"q\",\"question\":\"Who?\",\"supporting\":[\"zz\"]}\n")
        #expect(throws: LearningDataError.self) { try LearningDataset(folder: folder) }
    }

    @Test func aSampleWithOneQuestionFileIsDivided() throws {
        let folder = SmallWorld.folder()
        try "{\"id\":\"a\",\"text\":\"x\"}\n".write(
            toFile: folder + "/corpus.jsonl", atomically: true, encoding: .utf8)
        let lines = (0..<10).map {
            "{\"id\":\"q\($0)\",\"question\":\"Who?\",\"answers\":[\"\($0)\"],\"supporting\":[\"a\"]}\n"
        }
        try lines.joined().write(toFile: folder + "/questions.jsonl", atomically: true, encoding: .utf8)
        let set = try LearningDataset(folder: folder)
        #expect(set.questions["dev"]?.map(\.id) == ["q4", "q9"] && set.questions["train"]?.count == 8)
        let shuffled = set.shufflingLabels(seed: 1)
        #expect(shuffled.questions["dev"] == set.questions["dev"])
        let (before, after) = (try #require(set.questions["train"]), try #require(shuffled.questions["train"]))
        #expect(zip(before, after).allSatisfy { $0.id == $1.id && $0.answers != $1.answers })
        #expect(Set(before.map(\.answers)) == Set(after.map(\.answers)))
    }
}
