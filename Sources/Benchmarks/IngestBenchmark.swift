// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Documents
import Foundation
import OrderedCollections
import Text

/// How fast files become documents and passages: bytes a second and memory, without indexes and vectors.
struct IngestBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ingest",
        abstract: "Reads files into a corpus, without indexes: megabytes a second, and the memory that it took.")

    @Argument(help: "Files and folders.") var inputs: [String]
    @Option(help: "How often; the corpus is new each time.") var rounds = 3

    func run() throws {
        for _ in 0..<rounds {
            let root = NSTemporaryDirectory() + "forage-ingest-\(getpid()).forage"
            defer { try? FileManager.default.removeItem(atPath: root) }
            let writer = try CorpusWriter.open(creatingAt: root)
            let start = wallSeconds()
            let summary = try writer.ingest(inputs)
            let seconds = wallSeconds() - start
            var line = Measurement("ingest")
            line.set("MB", Double(summary.bytes) / 1e6)
            line.set("documents", summary.added)
            line.set("set_aside", summary.bad)
            line.set("seconds", seconds)
            line.set("MB_per_s", Double(summary.bytes) / 1e6 / seconds)
            line.setMemory()
            line.print()
        }
    }
}

/// How fast the text layer of PDFs is read, one file after the other on one core. `peers/pdf_text.py` puts it beside Python
/// libraries on the same files.
struct PDFBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pdf", abstract: "Reads the text of PDFs, one file after the other: pages a second.")

    @Argument(help: "PDF files.") var files: [String]
    @Option(help: "How often each is read; the fastest counts.") var rounds = 3

    func run() throws {
        for path in files {
            var best = Double.infinity
            var (characters, pages) = (0, 0)
            for _ in 0..<rounds {
                let start = wallSeconds()
                let reading = try DocumentReader(ReadingOptions()).read(.file(FilePlace(path)), format: .pdf, id: path)
                best = min(best, wallSeconds() - start)
                characters = reading.documents.first?.text.unicodeScalars.count ?? 0
                pages = reading.documents.first?.metadata["pages"]?.int ?? 0
            }
            var line = Measurement("pdf")
            line.set("file", path.split(separator: "/").last.map(String.init) ?? path)
            line.set("pages", pages)
            line.set("characters", characters)
            line.set("seconds", best)
            line.set("pages_per_s", Double(pages) / best)
            line.print()
        }
    }
}
