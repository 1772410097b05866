// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

/// The comparison of two runs on the questions that both have: a gate for CI.
public struct RunComparison: Sendable {
    /// One measure compared.
    public struct Measure: Sendable {
        public var name: String
        public var paired: PairedComparison
        /// For right-or-wrong measures without repeated seeds.
        public var mcNemar: McNemarTest?
        /// The one-sided p-value against "B is not worse", corrected for the number of gated measures (Holm).
        public var adjustedPWorse: Double
        /// Whether the measure decides the gate.
        public var isGated: Bool
        /// Whether less of it is better, as of calls and seconds.
        public var lessIsBetter: Bool { RunComparison.lessIsBetter.contains(name) }
    }

    /// The measures of which less is better.
    public static let lessIsBetter: Set<String> = [
        "false_refusal", "tool_calls", "model_calls", "tokens", "cost", "seconds",
    ]

    public var a: RunConfiguration
    public var b: RunConfiguration
    /// Questions that both runs have.
    public var shared: Int
    /// Questions of one run only; they are not compared.
    public var onlyA: Int
    public var onlyB: Int
    /// Shared questions left out because a run of them is incomplete.
    public var incomplete: Int
    public var measures: [Measure]
    /// The level of the gate.
    public var alpha: Double

    /// Whether B is significantly worse than A on a gated measure.
    public var isWorse: Bool { measures.contains { $0.isGated && $0.adjustedPWorse < alpha } }

    /// Compares two configurations.
    ///
    /// An error counts as a score of 0: a system that crashes is worse. An incomplete run is left out with its question.
    /// - Parameters:
    ///   - gated: the measures that decide; default `f1` alone. Several are corrected by Holm's method.
    ///   - alpha: how often the gate may raise a false alarm. Default 0.05.
    ///   - onlyGated: whether the other measures are left out.
    public init(
        a: [RunRecord], b: [RunRecord], gated: [String] = ["f1"], alpha: Double = 0.05, resamples: Int = 10_000,
        seed: UInt64 = 1, onlyGated: Bool = false
    ) {
        self.a = a.first?.configuration ?? RunConfiguration(set: "", policy: "", model: "")
        self.b = b.first?.configuration ?? RunConfiguration(set: "", policy: "", model: "")
        self.alpha = alpha
        let groupA = Dictionary(grouping: a) { QuestionKey(set: $0.key.set, question: $0.key.question) }
        let groupB = Dictionary(grouping: b) { QuestionKey(set: $0.key.set, question: $0.key.question) }
        let common = groupA.keys.filter { groupB[$0] != nil }.sorted()
        shared = common.count
        onlyA = groupA.count - common.count
        onlyB = groupB.count - common.count
        var names: OrderedSet<String> = []
        for record in a + b { names.formUnion(record.scores.keys) }
        let effort = Self.efforts.keys.filter { name in (a + b).contains { (Self.efforts[name]?($0) ?? 0) > 0 } }
        names.formUnion(effort)
        if onlyGated { names.formIntersection(gated) }
        func isIncomplete(_ key: QuestionKey) -> Bool {
            ((groupA[key] ?? []) + (groupB[key] ?? [])).contains { $0.outcome.status == .incomplete }
        }
        let complete = common.filter { !isIncomplete($0) }
        incomplete = common.count - complete.count
        measures = []
        for name in names {
            var valuesA: [Double] = []
            var valuesB: [Double] = []
            for key in complete {
                let recordsA = groupA[key] ?? []
                let recordsB = groupB[key] ?? []
                // A measure that a question does not have (recall without gold) is missing on both sides.
                guard (recordsA + recordsB).contains(where: { Self.value(name, $0) != nil }) else { continue }
                valuesA.append(Self.mean(recordsA, name))
                valuesB.append(Self.mean(recordsB, name))
            }
            guard !valuesA.isEmpty else { continue }
            let binary = (valuesA + valuesB).allSatisfy { $0 == 0 || $0 == 1 } && !Self.efforts.keys.contains(name)
            var paired = PairedComparison(a: valuesA, b: valuesB, resamples: resamples, seed: seed)
            if Self.lessIsBetter.contains(name) {
                paired.pWorse =
                    PairedComparison(a: valuesB, b: valuesA, resamples: resamples, seed: seed).pWorse
            }
            measures.append(
                Measure(
                    name: name, paired: paired,
                    mcNemar: binary ? McNemarTest(a: valuesA.map { $0 == 1 }, b: valuesB.map { $0 == 1 }) : nil,
                    adjustedPWorse: 1, isGated: gated.contains(name)))
        }
        let gatedIndices = measures.indices.filter { measures[$0].isGated }
        let adjusted = holmAdjusted(gatedIndices.map { measures[$0].paired.pWorse })
        for (index, value) in zip(gatedIndices, adjusted) { measures[index].adjustedPWorse = value }
    }

    private struct QuestionKey: Hashable, Comparable {
        var set: String
        var question: String

        static func < (left: QuestionKey, right: QuestionKey) -> Bool {
            (left.set, left.question) < (right.set, right.question)
        }
    }

    /// What a run took, by measure.
    private static let efforts: OrderedDictionary<String, @Sendable (RunRecord) -> Double> = [
        "tool_calls": { Double($0.outcome.toolCalls) }, "model_calls": { Double($0.outcome.modelCalls) },
        "tokens": { Double($0.outcome.promptTokens + $0.outcome.completionTokens) }, "cost": { $0.outcome.cost },
        "seconds": { $0.outcome.seconds },
    ]

    private static func value(_ measure: String, _ record: RunRecord) -> Double? {
        efforts[measure]?(record) ?? record.scores[measure]
    }

    private static func mean(_ records: [RunRecord], _ measure: String) -> Double {
        records.reduce(0) { $0 + (value(measure, $1) ?? 0) } / Double(max(1, records.count))
    }

    /// The comparison as a Markdown table.
    public var markdown: String {
        var lines = [
            "A: \(a)", "B: \(b)", "",
            "\(shared) shared questions" + (onlyA + onlyB > 0 ? ", \(onlyA) only in A, \(onlyB) only in B" : "")
                + (incomplete > 0 ? ", \(incomplete) left out as incomplete" : ""), "",
            "| measure | n | A | B | B - A | 95% interval | p | p worse | McNemar (A only / B only) |",
            "| --- | --: | --: | --: | --: | --- | --: | --: | --- |",
        ]
        for measure in measures {
            let paired = measure.paired
            let mcNemar = measure.mcNemar.map { "\($0.onlyA) / \($0.onlyB), p \(fixed($0.pValue, 4))" } ?? ""
            lines.append(
                "| \(measure.name)\(measure.isGated ? " (gate)" : "") | \(paired.count) | \(fixed(paired.meanA, 4)) | "
                    + "\(fixed(paired.meanB, 4)) | \(fixed(paired.difference.mean, 4)) | "
                    + "\(fixed(paired.difference.lower, 4)) … \(fixed(paired.difference.upper, 4)) | "
                    + "\(fixed(paired.pValue, 4)) | "
                    + "\(fixed(measure.isGated ? measure.adjustedPWorse : paired.pWorse, 4)) | \(mcNemar) |")
        }
        lines += [
            "",
            isWorse ? "B is significantly worse (level \(alpha))." : "B is not significantly worse (level \(alpha)).",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    /// The comparison for machines.
    public var json: JSONValue {
        [
            "a": .string(a.description), "b": .string(b.description), "shared": .integer(shared),
            "only_a": .integer(onlyA), "only_b": .integer(onlyB), "incomplete": .integer(incomplete),
            "alpha": .number(alpha), "worse": .bool(isWorse),
            "measures": .array(
                measures.map { measure in
                    var members: JSONObject = [
                        "name": .string(measure.name), "n": .integer(measure.paired.count),
                        "a": .number(measure.paired.meanA), "b": .number(measure.paired.meanB),
                        "difference": .number(measure.paired.difference.mean),
                        "lower": .number(measure.paired.difference.lower),
                        "upper": .number(measure.paired.difference.upper), "p": .number(measure.paired.pValue),
                        "p_worse": .number(measure.isGated ? measure.adjustedPWorse : measure.paired.pWorse),
                        "gated": .bool(measure.isGated),
                    ]
                    if let test = measure.mcNemar {
                        members["mcnemar"] = [
                            "only_a": .integer(test.onlyA), "only_b": .integer(test.onlyB), "p": .number(test.pValue),
                        ]
                    }
                    return .object(members)
                }),
        ]
    }
}

/// A number with so many decimals, whatever the locale.
func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite else { return "–" }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let rounded = (abs(value) * scale).rounded()
    guard rounded < 9e15 else { return "\(value)" }
    var digits = String(Int(rounded))
    while digits.count <= decimals { digits = "0" + digits }
    let sign = value < 0 && rounded > 0 ? "-" : ""
    return decimals == 0 ? sign + digits : sign + digits.dropLast(decimals) + "." + digits.suffix(decimals)
}
