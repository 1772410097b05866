// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Encoders
import TensorMath

/// How an encoder ranks the passages of a set for its questions: what hard negatives and topics are read from.
struct DenseRanking: Sendable {
    /// The passages that are ranked, as places in the set: the questions' gold ones first, then any others.
    let pool: [Int]
    private let place: [Int: Int]
    private let passages: Matrix
    /// The questions' vectors, by their place in the set.
    private let questions: [Int: [Float]]
    /// The questions by topic.
    let topics: [[Int]]

    /// Encodes a set's questions and passages.
    ///
    /// - Parameters:
    ///   - most: The most questions, and the most passages beside their gold ones; which ones, the seed says.
    /// - Throws: What the encoder throws.
    init(
        _ set: ReaderMaterial, encoder: any TextEncoder, most: Int = 2000, topicSize: Int = 24, seed: UInt64
    ) async throws {
        var generator = SplitMix64(seed: seed, stream: 0xDE25)
        var chosen = set.items.indices.filter { !set.items[$0].gold.isEmpty }
        generator.shuffle(&chosen)
        chosen = chosen.prefix(most).sorted()
        var pool: [Int] = []
        var place: [Int: Int] = [:]
        func add(_ passage: Int) {
            guard place[passage] == nil else { return }
            place[passage] = pool.count
            pool.append(passage)
        }
        for item in chosen { set.items[item].gold.forEach(add) }
        var others = set.passages.indices.filter { place[$0] == nil }
        generator.shuffle(&others)
        others.prefix(most).forEach(add)
        let vectors = try await encoder.encodePassages(pool.map { set.passages[$0].full })
        let asked = try await encoder.encodeQueries(chosen.map { set.items[$0].question })
        let width = encoder.dimension
        self.init(
            pool: pool, passages: Matrix(rows: pool.count, columns: width, elements: vectors.values),
            questions: Dictionary(
                uniqueKeysWithValues: chosen.enumerated().map { number, item in
                    (item, Array(asked.values[(number * width)..<((number + 1) * width)]))
                }), topicSize: topicSize, generator: &generator)
    }

    init(
        pool: [Int], passages: Matrix, questions: [Int: [Float]], topicSize: Int, generator: inout SplitMix64
    ) {
        self.pool = pool
        self.passages = passages
        self.questions = questions
        place = Dictionary(uniqueKeysWithValues: pool.enumerated().map { ($1, $0) })
        topics = Self.topics(questions, size: topicSize, using: &generator)
    }

    private func scores(_ vector: [Float]) -> [Float] {
        passages.multiplied(by: Matrix(column: vector)).elements
    }

    private func best(_ scores: [Float], _ count: Int) -> [(passage: Int, score: Float)] {
        scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }.prefix(count).map { (pool[$0], scores[$0]) }
    }

    /// The passages nearest to a question, best first; none for a question that was not encoded.
    func nearest(_ question: Int, count: Int) -> [(passage: Int, score: Float)] {
        questions[question].map { best(scores($0), count) } ?? []
    }

    /// The passages nearest to a passage, without itself.
    func neighbours(of passage: Int, count: Int) -> [Int] {
        guard let row = place[passage] else { return [] }
        return best(scores(Array(passages.row(row))), count + 1).map(\.passage).filter { $0 != passage }
    }

    /// The score of a passage for a question; nil where one of them was not encoded.
    func score(_ question: Int, of passage: Int) -> Float? {
        guard let vector = questions[question], let row = place[passage] else { return nil }
        return zip(vector, passages.row(row)).reduce(0) { $0 + $1.0 * $1.1 }
    }

    /// K-means over the questions' vectors, ten rounds; topics of fewer than two questions are left out.
    private static func topics(
        _ questions: [Int: [Float]], size: Int, using generator: inout SplitMix64
    ) -> [[Int]] {
        let items = questions.keys.sorted()
        let count = items.count / max(2, size)
        guard count > 1 else { return items.count > 1 ? [items] : [] }
        let vectors = items.map { questions[$0] ?? [] }
        var order = Array(items.indices)
        generator.shuffle(&order)
        var centres = order.prefix(count).map { vectors[$0] }
        var owner = [Int](repeating: 0, count: items.count)
        for _ in 0..<10 {
            for (index, vector) in vectors.enumerated() {
                var best = (score: -Float.infinity, centre: 0)
                for (number, centre) in centres.enumerated() {
                    let score = zip(vector, centre).reduce(Float(0)) { $0 + $1.0 * $1.1 }
                    if score > best.score { best = (score, number) }
                }
                owner[index] = best.centre
            }
            for number in centres.indices {
                let own = items.indices.filter { owner[$0] == number }
                guard let first = own.first else { continue }
                var sum = vectors[first]
                for index in own.dropFirst() { for place in sum.indices { sum[place] += vectors[index][place] } }
                let length = max(1e-6, sum.reduce(0) { $0 + $1 * $1 }.squareRoot())
                centres[number] = sum.map { $0 / length }
            }
        }
        return centres.indices.map { number in items.indices.filter { owner[$0] == number }.map { items[$0] } }
            .filter { $0.count > 1 }
    }
}
