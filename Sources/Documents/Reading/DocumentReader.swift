// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// How files are read as documents.
package struct ReadingOptions: Sendable, Hashable {
    /// The encoding of texts; nil finds it for each file.
    package var encoding: String?
    package var fields = RecordFields()
    package var limits = ReadingLimits()
    /// A program and its first arguments that reads one PDF in a process of its own, so that a file which crashes or hangs
    /// poppler takes nothing with it. Nil reads PDF in this process.
    package var helper: [String]?
    /// What the files inside of a file may cost together; nil gives each file that is read a budget of its own.
    package var budget: SourceBudget?
    /// What ids of rows begin with, by the id of their file, where that is not its id without the ending.
    package var rowNames: [String: String] = [:]

    package init() {}
}

/// What a file gave: documents, and what is to be said of it.
package struct Reading: Sendable {
    package var documents: [SourceDocument] = []
    /// Parts that were set aside: where below the file, and why.
    package var problems: [(place: String, reason: String)] = []
    /// What people should know of a file that was read: an encoding that was guessed, pages that are pictures.
    package var notes: [String] = []

    package init() {}
}

/// Reads one file that is not a stream of records, from memory or from the disk, as documents. No state; any thread.
package struct DocumentReader: Sendable {
    package let options: ReadingOptions

    package init(_ options: ReadingOptions) { self.options = options }

    var budget: SourceBudget { options.budget ?? .ofUnknownSize() }

    /// Where a file's bytes are.
    package enum Content {
        case bytes([UInt8])
        case file(FilePlace)
    }

    /// Formats that are read from the disk piece by piece, so that their size costs no memory.
    package static func readsFromDisk(_ format: SourceFormat) -> Bool {
        switch format {
        case .pdf, .docx, .pptx, .xlsx, .opendocument, .epub, .parquet: return true
        default: return false
        }
    }

    /// - Parameters:
    ///   - content: what to read; a `file` for formats that are read from the disk.
    ///   - id: the id of a file that is one document, and the beginning of the ids of others.
    ///   - depth: how many archives and messages are around it.
    /// - Throws: `DocumentError` when the file as a whole is set aside.
    package func read(_ content: Content, format: SourceFormat, id: String, depth: Int = 0) throws -> Reading {
        guard let budget = options.budget else {
            var own = options
            own.budget = SourceBudget(size: Self.size(of: content))
            return try DocumentReader(own).read(content, format: format, id: id, depth: depth)
        }
        guard !budget.isCancelled else { throw DocumentError.cancelled }
        let mostText = Self.mostText(of: Self.size(of: content))
        if !Self.holdsFiles(format), options.limits.textBytes > mostText {
            var own = options
            own.limits.textBytes = mostText
            return try DocumentReader(own).read(content, format: format, id: id, depth: depth)
        }
        var reading = Reading()
        let name = Self.title(id, format)
        switch format {
        case .pdf: try readPDF(content, id: id, name: name, depth: depth, into: &reading)
        case .docx:
            reading.documents = [try OfficeDocument.word(archive(content), id: id, name: name, limits: options.limits)]
        case .pptx:
            reading.documents = [
                try OfficeDocument.slides(archive(content), id: id, name: name, limits: options.limits)
            ]
        case .xlsx:
            let book = try Workbook(archive(content), limits: options.limits)
            addSheets(book.sheets, id: id, title: book.properties["title"]?.string ?? name, into: &reading)
            let empty = book.formulasWithoutValue
            if empty > 0 {
                reading.notes.append(
                    "\(empty) \(empty == 1 ? "formula has" : "formulas have") no stored result, and \(empty == 1 ? "its cell is" : "their cells are") empty; save the file once in a spreadsheet program"
                )
            }
        case .opendocument: try readOpenDocument(content, id: id, name: name, into: &reading)
        case .epub:
            let parts = try PackageParts(archive(content), limits: options.limits, isWanted: EPUBDocument.isWanted)
            reading.documents = try EPUBDocument.chapters(parts, id: id, name: name)
        case .parquet: throw DocumentError("Parquet is read as a stream of records")
        default:
            let bytes = try bytes(of: content)
            try read(bytes, format: format, id: id, name: name, depth: depth, into: &reading)
        }
        if !Self.holdsFiles(format) { try Self.checkExpansion(reading, of: Self.size(of: content)) }
        return reading
    }

    /// Whether the files of a format hold others, whose cost is counted file by file.
    static func holdsFiles(_ format: SourceFormat) -> Bool { [.archive, .eml, .mbox].contains(format) }

    /// The bytes of text that a file of so many bytes may give: office files pack well, and repeat themselves.
    private static func mostText(of size: Int) -> Int { 8 << 20 + 200 * size }

    /// Refuses a file that says far more than it has: cells that all name one long text, pages that share one content.
    static func checkExpansion(_ reading: Reading, of size: Int) throws(DocumentError) {
        let text = reading.documents.reduce(0) { $0 + $1.text.utf8.count }
        guard text <= mostText(of: size) else {
            throw DocumentError(
                "its \(size) bytes make \(text) bytes of text; it is set aside as a decompression bomb")
        }
    }

    /// The title of a file without one of its own.
    static func title(_ id: String, _ format: SourceFormat) -> String {
        let name = id.split(separator: "/").last.map(String.init) ?? id
        guard format != .code, let dot = name.lastIndex(of: "."), dot != name.startIndex else { return name }
        return String(name[..<dot])
    }

    /// The bytes of a file; 0 where it cannot be read.
    static func size(of content: Content) -> Int {
        switch content {
        case .bytes(let bytes): return bytes.count
        case .file(let place):
            // What cannot be opened is told where it is read.
            guard let descriptor = try? place.open() else { return 0 }
            defer { close(descriptor) }
            var status = stat()
            return fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
        }
    }

    func bytes(of content: Content) throws -> [UInt8] {
        switch content {
        case .bytes(let bytes): return bytes
        case .file(let place):
            return try PeekedStream(FileStream(place), count: 1).all(limit: options.limits.documentBytes)
        }
    }

    func archive(_ content: Content) throws(DocumentError) -> Archive {
        switch content {
        case .bytes(let bytes): return try Archive(bytes, limits: options.limits)
        case .file(let place): return try Archive(place, limits: options.limits)
        }
    }

    private func read(
        _ bytes: [UInt8], format: SourceFormat, id: String, name: String, depth: Int, into reading: inout Reading
    ) throws {
        switch format {
        case .eml: try readMessage(bytes, id: id, name: name, depth: depth, into: &reading)
        case .picture: try readPicture(bytes, id: id, name: name, into: &reading)
        case .rtf:
            reading.documents = [
                try RichText.read(bytes, id: id, name: name, limits: options.limits, notes: &reading.notes)
            ]
        case .archive, .mbox, .jsonl, .csv, .tsv:
            try readStream(bytes, format: format, id: id, depth: depth, into: &reading)
        case .xml:
            try readXML(bytes, id: id, name: name, into: &reading)
        default:
            let text = try self.text(bytes, format: format, into: &reading)
            try readText(text, format: format, id: id, name: name, depth: depth, into: &reading)
        }
    }

    // MARK: Texts

    /// The text of a file, by the encoding that the user named, the page names, or that is found.
    func text(_ bytes: [UInt8], format: SourceFormat, into reading: inout Reading) throws(DocumentError)
        -> String
    {
        var encoding: TextEncoding?
        if let named = options.encoding {
            guard let known = TextDecoding.encoding(named: named) else {
                throw DocumentError("there is no character encoding \"\(named)\"")
            }
            encoding = known
        } else if format == .html {
            encoding = Self.pageEncoding(bytes)
        }
        let decoded: Result<(text: String, encoding: TextEncoding), DocumentError> = bytes.withUnsafeBufferPointer {
            buffer in
            do throws(DocumentError) { return .success(try TextDecoding.text(buffer, encoding: encoding)) } catch {
                return .failure(error)
            }
        }
        let (text, found) = try decoded.get()
        if !found.isUTF8, options.encoding == nil { reading.notes.append("read as \(found.name)") }
        if bytes.last == 0x1A
            || (bytes.contains(0) && !found.name.hasPrefix("UTF-16") && !found.name.hasPrefix("UTF-32"))
        {
            reading.notes.append("zero bytes and end marks in the text were dropped")
        }
        if found.isUTF8, bytes.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) == nil }) {
            reading.notes.append("some of its bytes are no UTF-8; they were read as Windows-1252")
        }
        return text.holds(27) ? TerminalText.withoutCodes(text) : text
    }

    /// The encoding that an HTML page declares, unless its bytes are UTF-8 anyway.
    private static func pageEncoding(_ bytes: [UInt8]) -> TextEncoding? {
        let isUTF8 = bytes.withUnsafeBufferPointer {
            TextEncoding.marked($0) != nil || TextEncoding.isUTF8($0, isWhole: true)
        }
        guard !isUTF8 else { return nil }
        let head = String(decoding: bytes.prefix(2048), as: UTF8.self).lowercased()
        guard let mark = head.range(of: "charset=") else { return nil }
        let name = head[mark.upperBound...].drop { $0 == "\"" || $0 == "'" || $0 == " " }
            .prefix { $0.isLetter || $0.isNumber || "-_:".contains($0) }
        guard !name.isEmpty, let encoding = TextDecoding.encoding(named: String(name)), !encoding.isUTF8 else {
            return nil
        }
        return encoding
    }

    private func readText(
        _ text: String, format: SourceFormat, id: String, name: String, depth: Int, into reading: inout Reading
    ) throws {
        switch format {
        case .markdown: reading.documents = [MarkdownDocument.read(text, id: id, name: name, notes: &reading.notes)]
        case .html:
            let page = try HTMLDocument.read(text, id: id, name: name)
            // Pages that a script would write, and markup nested beyond what libxml2 reads.
            if page.text.isEmpty, text.utf8.count > 500 { reading.notes.append("its markup shows no text") }
            reading.documents = [page]
        case .rst: reading.documents = [PlainDocuments.restructured(text, id: id, name: name)]
        case .org: reading.documents = [PlainDocuments.org(text, id: id, name: name)]
        case .yaml: readYAML(text, id: id, name: name, into: &reading)
        case .json, .notebook:
            let value: JSONValue
            do {
                value = try JSONValue(
                    parsing: text, limits: JSONLimits(bytes: options.limits.documentBytes, isLenient: true))
            } catch {
                // Objects one after the other are no JSON text, but a stream of records.
                var stream = Reading()
                try readStream(Array(text.utf8), format: .json, id: id, depth: depth, into: &stream)
                // With comments, and commas at the end of lists, as people write settings.
                let isOne = stream.documents.isEmpty || (stream.documents.count == 1 && !stream.problems.isEmpty)
                guard isOne, let meant = Self.commented(text) else {
                    if stream.documents.isEmpty, let first = text.trimmed().first, !"{[\"".contains(first) {
                        reading.notes.append("it is no JSON; it was taken as text")
                        reading.documents = [SourceDocument(id: id, title: name, text: text.trimmed())]
                        return
                    }
                    reading.documents += stream.documents
                    reading.problems += stream.problems
                    reading.notes += stream.notes
                    return
                }
                reading.notes.append("it is no strict JSON; it was read as it was meant")
                value = meant
            }
            var problems: [String] = []
            reading.documents = ValueDocuments.read(
                value, id: id, name: name, rowName: options.rowNames[id], fields: options.fields,
                problems: &problems)
            reading.problems += problems.map { ("", $0) }
            if reading.documents.isEmpty, problems.isEmpty { reading.notes.append("it holds no records and no text") }
        case .text where id.lowercased().hasSuffix(".toml"):
            let value = try? TOMLReader.read(text)
            reading.documents = [Self.settings(value ?? .null, text: text, id: id, name: name)]
        case .code where text.hasPrefix("window.YTD."):
            // The archive of Twitter: a list that is given to a name.
            let value = text.firstIndex(of: "=").map { String(text[text.index(after: $0)...]) } ?? text
            try readText(value, format: .json, id: id, name: name, depth: depth, into: &reading)
        case .text: readPlain(text, id: id, name: name, into: &reading)
        default: reading.documents = [SourceDocument(id: id, title: name, text: text)]
        }
        // An empty page or note is a document all the same: its title may be what is looked for.
    }

    /// JSON that has comments and the like in it, as its writer meant it.
    private static func commented(_ text: String) -> JSONValue? {
        var rest = text[...]
        // Comments may come before everything.
        while true {
            rest = rest.drop { $0.isWhitespace || $0 == "\u{FEFF}" }
            if rest.hasPrefix("//") {
                rest = rest.drop { !$0.isNewline }
            } else if rest.hasPrefix("/*"), let end = rest.range(of: "*/") {
                rest = rest[end.upperBound...]
            } else {
                break
            }
        }
        guard let first = rest.first, first == "{" || first == "[",
            let read = LenientJSON.read(String(rest), limits: JSONLimits(depth: 64, bytes: 4 << 20)),
            read.value.object != nil || read.value.array != nil,
            read.repairs.allSatisfy({ RecordParser.harmless.contains($0) })
        else { return Optional.none }
        return read.value
    }

    private func readYAML(_ text: String, id: String, name: String, into reading: inout Reading) {
        do {
            let values = try YAMLReader.readAll(text, name: name)
            for (index, value) in values.enumerated() {
                let own = values.count == 1 ? id : "\(id):\(index + 1)"
                var problems: [String] = []
                // A list of objects is records; any other YAML reads best as it was written.
                if case .array(let elements) = value, elements.contains(where: { $0.object != nil }) {
                    reading.documents += ValueDocuments.read(
                        value, id: own, name: name, rowName: options.rowNames[own], fields: options.fields,
                        problems: &problems)
                } else if values.count == 1 {
                    reading.documents.append(Self.settings(value, text: text, id: own, name: name))
                } else {
                    reading.documents += ValueDocuments.read(
                        value, id: own, name: name, rowName: options.rowNames[own], fields: options.fields,
                        problems: &problems)
                }
                reading.problems += problems.map { ("", $0) }
            }
            if values.isEmpty { reading.documents = [SourceDocument(id: id, title: name, text: text.trimmed())] }
        } catch {
            reading.notes.append("it is no YAML that can be read (\(error)); it was taken as text")
            reading.documents = [SourceDocument(id: id, title: name, text: text.trimmed())]
        }
    }

    /// A file of settings: its text as it was written, what it says at its top level as fields, and its title.
    private static func settings(_ value: JSONValue, text: String, id: String, name: String) -> SourceDocument {
        var document = SourceDocument(id: id, title: name, text: text.trimmed())
        for (field, value) in value.object ?? [:] where document.metadata.count < 64 {
            if ["title", "name"].contains(field.lowercased()), let title = value.string, !title.trimmed().isEmpty {
                document.title = title.collapsed()
                continue
            }
            if RecordMapper.textNames.contains(field.lowercased()) { continue }
            let elements = value.array ?? [value]
            let isPlain = elements.allSatisfy { $0.object == nil && $0.array == nil && !$0.isNull }
            guard isPlain, !elements.isEmpty, elements.allSatisfy({ ($0.string?.utf8.count ?? 0) <= 200 }) else {
                continue
            }
            document.metadata[field] = value
        }
        return document
    }

    // MARK: Packages

    func addSheets(_ sheets: [Sheet], id: String, title: String, into reading: inout Reading) {
        for sheet in sheets {
            var problems: [String] = []
            reading.documents += sheet.documents(
                id: "\(id)/\(Archive.harmless(sheet.name))",
                title: sheets.count > 1 ? "\(title): \(sheet.name)" : title,
                fields: options.fields, problems: &problems, notes: &reading.notes)
            reading.problems += problems.map { ("", $0) }
        }
        if reading.documents.isEmpty, reading.problems.isEmpty { reading.notes.append("its sheets are empty") }
    }

    private func readOpenDocument(_ content: Content, id: String, name: String, into reading: inout Reading) throws {
        if case .bytes(let bytes) = content, !bytes.starts(with: [0x50, 0x4B]) {
            try readFlat(bytes, id: id, name: name, into: &reading)
            return
        }
        if case .file(let place) = content,
            !(try PeekedStream(FileStream(place), count: 2).head.starts(with: [0x50, 0x4B]))
        {
            try readFlat(bytes(of: content), id: id, name: name, into: &reading)
            return
        }
        let parts = try PackageParts(archive(content), limits: options.limits, isWanted: OpenDocument.isWanted)
        let head = parts.bytes("content.xml").map { String(decoding: $0.prefix(1 << 16), as: UTF8.self) } ?? ""
        if head.contains("<office:spreadsheet") || id.lowercased().hasSuffix(".ods") {
            let title = try parts.properties("meta.xml")["title"]?.string ?? name
            addSheets(try OpenDocument.sheets(parts), id: id, title: title, into: &reading)
        } else {
            reading.documents = [try OpenDocument.text(parts, id: id, name: name)]
        }
    }

    // MARK: PDF and pictures

    private func readPDF(_ content: Content, id: String, name: String, depth: Int, into reading: inout Reading) throws {
        if let helper = options.helper {
            reading = try PDFHelper.read(content, id: id, helper: helper, options)
        } else {
            let source: PDFDocument.Source =
                switch content {
                case .bytes(let bytes): .bytes(bytes)
                case .file(let place): .file(place)
                }
            let pdf = try PDFDocument(source, limits: options.limits, isCancelled: { budget.isCancelled })
            reading.documents = [try pdf.read(id: id, name: name, notes: &reading.notes)]
            for file in pdf.attachments() {
                addFile(file.bytes, name: file.name, below: id, depth: depth, into: &reading)
            }
        }
    }

    private func readPicture(_ bytes: [UInt8], id: String, name: String, into reading: inout Reading) throws {
        let kind = bytes.withUnsafeBufferPointer { BinaryKind.name($0) }
        guard let recognition = CharacterRecognition.find() else {
            throw DocumentError("it is \(kind): its text needs OCR, and tesseract is not installed")
        }
        guard let lines = recognition.lines(ofPicture: bytes) else {
            throw DocumentError("it is \(kind) in which OCR found no text")
        }
        reading.notes.append("read by OCR")
        reading.documents = [SourceDocument(id: id, title: name, text: lines.joined(separator: "\n").trimmed())]
    }
}
