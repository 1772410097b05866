// SPDX-License-Identifier: Apache-2.0

/// Builds running text from the pieces of a marked-up document: white space collapses, blocks begin on lines of their own.
struct TextBuilder {
    private(set) var bytes: [UInt8] = []
    /// Whether white space is kept, as in `<pre>`.
    var isPreformatted = false

    var isEmpty: Bool { bytes.isEmpty }
    var count: Int { bytes.count }

    /// Adds text. A space at either end stays as one space.
    mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
        if isPreformatted {
            bytes.append(contentsOf: text)
            return
        }
        var at = 0
        while at < text.count {
            let byte = text[at]
            if byte == 32 || (byte >= 9 && byte <= 13) {
                space()
                at += 1
            } else if byte == 0xC2, at + 1 < text.count, text[at + 1] == 0xA0 {
                space()
                at += 2
            } else {
                bytes.append(byte)
                at += 1
            }
        }
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append($0) }
    }

    private mutating func space() {
        if let last = bytes.last, last != 32, last != 10, last != 12 { bytes.append(32) }
    }

    /// Ends the line, with `count` line ends in all.
    mutating func breakLine(_ count: Int = 1) {
        while bytes.last == 32 { bytes.removeLast() }
        guard let last = bytes.last, last != 12 else { return }
        var have = 0
        while have < bytes.count, bytes[bytes.count - 1 - have] == 10 { have += 1 }
        if have < count { bytes.append(contentsOf: repeatElement(10, count: count - have)) }
    }

    /// Ends the page.
    mutating func breakPage() {
        breakLine(1)
        bytes.append(12)
    }

    /// Removes what was added after `count` bytes, and returns it.
    mutating func take(after count: Int) -> String {
        let text = String(decoding: bytes[count...], as: UTF8.self)
        bytes.removeSubrange(count...)
        return text
    }

    func text() -> String { String(decoding: bytes, as: UTF8.self) }
    func text(after count: Int) -> String { String(decoding: bytes[min(count, bytes.count)...], as: UTF8.self) }
}

/// A table that is written row by row: cells between bars, one row a line.
struct TableText {
    private var rows: [[String]] = []
    private var row: [String] = []

    /// Cells of rows above that reach down: by column, what they hold and for how many rows more.
    private var reaching: [Int: (text: String, rows: Int)] = [:]

    /// How many cells and bytes more may be written that stand nowhere but reach here from another: a few bytes ask for any
    /// number of them.
    private var room = (cells: 200_000, bytes: 8 << 20)

    mutating func cell(_ text: String) { row.append(text.collapsed()) }

    /// A cell that is the lower part of the one above it.
    mutating func repeatAbove() {
        let column = row.count
        row.append(rows.last.flatMap { column < $0.count ? $0[column] : nil } ?? "")
    }

    /// The column of the next cell.
    var column: Int { row.count }

    /// A cell that may stand in several rows, which then all have its text, and be as wide as several columns.
    mutating func cell(_ text: String, rows count: Int, columns: Int) {
        takeReaching()
        let text = text.collapsed()
        let columns = min(columns, max(1, room.cells))
        room.cells -= columns - 1
        for column in 0..<columns {
            if count > 1 { reaching[row.count] = (column == 0 ? text : "", count) }
            row.append(column == 0 ? text : "")
        }
    }

    /// The cells that reach into the row at this place.
    private mutating func takeReaching() {
        while let above = reaching[row.count], above.rows > 0, room.cells > 0, room.bytes > 0 {
            room.cells -= 1
            room.bytes -= above.text.utf8.count
            row.append(above.text)
        }
    }

    mutating func endRow() {
        if !row.isEmpty {
            takeReaching()
            room.cells -= reaching.count / 8
            reaching =
                room.cells > 0 ? reaching.compactMapValues { $0.rows > 1 ? ($0.text, $0.rows - 1) : nil } : [:]
        }
        if row.contains(where: { !$0.isEmpty }) { rows.append(row) }
        row = []
    }

    /// The rows without columns that are empty throughout.
    func text() -> String {
        let width = rows.map(\.count).max() ?? 0
        let used = (0..<width).filter { column in rows.contains { column < $0.count && !$0[column].isEmpty } }
        return rows.map { row in
            var cells = used.map { $0 < row.count ? row[$0] : "" }
            while cells.count > 1, cells.last?.isEmpty == true { cells.removeLast() }
            return cells.joined(separator: " | ")
        }.joined(separator: "\n")
    }
}
