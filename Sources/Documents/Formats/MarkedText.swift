// SPDX-License-Identifier: Apache-2.0

/// Running text with tables inside, as word processors write it: cells are gathered while paragraphs go on.
struct MarkedText {
    private(set) var builder = TextBuilder()
    private var tables: [(table: TableText, cell: Int)] = []
    private var notes: [String] = []

    mutating func append(_ text: UnsafeBufferPointer<UInt8>) { builder.append(text) }
    mutating func append(_ text: String) { builder.append(text) }

    mutating func breakLine(_ count: Int = 1) { builder.breakLine(tables.isEmpty ? count : 1) }

    mutating func breakPage() { if tables.isEmpty { builder.breakPage() } }

    mutating func beginTable() {
        breakLine(2)
        // Tables in tables deeper than this are text of their cell.
        if tables.count < 16 { tables.append((TableText(), builder.count)) } else { skipped += 1 }
    }
    private var skipped = 0

    mutating func beginCell() { if skipped == 0, let last = tables.indices.last { tables[last].cell = builder.count } }

    /// - Parameters:
    ///   - repeatingAbove: whether the cell is the lower part of the one above it.
    ///   - columns: how many columns it is as wide as.
    mutating func endCell(repeatingAbove: Bool = false, columns: Int = 1) {
        guard skipped == 0, let last = tables.indices.last else { return }
        let text = builder.take(after: min(tables[last].cell, builder.count))
        if repeatingAbove, text.utf8.allSatisfy({ $0 <= 32 }) {
            tables[last].table.repeatAbove()
        } else {
            tables[last].table.cell(text)
        }
        for _ in 1..<max(1, min(columns, 64)) { tables[last].table.cell("") }
    }

    /// The column of the cell that is open in the innermost table.
    var column: Int { tables.last?.table.column ?? 0 }

    mutating func endRow() { if skipped == 0, let last = tables.indices.last { tables[last].table.endRow() } }

    mutating func endTable() {
        guard skipped == 0 else {
            skipped -= 1
            return
        }
        guard var (table, _) = tables.popLast() else { return }
        table.endRow()
        builder.isPreformatted = true
        builder.append(table.text())
        builder.isPreformatted = false
        breakLine(2)
    }

    mutating func note(_ text: String) {
        let text = text.collapsed()
        if !text.isEmpty { notes.append(text) }
    }

    /// The whole text, notes at its end.
    mutating func finish() -> String {
        while !tables.isEmpty || skipped > 0 { endTable() }
        var text = builder.text().trimmed()
        if !notes.isEmpty { text += "\n\n" + notes.joined(separator: "\n") }
        return text
    }
}
