// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import QualityMetrics

extension Report {
    /// The report as one HTML page that loads nothing: tables and SVG plots. Texts of models and corpora are escaped.
    public var html: String {
        var body = "<h1>\(name.htmlEscaped)</h1>\n"
        let plots = qualityAgainstCost + [recallByHop, reliability, latency].compactMap { $0 }
        body += "<div class=\"plots\">\n" + plots.joined(separator: "\n") + "\n</div>\n"
        for section in sections {
            body += "<h2>\(section.title.htmlEscaped)</h2>\n"
            if !section.note.isEmpty { body += "<p>\(section.note.htmlEscaped)</p>\n" }
            body +=
                "<table><thead><tr>" + section.header.map { "<th>\($0.htmlEscaped)</th>" }.joined()
                + "</tr></thead><tbody>\n"
            for row in section.rows {
                body += "<tr>" + row.map { "<td>\($0.htmlEscaped)</td>" }.joined() + "</tr>\n"
            }
            body += "</tbody></table>\n"
        }
        body += mistakes
        body += "<h2>What was run</h2>\n<ul>\n"
        for (part, value) in fingerprint.parts {
            body += "<li>\(part.htmlEscaped): <code>\(value.htmlEscaped)</code></li>\n"
        }
        body += "</ul>\n"
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <title>\(name.htmlEscaped)</title>
            <style>
            body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1c2330; background: #fff; }
            table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; display: block; overflow-x: auto; }
            th, td { padding: .3rem .7rem; border-bottom: 1px solid #d9dee7; text-align: right; white-space: nowrap; }
            th:first-child, td:first-child { text-align: left; } td.wide { white-space: normal; text-align: left; min-width: 12rem; }
            thead th { background: #f2f4f8; } .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 400px)); gap: 1.5rem; }
            figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: .3rem; } svg { max-width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #1c2330; }
            @media (prefers-color-scheme: dark) { body { background: #14181f; color: #e4e8ef; } thead th { background: #222936; }
            th, td { border-color: #333c4b; } svg text { fill: #e4e8ef; } svg .axis { stroke: #a3adbd; } }
            </style></head><body>
            \(body)</body></html>

            """
    }

    /// The first wrong answers with what was found, so that a reader can see why.
    private var mistakes: String {
        let wrong = records.filter { $0.isScored && !$0.isRight }.prefix(40)
        guard !wrong.isEmpty else { return "" }
        var text =
            "<h2>Wrong answers</h2>\n<p>The first \(wrong.count) of \(records.count { $0.isScored && !$0.isRight }).</p>\n"
        text +=
            "<table><thead><tr><th>question</th><th>gold</th><th>answer</th><th>policy</th><th>blame</th></tr></thead><tbody>\n"
        for record in wrong {
            let cells = [
                record.question, record.gold.joined(separator: " | "), String(record.outcome.answer.prefix(300)),
                record.key.policy, record.blame.rawValue.replacing("_", with: " "),
            ]
            text += "<tr>" + cells.map { "<td class=\"wide\">\($0.htmlEscaped)</td>" }.joined() + "</tr>\n"
        }
        return text + "</tbody></table>\n"
    }

    // MARK: Plots

    private static let colors = [
        "#2563ad", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#be123c", "#0e7490", "#4b5563",
    ]
    private static func color(_ index: Int) -> String { colors[index % colors.count] }

    /// The measure of quality that the plots show.
    private var mainMeasure: String {
        ["verdict", "f1", "em", "recall@\(mainCutoff)"].first { name in summaries.contains { $0.means[name] != nil } }
            ?? "em"
    }

    /// Quality against what a question takes, one point a configuration with its interval: calls, and tokens and money where
    /// there are any.
    private var qualityAgainstCost: [String] {
        [
            against("calls", "tool and model calls a question", 1) { $0.toolCalls.mean + $0.modelCalls.mean },
            against("tokens", "tokens a question", 0) { $0.tokens.mean },
            against("cost", "cost a question", 5) { $0.cost.mean },
        ].compactMap { $0 }
    }

    private func against(
        _ name: String, _ label: String, _ decimals: Int, _ effort: (RunSummary) -> Double
    ) -> String? {
        let points = summaries.compactMap { summary in
            summary.means[mainMeasure].map { (x: effort(summary), mean: $0, summary) }
        }
        guard let most = points.map(\.x).max(), most > 0 else { return nil }
        let end = most * 1.15
        var plot = Plot(xLabel: label, yLabel: mainMeasure, xMax: end)
        for tick in [0, end / 2, end] { plot.tick(x: tick, fixed(tick, decimals)) }
        for (index, point) in points.enumerated() {
            plot.error(x: point.x, from: point.mean.lower, to: point.mean.upper, color: Self.color(index))
            plot.point(
                x: point.x, y: point.mean.mean, color: Self.color(index),
                title: "\(point.2.configuration): \(fixed(point.mean.mean, 3)) with \(fixed(point.x, decimals)) \(name)"
            )
            plot.legend(point.2.configuration.description, color: Self.color(index), row: index)
        }
        return plot.figure("Quality against \(name)")
    }

    private var recallByHop: String? {
        let measure = "recall@\(mainCutoff)"
        let hops = Set(records.compactMap(\.hops)).sorted()
        guard !hops.isEmpty, summaries.contains(where: { $0.means[measure] != nil }) else { return nil }
        var plot = Plot(xLabel: "hops", yLabel: measure, xMax: Double(hops.count) + 0.5)
        for (place, hop) in hops.enumerated() { plot.tick(x: Double(place) + 0.75, String(hop)) }
        for (index, summary) in summaries.enumerated() {
            let own = records.filter { $0.configuration == summary.configuration }
            var line: [(Double, Double)] = []
            var titles: [String] = []
            for (place, hop) in hops.enumerated() {
                let values = RunSummary.byQuestion(own.filter { $0.hops == hop && $0.isScored }, measure).values
                guard !values.isEmpty else { continue }
                line.append((Double(place) + 0.75, values.reduce(0, +) / Double(values.count)))
                titles.append("\(hop) hops: \(fixed(line[line.count - 1].1, 3)) over \(values.count) questions")
            }
            for (point, title) in zip(line, titles) {
                plot.point(x: point.0, y: point.1, color: Self.color(index), title: title)
            }
            plot.line(line, color: Self.color(index))
            plot.legend(summary.configuration.description, color: Self.color(index), row: index)
        }
        return plot.figure("Recall by hop")
    }

    private var reliability: String? {
        let with = summaries.filter { !$0.confidence.isEmpty }
        guard !with.isEmpty else { return nil }
        var plot = Plot(xLabel: "stated confidence", yLabel: "share right", xMax: 1)
        plot.line([(0, 0), (1, 1)], color: "#9aa3b2")
        for tick in [0.0, 0.5, 1.0] { plot.tick(x: tick, fixed(tick, 1)) }
        for (index, summary) in with.enumerated() {
            let bins = CalibrationMetrics.reliability(confidence: summary.confidence, correct: summary.correct)
                .filter { $0.count > 0 }
            // The area tells how many answers a point stands for: few say little.
            let most = Double(bins.map(\.count).max() ?? 1)
            for bin in bins {
                plot.point(
                    x: bin.meanConfidence, y: bin.accuracy, color: Self.color(index),
                    radius: 2 + 6 * (Double(bin.count) / most).squareRoot(),
                    title: "\(bin.count) answers, \(fixed(100 * bin.accuracy, 0))% right")
            }
            plot.line(bins.map { ($0.meanConfidence, $0.accuracy) }, color: Self.color(index))
            plot.legend(summary.configuration.description, color: Self.color(index), row: index)
        }
        return plot.figure("Calibration")
    }

    private var latency: String? {
        let most = summaries.map { $0.seconds.quantile(0.99) }.max() ?? 0
        guard most > 0 else { return nil }
        var plot = Plot(xLabel: "seconds", yLabel: "share of questions", xMax: most)
        for tick in [0, most / 2, most] { plot.tick(x: tick, fixed(tick, most < 1 ? 3 : 1)) }
        for (index, summary) in summaries.enumerated() {
            let line = stride(from: 0.0, through: 1.0, by: 0.02).map { (min(most, summary.seconds.quantile($0)), $0) }
            plot.line(line, color: Self.color(index))
            plot.legend(summary.configuration.description, color: Self.color(index), row: index)
        }
        return plot.figure("Latency")
    }
}

/// A small SVG plot with y from 0 to 1.
private struct Plot {
    private let xLabel: String
    private let yLabel: String
    private let xMax: Double
    private var marks = ""
    private var rows = 0
    private static let width = 300.0
    private static let height = 200.0
    private static let left = 40.0
    private static let top = 26.0

    init(xLabel: String, yLabel: String, xMax: Double) {
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.xMax = xMax > 0 && xMax.isFinite ? xMax : 1
    }

    private func x(_ value: Double) -> String { fixed(Self.left + Self.width * min(max(value / xMax, 0), 1), 1) }
    private func y(_ value: Double) -> String { fixed(Self.top + Self.height * (1 - min(max(value, 0), 1)), 1) }

    mutating func point(x: Double, y: Double, color: String, radius: Double = 4, title: String) {
        marks +=
            "<circle cx=\"\(self.x(x))\" cy=\"\(self.y(y))\" r=\"\(fixed(radius, 1))\" fill=\"\(color)\" fill-opacity=\".85\">"
            + "<title>\(title.htmlEscaped)</title></circle>\n"
    }

    mutating func error(x: Double, from: Double, to: Double, color: String) {
        marks +=
            "<line x1=\"\(self.x(x))\" x2=\"\(self.x(x))\" y1=\"\(y(from))\" y2=\"\(y(to))\" stroke=\"\(color)\"/>\n"
    }

    mutating func line(_ points: [(Double, Double)], color: String) {
        guard points.count > 1 else { return }
        let path = points.map { "\(x($0.0)),\(y($0.1))" }.joined(separator: " ")
        marks += "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(color)\" stroke-width=\"1.5\"/>\n"
    }

    mutating func tick(x value: Double, _ text: String) {
        marks +=
            "<text x=\"\(x(value))\" y=\"\(fixed(Self.top + Self.height + 14, 0))\" text-anchor=\"middle\">\(text.htmlEscaped)</text>\n"
    }

    mutating func legend(_ text: String, color: String, row: Int) {
        guard row < 12 else { return }
        rows = max(rows, row + 1)
        let place = Self.top + Self.height + 48 + 16 * Double(row)
        marks +=
            "<rect x=\"\(fixed(Self.left, 0))\" y=\"\(fixed(place - 9, 0))\" width=\"10\" height=\"10\" fill=\"\(color)\"/>"
        marks += "<text x=\"\(fixed(Self.left + 16, 0))\" y=\"\(fixed(place, 0))\">\(text.htmlEscaped)</text>\n"
    }

    func figure(_ caption: String) -> String {
        let total = Self.top + Self.height + 40 + 16 * Double(rows)
        var axes = ""
        for value in [0.0, 0.25, 0.5, 0.75, 1.0] {
            axes +=
                "<text x=\"\(fixed(Self.left - 5, 0))\" y=\"\(y(value))\" text-anchor=\"end\">\(fixed(value, 2))</text>"
        }
        axes +=
            "<path class=\"axis\" d=\"M\(fixed(Self.left, 0)) \(fixed(Self.top, 0))V\(fixed(Self.top + Self.height, 0))H\(fixed(Self.left + Self.width, 0))\" fill=\"none\" stroke=\"#4a5568\"/>"
        axes +=
            "<text x=\"\(fixed(Self.left + Self.width / 2, 0))\" y=\"\(fixed(Self.top + Self.height + 30, 0))\" text-anchor=\"middle\">\(xLabel.htmlEscaped)</text>"
        axes += "<text x=\"\(fixed(Self.left, 0))\" y=\"12\">\(yLabel.htmlEscaped)</text>"
        return """
            <figure><figcaption>\(caption.htmlEscaped)</figcaption><svg role="img" aria-label="\(caption.htmlEscaped)" width="360" height="\(fixed(total, 0))" viewBox="0 0 360 \(fixed(total, 0))">
            \(axes)
            \(marks)</svg></figure>
            """
    }
}
