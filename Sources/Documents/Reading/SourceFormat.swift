// SPDX-License-Identifier: Apache-2.0

import Base

/// The formats of source files.
public enum SourceFormat: String, Sendable, Hashable, CaseIterable {
    /// One JSON object a line.
    case jsonl
    /// JSON of any other shape: an array, one object, objects one after the other.
    case json
    /// Comma-separated values, or with any other delimiter.
    case csv
    /// Tab-separated values.
    case tsv
    /// Markdown, one document a file: the first heading is the title, front matter is fields.
    case markdown
    /// Plain text, one document a file: the file's name is the title.
    case text
    /// HTML, one document a file.
    case html
    /// XML: records where it is a list of like elements, else one document.
    case xml
    /// YAML: records where it is a list of objects, else one document a YAML document.
    case yaml
    /// reStructuredText.
    case rst
    /// Emacs Org.
    case org
    /// Source code: text whose name keeps its ending.
    case code
    /// PDF.
    case pdf
    /// Rich Text Format.
    case rtf
    /// Word (Office Open XML).
    case docx
    /// PowerPoint (Office Open XML).
    case pptx
    /// Excel (Office Open XML).
    case xlsx
    /// OpenDocument text, presentation or spreadsheet.
    case opendocument
    /// EPUB books.
    case epub
    /// One e-mail message.
    case eml
    /// A mailbox of messages.
    case mbox
    /// Jupyter notebooks.
    case notebook
    /// Parquet, through Python's pyarrow where it is installed.
    case parquet
    /// A picture, read by character recognition where tesseract is installed.
    case picture
    /// ZIP, tar, 7z, or one file compressed by gzip, bzip2, xz or zstd.
    case archive

    /// The format that a file's name says; nil when it says none.
    public init?(path: String) {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")), dot != name.startIndex else { return nil }
        guard let format = Self.endings[name[name.utf8.index(after: dot)...].lowercased()] else { return nil }
        self = format
    }

    private static let endings: [String: SourceFormat] = {
        let lists: [(SourceFormat, String)] = [
            (.jsonl, "jsonl ndjson jsonlines ldjson"), (.json, "json geojson json5 har"), (.csv, "csv psv"),
            (.tsv, "tsv tab"),
            (.markdown, "md markdown mdown mkd mdx qmd rmd"),
            (
                .text,
                "txt text log wiki mediawiki jira ris nbib srt vtt ini cfg conf properties env ics vcf asc nfo toml tex bib adoc asciidoc textile diff patch"
            ),
            (.html, "html htm xhtml shtml"), (.xml, "xml rss atom opml kml gpx docbook dbk tei fb2 rdf"),
            (.yaml, "yaml yml"),
            (.rst, "rst rest"), (.org, "org"),
            (
                .code,
                "swift c h cc cpp cxx hpp hh m mm py pyi rb rs go java kt kts scala clj cljs hs ml mli fs cs vb js mjs cjs ts tsx jsx php pl pm lua r jl sh bash zsh fish ps1 bat cmd sql css scss sass less vue svelte dart ex exs erl hrl elm nim zig v sv vhd asm s f f90 pas ada lisp el scm rkt tcl awk sed cmake mk gradle groovy tf proto graphql dockerfile"
            ),
            (.pdf, "pdf"), (.rtf, "rtf"), (.docx, "docx docm dotx"), (.pptx, "pptx pptm ppsx potx"),
            (.xlsx, "xlsx xlsm xltx"),
            (.opendocument, "odt ott odp otp ods ots fodt"), (.epub, "epub"), (.eml, "eml"), (.mbox, "mbox mbx"),
            (.notebook, "ipynb"), (.parquet, "parquet pq"), (.picture, "png jpg jpeg tif tiff bmp"),
            (.archive, "zip tar tgz gz bz2 tbz tbz2 xz txz zst tzst lz4 7z"),
        ]
        var endings: [String: SourceFormat] = [:]
        for (format, names) in lists { for name in names.split(separator: " ") { endings[String(name)] = format } }
        return endings
    }()

    /// The format of a file by its content, with its name as a hint. A name is believed unless the content says otherwise.
    /// - Parameters:
    ///   - head: the file's beginning.
    ///   - isWhole: whether `head` is all of it.
    package static func detect(name: String, head: UnsafeBufferPointer<UInt8>, isWhole: Bool) -> SourceFormat? {
        let named = SourceFormat(path: name)
        // PDFs may have some bytes before their mark; a text may speak of the mark.
        let start = UnsafeBufferPointer(rebasing: head.prefix(1024))
        let pdf = Array("%PDF-".utf8)
        if start.drop(while: { $0 <= 32 || $0 >= 0x80 }).starts(with: pdf) || (named == .pdf && start.contains(pdf)) {
            return .pdf
        }
        if start.drop(while: { $0 <= 32 || $0 >= 0x80 }).starts(with: Array("{\\rtf".utf8)) { return .rtf }
        if head.starts(with: [0x50, 0x4B, 3, 4]) || head.starts(with: [0x50, 0x4B, 5, 6]) {
            return package(named: named, head)
        }
        if head.starts(with: Array("PAR1".utf8)) { return .parquet }
        let compressed: [[UInt8]] = [
            [0x1F, 0x8B], Array("BZh".utf8), [0xFD, 0x37, 0x7A, 0x58, 0x5A], [0x28, 0xB5, 0x2F, 0xFD],
            [0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], [0x04, 0x22, 0x4D, 0x18],
        ]
        if compressed.contains(where: { head.starts(with: $0) }) { return .archive }
        if head.count > 262, head[257..<262].elementsEqual("ustar".utf8) { return .archive }
        if BinaryKind.isPicture(head) { return .picture }
        // What needs its own marks has none of them.
        let binaryFormats: Set<SourceFormat> = [
            .pdf, .rtf, .docx, .pptx, .xlsx, .epub, .parquet, .picture, .archive,
        ]
        if head.isEmpty, let named, binaryFormats.contains(named) || [.csv, .tsv, .eml, .mbox].contains(named) {
            return nil
        }
        guard TextEncoding.detect(head, isWhole: isWhole) != nil else { return nil }
        if let named, !binaryFormats.contains(named), named != .opendocument || head.contains(Array("<office:".utf8)) {
            return named == .text || named == .json || named == .jsonl ? byContent(head, named: named) : named
        }
        let found = byContent(head, named: nil)
        guard found == .text, named == nil else { return found }
        return (isSheet(name) ? table(head) : UnnamedText.kind(head, isWhole: isWhole)) ?? found
    }

    /// The kind of a ZIP file.
    private static func package(named: SourceFormat?, _ head: UnsafeBufferPointer<UInt8>) -> SourceFormat {
        let packages: Set<SourceFormat> = [.docx, .pptx, .xlsx, .opendocument, .epub]
        if let named, packages.contains(named) { return named }
        let start = UnsafeBufferPointer(rebasing: head.prefix(200))
        if start.contains(Array("mimetypeapplication/epub+zip".utf8)) { return .epub }
        if start.contains(Array("mimetypeapplication/vnd.oasis.opendocument".utf8)) { return .opendocument }
        // A package lists its contents, at its beginning or its end; its first member is in one of these folders.
        let name = memberName(head)
        let isPackage =
            start.contains(Array("[Content_Types].xml".utf8)) || start.contains(Array("_rels/".utf8))
            || ["docProps/", "word/", "xl/", "ppt/", "customXml/"].contains { name.hasPrefix($0) }
        guard isPackage else { return .archive }
        let parts: [(SourceFormat, String)] = [
            (.docx, "word/document"), (.xlsx, "xl/workbook"), (.pptx, "ppt/presentation"), (.docx, "word/"),
            (.xlsx, "xl/"), (.pptx, "ppt/"),
        ]
        for (format, part) in parts where head.contains(Array(part.utf8)) { return format }
        return .archive
    }

    /// The name of a ZIP file's first member.
    private static func memberName(_ head: UnsafeBufferPointer<UInt8>) -> String {
        guard head.count > 30 else { return "" }
        let length = Int(head[26]) | Int(head[27]) << 8
        return String(decoding: head[30...].prefix(min(length, 256)), as: UTF8.self)
    }

    /// Whether a name is that of a spreadsheet. Programs also write tables of plain text, and HTML, under such names.
    private static func isSheet(_ name: String) -> Bool {
        [".xls", ".xlsx", ".xlsm", ".ods"].contains { name.lowercased().hasSuffix($0) }
    }

    /// The kind of a table of values with a delimiter; nil for other texts.
    private static func table(_ head: UnsafeBufferPointer<UInt8>) -> SourceFormat? {
        guard let encoding = TextEncoding.detect(head, isWhole: false),
            let text = try? TextDecoding.text(head, encoding: encoding).text
        else { return nil }
        if text.prefix(4096).lowercased().contains("<table") { return .html }
        let lines = text.textLines(omittingEmpty: true).prefix(20)
        // The last line of a beginning may be cut off.
        let whole = lines.count > 2 ? lines.dropLast() : lines
        for (mark, format) in [("\t", SourceFormat.tsv), (",", .csv), (";", .csv), ("|", .csv)]
        where !whole.isEmpty && whole.allSatisfy({ $0.contains(mark) }) { return format }
        return nil
    }

    /// The kind of a text whose name says little.
    private static func byContent(_ head: UnsafeBufferPointer<UInt8>, named: SourceFormat?) -> SourceFormat {
        let text = TextDecoding.lenient(head.prefix(4096)).trimmed()
        let start = text.prefix(400).lowercased()
        if named == .json || named == .jsonl || (named == nil && (start.hasPrefix("{") || start.hasPrefix("["))) {
            if named != nil || JSONShape.isPlausible(head),
                let shape = JSONShape.of(head, isNamedLines: named == .jsonl)
            {
                return shape
            }
            if let named { return named }
        }
        if start.hasPrefix("<!doctype html") || start.hasPrefix("<html") { return .html }
        // A log of which every line is an object.
        if named == .text, start.hasPrefix("{"), JSONShape.areLines(head) { return .jsonl }
        guard named == nil else { return named ?? .text }
        if start.hasPrefix("<?xml") { return .xml }
        if start.hasPrefix("from "),
            start.contains("\nfrom:") || start.contains("\nreceived:") || start.contains("\nreturn-path:")
        {
            return .mbox
        }
        if MessageHead.looksLikeMessage(start) { return .eml }
        if start.hasPrefix("#!") { return .code }
        return .text
    }
}

extension SourceFormat {
    /// What a file that is no document is, for messages.
    package static func binaryName(_ head: UnsafeBufferPointer<UInt8>) -> String { BinaryKind.name(head) }
}

/// Tells lists of objects, which are read as a stream, from other JSON.
package enum JSONValueStream {
    /// Whether JSON begins as a list of objects does.
    package static func isListOfObjects(_ head: UnsafeBufferPointer<UInt8>) -> Bool {
        var marks = head.lazy.filter { !($0 == 32 || ($0 >= 9 && $0 <= 13) || [0xEF, 0xBB, 0xBF].contains($0)) }
            .makeIterator()
        return marks.next() == UInt8(ascii: "[") && marks.next() == UInt8(ascii: "{")
    }
}

/// Tells JSON lines from JSON of other shapes.
enum JSONShape {
    /// Whether the first lines, two or more, are JSON objects each.
    static func areLines(_ head: UnsafeBufferPointer<UInt8>) -> Bool {
        let lines = head.prefix(1 << 14).textLines(omittingEmpty: true)
        // The last one may be cut off.
        let whole = head.count > 1 << 14 ? lines.dropLast() : lines[...]
        guard whole.count >= 2 else { return false }
        return whole.prefix(20).allSatisfy { (try? JSONValue(parsing: Array($0)))?.object != nil }
    }

    /// Whether a text begins as JSON does: brackets, quotes, numbers and the three words, not a log with its level in brackets or an INI
    /// file.
    static func mayBe(_ text: String) -> Bool {
        guard text.hasPrefix("{") || text.hasPrefix("[") else { return false }
        var rest = text.utf8[...]
        var depth = 0
        while let byte = rest.first {
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                // Whatever stands in a quoted text; one without an end is cut off.
                var isEscaped = false
                rest = rest.dropFirst()
                while let inner = rest.first, inner != byte || isEscaped {
                    isEscaped = inner == UInt8(ascii: "\\") && !isEscaped
                    rest = rest.dropFirst()
                }
            case UInt8(ascii: "/"):
                // A comment.
                guard rest.dropFirst().first == byte || rest.dropFirst().first == UInt8(ascii: "*") else {
                    return false
                }
                return true
            case _ where byte | 32 >= 97 && byte | 32 <= 122 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "$"):
                let word = rest.prefix {
                    $0 | 32 >= 97 && $0 | 32 <= 122 || $0 == UInt8(ascii: "_") || $0 >= 48 && $0 < 58
                }
                rest = rest[word.endIndex...]
                let next = rest.first { $0 > 32 }
                let known = ["true", "false", "null", "nan", "none", "infinity", "e"]
                let isKnown = known.contains(Substring(word).lowercased().filter { !$0.isNumber })
                // A name without quotes stands before a colon.
                guard depth > 0, isKnown || next == UInt8(ascii: ":") || next == nil else { return false }
                continue
            case 48...57, 43, 45, 46, 44, 58, 9, 10, 13, 32: if depth <= 0, byte > 32, byte != 44 { return false }
            default: return false
            }
            if depth < 0 { return false }
            rest = rest.dropFirst()
        }
        return true
    }

    static func of(_ head: UnsafeBufferPointer<UInt8>, isNamedLines: Bool) -> SourceFormat? {
        let bytes = head.drop { $0 == 32 || ($0 >= 9 && $0 <= 13) || [0xEF, 0xBB, 0xBF].contains($0) }
        guard let first = bytes.first else { return .jsonl }
        // UTF-16 and others are looked at once they are decoded.
        if first == UInt8(ascii: "[") { return .json }
        guard first == UInt8(ascii: "{") else { return nil }
        // A first line that closes what it opens is a record of its own.
        let line = bytes.prefix { $0 != 10 }
        var depth = 0
        var isClosed = false
        var isQuoted = false
        var isEscaped = false
        for byte in line {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = isQuoted
            } else if byte == UInt8(ascii: "\"") {
                isQuoted.toggle()
            } else if !isQuoted {
                // Several values on one line are a stream of values.
                if isClosed, byte == UInt8(ascii: "{") { return .json }
                if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") { depth += 1 }
                if byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") { depth -= 1 }
                isClosed = depth == 0
            }
        }
        // One object alone may be a wrapping around many records; a name that says lines is believed.
        let isAlone = bytes[line.endIndex...].allSatisfy { $0 == 32 || ($0 >= 9 && $0 <= 13) }
        if isAlone { return isNamedLines ? .jsonl : .json }
        return depth == 0 ? .jsonl : .json
    }
}

enum MessageHead {
    /// Whether a text begins with the headers of a message: two of them at least, one that only messages have.
    static func looksLikeMessage(_ start: String) -> Bool {
        let known = [
            "from", "to", "subject", "date", "received", "return-path", "message-id", "mime-version", "delivered-to",
            "x-mailer",
        ]
        var found = 0
        for line in start.textLines().prefix(12) {
            if line.isEmpty { break }
            guard let colon = line.firstIndex(of: ":") else {
                if line.hasPrefix(" ") || line.hasPrefix("\t") { continue }
                return false
            }
            if known.contains(String(line[..<colon])) { found += 1 }
        }
        return found >= 3
    }
}
