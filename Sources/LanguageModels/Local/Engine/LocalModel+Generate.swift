// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Text

extension LocalModel {
    private enum Progress: Sendable {
        case text(sample: Int, String)
        case ended(sample: Int, Result<GeneratedSample, any Error>)
        case started(cached: Int)
    }

    /// Runs a request on the engine's thread and hands on what it writes.
    func generate(
        prompt: [Int], options: SamplingOptions, onText: @Sendable (Int, String) -> Void
    ) async throws -> (samples: [GeneratedSample], cached: Int) {
        let prompt = try checked(prompt)
        guard options.samples >= 1, options.samples <= 1024 else {
            throw LanguageModelError.unsupported("\(options.samples) samples of one prompt")
        }
        var options = options
        options.maxTokens = min(options.maxTokens, contextLength - prompt.count)
        guard options.maxTokens > 0 else { return (Array(repeating: .init(), count: options.samples), 0) }
        let constraint = try options.constraint.map { try constraints.masks(of: $0, trie: vocabularyTrie) }
        let plan = GenerationPlan(
            options: options, tokenizer: tokenizer, ends: ends, constraint: constraint, guesses: guessesFromContext)
        let control = RequestControl(timeout: options.timeout)
        let (stream, continuation) = AsyncStream.makeStream(of: Progress.self)
        let samples = options.samples
        engine.enqueue { engine in
            guard let pass = engine.pass else { return }
            let sequence = CachedSequence(cache: pass.cache, prompt: prompt)
            continuation.yield(.started(cached: sequence.tokens.count))
            let job = PromptJob(
                sequence: sequence, prompt: prompt, control: control,
                start: { logits, sequence, engine in
                    for index in 0..<samples {
                        let (own, missing) = index == samples - 1 ? (sequence, []) : sequence.fork()
                        let job = GenerationJob(
                            sequence: own, plan: plan, index: index, control: control,
                            onText: { continuation.yield(.text(sample: index, $0)) },
                            onEnd: { continuation.yield(.ended(sample: index, $0)) })
                        _ = job.receive(logits, from: engine)
                        job.recompute(missing)
                        if job.isDone { job.finish() } else { engine.add(job) }
                    }
                },
                failed: { error in
                    for index in 0..<samples { continuation.yield(.ended(sample: index, .failure(error))) }
                })
            engine.add(job)
        }
        return try await withTaskCancellationHandler {
            var results = [GeneratedSample?](repeating: nil, count: samples)
            var failure: (any Error)?
            var left = samples
            var cached = 0
            for await progress in stream {
                switch progress {
                case .started(let tokens): cached = tokens
                case .text(let sample, let text): onText(sample, text)
                case .ended(let sample, let result):
                    left -= 1
                    switch result {
                    case .success(let value): results[sample] = value
                    case .failure(let error):
                        failure = failure ?? error
                        // One failed sample fails the call: the others need not go on.
                        control.cancel()
                    }
                }
                if left == 0 { break }
            }
            if Task.isCancelled || left > 0 {
                control.cancel()
                throw CancellationError()
            }
            if let failure { throw failure }
            try checkWhole()
            return (results.compactMap { $0 }, cached)
        } onCancel: {
            control.cancel()
        }
    }

    /// The ids of a prompt, checked against the vocabulary and the context.
    private func checked(_ prompt: [Int]) throws -> [Int32] {
        guard !prompt.isEmpty else { throw LanguageModelError.unsupported("an empty prompt") }
        guard prompt.count <= contextLength else {
            throw LanguageModelError.contextOverflow(tokens: prompt.count, limit: contextLength)
        }
        guard prompt.allSatisfy({ (0..<configuration.vocabulary).contains($0) }) else {
            throw LanguageModelError.unsupported("a token id outside of the vocabulary of \(configuration.vocabulary)")
        }
        return prompt.map(Int32.init)
    }

    @concurrent
    public func score(continuations: [String], after messages: [ChatMessage]) async throws -> [ContinuationScore] {
        try await score(continuations: continuations.map { tokenizer.encode($0) }, after: promptTokens(for: messages))
    }

    /// The log-probability of each continuation, given as exact tokens. The prompt is computed once, the continuations
    /// pass through the model together.
    /// - Throws: `LanguageModelError`, `CancellationError`.
    @concurrent
    public func score(continuations: [[Int]], after prompt: [Int]) async throws -> [ContinuationScore] {
        guard let longest = continuations.map(\.count).max() else { return [] }
        let prompt = try checked(prompt)
        let targets = try continuations.map { $0.isEmpty ? [] : try checked($0) }
        guard prompt.count + longest <= contextLength else {
            throw LanguageModelError.contextOverflow(tokens: prompt.count + longest, limit: contextLength)
        }
        let control = RequestControl(timeout: 1e9)
        let (stream, continuation) = AsyncStream.makeStream(of: (Int, Result<Double, any Error>).self)
        engine.enqueue { engine in
            guard let pass = engine.pass else { return }
            let job = PromptJob(
                sequence: CachedSequence(cache: pass.cache, prompt: prompt), prompt: prompt, control: control,
                start: { logits, sequence, engine in
                    for (index, target) in targets.enumerated() {
                        guard let first = target.first else {
                            continuation.yield((index, .success(0)))
                            continue
                        }
                        let sum = logProbability(of: first, in: logits)
                        if target.count == 1 {
                            continuation.yield((index, .success(sum)))
                        } else {
                            let (own, missing) = sequence.fork()
                            let job = ScoringJob(sequence: own, targets: target, first: sum, control: control) {
                                continuation.yield((index, $0))
                            }
                            job.recompute(missing)
                            engine.add(job)
                        }
                    }
                },
                failed: { error in for index in targets.indices { continuation.yield((index, .failure(error))) } })
            engine.add(job)
        }
        return try await withTaskCancellationHandler {
            var scores = [Double](repeating: 0, count: targets.count)
            var left = targets.count
            for await (index, result) in stream {
                do { scores[index] = try result.get() } catch {
                    control.cancel()
                    throw error
                }
                left -= 1
                if left == 0 { break }
            }
            guard left == 0 else { throw CancellationError() }
            try checkWhole()
            return zip(scores, targets).map { ContinuationScore(logProbability: $0, tokenCount: $1.count) }
        } onCancel: {
            control.cancel()
        }
    }
}
