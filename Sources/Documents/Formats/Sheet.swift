// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// One sheet of a workbook: cells by row and column.
struct Sheet {
    var name: String
    /// Rows that hold something: the number in the sheet, and the texts by column.
    var rows: [(number: Int, cells: [Int: String])] = []
    /// Remarks beside cells.
    var comments: [(row: Int, column: Int, text: String)] = []

    /// The documents of a sheet. A table with a header gives one for each row, anything else one for the sheet.
    /// - Parameter id: that of the sheet.
    func documents(id: String, title: String, fields: RecordFields, problems: inout [String]) -> [SourceDocument] {
        guard let header = headerIndex else { return whole(id: id, title: title) }
        let names = rows[header].cells.sorted { $0.key < $1.key }
        let unique = DelimitedDialect.unique(names.map { $0.value.collapsed() })
        func record(_ row: [Int: String]) -> JSONObject {
            var record = JSONObject()
            for (column, name) in zip(names.map(\.key), unique) { record[name] = .string(row[column] ?? "") }
            for (column, text) in row.sorted(by: { $0.key < $1.key }) where rows[header].cells[column] == nil {
                record["column \(column + 1)"] = .string(text)
            }
            return record
        }
        let body = rows[(header + 1)...]
        let mapper = RecordMapper(
            fields, sample: body.prefix(100).map { record($0.cells) }, fallbackID: { "\(id):\($0)" })
        var documents: [SourceDocument] = []
        let remarks = Dictionary(grouping: comments) { $0.row }
        for row in body {
            do throws(DocumentError) {
                var document = try mapper.document(record(row.cells), place: row.number)
                for comment in remarks[row.number] ?? [] {
                    let column = zip(names.map(\.key), unique).first { $0.0 == comment.column }?.1
                    document.text += "\nComment\(column.map { " on \($0)" } ?? ""): \(comment.text)"
                }
                documents.append(document)
            } catch {
                problems.append("\(id):\(row.number): \(error.message)")
            }
        }
        let above = rows[..<header].map { Self.line($0.cells) }
        if !above.isEmpty {
            documents.insert(
                SourceDocument(id: id, title: title, text: above.joined(separator: "\n")), at: documents.startIndex)
        }
        return documents
    }

    private func whole(id: String, title: String) -> [SourceDocument] {
        guard !rows.isEmpty else { return [] }
        var table = TableText()
        let columns = Set(rows.flatMap(\.cells.keys)).sorted()
        for row in rows {
            for column in columns { table.cell(row.cells[column] ?? "") }
            table.endRow()
        }
        let remarks = comments.map { "\nComment: \($0.text)" }.joined()
        return [SourceDocument(id: id, title: title, text: table.text() + remarks)]
    }

    private static func line(_ cells: [Int: String]) -> String {
        cells.sorted { $0.key < $1.key }.map { $0.value.collapsed() }.joined(separator: " | ")
    }

    /// The row of names above a table: the first that is as wide as the rows below it and holds no number.
    private var headerIndex: Int? {
        guard rows.count >= 3 else { return nil }
        let widths = rows.prefix(200).map(\.cells.count).sorted()
        let usual = widths[widths.count / 2]
        guard usual >= 2 else { return nil }
        for (index, row) in rows.prefix(10).enumerated() where row.cells.count * 3 >= usual * 2 {
            guard rows.count - index >= 3, row.cells.values.allSatisfy({ Double($0) == nil && $0.utf8.count <= 100 }),
                Set(row.cells.values).count * 3 > row.cells.count
            else { return nil }
            // Rows must stand below the names, not beside them.
            let below = rows[(index + 1)...].prefix(100)
            // The corner above the names of the rows is often blank.
            let corner = (row.cells.keys.min() ?? 0) - 1
            let inside = below.count { $0.cells.keys.allSatisfy { row.cells[$0] != nil || $0 == corner } }
            return inside * 10 >= below.count * 8 ? index : nil
        }
        return nil
    }
}
