// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Encoders
import Foundation
import OrderedCollections
import Search
import Text

/// `forage index`: reads files into a corpus and builds its indexes; run again it reads what changed.
struct IndexCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Make a corpus from files, or bring one up to date.",
        discussion: """
            Inputs are files (.jsonl, .csv, .tsv, .md, .txt, .html), folders of these, or - for standard input. Run again, \
            it reads what changed and deletes the documents of files that are gone. After an interruption the same \
            command goes on where it was.
            """)

    @Argument(help: "Files, folders, or - for standard input.")
    var inputs: [String]

    @Option(name: [.short, .long], help: "The corpus folder, by convention NAME.forage.")
    var output: String

    @Option(help: "The format of all inputs: jsonl, csv, tsv, markdown, text or html; default: by name.")
    var format: String?

    @Flag(help: "Count bad lines and files instead of ending at the first.")
    var skipBad = false

    @Option(help: "Words in a passage at most; kept with the corpus. Default: 200.")
    var passageSize: Int?

    @Option(help: "Words that a passage repeats of the one before; kept with the corpus. Default: 0.")
    var passageOverlap: Int?

    @Option(help: "The JSON member or column that holds the id.")
    var idField: String?

    @Option(help: "The JSON member or column that holds the title.")
    var titleField: String?

    @Option(help: "The JSON member or column that holds the text.")
    var textField: String?

    @Option(help: "Declare a metadata field as NAME=text|number|boolean|date|textList|numberList.")
    var fieldType: [String] = []

    @OptionGroup var indexing: IndexingOptions

    @Flag(help: "Print a summary as one line of JSON.")
    var json = false

    func validate() throws {
        if let format, SourceFormat(rawValue: format) == nil {
            throw ValidationError(
                "unknown format \(format); the formats are \(SourceFormat.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        if let passageSize, passageSize < 1 { throw ValidationError("--passage-size must be at least 1") }
        if let passageOverlap, passageOverlap < 0 { throw ValidationError("--passage-overlap cannot be negative") }
        _ = try declarations()
    }

    private func declarations() throws -> [(String, FieldType)] {
        try fieldType.map { text in
            guard let mark = text.lastIndex(of: "="),
                let type = FieldType(rawValue: String(text[text.index(after: mark)...]))
            else {
                throw ValidationError(
                    "--field-type takes NAME=TYPE with a type of \(FieldType.allCases.map(\.rawValue).joined(separator: ", ")); found \(text)"
                )
            }
            return (String(text[..<mark]), type)
        }
    }

    func run() async throws {
        Interruption.listen()
        var options: CorpusOptions?
        if passageSize != nil || passageOverlap != nil {
            options = CorpusOptions(
                passages: PassageSplitter.Options(
                    size: passageSize ?? PassageSplitter.Options().size, overlap: passageOverlap ?? 0))
        }
        try await indexing.check()
        let isNew = !FileManager.default.fileExists(atPath: output)
        let writer = try CorpusWriter.open(creatingAt: output, options: options)
        for (name, type) in try declarations() { try writer.declare(field: name, type: type) }
        let start = Date()
        let summary: IngestSummary
        do {
            summary = try await ingest(writer)
        } catch {
            // A corpus that this command began and could not fill is no use to anyone.
            if isNew { try? FileManager.default.removeItem(atPath: output) }
            throw error
        }
        for message in summary.badMessages { note("skipped \(message)") }
        if summary.bad > summary.badMessages.count { note("skipped \(summary.bad - summary.badMessages.count) more") }
        if summary.wasCancelled {
            try await indexing.publishAfterInterruption(writer)
            note(
                "Interrupted: \(summary.added + summary.replaced) documents were read; the same command goes on from there."
            )
            throw Interruption.exitCode
        }
        let reader = try await indexing.publish(writer)
        let seconds = Date().timeIntervalSince(start)
        report(summary, reader, seconds)
    }

    private func ingest(_ writer: CorpusWriter) async throws -> IngestSummary {
        let options = IngestOptions(
            format: format.flatMap(SourceFormat.init(rawValue:)), skipsBad: skipBad, idField: idField,
            titleField: titleField,
            textField: textField)
        let inputs = inputs
        // Reading and SQLite block: they get a thread that is not one of Swift's own.
        return try await withCheckedThrowingContinuation { continuation in
            let thread = Thread {
                let line = ProgressLine()
                continuation.resume(
                    with: Result {
                        try writer.ingest(
                            inputs, options: options,
                            progress: { progress in
                                let share = progress.bytesTotal.map { Double(progress.bytes) / Double(max($0, 1)) }
                                line.show(
                                    ProgressLine.bar(
                                        share: share, note: "\(progress.documents) documents, \(Int(progress.rate))/s",
                                        secondsLeft: progress.secondsLeft))
                            }, isCancelled: { Interruption.isRequested })
                    })
                line.clear()
            }
            thread.stackSize = 8 << 20
            thread.start()
        }
    }

    private func report(_ summary: IngestSummary, _ reader: CorpusReader, _ seconds: Double) {
        if json {
            let record: JSONValue = [
                "corpus": .string(output), "documents": .integer(reader.documentCount),
                "passages": .integer(reader.passageCount),
                "added": .integer(summary.added), "replaced": .integer(summary.replaced),
                "unchanged": .integer(summary.unchanged), "deleted": .integer(summary.deleted),
                "bad": .integer(summary.bad),
                "sources_read": .integer(summary.sourcesRead), "sources_unchanged": .integer(summary.sourcesUnchanged),
                "files_ignored": .integer(summary.filesIgnored), "seconds": .number((seconds * 1000).rounded() / 1000),
            ]
            print(record)
            return
        }
        var changes = "\(summary.added) added, \(summary.replaced) changed, \(summary.deleted) deleted"
        if summary.bad > 0 { changes += ", \(summary.bad) bad" }
        if summary.filesIgnored > 0 { changes += ", \(summary.filesIgnored) files of other kinds passed over" }
        note(
            "\(output): \(reader.documentCount) documents, \(reader.passageCount) passages (\(changes)) in \(String(format: "%.1f", seconds)) s"
        )
    }
}
