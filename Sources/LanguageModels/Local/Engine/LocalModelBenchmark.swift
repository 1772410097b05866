// SPDX-License-Identifier: Apache-2.0

import Text

/// Times the forward pass of a model without sampling: what `llama-bench` calls pp and tg.
public struct LocalModelBenchmark: Sendable {
    /// What was measured, in tokens a second.
    public struct Result: Sendable {
        public var bestPrefill = 0.0
        public var medianPrefill = 0.0
        public var bestDecode = 0.0
        public var medianDecode = 0.0
        /// From the request to the first token of a 32-token prompt.
        public var firstToken = Duration.zero
    }

    public var promptTokens: Int
    public var generatedTokens: Int
    public var sequences: Int
    public var repeats: Int

    public init(promptTokens: Int = 512, generatedTokens: Int = 128, sequences: Int = 1, repeats: Int = 5) {
        self.promptTokens = max(1, promptTokens)
        self.generatedTokens = max(1, generatedTokens)
        self.sequences = max(1, sequences)
        self.repeats = max(1, repeats)
    }

    /// Runs on the model's own thread, which does nothing else meanwhile.
    /// - Throws: `LanguageModelError` when the context or the cache is too small.
    @concurrent
    public func run(_ model: LocalModel) async throws -> Result {
        let vocabulary = model.tokenizer.count
        guard promptTokens + generatedTokens <= model.contextLength else {
            throw LanguageModelError.contextOverflow(tokens: promptTokens + generatedTokens, limit: model.contextLength)
        }
        let settings = self
        return try await withCheckedThrowingContinuation { continuation in
            model.engine.enqueue { engine in
                guard let pass = engine.pass else { return }
                continuation.resume(with: Swift.Result { try settings.measure(pass, vocabulary) })
            }
        }
    }

    private func measure(_ pass: ForwardPass, _ vocabulary: Int) throws -> Result {
        var prefill: [Double] = []
        var decode: [Double] = []
        var result = Result()
        func fresh(_ seed: Int, _ count: Int) throws -> (CachedSequence, [Int32]) {
            let tokens = (0..<count).map { Int32(((seed + 1) &* 7919 &+ $0 &* 104_729) % vocabulary) }
            let sequence = CachedSequence(cache: pass.cache, prompt: [])
            guard sequence.reserve(count + generatedTokens) else {
                throw LanguageModelError.unavailable("the key-value cache is too small for this benchmark")
            }
            return (sequence, tokens)
        }
        var clock = ContinuousClock.now
        let (short, shortTokens) = try fresh(-1, 32)
        _ = pass.run(ForwardBatch(runs: [.init(sequence: short, tokens: shortTokens[...], wantedFrom: 31)]))
        result.firstToken = ContinuousClock.now - clock
        for repetition in 0..<repeats {
            var runs: [CachedSequence] = []
            clock = .now
            for index in 0..<sequences {
                let (sequence, tokens) = try fresh(repetition * 64 + index, promptTokens)
                var left = tokens[...]
                while !left.isEmpty {
                    let part = left.prefix(512)
                    left = left.dropFirst(part.count)
                    let wantedFrom = left.isEmpty ? part.count - 1 : part.count
                    _ = pass.run(
                        ForwardBatch(runs: [
                            .init(sequence: sequence, tokens: ArraySlice(Array(part)), wantedFrom: wantedFrom)
                        ]))
                }
                runs.append(sequence)
            }
            prefill.append(Double(promptTokens * sequences) / ((ContinuousClock.now - clock) / .seconds(1)))
            clock = .now
            for step in 0..<generatedTokens {
                let token = Int32((step &* 31 &+ 7) % vocabulary)
                _ = pass.run(ForwardBatch(runs: runs.map { .init(sequence: $0, tokens: [token], wantedFrom: 0) }))
            }
            decode.append(Double(generatedTokens * sequences) / ((ContinuousClock.now - clock) / .seconds(1)))
        }
        result.bestPrefill = prefill.max() ?? 0
        result.medianPrefill = prefill.sorted()[prefill.count / 2]
        result.bestDecode = decode.max() ?? 0
        result.medianDecode = decode.sorted()[decode.count / 2]
        return result
    }
}
