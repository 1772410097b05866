// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads Office Open XML: Word documents and PowerPoint presentations.
enum OfficeDocument {
    // MARK: Word

    /// A Word document: paragraphs, lists, tables by rows; foot- and endnotes and comments at the end.
    static func word(_ archive: Archive, id: String, name: String, limits: ReadingLimits) throws -> SourceDocument {
        let parts = try PackageParts(archive, limits: limits) {
            $0.hasSuffix(".xml") && ($0.hasPrefix("word/") || $0.hasPrefix("docProps/"))
        }
        guard let body = try parts.reader("word/document.xml") ?? parts.reader("word/document2.xml") else {
            throw DocumentError("it is no Word document: it has no word/document.xml")
        }
        var text = MarkedText()
        let heading = try wordText(body, into: &text)
        for part in ["word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"] {
            guard let reader = try parts.reader(part) else { continue }
            var notes = MarkedText()
            try wordText(reader, into: &notes)
            for line in notes.finish().textLines(omittingEmpty: true) { text.note(String(line)) }
        }
        try marginNotes(parts, into: &text)
        var metadata = try parts.properties("docProps/core.xml")
        let title = metadata["title"]?.string ?? heading ?? name
        metadata["title"] = nil
        return SourceDocument(id: id, title: title, text: text.finish(), metadata: metadata)
    }

    /// What stands at the head and the foot of pages, once, without the pages' numbers.
    private static func marginNotes(_ parts: PackageParts, into text: inout MarkedText) throws(DocumentError) {
        var seen: Set<String> = []
        for part in parts.paths("word/header") + parts.paths("word/footer") {
            guard let reader = try parts.reader(part) else { continue }
            var margin = MarkedText()
            try wordText(reader, into: &margin)
            for line in margin.finish().textLines(omittingEmpty: true) {
                let plain = String(line).collapsed()
                let words = plain.split { !$0.isLetter }
                let isNumber = words.count <= 2 && plain.contains { $0.isNumber } && plain.utf8.count <= 16
                if !words.isEmpty, !isNumber, seen.insert(plain).inserted { text.note(plain) }
            }
        }
    }

    /// Writes the paragraphs of a part; returns its title or first heading.
    @discardableResult private static func wordText(
        _ reader: XMLPull, into text: inout MarkedText
    ) throws(DocumentError) -> String? {
        var title: String?
        var heading: String?
        var start = 0
        var style = ""
        var (isContinued, columns) = (false, 1)
        var (isRun, isHidden) = (false, false)
        while let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                switch name {
                case "r": (isRun, isHidden) = (true, false)
                case "vanish": isHidden = isRun && !["0", "false", "off"].contains(reader.attribute("val"))
                case "p":
                    text.breakLine()
                    start = text.builder.count
                    style = ""
                case "vMerge": isContinued = reader.attribute("val") != "restart"
                case "gridSpan": columns = reader.attribute("val").flatMap { Int($0) } ?? 1
                // Signs of formulas: sums and integrals, powers, indices.
                case "chr": text.append(reader.attribute("val") ?? "")
                case "sup": text.append("^")
                case "sub": text.append("_")
                // Text that was moved away stands where it was moved to.
                case "moveFrom": if !isEmpty { _ = reader.content() }
                case "pStyle": style = reader.attribute("val") ?? ""
                case "numPr": if text.builder.count == start { text.append("- ") }
                case "tab": text.append(" ")
                case "br", "cr": text.breakLine()
                case "noBreakHyphen": text.append("-")
                case "tbl": text.beginTable()
                case "tc":
                    text.beginCell()
                    (isContinued, columns) = (false, 1)
                // What is shown where the first choice cannot be is the same again; field codes are no text.
                case "Fallback", "instrText", "delText": if !isEmpty { _ = reader.content() }
                case "t" where isHidden: if !isEmpty { _ = reader.content() }
                case "t": if !isEmpty { text.append(reader.content(keepingSpace: true)) }
                case "docPr": break
                default: break
                }
            case .end(let name):
                switch name {
                case "p":
                    let written = text.builder.text(after: start).collapsed()
                    let plain = style.lowercased()
                    if title == nil, plain == "title", !written.isEmpty { title = written }
                    let isHeading = plain.hasPrefix("heading") || plain == "title"
                    if heading == nil, isHeading, !written.isEmpty { heading = written }
                    text.breakLine(isHeading || !plain.hasPrefix("list") ? 2 : 1)
                case "r": (isRun, isHidden) = (false, false)
                case "num": text.append("/")
                case "tc":
                    text.endCell(repeatingAbove: isContinued, columns: columns)
                    (isContinued, columns) = (false, 1)
                case "tr": text.endRow()
                case "tbl": text.endTable()
                default: break
                }
            case .text: break
            }
        }
        if reader.isBroken, text.builder.isEmpty { throw DocumentError("its XML is damaged") }
        return title ?? heading
    }

    // MARK: PowerPoint

    /// A presentation: a page for each slide, with its notes.
    static func slides(_ archive: Archive, id: String, name: String, limits: ReadingLimits) throws -> SourceDocument {
        let parts = try PackageParts(archive, limits: limits) {
            ($0.hasSuffix(".xml") || $0.hasSuffix(".rels")) && ($0.hasPrefix("ppt/") || $0.hasPrefix("docProps/"))
                && !$0.contains("slideLayout") && !$0.contains("slideMaster") && !$0.contains("theme")
        }
        guard let presentation = try parts.reader("ppt/presentation.xml") else {
            throw DocumentError("it is no presentation: it has no ppt/presentation.xml")
        }
        let relations = try parts.relations(of: "ppt/presentation.xml")
        var order: [String] = []
        while let event = presentation.next() {
            guard case .start("sldId", _) = event else { continue }
            // Two attributes are called id: the number and the relation.
            order += presentation.attributes().compactMap { relations[$0.value] }
        }
        if order.isEmpty { order = parts.paths("ppt/slides/slide") }
        var text = MarkedText()
        var title: String?
        for (index, path) in order.enumerated() {
            if index > 0 { text.breakPage() }
            guard let slide = try parts.reader(path) else { continue }
            slideText(slide, into: &text, title: &title)
            let related = try parts.relations(of: path).values.sorted()
            for part in related where part.contains("/charts/chart") || part.contains("/diagrams/data") {
                guard let reader = try parts.reader(part) else { continue }
                text.breakLine(2)
                if part.contains("chart") {
                    ChartText.write(reader, to: &text)
                } else {
                    diagramText(reader, into: &text)
                }
            }
            for (_, notes) in try parts.relations(of: path) where notes.contains("notesSlide") {
                guard let reader = try parts.reader(notes) else { continue }
                text.breakLine(2)
                var unused: String? = ""
                slideText(reader, into: &text, title: &unused)
            }
        }
        var metadata = try parts.properties("docProps/core.xml")
        let own = metadata["title"]?.string.flatMap { $0 == "PowerPoint Presentation" ? nil : $0 }
        metadata["title"] = nil
        metadata["slides"] = .integer(order.count)
        return SourceDocument(id: id, title: own ?? title ?? name, text: text.finish(), metadata: metadata)
    }

    /// The texts of a diagram, a line each.
    private static func diagramText(_ reader: XMLPull, into text: inout MarkedText) {
        while let event = reader.next() {
            switch event {
            case .start("p", _): text.breakLine()
            case .start("t", false): text.append(reader.content(keepingSpace: true))
            default: break
            }
        }
    }

    private static func slideText(_ reader: XMLPull, into text: inout MarkedText, title: inout String?) {
        var isTitle = false
        var isNumber = false
        var start = 0
        while let event = reader.next() {
            switch event {
            case .start(let name, let isEmpty):
                switch name {
                case "sp", "graphicFrame":
                    text.breakLine(2)
                    isTitle = false
                    isNumber = false
                    start = text.builder.count
                case "ph":
                    let kind = reader.attribute("type")
                    isTitle = kind == "title" || kind == "ctrTitle"
                    isNumber = kind == "sldNum" || kind == "dt" || kind == "ftr"
                case "br": text.breakLine()
                case "p": text.breakLine()
                case "tbl": text.beginTable()
                case "tc": text.beginCell()
                case "Fallback": if !isEmpty { _ = reader.content() }
                case "t":
                    guard !isEmpty else { break }
                    let content = reader.content(keepingSpace: true)
                    if !isNumber { text.append(content) }
                default: break
                }
            case .end(let name):
                switch name {
                case "sp":
                    let written = text.builder.text(after: start).collapsed()
                    if isTitle, title == nil, !written.isEmpty { title = written }
                case "tc": text.endCell()
                case "tr": text.endRow()
                case "tbl": text.endTable()
                default: break
                }
            case .text: break
            }
        }
    }
}
