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

    private(set) var segments: [Segment] = []
    /// The height of the page, in points; 0 where it is not known.
    let height: Double
    /// For each segment the table it belongs to.
    private var tableOf: [Int?] = []
    private var tables: [String] = []
    /// Segments of a page that are looked at for tables.
    private static let segmentLimit = 20_000

    init(text: String, boxes: UnsafeBufferPointer<forage_pdf_box>, height: Double) {
        self.height = height
        cut(text, boxes)
    }

    /// Takes pieces away, by their places among ``segments``.
    mutating func remove(_ places: Set<Int>) {
        guard !places.isEmpty else { return }
        segments = segments.indices.filter { !places.contains($0) }.map { segments[$0] }
    }

    /// The page as lines: tables row by row where they begin, a blank line where the page has a wide gap.
    mutating func lines() -> [String] {
        tables = []
        tableOf = [Int?](repeating: nil, count: segments.count)
        if segments.count <= Self.segmentLimit { findTables() }
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
        var place = 0
        var lastStart = 0.0
        func trimmed(_ segment: Segment) -> Segment {
            var segment = segment
            segment.text = segment.text.trimmed()
            return segment
        }
        // In a line from right to left the places of its letters go backwards, and those of numbers in it forwards: it is one
        // piece.
        let backwards = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
            RightToLeft.isMostly($0)
        }
        // Poppler marks the direction of text with characters that have no box.
        let marksHaveBoxes = boxes.count >= text.unicodeScalars.count
        for scalar in text.unicodeScalars {
            if RightToLeft.isMark(scalar) {
                if marksHaveBoxes { place += 1 }
                continue
            }
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
                continue
            }
            if let segment = current, !(backwards.indices.contains(line) && backwards[line]) {
                let gap = box.x1 - segment.x2
                if gap > 1.1 * max(segment.height, 1) || gap < -2 * max(segment.height, 1) {
                    segments.append(trimmed(segment))
                    current = nil
                }
            }
            if let segment = current, backwards.indices.contains(line), backwards[line], segment.text.last != " ",
                lastStart - box.x2 > 0.15 * max(segment.height, 1)
            {
                current?.text.append(" ")
            }
            lastStart = box.x1
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
        if let current { segments.append(trimmed(current)) }
        segments.removeAll { $0.text.isEmpty }
    }

    // MARK: Tables

    /// Segments at one height.
    struct Row {
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
            if count >= 3 { addTable(Array(rows[max(0, start - headerRows(above: start, rows))...last])) }
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
        return isNear && above.members.count >= 2 && averageLength(above) <= 25 && tableOf[above.members[0]] == nil
            ? 1 : 0
    }

    /// The pieces by height, each row from left to right.
    func rows() -> [Row] {
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
        let counts = rows.filter { isTableRow($0) }.map(\.members.count).sorted()
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
        for group in logicalRows(rows) {
            var cells = [String](repeating: "", count: columns.count)
            for index in group.flatMap(\.members) {
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

/// Tells text that is written from right to left.
enum RightToLeft {
    /// Whether most letters are Hebrew, Arabic or of a script like these.
    static func isMostly(_ scalars: some Sequence<Unicode.Scalar>) -> Bool {
        var (own, others) = (0, 0)
        for scalar in scalars {
            switch scalar.value {
            case 0x590...0x8FF, 0xFB1D...0xFDFF, 0xFE70...0xFEFC: own += 1
            case 0...64: break
            default: if scalar.properties.isAlphabetic { others += 1 }
            }
        }
        return own > others
    }

    /// Marks of direction, which show nothing.
    static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x200E, 0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }
}
