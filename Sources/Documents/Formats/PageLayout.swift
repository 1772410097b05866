// SPDX-License-Identifier: Apache-2.0

import Base
import CPoppler

/// Puts the characters of a PDF page into lines and tables, from where they stand.
///
/// Poppler gives text in reading order, column after column, which takes tables apart: all of a table's first column, then
/// all of its second. Here pieces of lines that stand beside each other, short and in several rows, are put together as
/// the rows of a table; everything else stays in reading order.
struct PageLayout {
    /// A part of a line without wide gaps in it.
    struct Segment {
        var text: String
        var x1, x2, y1, y2: Double
        var line: Int
        var middle: Double { (y1 + y2) / 2 }
        var height: Double { y2 - y1 }
    }

    private var segments: [Segment] = []
    /// For each segment the table it belongs to.
    private var tableOf: [Int?] = []
    private var tables: [String] = []
    /// Segments of a page that are looked at for tables.
    private static let segmentLimit = 20_000

    init(text: String, boxes: UnsafeBufferPointer<forage_pdf_box>) {
        cut(text, boxes)
        tableOf = [Int?](repeating: nil, count: segments.count)
        if segments.count <= Self.segmentLimit { findTables() }
    }

    /// The page as lines: tables row by row where they begin, a blank line where the page has a wide gap.
    func lines() -> [String] {
        var lines: [String] = []
        var written: Set<Int> = []
        var last: Segment?
        var index = 0
        while index < segments.count {
            if let table = tableOf[index] {
                if written.insert(table).inserted {
                    if lines.last?.isEmpty == false { lines.append("") }
                    lines += tables[table].textLines().map(String.init)
                    lines.append("")
                }
                last = nil
                index += 1
                continue
            }
            let segment = segments[index]
            var text = segment.text
            var next = index + 1
            while next < segments.count, segments[next].line == segment.line, tableOf[next] == nil {
                text += " " + segments[next].text
                next += 1
            }
            if let last {
                let gap = segment.y1 - last.y2
                let isBelow = segment.y1 >= last.y1
                if isBelow, gap > 0.7 * max(last.height, segment.height), lines.last?.isEmpty == false {
                    lines.append("")
                }
            }
            lines.append(text)
            last = segment
            index = next
        }
        return lines
    }

    private mutating func cut(_ text: String, _ boxes: UnsafeBufferPointer<forage_pdf_box>) {
        var line = 0
        var current: Segment?
        var pending = 0.0
        var place = 0
        func trimmed(_ segment: Segment) -> Segment {
            var segment = segment
            segment.text = segment.text.trimmed()
            return segment
        }
        for scalar in text.unicodeScalars {
            defer { place += 1 }
            guard scalar != "\n" else {
                if let current { segments.append(trimmed(current)) }
                current = nil
                line += 1
                continue
            }
            guard place < boxes.count else {
                // More characters than boxes: the text stays, without a place.
                current = current ?? Segment(text: "", x1: 0, x2: 0, y1: 0, y2: 0, line: line)
                current?.text.unicodeScalars.append(scalar)
                continue
            }
            let box = boxes[place]
            if scalar.properties.isWhitespace {
                current?.text.unicodeScalars.append(" ")
                pending = box.x2
                continue
            }
            if let segment = current {
                let gap = box.x1 - segment.x2
                if gap > 1.1 * max(segment.height, 1) || gap < -2 * max(segment.height, 1) {
                    segments.append(trimmed(segment))
                    current = nil
                }
            }
            if current == nil {
                current = Segment(text: "", x1: box.x1, x2: box.x2, y1: box.y1, y2: box.y2, line: line)
            }
            current?.text.unicodeScalars.append(scalar)
            if let segment = current {
                current?.x1 = min(segment.x1, box.x1)
                current?.x2 = max(segment.x2, box.x2)
                current?.y1 = min(segment.y1, box.y1)
                current?.y2 = max(segment.y2, box.y2)
            }
        }
        _ = pending
        if let current { segments.append(trimmed(current)) }
        segments.removeAll { $0.text.isEmpty }
    }

    // MARK: Tables

    /// Segments at one height.
    private struct Row {
        var members: [Int]
        var middle: Double
        var y1, y2: Double
    }

    private mutating func findTables() {
        let rows = self.rows()
        var start = 0
        while start < rows.count {
            guard isTableRow(rows[start]) else {
                start += 1
                continue
            }
            // Rows that go on the table: like ones, or shorter ones between them.
            var end = start + 1
            var last = start
            while end < rows.count, end - last <= 2 {
                let gap = rows[end].y1 - rows[last].y2
                let height = rows[last].y2 - rows[last].y1
                guard gap < 3 * max(height, 1) else { break }
                if isTableRow(rows[end]) { last = end }
                end += 1
            }
            let count = rows[start...last].count { isTableRow($0) }
            if count >= 3 { addTable(Array(rows[max(0, start - headerRows(above: start, rows))...last])) }
            start = last + 1
        }
    }

    /// Rows right above a table that hold names of its columns.
    private func headerRows(above start: Int, _ rows: [Row]) -> Int {
        guard start > 0 else { return 0 }
        let (above, first) = (rows[start - 1], rows[start])
        let gap = first.y1 - above.y2
        let isNear = gap < 1.5 * max(first.y2 - first.y1, 1)
        return isNear && above.members.count >= 2 && averageLength(above) <= 25 && tableOf[above.members[0]] == nil
            ? 1 : 0
    }

    private func rows() -> [Row] {
        let order = segments.indices.sorted {
            (segments[$0].middle, segments[$0].x1) < (segments[$1].middle, segments[$1].x1)
        }
        var rows: [Row] = []
        for index in order where segments[index].height > 0 {
            let segment = segments[index]
            if let last = rows.last, segment.middle - last.middle < 0.4 * segment.height {
                rows[rows.count - 1].members.append(index)
                rows[rows.count - 1].y1 = min(last.y1, segment.y1)
                rows[rows.count - 1].y2 = max(last.y2, segment.y2)
            } else {
                rows.append(Row(members: [index], middle: segment.middle, y1: segment.y1, y2: segment.y2))
            }
        }
        for index in rows.indices {
            rows[index].members.sort { segments[$0].x1 < segments[$1].x1 }
        }
        return rows
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

    private static func isNumber(_ text: String) -> Bool {
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

    private mutating func addTable(_ rows: [Row]) {
        // Columns: what overlaps from row to row, in the rows with the usual number of cells; spanning heads would merge them.
        let counts = rows.map(\.members.count).sorted()
        let usual = counts[counts.count / 2]
        var columns: [(x1: Double, x2: Double)] = []
        for row in rows where row.members.count >= usual {
            for index in row.members {
                let segment = segments[index]
                let overlapping = columns.indices.filter { columns[$0].x1 < segment.x2 && segment.x1 < columns[$0].x2 }
                if overlapping.isEmpty {
                    columns.append((segment.x1, segment.x2))
                } else if overlapping.count == 1, let only = overlapping.first {
                    columns[only] = (min(columns[only].x1, segment.x1), max(columns[only].x2, segment.x2))
                }
            }
        }
        columns.sort { $0.x1 < $1.x1 }
        guard columns.count >= 2 else { return }
        var table = TableText()
        for row in rows {
            var cells = [String](repeating: "", count: columns.count)
            for index in row.members {
                let segment = segments[index]
                let middle = (segment.x1 + segment.x2) / 2
                let column =
                    columns.indices.max {
                        overlap(segment, columns[$0], middle) < overlap(segment, columns[$1], middle)
                    } ?? 0
                cells[column] += (cells[column].isEmpty ? "" : " ") + segment.text
                tableOf[index] = tables.count
            }
            for cell in cells { table.cell(cell) }
            table.endRow()
        }
        tables.append(table.text())
    }

    private func overlap(_ segment: Segment, _ column: (x1: Double, x2: Double), _ middle: Double) -> Double {
        let shared = min(segment.x2, column.x2) - max(segment.x1, column.x1)
        return shared > 0 ? shared : -abs(middle - (column.x1 + column.x2) / 2)
    }
}
