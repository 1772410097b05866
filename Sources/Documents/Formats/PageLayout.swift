// SPDX-License-Identifier: Apache-2.0

import Base
import CPoppler

/// Puts the characters of a PDF page into lines and tables, from where they stand.
///
/// Poppler gives text in an order of its own guess, which takes tables apart (all of a table's first column, then all of
/// its second) and now and then reads across a narrow gap between columns. Here columns of running text are found first and
/// read one after the other; in each of them pieces of lines that stand beside each other are put together as the rows of a
/// table; everything else stays in poppler's order.
struct PageLayout {
    /// A part of a line without wide gaps in it.
    struct Segment {
        var text: String
        var x1, x2, y1, y2: Double
        var line: Int
        /// Gaps that are wider than those between words mostly are, and may be between two columns.
        var breaks: [Break] = []
        var middle: Double { (y1 + y2) / 2 }
        var height: Double { y2 - y1 }
        var isUpright: Bool { height > 2 * (x2 - x1) && text.unicodeScalars.count > 2 }
    }

    /// A gap within a line: how many bytes of the text stand before it, and where the text ends and goes on.
    struct Break {
        var offset: Int
        var x1, x2: Double
    }

    private(set) var segments: [Segment] = []
    /// The height of the page, in points; 0 where it is not known.
    let height: Double
    /// Segments of a page that are looked at for tables.
    static let segmentLimit = 20_000
    /// Segments of a page that are looked at for columns of text and for cells of several lines, which takes longer.
    static let columnLimit = 4000

    init(text: String, boxes: UnsafeBufferPointer<forage_pdf_box>, height: Double) {
        self.height = height
        cut(text, boxes)
        cutAtColumns()
    }

    /// The page as lines: columns of text one after the other, tables row by row where they begin, a blank line where the
    /// page has a wide gap.
    /// - Parameters:
    ///   - removed: pieces that are left out, by their places among ``segments``.
    ///   - heads: pieces that head or foot the page. They come first, because below or between columns they would cut a
    ///     sentence in two.
    func lines(without removed: Set<Int> = [], heads: Set<Int> = []) -> [String] {
        let live = segments.indices.filter { !removed.contains($0) }
        let margin = live.filter { heads.contains($0) }
        let body = margin.isEmpty ? live : live.filter { !heads.contains($0) }
        var lines: [String] = []
        if !margin.isEmpty { lines = self.lines(of: PageRegion(members: margin, isColumn: true)) + [""] }
        for region in regions(body) {
            var added = self.lines(of: region)[...]
            while added.first?.isEmpty == true { added.removeFirst() }
            guard let first = added.first else { continue }
            if let last = lines.last, !last.isEmpty, !Self.goesOn(last, first) { lines.append("") }
            lines += added
            while lines.last?.isEmpty == true { lines.removeLast() }
        }
        return lines
    }

    /// Whether a text goes on behind the end of a column: it ends without a full stop, and what follows begins with a small
    /// letter.
    static func goesOn(_ last: String, _ next: String) -> Bool {
        guard let end = last.unicodeScalars.last, let first = next.unicodeScalars.first else { return false }
        return first.properties.isLowercase
            && (end.properties.isAlphabetic || ",;-\u{2010}\u{AD}".unicodeScalars.contains(end))
            && !last.contains(" | ") && !next.contains(" | ")
    }

    private func lines(of region: PageRegion) -> [String] {
        let tables = segments.count <= Self.segmentLimit ? self.tables(in: region.members) : PageTables()
        // Poppler's order is that of the text in what is no column; within a column only the height tells.
        let order = region.isColumn ? rows(of: region.members).flatMap(\.members) : region.members
        var lines: [String] = []
        var written: Set<Int> = []
        var last: Segment?
        for index in order {
            if let table = tables.places[index] {
                if written.insert(table).inserted {
                    if lines.last?.isEmpty == false { lines.append("") }
                    lines += tables.texts[table].textLines().map(String.init)
                    lines.append("")
                }
                last = nil
                continue
            }
            let segment = segments[index]
            if let last, !lines.isEmpty, isBeside(segment, last, inColumn: region.isColumn) {
                lines[lines.count - 1] += " " + segment.text
            } else {
                if let last {
                    let gap = segment.y1 - last.y2
                    if segment.y1 >= last.y1, gap > 0.7 * max(last.height, segment.height),
                        lines.last?.isEmpty == false
                    {
                        lines.append("")
                    }
                }
                lines.append(segment.text)
            }
            last = segment
        }
        return lines
    }

    /// Whether a piece goes on the line of the one before: poppler's line, or the same height a few words' room to the
    /// right, as the words of justified lines stand.
    private func isBeside(_ segment: Segment, _ last: Segment, inColumn: Bool) -> Bool {
        if !inColumn, segment.line == last.line { return true }
        let height = max(min(segment.height, last.height), 1)
        // Lines that run downwards stand beside each other and are lines all the same.
        guard !segment.isUpright, !last.isUpright else { return false }
        guard abs(segment.middle - last.middle) < 0.4 * height else { return false }
        return inColumn || (segment.x1 >= last.x2 - height && segment.x1 - last.x2 < 4 * height)
    }

    /// Segments at one height.
    struct Row {
        var members: [Int]
        var middle: Double
        var y1, y2: Double
    }

    /// The pieces by height, each row from left to right.
    func rows() -> [Row] { rows(of: Array(segments.indices)) }

    /// Some pieces by height, each row from left to right.
    func rows(of members: [Int]) -> [Row] {
        let order = members.sorted {
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
                // A heading beside the next column is larger than its text: the smaller of both tells a wide gap.
                let height = max(min(segment.height, box.y2 - box.y1), 1)
                // Where poppler saw no space two cells of a table are near each other.
                let isWide = gap > (segment.text.last == " " ? 1.1 : 0.45) * height
                if isWide || gap < -2 * max(segment.height, 1) {
                    segments.append(trimmed(segment))
                    current = nil
                } else if gap > 0.6 * height {
                    current?.breaks.append(Break(offset: segment.text.utf8.count, x1: segment.x2, x2: box.x1))
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

    /// Cuts pieces that run on over a narrow gap between columns: where other pieces begin, several below each other.
    private mutating func cutAtColumns() {
        guard segments.count <= Self.segmentLimit, segments.contains(where: { !$0.breaks.isEmpty }) else { return }
        // Places in steps of a point.
        func step(_ x: Double) -> Int { Int(max(-1e6, min(1e6, x)).rounded()) }
        var starts: [Int: Int] = [:]
        for segment in segments { starts[step(segment.x1), default: 0] += 1 }
        func isColumn(_ x: Double) -> Bool {
            (-1...1).reduce(0) { $0 + starts[step(x) + $1, default: 0] } >= 4
        }
        segments = segments.flatMap { segment -> [Segment] in
            let cuts = segment.breaks.filter { isColumn($0.x2) && abs($0.x2 - segment.x1) > 3 }
            guard !cuts.isEmpty else { return [segment] }
            var parts: [Segment] = []
            var (start, left) = (0, segment.x1)
            let text = segment.text.utf8
            for (end, x1, x2) in cuts.map({ ($0.offset, $0.x1, $0.x2) }) + [(text.count, segment.x2, segment.x2)] {
                guard start <= end, end <= text.count else { break }
                let content = String(decoding: text.dropFirst(start).prefix(end - start), as: UTF8.self).trimmed()
                if !content.isEmpty {
                    parts.append(
                        Segment(text: content, x1: left, x2: x1, y1: segment.y1, y2: segment.y2, line: segment.line))
                }
                (start, left) = (end, x2)
            }
            return parts
        }
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
