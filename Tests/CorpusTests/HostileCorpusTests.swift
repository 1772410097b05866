// SPDX-License-Identifier: Apache-2.0

import Base
import Documents
import Foundation
import GRDB
import Testing
import Text

@testable import Corpus

/// Corpora that someone else made: links, names that lead out, files in place of others, numbers that no writer writes.
@Suite struct HostileCorpusTests {
    private func makeCorpus(in folder: TemporaryFolder) throws -> String {
        let path = folder.path + "/a.forage"
        let writer = try CorpusWriter.open(creatingAt: path)
        _ = try writer.add(CorpusWriterTests.documents(0..<50))
        try writer.publish()
        return path
    }

    private func change(_ path: String, _ sql: String) throws {
        let queue = try DatabaseQueue(path: path + "/corpus.sqlite")
        try queue.write { try $0.execute(sql: sql) }
    }

    /// A database is a program, too: what is none of its tables runs what it says, here without end.
    @Test(arguments: [
        "ALTER TABLE files RENAME TO f; CREATE VIEW files AS SELECT generation, role, name, size, @ AS checksum, parameters FROM f",
        "ALTER TABLE generations RENAME TO g; CREATE VIEW generations AS SELECT number, changes, documents, passages, @ AS published FROM g",
        "CREATE TRIGGER t AFTER INSERT ON texts BEGIN INSERT INTO fields VALUES (CAST(@ AS TEXT), 'x'); END",
        "ALTER TABLE settings ADD COLUMN big TEXT AS (hex(zeroblob(900000000)))",
        "CREATE INDEX i ON texts (length(hex(zeroblob(900000000))))", "CREATE TABLE other (x)",
        "CREATE VIEW v AS SELECT 1",
    ])
    func aDatabaseHoldsTablesAlone(_ change: String) throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        let endless = "(WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c)"
        if change.contains("CREATE INDEX") { try self.change(path, "DELETE FROM texts") }
        try self.change(path, change.replacing("@", with: endless))
        #expect { try CorpusReader(path: path) } throws: { ($0 as? CorpusError)?.code == .damaged }
        #expect { try CorpusWriter.open(creatingAt: path) } throws: { ($0 as? CorpusError)?.code == .damaged }
    }

    @Test func whatSQLiteAddsItselfIsNoneOfThis() throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        try change(path, "ANALYZE")
        _ = try CorpusReader(path: path)
        let writer = try CorpusWriter.open(creatingAt: path)
        _ = try writer.add(CorpusWriterTests.documents(50..<60))
        try writer.publish()
    }

    @Test func aLockThatIsALinkIsNotWrittenThrough() throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        let victim = folder.path + "/victim"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: victim))
        unlink(path + "/lock")
        try FileManager.default.createSymbolicLink(atPath: path + "/lock", withDestinationPath: victim)
        #expect(throws: CorpusError.self) { try CorpusWriter.open(creatingAt: path) }
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
    }

    @Test func filesThatAreLinksAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        let reader = try CorpusReader(path: path)
        for file in reader.manifest.files.values {
            let name = path + "/" + file.name
            try FileManager.default.moveItem(atPath: name, toPath: folder.path + "/" + file.name)
            try FileManager.default.createSymbolicLink(
                atPath: name, withDestinationPath: folder.path + "/" + file.name)
            #expect(throws: CorpusError.self, "\(file.name)") { try CorpusReader(path: path) }
            unlink(name)
            try FileManager.default.moveItem(atPath: folder.path + "/" + file.name, toPath: name)
        }
        _ = try CorpusReader(path: path)
        try FileManager.default.moveItem(atPath: path + "/corpus.sqlite", toPath: folder.path + "/other.sqlite")
        try FileManager.default.createSymbolicLink(
            atPath: path + "/corpus.sqlite", withDestinationPath: folder.path + "/other.sqlite")
        #expect(throws: CorpusError.self) { try CorpusReader(path: path) }
    }

    @Test(arguments: ["../a.forage/x", "/etc/passwd", "..", ".hidden", "", "a/b", "a\u{1B}b"])
    func namesThatLeadOutAreRefused(name: String) throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        let quoted = name.replacing("'", with: "''")
        try change(path, "UPDATE files SET name = '\(quoted)' WHERE role = 'columns'")
        let error = #expect(throws: CorpusError.self) { try CorpusReader(path: path) }
        #expect(error?.code == .damaged)
    }

    /// Two files of one shape, each sound in itself, in each other's place.
    @Test func aFileOfAnotherCorpusIsNotTakenForOnesOwn() throws {
        let folder = try TemporaryFolder()
        let mine = try makeCorpus(in: folder)
        let reader = try CorpusReader(path: mine)
        let table = try #require(reader.manifest.files["passages"])
        let columns = try #require(reader.manifest.files["columns"])
        // A table of the same size with one byte changed, and its checksums made right again, is another file.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: mine + "/" + columns.name))
        bytes[100] ^= 1
        Self.repair(&bytes)
        try bytes.write(to: URL(fileURLWithPath: mine + "/" + columns.name))
        _ = try SectionFile(path: mine + "/" + columns.name, kind: ColumnsBuilder.kind)
        let error = #expect(throws: CorpusError.self) { try CorpusReader(path: mine) }
        #expect(error?.message.contains("not the file that the corpus lists") == true)
        #expect(table.identity != nil)
    }

    /// Makes all checksums of a section file right, as whoever changed it would.
    static func repair(_ bytes: inout Data) {
        bytes.withUnsafeMutableBytes { raw in
            let trailer = raw.count - 64
            func word(_ at: Int) -> Int { Int(raw.loadUnaligned(fromByteOffset: at, as: UInt64.self)) }
            let (length, directory) = (word(trailer), word(trailer + 8))
            for block in 0..<((directory - length) / 8) {
                let range = (block << 16)..<min((block + 1) << 16, length)
                let sum = XXH64.hash(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[range]))
                raw.storeBytes(of: sum, toByteOffset: length + block * 8, as: UInt64.self)
            }
            let all = XXH64.hash(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[length..<trailer]))
            raw.storeBytes(of: all, toByteOffset: trailer + 32, as: UInt64.self)
            let head = XXH64.hash(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[trailer..<(trailer + 48)]))
            raw.storeBytes(of: head, toByteOffset: trailer + 48, as: UInt64.self)
        }
    }

    /// Hostile content with right checksums, in a manifest without identities: an error or an answer, never a trap.
    @Test func everyByteOfTheTablesMayLie() throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        try change(path, "UPDATE files SET parameters = '{}' WHERE role != 'passages'")
        try change(path, "UPDATE files SET parameters = '{\"records\":50}' WHERE role = 'passages'")
        var random = TestGenerator(seed: 3)
        for role in ["passages", "columns", "texts.0"] {
            let file = try #require(try CorpusReader(path: path).manifest.files[role])
            let url = URL(fileURLWithPath: path + "/" + file.name)
            let whole = try Data(contentsOf: url)
            for _ in 0..<150 {
                var bytes = whole
                let length = Int(
                    bytes.withUnsafeBytes {
                        $0.loadUnaligned(fromByteOffset: whole.count - 64, as: UInt64.self)
                    })
                for _ in 0..<4 {
                    let at = 64 + Int(random.next() % UInt64(length - 72))
                    let value = [0, 1, 0x7F, 0x80, 0xFF][Int(random.next() % 5)]
                    for place in at..<(at + [1, 4, 8][Int(random.next() % 3)]) { bytes[place] = UInt8(value) }
                }
                Self.repair(&bytes)
                try bytes.write(to: url)
                guard let reader = try? CorpusReader(path: path) else { continue }
                for ordinal in 0..<UInt32(reader.passageCount) {
                    _ = try? reader.passages(at: [ordinal])
                    _ = try? reader.passageID(of: ordinal)
                    _ = try? reader.document(at: ordinal)
                }
                _ = try? reader.passageOrdinal(id: "d7")
                for field in reader.columns.fields { _ = try? reader.columns.bounds(of: field.name) }
            }
            try whole.write(to: url)
        }
    }

    @Test func verificationCoversTheMetadata() throws {
        let folder = try TemporaryFolder()
        let path = try makeCorpus(in: folder)
        #expect(try CorpusVerifier().verify(path: path).isSound)
        try change(path, "UPDATE documents SET metadata = replace(metadata, '1990', '1890')")
        #expect(try !CorpusVerifier().verify(path: path).isSound)
    }

    /// What is found in a folder is opened beneath it: no link is followed, be it there when the folder is listed or later.
    @Test func sourcesAreReadWithoutFollowingLinks() throws {
        let folder = try TemporaryFolder()
        let secret = try folder.write("secret.txt", "zanzibar")
        try folder.write("in/plain.txt", "plain")
        try folder.write("other/deep.txt", "zanzibar")
        for (link, target) in [("in/link.txt", secret), ("in/folder", folder("other"))] {
            try FileManager.default.createSymbolicLink(atPath: folder(link), withDestinationPath: target)
        }
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        let summary = try writer.ingest([folder("in")])
        #expect(summary.added == 1 && summary.filesIgnored == 2)
        #expect(try writer.ingest([folder("in")], options: IngestOptions(followsLinks: true)).added == 2)
        // As if it had become a link after it was listed.
        #expect(throws: DocumentError.self) { try FilePlace("link.txt", beneath: folder("in")).open() }
        #expect(throws: DocumentError.self) { try FilePlace("folder/deep.txt", beneath: folder("in")).open() }
        #expect(throws: DocumentError.self) { try FilePlace("../secret.txt", beneath: folder("in")).open() }
        // What the user names may be a link.
        let named = try FilePlace(folder("in/link.txt")).open()
        close(named)
    }

    @Test func optionsOfAFolderAreNoLink() throws {
        let folder = try TemporaryFolder()
        try folder.write("in/plain.txt", "plain")
        let elsewhere = try folder.write("elsewhere.yaml", "leave_out: [plain.txt]")
        try FileManager.default.createSymbolicLink(
            atPath: folder("in/forage.yaml"), withDestinationPath: elsewhere)
        let writer = try CorpusWriter.open(creatingAt: folder("c.forage"))
        #expect(throws: CorpusError.self) { try writer.ingest([folder("in")]) }
        #expect(try writer.ingest([folder("in")], options: IngestOptions(followsLinks: true)).added == 0)
    }

    /// A file that is made shorter while it is in use is an error of the request that reads it.
    @Test func aFileThatIsMadeShorterDoesNotEndTheProcess() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/long"
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        let writer = try SectionFileWriter(path: path, kind: "test", version: 1)
        try writer.add("numbers", bytes)
        try writer.finish()
        let file = try SectionFile(path: path, kind: "test")
        let array: MappedArray<UInt8> = try file.array("numbers")
        #expect(array[bytes.count - 1] == 7)
        file.file.release(0..<file.file.bytes.count)
        #expect(truncate(path, 4096) == 0)
        // Without the watch this read is SIGBUS.
        #expect(array[bytes.count - 1] == 0)
        #expect(file.file.isTorn)
        #expect(throws: CorpusError.self) { try file.checkWhole() }
    }
}
