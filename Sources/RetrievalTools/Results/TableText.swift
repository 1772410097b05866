// SPDX-License-Identifier: Apache-2.0

import TextProcessing

/// Tables as a model reads them: one line a row, cells between bars.
enum TableText {
    /// A page of a table with a note that says where it goes on.
    static func output(
        _ table: ResultTable, header: String, offset: Int, limit: Int, limits: ToolLimits
    ) -> ToolOutput {
        var text = header + "\n" + table.columns.map(cell).joined(separator: " | ")
        var shown = 0
        for row in table.rows.dropFirst(offset).prefix(limit) {
            let line = "\n" + row.map { cell(display($0)) }.joined(separator: " | ")
            guard shown == 0 || text.count + line.count < limits.outputCharacters - 240 else { break }
            text += line
            shown += 1
        }
        let next = offset + shown
        if next < table.rows.count {
            text += "\n[\(table.rows.count - next) more rows: go on with offset \(next)]"
        } else if shown == 0, !table.rows.isEmpty {
            text += "\n[nothing at offset \(offset); there are \(table.rows.count) rows]"
        }
        return ToolOutput(text: text, summary: header)
    }

    /// A cell's text: numbers short, missing values as a dash.
    static func display(_ value: JSONValue) -> String {
        switch value {
        case .null: return "–"
        case .string(let text): return text
        case .number(let number): return shortNumber(number)
        default: return value.description
        }
    }

    private static func cell(_ text: String) -> String {
        oneLine(text, most: 200).replacing("|", with: "/")
    }
}
