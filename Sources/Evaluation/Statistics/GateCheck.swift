// SPDX-License-Identifier: Apache-2.0

public import Base
public import OrderedCollections
import TensorMath
import Text

/// How a gate behaves on the questions of a real run: how often noise alone closes it, and how small a loss it sees.
///
/// The run must have several seeds. In a null comparison two seeds of one configuration stand against each other, so that
/// nothing but noise tells them apart; a gate of level 0.05 may close in one of twenty. For the power of the gate each
/// answer of the second side is spoiled with a known probability.
public struct GateCheck: Sendable {
    /// Comparisons and how many of them closed the gate.
    public struct Count: Sendable, Hashable {
        public var closed = 0
        public var comparisons = 0
        public var share: Double { comparisons > 0 ? Double(closed) / Double(comparisons) : 0 }

        /// Wilson's 95% interval of the share (Wilson 1927).
        public var interval: (lower: Double, upper: Double) {
            let n = Double(max(1, comparisons))
            let z = 1.959963984540054
            let middle = (share + z * z / (2 * n)) / (1 + z * z / n)
            let half = z / (1 + z * z / n) * (share * (1 - share) / n + z * z / (4 * n * n)).squareRoot()
            return (max(0, middle - half), min(1, middle + half))
        }
    }

    public var configuration: RunConfiguration
    public var gated: [String]
    public var alpha: Double
    /// Questions in each comparison.
    public var questions: Int
    public var seeds: Int
    /// Comparisons of nothing but noise.
    public var null = Count()
    /// Of the null comparisons, those in which the two sides were not equal on every question.
    public var differing = 0
    /// By the share of answers that were spoiled.
    public var power: OrderedDictionary<Double, Count> = [:]

    /// Checks a gate.
    /// - Parameters:
    ///   - records: one configuration with two seeds or more.
    ///   - comparisons: how many null comparisons, and how many of each loss.
    ///   - questions: how many questions each comparison draws; nil takes all.
    ///   - losses: shares of answers to spoil, 0...1.
    /// - Throws: `JSONError` when the records have fewer than two seeds.
    public init(
        _ records: [RunRecord], gated: [String] = ["f1"], alpha: Double = 0.05, comparisons: Int = 200,
        questions: Int? = nil, losses: [Double] = [0.05, 0.1, 0.2], resamples: Int = 2000, seed: UInt64 = 1
    ) throws {
        configuration = records.first?.configuration ?? RunConfiguration(set: "", policy: "", model: "")
        self.gated = gated
        self.alpha = alpha
        var byQuestion: OrderedDictionary<String, [UInt64: RunRecord]> = [:]
        for record in records.sorted(by: { $0.key < $1.key }) {
            byQuestion[record.key.set + "\u{0}" + record.key.question, default: [:]][record.key.seed] = record
        }
        let all = Set(records.map(\.key.seed)).sorted()
        // Only questions that every seed has: else the two sides are not exchangeable.
        let pool = byQuestion.values.filter { $0.count == all.count }
        seeds = all.count
        guard all.count > 1, !pool.isEmpty else {
            throw JSONError(
                message:
                    "a check of the gate needs a run with two seeds or more on the same questions, found \(all.count)")
        }
        self.questions = min(pool.count, max(1, questions ?? pool.count))
        var random = SplitMix64(seed: seed)
        /// Two different seeds on drawn questions.
        func sides(_ random: inout SplitMix64) -> (a: [RunRecord], b: [RunRecord]) {
            let first = random.integer(below: all.count)
            let second = (first + 1 + random.integer(below: all.count - 1)) % all.count
            var order = Array(pool.indices)
            for index in 0..<self.questions {
                order.swapAt(index, index + random.integer(below: order.count - index))
            }
            let drawn = order.prefix(self.questions).map { pool[$0] }
            return (drawn.compactMap { $0[all[first]] }, drawn.compactMap { $0[all[second]] })
        }
        func isClosed(_ a: [RunRecord], _ b: [RunRecord], _ trial: Int) -> Bool {
            RunComparison(
                a: a, b: b, gated: gated, alpha: alpha, resamples: resamples, seed: seed &+ UInt64(trial),
                onlyGated: true
            ).isWorse
        }
        for trial in 0..<max(0, comparisons) {
            let (a, b) = sides(&random)
            null.comparisons += 1
            if zip(a, b).contains(where: { left, right in gated.contains { left.scores[$0] != right.scores[$0] } }) {
                differing += 1
            }
            if isClosed(a, b, trial) { null.closed += 1 }
        }
        for loss in losses {
            var count = Count()
            for trial in 0..<max(0, comparisons) {
                let (a, drawn) = sides(&random)
                var b = drawn
                for index in b.indices where random.uniform() < loss {
                    for name in gated where b[index].scores[name] != nil { b[index].scores[name] = 0 }
                }
                count.comparisons += 1
                if isClosed(a, b, trial) { count.closed += 1 }
            }
            power[loss] = count
        }
    }

    /// The check as a Markdown table.
    public var markdown: String {
        func row(_ name: String, _ count: Count) -> String {
            let (lower, upper) = count.interval
            return
                "| \(name) | \(count.comparisons) | \(count.closed) | \(fixed(100 * count.share, 1))% | \(fixed(100 * lower, 1))% … \(fixed(100 * upper, 1))% |"
        }
        var lines = [
            "\(configuration), gate \(gated.joined(separator: ", ")) at level \(alpha), \(questions) questions a comparison, \(seeds) seeds",
            "", "| what B is | comparisons | gate closed | share | 95% interval |", "| --- | --: | --: | --: | --- |",
            row("another seed (noise alone; the sides differ in \(differing))", null),
        ]
        for (loss, count) in power { lines.append(row("\(fixed(100 * loss, 0))% of its answers lost", count)) }
        return lines.joined(separator: "\n") + "\n"
    }

    /// The check for machines.
    public var json: JSONValue {
        func value(_ count: Count) -> JSONValue {
            [
                "comparisons": .integer(count.comparisons), "closed": .integer(count.closed),
                "share": .number(count.share), "lower": .number(count.interval.lower),
                "upper": .number(count.interval.upper),
            ]
        }
        return [
            "configuration": .string(configuration.description),
            "gate": .array(gated.map(JSONValue.string)), "alpha": .number(alpha),
            "questions": .integer(questions), "seeds": .integer(seeds), "null": value(null),
            "differing": .integer(differing),
            "power": .array(
                power.map { loss, count in ["loss": .number(loss), "result": value(count)] }),
        ]
    }
}
