// SPDX-License-Identifier: Apache-2.0

import TensorMath
import TextEncoders

/// A passage as the reader sees it: the encoder's vectors of its tokens, read together with the question.
struct ReaderPassage: Sendable {
    /// Tokens × dimension: the passage's tokens only.
    var vectors: Matrix
    /// For each token whether the question has the same word piece.
    var inQuestion: [Float]
    /// The UTF-8 byte range of the passage's text that each token stands for.
    var offsets: [Range<Int>]
    /// The vector of the pair as a whole (its first token), and the mean of the question's tokens.
    var pair: [Float]
    var question: [Float]

    /// Takes a pair of question and passage apart.
    ///
    /// The encoder gives special tokens an empty range: the first stands before the question, the second behind it. A
    /// question so long that it leaves nothing of the passage gives no tokens.
    init(_ tokens: TokenEmbeddings) {
        let dimension = tokens.vectors.dimension
        let specials = tokens.offsets.indices.filter { tokens.offsets[$0].isEmpty }
        let middle = specials.count > 1 ? specials[1] : tokens.offsets.count
        self.init(
            rows: (0..<tokens.vectors.count).map { Array(tokens.vectors[$0]) }, ids: tokens.ids.map(Int.init),
            middle: middle,
            isSpecial: tokens.offsets.map(\.isEmpty), offsets: tokens.offsets, dimension: dimension)
    }

    init(rows: [[Float]], ids: [Int], middle: Int, isSpecial: [Bool], offsets: [Range<Int>], dimension: Int) {
        let asked = Set(ids.indices.filter { $0 < middle && !isSpecial[$0] }.map { ids[$0] })
        let own = rows.indices.filter { $0 > middle && !isSpecial[$0] }
        vectors = own.isEmpty ? Matrix(rows: 0, columns: dimension) : Matrix(stacking: own.map { rows[$0] })
        inQuestion = own.map { asked.contains(ids[$0]) ? 1 : 0 }
        self.offsets = own.map { offsets[$0] }
        pair = rows.first ?? [Float](repeating: 0, count: dimension)
        var mean = [Float](repeating: 0, count: dimension)
        let question = rows.indices.filter { $0 > 0 && $0 < middle }
        for row in question {
            for column in 0..<dimension { mean[column] += rows[row][column] / Float(question.count) }
        }
        self.question = mean
    }
}
