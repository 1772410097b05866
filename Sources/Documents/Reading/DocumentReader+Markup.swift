// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// XML of any vocabulary, and texts with a little mark-up or a layout of their own.
extension DocumentReader {
    func readXML(_ bytes: [UInt8], id: String, name: String, into reading: inout Reading) throws {
        let head = String(decoding: bytes.prefix(1 << 16), as: UTF8.self)
        if head.prefix(2000).lowercased().contains("<html") {
            let text = try self.text(bytes, format: .html, into: &reading)
            reading.documents = [try HTMLDocument.read(text, id: id, name: name)]
            return
        }
        if head.contains("<office:document") { return try readFlat(bytes, id: id, name: name, into: &reading) }
        if head.prefix(2000).contains("<mediawiki") {
            try add(WikiDump.records(bytes), id: id, name: name, into: &reading)
            guard reading.documents.isEmpty, reading.problems.isEmpty else { return }
        }
        let (root, value, isBroken) = try XMLDocument.value(bytes, encoding: nil)
        if isBroken { reading.notes.append("its XML is not well formed; it was read as far as it goes") }
        if XMLDocument.isProse(root: root, head: head) {
            reading.documents = [try XMLProse.read(bytes, id: id, name: name)]
        } else if root == "opml", let outline = OutlineText.read(value, id: id, name: name) {
            reading.documents = [outline]
        } else if let entries = FeedRecords.records(root: root, value), !entries.isEmpty {
            try add(entries, id: id, name: name, into: &reading)
        } else {
            var problems: [String] = []
            reading.documents = ValueDocuments.read(
                value["channel"] ?? value, id: id, name: name, rowName: options.rowNames[id], fields: options.fields,
                problems: &problems)
            reading.problems += problems.map { ("", $0) }
        }
        guard !reading.documents.isEmpty else { throw DocumentError("the XML has no text") }
    }

    /// An OpenDocument that is one XML file (.fodt and the like).
    func readFlat(_ bytes: [UInt8], id: String, name: String, into reading: inout Reading) throws {
        let head = String(decoding: bytes.prefix(4096), as: UTF8.self)
        let metadata = try OpenDocument.properties(XMLPull(bytes))
        if head.contains("opendocument.spreadsheet") || id.lowercased().hasSuffix(".fods") {
            return try addSheets(
                OpenDocument.sheets(XMLPull(bytes)), id: id, title: metadata["title"]?.string ?? name, into: &reading)
        }
        reading.documents = [try OpenDocument.text(XMLPull(bytes), metadata: metadata, id: id, name: name)]
    }

    private func add(_ records: [JSONObject], id: String, name: String, into reading: inout Reading) throws {
        var problems: [String] = []
        reading.documents += ValueDocuments.read(
            .array(records.map { .object($0) }), id: id, name: name, rowName: options.rowNames[id],
            fields: options.fields,
            problems: &problems)
        reading.problems += problems.map { ("", $0) }
    }

    /// A plain text, or one whose name or beginning says that it is mark-up, a list of literature, an address book, a calendar or
    /// subtitles.
    func readPlain(_ text: String, id: String, name: String, into reading: inout Reading) {
        let records: [JSONObject]
        switch id.lowercased().split(separator: ".").last.map(String.init) ?? "" {
        case "bib", "bibtex": records = ReferenceRecords.bibTeX(text)
        case "ris": records = ReferenceRecords.ris(text)
        case "nbib", "medline": records = ReferenceRecords.pubMed(text)
        case "vcf", "vcard": records = CardRecords.contacts(text)
        case "ics", "ical": records = CardRecords.events(text)
        case "srt", "vtt":
            let document = SubtitleText.read(text, id: id, name: name)
            if !document.text.isEmpty { return reading.documents = [document] }
            records = []
        default:
            if let read = MarkupText.reader(of: id, text) { return reading.documents = [read(text, id, name)] }
            records = []
        }
        try? add(records, id: id, name: name, into: &reading)
        if reading.documents.isEmpty { reading.documents = [SourceDocument(id: id, title: name, text: text)] }
    }
}
