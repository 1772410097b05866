// SPDX-License-Identifier: Apache-2.0

import Base
import CPoppler
import Foundation
import OrderedCollections

/// Reads PDF through poppler: the text layer in reading order, tables by rows, form fields, what the file says of itself,
/// and attached files. Pages are kept apart by U+000C.
struct PDFDocument: ~Copyable {
    /// Where a PDF comes from.
    enum Source {
        case bytes([UInt8])
        case file(FilePlace)
    }

    private let pdf: OpaquePointer
    private let source: Source
    private let limits: ReadingLimits
    private let isCancelled: () -> Bool

    /// - Parameter isCancelled: asked before each page.
    /// - Throws: `DocumentError` when poppler is not installed, or the file is encrypted or damaged.
    init(
        _ source: Source, limits: ReadingLimits, isCancelled: @escaping () -> Bool = { false }
    ) throws(DocumentError) {
        guard forage_pdf_load() != 0 else {
            throw DocumentError("PDF needs poppler, which is not installed (Debian: libpoppler-glib8)")
        }
        var status = FORAGE_PDF_OK
        let opened: OpaquePointer?
        switch source {
        case .bytes(let bytes):
            opened = bytes.withUnsafeBytes { $0.baseAddress.flatMap { forage_pdf_open($0, bytes.count, &status) } }
        case .file(let place): opened = forage_pdf_open_descriptor(try place.open(), &status)
        }
        guard let opened else {
            throw DocumentError(
                status == FORAGE_PDF_ENCRYPTED
                    ? "the PDF is encrypted and needs a password" : "the PDF is damaged and cannot be opened")
        }
        pdf = opened
        self.source = source
        self.limits = limits
        self.isCancelled = isCancelled
    }

    deinit { forage_pdf_close(pdf) }

    private struct Page {
        var layout: PageLayout?
        /// What stands beside the text layer: form fields; of a picture what was recognised.
        var extra: [String] = []
        var isPicture = false

        var size: Int {
            (layout?.segments.reduce(0) { $0 + $1.text.utf8.count + 1 } ?? 0)
                + extra.reduce(0) { $0 + $1.utf8.count + 1 }
        }

        func lines(without places: Set<Int> = [], heads: Set<Int> = []) -> [String] {
            (layout?.lines(without: places, heads: heads) ?? []) + extra
        }
    }

    /// The document.
    /// - Parameter notes: takes what people should know: pages that are pictures.
    /// - Throws: `DocumentError` when it has no text, or more pages than the limit.
    func read(id: String, name: String, notes: inout [String]) throws -> SourceDocument {
        let count = Int(forage_pdf_page_count(pdf))
        guard count > 0 else { throw DocumentError("the PDF is damaged: it has no pages") }
        guard count <= limits.pages else {
            throw DocumentError("the PDF has \(count) pages; at most \(limits.pages) are read")
        }
        var pages: [Page] = []
        var size = 0
        let deadline = DispatchTime.now().uptimeNanoseconds + UInt64(max(limits.seconds, 1)) * 1_000_000_000
        for number in 0..<count {
            guard !isCancelled() else { throw DocumentError.cancelled }
            guard DispatchTime.now().uptimeNanoseconds < deadline else {
                throw DocumentError("reading the PDF took more than \(limits.seconds) seconds")
            }
            let page = self.page(number)
            size += page.size
            guard size <= limits.textBytes else {
                throw DocumentError("the PDF has more than \(limits.textBytes) bytes of text")
            }
            pages.append(page)
        }
        try recognise(&pages, notes: &notes)
        let heads = RunningHeads(pages.map(\.layout))
        let lines = pages.indices.map { pages[$0].lines(without: heads.repeated[$0], heads: heads.all[$0]) }
        let text = Self.joined(lines)
        guard text.unicodeScalars.contains(where: { $0.properties.isAlphabetic || $0.properties.numericType != nil })
        else { throw DocumentError("the PDF has no text") }
        var metadata = JSONObject()
        for (field, property) in [
            ("author", FORAGE_PDF_AUTHOR), ("subject", FORAGE_PDF_SUBJECT), ("keywords", FORAGE_PDF_KEYWORDS),
        ] {
            // ReportLab's words for nothing.
            let leftovers = ["anonymous", "(anonymous)", "unspecified", "(unspecified)"]
            if let value = self.property(property), !leftovers.contains(value) { metadata[field] = .string(value) }
        }
        for (field, which) in [("created", Int32(0)), ("modified", 1)] {
            let seconds = forage_pdf_date(pdf, which)
            if seconds > 0, seconds < 253_402_300_800 { metadata[field] = .string(ISODate.text(seconds: seconds)) }
        }
        metadata["pages"] = .integer(count)
        return SourceDocument(
            id: id, title: title ?? Self.firstLine(pages[0].lines(without: heads.all[0])) ?? name, text: text,
            metadata: metadata)
    }

    /// The title that the file gives, unless it is what a program left there.
    private var title: String? {
        guard let given = property(FORAGE_PDF_TITLE) else { return nil }
        let plain = given.lowercased()
        let leftovers = [
            "untitled", "microsoft word", "microsoft powerpoint", "document1", "slide 1", "(anonymous)", "anonymous",
            "(unspecified)",
        ]
        let isFileName = [".doc", ".docx", ".pdf", ".tex", ".dvi", ".indd", ".qxd", ".ppt", ".pptx", ".xls"].contains {
            plain.hasSuffix($0)
        }
        return isFileName || leftovers.contains { plain.hasPrefix($0) } ? nil : given
    }

    /// A short first line stands for a title where the file gives none.
    private static func firstLine(_ lines: [String]) -> String? {
        guard let line = lines.first(where: { !$0.trimmed().isEmpty })?.trimmed() else { return nil }
        return (4...120).contains(line.count) && !line.contains(" | ") ? line : nil
    }

    private func property(_ property: forage_pdf_property) -> String? {
        guard let text = forage_pdf_text_property(pdf, property) else { return nil }
        defer { free(text) }
        let value = String(cString: text).collapsed()
        return value.isEmpty ? nil : value
    }

    private func page(_ number: Int) -> Page {
        var text: UnsafeMutablePointer<CChar>?
        var boxes: UnsafeMutablePointer<forage_pdf_box>?
        var count = 0
        var height = 0.0
        guard forage_pdf_page_text(pdf, Int32(number), &text, &boxes, &count, &height) != 0 else { return Page() }
        defer {
            free(text)
            free(boxes)
        }
        var page = Page()
        if let text {
            page.layout = PageLayout(
                text: String(cString: text), boxes: UnsafeBufferPointer(start: boxes, count: boxes == nil ? 0 : count),
                height: height)
        }
        page.extra = fields(number)
        if page.size < 6 {
            page.isPicture = forage_pdf_page_has_images(pdf, Int32(number)) != 0
        }
        return page
    }

    /// The filled form fields of a page as lines `name: value`.
    private func fields(_ number: Int) -> [String] {
        final class Box { var lines: [String] = [] }
        let box = Box()
        forage_pdf_page_fields(
            pdf, Int32(number),
            { context, name, value in
                guard let context else { return }
                let box = Unmanaged<Box>.fromOpaque(context).takeUnretainedValue()
                if box.lines.count < 10_000 {
                    box.lines.append("\(String(cString: name).collapsed()): \(String(cString: value).collapsed())")
                }
            }, Unmanaged.passUnretained(box).toOpaque())
        return box.lines
    }

    /// Reads pages that are pictures by character recognition, where tesseract is installed.
    private func recognise(_ pages: inout [Page], notes: inout [String]) throws {
        let pictures = pages.indices.filter { pages[$0].isPicture }
        guard !pictures.isEmpty else { return }
        let isScan = pictures.count == pages.count
        let what =
            isScan ? "a scan without text" : "\(pictures.count) of its \(pages.count) pages are pictures without text"
        guard let recognition = CharacterRecognition.find() else {
            if isScan {
                throw DocumentError("it is \(what): it needs OCR, and tesseract or pdftoppm is not installed")
            }
            notes.append("\(what); reading them needs tesseract and pdftoppm")
            return
        }
        let deadline = Date().addingTimeInterval(Double(limits.seconds) * 4)
        var read = 0
        for index in pictures {
            guard !isCancelled() else { throw DocumentError.cancelled }
            guard Date() < deadline, let lines = recognition.lines(ofPage: index + 1, source) else { continue }
            pages[index].layout = nil
            pages[index].extra = lines
            read += 1
        }
        if read == 0, isScan { throw DocumentError("it is \(what), and OCR found none either") }
        notes.append("\(read) of \(pages.count) pages read by OCR")
    }

    /// The pages with their lines joined, words that a line's end divides made whole, also over columns and pages, and U+000C
    /// between pages.
    private static func joined(_ pages: [[String]]) -> String {
        var hyphenated: Set<String> = []
        for line in pages.lazy.joined() where line.contains("-") {
            for word in line.split(separator: " ") where word.dropLast().contains("-") {
                hyphenated.insert(word.lowercased())
            }
        }
        var texts: [String] = []
        for page in pages {
            var text = ""
            /// The blank lines above the next line.
            var gap = ""
            for line in page {
                if line.isEmpty {
                    if !text.isEmpty { gap = "\n" }
                } else if LineEndHyphen.joins(text, line) {
                    join(line, to: &text, hyphenated)
                    gap = ""
                } else if text.isEmpty, let last = texts.last, LineEndHyphen.joins(last, line) {
                    // The rest of the word goes to the page where it begins.
                    let rest = String(line.prefix { $0 != " " })
                    join(rest, to: &texts[texts.count - 1], hyphenated)
                    text = line.dropFirst(rest.count).trimmed()
                } else {
                    text += (text.isEmpty ? "" : gap + "\n") + line
                    gap = ""
                }
            }
            texts.append(text.trimmed())
        }
        return texts.joined(separator: "\u{0C}")
    }

    /// Joins a line to a text that ends in a hyphen. A word that is written with its hyphen elsewhere keeps it.
    private static func join(_ line: String, to text: inout String, _ hyphenated: Set<String>) {
        let start = text.suffix(100).split(whereSeparator: \.isWhitespace).last ?? ""
        let rest = line.prefix { $0 != " " }
        if start.hasSuffix("-"), hyphenated.contains((start + rest).lowercased()) {
            text += line
        } else {
            text.unicodeScalars.removeLast()
            text += line
        }
    }

    /// The files that are attached, each within the limit.
    func attachments() -> [(name: String, bytes: [UInt8])] {
        final class Box {
            var files: [(name: String, bytes: [UInt8])] = []
            var limit = 0
            init(limit: Int) { self.limit = limit }
        }
        let box = Box(limit: limits.documentBytes)
        forage_pdf_attachments(
            pdf,
            { context, name, bytes, count in
                guard let context else { return 0 }
                let box = Unmanaged<Box>.fromOpaque(context).takeUnretainedValue()
                guard let bytes else {
                    guard box.files.count < 1000 else { return 0 }
                    box.files.append((Archive.harmless(String(cString: name)), []))
                    return 1
                }
                guard let last = box.files.indices.last, box.limit >= count else { return 0 }
                box.limit -= count
                box.files[last].bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
                return 1
            }, Unmanaged.passUnretained(box).toOpaque())
        return box.files.filter { !$0.bytes.isEmpty }
    }
}
