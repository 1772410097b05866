// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads Excel workbooks (Office Open XML).
struct Workbook {
    private(set) var sheets: [Sheet] = []
    private(set) var properties: JSONObject = [:]
    private var sharedTexts: [String] = []
    /// For each cell format whether it shows a date.
    private var formats: [CellFormat] = []
    /// Days between Excel's day 0 and 1970-01-01.
    private var epoch = 25_569.0
    /// Formulas that no program has worked out: their cells are empty.
    private(set) var formulasWithoutValue = 0
    /// How many more bytes of text the cells may hold. One text stands once in the file, however many cells name it.
    private var room: Int

    /// - Throws: `DocumentError` for what is no workbook.
    init(_ archive: Archive, limits: ReadingLimits) throws {
        room = 2 * limits.textBytes
        let parts = try PackageParts(archive, limits: limits) {
            ($0.hasSuffix(".xml") || $0.hasSuffix(".rels")) && ($0.hasPrefix("xl/") || $0.hasPrefix("docProps/"))
                && !$0.contains("drawing") && !$0.contains("theme") && !$0.contains("calcChain")
        }
        guard let workbook = try parts.reader("xl/workbook.xml") else {
            throw DocumentError("it is no workbook: it has no xl/workbook.xml")
        }
        let relations = try parts.relations(of: "xl/workbook.xml")
        var found: [(name: String, path: String)] = []
        while let event = workbook.next() {
            guard case .start(let name, _) = event else { continue }
            if name == "workbookPr", ["1", "true"].contains(workbook.attribute("date1904") ?? "") { epoch = 24_107 }
            guard name == "sheet" else { continue }
            let attributes = workbook.attributes()
            let title = attributes.first { $0.name == "name" }?.value ?? "Sheet\(found.count + 1)"
            if let path = attributes.lazy.compactMap({ relations[$0.value] }).first { found.append((title, path)) }
        }
        try readTexts(parts)
        try readFormats(parts)
        for (name, path) in found {
            guard let reader = try parts.reader(path) else { continue }
            var sheet = read(reader, name: name)
            for (_, part) in try parts.relations(of: path) where part.contains("comments") {
                if let reader = try parts.reader(part) { Self.readComments(reader, into: &sheet) }
            }
            guard room >= 0 else {
                throw DocumentError("the workbook's cells hold more than \(2 * limits.textBytes) bytes of text")
            }
            sheets.append(sheet)
        }
        properties = try parts.properties("docProps/core.xml")
    }

    private mutating func readTexts(_ parts: PackageParts) throws {
        guard let reader = try parts.reader("xl/sharedStrings.xml") else { return }
        var text = ""
        while let event = reader.next() {
            switch event {
            case .start("si", let isEmpty):
                text = ""
                if isEmpty { sharedTexts.append("") }
            case .start("t", false): text += reader.content(keepingSpace: true)
            // How Japanese is read aloud, beside the text.
            case .start("rPh", false): _ = reader.content()
            case .end("si"): sharedTexts.append(text.withUnixLineEnds())
            default: break
            }
        }
    }

    private mutating func readFormats(_ parts: PackageParts) throws {
        guard let reader = try parts.reader("xl/styles.xml") else { return }
        var custom: [Int: CellFormat] = [:]
        var isInFormats = false
        while let event = reader.next() {
            switch event {
            case .start("numFmt", _):
                if let id = reader.attribute("numFmtId").flatMap({ Int($0) }), let code = reader.attribute("formatCode")
                {
                    custom[id] = Self.format(code)
                }
            case .start("cellXfs", let isEmpty): isInFormats = !isEmpty
            case .end("cellXfs"): isInFormats = false
            case .start("xf", _) where isInFormats:
                let id = reader.attribute("numFmtId").flatMap { Int($0) } ?? 0
                formats.append(custom[id] ?? Self.builtIn(id))
            default: break
            }
        }
    }

    /// What a number in a cell stands for.
    enum CellFormat: Equatable {
        case plain, date, time
        /// So many decimals.
        case percent(Int)
        /// Digits at the places of zeros, as in `00000` and `000-00-0000`.
        case mask(String)
    }

    private static func builtIn(_ id: Int) -> CellFormat {
        switch id {
        case 14...17, 22, 27...31, 50...58: return .date
        case 18...21, 45...47: return .time
        case 9: return .percent(0)
        case 10: return .percent(2)
        default: return .plain
        }
    }

    /// What a number format shows, outside of quotes: a date where it has a year or a day in it, a time where it has hours
    /// or seconds alone.
    static func format(_ code: String) -> CellFormat {
        if let shown = NumberMask.format(code) { return shown }
        var isQuoted = false
        var isBracketed = false
        var found = CellFormat.plain
        var escaped = false
        for character in code.lowercased() {
            if escaped {
                escaped = false
                continue
            }
            switch character {
            case "\\": escaped = true
            case "\"": isQuoted.toggle()
            case _ where isQuoted: break
            case "[": isBracketed = true
            case "]": isBracketed = false
            case "y" where !isBracketed, "d" where !isBracketed: found = .date
            // Hours beyond a day stand in brackets; colours and countries do, too.
            case "h" where found == .plain && (!isBracketed || code.lowercased().contains("[h")),
                "s" where found == .plain && !isBracketed:
                found = .time
            case "#" where !isBracketed && found == .plain, "0" where !isBracketed && found == .plain,
                "?" where !isBracketed && found == .plain:
                return .plain
            default: break
            }
        }
        return found
    }

    /// What people wrote beside cells.
    private static func readComments(_ reader: XMLPull, into sheet: inout Sheet) {
        while let event = reader.next() {
            guard case .start("comment", false) = event, let place = reader.attribute("ref"),
                let column = column(place), let row = Int(place.drop { !$0.isNumber })
            else { continue }
            let text = reader.content().collapsed()
            if !text.isEmpty, sheet.comments.count < 100_000 { sheet.comments.append((row, column, text)) }
        }
    }

    private mutating func read(_ reader: XMLPull, name: String) -> Sheet {
        var sheet = Sheet(name: name)
        var row: [Int: String] = [:]
        var number = 0
        var column = -1
        var kind = ""
        var format = 0
        var cells = 0
        var formula = ""
        while let event = reader.next() {
            switch event {
            case .start("row", _):
                number = reader.attribute("r").flatMap { Int($0) } ?? number + 1
                row = [:]
                column = -1
            case .start("c", _):
                column = reader.attribute("r").flatMap { Self.column($0) } ?? column + 1
                kind = reader.attribute("t") ?? "n"
                format = reader.attribute("s").flatMap { Int($0) } ?? 0
                formula = ""
            case .start("v", false):
                let text = value(reader.content(keepingSpace: true), kind: kind, format: format)
                if !text.isEmpty { row[column] = text }
            case .start("t", false): row[column, default: ""] += reader.content(keepingSpace: true)
            case .start("f", false): formula = reader.content()
            case .end("c") where !formula.isEmpty && row[column] == nil && kind != "e":
                if let label = Self.label(ofLink: formula) { row[column] = label } else { formulasWithoutValue += 1 }
            case .start("mergeCell", _): Self.merge(reader.attribute("ref") ?? "", in: &sheet)
            case .end("row"):
                if !row.isEmpty { sheet.rows.append((number, row)) }
                cells += row.count
                room -= row.values.reduce(0) { $0 + $1.utf8.count }
                // What is beyond has no reader, and memory has an end.
                if cells > 5_000_000 || room < 0 { return sheet }
            default: break
            }
        }
        return sheet
    }

    /// What a link shows whose formula was never worked out: `HYPERLINK("address", "label")`; nil for other formulas.
    private static func label(ofLink formula: String) -> String? {
        guard formula.hasPrefix("HYPERLINK("), formula.hasSuffix(")") else { return nil }
        let texts = formula.split(separator: "\"", omittingEmptySubsequences: false)
        guard texts.count == 3 || texts.count == 5 else { return nil }
        return String(texts[texts.count - 2])
    }

    /// A value that stands once for several rows is that of each of them.
    private static func merge(_ range: String, in sheet: inout Sheet) {
        let ends = range.split(separator: ":")
        guard ends.count == 2, let left = column(String(ends[0])), let right = column(String(ends[1])),
            let first = Int(ends[0].drop { !$0.isNumber }), let last = Int(ends[1].drop { !$0.isNumber })
        else { return }
        if left < right, sheet.spans.count < 10_000 { sheet.spans.append((first, left, right)) }
        guard left == right, first < last, let start = sheet.rows.firstIndex(where: { $0.number == first }),
            let value = sheet.rows[start].cells[left]
        else { return }
        for index in (start + 1)..<sheet.rows.count {
            guard sheet.rows[index].number <= last else { return }
            if sheet.rows[index].cells[left] == nil { sheet.rows[index].cells[left] = value }
        }
    }

    private func value(_ raw: String, kind: String, format: Int) -> String {
        switch kind {
        case "s": return Int(raw.trimmed()).flatMap { sharedTexts.indices.contains($0) ? sharedTexts[$0] : nil } ?? ""
        case "b": return raw.trimmed() == "1" ? "true" : "false"
        case "str", "d": return raw.withUnixLineEnds()
        case "e": return ""  // #N/A and the like say that there is no value
        default:
            guard let number = Double(raw.trimmed()), number.isFinite else { return raw.trimmed() }
            switch formats.indices.contains(format) ? formats[format] : .plain {
            case .plain: break
            case .date: return date(number) ?? raw
            case .time: return Self.time(number) ?? raw
            case .percent(let decimals): return NumberMask.percent(number, decimals: decimals)
            case .mask(let mask): if let shown = NumberMask.shown(number, mask) { return shown }
            }
            return Int(exactly: number).map { String($0) } ?? "\(number)"
        }
    }

    /// A part of a day, or hours beyond it, as hours, minutes and seconds.
    private static func time(_ days: Double) -> String? {
        guard days >= 0, days < 100_000 else { return nil }
        let seconds = Int((days * 86_400).rounded())
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))"
    }

    /// Excel's days since 1900 or 1904 as ISO 8601.
    private func date(_ days: Double) -> String? {
        // Excel counts a 29 February 1900 that was none; before it everything is a day off, and rarely a date.
        guard days >= 61, days < 2_958_466 else { return nil }
        let seconds = Int64(((days - epoch) * 86_400).rounded())
        return ISODate.text(seconds: seconds, withTime: days.rounded() != days)
    }

    /// The column of a reference such as `BC12`; nil when it is none.
    static func column(_ reference: String) -> Int? {
        var column = 0
        for byte in reference.utf8 {
            guard byte >= 65, byte <= 90 else { break }
            column = column * 26 + Int(byte - 64)
            if column > 16_384 { return nil }
        }
        return column > 0 ? column - 1 : nil
    }
}
