// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Text

/// What all samples of one request share; the caller's side cancels it.
final class RequestControl: Sendable {
    private let cancelled = Atomic<Bool>(false)
    private let deadline: ContinuousClock.Instant
    let timeout: Double

    init(timeout: Double) {
        self.timeout = timeout
        deadline = .now + .seconds(min(max(timeout, 0), 1e9))
    }

    /// Why the caller no longer waits.
    var withdrawal: (any Error)? {
        if cancelled.load(ordering: .relaxed) { return CancellationError() }
        return .now > deadline ? LanguageModelError.timedOut(seconds: timeout) : nil
    }
    func cancel() { cancelled.store(true, ordering: .relaxed) }
}

/// What one sample of a request became.
struct GeneratedSample: Sendable {
    var ids: [Int32] = []
    var text = ""
    var tokens: [TokenLogProbability] = []
    var finishReason = Completion.FinishReason.length
}

/// How a sample is generated.
struct GenerationPlan: Sendable {
    var options: SamplingOptions
    var tokenizer: SubwordTokenizer
    /// Tokens that end a turn.
    var ends: Set<Int32>
    var constraint: ConstraintMasks?
    /// Whether tokens are guessed from the text before them.
    var guesses = true
}

/// Passes a prompt through the model, then starts its samples, which share the prompt's cache.
final class PromptJob: SequenceJob {
    private let control: RequestControl
    private let start: (UnsafeBufferPointer<Float>, CachedSequence, InferenceEngine) -> Void
    private let failed: (any Error) -> Void

    init(
        sequence: CachedSequence, prompt: [Int32], control: RequestControl,
        start: @escaping (UnsafeBufferPointer<Float>, CachedSequence, InferenceEngine) -> Void,
        failed: @escaping (any Error) -> Void
    ) {
        self.control = control
        self.start = start
        self.failed = failed
        let queue = prompt[sequence.tokens.count...]
        super.init(sequence: sequence, queue: queue, silent: queue.count - 1)
    }

    override var withdrawal: (any Error)? { control.withdrawal }

    override func receive(_ logits: UnsafeBufferPointer<Float>, from engine: InferenceEngine) -> Bool {
        isDone = true
        start(logits, sequence, engine)
        return false
    }

    override func finish() { if let failure { failed(failure) } }
}

/// Generates one sample, token by token. Guessed tokens pass through the model together with the last chosen one; each
/// is kept when it is the token that is chosen at its place. As a token's logits do not depend on what passes beside it,
/// what is chosen is, bit for bit, what it would be without any guess, sampled tokens among them.
final class GenerationJob: SequenceJob {
    private let control: RequestControl
    private let plan: GenerationPlan
    private let onText: (String) -> Void
    private let onEnd: (Result<GeneratedSample, any Error>) -> Void
    private var sampler: Sampler
    private var constraint: ConstraintState?
    private var sample = GeneratedSample()
    private var lookup = ContextLookup()
    /// The guesses of this step that have not been compared yet, how many there were, and whether they are a look-up's.
    private var guesses: ArraySlice<Int32> = []
    private var guessed = 0
    private var looksUp = false
    /// What the constraint allows next, where it is known already.
    private var mask: [UInt64]?
    /// The bytes written so far, and how many of them have been handed on.
    private var bytes: [UInt8] = []
    private var delivered = 0
    private let stops: [[UInt8]]

    init(
        sequence: CachedSequence, plan: GenerationPlan, index: Int, control: RequestControl,
        onText: @escaping (String) -> Void, onEnd: @escaping (Result<GeneratedSample, any Error>) -> Void
    ) {
        self.control = control
        self.plan = plan
        self.onText = onText
        self.onEnd = onEnd
        sampler = Sampler(plan.options, stream: index)
        constraint = plan.constraint.map(ConstraintState.init)
        stops = plan.options.stop.map { Array($0.utf8) }.filter { !$0.isEmpty }
        super.init(sequence: sequence, queue: [], silent: 0)
    }

    override var withdrawal: (any Error)? { control.withdrawal }

    override func finish() {
        if let failure { return onEnd(.failure(failure)) }
        deliver(all: true)
        sample.text = String(decoding: bytes, as: UTF8.self)
        onEnd(.success(sample))
    }

    private func end(_ reason: Completion.FinishReason) {
        sample.finishReason = reason
        isDone = true
    }

    private var tokensLeft: Int { plan.options.maxTokens - sample.ids.count }

    override func guess(_ most: Int) -> [Int32] {
        guard plan.guesses else { return [] }
        let most = min(most, tokensLeft - 1)
        var found: [Int32] = []
        if let constraint, most > 0 {
            let fixed = constraint.fixedBytes(most: 4 * most)
            if fixed.count > 1 {
                found = plan.tokenizer.encode(String(decoding: fixed, as: UTF8.self)).prefix(most).map(Int32.init)
            }
        }
        looksUp = found.isEmpty
        if looksUp { found = lookup.guess(after: sequence.tokens + queue, most: most) }
        guesses = found[...]
        guessed = found.count
        return found
    }

    override func receive(_ logits: UnsafeBufferPointer<Float>, from engine: InferenceEngine) -> Bool {
        guard let token = choose(logits) else { return false }
        if guesses.first == token {
            guesses.removeFirst()
            sequence.append([token])
            return true
        }
        if guessed > 0, looksUp { lookup.learn(guessed: guessed, right: guessed - guesses.count) }
        guesses = []
        guessed = 0
        queue = [token]
        appendForcedTokens()
        return false
    }

    /// Where the grammar leaves one token, no logits are needed to choose it: it passes through the model with the next.
    private func appendForcedTokens() {
        guard plan.options.topLogProbabilities == nil else { return }
        while let constraint, !constraint.isFinished {
            let next = constraint.mask(tokensLeft: tokensLeft, ends: plan.ends)
            guard let token = Self.onlyToken(next), !plan.ends.contains(token) else {
                mask = next
                return
            }
            sampler.passOver()
            sample.ids.append(token)
            bytes += plan.tokenizer.decodeBytes([Int(token)])
            guard goesOn(after: token) else { return }
            queue.append(token)
            silent += 1
        }
    }

    private static func onlyToken(_ mask: [UInt64]) -> Int32? {
        var found: Int32?
        for (index, word) in mask.enumerated() where word != 0 {
            guard found == nil, word.nonzeroBitCount == 1 else { return nil }
            found = Int32(index * 64 + word.trailingZeroBitCount)
        }
        return found
    }

    /// Chooses and records the next token.
    /// - Returns: nil when the sample has ended, with that token or without one.
    private func choose(_ logits: UnsafeBufferPointer<Float>) -> Int32? {
        guard tokensLeft > 0 else {
            end(.length)
            return nil
        }
        if let constraint {
            if constraint.isFinished {
                end(.stop)
                return nil
            }
            if mask == nil { mask = constraint.mask(tokensLeft: tokensLeft, ends: plan.ends) }
        }
        defer { mask = nil }
        guard let token = sampler.choose(logits, recent: sequence.tokens[...], mask: mask) else {
            // No token of the vocabulary continues the output, which can only be where it may end.
            end(constraint?.mayEnd == true ? .stop : .length)
            return nil
        }
        if plan.ends.contains(token) {
            end(.stop)
            return nil
        }
        record(token, logits)
        return goesOn(after: token) ? token : nil
    }

    /// Moves on behind a recorded token.
    /// - Returns: false when the sample has ended.
    private func goesOn(after token: Int32) -> Bool {
        constraint?.advance(token)
        if let stop = stopPlace() {
            cut(at: stop)
            end(.stop)
            return false
        }
        deliver(all: false)
        if constraint?.isFinished == true {
            end(.stop)
            return false
        }
        if tokensLeft <= 0 {
            end(constraint?.mayEnd == true ? .stop : .length)
            return false
        }
        return true
    }

    private func record(_ token: Int32, _ logits: UnsafeBufferPointer<Float>) {
        let written = plan.tokenizer.decodeBytes([Int(token)])
        if let top = plan.options.topLogProbabilities {
            sample.tokens.append(
                TokenLogProbability(
                    text: String(decoding: written, as: UTF8.self),
                    logProbability: logProbability(of: token, in: logits), byteOffset: bytes.count,
                    top: mostProbable(top, in: logits).map { entry in
                        .init(
                            text: plan.tokenizer.decode([Int(entry.id)], showingSpecials: true),
                            logProbability: entry.logProbability)
                    }))
        }
        sample.ids.append(token)
        bytes += written
    }

    /// Where a stop text begins in what has not been handed on: the beginning of one is never handed on.
    private func stopPlace() -> Int? {
        var first: Int?
        for stop in stops where bytes.count - delivered >= stop.count {
            for at in delivered...(bytes.count - stop.count) where bytes[at..<at + stop.count].elementsEqual(stop) {
                first = min(first ?? at, at)
                break
            }
        }
        return first
    }

    /// Takes the stop text off; tokens that lie wholly behind the cut go from the text's tokens, not from the ids.
    private func cut(at place: Int) {
        bytes.removeLast(bytes.count - place)
        sample.tokens.removeAll { $0.byteOffset >= place }
    }

    /// Hands on what is whole UTF-8 and cannot become part of a stop text.
    private func deliver(all: Bool) {
        var end = bytes.count
        if !all {
            for stop in stops {
                for length in stride(from: min(stop.count - 1, bytes.count), to: 0, by: -1)
                where bytes[(bytes.count - length)...].elementsEqual(stop[..<length]) {
                    end = min(end, bytes.count - length)
                    break
                }
            }
            end = Self.wholeCharacters(bytes, end)
        }
        guard end > delivered else { return }
        onText(String(decoding: bytes[delivered..<end], as: UTF8.self))
        delivered = end
    }

    /// The length of the longest beginning that does not end within a character.
    private static func wholeCharacters(_ bytes: [UInt8], _ end: Int) -> Int {
        var start = end
        while start > 0, end - start < 4 {
            start -= 1
            let byte = bytes[start]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            return start + length <= end ? end : start
        }
        return end
    }
}

/// Adds up the log-probabilities of given tokens.
final class ScoringJob: SequenceJob {
    private let targets: [Int32]
    private var next: Int
    private var sum: Double
    private let control: RequestControl
    private let onEnd: (Result<Double, any Error>) -> Void

    /// - Parameter first: the log-probability of the first target, which the prompt's own logits gave.
    init(
        sequence: CachedSequence, targets: [Int32], first: Double, control: RequestControl,
        onEnd: @escaping (Result<Double, any Error>) -> Void
    ) {
        self.targets = targets
        next = 1
        sum = first
        self.control = control
        self.onEnd = onEnd
        super.init(sequence: sequence, queue: targets.dropLast()[...], silent: 0)
    }

    override var withdrawal: (any Error)? { control.withdrawal }

    override func receive(_ logits: UnsafeBufferPointer<Float>, from engine: InferenceEngine) -> Bool {
        sum += logProbability(of: targets[next], in: logits)
        next += 1
        isDone = next == targets.count
        return !isDone
    }

    override func finish() { onEnd(failure.map { .failure($0) } ?? .success(sum)) }
}
