// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Text

extension BERTEncoder {
    /// One batch: its tokens and which texts they are.
    private struct Batch: Sendable {
        var packed = PackedBatch()
        var texts: [Int] = []
    }

    /// Where threads write their results: disjoint rows. `@unchecked Sendable` for that reason.
    private struct Output<Element>: @unchecked Sendable {
        let pointer: UnsafeMutablePointer<Element>
    }

    func embeddings(of texts: [String], cancellation: Cancellation) throws -> EmbeddingMatrix {
        let encodings = try tokenise(texts, cancellation)
        let width = dimension
        var values = [Float](repeating: 0, count: texts.count * width)
        try values.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let output = Output(pointer: base)
            try run(encodings, cancellation) { text, states, length in
                self.pipeline.pool(
                    states, length: length, width: self.configuration.hiddenSize, into: output.pointer + text * width)
            }
        }
        return EmbeddingMatrix(dimension: width, values: values)
    }

    func tokenEmbeddings(
        of encodings: [WordPieceTokenizer.Encoding], cancellation: Cancellation, layers: Int = .max
    ) throws -> [TokenEmbeddings] {
        let width = tokenDimension
        var results = [[Float]](repeating: [], count: encodings.count)
        try results.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let output = Output(pointer: base)
            try run(encodings, cancellation, layers: layers) { text, states, length in
                output.pointer[text] = Array(UnsafeBufferPointer(start: states, count: length * width))
            }
        }
        return zip(encodings, results).map { encoding, values in
            TokenEmbeddings(
                vectors: EmbeddingMatrix(dimension: width, values: values), ids: encoding.ids,
                offsets: encoding.offsets)
        }
    }

    /// Tokenises on all threads, when there is enough to do.
    private func tokenise(_ texts: [String], _ cancellation: Cancellation) throws -> [WordPieceTokenizer.Encoding] {
        if texts.count < 16 { return texts.map { encoding(of: $0) } }
        let empty = WordPieceTokenizer.Encoding()
        var encodings = [WordPieceTokenizer.Encoding](repeating: empty, count: texts.count)
        encodings.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            let output = Output(pointer: base)
            let next = Counter()
            team.run { _ in
                while let index = next.take(below: texts.count), !cancellation.isCancelled {
                    output.pointer[index] = self.encoding(of: texts[index])
                }
            }
        }
        try cancellation.check()
        return encodings
    }

    /// Runs the model over all texts and calls `consume(text, states, length)` for each, on any thread of the team.
    private func run(
        _ encodings: [WordPieceTokenizer.Encoding], _ cancellation: Cancellation, layers: Int = .max,
        _ consume: @escaping @Sendable (Int, UnsafePointer<Float>, Int) -> Void
    ) throws {
        let batches = batches(of: encodings)
        let width = tokenDimension
        let model = model
        @Sendable func deliver(_ batch: Batch, _ workspace: BERTWorkspace) {
            for (index, text) in batch.texts.enumerated() {
                // A prompt's rows stand before the tokens and are none of them.
                let start = batch.packed.starts[index] + model.weights.promptLength
                consume(text, workspace.hidden + start * width, batch.packed.starts[index + 1] - start)
            }
        }
        if batches.count == 1 {
            // One batch: all threads share each stage, which is what makes a single query quick.
            let batch = batches[0]
            let threads = batch.packed.tokenCount < 4 ? 1 : team.size
            let workspace = workspace(for: batch, threads: threads)
            let barrier = SpinBarrier(count: threads)
            team.run { thread in
                guard thread < threads else { return }
                model.run(batch.packed, in: workspace, thread: thread, of: threads, barrier: barrier, layers: layers)
            }
            deliver(batch, workspace)
            workspaces.give(workspace)
        } else {
            let next = Counter()
            team.run { _ in
                let alone = SpinBarrier(count: 1)
                while let index = next.take(below: batches.count), !cancellation.isCancelled {
                    let workspace = self.workspace(for: batches[index], threads: 1)
                    model.run(
                        batches[index].packed, in: workspace, thread: 0, of: 1, barrier: alone, layers: layers)
                    deliver(batches[index], workspace)
                    self.workspaces.give(workspace)
                }
            }
        }
        try cancellation.check()
    }

    private func workspace(for batch: Batch, threads: Int) -> BERTWorkspace {
        workspaces.take(
            configuration, tokens: batch.packed.tokenCount, longest: batch.packed.longest, threads: threads)
    }

    /// Packs texts, longest first, so that the last batches are the small ones and threads finish together.
    private func batches(of encodings: [WordPieceTokenizer.Encoding]) -> [Batch] {
        let order = encodings.indices.sorted {
            (-encodings[$0].count, $0) < (-encodings[$1].count, $1)
        }
        // Places for the vectors of a tuned prompt.
        let prompt = [Int32](repeating: 0, count: model.weights.promptLength)
        var batches: [Batch] = []
        var batch = Batch()
        for text in order {
            let encoding = encodings[text]
            if batch.packed.tokenCount > 0, batch.packed.tokenCount + prompt.count + encoding.count > Self.batchTokens {
                batches.append(batch)
                batch = Batch()
            }
            batch.packed.append(prompt + encoding.ids, types: prompt + encoding.typeIDs)
            batch.texts.append(text)
        }
        if !batch.texts.isEmpty { batches.append(batch) }
        return batches
    }
}

/// Hands out indices to threads.
private final class Counter: Sendable {
    private let next = Atomic<Int>(0)

    func take(below limit: Int) -> Int? {
        let index = next.add(1, ordering: .relaxed).oldValue
        return index < limit ? index : nil
    }
}
