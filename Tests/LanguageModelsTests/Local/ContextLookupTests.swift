// SPDX-License-Identifier: Apache-2.0

import Base
import Testing
import Text

@testable import LanguageModels

struct ContextLookupTests {
    /// What a request becomes, and how many passes of the weights it took.
    private func run(
        _ model: LocalModel, _ prompt: [Int], _ options: SamplingOptions
    ) async throws -> (completions: [Completion], passes: Int) {
        let before = await passes(of: model)
        let completions = try await model.complete(prompt: prompt, options: options)
        return (completions, await passes(of: model) - before)
    }

    private func passes(of model: LocalModel) async -> Int {
        await withCheckedContinuation { continuation in
            model.engine.enqueue { continuation.resume(returning: $0.pass?.passes ?? 0) }
        }
    }

    private func models(_ type: Int) throws -> (guessing: LocalModel, plain: LocalModel) {
        var tiny = TinyModel()
        tiny.type = type
        return (try tiny.open(), try tiny.open(guesses: false))
    }

    /// Greedy, sampled, penalised and several samples at once: token for token the same, and fewer passes.
    @Test(arguments: [0, 3]) func guessesNeverChangeWhatIsWritten(type: Int) async throws {
        let (guessing, plain) = try models(type)
        let prompt = guessing.tokenizer.encode("the other thin one, the other thin one, then the other thin one, the ")
        var all: [SamplingOptions] = [
            SamplingOptions(temperature: 0, maxTokens: 120),
            SamplingOptions(temperature: 0, repetitionPenalty: 1.3, maxTokens: 60),
            SamplingOptions(temperature: 0.3, seed: 5, maxTokens: 60, samples: 3),
            SamplingOptions(temperature: 0, maxTokens: 40, topLogProbabilities: 2),
        ]
        all += (0..<6).map { SamplingOptions(temperature: 0.15, topP: 0.9, seed: UInt64($0), maxTokens: 80) }
        var (guessed, without) = (0, 0)
        for options in all {
            let ours = try await run(guessing, prompt, options)
            let theirs = try await run(plain, prompt, options)
            #expect(ours.completions == theirs.completions)
            guessed += ours.passes
            without += theirs.passes
        }
        // A model of random weights repeats itself when it is greedy.
        #expect(guessed < without)
    }

    @Test func aGrammarsTextIsGuessedAndItsOnlyTokensCostNoPass() async throws {
        let (guessing, plain) = try models(0)
        let prompt = guessing.tokenizer.encode("the answer: ")
        let constraints: [OutputConstraint] = [
            .choices(["QQZZ##QQZZ##QQZZ##", "WW##VV##WW##VV##"]),
            .jsonSchema([
                "type": "object", "properties": ["thermometer": ["type": "integer"], "other": ["type": "boolean"]],
                "required": ["thermometer", "other"], "additionalProperties": false,
            ]),
        ]
        for constraint in constraints {
            for seed in 0..<4 {
                let options = SamplingOptions(
                    temperature: seed == 0 ? 0 : 1, seed: UInt64(seed), maxTokens: 80, constraint: constraint)
                let ours = try await run(guessing, prompt, options)
                let theirs = try await run(plain, prompt, options)
                #expect(ours.completions == theirs.completions)
                #expect(ours.passes <= theirs.passes)
                // With log-probabilities every token has its row of logits.
                var scored = options
                scored.topLogProbabilities = 0
                let full = try await run(plain, prompt, scored)
                #expect(full.completions.map(\.tokenIDs) == ours.completions.map(\.tokenIDs))
                #expect(full.completions.map(\.message) == ours.completions.map(\.message))
                let tokens = try #require(ours.completions.first?.tokenIDs.count)
                #expect(full.passes >= tokens)
                #expect(theirs.passes < tokens)
            }
        }
    }

    @Test func whatFollowedBeforeIsGuessed() {
        var lookup = ContextLookup()
        #expect(lookup.guess(after: [1, 2, 3, 4, 5, 9, 1, 2, 3], most: 7) == [4, 5, 9])
        #expect(lookup.guess(after: [1, 2, 3, 4, 5, 9, 1, 2, 3], most: 2) == [4, 5])
        #expect(lookup.guess(after: [1, 2, 3, 4, 5, 9, 1, 2, 3, 8], most: 7) == [])
        // Two tokens are enough; the latest place counts; a repetition goes on.
        var repeating = ContextLookup()
        #expect(repeating.guess(after: [7, 8, 1, 7, 8, 2, 7, 8], most: 7) == [2, 7, 8])
        #expect(ContextLookup().guessing(after: [5, 6, 5, 6, 5, 6], most: 7) == [5, 6, 5])
    }

    @Test func guessesThatFailAreMadeLessOften() {
        var lookup = ContextLookup()
        let text: [Int32] = Array(repeating: [1, 2, 3], count: 8).flatMap { $0 }
        var made = 0
        for _ in 0..<200 {
            let guess = lookup.guess(after: text, most: 7)
            guard !guess.isEmpty else { continue }
            made += 1
            lookup.learn(guessed: guess.count, right: 0)
        }
        #expect(made < 12)
        lookup = ContextLookup()
        for _ in 0..<4 { lookup.learn(guessed: lookup.guess(after: text, most: 7).count, right: 3) }
        let first = lookup.guess(after: text, most: 7).count
        lookup.learn(guessed: first, right: first)
        #expect(lookup.guess(after: text, most: 7).count > 3)
    }
}

extension ContextLookup {
    fileprivate func guessing(after text: [Int32], most: Int) -> [Int32] {
        var lookup = self
        return lookup.guess(after: text, most: most)
    }
}
