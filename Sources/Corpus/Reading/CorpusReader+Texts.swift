// SPDX-License-Identifier: Apache-2.0

import Base
import Text

extension CorpusReader {
    /// A document's id, title and text as bytes of the mapped file. Valid while the reader lives.
    struct Record {
        let id: UnsafeBufferPointer<UInt8>
        let title: UnsafeBufferPointer<UInt8>
        let text: UnsafeBufferPointer<UInt8>
    }

    func record(of document: DocumentOrdinal) throws -> Record {
        let (index, offset) = PassageTable.place(try entry(document).address)
        func damaged() -> CorpusError {
            CorpusError(.damaged, "\(table.file.path): the text of document \(document) is out of range")
        }
        guard index < segments.count else { throw damaged() }
        let segment = segments[index]
        let headSize = MemoryLayout<PassageTable.RecordHead>.size
        guard offset <= segment.records.count - headSize else { throw damaged() }
        let start = segment.records.lowerBound + offset
        try segment.file.check(start..<(start + headSize))
        let bytes = segment.file.file.bytes
        let head = bytes.loadUnaligned(fromByteOffset: start, as: PassageTable.RecordHead.self)
        let length = Int(head.id) + Int(head.title) + Int(head.text)
        guard length <= segment.records.count - headSize - offset else { throw damaged() }
        let body = start + headSize
        try segment.file.check(body..<(body + length))
        func piece(_ from: Int, _ count: UInt32) -> UnsafeBufferPointer<UInt8> {
            UnsafeRawBufferPointer(rebasing: bytes[from..<(from + Int(count))]).assumingMemoryBound(to: UInt8.self)
        }
        return Record(
            id: piece(body, head.id), title: piece(body + Int(head.id), head.title),
            text: piece(body + Int(head.id) + Int(head.title), head.text))
    }

    private func misplaced(_ passage: PassageOrdinal) -> CorpusError {
        CorpusError(.damaged, "\(table.file.path): passage \(passage) is not among those of its document")
    }

    private func text(of passage: PassageOrdinal, in record: Record) throws -> UnsafeBufferPointer<UInt8> {
        let entry = try entry(passage: passage)
        let start = Int(entry.start)
        guard start <= record.text.count, Int(entry.length) <= record.text.count - start else {
            throw CorpusError(.damaged, "\(table.file.path): passage \(passage) lies outside of its document")
        }
        return UnsafeBufferPointer(rebasing: record.text[start..<(start + Int(entry.length))])
    }

    /// The passages at these ordinals, in the order given.
    /// - Throws: `CorpusError` `notFound` for an ordinal out of range, `damaged` when a block fails its checksum.
    public func passages(at ordinals: some Sequence<PassageOrdinal>) throws -> [Passage] {
        var pages = PageCounter()
        return try ordinals.map { ordinal in
            let entry = try entry(passage: ordinal)
            let document = documentOrdinal(of: ordinal)
            let record = try record(of: document)
            let range = try passageRange(of: document)
            guard range.contains(ordinal) else { throw misplaced(ordinal) }
            let documentID = String(decoding: record.id, as: UTF8.self)
            let first = Int(entry.firstCharacter)
            return Passage(
                id: range.count == 1 ? documentID : "\(documentID)#\(ordinal - range.lowerBound + 1)", ordinal: ordinal,
                documentID: documentID, documentOrdinal: document, title: String(decoding: record.title, as: UTF8.self),
                text: String(decoding: try text(of: ordinal, in: record), as: UTF8.self),
                range: first..<(first + Int(entry.characterCount)),
                pages: pages.pages(
                    of: Int(entry.start)..<(Int(entry.start) + Int(entry.length)), in: record.text, of: document))
        }
    }

    /// The passage at an ordinal.
    public func passage(at ordinal: PassageOrdinal) throws -> Passage { try passages(at: [ordinal])[0] }

    /// The passage with that id (`documentID`, or `documentID#n` in a document of several); nil when there is none.
    public func passage(id: String) throws -> Passage? {
        try passageOrdinal(id: id).map { try passage(at: $0) }
    }

    /// The citable id of a passage.
    public func passageID(of ordinal: PassageOrdinal) throws -> String {
        _ = try entry(passage: ordinal)
        let document = documentOrdinal(of: ordinal)
        let range = try passageRange(of: document)
        guard range.contains(ordinal) else { throw misplaced(ordinal) }
        let id = try documentID(of: document)
        return range.count == 1 ? id : "\(id)#\(ordinal - range.lowerBound + 1)"
    }

    /// The id of a document.
    public func documentID(of document: DocumentOrdinal) throws -> String {
        guard Int(document) < documentCount else {
            throw CorpusError(.notFound, "document ordinal \(document) is not below \(documentCount)")
        }
        return String(decoding: try record(of: document).id, as: UTF8.self)
    }

    /// The title of a document.
    public func title(of document: DocumentOrdinal) throws -> String {
        guard Int(document) < documentCount else {
            throw CorpusError(.notFound, "document ordinal \(document) is not below \(documentCount)")
        }
        return String(decoding: try record(of: document).title, as: UTF8.self)
    }

    /// The whole document at an ordinal, with its metadata.
    public func document(at ordinal: DocumentOrdinal) throws -> Document {
        guard Int(ordinal) < documentCount else {
            throw CorpusError(.notFound, "document ordinal \(ordinal) is not below \(documentCount)")
        }
        let record = try record(of: ordinal)
        return Document(
            id: String(decoding: record.id, as: UTF8.self), title: String(decoding: record.title, as: UTF8.self),
            text: String(decoding: record.text, as: UTF8.self), metadata: try columns.metadata(of: ordinal),
            source: sourcePath(try entry(ordinal).source))
    }

    /// The document with that id; nil when there is none.
    public func document(id: String) throws -> Document? {
        try documentOrdinal(id: id).map { try document(at: $0) }
    }

    private static let releasedBytes = 16 << 20

    /// Streams passages in order with flat memory, for index builds.
    /// - Parameter body: gets the ordinal, the document's title and the passage's text as UTF-8 bytes of the mapped
    ///   file, valid within the call.
    public func forEachPassage(
        in range: Range<PassageOrdinal>,
        _ body: (
            _ ordinal: PassageOrdinal, _ title: UnsafeBufferPointer<UInt8>, _ text: UnsafeBufferPointer<UInt8>
        ) throws -> Void
    ) throws {
        guard Int(range.upperBound) <= passageCount else {
            throw CorpusError(.notFound, "passage ordinal \(range.upperBound) is not below \(passageCount)")
        }
        var current: (document: DocumentOrdinal, record: Record)?
        var read = (segment: -1, from: 0)
        for ordinal in range {
            // A scan for a client that is gone ends.
            if (ordinal - range.lowerBound) % 256 == 0 { try Task.checkCancellation() }
            let document = documentOrdinal(of: ordinal)
            let record: Record
            if let current, current.document == document {
                record = current.record
            } else {
                record = try self.record(of: document)
                current = (document, record)
                // A scan of a large corpus would otherwise hold all of its texts in memory at its end.
                let place = PassageTable.place(try entry(document).address)
                if place.segment != read.segment { read = (place.segment, place.offset) }
                if place.offset - read.from >= Self.releasedBytes {
                    let segment = segments[place.segment]
                    let start = segment.records.lowerBound
                    segment.file.file.release((start + read.from)..<(start + place.offset))
                    read.from = place.offset
                }
            }
            try body(ordinal, record.title, try text(of: ordinal, in: record))
        }
    }

    /// Lets go of the memory that the texts of passages were mapped into, after they were read piece by piece.
    package func releaseTexts(of range: Range<PassageOrdinal>) throws {
        guard let last = range.last else { return }
        let from = PassageTable.place(try entry(documentOrdinal(of: range.lowerBound)).address)
        let to = PassageTable.place(try entry(documentOrdinal(of: last)).address)
        // Documents of several segments, or in another order, are few and small.
        guard from.segment == to.segment, from.offset < to.offset else { return }
        let segment = segments[from.segment]
        let start = segment.records.lowerBound
        segment.file.file.release((start + from.offset)..<(start + to.offset))
    }

    /// Streams passages in order as strings: ordinal, title, text.
    public func forEachPassageText(
        in range: Range<PassageOrdinal>, _ body: (PassageOrdinal, _ title: String, _ text: String) throws -> Void
    ) throws {
        try forEachPassage(in: range) { ordinal, title, text in
            try body(ordinal, String(decoding: title, as: UTF8.self), String(decoding: text, as: UTF8.self))
        }
    }

    /// The passages of documents, ascending.
    public func passages(of documents: OrdinalSet) throws -> OrdinalSet {
        var ordinals: [UInt32] = []
        for document in documents.ordinals { ordinals.append(contentsOf: try passageRange(of: document)) }
        return OrdinalSet(ascending: ordinals)
    }

    /// The documents of passages, ascending.
    public func documents(of passages: OrdinalSet) -> OrdinalSet {
        var ordinals: [UInt32] = []
        for passage in passages.ordinals {
            let document = documentOrdinal(of: passage)
            if ordinals.last != document { ordinals.append(document) }
        }
        return OrdinalSet(ascending: ordinals)
    }
}
