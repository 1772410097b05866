// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads OpenDocument: texts, presentations and spreadsheets (LibreOffice, and what others export).
enum OpenDocument {
    /// The parts that are read.
    static func isWanted(_ path: String) -> Bool { path == "content.xml" || path == "meta.xml" }

    /// A text or a presentation.
    static func text(_ parts: PackageParts, id: String, name: String) throws(DocumentError) -> SourceDocument {
        guard let reader = try parts.reader("content.xml") else {
            throw DocumentError("it is no OpenDocument: it has no content.xml")
        }
        var text = MarkedText()
        var heading: String?
        var start = 0
        var pages = 0
        // For each open table the cells that reach down: by column, for how many rows more.
        var reaching: [[Int: Int]] = []
        var (rowSpan, isCovered) = (1, false)
        func endCell() {
            let column = text.column
            if let last = reaching.indices.last {
                if isCovered, let rows = reaching[last][column], rows > 0 {
                    reaching[last][column] = rows - 1
                    return text.endCell(repeatingAbove: true)
                }
                if rowSpan > 1 { reaching[last][column] = rowSpan - 1 }
            }
            text.endCell()
        }
        // Notes stand in the sentence that they are a note to.
        var notes = 0
        while let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                switch name {
                case "page":
                    if pages > 0 { text.breakPage() }
                    pages += 1
                case "h":
                    text.breakLine(2)
                    start = text.builder.count
                case "p": if notes > 0 { text.append(" ") } else { text.breakLine() }
                case "list-item": text.breakLine()
                case "s": text.append(" ")
                case "tab": text.append(" ")
                case "line-break": text.breakLine()
                // Deleted text, comments, and a note's number.
                case "tracked-changes", "annotation", "note-citation", "forms": if !isEmpty { _ = reader.content() }
                case "note-body":
                    text.append(" (")
                    notes += isEmpty ? 0 : 1
                case "table":
                    text.beginTable()
                    if reaching.count < 64 { reaching.append([:]) }
                case "table-cell", "covered-table-cell":
                    rowSpan = reader.attribute("number-rows-spanned").flatMap { Int($0) } ?? 1
                    isCovered = name == "covered-table-cell"
                    text.beginCell()
                    if isEmpty { endCell() }
                default: break
                }
            case .end(let name):
                switch name {
                case "h":
                    let written = text.builder.text(after: start).collapsed()
                    if heading == nil, !written.isEmpty { heading = written }
                    text.breakLine(2)
                case "p": if notes == 0 { text.breakLine(2) }
                case "note-body":
                    text.append(")")
                    notes -= 1
                case "table-cell", "covered-table-cell": endCell()
                case "table-row": text.endRow()
                case "table":
                    text.endTable()
                    _ = reaching.popLast()
                default: break
                }
            case .text(let content): text.append(content)
            }
        }
        if reader.isBroken, text.builder.isEmpty { throw DocumentError("its XML is damaged") }
        var metadata = try parts.properties("meta.xml")
        let title = metadata["title"]?.string ?? heading ?? name
        metadata["title"] = nil
        if pages > 0 { metadata["slides"] = .integer(pages) }
        return SourceDocument(id: id, title: title, text: text.finish(), metadata: metadata)
    }

    /// The sheets of a spreadsheet.
    static func sheets(_ parts: PackageParts) throws(DocumentError) -> [Sheet] {
        guard let reader = try parts.reader("content.xml") else {
            throw DocumentError("it is no OpenDocument: it has no content.xml")
        }
        var sheets: [Sheet] = []
        var (row, number, column, rowRepeat) = ([Int: String](), 0, 0, 1)
        var cell = TextBuilder()
        var (value, cellRepeat, isInCell) = (String?.none, 1, false)
        // Cells that reach down into rows below: what they hold, and for how many rows more.
        var reaching: [Int: (text: String, rows: Int)] = [:]
        var (rowSpan, columnSpan, isCovered) = (1, 1, false)
        func endCell() {
            let shown = cell.text().trimmed()
            var text = value ?? shown
            // Codes are shown with zeros before them, and flags as words.
            if value != nil, !shown.isEmpty, shown != text {
                let isCode =
                    shown.first == "0" && shown.count > text.count
                    && shown.utf8.allSatisfy { $0 != 46 && $0 != 44 && $0 != 37 && $0 != 58 }
                if isCode, NumberMask.digits(shown).drop(while: { $0 == "0" }) == text[...] { text = shown }
                if ["TRUE", "FALSE"].contains(shown) { text = shown.lowercased() }
            }
            if isCovered, text.isEmpty {
                for offset in 0..<min(cellRepeat, 64) {
                    guard let above = reaching[column + offset], above.rows > 0 else { continue }
                    if !above.text.isEmpty { row[column + offset] = above.text }
                    reaching[column + offset] = (above.text, above.rows - 1)
                }
            } else if rowSpan > 1 {
                for offset in 0..<min(columnSpan, 64) {
                    reaching[column + offset] = (offset == 0 ? text : "", rowSpan - 1)
                }
            }
            if columnSpan > 1, !text.isEmpty, let last = sheets.indices.last, sheets[last].spans.count < 10_000 {
                sheets[last].spans.append((number + 1, column, column + min(columnSpan, 1024) - 1))
            }
            // A value that is repeated to the sheet's edge is a format, not content.
            if !text.isEmpty { for offset in 0..<min(cellRepeat, 64) { row[column + offset] = text } }
            column += cellRepeat
            isInCell = false
        }
        func endRow() {
            number += 1
            if !row.isEmpty, let last = sheets.indices.last { sheets[last].rows.append((number, row)) }
            number += rowRepeat - 1
        }
        func count(_ name: String) -> Int { min(max(reader.attribute(name).flatMap { Int($0) } ?? 1, 1), 1 << 21) }
        while let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                switch name {
                case "table":
                    sheets.append(Sheet(name: reader.attribute("name") ?? "Sheet\(sheets.count + 1)"))
                    number = 0
                    reaching = [:]
                case "table-row":
                    (row, column, rowRepeat) = ([:], 0, count("number-rows-repeated"))
                    if isEmpty { endRow() }
                case "table-cell", "covered-table-cell":
                    cell = TextBuilder()
                    cellRepeat = count("number-columns-repeated")
                    (rowSpan, columnSpan) = (count("number-rows-spanned"), count("number-columns-spanned"))
                    isCovered = name == "covered-table-cell"
                    isInCell = true
                    switch reader.attribute("value-type") {
                    case "float", "currency": value = reader.attribute("value")
                    case "percentage":
                        value = reader.attribute("value").map { raw in
                            Double(raw).map { NumberMask.percent($0, decimals: 2) } ?? raw
                        }
                    case "date": value = reader.attribute("date-value")
                    case "boolean": value = reader.attribute("boolean-value")
                    default: value = nil
                    }
                    if isEmpty { endCell() }
                case "annotation": if !isEmpty { _ = reader.content() }
                case "p": if isInCell { cell.breakLine() }
                case "s": if isInCell { cell.append(" ") }
                default: break
                }
            case .end("table-cell"), .end("covered-table-cell"): endCell()
            case .end("table-row"): endRow()
            case .end: break
            case .text(let content): if isInCell { cell.append(content) }
            }
        }
        return sheets
    }
}
