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
        var repeated = 1
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
                case "table": text.beginTable()
                case "table-cell", "covered-table-cell":
                    repeated = min(reader.attribute("number-columns-repeated").flatMap { Int($0) } ?? 1, 1)
                    text.beginCell()
                    if isEmpty { text.endCell() }
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
                case "table-cell", "covered-table-cell": for _ in 0..<repeated { text.endCell() }
                case "table-row": text.endRow()
                case "table": text.endTable()
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
        func endCell() {
            let text = value ?? cell.text().trimmed()
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
                case "table-row":
                    (row, column, rowRepeat) = ([:], 0, count("number-rows-repeated"))
                    if isEmpty { endRow() }
                case "table-cell", "covered-table-cell":
                    cell = TextBuilder()
                    cellRepeat = count("number-columns-repeated")
                    isInCell = true
                    switch reader.attribute("value-type") {
                    case "float", "currency", "percentage": value = reader.attribute("value")
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
