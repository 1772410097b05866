// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import QualityMetrics
import Text

/// A run as people and machines read it: Markdown, one HTML page, JSON.
public struct Report: Sendable {
    public var name: String
    public var fingerprint: RunFingerprint
    public var records: [RunRecord]
    public var summaries: [RunSummary]

    /// Sums up a run.
    public init(
        name: String, fingerprint: RunFingerprint, records: [RunRecord], resamples: Int = Bootstrap.defaultResamples
    ) {
        self.name = name
        self.fingerprint = fingerprint
        self.records = records
        summaries = RunSummary.all(records, resamples: resamples)
    }

    /// The measures that the main table shows, where they occur.
    var mainMeasures: [String] {
        [
            "em", "contains", "f1", "verdict", "recall@\(mainCutoff)", "all_gold@\(mainCutoff)", "citation_precision",
            "citation_recall", "k_precision", "k_f1", "alce_recall", "alce_nli_recall",
            "contrast_consistency",
        ]
    }

    /// The cutoff of the recall that is shown: the largest one up to 5 that the run has, else its least.
    var mainCutoff: Int {
        var cutoffs: Set<Int> = []
        for name in summaries.flatMap(\.means.keys) where name.hasPrefix("recall@") {
            if let cutoff = Int(name.dropFirst(7)) { cutoffs.insert(cutoff) }
        }
        return cutoffs.filter { $0 <= 5 }.max() ?? cutoffs.min() ?? 5
    }

    /// The report for machines.
    public var json: JSONValue {
        [
            "name": .string(name), "fingerprint": fingerprint.json,
            "configurations": .array(summaries.map(\.json)),
            "breakdowns": .array(
                groupings.flatMap { grouping in
                    parts(grouping).map { summary, value in
                        var members = summary.json.object ?? [:]
                        members["by"] = .string(grouping.name)
                        members["group"] = .string(value)
                        return .object(members)
                    }
                }),
        ]
    }

    /// What the questions are told apart by, where that differs among them.
    private struct Grouping {
        var name: String
        var property: (RunRecord) -> String
    }

    private var groupings: [Grouping] {
        [
            Grouping(name: "type", property: { $0.type }),
            Grouping(name: "hops", property: { $0.hops.map(String.init) ?? "" }),
            Grouping(name: "outcome", property: { $0.outcome.stop }),
        ].filter { Set(records.map($0.property)).count > 1 }
    }

    /// The summaries of each configuration's groups.
    private func parts(_ grouping: Grouping) -> [(summary: RunSummary, group: String)] {
        summaries.flatMap { summary in
            Dictionary(
                grouping: records.filter { $0.configuration == summary.configuration }, by: grouping.property
            ).sorted { $0.key < $1.key }.map {
                (RunSummary(summary.configuration, records: $0.value, resamples: 500), $0.key)
            }
        }
    }

    /// The report as Markdown: outcomes, quality with intervals, cost and latency, breakdowns, blame.
    public var markdown: String {
        var text = "# \(name)\n\n"
        for section in sections {
            text += "## \(section.title)\n\n"
            if !section.note.isEmpty { text += section.note + "\n\n" }
            text += "| " + section.header.joined(separator: " | ") + " |\n"
            text += "|" + section.header.indices.map { $0 == 0 ? " --- " : " --: " }.joined(separator: "|") + "|\n"
            for row in section.rows {
                text += "| " + row.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
            }
            text += "\n"
        }
        text += "## What was run\n\n"
        for (part, value) in fingerprint.parts { text += "- \(part): `\(value)`\n" }
        return text
    }

    /// One table.
    struct Section {
        var title: String
        var note = ""
        var header: [String]
        var rows: [[String]]
    }

    var sections: [Section] {
        var result = [outcomes, quality, effort]
        result += groupings.map(breakdown)
        result.append(blame)
        if summaries.contains(where: { $0.refusals.unanswerable > 0 }) { result.append(refusal) }
        if summaries.contains(where: { !$0.confidence.isEmpty }) { result.append(calibration) }
        return result
    }

    private var outcomes: Section {
        Section(
            title: "Outcomes",
            note: """
                Wrong, limit, error and incomplete are different things: errors and incomplete runs have no score. \
                Unsupported are the answers, right or wrong, that nothing which was found bears out.
                """,
            header: ["configuration", "questions", "runs", "right", "wrong", "unsupported"]
                + RunStatus.allCases.map(\.rawValue),
            rows: summaries.map { summary in
                let scored = (summary.statuses[.answered] ?? 0) + (summary.statuses[.limit] ?? 0)
                return [
                    summary.configuration.description, String(summary.questions), String(summary.runs),
                    String(scored - summary.wrong), String(summary.wrong), String(summary.unsupported),
                ] + RunStatus.allCases.map { String(summary.statuses[$0] ?? 0) }
            })
    }

    private var quality: Section {
        let names = mainMeasures.filter { name in summaries.contains { $0.means[name] != nil } }
        return Section(
            title: "Quality", note: "Means over questions with 95% bootstrap intervals.",
            header: ["configuration"] + names,
            rows: summaries.map { summary in
                [summary.configuration.description] + names.map { Self.interval(summary.means[$0]) }
            })
    }

    private var effort: Section {
        Section(
            title: "Effort",
            header: [
                "configuration", "tool calls", "model calls", "tokens", "cost", "seconds p50", "p90", "p99",
            ],
            rows: summaries.map { summary in
                [
                    summary.configuration.description, fixed(summary.toolCalls.mean, 2),
                    fixed(summary.modelCalls.mean, 2), fixed(summary.tokens.mean, 0), fixed(summary.cost.mean, 5),
                    fixed(summary.seconds.quantile(0.5), 3), fixed(summary.seconds.quantile(0.9), 3),
                    fixed(summary.seconds.quantile(0.99), 3),
                ]
            })
    }

    private func breakdown(_ grouping: Grouping) -> Section {
        let names = ["em", "f1", "recall@\(mainCutoff)", "all_gold@\(mainCutoff)"].filter { name in
            summaries.contains { $0.means[name] != nil }
        }
        let rows = parts(grouping).map { part, value in
            [part.configuration.description, value.isEmpty ? "–" : value, String(part.questions)]
                + names.map { Self.interval(part.means[$0]) }
        }
        return Section(
            title: "By \(grouping.name)", header: ["configuration", "group", "questions"] + names, rows: rows)
    }

    private var blame: Section {
        Section(
            title: "Retriever or reader",
            note:
                "Where wrong answers lost the gold evidence first: not retrieved, not kept, not cited, or read wrongly.",
            header: ["configuration"] + Blame.allCases.map { $0.rawValue.replacing("_", with: " ") },
            rows: summaries.map { summary in
                [summary.configuration.description] + Blame.allCases.map { String(summary.blame[$0] ?? 0) }
            })
    }

    private var refusal: Section {
        func percent(_ value: Double?) -> String { value.map { fixed($0, 3) } ?? "–" }
        return Section(
            title: "Unanswerable questions",
            header: ["configuration", "unanswerable", "refused", "made up", "false refusals", "refusal precision"],
            rows: summaries.map { summary in
                let rates = summary.refusals
                return [
                    summary.configuration.description, String(rates.unanswerable), percent(rates.refusalRecall),
                    percent(rates.hallucinationRate), percent(rates.falseRefusalRate), percent(rates.refusalPrecision),
                ]
            })
    }

    private var calibration: Section {
        Section(
            title: "Calibration", header: ["configuration", "n", "ECE", "Brier", "AUROC", "AURC"],
            rows: summaries.filter { !$0.confidence.isEmpty }.map { summary in
                [
                    summary.configuration.description, String(summary.confidence.count),
                    fixed(
                        CalibrationMetrics.expectedCalibrationError(
                            confidence: summary.confidence, correct: summary.correct), 3),
                    fixed(
                        CalibrationMetrics.brierScore(confidence: summary.confidence, correct: summary.correct), 3),
                    CalibrationMetrics.areaUnderROC(confidence: summary.confidence, correct: summary.correct).map {
                        fixed($0, 3)
                    } ?? "–",
                    CalibrationMetrics.areaUnderRiskCoverage(
                        confidence: summary.confidence, correct: summary.correct
                    ).map { fixed($0, 3) } ?? "–",
                ]
            })
    }

    static func interval(_ mean: MeanInterval?) -> String {
        guard let mean, mean.count > 0 else { return "–" }
        return "\(fixed(mean.mean, 3)) (\(fixed(mean.lower, 3))–\(fixed(mean.upper, 3)))"
    }
}
