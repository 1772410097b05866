// SPDX-License-Identifier: Apache-2.0

import Corpus
import Foundation
import OrderedCollections
import Synchronization
import Testing
import Text

/// Tells readers that the writer has ended.
private final class Flag: Sendable {
    let isDone = Atomic<Bool>(false)
}

@Suite struct DurabilityTests {
    let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder() }

    @Test func verifyFindsWhatIsWrong() throws {
        let path = folder("c.forage")
        var live: GenerationManifest
        do {
            let writer = try CorpusWriter.open(creatingAt: path)
            #expect(try CorpusVerifier().verify(path: path).isSound)
            try writer.add(CorpusWriterTests.documents(0..<300))
            let generation = try writer.beginGeneration()
            let file = generation.newFile(role: "keyword")
            try Data("postings".utf8).write(to: URL(fileURLWithPath: file))
            try generation.finish(role: "keyword")
            live = try generation.publish().manifest
        }
        var verifier = CorpusVerifier()
        let seen = Mutex<[String]>([])
        verifier.register(rolePrefix: "key") { path, file, reader in
            seen.withLock { $0.append("\(file.role) \(reader.passageCount)") }
            guard try Data(contentsOf: URL(fileURLWithPath: path)) == Data("postings".utf8) else {
                throw CorpusError(.damaged, "the postings are wrong")
            }
        }
        let report = try verifier.verify(path: path)
        #expect(report.isSound && report.documents == 300 && report.passages == 300 && report.generation == live.number)
        #expect(seen.withLock { $0 } == ["keyword 300"])
        for file in live.files.values.sorted(by: { $0.role < $1.role }) {
            let url = URL(fileURLWithPath: path + "/" + file.name)
            let whole = try Data(contentsOf: url)
            for position in [0, whole.count / 2, whole.count - 1] {
                var bytes = whole
                bytes[position] ^= 1
                try bytes.write(to: url)
                #expect(try !verifier.verify(path: path).isSound, "\(file.role) byte \(position)")
            }
            try whole.dropLast().write(to: url)
            #expect(try !verifier.verify(path: path).isSound)
            try FileManager.default.removeItem(at: url)
            #expect(try !verifier.verify(path: path).isSound)
            try whole.write(to: url)
        }
        #expect(try verifier.verify(path: path).isSound)
        let database = URL(fileURLWithPath: path + "/corpus.sqlite")
        var bytes = try Data(contentsOf: database)
        for position in stride(from: 8192, to: bytes.count, by: 4096) {
            bytes.replaceSubrange(position..<(position + 8), with: [9, 9, 9, 9, 9, 9, 9, 9])
        }
        try bytes.write(to: database)
        #expect(try !verifier.verify(path: path).isSound)
    }

    /// The child process kills itself at a moment between the steps of indexing; the corpus must be sound afterwards.
    @Test(arguments: [5, 20, 40, 60, 90, 130, 200, 300]) func killedIndexingLeavesASoundCorpus(_ milliseconds: Int)
        async throws
    {
        let path = folder("c.forage")
        let source = try folder.write(
            "source.jsonl",
            (0..<2000).map {
                #"{"id":"d\#($0)","title":"T","text":"Text of document \#($0).","metadata":{"n":\#($0 % 9)}}"# + "\n"
            }.joined())
        await #expect(processExitsWith: .signal(SIGKILL)) {
            [path = path as String, source = source as String, milliseconds = milliseconds as Int] in
            let thread = Thread {
                usleep(UInt32(milliseconds) * 1000)
                kill(getpid(), SIGKILL)
            }
            thread.start()
            var round = 0
            while true {
                round += 1
                let writer = try CorpusWriter.open(creatingAt: path)
                try writer.ingest([source], options: IngestOptions(batchSize: 100))
                try writer.publish()
                try writer.delete(ids: (0..<40).map { "d\($0 * 3 + round)" })
                try writer.publish()
                try writer.add((0..<30).map { Document(id: "d\($0)", text: "Version \(round).") })
                try writer.publish()
            }
        }
        if FileManager.default.fileExists(atPath: path + "/corpus.sqlite") {
            do {
                let report = try CorpusVerifier().verify(path: path)
                #expect(report.isSound, "\(report.problems)")
            } catch let error as CorpusError { #expect(error.code == .notACorpus) }
        }
        try folder.write("source.jsonl", "{\"id\":\"last\",\"text\":\"The end.\"}\n")
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.ingest([source])
        let reader = try writer.publish()
        #expect(try reader.document(id: "last")?.text == "The end.")
        #expect(try CorpusVerifier().verify(path: path).isSound)
    }

    @Test func readersKeepTheirSnapshotWhileAWriterPublishes() async throws {
        let path = folder("c.forage")
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.add(CorpusWriterTests.documents(0..<200, note: "round 0"))
        try writer.publish()
        let flag = Flag()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for seed in 0..<3 {
                group.addTask { @concurrent in
                    var random = TestGenerator(seed: UInt64(seed))
                    var reads = 0
                    while !flag.isDone.load(ordering: .relaxed) || reads < 5 {
                        let reader = try CorpusReader(path: path)
                        // All texts of one snapshot are of one round.
                        let notes = try Set(
                            (0..<20).map { _ in
                                try reader.document(at: UInt32(random.below(reader.documentCount))).text.split(
                                    separator: " ")[5]
                            })
                        #expect(notes.count == 1)
                        reads += 1
                    }
                    return reads
                }
            }
            for round in 1...15 {
                try writer.add(CorpusWriterTests.documents(0..<200, note: "round \(round)"))
                try writer.publish()
            }
            flag.isDone.store(true, ordering: .relaxed)
            for try await reads in group { #expect(reads >= 5) }
        }
    }

    @Test(.enabled(if: getuid() != 0, "the super-user can write everywhere")) func readOnlyFolder() throws {
        let path = folder("c.forage")
        do {
            let writer = try CorpusWriter.open(creatingAt: path)
            try writer.add(CorpusWriterTests.documents(0..<10))
            try writer.publish()
        }
        try FileManager.default.setAttributes([.posixPermissions: 0o555], ofItemAtPath: path)
        defer { try? FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path) }
        #expect(try CorpusReader(path: path).documentCount == 10)
        let error = #expect(throws: CorpusError.self) {
            try CorpusWriter(path: path).add(CorpusWriterTests.documents(10..<20))
        }
        #expect(error?.code == .system)
    }

    /// What is no file of a corpus is never replaced by one.
    @Test func aDeviceIsLeftAlone() throws {
        let pipe = folder("pipe")
        #expect(mkfifo(pipe, 0o600) == 0)
        let error = #expect(throws: CorpusError.self) { try SectionFileWriter(path: pipe, kind: "test", version: 1) }
        #expect(error?.code == .system)
        var status = stat()
        #expect(lstat(pipe, &status) == 0 && status.st_mode & S_IFMT == S_IFIFO)
    }
}
