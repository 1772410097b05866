// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Rich Text Format as Word, LibreOffice, TextEdit, Outlook and others write it: paragraphs, lists with their numbers, tables
/// by rows, the texts of links, notes and comments at the end; not what is hidden, deleted or a picture.
///
/// Read here, not by a library: Debian has none with a C interface, and its program `unrtf` loses the texts of links, glues bullets
/// to words, drops characters that are written in two units, and shows what is hidden and deleted.
enum RichText {
    /// - Parameter notes: takes what people should know: that the file ends early.
    /// - Throws: `DocumentError` when it is no RTF, or has more text than the limit.
    static func read(
        _ bytes: [UInt8], id: String, name: String, limits: ReadingLimits, notes: inout [String]
    ) throws(DocumentError) -> SourceDocument {
        guard bytes.prefix(64).contains(UInt8(ascii: "{")) else { throw DocumentError("the RTF is damaged") }
        var reader = RichTextReader(limit: limits.textBytes)
        let isWhole = bytes.withUnsafeBufferPointer { reader.read($0) }
        if reader.isTooLong { throw DocumentError("the RTF gives more than \(limits.textBytes) bytes of text") }
        let title = reader.information["title"] ?? reader.heading ?? name
        let text = reader.finish()
        guard !text.isEmpty || isWhole else { throw DocumentError("the RTF is damaged") }
        if !isWhole { notes.append("the RTF ends early: what is behind its end is missing") }
        var metadata = JSONObject()
        for key in ["author", "subject", "keywords", "created", "modified"] {
            if let value = reader.information[key] { metadata[key] = .string(value) }
        }
        return SourceDocument(id: id, title: title, text: text, metadata: metadata)
    }
}

/// Follows the groups and control words of a file and writes its text.
private struct RichTextReader {
    /// What is in force in a group, and ends with it.
    private struct Group {
        /// Whether its text is none of the document's.
        var isSkipped = false
        var isHidden = false
        var isDeleted = false
        /// Characters that stand for a `\u` before them.
        var replacements = 1
        var font: Int?
        var isInTable = false
        /// Whether the group is one of the font table.
        var isFont = false
        /// How many captures were open when it began.
        var captures = 0
    }

    /// Text that goes elsewhere than to the body.
    private struct Capture {
        enum Kind { case marker, note, margin, link, result, information(String) }
        var kind: Kind
        var text = ""
    }

    private let limit: Int
    private var text = MarkedText()
    private var groups = [Group()]
    /// Groups that are deeper than are kept.
    private var deeper = 0
    private var captures: [Capture] = []
    private var pending: [UInt8] = []
    private var pendingIsEscaped = false
    private var highSurrogate: UInt32?
    private var toSkip = 0
    private var isDestination = false
    private var isStarred = false
    private(set) var isTooLong = false
    private var written = 0

    private var codePage = "WINDOWS-1252"
    private var charsets: [Int: Int] = [:]
    private var defaultFont: Int?

    private var isTableOpen = false
    private var isInRow = false
    private var mergedCells: [Bool] = []
    private var isMerged = false
    private var list = 0
    private var hasMarker = false
    private var outline: Int?
    private var paragraphStart = 0
    private var link: String?
    private var date: [String: Int] = [:]
    private var margins: OrderedSet<String> = []

    private(set) var information: [String: String] = [:]
    private(set) var heading: String?

    init(limit: Int) { self.limit = limit }

    /// Reads a file; whether it was whole.
    mutating func read(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
        var scanner = RichTextScanner(bytes)
        while let token = scanner.next() {
            guard !isTooLong else { return false }
            if toSkip > 0, skips(token) { continue }
            switch token {
            case .open: open()
            case .close: if close() { return true }
            case .byte(let byte, let isEscaped):
                isDestination = false
                add(byte, isEscaped: isEscaped)
            case .symbol(let symbol): self.symbol(symbol)
            case .word("bin", let count): scanner.skip(count ?? 0)
            case .word(let name, let number): word(name, number)
            }
        }
        return false
    }

    mutating func finish() -> String {
        flush()
        while !captures.isEmpty { endCapture() }
        endParagraph()
        endTable()
        for margin in margins { text.note(margin) }
        return text.finish()
    }

    /// Whether a token is one of the characters that stand for a `\u` before them.
    private mutating func skips(_ token: RichTextScanner.Token) -> Bool {
        switch token {
        case .open, .close:
            toSkip = 0
            return false
        case .word("u", _), .word("uc", _):
            toSkip = 0
            return false
        default:
            toSkip -= 1
            return true
        }
    }

    // MARK: Groups

    private var group: Group {
        get { groups[groups.count - 1] }
        set { groups[groups.count - 1] = newValue }
    }

    private mutating func open() {
        flush()
        isDestination = true
        isStarred = false
        guard groups.count < 1 << 12 else {
            deeper += 1
            return
        }
        var inner = group
        inner.captures = captures.count
        groups.append(inner)
    }

    /// Ends a group; whether it was the last.
    private mutating func close() -> Bool {
        flush()
        isDestination = false
        guard deeper == 0 else {
            deeper -= 1
            return false
        }
        let ended = groups.count > 1 ? groups.removeLast() : group
        while captures.count > ended.captures { endCapture() }
        return groups.count == 1
    }

    private mutating func capture(_ kind: Capture.Kind) {
        guard captures.count < 64, groups.count > 1 else { return }
        captures.append(Capture(kind: kind))
    }

    private mutating func endCapture() {
        guard let capture = captures.popLast() else { return }
        let content = capture.text.collapsed()
        switch capture.kind {
        case .marker:
            guard captures.isEmpty else { break }
            let isSign = !content.unicodeScalars.contains {
                $0.properties.isAlphabetic || $0.properties.numericType != nil
            }
            hasMarker = true
            beginText()
            text.append(isSign || content == "o" ? "- " : content + " ")
        case .note: text.note(content)
        case .margin:
            for line in capture.text.textLines(omittingEmpty: true) {
                let line = String(line).collapsed()
                let words = line.split { !$0.isLetter }
                let isNumber = words.count <= 2 && line.utf8.count <= 16 && line.contains { $0.isNumber }
                if !words.isEmpty, !isNumber, margins.count < 100 { margins.append(line) }
            }
        case .link: link = Self.address(content)
        case .result:
            // A link without a text is its address.
            let shown = content.isEmpty ? link ?? "" : capture.text
            link = nil
            if !shown.isEmpty { write(shown) }
        case .information(let key):
            let value =
                ["created", "modified"].contains(key)
                ? Self.date(date) : content
            if let value, !value.isEmpty, information[key] == nil { information[key] = value }
        }
    }

    /// The address in `HYPERLINK "https://example.org" \o "tip"`.
    private static func address(_ instruction: String) -> String? {
        guard instruction.hasPrefix("HYPERLINK") else { return nil }
        let parts = instruction.split(separator: "\"", omittingEmptySubsequences: false)
        return parts.count >= 2 ? String(parts[1]) : nil
    }

    private static func date(_ parts: [String: Int]) -> String? {
        guard let year = parts["yr"], let month = parts["mo"], let day = parts["dy"], (1...9999).contains(year),
            (1...12).contains(month), (1...31).contains(day)
        else { return nil }
        func padded(_ number: Int, _ width: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    // MARK: Text

    private mutating func add(_ byte: UInt8, isEscaped: Bool) {
        guard !group.isSkipped, !group.isFont else { return }
        if pendingIsEscaped != isEscaped, pending.contains(where: { $0 >= 0x80 }) || byte >= 0x80 {
            // The second byte of a character may be written plainly.
            let isTrail = pendingIsEscaped && encoding.isDouble && pending.count % 2 == 1
            if !isTrail { flush() }
        }
        if pending.isEmpty { pendingIsEscaped = isEscaped }
        pending.append(byte)
    }

    private var encoding: (name: String, isDouble: Bool) {
        guard let charset = charsets[group.font ?? defaultFont ?? -1],
            let page = RichTextWords.pages[charset]
        else { return (codePage, RichTextWords.isDouble(codePage)) }
        return (page, RichTextWords.isDouble(page))
    }

    /// Writes the bytes that wait for the end of their run.
    private mutating func flush() {
        if highSurrogate != nil { highSurrogate = nil }
        guard !pending.isEmpty else { return }
        let bytes = pending
        pending.removeAll(keepingCapacity: true)
        write(decoded(bytes))
    }

    private func decoded(_ bytes: [UInt8]) -> String {
        guard bytes.contains(where: { $0 >= 0x80 }) else { return String(decoding: bytes, as: UTF8.self) }
        if !pendingIsEscaped, let text = String(validating: bytes, as: UTF8.self) { return text }
        let name = encoding.name
        if name == "SYMBOL" {
            return String(decoding: bytes.filter { $0 < 0x80 }, as: UTF8.self)
                + (bytes.contains(0xB7) ? "•" : "")
        }
        return bytes.withUnsafeBufferPointer { buffer in
            (try? TextDecoding.transcoded(buffer, from: TextEncoding(name: name))) ?? TextDecoding.lenient(bytes)
        }
    }

    private mutating func write(_ string: String) {
        guard !group.isSkipped, !group.isFont, !group.isHidden, !group.isDeleted, !string.isEmpty else { return }
        written += string.utf8.count
        guard written <= limit else {
            isTooLong = true
            return
        }
        if captures.isEmpty {
            if string.utf8.contains(where: { $0 > 32 }) { beginText() }
            text.append(string)
        } else {
            captures[captures.count - 1].text += string
        }
    }

    private mutating func breakLine(_ count: Int = 1) {
        if captures.isEmpty { text.breakLine(count) } else { captures[captures.count - 1].text += "\n" }
    }

    private mutating func unicode(_ number: Int) {
        let high = highSurrogate
        flush()
        let value = UInt32(truncatingIfNeeded: number < 0 ? number + 65536 : number)
        toSkip = group.replacements
        switch value {
        case 0xD800..<0xDC00: highSurrogate = value
        case 0xDC00..<0xE000:
            if let high, let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (value - 0xDC00)) {
                write(String(Character(scalar)))
            }
        // The signs of symbol fonts.
        case 0xF000...0xF0FF: write(value == 0xF0B7 || value == 0xF0A7 ? "•" : "")
        default: if let scalar = Unicode.Scalar(value), value > 0 { write(String(Character(scalar))) }
        }
    }

    // MARK: Paragraphs and tables

    /// What comes before the first text of a paragraph: the beginning or end of a table, the mark of a list.
    private mutating func beginText() {
        if isInTable, !isTableOpen { beginTable() } else if !isInTable, isTableOpen { endTable() }
        if list > 0, !hasMarker, text.builder.count <= paragraphStart {
            hasMarker = true
            text.append("- ")
        }
    }

    private mutating func endParagraph() {
        flush()
        guard captures.isEmpty else { return breakLine() }
        if !isInTable, isTableOpen { endTable() }
        if let outline, outline < 9, heading == nil, !isTableOpen {
            let content = text.builder.text(after: paragraphStart).collapsed()
            if !content.isEmpty { heading = content }
        }
        text.breakLine(hasMarker || isTableOpen ? 1 : 2)
        paragraphStart = text.builder.count
        hasMarker = false
    }

    /// Some programs do not say of each paragraph that it is in a table.
    private var isInTable: Bool { group.isInTable || isInRow }

    private mutating func beginTable() {
        text.beginTable()
        text.beginCell()
        isTableOpen = true
        paragraphStart = text.builder.count
    }

    private mutating func endTable() {
        guard isTableOpen else { return }
        isTableOpen = false
        text.endTable()
        paragraphStart = text.builder.count
    }

    private mutating func endCell() {
        flush()
        guard captures.isEmpty else { return write(" ") }
        if !isTableOpen {
            let content = text.take(after: paragraphStart)
            beginTable()
            text.append(content)
        }
        let column = text.column
        text.endCell(repeatingAbove: mergedCells.indices.contains(column) && mergedCells[column])
        text.beginCell()
        paragraphStart = text.builder.count
        hasMarker = false
    }

    private mutating func endRow() {
        flush()
        guard captures.isEmpty else { return }
        isInRow = false
        guard isTableOpen else { return }
        text.endRow()
        text.beginCell()
        mergedCells = []
    }

    // MARK: Control words

    private mutating func symbol(_ symbol: UInt8) {
        switch symbol {
        case UInt8(ascii: "*"): isStarred = true
        case UInt8(ascii: "~"): add(32, isEscaped: pendingIsEscaped)
        case UInt8(ascii: "_"): add(UInt8(ascii: "-"), isEscaped: pendingIsEscaped)
        default: break
        }
    }

    private mutating func word(_ name: String, _ number: Int?) {
        let begins = isDestination
        isDestination = false
        guard !group.isSkipped else { return }
        if begins, destination(name) { return }
        if let sign = RichTextWords.signs[name] {
            flush()
            return write(sign)
        }
        switch name {
        case "u": if let number { unicode(number) }
        case "uc": group.replacements = max(0, min(number ?? 1, 8))
        case "par", "sect", "page", "nestrow": endParagraph()
        case "line", "softline", "column":
            flush()
            breakLine()
        case "tab":
            flush()
            write(" ")
        case "cell": endCell()
        case "nestcell":
            flush()
            write(" ")
        case "row": endRow()
        default: property(name, number)
        }
    }

    private mutating func property(_ name: String, _ number: Int?) {
        switch name {
        case "ansicpg":
            if let number, number > 0 { codePage = number == 65001 ? "UTF-8" : RichTextWords.page(number) }
        case "mac": codePage = "MACINTOSH"
        case "pc": codePage = "CP437"
        case "pca": codePage = "CP850"
        case "deff": defaultFont = number
        case "f":
            if group.font != number { flush() }
            group.font = number
        case "fcharset":
            if group.isFont, let font = group.font, charsets.count < 10_000 { charsets[font] = number ?? 0 }
        case "plain":
            flush()
            (group.font, group.isHidden, group.isDeleted) = (nil, false, false)
        case "v":
            flush()
            group.isHidden = number != 0
        case "deleted":
            flush()
            group.isDeleted = number != 0
        case "pard":
            flush()
            group.isInTable = false
            (list, outline) = (0, nil)
        case "intbl": group.isInTable = true
        case "ls": list = number ?? 0
        case "outlinelevel": outline = number
        case "trowd": (mergedCells, isMerged, isInRow) = ([], false, captures.isEmpty)
        case "clvmrg": isMerged = true
        case "cellx":
            if mergedCells.count < 1000 { mergedCells.append(isMerged) }
            isMerged = false
        case "yr", "mo", "dy": date[name] = number
        default: break
        }
    }

    /// What begins with a word right behind the opening of a group; whether the word was one of these.
    private mutating func destination(_ name: String) -> Bool {
        switch name {
        case "fonttbl": group.isFont = true
        case "field": link = nil
        case "f" where group.isFont: return false
        case "listtext", "pntext": capture(.marker)
        case "footnote", "annotation": capture(.note)
        case "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf": capture(.margin)
        case "fldinst": capture(.link)
        case "fldrslt": if link != nil { capture(.result) }
        case "title", "author", "subject", "keywords": capture(.information(name))
        case "creatim", "revtim":
            date = [:]
            capture(.information(name == "creatim" ? "created" : "modified"))
        // What can be done without is skipped by those who do not know it, and its text is no text of the document's.
        case "shpinst", "shptxt", "moMath", "moMathPara": break
        default:
            guard isStarred || RichTextWords.skipped.contains(name) || (name.hasPrefix("m") && name.hasSuffix("Pr"))
            else {
                return false
            }
            group.isSkipped = true
        }
        return true
    }
}
