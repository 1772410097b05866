// SPDX-License-Identifier: Apache-2.0

import Corpus
import Foundation
import Search
import Testing

/// The program where it may not write: one clear error, and what was there before stays whole.
@Suite struct FullDiskTests {
    private struct Ended {
        var status: Int32
        var errors: String
    }

    /// Runs a line of shell; `"$0"` is the program.
    private func shell(_ script: String, in folder: String) throws -> Ended {
        var place = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        repeat {
            place.deleteLastPathComponent()
        } while place.path != "/"
            && !FileManager.default.isExecutableFile(atPath: place.path + "/forage")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, place.path + "/forage"]
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return Ended(status: process.terminationStatus, errors: text)
    }

    private func withCorpus(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("full-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        func lines(_ count: Int) -> String {
            (0..<count).map { #"{"id":"d\#($0)","title":"Title \#($0)","text":"Text number\#($0) of \#(count)."}"# }
                .joined(separator: "\n")
        }
        try lines(200).write(toFile: folder + "/few.jsonl", atomically: true, encoding: .utf8)
        try lines(4000).write(toFile: folder + "/many.jsonl", atomically: true, encoding: .utf8)
        let made = try shell(#"exec "$0" index few.jsonl --output c.forage --encoder none"#, in: folder)
        #expect(made.status == 0, "\(made.errors)")
        try await body(folder)
    }

    private func expectWhole(_ path: String, documents: Int) async throws {
        let report = try CorpusVerifier.withIndexes.verify(path: path)
        #expect(report.isSound, "\(report.problems)")
        #expect(report.documents == documents)
        let corpus = try await LocalCorpus(path: path, loadsEncoder: false)
        #expect(try corpus.keywordSearch(KeywordQuery("number77"), limit: 5).count == 1)
    }

    /// A limit on the size of files stands for the end of the disk: writing beyond it fails in the same way.
    @Test(arguments: [16, 100, 400, 700]) func aDiskThatEndsLeavesTheCorpusAsItWas(blocks: Int) async throws {
        try await withCorpus { folder in
            let cut = try shell(
                "trap '' XFSZ; ulimit -f \(blocks); "
                    + #"exec "$0" index many.jsonl --output c.forage --encoder none"#, in: folder)
            #expect(cut.status == 1)
            #expect(cut.errors.hasPrefix("Error: ") && cut.errors.contains("c.forage"), "\(cut.errors)")
            #expect(cut.errors.split(separator: "\n").count == 1, "\(cut.errors)")
            try await expectWhole(folder + "/c.forage", documents: 200)
            let again = try shell(#"exec "$0" index many.jsonl --output c.forage --encoder none"#, in: folder)
            #expect(again.status == 0, "\(again.errors)")
            try await expectWhole(folder + "/c.forage", documents: 4000)
        }
    }

    @Test func aReadOnlyFolderIsReadAndRefusesChanges() async throws {
        try await withCorpus { folder in
            // Root writes where it likes; without these capabilities it is bound as others are.
            let bound =
                geteuid() == 0
                ? "setpriv --inh-caps=-all --bounding-set=-dac_override,-dac_read_search,-fowner" : "env"
            let path = folder + "/c.forage"
            defer { _ = try? shell("chmod -R u+w c.forage", in: folder) }
            _ = try shell("chmod -R a-w c.forage", in: folder)
            let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
            let refused = try shell(
                #"exec \#(bound) "$0" index many.jsonl --output c.forage --encoder none"#, in: folder)
            #expect(refused.status == 1)
            #expect(
                refused.errors.hasPrefix("Error: ") && refused.errors.contains("c.forage: Permission denied"),
                "\(refused.errors)")
            let found = try shell(#"exec \#(bound) "$0" search keyword --corpus c.forage number77"#, in: folder)
            #expect(found.status == 0, "\(found.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: path).sorted() == names)
            try await expectWhole(path, documents: 200)
        }
    }
}
