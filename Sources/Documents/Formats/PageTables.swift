// SPDX-License-Identifier: Apache-2.0

/// The tables of a page.
struct PageTables {
    /// Each table's rows, a row a line.
    var texts: [String] = []
    /// For a piece of the page the table that it belongs to.
    var places: [Int: Int] = [:]
}

extension PageLayout {
    /// What a column of a table takes of the page's width.
    struct Column {
        var x1, x2: Double

        mutating func widen(to segment: Segment) {
            x1 = min(x1, segment.x1)
            x2 = max(x2, segment.x2)
        }
    }

    /// The tables among some pieces: those with cells of several lines first, then those of rows of one line.
    func tables(in members: [Int]) -> PageTables {
        let rows = self.rows(of: members)
        var tables = PageTables()
        if segments.count <= Self.columnLimit { findWrappedTables(rows, &tables) }
        for run in rows.split(whereSeparator: { tables.places[$0.members[0]] != nil }) {
            findTables(Array(run), &tables)
        }
        return tables
    }

    private func findTables(_ rows: [Row], _ tables: inout PageTables) {
        var start = 0
        while start < rows.count {
            guard isTableRow(rows[start]) else {
                start += 1
                continue
            }
            // Rows that go on the table: like ones, lines of cells that have several, and one other between them.
            var end = start + 1
            var last = start
            var others = 0
            while end < rows.count, end - last <= 12, others < 2 {
                let gap = rows[end].y1 - rows[end - 1].y2
                guard gap < 3 * max(rows[last].y2 - rows[last].y1, 1) else { break }
                if isTableRow(rows[end]) {
                    last = end
                    others = 0
                } else if !isCellLine(rows[end], rows[last]) {
                    others += 1
                }
                end += 1
            }
            let count = rows[start...last].count { isTableRow($0) }
            if count >= 3 || (count == 2 && isPair(rows[start], rows[last])) {
                addTable(Array(rows[max(0, start - headerRows(above: start, rows))...last]), &tables)
            }
            start = last + 1
        }
    }

    /// Whether a row is one more line of a cell: a single piece that begins where a cell of the table does, and ends before
    /// the next one.
    private func isCellLine(_ row: Row, _ tableRow: Row) -> Bool {
        guard row.members.count == 1 else { return false }
        let line = segments[row.members[0]]
        guard let place = tableRow.members.firstIndex(where: { abs(segments[$0].x1 - line.x1) < 3 }) else {
            return false
        }
        let next = place + 1
        return next == tableRow.members.count || line.x2 < segments[tableRow.members[next]].x1
    }

    /// The rows of a table with the lines of each cell together: a row of one piece goes to the row that it is nearer to,
    /// where it is as near as the lines of a text are. In the first column it must be nearer than rows are, because there a
    /// piece alone may be a row.
    private func logicalRows(_ rows: [Row]) -> [[Row]] {
        func gap(_ above: Int) -> Double { rows[above + 1].y1 - rows[above].y2 }
        let full = rows.indices.filter { isTableRow(rows[$0]) }
        let left = full.flatMap { rows[$0].members }.map { segments[$0].x1 }.min() ?? 0
        let between = zip(full, full.dropFirst()).filter { $0 + 1 == $1 }.map { gap($0.0) }.min() ?? .infinity
        func isNear(_ gap: Double, _ line: Row) -> Bool {
            let height = max(line.y2 - line.y1, 1)
            guard gap < 0.35 * height else { return false }
            return segments[line.members[0]].x1 > left + 3 || gap + 0.2 * height < between
        }
        var groups: [[Row]] = []
        var index = 0
        while index < rows.count {
            guard rows[index].members.count == 1, !isTableRow(rows[index]) else {
                groups.append([rows[index]])
                index += 1
                continue
            }
            // Lines that are near each other go together.
            var end = index + 1
            while end < rows.count, rows[end].members.count == 1, !isTableRow(rows[end]),
                isNear(gap(end - 1), rows[end])
            {
                end += 1
            }
            let run = Array(rows[index..<end])
            let above = groups.isEmpty ? .infinity : gap(index - 1)
            let below = end < rows.count ? gap(end - 1) : .infinity
            if above <= below, isNear(above, run[0]) {
                groups[groups.count - 1] += run
                index = end
            } else if isNear(below, run[run.count - 1]) {
                groups.append(run + [rows[end]])
                index = end + 1
            } else {
                groups.append(run)
                index = end
            }
        }
        return groups
    }

    /// Rows right above a table that hold names of its columns.
    private func headerRows(above start: Int, _ rows: [Row]) -> Int {
        guard start > 0 else { return 0 }
        let (above, first) = (rows[start - 1], rows[start])
        let gap = first.y1 - above.y2
        let isNear = gap < 1.5 * max(first.y2 - first.y1, 1)
        return isNear && above.members.count >= 2 && averageLength(above) <= 25 ? 1 : 0
    }

    /// Whether two rows are a head and one row below it: three cells or more, each under the other's.
    private func isPair(_ above: Row, _ below: Row) -> Bool {
        above.members.count >= 3 && above.members.count == below.members.count
            && zip(above.members, below.members).allSatisfy { isAligned(segments[$0], segments[$1]) }
    }

    /// Whether two cells may be of one column: left, right or centred.
    private func isAligned(_ one: Segment, _ other: Segment) -> Bool {
        abs(one.x1 - other.x1) < 2.5 || abs(one.x2 - other.x2) < 2.5
            || abs(one.x1 + one.x2 - other.x1 - other.x2) < 5
    }

    /// Whether the pieces of rows stand in columns. Those of justified lines with wide gaps stand anywhere.
    private func isInColumns(_ rows: [Row]) -> Bool {
        var (all, aligned) = (0, 0)
        for (place, row) in rows.enumerated() {
            let near = rows[max(0, place - 3)..<min(rows.count, place + 4)]
            for member in row.members.dropFirst() {
                all += 1
                let isKept = near.contains { other in
                    other.middle != row.middle
                        && other.members.dropFirst().contains { isAligned(segments[$0], segments[member]) }
                }
                aligned += isKept ? 1 : 0
            }
        }
        return aligned * 5 >= all * 2
    }

    private func averageLength(_ row: Row) -> Double {
        Double(row.members.reduce(0) { $0 + segments[$1].text.count }) / Double(max(1, row.members.count))
    }

    /// Whether a row's pieces look like cells: three or more short ones, or a name beside numbers.
    private func isTableRow(_ row: Row) -> Bool {
        let texts = row.members.map { segments[$0].text }
        guard texts.count >= 2 else { return false }
        let numbers = texts.count { Self.isNumber($0) }
        if texts.count == 2 { return numbers >= 1 && texts[0].count <= 60 && Self.isNumber(texts[1]) }
        return averageLength(row) <= 18 || numbers * 10 >= texts.count * 4
    }

    static func isNumber(_ text: String) -> Bool {
        var digits = 0
        for scalar in text.unicodeScalars {
            switch scalar {
            case "0"..."9": digits += 1
            case ".", ",", "-", "–", "−", "+", "%", "$", "€", "£", "(", ")", " ", "/", ":": continue
            default: return false
            }
        }
        return digits > 0
    }

    private func addTable(_ rows: [Row], _ tables: inout PageTables) {
        // Columns: what overlaps from row to row, in the rows with the usual number of cells; spanning heads would merge them.
        let full = rows.filter { isTableRow($0) }
        guard isInColumns(full) else { return }
        let counts = full.map(\.members.count).sorted()
        let usual = counts[counts.count / 2]
        var columns: [Column] = []
        for row in rows where row.members.count >= usual {
            for index in row.members {
                let segment = segments[index]
                let overlapping = columns.indices.filter { columns[$0].x1 < segment.x2 && segment.x1 < columns[$0].x2 }
                if overlapping.isEmpty {
                    columns.append(Column(x1: segment.x1, x2: segment.x2))
                } else if overlapping.count == 1, let only = overlapping.first {
                    columns[only].widen(to: segment)
                }
            }
        }
        columns.sort { $0.x1 < $1.x1 }
        guard columns.count >= 2 else { return }
        add(logicalRows(rows), columns, &tables)
    }

    /// Writes a table: for each of its rows the rows of the page that it takes.
    func add(_ groups: [[Row]], _ columns: [Column], _ tables: inout PageTables) {
        var table = TableText()
        for group in groups {
            var cells = [String](repeating: "", count: columns.count)
            for index in group.flatMap(\.members) {
                let segment = segments[index]
                let middle = (segment.x1 + segment.x2) / 2
                let column =
                    columns.indices.max {
                        overlap(segment, columns[$0], middle) < overlap(segment, columns[$1], middle)
                    } ?? 0
                if LineEndHyphen.joins(cells[column], segment.text) {
                    cells[column].removeLast()
                    cells[column] += segment.text
                } else {
                    cells[column] += (cells[column].isEmpty ? "" : " ") + segment.text
                }
                tables.places[index] = tables.texts.count
            }
            for cell in cells { table.cell(cell) }
            table.endRow()
        }
        tables.texts.append(table.text())
    }

    private func overlap(_ segment: Segment, _ column: Column, _ middle: Double) -> Double {
        let shared = min(segment.x2, column.x2) - max(segment.x1, column.x1)
        return shared > 0 ? shared : -abs(middle - (column.x1 + column.x2) / 2)
    }
}
