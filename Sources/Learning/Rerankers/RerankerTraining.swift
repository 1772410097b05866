// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
import TensorMath
import Text
public import Transformers

/// Trains a cross-encoder on lists of a gold passage and wrong ones, by the losses and teachers that encoders are trained
/// by.
public struct RerankerTraining: Sendable {
    /// Which of the encoder's weights learn; nil trains the head alone.
    public var tuning: Tuning?
    public var loss: RankingLoss
    public var negatives: NegativeSampler
    public var teacher: RankingTeacher = .gold
    /// Questions of a step. Default: 8.
    public var batch = 8
    /// Wrong passages of each question. Default: 5.
    public var hard = 5
    /// The most questions, and the most passages beside their gold ones, that the encoder ranks of a set for negatives.
    public var ranked = 2000
    /// Steps in all.
    public var steps: Int
    /// The highest learning rates, of the head and of the encoder.
    public var headRate: Float = 1e-3
    public var encoderRate: Float = 1e-4
    /// Weight decay of AdamW.
    public var weightDecay: Float = 0.01
    /// What a gold passage scores above others where the gold passages are the teacher. Default: 5.
    public var goldMargin: Float = 5
    /// Tokens of a question and a passage together at most.
    public var longest = 192
    /// Questions of a step whose lists are computed together on one tape.
    public var together = 2
    /// Parts worked on at once.
    public var threads = 2
    public var seed: UInt64 = 1

    public init(tuning: Tuning?, loss: RankingLoss, negatives: NegativeSampler, steps: Int) {
        self.tuning = tuning
        self.loss = loss
        self.negatives = negatives
        self.steps = steps
    }

    /// A question with the passages to be ranked, the right ones first.
    struct List: Sendable, Hashable {
        var question: String
        var answers: [String]
        var passages: [ReaderPassage]
        var right: Int
    }

    /// Starts a run.
    ///
    /// - Parameter heads: The head of an earlier run; nil starts a new one.
    func start(_ model: DifferentiableBERT, heads: ParameterSet? = nil) -> TunedHeads {
        TunedHeads(
            heads: heads ?? CrossEncoder.initialHeads(dimension: model.shape.width, seed: seed),
            encoder: tuning.map { model.parameters(for: $0, seed: seed) } ?? ParameterSet(), weightDecay: weightDecay)
    }

    /// The lists of a step, which the seed and the step decide. Where a sampler gives fewer wrong passages and counts the
    /// batch, those of other questions fill the list.
    func draw(_ sets: [ReaderMaterial], step: Int, rankings: [DenseRanking] = []) -> [List] {
        let drawn = RankingBatches(negatives: negatives, batch: batch, hard: hard, seed: seed)
            .draw(sets, step: step, rankings: .init(now: rankings))
        var generator = SplitMix64(seed: seed, stream: 0xC205 &+ UInt64(step))
        return drawn.questions.indices.compactMap { number in
            var places = drawn.own[number].places
            if negatives.usesBatch, places.count <= hard {
                var others = drawn.others(of: number)
                generator.shuffle(&others)
                places += others.prefix(hard + 1 - places.count)
            }
            guard places.count > 1 else { return nil }
            return List(
                question: drawn.questions[number], answers: drawn.answers[number],
                passages: places.map { drawn.passages[$0] }, right: drawn.own[number].gold)
        }
    }

    /// Lists with the teacher's scores of each; where margins are balanced, with those passages alone that were chosen by
    /// them.
    func taught(_ lists: [List], step: Int) async throws -> (lists: [List], scores: [[Float]]?) {
        guard let scores = try await judged(lists) else { return (lists, nil) }
        guard negatives.isBalanced else { return (lists, scores) }
        var generator = SplitMix64(seed: seed, stream: 0xBA1A &+ UInt64(step))
        var (lists, chosen) = (lists, scores)
        for number in lists.indices {
            let kept = BalancedMargins.chosen(scores[number], count: hard, using: &generator)
            lists[number].passages = kept.map { lists[number].passages[$0] }
            chosen[number] = kept.map { scores[number][$0] }
        }
        return (lists, chosen)
    }

    private func judged(_ lists: [List]) async throws -> [[Float]]? {
        guard loss.needsTeacher else { return nil }
        var scores: [[Float]] = []
        for list in lists {
            scores.append(
                try await teacher.scores(
                    question: list.question, answers: list.answers, passages: list.passages, gold: list.right,
                    temperature: 1 / goldMargin))
        }
        return scores
    }

    /// One step on some lists.
    ///
    /// - Parameters:
    ///   - teacher: The teacher's scores of each list; nil for losses without one.
    ///   - fast: The fast encoder over the same base weights, for the blocks below.
    ///   - progress: How much of the run is done, 0 ..< 1, for the learning rate; nil counts steps.
    /// - Returns: The mean loss.
    func step(
        _ state: inout TunedHeads, _ lists: [List], teacher: [[Float]]?, model: DifferentiableBERT, fast: BERTEncoder,
        progress: Double? = nil
    ) throws -> Double {
        guard !lists.isEmpty else { return 0 }
        let result = try gradients(state, lists, teacher: teacher, model: model, fast: fast)
        var gradients = result.gradients
        GradientNorm.clip(&gradients, to: 1)
        let schedule = LearningRateSchedule.linear(peak: 1, warmUp: max(1, steps / 20), steps: steps)
        let rate = progress.map { Float(min(1, 20 * ($0 + 0.002)) * max(0, 1 - $0)) } ?? schedule.rate(at: state.step)
        state.update(gradients, headRate: rate * headRate, encoderRate: rate * encoderRate)
        return result.loss
    }

    /// The mean loss over lists and its gradients, those of the head first.
    ///
    /// A loss that looks at one question at a time is computed in parts, each on its own tape; one that compares questions
    /// is computed from all scores, and each part then once more (``GradientCache``).
    ///
    /// - Parameter undivided: Computes the second way whatever the loss; for the test that both are the same.
    func gradients(
        _ state: TunedHeads, _ lists: [List], teacher: [[Float]]?, model: DifferentiableBERT, fast: BERTEncoder,
        dropout: Float = 0.1, undivided: Bool = false
    ) throws -> (loss: Double, gradients: [Matrix]) {
        let first = tuning?.firstLayer(of: model.layerCount) ?? model.layerCount
        let encodings = try Parallel.map(lists.count) { number in
            lists[number].passages.map {
                fast.tokenizer.encode(lists[number].question, $0.full, maximumLength: longest)
            }
        }
        var starts = [0]
        for list in lists { starts.append(starts[starts.count - 1] + list.passages.count) }
        let lower = first > 0 ? try fast.states(of: encodings.flatMap { $0 }, layers: first) : []
        var weights = state.heads
        for (name, value) in zip(state.encoder.names, state.encoder.values) { weights.add(name, value) }
        let network = ReaderNetwork(dimension: model.shape.width)
        let (tuning, encoder, noise) = (tuning, state.encoder, seed &+ UInt64(state.step) &* 1000)
        /// The scores of some lists, one below the other.
        func scores(_ items: [Int], _ tape: Tape, _ variables: ParameterVariables) -> Variable {
            var tokens = TokenBatch()
            for encoding in items.flatMap({ encodings[$0] }) { tokens.append(encoding.ids, types: encoding.typeIDs) }
            let rows = lower.isEmpty ? [] : items.flatMap { lower[starts[$0]..<starts[$0 + 1]].flatMap { $0 } }
            let states = Matrix(rows: lower.isEmpty ? 0 : tokens.count, columns: model.shape.width, elements: rows)
            var read = tape.constant(states)
            if let tuning {
                read = model.states(
                    of: tokens, weights: model.weights(encoder, variables, tuning, on: tape),
                    lower: first > 0 ? (states, first) : nil,
                    dropout: EncoderDropout(rate: dropout, seed: noise &+ UInt64(items.first ?? 0)))
            }
            let ranges = zip(tokens.starts, tokens.starts.dropFirst()).map { $0..<$1 }
            return network.relevance(read, passages: ranges, variables).logits
        }
        func ranked(_ items: [Int]) -> [RankingLoss.List] {
            var first = 0
            return items.map { item in
                let range = first..<(first + lists[item].passages.count)
                first = range.upperBound
                return .init(range: range, relevant: Array(0..<lists[item].right), teacher: teacher?[item])
            }
        }
        let count = (lists.count + together - 1) / together
        if undivided || loss.comparesQuestions {
            let parts = (0..<count).map { Array($0 * together..<min(lists.count, ($0 + 1) * together)) }
            return GradientCache.gradients(
                chunks: count, threads: threads, parameters: weights,
                represent: { scores(parts[$0], $1, $2) },
                loss: { loss.value($0, ranked(Array(lists.indices))) })
        }
        let parts = ReaderTraining.divided(encodings.map { $0.reduce(0) { $0 + $1.count } }, into: count)
        let fixed = weights
        return GradientWork.sum(parts: parts.count, threads: threads) { part in
            let items = parts[part]
            let tape = Tape()
            let variables = fixed.variables(on: tape)
            let share = Float(items.count) / Float(lists.count)
            let value = loss.value(scores(items, tape, variables), ranked(items)) * share
            return (Double(value.scalar), tape.gradients(of: value, for: variables.variables))
        }
    }
}
