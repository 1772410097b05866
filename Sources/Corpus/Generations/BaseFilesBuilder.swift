// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import GRDB
import OrderedCollections
import Text

/// Writes the store's own files of a generation from the committed documents: texts, passage table, metadata columns.
///
/// One pass over the documents in the order of their rows. Memory holds 40 bytes a document and 28 a passage, and the
/// columns.
struct BaseFilesBuilder {
    let folder: String
    let previous: CorpusReader?
    let isCancelled: () -> Bool

    init(folder: String, previous: CorpusReader?, isCancelled: @escaping () -> Bool) {
        self.folder = folder
        self.previous = previous
        self.isCancelled = isCancelled
    }

    func build(_ writer: CorpusWriter, _ manifest: inout GenerationManifest) throws {
        let carried = try previous.flatMap { try shouldRewrite($0, writer) ? nil : $0 }
        var segments: [GenerationManifest.File] = []
        if let carried {
            for index in 0..<carried.segmentCount {
                if let file = carried.manifest.files["texts.\(index)"] { segments.append(file) }
            }
        }
        let textsName = GenerationWriter.fileName(role: "texts", generation: manifest.number, extension: "bin")
        let texts = try SectionFileWriter(
            path: folder + "/" + textsName, kind: PassageTable.textsKind, version: PassageTable.version)
        try texts.begin("records")
        var tables = Tables()
        let columns = ColumnsBuilder()
        let declared = try writer.read { db in
            try scan(db, texts: texts, segment: segments.count, carried: carried, tables: &tables, columns: columns)
            return try Row.fetchAll(db, sql: "SELECT name, declared FROM fields WHERE declared IS NOT NULL")
                .reduce(into: [String: FieldType]()) { $0[$1[0]] = FieldType(rawValue: $1[1]) }
        }
        let written = texts.sectionLength
        try texts.end()
        try texts.finish()
        if written > 0 || segments.isEmpty {
            segments.append(try file(role: "texts", name: textsName))
        } else {
            unlink(folder + "/" + textsName)
        }
        for (index, segment) in segments.enumerated() {
            var segment = segment
            segment.role = "texts.\(index)"
            manifest.files[segment.role] = segment
        }
        manifest.documentCount = tables.idHashes.count
        manifest.passageCount = tables.passages.count
        let tableName = GenerationWriter.fileName(role: "passages", generation: manifest.number, extension: "tbl")
        try tables.write(to: folder + "/" + tableName)
        var table = try file(role: "passages", name: tableName)
        table.parameters = SectionFile.adding(
            identityOf: folder + "/" + table.name,
            to: ["records": .integer((carried?.recordCount ?? 0) + tables.newRecords)])
        manifest.files["passages"] = table
        let columnsName = GenerationWriter.fileName(role: "columns", generation: manifest.number, extension: "col")
        try columns.write(to: folder + "/" + columnsName, documentCount: tables.idHashes.count, declared: declared)
        manifest.files["columns"] = try file(role: "columns", name: columnsName)
    }

    private func file(role: String, name: String) throws -> GenerationManifest.File {
        let sum = try FileChecksum.of(path: folder + "/" + name)
        return GenerationManifest.File(
            role: role, name: name, size: sum.size, checksum: sum.checksum,
            parameters: SectionFile.adding(identityOf: folder + "/" + name, to: .object([:])))
    }

    /// Whether the texts should be written anew: too many files, or more dead than live text in them.
    private func shouldRewrite(_ reader: CorpusReader, _ writer: CorpusWriter) throws -> Bool {
        if reader.segmentCount >= PassageTable.segmentLimit { return true }
        let lastRow = reader.documentCount > 0 ? try reader.entry(UInt32(reader.documentCount - 1)).row : 0
        let alive = try writer.read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM documents WHERE row <= ?", arguments: [lastRow]) ?? 0
        }
        return alive * 2 < reader.recordCount
    }

    private func scan(
        _ db: Database, texts: SectionFileWriter, segment: Int, carried: CorpusReader?, tables: inout Tables,
        columns: ColumnsBuilder
    ) throws {
        var sourceIndex: [Int64: UInt32] = [:]
        for row in try Row.fetchAll(db, sql: "SELECT id, path FROM sources ORDER BY id") {
            sourceIndex[row[0]] = UInt32(tables.sources.count)
            tables.sources.append(row[1])
        }
        let lastCarried =
            try carried.map { $0.documentCount > 0 ? try $0.entry(UInt32($0.documentCount - 1)).row : 0 } ?? 0
        let documents = try Row.fetchCursor(
            db, sql: "SELECT row, id, source, metadata, passages FROM documents ORDER BY row")
        let contents = try Row.fetchCursor(
            db, sql: "SELECT row, title, text FROM texts WHERE row > ? ORDER BY row", arguments: [lastCarried])
        var old = 0
        while let document = try documents.next() {
            if tables.idHashes.count % 4096 == 0, isCancelled() {
                throw CorpusError(.cancelled, "cancelled; what was committed stays and the next run goes on from it")
            }
            let row: Int64 = document[0]
            let id: String = document[1]
            let passages: Data = document[4]
            var address: UInt64 = 0
            guard let cuts = passages.withUnsafeBytes({ PassageCuts.decode($0) }) else {
                throw CorpusError(.damaged, "\(folder)/corpus.sqlite: the passages of document \(id) are damaged")
            }
            if let carried, row <= lastCarried {
                while old < carried.documentCount, try carried.entry(UInt32(old)).row < row { old += 1 }
                guard old < carried.documentCount, try carried.entry(UInt32(old)).row == row else {
                    throw CorpusError(.damaged, "\(folder): document \(id) is missing from the live generation")
                }
                address = try carried.entry(UInt32(old)).address
                let first = try carried.passageRange(of: UInt32(old)).lowerBound
                for (index, cut) in cuts.enumerated() {
                    tables.add(cut, hash: try carried.contentHash(of: first + UInt32(index)))
                }
            } else {
                guard let content = try contents.next(), content[0] == row else {
                    throw CorpusError(.damaged, "\(folder)/corpus.sqlite: the text of document \(id) is missing")
                }
                address = PassageTable.address(segment: segment, offset: texts.sectionLength)
                tables.newRecords += 1
                try write(id: id, title: content[1], text: content[2], cuts: cuts, to: texts, &tables)
            }
            tables.end(
                document: id, row: row, address: address, source: sourceIndex[document[2] as Int64] ?? 0,
                passageCount: cuts.count)
            let metadata: String = document[3]
            if metadata != "{}" {
                try columns.add(metadata: JSONValue(parsing: metadata), document: tables.idHashes.count - 1)
            }
        }
    }

    private func write(
        id: String, title: String, text: String, cuts: [PassageCuts.Cut], to texts: SectionFileWriter,
        _ tables: inout Tables
    ) throws {
        var (id, title, text) = (id, title, text)
        let titleHash = XXH64.hash(title)
        try id.withUTF8 { id in
            try title.withUTF8 { title in
                try text.withUTF8 { text in
                    var head = PassageTable.RecordHead(
                        id: UInt32(id.count), title: UInt32(title.count), text: UInt32(text.count))
                    try withUnsafeBytes(of: &head) { try texts.append($0) }
                    try texts.append(UnsafeRawBufferPointer(id))
                    try texts.append(UnsafeRawBufferPointer(title))
                    try texts.append(UnsafeRawBufferPointer(text))
                    for cut in cuts {
                        guard cut.utf8.upperBound <= text.count else {
                            throw CorpusError(
                                .damaged, "\(folder)/corpus.sqlite: a passage lies outside of its document")
                        }
                        let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text)[cut.utf8])
                        tables.add(cut, hash: XXH64.hash(bytes, seed: titleHash))
                    }
                }
            }
        }
    }

    /// The arrays of the passage table while they grow.
    private struct Tables {
        var documents: [PassageTable.DocumentEntry] = []
        var passages: [PassageTable.PassageEntry] = []
        var passageDocuments: [UInt32] = []
        var idHashes: [UInt64] = []
        var sources: [String] = []
        var newRecords = 0

        mutating func add(_ cut: PassageCuts.Cut, hash: UInt64) {
            passages.append(
                PassageTable.PassageEntry(
                    start: UInt32(cut.utf8.lowerBound), length: UInt32(cut.utf8.count),
                    firstCharacter: UInt32(cut.characters.lowerBound), characterCount: UInt32(cut.characters.count),
                    hash: hash))
            passageDocuments.append(UInt32(idHashes.count))
        }

        mutating func end(document id: String, row: Int64, address: UInt64, source: UInt32, passageCount: Int) {
            documents.append(
                PassageTable.DocumentEntry(
                    row: row, address: address, firstPassage: UInt32(passages.count - passageCount), source: source))
            idHashes.append(XXH64.hash(id))
        }

        mutating func write(to path: String) throws {
            guard passages.count < Int(UInt32.max) else {
                throw CorpusError(.badInput, "the corpus has more passages than fit in 32 bits")
            }
            documents.append(
                PassageTable.DocumentEntry(row: .max, address: 0, firstPassage: UInt32(passages.count), source: 0))
            let file = try SectionFileWriter(path: path, kind: PassageTable.kind, version: PassageTable.version)
            try file.add("documents", documents)
            try file.add("passages", passages)
            try file.add("passage.documents", passageDocuments)
            var order = Array(0..<UInt32(idHashes.count))
            order.sort { (idHashes[Int($0)], $0) < (idHashes[Int($1)], $1) }
            try file.add("id.hashes", order.map { idHashes[Int($0)] })
            try file.add("id.ordinals", order)
            try file.add("sources", Array(JSONValue.array(sources.map { .string($0) }).serialized().utf8))
            try file.finish()
        }
    }
}
