// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import Synchronization
import TensorMath
import Testing

@testable import Learning

@Suite struct RewardTests {
    private let question = LearningQuestion(
        id: "q", text: "Which river flows through the town where the painter Ada Brook was born?",
        answers: ["Ostra", "the Ostra"],
        gold: ["person-0", "town-0"])

    private func episode(
        _ kept: [WorldPassage], stopped: Bool = false, question: LearningQuestion? = nil, reach: [Reach] = []
    ) throws -> Episode {
        let prepared = try SmallWorld.prepared()[0]
        let decision = EvidenceState(prepared.pool).decision(allowsStop: true)
        let step = EpisodeStep(decision: decision, choice: 0, logProbability: 0, value: 0)
        let count = kept.count + (stopped ? 1 : 0)
        return Episode(
            question: question ?? self.question, steps: [EpisodeStep](repeating: step, count: count), kept: kept,
            stopped: stopped,
            coverage: kept.indices.map { Float($0 + 1) * 0.25 }, reach: reach,
            rewards: [Float](repeating: 0, count: count))
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

    @Test func aHeapThatAlsoSpeaksOfTheQuestionEarnsNothing() async throws {
        // The question's own words beside every answer: only the other questions' answers tell it from a real passage.
        let heap = WorldPassage(
            id: "heap", title: "Rivers and painters",
            text: "The town where the painter was born, the river: "
                + (0..<40).map { "Answer\($0)" }.joined(separator: ", ") + ", Ostra.")
        let others = (0..<40).map { LearningQuestion(id: "\($0)", text: "", answers: ["Answer\($0)"]) }
        #expect(try await AnswerSupport().rewards(for: episode([heap])) == [1])
        #expect(try await AnswerSupport(questions: others + [question]).rewards(for: episode([heap])) == [0])
        // Passages with a few answers of others keep their reward.
        #expect(
            try await AnswerSupport(questions: others + [question]).rewards(for: episode([person, town])) == [0, 0.9])
    }

    @Test func exploringPaysEachWayOfSearchingOnce() async throws {
        // Coverage grows with every passage of these episodes.
        let three = try episode([person, town, noise], reach: [.keyword, .keyword, .link])
        let rewards = try await ToolExploration().rewards(for: three)
        #expect(rewards.map { ($0 * 3).rounded() } == [1, 0, 1])
        var barren = try episode([person, town], reach: [.keyword, .link])
        barren = Episode(
            question: barren.question, steps: barren.steps, kept: barren.kept, stopped: false, coverage: [0.5, 0.5],
            reach: barren.reach, rewards: barren.rewards)
        #expect(try await ToolExploration().rewards(for: barren)[1] == -0.1)
    }

    @Test func callsWordsAndSecondsCost() async throws {
        #expect(try await CallCost().rewards(for: episode([person, town], stopped: true)) == [-3, -3, -2])
        let words = try await ReadingCost().rewards(for: episode([person]))
        let seconds = try await TimeCost().rewards(for: episode([person]))
        #expect(words[0] < 0 && abs(seconds[0] - (-0.02 + 0.3 * words[0])) < 1e-6)
    }

    @Test(arguments: [
        ("Ostra", "Which river flows through Arlen?", true), ("", "Which river flows through Arlen?", false),
        ("The Ostra is a river that flows through the old town of Arlen", "Which river flows through Arlen?", false),
        ("yes", "Is Arlen a town?", true), ("Arlen", "Is Arlen a town?", false), ("yes", "Who is Ada Brook?", false),
        ("1912", "When was Ada Brook born?", true), ("Arlen", "When was Ada Brook born?", false),
        ("three", "How many rivers are there?", true), ("Ostra", "How many rivers are there?", false),
    ])
    func answersAreJudgedByTheirForm(_ answer: String, _ question: String, _ fits: Bool) async throws {
        #expect(AnswerFormat.fits(answer, question: question) == fits)
        var asked = self.question
        asked.text = question
        let term = AnswerFormat { _, _ in answer }
        #expect(try await term.rewards(for: episode([person, town], question: asked)) == [0, fits ? 1 : 0])
    }

    @Test func everyRewardCanBeMadeByItsName() {
        for name in TrainingRecipe.knownRewards where !RewardTerms.reading.contains(name) {
            #expect(RewardTerms.make(name, questions: [], reader: nil) != nil, "\(name)")
        }
        #expect(RewardTerms.make("format", questions: [], reader: nil) == nil)
        #expect(RewardTerms.make("nothing", questions: [], reader: nil) == nil)
    }

    /// A model behind the ordinary protocol answers for the reward, once for each question and evidence.
    @Test func aModelAnswersForTheReward() async throws {
        let script = """
            turns:
              - {when: {contains: Ostra}, content: "It is the Ostra [town-0].\\nAnswer: Ostra"}
              - {content: "Nothing is said.\\nAnswer: unknown"}
            """
        let model = try ScriptedModel(script: YAMLReader.read(script, name: "script"), source: "script")
        let reader = RewardReader(model)
        #expect(reader.likelihood == nil)
        #expect(RewardTerms.make("answer-likelihood", questions: [], reader: reader) == nil)
        for name in ["answer", "answer-exact", "answer-contains"] {
            let term = try #require(RewardTerms.make(name, questions: [], reader: reader))
            #expect(try await term.rewards(for: episode([person, town])) == [0, 1], "\(name)")
        }
        let steps = try #require(RewardTerms.make("answer-steps", questions: [], reader: reader))
        #expect(try await steps.rewards(for: episode([person, town])) == [0, 1])
        #expect(try await steps.rewards(for: episode([noise])) == [0])
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
