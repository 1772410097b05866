// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import TensorMath
import Text

/// How alike the samples of one continuation are: an m × m matrix, row by row, with ones on the diagonal.
public struct SampleSimilarity: Sendable, Hashable {
    /// The number of samples.
    public let count: Int
    /// `values[i * count + j]`: how far sample j follows from, or equals, sample i; 0 to 1.
    public var values: [Double]
    /// Whether i and j mean the same, for the measures that count meanings.
    public var sameMeaning: [Bool]

    /// Takes a matrix; it is made symmetric, (W + Wᵀ)/2.
    /// - Parameters:
    ///   - values: count × count numbers, row by row.
    ///   - sameMeaning: the equivalence of samples; nil takes pairs that are at least half alike.
    public init(count: Int, values: [Double], sameMeaning: [Bool]? = nil) {
        precondition(values.count == count * count, "a similarity matrix is square")
        self.count = count
        self.values = values
        for i in 0..<count {
            self.values[i * count + i] = 1
            for j in 0..<i {
                let mean = (values[i * count + j] + values[j * count + i]) / 2
                self.values[i * count + j] = mean
                self.values[j * count + i] = mean
            }
        }
        self.sameMeaning = sameMeaning ?? self.values.map { $0 >= 0.5 }
    }

    /// The same samples, of which some agree with none, not even with each other: those that answer nothing.
    func setting(apart abstaining: [Bool]) -> SampleSimilarity {
        guard abstaining.contains(true), abstaining.count == count else { return self }
        var result = self
        for i in 0..<count {
            for j in 0..<count where i != j && (abstaining[i] || abstaining[j]) {
                result.values[i * count + j] = 0
                result.sameMeaning[i * count + j] = false
            }
        }
        return result
    }

    /// The Jaccard index of the samples' lower-cased words: shared over all. Two empty samples are the same.
    public static func jaccard(_ samples: [String]) -> SampleSimilarity {
        let sets = samples.map { Set($0.lowercased().split(whereSeparator: \.isWhitespace)) }
        let m = samples.count
        var values = [Double](repeating: 1, count: m * m)
        for i in 0..<m {
            for j in 0..<i {
                let shared = sets[i].intersection(sets[j]).count
                let all = sets[i].count + sets[j].count - shared
                let value = all == 0 ? 1 : Double(shared) / Double(all)
                values[i * m + j] = value
                values[j * m + i] = value
            }
        }
        return SampleSimilarity(count: m, values: values)
    }

    /// The cosine of the samples' vectors, negative ones as 0.
    public static func cosine(_ vectors: [[Float]]) -> SampleSimilarity {
        let m = vectors.count
        var values = [Double](repeating: 1, count: m * m)
        for i in 0..<m {
            for j in 0..<m where i != j { values[i * m + j] = max(0, Similarity.cosine(vectors[i], vectors[j])) }
        }
        // Sentence vectors of one topic are alike anyway; the same meaning needs more.
        return SampleSimilarity(count: m, values: values, sameMeaning: values.map { $0 >= 0.85 })
    }

    /// A model as entailment judge: asked for each ordered pair of different samples whether the second follows.
    ///
    /// m(m-1) calls at most; equal samples are judged once.
    public static func entailment(
        _ samples: [String], question: String, context: StepContext
    ) async throws -> SampleSimilarity {
        let m = samples.count
        var distinct: [String] = []
        let places = samples.map { sample -> Int in
            let key = sample.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
            if let index = distinct.firstIndex(of: key) { return index }
            distinct.append(key)
            return distinct.count - 1
        }
        var pairs: [(Int, Int)] = []
        for i in distinct.indices { for j in distinct.indices where i != j { pairs.append((i, j)) } }
        let fence = Fence(seed: context.random.state, salt: context.fenceSalt, call: "entailment")
        var options = SamplingOptions(temperature: 0, maxTokens: 4)
        if context.modelCapabilities?.constraints == true { options.constraint = .choices(["yes", "no", "unclear"]) }
        let requests = pairs.map { [options] i, j in
            ModelRequest(
                messages: [
                    ChatMessage(
                        role: .system,
                        content: "You judge entailment. Does the first answer to the question imply the second? "
                            + "Reply with one word: yes, no or unclear. " + Fence.note),
                    ChatMessage(
                        role: .user,
                        content: "Question: \(question)\n"
                            + fence.wrap("First: \(distinct[i])\nSecond: \(distinct[j])", source: "two answers")),
                ], toolChoice: .none, options: options)
        }
        let responses = try await context.respond(toAll: requests, purpose: "entailment")
        let k = distinct.count
        var judged = [Double](repeating: 1, count: k * k)
        for (pair, response) in zip(pairs, responses) {
            let word = response.completions.first?.message.content.lowercased() ?? ""
            judged[pair.0 * k + pair.1] = word.hasPrefix("yes") ? 1 : word.hasPrefix("no") ? 0 : 0.5
        }
        var values = [Double](repeating: 1, count: m * m)
        var same = [Bool](repeating: true, count: m * m)
        for i in 0..<m {
            for j in 0..<m {
                values[i * m + j] = judged[places[i] * k + places[j]]
                same[i * m + j] = judged[places[i] * k + places[j]] > 0.5 && judged[places[j] * k + places[i]] > 0.5
            }
        }
        return SampleSimilarity(count: m, values: values, sameMeaning: same)
    }
}
