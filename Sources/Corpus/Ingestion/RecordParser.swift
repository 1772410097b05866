// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Turns the records of one source into prepared documents. Used from several threads at once.
struct RecordParser: Sendable {
    private enum Kind: Sendable {
        case jsonLines(JSONLinesParser)
        case delimited(DelimitedParser)
        case whole(SourceFormat)
    }

    private let kind: Kind
    private let source: SourceList.Source
    private let splitter: PassageSplitter

    /// A parser for formats that need no header; for CSV and TSV one that stands in until the header was read.
    init(source: SourceList.Source, options: IngestOptions, splitter: PassageSplitter) {
        self.source = source
        self.splitter = splitter
        if source.format == .jsonl {
            let prefix = source.idPrefix
            kind = .jsonLines(JSONLinesParser(options: options, fallbackID: { "\(prefix):\($0)" }))
        } else {
            kind = .whole(source.format)
        }
    }

    /// A parser for CSV and TSV.
    /// - Parameter header: the first record.
    /// - Throws: `RecordError` when the header has no text column.
    init(
        source: SourceList.Source, options: IngestOptions, splitter: PassageSplitter, header: UnsafeBufferPointer<UInt8>
    ) throws {
        self.source = source
        self.splitter = splitter
        let prefix = source.idPrefix
        kind = .delimited(
            try DelimitedParser(
                header: header, format: source.format, options: options, fallbackID: { "\(prefix):\($0)" }))
    }

    /// - Throws: `RecordError` that says what was expected.
    func parse(_ bytes: UnsafeBufferPointer<UInt8>, line: Int) throws -> PreparedDocument {
        let raw: RawDocument
        switch kind {
        case .jsonLines(let parser): raw = try parser.parse(bytes, line: line)
        case .delimited(let parser): raw = try parser.parse(bytes, line: line)
        case .whole(let format):
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw RecordError(message: "the file is not valid UTF-8; convert it first")
            }
            let name = source.idPrefix.split(separator: "/").last.map(String.init) ?? source.idPrefix
            let title = String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex))
            switch format {
            case .markdown: raw = MarkdownParser.parse(text, id: source.idPrefix, name: title)
            case .html: raw = HTMLParser.parse(text, id: source.idPrefix, name: title)
            default: raw = RawDocument(id: source.idPrefix, title: title, text: text, metadata: [:])
            }
        }
        do {
            try CorpusWriter.check(id: raw.id)
        } catch let error as CorpusError {
            throw RecordError(message: error.message)
        }
        guard raw.title.utf8.count <= 1 << 16 else {
            throw RecordError(message: "the title has \(raw.title.utf8.count) bytes; at most 65536 are accepted")
        }
        return PreparedDocument(
            id: raw.id, title: raw.title, text: raw.text, metadata: raw.metadata, splitter: splitter)
    }
}
