// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// A self-contained HTML page of a run's curves: one small chart each measure, no scripts, no outside files.
enum CurvesPage {
    /// Returns the page.
    ///
    /// - Parameter curves: Each measure with its points (step, value), in order.
    static func html(title: String, curves: [(name: String, points: [(Int, Double)])]) -> String {
        var page = """
            <!doctype html><html lang="en"><meta charset="utf-8"><title>\(title.htmlEscaped)</title>
            <style>body{font:14px system-ui,sans-serif;margin:2em;max-width:72em;color:#222;background:#fff}
            h1{font-size:1.3em}figure{display:inline-block;margin:0 1.5em 1.5em 0}figcaption{margin-bottom:.3em}
            svg{background:#f6f7f9}polyline{fill:none;stroke:#1f5fa8;stroke-width:1.5}
            text{font-size:10px;fill:#555}
            @media(prefers-color-scheme:dark){body{color:#ddd;background:#16181c}svg{background:#22252b}text{fill:#aaa}}</style>
            <h1>\(title.htmlEscaped)</h1>

            """
        for (name, points) in curves {
            let finite = points.filter { $0.1.isFinite }
            guard let first = finite.first, let last = finite.last else { continue }
            let low = finite.map(\.1).min() ?? 0
            let high = finite.map(\.1).max() ?? 0
            let height = high > low ? high - low : 1
            let width = Double(max(1, last.0 - first.0))
            let line = finite.map { step, value in
                String(
                    format: "%.1f,%.1f", 40 + 270 * Double(step - first.0) / width, 110 - 100 * (value - low) / height)
            }.joined(separator: " ")
            page += """
                <figure><figcaption>\(name.htmlEscaped): \(String(format: "%.4g", last.1))</figcaption>
                <svg width="320" height="130" role="img" aria-label="\(name.htmlEscaped) from \(String(format: "%.4g", first.1)) to \
                \(String(format: "%.4g", last.1))"><polyline points="\(line)"/>
                <text x="2" y="14">\(String(format: "%.3g", high))</text><text x="2" y="112">\(String(format: "%.3g", low))</text>
                <text x="40" y="126">\(first.0)</text><text x="290" y="126">\(last.0)</text></svg></figure>

                """
        }
        return page + "</html>\n"
    }
}
