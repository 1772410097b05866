// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Foundation
import LanguageModels
import Search
import TensorMath
import Testing
import Text
import Transformers

@testable import Learning

/// What encoders learn from: pairs, wrong passages, teachers.
@Suite struct RetrieverDataTests {
    /// Ten towns on ten rivers, and a chronicle that names them.
    private static func material() throws -> ReaderMaterial {
        let folder = SmallWorld.folder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var (corpus, questions) = ("", "")
        for index in 0..<10 {
            let other = (index + 1) % 10
            let text =
                "Town N\(index) lies beside the wide river Ostra\(index) in the north. Its harbour was built by Ada Lind Borg\(index / 2) long "
                + "ago. Boats from Town N\(other) call there every week in summer."
            corpus += "{\"id\":\"p\(index)\",\"title\":\"Town N\(index)\",\"text\":\"\(text)\"}\n"
            questions +=
                "{\"id\":\"q\(index)\",\"question\":\"Which river does Town N\(index) lie beside?\","
                + "\"answers\":[\"Ostra\(index)\"],\"supporting\":[\"p\(index)\"]}\n"
        }
        try corpus.write(toFile: folder + "/corpus.jsonl", atomically: true, encoding: .utf8)
        try questions.write(toFile: folder + "/questions.train.jsonl", atomically: true, encoding: .utf8)
        return try ReaderMaterial(folder: folder)
    }

    private func pairs(_ name: String, count: Int = 60) throws -> (set: ReaderMaterial, made: ReaderMaterial) {
        let set = try Self.material()
        let made = set.pairs(try #require(PairSource.named(name)), count: count, seed: 3)
        #expect(made.count > count / 2, "\(name)")
        #expect(made.passages.prefix(10) == set.passages.prefix(10), "\(name): passages keep their places")
        #expect(made.items.allSatisfy { $0.gold.allSatisfy { made.passages.indices.contains($0) } })
        // The passage that a query was cut from holds all of its words, and is no wrong one.
        let lexical = try #require(NegativeSampler.named("bm25"))
        var generator = SplitMix64(seed: 5)
        for index in made.items.indices.prefix(20) {
            let place = NegativeSampler.Place(set: made, index: index, dense: nil, earlier: nil)
            let drawn = lexical.draw(place, 12, &generator)
            #expect(place.gold.isDisjoint(with: drawn), "\(name)")
            #expect(name == "questions" || !place.gold.isDisjoint(with: 0..<10), "\(name)")
        }
        let again = set.pairs(try #require(PairSource.named(name)), count: count, seed: 3)
        #expect(again.items.map(\.question) == made.items.map(\.question), "\(name): the seed decides")
        return (set, made)
    }

    @Test func aClozeSentenceIsMostlyTakenOut() throws {
        let (set, made) = try pairs("cloze", count: 200)
        let cut = made.items.count { !made.passages[$0.gold[0]].text.contains($0.question) }
        #expect((0.8...0.97).contains(Double(cut) / Double(made.count)))
        for item in made.items {
            #expect(set.passages.contains { $0.text.contains(item.question) }, "the query is a sentence of a passage")
        }
    }

    @Test func cropsAreOfOnePassage() throws {
        let (set, made) = try pairs("crops")
        for item in made.items {
            let other = made.passages[item.gold[0]].text
            #expect(set.passages.contains { $0.text.contains(item.question) && $0.text.contains(other) })
        }
    }

    @Test func aRecurringSpanStandsInBothPassages() throws {
        let (set, made) = try pairs("spans")
        let spans = PairSource.recurringSpans(set.passages)
        #expect(spans.count == 5, "the five builders, each of two harbours")
        for item in made.items {
            let gold = set.passages[item.gold[0]].text
            let source = set.passages.filter { passage in
                passage.text != gold
                    && spans.contains {
                        passage.text.contains($0.words.joined(separator: " "))
                            && gold.contains($0.words.joined(separator: " "))
                    }
            }
            #expect(source.count == 1 && item.question.split(separator: " ").count > 8)
        }
    }

    @Test func titlesAndLinksLeadToTheirPassages() throws {
        let (set, titles) = try pairs("titles")
        for item in titles.items {
            let own = try #require(set.passages.first { $0.title == item.question })
            #expect(titles.passages[item.gold[0]] == ReaderPassage(title: "", text: own.text))
        }
        let (_, links) = try pairs("links")
        for item in links.items {
            let gold = links.passages[item.gold[0]]
            #expect(item.question.contains(gold.title) && !gold.text.contains(item.question))
        }
    }

    /// Questions on the axes, each passage near its question's axis, and passage 0 between the first two.
    private func ranking(_ set: ReaderMaterial) -> DenseRanking {
        var generator = SplitMix64(seed: 1)
        func axis(_ index: Int, _ more: [Int: Float] = [:]) -> [Float] {
            var row = [Float](repeating: 0, count: 10)
            row[index] = 1
            for (place, value) in more { row[place] = value }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return row.map { $0 / length }
        }
        let rows = (0..<10).flatMap { $0 == 0 ? axis(0, [1: 0.98]) : axis($0, [($0 + 1) % 10: 0.4]) }
        return DenseRanking(
            pool: Array(0..<10), passages: Matrix(rows: 10, columns: 10, elements: rows),
            questions: Dictionary(uniqueKeysWithValues: (0..<10).map { ($0, axis($0)) }), topicSize: 5,
            generator: &generator)
    }

    @Test func hardNegativesAreWhatTheEncoderPutsFirst() throws {
        let set = try Self.material()
        let dense = ranking(set)
        #expect(dense.nearest(1, count: 2).map(\.passage) == [1, 0])
        #expect(dense.neighbours(of: 1, count: 1) == [0])
        var generator = SplitMix64(seed: 2)
        let place = NegativeSampler.Place(set: set, index: 1, dense: dense, earlier: nil)
        for name in ["star", "ance", "teleport"] {
            let sampler = try #require(NegativeSampler.named(name))
            let drawn = sampler.draw(place, 20, &generator)
            #expect(drawn.contains(0) && !drawn.contains(1) && Set(drawn).count == drawn.count, "\(name)")
        }
        // Passage 0 scores .70 for question 1, where its own passage has .93: hard, and likely wrong all the same.
        #expect(try #require(NegativeSampler.named("positive-aware")).draw(place, 20, &generator).contains(0))
        // For question 2 passage 1 scores .37 of .93; were its own passage at .38, passage 1 would be too near to count.
        let near = NegativeSampler.Place(set: set, index: 0, dense: dense, earlier: nil)
        let wrong = try #require(NegativeSampler.named("positive-aware")).draw(near, 20, &generator)
        let own = try #require(dense.score(0, of: 0))
        #expect(try wrong.allSatisfy { try #require(dense.score(0, of: $0)) <= 0.95 * own })
        // What was put first before is among the teleported ones, though the encoder has changed its mind.
        let teleport = try #require(NegativeSampler.named("teleport"))
        let moved = NegativeSampler.Place(set: set, index: 5, dense: nil, earlier: dense)
        #expect(teleport.draw(moved, 1, &generator).count == 1)
    }

    @Test func topicsShareOutTheQuestions() throws {
        let set = try Self.material()
        let dense = ranking(set)
        let all = dense.topics.flatMap { $0 }
        #expect(Set(all).count == all.count && dense.topics.allSatisfy { $0.count > 1 })
        var training = EncoderTraining(
            tuning: .full, loss: .infoNCE, negatives: try #require(NegativeSampler.named("topic")), steps: 1)
        training.batch = 4
        let batch = training.draw([set], step: 0, rankings: .init(now: [dense]))
        #expect(batch.questions.count == 4)
        let topic = try #require(
            dense.topics.first { topic in
                batch.questions.allSatisfy { question in topic.contains { set.items[$0].question == question } }
            })
        #expect(!topic.isEmpty)
    }

    @Test func aLikelihoodTeachesWhatHelps() async throws {
        let teacher = RankingTeacher.likelihood { _, answers, passages in
            passages.contains { $0.text.contains(answers[0]) } ? 0.8 : 0.1
        }
        let passages = [
            ReaderPassage(title: "", text: "It lies beside the Ostra."), ReaderPassage(title: "", text: "A chronicle."),
        ]
        let scores = try await teacher.scores(
            question: "Beside which river?", answers: ["Ostra"], passages: passages, gold: 1, temperature: 0.05)
        #expect(abs(scores[0] - log(0.8)) < 1e-5 && abs(scores[1] - log(0.1)) < 1e-5)
        let gold = try await RankingTeacher.gold.scores(
            question: "", answers: [], passages: passages, gold: 1, temperature: 0.05)
        #expect(gold == [20, 0])
    }

    @Test func questionsAreRankedForPassagesToo() throws {
        var set = try Self.material()
        // Two questions of one passage: neither is a wrong one for it.
        set.items = [set.items[0], set.items[0], set.items[1]]
        var training = EncoderTraining(
            tuning: .full, loss: .mutual, negatives: try #require(NegativeSampler.named("in-batch")), steps: 1)
        training.batch = 6
        let batch = training.draw([set], step: 0)
        let (elements, lists) = training.returnLists(batch)
        #expect(batch.questions.count == 6 && lists.count == 6)
        for (row, list) in lists.enumerated() {
            let asked = elements[list.range].map { $0 / batch.passages.count }
            #expect(elements[list.range].allSatisfy { $0 % batch.passages.count == batch.own[row].places[0] })
            #expect(asked[0] == row && list.relevant == [0])
            let passage = batch.passages[batch.own[row].places[0]]
            #expect(asked.dropFirst().allSatisfy { batch.passages[batch.own[$0].places[0]] != passage })
        }
        // Nor is a passage wrong for a question that another question drew as right.
        for row in batch.questions.indices {
            let gold = batch.passages[batch.own[row].places[0]]
            #expect(batch.others(of: row).allSatisfy { batch.passages[$0] != gold })
        }
    }

    @Test func marginsAreSpread() {
        // Thirty wrong passages that are nearly right, and one that is far off.
        let scores: [Float] = [5] + (0..<30).map { 4.9 - Float($0) * 0.001 } + [-5]
        var far = 0
        for seed in 0..<200 {
            var generator = SplitMix64(seed: UInt64(seed))
            let kept = BalancedMargins.chosen(scores, count: 2, using: &generator)
            #expect(kept.count == 3 && kept[0] == 0 && Set(kept).count == 3)
            if kept.contains(31) { far += 1 }
        }
        // One of two bins is drawn, and then again, if it is not used up: three times of four, and not 2 of 31.
        #expect((120...175).contains(far))
        var generator = SplitMix64(seed: 1)
        // A height that is added to all of a question's scores changes nothing.
        var other = SplitMix64(seed: 1)
        #expect(
            BalancedMargins.chosen([1, 0, -1, -2], count: 2, using: &generator)
                == BalancedMargins.chosen([8, 7, 6, 5], count: 2, using: &other))
        #expect(BalancedMargins.chosen([3], count: 4, using: &generator) == [0])
        #expect(BalancedMargins.chosen([3, 1], count: 4, using: &generator) == [0, 1])
        #expect(BalancedMargins.chosen([], count: 4, using: &generator).isEmpty)
    }

    @Test func whatAddsUpIsCreditedExactly() async throws {
        let parts = [0.5, -1, 0, 2]
        var attribution = ContextAttribution()
        attribution.ridge = 1e-9
        let credits = try await attribution.credits(of: 4) { present in 3 + present.reduce(0) { $0 + parts[$1] } }
        for (credit, part) in zip(credits, parts) { #expect(abs(credit - part) < 1e-6) }
        // What is the same whoever is there is nobody's.
        #expect(try await ContextAttribution().credits(of: 3) { _ in 7 }.allSatisfy { abs($0) < 1e-9 })
        #expect(try await attribution.credits(of: 0) { _ in 1 }.isEmpty)
        // The answer stands in the second passage alone.
        let teacher = RankingTeacher.attribution { _, answers, passages in
            passages.contains { $0.text.contains(answers[0]) } ? 0.8 : 0.1
        }
        let passages = ["A chronicle.", "It lies beside the Ostra.", "A mill."].map {
            ReaderPassage(title: "", text: $0)
        }
        let scores = try await teacher.scores(
            question: "Beside which river?", answers: ["Ostra"], passages: passages, gold: 1, temperature: 1)
        #expect(scores[1] > 1 && abs(scores[0]) < 0.3 && abs(scores[2]) < 0.3)
    }

    /// Finds a question as likely as the share of its words that stand in the conversation.
    private struct WordScorer: ContinuationScoring {
        var name: String { "words" }
        var fingerprint: String { "words" }
        var capabilities: ModelCapabilities { ModelCapabilities() }
        func respond(
            to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
        ) async throws -> ModelResponse { throw CancellationError() }
        func score(continuations: [String], after messages: [ChatMessage]) async throws -> [ContinuationScore] {
            let text = messages.map(\.content).joined(separator: " ")
            return continuations.map { continuation in
                let words = continuation.split(separator: " ")
                let sum = words.reduce(0.0) { $0 + (text.contains($1) ? -0.5 : -3) }
                return ContinuationScore(logProbability: sum, tokenCount: words.count)
            }
        }
    }

    @Test func questionsTeachByTheirLikelihood() async throws {
        let teacher = RankingTeacher.question(WordScorer())
        let passages = ["The tower of Arlen was built by Ada.", "A mill.", "A mill."].map {
            ReaderPassage(title: "", text: $0)
        }
        let scores = try await teacher.scores(
            question: "Who built the tower of Arlen", answers: [], passages: passages, gold: 0, temperature: 1)
        #expect(scores[0] > scores[1] && scores[1] == scores[2])
        #expect(scores.allSatisfy { (-3 ... -0.5).contains($0) }, "the mean over tokens")
    }

    @Test func gradesTellGoldFromItsNeighbours() async throws {
        let passages = [("A", "x"), ("A", "y"), ("B", "z"), ("", "u")].map { ReaderPassage(title: $0.0, text: $0.1) }
        let scores = try await RankingTeacher.grades.scores(
            question: "", answers: [], passages: passages, gold: 1, temperature: 1)
        #expect(scores == [3, 2, 1, 1])
    }
}
