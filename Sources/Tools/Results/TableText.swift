// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Text

/// Tables as a model reads them: one line a row, cells between bars.
enum TableText {
    /// A page of a table with a note that says where it goes on.
    /// - Parameters:
    ///   - offset: the rows of `table` that are passed over.
    ///   - start: the place of the table's first row among all, when it is a page already.
    ///   - total: the number of all rows; nil when the table has them all.
    static func output(
        _ table: ResultTable, header: String, offset: Int, limit: Int, limits: ToolLimits, start: Int = 0,
        total: Int? = nil
    ) -> ToolOutput {
        var text = header + "\n" + table.columns.map(cell).joined(separator: " | ")
        var shown = 0
        for row in table.rows.dropFirst(offset).prefix(limit) {
            let line = "\n" + row.map { cell(display($0)) }.joined(separator: " | ")
            guard shown == 0 || text.count + line.count < limits.outputCharacters - 240 else { break }
            text += line
            shown += 1
        }
        let total = total ?? table.rows.count
        let next = start + offset + shown
        if shown == 0, total > 0 {
            text += "\n[nothing at offset \(start + offset); there are \(total) rows]"
        } else if next < total {
            text += "\n[\(total - next) more rows: go on with offset \(next)]"
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
