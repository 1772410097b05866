// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import GRDB
import Text

/// What `CorpusVerifier` found.
public struct VerificationReport: Sendable, Hashable {
    /// The generation that was checked; nil while none is published.
    public var generation: Int?
    public var documents = 0
    public var passages = 0
    /// The bytes of the generation's files.
    public var bytes = 0
    /// What was checked, one line each.
    public var checks: [String] = []
    /// What is wrong, one line each; empty when all is well.
    public var problems: [String] = []

    public init() {}

    /// Whether nothing is wrong.
    public var isSound: Bool { problems.isEmpty }
}

/// Checks everything that a corpus has on disk.
public struct CorpusVerifier {
    /// Checks the file of a role against the passages: structure and blocks. Throws when something is wrong.
    public typealias FileVerifier = (_ path: String, _ file: GenerationManifest.File, _ reader: CorpusReader) throws ->
        Void

    private var verifiers: [(prefix: String, body: FileVerifier)] = []

    public init() {}

    /// Registers a check for the files of an index.
    /// - Parameter prefix: the role, or the beginning of the roles, that it knows.
    public mutating func register(rolePrefix prefix: String, _ body: @escaping FileVerifier) {
        verifiers.append((prefix, body))
    }

    /// Checks the database's own structure, the checksum of every file and every block, that documents, texts and rows
    /// agree, and what is registered. Takes the time to read the corpus twice.
    /// - Throws: only when there is no corpus; damage is reported.
    public func verify(path: String) throws -> VerificationReport {
        var report = VerificationReport()
        let queue: DatabaseQueue
        do {
            queue = try CorpusDatabase.openForReading(folder: path)
        } catch let error as CorpusError where error.code == .damaged {
            report.problems.append(error.message)
            return report
        }
        let live: GenerationManifest?
        let changes: Int
        do {
            (live, changes) = try CorpusDatabase.translating(path) {
                try queue.read { db in
                    try checkDatabase(db, path, &report)
                    return (try GenerationManifest.live(db), try db.changeCount())
                }
            }
        } catch {
            report.problems.append("\(error)")
            return report
        }
        guard let live else {
            report.checks.append("no generation is published yet")
            return report
        }
        report.generation = live.number
        checkFiles(live, path, &report)
        do {
            let reader = try CorpusReader(path: path, manifest: live)
            report.documents = reader.documentCount
            report.passages = reader.passageCount
            try queue.read { try checkRows($0, reader, isCurrent: changes == live.changes, &report) }
            for file in live.files.values.sorted(by: { $0.role < $1.role }) {
                for verifier in verifiers where file.role.hasPrefix(verifier.prefix) {
                    do {
                        try verifier.body(path + "/" + file.name, file, reader)
                        report.checks.append("\(file.role): structure and blocks")
                    } catch { report.problems.append("\(error)") }
                }
            }
        } catch { report.problems.append("\(error)") }
        return report
    }

    private func checkDatabase(_ db: Database, _ path: String, _ report: inout VerificationReport) throws {
        let answers = try String.fetchAll(db, sql: "PRAGMA integrity_check(20)")
        if answers != ["ok"] { report.problems += answers.map { "\(path)/\(CorpusDatabase.fileName): \($0)" } }
        report.checks.append("database: structure of every page and index")
        let counts = try Row.fetchOne(
            db,
            sql: """
                SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM texts),
                (SELECT count(*) FROM documents WHERE row NOT IN (SELECT row FROM texts)),
                (SELECT count(*) FROM documents WHERE source NOT IN (SELECT id FROM sources))
                """)
        if let counts, counts[0] != counts[1] as Int || counts[2] as Int > 0 || counts[3] as Int > 0 {
            report.problems.append(
                "\(path)/\(CorpusDatabase.fileName): \(counts[0] as Int) documents have \(counts[1] as Int) texts, \(counts[2] as Int) lack theirs, \(counts[3] as Int) lack their source"
            )
        }
        report.checks.append("database: every document has its text and its source")
    }

    private func checkFiles(_ live: GenerationManifest, _ path: String, _ report: inout VerificationReport) {
        for file in live.files.values.sorted(by: { $0.role < $1.role }) {
            do {
                let name = path + "/" + file.name
                let found = try FileChecksum.of(path: name)
                report.bytes += found.size
                if found.size != file.size {
                    report.problems.append("\(name): \(found.size) bytes, expected \(file.size)")
                } else if found.checksum != file.checksum {
                    report.problems.append("\(name): the file's checksum is wrong")
                }
                if GenerationWriter.isReserved(file.role) {
                    let kind =
                        file.role.hasPrefix("texts.")
                        ? PassageTable.textsKind : file.role == "columns" ? ColumnsBuilder.kind : PassageTable.kind
                    let blocks = try SectionFile(path: name, kind: kind).verify()
                    report.checks.append("\(file.role): \(blocks) blocks")
                } else {
                    report.checks.append("\(file.role): checksum of the whole file")
                }
            } catch { report.problems.append("\(error)") }
        }
    }

    /// Compares every document of the generation with its row.
    private func checkRows(
        _ db: Database, _ reader: CorpusReader, isCurrent: Bool, _ report: inout VerificationReport
    ) throws {
        let rows = try Row.fetchCursor(
            db,
            sql:
                "SELECT documents.row, id, passages, title, text FROM documents JOIN texts USING (row) ORDER BY documents.row"
        )
        var ordinal = 0
        var problems = 0
        func problem(_ text: String) {
            problems += 1
            if problems <= 20 { report.problems.append("\(reader.path): \(text)") }
        }
        while let row = try rows.next() {
            let number: Int64 = row[0]
            while ordinal < reader.documentCount, try reader.entry(UInt32(ordinal)).row < number {
                // A document that was deleted after the generation was published.
                if isCurrent { problem("document \(try reader.documentID(of: UInt32(ordinal))) has no row") }
                ordinal += 1
            }
            let id: String = row[1]
            guard ordinal < reader.documentCount, try reader.entry(UInt32(ordinal)).row == number else {
                if isCurrent { problem("document \(id) is missing from the generation") }
                continue
            }
            let document = UInt32(ordinal)
            ordinal += 1
            let record = try reader.record(of: document)
            var (title, text): (String, String) = (row[3], row[4])
            let isSame =
                id.utf8.elementsEqual(record.id) && title.withUTF8({ $0.elementsEqual(record.title) })
                && text.withUTF8({ $0.elementsEqual(record.text) })
            if !isSame { problem("document \(id) differs from its row") }
            if try reader.documentOrdinal(id: id) != document { problem("document \(id) is not found by its id") }
            let cuts = (row[2] as Data).withUnsafeBytes { PassageCuts.decode($0) } ?? []
            let range = try reader.passageRange(of: document)
            if cuts.count != range.count {
                problem("document \(id) has \(range.count) passages, its row \(cuts.count)")
            }
            let titleHash = XXH64.hash(title)
            for (passage, cut) in zip(range, cuts) {
                let entry = try reader.entry(passage: passage)
                let isInside = cut.utf8.upperBound <= text.utf8.count && reader.documentOrdinal(of: passage) == document
                if !isInside || Int(entry.start) != cut.utf8.lowerBound || Int(entry.length) != cut.utf8.count {
                    problem("passage \(passage) of document \(id) is cut differently from its row")
                } else if text.withUTF8({
                    XXH64.hash(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0)[cut.utf8]), seed: titleHash)
                })
                    != entry.hash
                {
                    problem("passage \(passage) of document \(id) has another hash than its text")
                }
            }
        }
        if isCurrent, ordinal < reader.documentCount {
            problem("\(reader.documentCount - ordinal) documents have no row")
        }
        if problems > 20 { report.problems.append("\(reader.path): and \(problems - 20) more") }
        for field in reader.columns.fields { _ = try reader.columns.value(of: field.name, document: 0) }
        report.checks.append(
            "documents: \(reader.documentCount) compared with their rows, \(reader.passageCount) passages")
    }
}
