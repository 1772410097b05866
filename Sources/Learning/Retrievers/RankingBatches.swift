// SPDX-License-Identifier: Apache-2.0

import Base

/// A batch to learn ranking by: questions, passages, and each question's list among them.
struct RankingBatch: Sendable {
    /// A passage of a set.
    struct Key: Sendable, Hashable {
        var set: Int
        var passage: Int
    }

    var questions: [String] = []
    var answers: [[String]] = []
    var passages: [ReaderPassage] = []
    /// For each question its own passages, gold first, as places among `passages`, and how many are gold.
    var own: [(places: [Int], gold: Int)] = []
    /// Which passages those of `passages` are.
    var keys: [Key] = []
    /// For each question the passages that are no wrong ones, whoever drew them.
    var right: [Set<Key>] = []

    /// The batch with some of each question's own passages only, given as places in its list.
    func keeping(_ kept: [[Int]]) -> RankingBatch {
        var batch = self
        (batch.passages, batch.keys) = ([], [])
        for (question, list) in kept.enumerated() {
            let places = list.map { own[question].places[$0] }
            let first = batch.passages.count
            batch.passages += places.map { passages[$0] }
            batch.keys += places.map { keys[$0] }
            batch.own[question].places = Array(first..<batch.passages.count)
        }
        return batch
    }

    /// The places of passages that were drawn for other questions and are wrong for this one.
    func others(of question: Int) -> [Int] {
        passages.indices.filter { !own[question].places.contains($0) && !right[question].contains(keys[$0]) }
    }
}

/// Draws batches: questions of several sets, a gold passage each, and wrong ones.
struct RankingBatches: Sendable {
    var negatives: NegativeSampler
    /// Questions of a batch.
    var batch: Int
    /// Wrong passages drawn for each question.
    var hard: Int
    var seed: UInt64

    /// How the encoder ranks each set's passages now, and how it did before.
    struct Rankings: Sendable {
        var now: [DenseRanking] = []
        var before: [DenseRanking] = []
    }

    /// Draws the batch of a step, which the seed and the step decide. Sets are drawn from by their number of questions, none
    /// for more than its `most`.
    func draw(_ sets: [ReaderMaterial], step: Int, rankings: Rankings = Rankings()) -> RankingBatch {
        var generator = SplitMix64(seed: seed, stream: 0xE2C0 &+ UInt64(step))
        let weights = sets.map { Float(min($0.count, $0.most)) }
        var batch = RankingBatch()
        var tries = 0
        var topic: (set: Int, items: [Int])?
        if negatives.isTopical {
            let set = generator.index(weights: weights)
            if let topics = rankings.now.indices.contains(set) ? rankings.now[set].topics : nil, !topics.isEmpty {
                topic = (set, topics[generator.integer(below: topics.count)])
            }
        }
        while batch.questions.count < self.batch, tries < 20 * self.batch {
            tries += 1
            let number = topic?.set ?? generator.index(weights: weights)
            let set = sets[number]
            let index =
                topic.map { $0.items[generator.integer(below: $0.items.count)] }
                ?? generator.integer(below: max(1, set.count))
            guard set.items.indices.contains(index), !set.items[index].gold.isEmpty else { continue }
            let gold = set.items[index].gold
            let place = NegativeSampler.Place(
                set: set, index: index, dense: rankings.now.indices.contains(number) ? rankings.now[number] : nil,
                earlier: rankings.before.indices.contains(number) ? rankings.before[number] : nil)
            let chosen =
                [gold[generator.integer(below: gold.count)]] + negatives.draw(place, hard, &generator)
            let first = batch.passages.count
            batch.questions.append(set.items[index].question)
            batch.answers.append(set.items[index].answers)
            batch.own.append((places: Array(first..<(first + chosen.count)), gold: 1))
            batch.passages += chosen.map { set.passages[$0] }
            batch.keys += chosen.map { RankingBatch.Key(set: number, passage: $0) }
            batch.right.append(Set(place.gold.map { RankingBatch.Key(set: number, passage: $0) }))
        }
        return batch
    }
}
