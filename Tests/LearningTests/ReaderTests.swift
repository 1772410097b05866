// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Testing

@testable import Encoders
@testable import Learning

@Suite struct ReaderTests {
    @Test(arguments: [
        // What stands behind a preposition of place, or a comma behind a place, may be where; a name alone may not.
        ("Where was Jim Wynorski born?", "Jim Wynorski was born in Glen Cove, New York.", "Glen Cove", true),
        ("Where was Jim Wynorski born?", "Jim Wynorski was born in Glen Cove, New York.", "New York", true),
        ("Where was Jim Wynorski born?", "Jim Wynorski was born in Glen Cove, New York.", "Jim Wynorski", false),
        ("Who directed it?", "Jim Wynorski was born in Glen Cove, New York.", "Jim Wynorski", true),
        // Of two dates the first is the birth, the second the death.
        ("When did Ada Brook die?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "3 June 1960", true),
        ("When did Ada Brook die?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "12 May 1881", false),
        ("When was Ada Brook born?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "3 June 1960", false),
        ("When was Ada Brook born?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "painter", false),
        ("What is the date of birth of Ada Brook?", "She was born on 12 May 1881.", "12 May 1881", true),
        ("What is the date of birth of Ada Brook?", "She was born on 12 May 1881.", "1881", false),
    ])
    func theQuestionsFormSpeaksAgainstAnswers(
        _ question: String, _ passage: String, _ answer: String, _ fits: Bool
    ) throws {
        let text = ReaderText(passage)
        let found = try #require(passage.range(of: answer))
        let start = passage.utf8.distance(from: passage.startIndex, to: found.lowerBound)
        let span = try #require(text.words(in: start..<(start + answer.utf8.count)))
        let factor = AnswerConstraints(ReaderQuestion(question)).factor(
            span, in: text, isTitle: answer == "Jim Wynorski")
        #expect((factor == 1) == fits)
    }

    private func candidates(_ text: String) -> Set<String> {
        let text = ReaderText(text)
        return Set(AnswerCandidate.all(in: text).map { text.text(of: $0.words) })
    }

    @Test func candidatesAreNamesDatesNumbersAndPhrases() {
        let found = candidates(
            "Ada Brook was born on 12 May 1904 in Arlen, East Vale. She led \"The Long Day\" from 1986 to 2013 as a film "
                + "director, and owned 3,677 wooden ships.")
        for expected in [
            "Ada Brook", "12 May 1904", "12 May", "1904", "Arlen", "Arlen, East Vale", "The Long Day", "1986 to 2013",
            "from 1986 to 2013", "film director", "director", "3,677", "3,677 wooden ships",
        ] {
            #expect(found.contains(expected), "\(expected)")
        }
        #expect(!found.contains("was") && !found.contains("of"))
        #expect(candidates("").isEmpty && candidates("... !?").isEmpty)
    }

    @Test(arguments: [
        ("Who wrote it?", ReaderQuestion.Asked.person, false, 0), ("In which year was it made?", .time, false, 0),
        ("What city is it in?", .place, false, 0), ("How many people live there?", .count, false, 0),
        ("Which magazine was started first, Alpha or Beta?", .option, false, -1),
        ("Are both of them rivers?", .other, true, 0), ("Who is younger, Ann or Bob?", .option, false, 1),
        ("Which magazine is it?", .thing, false, 0), ("", .other, false, 0),
    ])
    func questionsSayWhatTheyAskFor(_ text: String, _ asked: ReaderQuestion.Asked, _ isYesNo: Bool, _ direction: Int) {
        let question = ReaderQuestion(text)
        #expect(question.asked == asked && question.isYesNo == isYesNo && question.direction == direction)
    }

    @Test func theComparisonOfYearsIsAFeature() throws {
        let features = AnswerFeatures(
            ReaderQuestion("Which magazine was started first, Alpha Days or Beta Week?"),
            titles: ["Alpha Days", "Beta Week"],
            texts: [ReaderText("Alpha Days. It was founded in 1844."), ReaderText("Beta Week. It began in 1989.")])
        #expect(features.rows.allSatisfy { $0.count == AnswerFeatures.count && $0.allSatisfy(\.isFinite) })
        let winner = try #require(features.keys.firstIndex(of: "alpha days"))
        let loser = try #require(features.keys.firstIndex(of: "beta week"))
        let column = features.rows[winner].indices.filter {
            features.rows[winner][$0] == 1 && features.rows[loser][$0] == -0.2
        }
        #expect(column.count == 1)
    }

    /// Tokens as an encoder gives them, one a word, with noise for vectors.
    private func tokens(_ question: String, _ text: String, _ generator: inout SplitMix64) -> TokenEmbeddings {
        var offsets = [0..<0] + ReaderText(question).words.map(\.utf8) + [0..<0]
        offsets += ReaderText(text).words.map(\.utf8) + [0..<0]
        let values = (0..<(offsets.count * 8)).map { _ in Float(generator.gaussian()) }
        return TokenEmbeddings(
            vectors: EmbeddingMatrix(dimension: 8, values: values), ids: offsets.indices.map(Int32.init),
            offsets: offsets)
    }

    private func readings() -> [(input: ReaderInput, answers: [String])] {
        var generator = SplitMix64(seed: 3)
        var result: [(input: ReaderInput, answers: [String])] = []
        for index in SmallWorld.people.indices {
            let town = SmallWorld.towns[index]
            let asksRiver = index % 2 == 0
            let question = asksRiver ? "Which river does \(town) lie beside?" : "Who was born in \(town)?"
            let passages = [SmallWorld.passages()[index * 3], SmallWorld.passages()[index * 3 + 1]]
            let texts = passages.map(LearningDataset.encoderText)
            result.append(
                (
                    ReaderInput(
                        question: question, titles: passages.map(\.title), texts: texts,
                        tokens: texts.map { tokens(question, $0, &generator) }),
                    [asksRiver ? SmallWorld.rivers[index] : SmallWorld.people[index]]
                ))
        }
        return result
    }

    @Test func shortAnswersAreLearned() throws {
        let readings = readings()
        let network = SpanNetwork(dimension: 8, width: 16)
        var training = SpanTraining()
        training.epochs = 25
        training.batch = 4
        training.learningRate = 1e-2
        let examples = readings.prefix(8).compactMap { $0.input.example(answers: $0.answers) }
        #expect(examples.count == 8)
        let parameters = try training.fit(network, examples)
        let (own, others) = (
            SpanTraining.Material(items: Array(readings.prefix(8))),
            SpanTraining.Material(items: Array(readings.suffix(4)))
        )
        #expect(others.ceiling == 1)
        #expect(SpanTraining.scores(network, parameters, own).exactMatch.reduce(0, +) >= 7)
        // The vectors here are noise, so that on questions not seen only what reads features alone is left.
        #expect(SpanTraining.scores(network, parameters, others).exactMatch.reduce(0, +) >= 2)
        #expect(try training.fit(network, examples) == parameters)
    }

    @Test func theHeadsGradientEqualsFiniteDifferences() throws {
        let readings = readings()
        var examples = readings.prefix(2).compactMap { $0.input.example(answers: $0.answers) }
        examples.append(try #require(readings[2].input.example(answers: ["yes"])))
        let network = SpanNetwork(dimension: 8, width: 6)
        let parameters = network.initialParameters(seed: 4)
        var noise: SplitMix64?
        var generator = SplitMix64(seed: 9)
        let gradients = network.gradients(examples, parameters, noise: &noise).1
        for index in gradients.indices {
            let element = generator.integer(below: gradients[index].elements.count)
            func loss(_ shift: Float) -> Float {
                var shifted = parameters
                shifted.values[index].elements[element] += shift
                return network.gradients(examples, shifted, noise: &noise).0
            }
            let numeric = (loss(5e-3) - loss(-5e-3)) / 1e-2
            #expect(abs(numeric - gradients[index].elements[element]) < 0.02, "\(parameters.names[index])")
        }
    }

    @Test func nothingToReadGivesNoAnswer() {
        let network = SpanNetwork(dimension: 8, width: 4)
        let parameters = network.initialParameters(seed: 4)
        let empty = ReaderInput(question: "Who?", titles: [], texts: [], tokens: [])
        #expect(SpanReader.best(empty, network, parameters).text.isEmpty)
        #expect(ReaderInput(question: "Is it?", titles: [], texts: [], tokens: []).example(answers: ["Ben"]) == nil)
    }

    @Test func answersBehindTheEncodersLimitAreLeftOut() {
        var generator = SplitMix64(seed: 5)
        let text = "Ada Brook. Ada Brook is a painter from Arlen."
        var cut = tokens("Who?", text, &generator)
        // The last words and the last special token were cut off.
        cut.offsets.removeLast(3)
        cut.ids.removeLast(3)
        cut.vectors = EmbeddingMatrix(dimension: 8, values: Array(cut.vectors.values.dropLast(24)))
        let input = ReaderInput(question: "Who?", titles: ["Ada Brook"], texts: [text], tokens: [cut])
        #expect(input.places.contains { $0.key == "ada brook" } && !input.places.contains { $0.key == "arlen" })
    }

    @Test func likelihoodPaysWhatEachPassageAdds() async throws {
        let question = LearningQuestion(id: "q", text: "Which river?", answers: ["Ostra"])
        let prepared = try SmallWorld.prepared()[0]
        let step = EpisodeStep(
            decision: EvidenceState(prepared.pool).decision(allowsStop: true), choice: 0, logProbability: 0, value: 0)
        let episode = Episode(
            question: question, steps: [step, step], kept: Array(SmallWorld.passages().prefix(2)), stopped: false,
            coverage: [0, 0], reach: [.keyword, .link], rewards: [0, 0])
        let term = AnswerLikelihood { _, answers, passages in
            passages.contains { $0.text.contains(answers[0]) } ? 0.75 : 0.25
        }
        #expect(try await term.rewards(for: episode) == [0.25, 0.5])
        #expect(try await ReadingCost().rewards(for: episode).allSatisfy { $0 < 0 && $0 > -0.1 })
    }
}
