// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// A stream of records that was looked at: how it is cut, and how its records are read.
package struct RecordSource {
    package let reader: RecordReader
    package let parser: RecordParser
    /// What people should know: how the text was found, where the table begins.
    package let note: String?
    /// Whether reading can go on from a place in the middle: the bytes of the file are those that are cut.
    package let isResumable: Bool

    /// - Parameters:
    ///   - stream: the file from its start.
    ///   - format: `jsonl`, `json`, `csv`, `tsv` or `mbox`.
    ///   - id: the path that ids of records without one begin with.
    ///   - resume: opens the file at a position to go on from there, with the lines and records before it.
    /// - Throws: `DocumentError` when the file as a whole is set aside.
    package init(
        _ stream: any ByteStream, format: SourceFormat, id: String, options: ReadingOptions,
        resume: (position: Int, line: Int, open: (Int) throws -> any ByteStream)? = nil
    ) throws {
        let raw = try PeekedStream(stream, count: 1 << 17)
        let encoding = try Self.encoding(raw, options)
        var text = raw
        if !encoding.isUTF8 { text = try PeekedStream(TranscodingStream(raw, from: encoding), count: 1 << 17) }
        let hasStrays = format != .mbox && (text.head.contains(0) || (text.isWhole && text.head.last == 0x1A))
        if hasStrays { text = try PeekedStream(CleanedStream(text), count: 1 << 17) }
        isResumable = encoding.isUTF8 && !hasStrays
        let mark = encoding.isUTF8 ? encoding.markLength : 0
        let limit = options.limits.documentBytes
        var notes: [String] = []
        if !encoding.isUTF8, options.encoding == nil, format != .mbox { notes.append("read as \(encoding.name)") }
        if hasStrays { notes.append("zero bytes and end marks in the text were dropped") }
        var skipped = mark
        var lines = 0
        let cut: RecordCut
        let stem = format == .mbox ? id : String(id.prefix(upTo: Self.stemEnd(id)))
        let fallback: @Sendable (Int) -> String = { "\(stem):\($0)" }
        switch format {
        case .csv, .tsv:
            let dialect = try Self.dialect(text, mark: mark, format: format)
            cut = .delimited(dialect.grammar)
            skipped = mark + dialect.preamble
            lines = dialect.preambleLines
            let sample = dialect.sample.map { DelimitedParser.record($0, dialect.header) }
            let mapper = RecordMapper(options.fields, sample: sample, fallbackID: fallback)
            if let named = options.fields.text, !named.contains(where: { dialect.header.contains($0) }) {
                throw DocumentError(
                    "there is no column \(named.map { "\"\($0)\"" }.joined(separator: " or ")); the columns are \(RecordMapper.list(dialect.header))"
                )
            }
            for named in [options.fields.id, options.fields.title].compactMap({ $0 })
            where !dialect.header.contains(named) {
                throw DocumentError(
                    "there is no column \"\(named)\"; the columns are \(RecordMapper.list(dialect.header))")
            }
            if !dialect.hasHeader { notes.append("no header line; the columns are numbered") }
            if dialect.preamble > 0 { notes.append("the table begins at line \(dialect.preambleLines + 1)") }
            if let found = mapper.note { notes.append(found) }
            var rows = DelimitedParser(grammar: dialect.grammar, header: dialect.header, mapper: mapper)
            if dialect.hasHeader, dialect.header.count > 1 {
                rows.totals = text.isWhole ? .lines(dialect.totals(of: text.head.dropFirst(mark))) : .byLabel
            }
            rows.firstNumber = dialect.hasHeader ? dialect.headerRows + 1 : 1
            if !dialect.notes.isEmpty, resume == nil {
                rows.notes = SourceDocument(
                    id: id, title: DocumentReader.title(id, format), text: dialect.notes.joined(separator: "\n"))
            }
            parser = RecordParser(kind: .delimited(rows), id: id, options: options)
            try Self.skip(skipped, of: text)
            if dialect.hasHeader {
                // The header is a record of the grammar too, or two; it is not one of the rows.
                let headerReader = RecordReader(text, cut: cut, limit: limit, position: skipped, lines: lines)
                var header: [UInt8] = []
                for _ in 0..<dialect.headerRows { _ = try headerReader.next(into: &header) }
                reader = try Self.resumed(headerReader, cut, limit, resume, isResumable)
            } else {
                reader = try Self.resumed(
                    RecordReader(text, cut: cut, limit: limit, position: skipped, lines: lines), cut, limit, resume,
                    isResumable)
            }
        case .mbox:
            cut = .mailbox
            parser = RecordParser(kind: .message, id: id, options: options)
            reader = RecordReader(raw, cut: cut, limit: limit)
        default:
            cut = format == .jsonl ? .lines : .json
            try Self.skip(skipped, of: text)
            let sample = Self.sample(text.head.dropFirst(mark), cut: cut)
            let mapper = RecordMapper(options.fields, sample: sample, fallbackID: fallback)
            if let found = mapper.note { notes.append(found) }
            parser = RecordParser(kind: .json(mapper, byLine: format == .jsonl), id: id, options: options)
            reader = try Self.resumed(
                RecordReader(text, cut: cut, limit: limit, position: skipped), cut, limit, cut == .lines ? resume : nil,
                isResumable)
        }
        note = notes.isEmpty ? nil : notes.joined(separator: "; ")
    }

    private static func stemEnd(_ id: String) -> String.Index {
        guard let dot = id.lastIndex(of: "."), dot > (id.lastIndex(of: "/") ?? id.startIndex) else {
            return id.endIndex
        }
        return dot
    }

    private static func encoding(_ raw: PeekedStream, _ options: ReadingOptions) throws(DocumentError) -> TextEncoding {
        let found = raw.head.withUnsafeBufferPointer { head -> TextEncoding? in
            if let named = options.encoding {
                guard var encoding = TextDecoding.encoding(named: named) else { return nil }
                if let marked = TextEncoding.marked(head), marked.name.hasPrefix(encoding.name.prefix(6)) {
                    encoding = marked
                }
                return encoding
            }
            return TextEncoding.detect(head, isWhole: raw.isWhole)
        }
        guard let found else {
            if let named = options.encoding { throw DocumentError("there is no character encoding \"\(named)\"") }
            throw DocumentError("it is no text: \(raw.head.withUnsafeBufferPointer { BinaryKind.name($0) })")
        }
        return found
    }

    private static func dialect(_ text: PeekedStream, mark: Int, format: SourceFormat) throws(DocumentError)
        -> DelimitedDialect
    {
        let result: Result<DelimitedDialect, DocumentError> = text.head.withUnsafeBufferPointer { bytes in
            do throws(DocumentError) {
                return .success(
                    try DelimitedDialect(
                        head: UnsafeBufferPointer(rebasing: bytes.dropFirst(mark)),
                        delimiter: format == .tsv ? 9 : UInt8(ascii: ","), isWhole: text.isWhole))
            } catch { return .failure(error) }
        }
        return try result.get()
    }

    private static func skip(_ count: Int, of stream: any ByteStream) throws {
        var left = count
        var piece = [UInt8](repeating: 0, count: 4096)
        while left > 0 {
            let read = try piece.withUnsafeMutableBytes {
                try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<min(left, 4096)]))
            }
            if read == 0 { return }
            left -= read
        }
    }

    /// A reader that goes on from where an earlier one was, when that is past the header.
    private static func resumed(
        _ reader: RecordReader, _ cut: RecordCut, _ limit: Int,
        _ resume: (position: Int, line: Int, open: (Int) throws -> any ByteStream)?, _ isResumable: Bool
    ) throws -> RecordReader {
        guard let resume, isResumable, resume.position > reader.position else { return reader }
        return RecordReader(
            try resume.open(resume.position), cut: cut, limit: limit, position: resume.position, lines: resume.line)
    }

    /// The first records of JSON, for guesses about their members.
    private static func sample(_ head: ArraySlice<UInt8>, cut: RecordCut) -> [JSONObject] {
        let reader = RecordReader(MemoryStream(Array(head)), cut: cut, limit: 1 << 20)
        var records: [JSONObject] = []
        var buffer: [UInt8] = []
        while records.count < 50, let record = try? reader.next(into: &buffer) {
            if record.problem == nil,
                let value = try? JSONValue(parsing: Array(buffer[record.range]), limits: JSONLimits(isLenient: true)),
                let members = value.object
            {
                records.append(members)
            }
            buffer.removeAll(keepingCapacity: true)
        }
        return records
    }
}

/// Reads the records of one source. Used from several threads at once.
package struct RecordParser: Sendable {
    enum Kind: Sendable {
        case json(RecordMapper, byLine: Bool)
        case delimited(DelimitedParser)
        case message
    }

    let kind: Kind
    let id: String
    let options: ReadingOptions

    /// - Parameters:
    ///   - line: the record's first line in the file, from 1.
    ///   - number: its number in the file, from 1.
    /// - Throws: `DocumentError` that says what was expected.
    package func read(_ bytes: UnsafeBufferPointer<UInt8>, line: Int, number: Int, depth: Int = 0) throws -> Reading {
        var reading = Reading()
        switch kind {
        case .delimited(let parser): try parser.read(bytes, line: line, number: number, into: &reading)
        case .json(let mapper, let byLine):
            try json(bytes, mapper, place: byLine ? line : number, into: &reading)
        case .message:
            var message = Array(bytes)
            Self.unquoteFromLines(&message)
            return try DocumentReader(options).read(.bytes(message), format: .eml, id: "\(id):\(number)", depth: depth)
        }
        return reading
    }

    private func json(
        _ bytes: UnsafeBufferPointer<UInt8>, _ mapper: RecordMapper, place: Int, into reading: inout Reading
    ) throws(DocumentError) {
        let value: JSONValue
        let limits = JSONLimits(bytes: options.limits.documentBytes, isLenient: true)
        do {
            value = try JSONValue(parsing: bytes, limits: limits)
        } catch {
            // A line of another encoding among lines of UTF-8.
            if error.message == "the string is not valid UTF-8",
                let again = try? JSONValue(parsing: TextDecoding.lenient(bytes), limits: limits)
            {
                value = again
            } else if let again = Self.withoutComma(bytes).flatMap({ try? JSONValue(parsing: $0, limits: limits) }) {
                value = again
            } else if let again = Self.meant(bytes) {
                value = again
                reading.notes.append("some of its records are no strict JSON; they were read as they were meant")
            } else if bytes.first(where: { $0 > 32 }) != UInt8(ascii: "{") {
                throw DocumentError("expected a JSON object, found \(TextDecoding.lenient(bytes.prefix(40)).trimmed())")
            } else {
                throw DocumentError("expected a JSON object: \(error)")
            }
        }
        switch value {
        case .object(let members):
            guard !ExportedRecord.isBulkAction(members) else {
                reading.notes.append("lines of Elasticsearch's bulk format that only say what to do were left out")
                return
            }
            reading.documents.append(try mapper.document(members, place: place))
        case .string(let text):
            reading.documents.append(try mapper.document(["text": .string(text)], place: place))
        default: throw DocumentError("expected a JSON object, found \(value.typeName)")
        }
    }

    /// Deviations from JSON that leave no doubt about what is meant.
    static let harmless: Set = [
        "a comment", "a comma too many", "single quotes", "a Python literal", "a Python tuple", "a name without quotes",
        "an unknown escape", "a number written oddly",
    ]

    /// A record as programs other than JSON writers put it down: Python's dictionaries, commas at the end, comments. Nil
    /// for what is cut off, or would have to be guessed.
    private static func meant(_ bytes: UnsafeBufferPointer<UInt8>) -> JSONValue? {
        guard bytes.first(where: { $0 > 32 }) == UInt8(ascii: "{"), bytes.count <= 1 << 18,
            let read = LenientJSON.read(TextDecoding.lenient(bytes)), read.value.object != nil
        else { return nil }
        guard read.repairs.allSatisfy({ harmless.contains($0) }) else { return Optional.none }
        return read.value
    }

    /// A line of a list of objects that was written one a line, without the comma at its end; nil when there is none.
    private static func withoutComma(_ bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        let end = bytes.lastIndex { $0 > 32 }
        guard let end, bytes[end] == UInt8(ascii: ",") else { return nil }
        return UnsafeBufferPointer(rebasing: bytes[..<end])
    }

    /// Takes back the mark that mailboxes put before lines beginning with "From ".
    private static func unquoteFromLines(_ bytes: inout [UInt8]) {
        let mark = Array(">From ".utf8)
        guard bytes.count > mark.count else { return }
        var kept: [UInt8] = []
        kept.reserveCapacity(bytes.count)
        var isStart = true
        for index in bytes.indices {
            if isStart, bytes[index] == mark[0],
                bytes[index...].drop(while: { $0 == mark[0] }).starts(with: mark.dropFirst())
            {
                isStart = false
                continue
            }
            kept.append(bytes[index])
            isStart = bytes[index] == 10
        }
        bytes = kept
    }
}

/// Reads rows of separated values as records.
struct DelimitedParser: Sendable {
    let grammar: DelimitedGrammar
    let header: [String]
    let mapper: RecordMapper

    /// How rows of totals are told from others.
    enum Totals {
        case none
        /// They are known: the whole table was looked at.
        case lines(Set<Int>)
        /// By their first value, and numbers in two other columns.
        case byLabel
    }
    var totals = Totals.none
    /// What stands above the table; it comes before the first row.
    var notes: SourceDocument?
    /// The number of the first row, behind those of the header.
    var firstNumber = 1

    /// - Parameter number: that of the row in the file, from 1.
    /// - Throws: `DocumentError` for a row with more values than columns.
    func read(
        _ bytes: UnsafeBufferPointer<UInt8>, line: Int, number: Int, into reading: inout Reading
    ) throws(DocumentError) {
        if number == firstNumber, let notes { reading.documents.append(notes) }
        let fields = grammar.fields(bytes).map { grammar.text($0, in: bytes) }
        if fields.count > header.count, fields[header.count...].contains(where: { !$0.trimmed().isEmpty }) {
            throw DocumentError("expected \(header.count) columns, found \(fields.count)")
        }
        guard fields.contains(where: { !$0.isEmpty }) else { throw DocumentError("the row is empty") }
        if isTotal(fields, line: line) {
            let shown = fields.map { $0.collapsed() }.filter { !$0.isEmpty }.prefix(8).joined(separator: ", ")
            reading.notes.append("line \(line) is a row of totals and was left out: \(shown)")
            return
        }
        reading.documents.append(try mapper.document(Self.record(fields, header), place: line))
    }

    private func isTotal(_ fields: [String], line: Int) -> Bool {
        switch totals {
        case .none: false
        case .lines(let known): known.contains(line)
        case .byLabel: TableHeader.isTotal(fields, numbers: 2) || TableHeader.isTotal(fields, isPart: true)
        }
    }

    /// A row as a record. Columns that the row ends before are empty.
    static func record(_ fields: [String], _ header: [String]) -> JSONObject {
        var record = JSONObject(minimumCapacity: header.count)
        for (index, name) in header.enumerated() {
            let value = index < fields.count ? fields[index] : ""
            let plain = Self.trimmed(value)
            record[name] = plain.isEmpty ? .null : .string(plain)
        }
        return record
    }

    /// Spaces around a value are of the file's layout.
    private static func trimmed(_ value: String) -> String {
        guard let first = value.utf8.first, let last = value.utf8.last, first <= 32 || last <= 32 else { return value }
        return value.trimmed()
    }
}
