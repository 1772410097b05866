// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TensorMath
import Testing

@testable import PolicyLearning

@Suite struct RewardTests {
    private let question = LearningQuestion(
        id: "q", text: "Which river flows through the town where the painter Ada Brook was born?",
        answers: ["Ostra", "the Ostra"],
        gold: ["person-0", "town-0"])

    private func episode(_ kept: [WorldPassage], stopped: Bool = false, question: LearningQuestion? = nil) throws
        -> Episode
    {
        let prepared = try SmallWorld.prepared()[0]
        let decision = EvidenceState(prepared.pool).decision(allowsStop: true)
        let step = EpisodeStep(decision: decision, choice: 0, logProbability: 0, value: 0)
        let count = kept.count + (stopped ? 1 : 0)
        return Episode(
            question: question ?? self.question, steps: [EpisodeStep](repeating: step, count: count), kept: kept,
            stopped: stopped,
            coverage: kept.indices.map { Float($0 + 1) * 0.25 }, rewards: [Float](repeating: 0, count: count))
    }

    private var person: WorldPassage { SmallWorld.passages()[0] }
    private var town: WorldPassage { SmallWorld.passages()[1] }
    private var noise: WorldPassage { SmallWorld.passages()[2] }

    @Test func answerSupportPaysTheStepThatBroughtTheAnswer() async throws {
        let rewards = try await AnswerSupport().rewards(for: episode([person, town, noise]))
        #expect(rewards == [0, 0.9, 0])
        #expect(try await AnswerSupport().rewards(for: episode([noise, person])) == [0, 0])
    }

    @Test func aHeapOfAnswersEarnsNothing() async throws {
        let heap = WorldPassage(
            id: "heap", title: "", text: (SmallWorld.rivers + ["yes", "no"]).joined(separator: " "))
        #expect(try await AnswerSupport().rewards(for: episode([heap])) == [0])
        // Yes and no are words of every text, and no support.
        var yesNo = question
        yesNo.answers = ["yes"]
        let plain = WorldPassage(id: "p", title: "Painter", text: "The painter said yes to the river.")
        #expect(try await AnswerSupport().rewards(for: episode([plain], question: yesNo)) == [0])
    }

    @Test func goldTermsPayEachGoldPassageOnce() async throws {
        #expect(try await GoldCoverage().rewards(for: episode([noise, person, town])) == [0, 0.5, 0.5])
        #expect(try await DocumentF1().rewards(for: episode([noise, person])) == [0, 0.5])
        #expect(try await DocumentF1().rewards(for: episode([])) == [])
    }

    @Test func costsStopsAndCoverageAreStepByStep() async throws {
        #expect(try await KeepingCost().rewards(for: episode([person, town], stopped: true)) == [-1, -1, 0])
        #expect(try await StopQuality().rewards(for: episode([person, town], stopped: true)) == [0, 0, 1])
        #expect(try await StopQuality().rewards(for: episode([noise], stopped: true)) == [0, -1])
        #expect(try await StopQuality().rewards(for: episode([noise])) == [0])
        #expect(try await QuestionCoverage().rewards(for: episode([person, town])) == [0.25, 0.25])
    }

    @Test func termsAddUpByWeight() async throws {
        let mix = RewardMix([(2, GoldCoverage()), (0.5, KeepingCost()), (0, StopQuality())])
        let rewarded = try await mix.rewarded(episode([person, noise]))
        #expect(rewarded.rewards == [0.5, -0.5] && rewarded.total == 0)
    }

    @Test func aReaderIsAskedOncePerEvidence() async throws {
        let calls = Counter()
        let term = AnswerQuality(.f1, byStep: true) { _, passages in
            calls.increment()
            return passages.contains { $0.id == "town-0" } ? "Ostra" : "nothing"
        }
        #expect(try await term.rewards(for: episode([person, town, noise])) == [0, 1, 0])
        #expect(try await term.rewards(for: episode([person, town, noise])) == [0, 1, 0])
        #expect(calls.value == 3)
        let atEnd = AnswerQuality(.exactMatch) { _, _ in "the Ostra!" }
        #expect(try await atEnd.rewards(for: episode([person, town])) == [0, 1])
    }

    @Test func aFailingScorerFailsTheEpisodeAndNotTheRun() async throws {
        struct Failure: Error {}
        let questions = try SmallWorld.prepared()
        let policy = try LearnedPolicy(architecture: "candidate-scorer", dimension: 8, seed: 1)
        let term = AnswerQuality { question, _ in
            if question.contains("Ada Brook") { throw Failure() }
            return ""
        }
        let groups = try await Rollouts.run(
            [0, 1], of: questions, policy: policy, options: EpisodeOptions(), size: 3, rewards: RewardMix([(1, term)]),
            seed: 1,
            iteration: 0)
        #expect(groups.map(\.failures) == [3, 0])
        #expect(groups.map(\.episodes.count) == [0, 3])
    }
}

/// Counts from many tasks.
final class Counter: Sendable {
    private let count = Mutex(0)
    func increment() { count.withLock { $0 += 1 } }
    var value: Int { count.withLock { $0 } }
}
