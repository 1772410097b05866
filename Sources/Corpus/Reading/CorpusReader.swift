// SPDX-License-Identifier: Apache-2.0

public import Base
import Foundation
import GRDB
import Text

/// A snapshot of a corpus: one published generation, read from memory-mapped files.
///
/// It stays as it is while writers publish later generations, in this process and others; open another reader to see
/// those. Reads touch no database and take no lock. Use from any number of threads.
public final class CorpusReader: Sendable {
    /// The corpus's folder.
    public let path: String
    /// The generation that is read.
    public let manifest: GenerationManifest
    /// The number of documents: ordinals are below it.
    public let documentCount: Int
    /// The number of passages: ordinals are below it.
    public let passageCount: Int
    /// The typed metadata of the documents.
    public let columns: MetadataColumns
    /// The document of each passage, for hot loops.
    public let passageDocuments: MappedArray<DocumentOrdinal>

    let table: SectionFile
    let segments: [TextSegment]
    private let documents: MappedArray<PassageTable.DocumentEntry>
    private let documentsOffset: Int
    private let passages: MappedArray<PassageTable.PassageEntry>
    private let passagesOffset: Int
    private let idHashes: MappedArray<UInt64>
    private let idOrdinals: MappedArray<UInt32>
    private let sources: [String]

    /// A file with text records.
    struct TextSegment: Sendable {
        let file: SectionFile
        let records: Range<Int>
    }

    /// Opens the live generation of a corpus.
    /// - Throws: `CorpusError`: `notACorpus`, `damaged`, `unsupportedVersion`, `system`; `notFound` while nothing has been
    ///   published yet.
    public convenience init(path: String) throws {
        // A writer may remove the files between the look at the manifest and their opening: then look again.
        var attempt = 0
        while true {
            attempt += 1
            let queue = try CorpusDatabase.openForReading(folder: path)
            let live = try CorpusDatabase.translating(path) { try queue.read { try GenerationManifest.live($0) } }
            guard let live else {
                throw CorpusError(
                    .notFound, "\(path) has no finished index yet: run the indexing again and let it end")
            }
            do {
                try self.init(path: path, manifest: live)
                return
            } catch let error as CorpusError where error.code == .system && attempt < 8 {
                let again = try CorpusDatabase.translating(path) { try queue.read { try GenerationManifest.live($0) } }
                guard again?.number != live.number else { throw error }
            }
        }
    }

    init(path: String, manifest: GenerationManifest) throws {
        func file(_ role: String) throws -> String {
            guard let file = manifest.files[role] else {
                throw CorpusError(.damaged, "\(path): generation \(manifest.number) lists no file for \(role)")
            }
            return path + "/" + file.name
        }
        let table = try SectionFile(path: try file("passages"), kind: PassageTable.kind)
        var segments: [TextSegment] = []
        while manifest.files["texts.\(segments.count)"] != nil {
            let segment = try SectionFile(path: try file("texts.\(segments.count)"), kind: PassageTable.textsKind)
            segments.append(TextSegment(file: segment, records: try segment.range(of: "records")))
        }
        let documents: MappedArray<PassageTable.DocumentEntry> = try table.array("documents", checking: false)
        let passages: MappedArray<PassageTable.PassageEntry> = try table.array("passages", checking: false)
        let sourceBytes: MappedArray<UInt8> = try table.array("sources")
        self.path = path
        self.manifest = manifest
        self.table = table
        self.segments = segments
        self.documents = documents
        documentsOffset = try table.range(of: "documents").lowerBound
        self.passages = passages
        passagesOffset = try table.range(of: "passages").lowerBound
        idHashes = try table.array("id.hashes", checking: false)
        idOrdinals = try table.array("id.ordinals", checking: false)
        passageDocuments = try table.array("passage.documents")
        sources = (try JSONValue(parsing: sourceBytes.elements).array ?? []).map { $0.string ?? "" }
        documentCount = max(0, documents.count - 1)
        passageCount = passages.count
        guard documentCount == manifest.documentCount, passageCount == manifest.passageCount,
            passageDocuments.count == passageCount, idHashes.count == documentCount, idOrdinals.count == documentCount
        else { throw CorpusError(.damaged, "\(table.file.path): the table does not fit the manifest") }
        columns = try MetadataColumns(path: try file("columns"), documentCount: documentCount)
    }

    /// The path of the file of a role in this generation; nil when it has none.
    public func path(ofRole role: String) -> String? { manifest.files[role].map { path + "/" + $0.name } }

    var segmentCount: Int { segments.count }

    /// The number of records in the text files, dead ones included; a bound from the rows when it was not noted.
    var recordCount: Int {
        segments.isEmpty
            ? 0 : max(documentCount, manifest.files["passages"]?.parameters["records"]?.int ?? documentCount)
    }

    // MARK: Tables

    func entry(_ document: DocumentOrdinal) throws -> PassageTable.DocumentEntry {
        let index = Int(document)
        guard index < documents.count else {
            throw CorpusError(.notFound, "document ordinal \(document) is not below \(documentCount)")
        }
        let stride = MemoryLayout<PassageTable.DocumentEntry>.stride
        try table.check((documentsOffset + index * stride)..<(documentsOffset + (index + 1) * stride))
        return documents.elements[index]
    }

    func entry(passage: PassageOrdinal) throws -> PassageTable.PassageEntry {
        let index = Int(passage)
        guard index < passageCount else {
            throw CorpusError(.notFound, "passage ordinal \(passage) is not below \(passageCount)")
        }
        let stride = MemoryLayout<PassageTable.PassageEntry>.stride
        try table.check((passagesOffset + index * stride)..<(passagesOffset + (index + 1) * stride))
        return passages.elements[index]
    }

    /// The document of a passage. O(1).
    /// - Precondition: the ordinal is below `passageCount`.
    public func documentOrdinal(of passage: PassageOrdinal) -> DocumentOrdinal { passageDocuments[Int(passage)] }

    /// The passages of a document. O(1).
    public func passageRange(of document: DocumentOrdinal) throws -> Range<PassageOrdinal> {
        guard Int(document) < documentCount else {
            throw CorpusError(.notFound, "document ordinal \(document) is not below \(documentCount)")
        }
        let (first, end) = (try entry(document).firstPassage, try entry(document + 1).firstPassage)
        guard first <= end, Int(end) <= passageCount else {
            throw CorpusError(.damaged, "\(table.file.path): the passages of document \(document) are out of range")
        }
        return first..<end
    }

    /// The hash of a passage's title and text: the same in every generation while both stay the same.
    public func contentHash(of passage: PassageOrdinal) throws -> UInt64 { try entry(passage: passage).hash }

    /// The ordinal of the document with that id; nil when there is none. About a microsecond.
    public func documentOrdinal(id: String) throws -> DocumentOrdinal? {
        var id = id
        return try id.withUTF8 { bytes in
            let hash = XXH64.hash(UnsafeRawBufferPointer(bytes))
            var low = 0
            var high = idHashes.count
            while low < high {
                let middle = (low + high) / 2
                if idHashes.elements[middle] < hash { low = middle + 1 } else { high = middle }
            }
            while low < idHashes.count, idHashes.elements[low] == hash {
                let ordinal = idOrdinals[low]
                if try record(of: ordinal).id.elementsEqual(bytes) { return ordinal }
                low += 1
            }
            return nil
        }
    }

    /// The ordinal of the passage with that id (`documentID`, or `documentID#n`); nil when there is none.
    public func passageOrdinal(id: String) throws -> PassageOrdinal? {
        if let document = try documentOrdinal(id: id) {
            let range = try passageRange(of: document)
            return range.count == 1 ? range.lowerBound : nil
        }
        guard let mark = id.utf8.lastIndex(of: UInt8(ascii: "#")), let number = Int(id[id.utf8.index(after: mark)...]),
            number >= 1, let document = try documentOrdinal(id: String(id[..<mark]))
        else { return nil }
        let range = try passageRange(of: document)
        return range.count > 1 && number <= range.count ? range.lowerBound + UInt32(number - 1) : nil
    }

    func sourcePath(_ index: UInt32) -> String { Int(index) < sources.count ? sources[Int(index)] : "" }
    /// The sources that documents came from.
    var sourcePaths: [String] { sources }
}
