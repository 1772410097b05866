// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Foundation

/// A self-contained HTML page of a run's curves: first what held-back questions gained, with the spread over seeds, then a
/// small chart each measure for diagnosis; no scripts, no outside files.
enum CurvesPage {
    /// A measure with its points (step, value), in order; of the run itself first, then of runs with other seeds.
    struct Chart {
        var name: String
        var runs: [[(Int, Double)]]
    }

    /// Returns the page.
    static func html(title: String, charts: [Chart]) -> String {
        let first = charts.filter { $0.name == HeldBackQuestions.recall || $0.name == HeldBackQuestions.f1 }
        let others = charts.filter { chart in !first.contains { $0.name == chart.name } }
        var page = """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>\(title.htmlEscaped)</title>
            <style>body{font:14px system-ui,sans-serif;margin:2em;max-width:72em;color:#222;background:#fff}
            h1{font-size:1.3em}h2{font-size:1.1em}figure{display:inline-block;margin:0 1.5em 1.5em 0}
            figcaption{margin-bottom:.3em}svg{background:#f6f7f9}polyline{fill:none;stroke:#1f5fa8;stroke-width:1.5}
            polyline.other{stroke:#9db8d6;stroke-width:1}text{font-size:10px;fill:#555}
            @media(prefers-color-scheme:dark){body{color:#ddd;background:#16181c}svg{background:#22252b}text{fill:#aaa}
            polyline.other{stroke:#4a6585}}</style>
            <h1>\(title.htmlEscaped)</h1>

            """
        if !first.isEmpty {
            page += "<h2>Questions that were not learned from</h2>\n"
            for chart in first { page += figure(chart, width: 460, height: 240) }
            page += "<h2>Diagnostics</h2>\n"
        }
        for chart in others { page += figure(Chart(name: chart.name, runs: [chart.runs[0]]), width: 320, height: 130) }
        return page + "</html>\n"
    }

    private static func figure(_ chart: Chart, width: Int, height: Int) -> String {
        let runs = chart.runs.map { $0.filter { $0.1.isFinite } }.filter { !$0.isEmpty }
        guard let own = runs.first, let begin = own.first, let end = own.last else { return "" }
        let all = runs.joined()
        let (low, high) = (all.map(\.1).min() ?? 0, all.map(\.1).max() ?? 0)
        let (from, to) = (all.map(\.0).min() ?? 0, all.map(\.0).max() ?? 0)
        let (across, up) = (Double(width - 50), Double(height - 30))
        func line(_ points: [(Int, Double)], _ kind: String) -> String {
            let places = points.map { step, value in
                String(
                    format: "%.1f,%.1f", 40 + across * Double(step - from) / Double(max(1, to - from)),
                    up + 10 - up * (value - low) / (high > low ? high - low : 1))
            }
            return "<polyline\(kind) points=\"\(places.joined(separator: " "))\"/>"
        }
        let lines = runs.dropFirst().map { line($0, " class=\"other\"") } + [line(own, "")]
        var told = "\(chart.name): \(number(end.1))"
        if runs.count > 1 {
            let ends = runs.compactMap { $0.last?.1 }
            told += " (\(runs.count) seeds: \(number(ends.min() ?? 0)) to \(number(ends.max() ?? 0)))"
        }
        let label = "\(chart.name) from \(number(begin.1)) to \(number(end.1))"
        return """
            <figure><figcaption>\(told.htmlEscaped)</figcaption>
            <svg width="\(width)" height="\(height)" role="img" aria-label="\(label.htmlEscaped)">\(lines.joined())
            <text x="2" y="14">\(number(high))</text><text x="2" y="\(height - 18)">\(number(low))</text>
            <text x="40" y="\(height - 4)">\(from)</text><text x="\(width - 30)" y="\(height - 4)">\(to)</text></svg></figure>

            """
    }

    private static func number(_ value: Double) -> String { String(format: "%.3g", value) }
}
