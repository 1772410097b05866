// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// One sheet of a workbook: cells by row and column.
struct Sheet {
    var name: String
    /// Rows that hold something: the number in the sheet, and the texts by column.
    var rows: [(number: Int, cells: [Int: String])] = []
    /// Cells that are as wide as several columns.
    var spans: [(row: Int, left: Int, right: Int)] = []
    /// Remarks beside cells.
    var comments: [(row: Int, column: Int, text: String)] = []

    /// The documents of a sheet. A table with a header gives one for each row, anything else one for the sheet.
    /// - Parameter id: that of the sheet.
    func documents(
        id: String, title: String, fields: RecordFields, problems: inout [String], notes: inout [String]
    ) -> [SourceDocument] {
        guard let header = self.header else { return whole(id: id, title: title) }
        let columns = header.names.map(\.column)
        let unique = DelimitedDialect.unique(header.names.map(\.name))
        func record(_ row: [Int: String]) -> JSONObject {
            var record = JSONObject()
            for (column, name) in zip(columns, unique) { record[name] = .string(row[column] ?? "") }
            for (column, text) in row.sorted(by: { $0.key < $1.key }) where !columns.contains(column) {
                record["column \(column + 1)"] = .string(text)
            }
            return record
        }
        let body = rows[header.rows.upperBound...]
        let totals = TableHeader.totals(
            body.map { row in row.cells.sorted { $0.key < $1.key }.map { $0.value } })
        let mapper = RecordMapper(
            fields, sample: body.prefix(100).map { record($0.cells) }, fallbackID: { "\(id):\($0)" })
        var documents: [SourceDocument] = []
        let remarks = Dictionary(grouping: comments) { $0.row }
        for (place, row) in body.enumerated() {
            if totals.contains(place) {
                notes.append(
                    "row \(row.number) of \(name) is a row of totals and was left out: \(Self.line(row.cells))")
                continue
            }
            do throws(DocumentError) {
                var document = try mapper.document(record(row.cells), place: row.number)
                for comment in remarks[row.number] ?? [] {
                    let column = zip(columns, unique).first { $0.0 == comment.column }?.1
                    document.text += "\nComment\(column.map { " on \($0)" } ?? ""): \(comment.text)"
                }
                documents.append(document)
            } catch {
                problems.append("\(id):\(row.number): \(error.message)")
            }
        }
        let above = rows[..<header.rows.lowerBound].map { Self.line($0.cells) }
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

    /// The names of the columns of a table, and the rows that they stand in.
    private var header: (rows: Range<Int>, names: [(column: Int, name: String)])? {
        guard let index = headerIndex else { return nil }
        let own = rows[index].cells
        func texts(_ row: [Int: String], _ columns: [Int]) -> [String] { columns.map { row[$0] ?? "" } }
        // Years or groups that stand over several of the names.
        if index > 0, rows[index - 1].number == rows[index].number - 1 {
            let number = rows[index - 1].number
            var above = rows[index - 1].cells
            let wide = spans.filter { $0.row == number && above[$0.left] != nil }
            let isTitle = wide.contains { span in own.keys.allSatisfy { $0 >= span.left && $0 <= span.right } }
            if !wide.isEmpty, !isTitle {
                for span in wide { for column in span.left...span.right { above[column] = above[span.left] } }
                let columns = Set(own.keys).union(above.keys).sorted()
                let names = TableHeader.names(texts(above, columns), texts(own, columns))
                return ((index - 1)..<(index + 1), zip(columns, names).filter { !$0.1.isEmpty }.map { ($0.0, $0.1) })
            }
        }
        let next = index + 1
        if rows.indices.contains(next) {
            var above = own
            for span in spans where span.row == rows[index].number && above[span.left] != nil {
                for column in span.left...span.right { above[column] = above[span.left] }
            }
            let columns = Set(above.keys).union(rows[next].cells.keys).sorted()
            let body = rows[(next + 1)...].prefix(100).map { texts($0.cells, columns) }
            if let names = TableHeader.joined(texts(above, columns), texts(rows[next].cells, columns), body: body) {
                return (index..<(next + 1), zip(columns, names).filter { !$0.1.isEmpty }.map { ($0.0, $0.1) })
            }
        }
        return (index..<next, own.sorted { $0.key < $1.key }.map { ($0.key, $0.value.collapsed()) })
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
