// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
public import Encoders
import Foundation
import Search
import TensorMath
import Text
public import Transformers

/// Trains a sentence encoder on questions and their passages, with contrastive batches in bounded memory.
public struct EncoderTraining: Sendable {
    public var tuning: Tuning
    public var loss: RankingLoss
    public var negatives: NegativeSampler
    /// Whether only queries are read by what is tuned: passages keep their vectors, and an index stays as it is (ADORE, arXiv
    /// 2104.08051).
    public var queriesOnly = false
    public var teacher: RankingTeacher = .gold
    /// Questions of a batch. Default: 32.
    public var batch = 32
    /// Wrong passages drawn for each question. Default: 1.
    public var hard = 1
    /// After how many steps the encoder ranks anew, for negatives that follow it. Default: 50.
    public var refresh = 50
    /// The most questions, and the most passages beside their gold ones, that it ranks of a set. Default: 2,000.
    public var ranked = 2000
    public var steps: Int
    public var rate: Float = 5e-5
    /// What cosines are divided by before the loss. Default: 0.05.
    public var temperature: Float = 0.05
    /// Tokens of a text at most.
    public var longest = 128
    /// Texts that are encoded together; memory grows with them, not with the batch.
    public var chunk = 16
    public var threads = 2
    public var seed: UInt64 = 1

    public init(tuning: Tuning, loss: RankingLoss, negatives: NegativeSampler, steps: Int) {
        self.tuning = tuning
        self.loss = loss
        self.negatives = negatives
        self.steps = steps
    }

    typealias Rankings = RankingBatches.Rankings

    func draw(_ sets: [ReaderMaterial], step: Int, rankings: Rankings = Rankings()) -> RankingBatch {
        RankingBatches(negatives: negatives, batch: batch, hard: hard, seed: seed)
            .draw(sets, step: step, rankings: rankings)
    }

    /// The lists over all scores, question by question in rows of as many scores as there are passages.
    func lists(_ batch: RankingBatch, teacher scores: [[Float]]) -> (elements: [Int], lists: [RankingLoss.List]) {
        var elements: [Int] = []
        var lists: [RankingLoss.List] = []
        for (row, own) in batch.own.enumerated() {
            // A teacher has judged a question's own passages only.
            let others = negatives.usesBatch && !loss.needsTeacher
            let places = own.places + (others ? batch.others(of: row) : [])
            let start = elements.count
            elements += places.map { row * batch.passages.count + $0 }
            lists.append(
                .init(
                    range: start..<elements.count, relevant: Array(0..<own.gold),
                    teacher: loss.needsTeacher ? scores[row] : nil))
        }
        return (elements, lists)
    }

    /// The lists of the batch's questions for each gold passage; a question that the passage is right for as well is left
    /// out.
    func returnLists(_ batch: RankingBatch) -> (elements: [Int], lists: [RankingLoss.List]) {
        var elements: [Int] = []
        var lists: [RankingLoss.List] = []
        for (row, own) in batch.own.enumerated() {
            for place in own.places.prefix(own.gold) {
                let others = batch.own.indices.filter { $0 != row && !batch.right[$0].contains(batch.keys[place]) }
                let start = elements.count
                elements += ([row] + others).map { $0 * batch.passages.count + place }
                lists.append(.init(range: start..<elements.count, relevant: [0]))
            }
        }
        return (elements, lists)
    }

    /// The encoder as it is now, for ranking and measuring.
    public func encoder(
        folder: String, precision: BERTEncoder.Precision = .int8, delta: WeightDelta
    ) throws -> BERTEncoder {
        let delta = delta.names.isEmpty ? nil : delta
        return try BERTEncoder(
            folder: folder, precision: precision, threads: threads, delta: queriesOnly ? nil : delta,
            queryDelta: queriesOnly ? delta : nil)
    }

    /// Trains and returns what changed of the weights.
    ///
    /// - Parameter report: Called now and then with the step and the mean loss since.
    /// - Throws: what encoding and the teacher throw, or `CancellationError`.
    @concurrent
    public func train(
        folder: String, on sets: [ReaderMaterial], report: @Sendable (_ step: Int, _ loss: Double) -> Void
    ) async throws -> (delta: WeightDelta, model: DifferentiableBERT) {
        let model = try DifferentiableBERT(folder: folder)
        let fast = try BERTEncoder(folder: folder, threads: threads)
        var parameters = model.parameters(for: tuning, seed: seed)
        var adam = Adam(for: parameters, weightDecay: 0.01)
        let schedule = LearningRateSchedule.linear(peak: rate, warmUp: max(1, steps / 10), steps: steps)
        let first = tuning.firstLayer(of: model.layerCount)
        var (sum, count) = (0.0, 0.0)
        var rankings = Rankings()
        for step in 0..<steps {
            try Task.checkCancellation()
            if negatives.ranking != .none && step == 0 || negatives.ranking == .refreshed && step % refresh == 0 {
                rankings.before = rankings.now
                let delta = WeightDelta(from: model.base, to: model.merged(parameters, tuning: tuning))
                let present = try encoder(folder: folder, delta: delta)
                rankings.now = []
                for set in sets {
                    rankings.now.append(try await DenseRanking(set, encoder: present, most: ranked, seed: seed))
                }
            }
            let (batch, taught) = try await taught(draw(sets, step: step, rankings: rankings), step: step)
            guard !batch.questions.isEmpty else { break }
            let questionTexts = batch.questions.map { fast.prompts.query + $0 }
            let passageTexts = batch.passages.map { fast.prompts.passage + $0.full }
            let fixedPassages = queriesOnly ? try passageVectors(passageTexts, fast) : nil
            let texts = questionTexts + (queriesOnly ? [] : passageTexts)
            let encodings = texts.map { fast.tokenizer.encode($0, maximumLength: longest) }
            let lower = try fast.states(of: encodings, layers: first)
            let (elements, lists) = lists(batch, teacher: taught)
            let back = loss.isMutual ? returnLists(batch) : nil
            let (fixed, chunk, tuning, seed) = (parameters, chunk, tuning, seed)
            let (questions, temperature, loss) = (batch.questions.count, temperature, loss)
            let result = GradientCache.gradients(
                chunks: (texts.count + chunk - 1) / chunk, threads: threads, parameters: fixed,
                represent: { number, tape, variables in
                    let range = (number * chunk)..<min(texts.count, (number + 1) * chunk)
                    var tokens = TokenBatch()
                    for text in range { tokens.append(encodings[text].ids, types: encodings[text].typeIDs) }
                    let states = Matrix(
                        rows: tokens.count, columns: model.shape.width, elements: lower[range].flatMap { $0 })
                    return model.states(
                        of: tokens, weights: model.weights(fixed, variables, tuning, on: tape),
                        lower: first > 0 ? (states, first) : nil,
                        dropout: EncoderDropout(rate: 0.1, seed: seed &+ UInt64(step * 1000 + number))
                    ).meanPooled(starts: tokens.starts)
                },
                loss: { all in
                    let passages =
                        fixedPassages.map { all.tape.constant($0) } ?? all.rows(at: Array(questions..<texts.count))
                    let scores =
                        all.rows(at: Array(0..<questions)).times(passages, transposingOther: true) * (1 / temperature)
                    let value = loss.value(scores.elements(at: elements), lists)
                    guard let back else { return value }
                    return value * (1 - loss.returnShare)
                        + loss.value(scores.elements(at: back.elements), back.lists) * loss.returnShare
                })
            var gradients = result.gradients
            GradientNorm.clip(&gradients, to: 1)
            adam.update(&parameters, gradients: gradients, learningRate: schedule.rate(at: step))
            sum += result.loss
            count += 1
            if (step + 1) % 20 == 0 || step + 1 == steps {
                report(step + 1, sum / count)
                (sum, count) = (0, 0)
            }
        }
        return (WeightDelta(from: model.base, to: model.merged(parameters, tuning: tuning)), model)
    }

    /// The vectors of passages that stay as they are.
    private func passageVectors(_ texts: [String], _ fast: BERTEncoder) throws -> Matrix {
        let rows = try fast.states(
            of: texts.map { fast.tokenizer.encode($0, maximumLength: longest) }, layers: .max)
        let width = fast.tokenDimension
        let tape = Tape(records: false)
        var starts = [0]
        for row in rows { starts.append(starts[starts.count - 1] + row.count / width) }
        return tape.constant(
            Matrix(rows: starts[starts.count - 1], columns: width, elements: rows.flatMap { $0 })
        ).meanPooled(starts: starts).value
    }

    /// A batch with the teacher's scores of each question's own passages; where margins are balanced, with those passages
    /// alone that were chosen by them.
    private func taught(_ batch: RankingBatch, step: Int) async throws -> (RankingBatch, [[Float]]) {
        let scores = try await judged(batch)
        guard negatives.isBalanced, loss.needsTeacher else { return (batch, scores) }
        var generator = SplitMix64(seed: seed, stream: 0xBA1A &+ UInt64(step))
        let kept = scores.map { BalancedMargins.chosen($0, count: hard, using: &generator) }
        return (batch.keeping(kept), zip(scores, kept).map { scores, places in places.map { scores[$0] } })
    }

    private func judged(_ batch: RankingBatch) async throws -> [[Float]] {
        guard loss.needsTeacher else { return [] }
        var scores: [[Float]] = []
        for (number, own) in batch.own.enumerated() {
            scores.append(
                try await teacher.scores(
                    question: batch.questions[number], answers: batch.answers[number],
                    passages: own.places.map { batch.passages[$0] }, gold: own.gold, temperature: temperature))
        }
        return scores
    }

    /// The share of gold passages among the nearest `depth` of a set's corpus, question by question.
    @concurrent
    public static func recall(_ encoder: BERTEncoder, _ set: ReaderMaterial, depth: Int = 5) async throws -> [Double] {
        let items = set.items.filter { !$0.gold.isEmpty }
        guard !items.isEmpty else { return [] }
        let passages = try await encoder.encodePassages(set.passages.map(\.full))
        let questions = try await encoder.encodeQueries(items.map(\.question))
        let dimension = encoder.dimension
        let scores = Matrix(rows: items.count, columns: dimension, elements: questions.values)
            .multiplied(
                by: Matrix(rows: set.passages.count, columns: dimension, elements: passages.values),
                transposingOther: true)
        return items.indices.map { row in
            let line = scores.row(row)
            let base = line.startIndex
            let gold = Set(items[row].gold)
            // A gold passage is found where fewer than `depth` others stand before it.
            let found = gold.count { passage in
                let own = line[base + passage]
                return line.count { $0 > own } < depth
            }
            return Double(found) / Double(min(depth, gold.count))
        }
    }
}
