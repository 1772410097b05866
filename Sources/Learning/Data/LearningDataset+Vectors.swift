// SPDX-License-Identifier: Apache-2.0

public import Encoders
import TensorMath

// From texts to the worlds and questions that training needs.
extension LearningDataset {
    /// The text of a passage that the encoder reads: title and text.
    static func encoderText(_ passage: WorldPassage) -> String {
        passage.title.isEmpty ? passage.text : passage.title + ". " + passage.text
    }

    /// A data set ready for episodes.
    public struct Prepared: Sendable {
        /// The folder's name.
        public let name: String
        /// The corpus.
        public let world: RetrievalWorld
        /// The questions by part of the set.
        public let questions: [String: [PreparedQuestion]]
    }

    /// Encodes all texts and prepares the world and the questions.
    ///
    /// - Parameters:
    ///   - progress: Called with the number of texts done and of all.
    /// - Throws: what the encoder throws, or `CancellationError`.
    @concurrent
    public func prepared(
        with encoder: some TextEncoder, options: PoolOptions = PoolOptions(),
        progress: @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
    ) async throws -> Prepared {
        let asked = questions.sorted { $0.key < $1.key }
        let total = passages.count + asked.reduce(0) { $0 + $1.value.count }
        var done = 0
        func vectors(_ texts: [String]) async throws -> Matrix {
            var elements: [Float] = []
            elements.reserveCapacity(texts.count * encoder.dimension)
            for start in stride(from: 0, to: texts.count, by: 256) {
                let part = Array(texts[start..<min(texts.count, start + 256)])
                elements += try await encoder.encode(part).values
                done += part.count
                progress(done, total)
            }
            return Matrix(rows: texts.count, columns: encoder.dimension, elements: elements)
        }
        let world = try RetrievalWorld(passages: passages, vectors: try await vectors(passages.map(Self.encoderText)))
        var prepared: [String: [PreparedQuestion]] = [:]
        for (part, questions) in asked {
            prepared[part] = self.prepared(
                part, vectors: try await vectors(questions.map(\.text)), world: world, options: options)
        }
        return Prepared(name: name, world: world, questions: prepared)
    }
}
