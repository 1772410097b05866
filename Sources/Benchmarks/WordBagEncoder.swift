// SPDX-License-Identifier: Apache-2.0

import Encoders
import TensorMath

/// Vectors of which words a text has: a fast encoder for measurements that are about files and not about meaning.
struct WordBagEncoder: TextEncoder {
    var fingerprint: String { dimension == 32 ? "word-bag-1" : "word-bag-\(dimension)" }
    var dimension = 32

    func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        var rows: [Float] = []
        rows.reserveCapacity(texts.count * dimension)
        for text in texts {
            var row = [Float](repeating: 0.01, count: dimension)
            for word in text.utf8.split(whereSeparator: { $0 == 0x20 || $0 == 0x2E || $0 == 0x0A }) {
                row[word.reduce(5381) { ($0 &* 33 &+ Int($1)) & 0xFFFF } % dimension] += 1
            }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            rows += row.map { $0 / length }
        }
        return EmbeddingMatrix(dimension: dimension, values: rows)
    }
}
