// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Documents
import Encoders
import Foundation
import OrderedCollections
import Postgres
import PostgresCorpus
import Search
import Synchronization
import Text

/// `forage index`: reads files into a corpus and builds its indexes; run again it reads what changed.
struct IndexCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index",
        abstract: "Make a corpus from files, or bring one up to date.",
        discussion: """
            Inputs are files of any kind, folders of these, or - for standard input: PDF, Word, PowerPoint, Excel, \
            OpenDocument, RTF, EPUB, mail, HTML, Markdown, text, source code, JSON, CSV, XML, YAML, Parquet, and ZIP, tar and \
            gzip of these. What cannot be read is set aside and named; it never ends the run. A forage.yaml in a folder \
            says which fields are the text, the title and the id, and what is left out. Run again, it reads what \
            changed and deletes the documents of files that are gone. After an interruption the same command goes on \
            where it was.
            """)

    @Argument(help: "Files, folders, or - for standard input.")
    var inputs: [String]

    @Option(
        name: [.short, .long],
        help: "The corpus folder, by convention NAME.forage; or postgresql://USER@HOST/DATABASE?corpus=NAME.")
    var output: String

    @Option(
        name: [.short, .long],
        help: "The format of all inputs, such as jsonl, csv or text; default: by content and name.")
    var format: String?

    @Option(help: "The character encoding of texts, such as windows-1252; default: found for each file.")
    var encoding: String?

    @Flag(help: "Exit with 1 when any file or record was set aside.")
    var strict = false

    @Flag(name: [.short, .long], help: "Go on and follow the inputs: index what changes, until Ctrl-C.")
    var watch = false

    @Flag(help: "Read what links in folders point to.")
    var followLinks = false

    @Flag(help: .hidden)
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

    @Flag(name: [.short, .long], help: "Print a summary as one line of JSON.")
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
        if watch, inputs.contains("-") { throw ValidationError("--watch cannot follow standard input") }
        var stamp = watch ? try SourceStamp(inputs, options: ingestOptions) : nil
        try await update(options)
        guard watch else { return }
        note("Following \(inputs.joined(separator: ", ")); Ctrl-C ends.")
        while let next = try await changed(from: stamp) {
            stamp = next
            do { try await update(options) } catch let error as CorpusError where error.code != .notACorpus {
                // A file half written, a corpus locked for a moment: the next change tries again.
                note("Error: \(error)")
            }
        }
    }

    /// Waits until the inputs have changed and are at rest again; nil when Ctrl-C was pressed.
    private func changed(from stamp: SourceStamp?) async throws -> SourceStamp? {
        var last = stamp
        while !Interruption.isRequested {
            let start = Date()
            // A folder that is moved away for a moment is no change.
            let now = (try? SourceStamp(inputs, options: ingestOptions)) ?? last
            if now != stamp, now == last { return now }
            last = now
            // Looking takes a twentieth of the time at most.
            let pause = max(1, 20 * Date().timeIntervalSince(start))
            let wakes = Date().addingTimeInterval(pause)
            while Date() < wakes, !Interruption.isRequested { try await Task.sleep(for: .milliseconds(100)) }
        }
        return nil
    }

    /// Reads what changed and publishes it.
    private func update(_ options: CorpusOptions?) async throws {
        guard PostgresAddress.isAddress(output) else { return try await update(folder: output, options) }
        let writer = try await PostgresCorpusWriter(
            PostgresAddress(output), isWaiting: { note("Another process writes to the corpus; waiting for it.") })
        try await writer.prepare(note: { note($0) })
        try await update(folder: writer.staging, options)
        let start = Date()
        var loader = GenerationLoader()
        loader.onProgress = { progress in
            let share = Double(progress.done) / Double(max(progress.total, 1))
            loadLine.withLock {
                $0.show(ProgressLine.bar(share: share, note: "loading \(progress.stage)", secondsLeft: nil))
            }
        }
        let number = try await writer.publish(loader)
        loadLine.withLock { $0.clear() }
        let seconds = String(format: "%.1f", Date().timeIntervalSince(start))
        note("\(shownOutput): generation \(number) is live, loaded in \(seconds) s")
    }

    /// The output as it may be shown: an address without its password.
    private var shownOutput: String { (try? PostgresAddress(output))?.description ?? output }

    /// Reads what changed into a folder and publishes it there.
    private func update(folder: String, _ options: CorpusOptions?) async throws {
        let isNew = !FileManager.default.fileExists(atPath: folder)
        let writer = try CorpusWriter.open(creatingAt: folder, options: options)
        for (name, type) in try declarations() { try writer.declare(field: name, type: type) }
        let start = Date()
        let summary: IngestSummary
        do {
            summary = try await ingest(writer)
        } catch {
            // A corpus that this command began and could not fill is no use to anyone.
            if isNew { try? FileManager.default.removeItem(atPath: folder) }
            throw error
        }
        if summary.wasCancelled {
            report(setAside: summary)
            try await indexing.publishAfterInterruption(writer)
            note(
                "Interrupted: \(counted(summary.added + summary.replaced, "document")) read; the same command goes on from there."
            )
            throw Interruption.exitCode
        }
        if summary.bad > 0, try writer.committedDocumentCount == 0 {
            report(setAside: summary)
            if isNew { try? FileManager.default.removeItem(atPath: folder) }
            note("Error: nothing could be read; there is no corpus.")
            throw ExitCode.failure
        }
        let reader = try await indexing.publish(writer)
        report(summary, reader, Date().timeIntervalSince(start))
        if strict, summary.bad > 0 { throw ExitCode.failure }
    }

    private var ingestOptions: IngestOptions {
        var options = IngestOptions(
            format: format.flatMap(SourceFormat.init(rawValue:)), idField: idField, titleField: titleField,
            textField: textField, encoding: encoding, followsLinks: followLinks)
        options.pdfHelper = ReadDocumentCommand.invocation
        return options
    }

    private func ingest(_ writer: CorpusWriter) async throws -> IngestSummary {
        let options = ingestOptions
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
                                        share: share,
                                        note: "\(counted(progress.documents, "document")), \(Int(progress.rate))/s",
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
            var kinds = JSONObject()
            for (format, kind) in summary.kinds.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                kinds[format.rawValue] = ["files": .integer(kind.files), "documents": .integer(kind.documents)]
            }
            func list(_ entries: [IngestSummary.SetAside]) -> JSONValue {
                .array(entries.map { ["place": .string($0.place), "reason": .string($0.reason)] })
            }
            let record: JSONValue = [
                "corpus": .string(shownOutput), "documents": .integer(reader.documentCount),
                "passages": .integer(reader.passageCount),
                "added": .integer(summary.added), "replaced": .integer(summary.replaced),
                "unchanged": .integer(summary.unchanged), "repeated": .integer(summary.repeated),
                "deleted": .integer(summary.deleted),
                "bad": .integer(summary.bad), "set_aside": list(summary.setAside), "kinds": .object(kinds),
                "notes": list(summary.notes),
                "sources_read": .integer(summary.sourcesRead), "sources_unchanged": .integer(summary.sourcesUnchanged),
                "files_ignored": .integer(summary.filesIgnored), "left_out": list(summary.leftOut),
                "seconds": .number((seconds * 1000).rounded() / 1000),
            ]
            print(record)
            return
        }
        for remark in summary.notes.prefix(20) { note("note: \(remark)") }
        if summary.noteCount > 20 {
            note(
                "note: \(summary.noteCount - 20) more; --json lists \(summary.noteCount > summary.notes.count ? "up to \(summary.notes.count)" : "them")"
            )
        }
        for remark in Self.remarks(on: reader.columns.fields) { note("note: \(remark)") }
        for (name, _) in (try? declarations()) ?? [] where (reader.columns.field(name)?.documentCount ?? 0) == 0 {
            note("note: --field-type \(name): no document has a value of this field that can be read so")
        }
        // Hidden files and the like are what people expect to be left out: their names are enough.
        let hidden = summary.leftOut.filter { $0.reason == IngestSummary.leftOutByName }
        if !hidden.isEmpty {
            let names = hidden.prefix(5).map { printable($0.place) }.joined(separator: ", ")
            let more = hidden.count > 5 ? " and \(hidden.count - 5) more (--json lists them)" : ""
            note("left out \(names)\(more): hidden, or what programs leave behind")
        }
        let unexpected = summary.leftOut.filter { $0.reason != IngestSummary.leftOutByName }
        for entry in unexpected.prefix(20) { note("left out \(printable("\(entry)"))") }
        if unexpected.count > 20 { note("left out \(unexpected.count - 20) more; --json lists them") }
        report(setAside: summary)
        for (format, kind) in summary.kinds.sorted(by: {
            ($0.value.documents, $0.key.rawValue) > ($1.value.documents, $1.key.rawValue)
        }) {
            let name = format.rawValue + String(repeating: " ", count: max(0, 13 - format.rawValue.count))
            note("  \(name)\(counted(kind.files, "file")), \(counted(kind.documents, "document"))")
        }
        var changes = "\(summary.added) added, \(summary.replaced) changed, \(summary.deleted) deleted"
        if summary.bad > 0 { changes += ", \(summary.bad) set aside" }
        if summary.repeated > 0 { changes += ", \(summary.repeated) given more than once and kept once" }
        if summary.filesIgnored > 0 { changes += ", \(summary.filesIgnored) left out" }
        note(
            "\(shownOutput): \(counted(reader.documentCount, "document")), \(counted(reader.passageCount, "passage")) (\(changes)) in \(String(format: "%.1f", seconds)) s"
        )
    }

    /// What people should know of fields before they filter by them: how numbers were read, and what counts as missing.
    static func remarks(on fields: [MetadataField]) -> [String] {
        func list(_ names: [String]) -> String {
            names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
        }
        var remarks: [String] = []
        let commas = fields.filter(\.hasDecimalComma).map(\.name)
        if !commas.isEmpty { remarks.append("numbers with a decimal comma: \(list(commas))") }
        let odd = fields.filter { $0.oddCount > 0 }.map {
            "\($0.name) (\($0.oddCount): \($0.oddExamples.prefix(2).joined(separator: ", ")))"
        }
        if !odd.isEmpty { remarks.append("values that are not of their field's type count as missing: \(list(odd))") }
        // A few odd values make a column of numbers one of texts, which has no sums and no order.
        remarks += fields.compactMap { field in
            field.nearly.map {
                $0.isAmbiguous
                    ? "\(field.name) holds texts: \($0.description)"
                    : "\(field.name) holds texts: \($0.description); --field-type \(field.name)=\($0.type.rawValue) makes it a field of "
                        + "\($0.type.singular)s, in which such values count as missing"
            }
        }.prefix(8)
        return remarks
    }

    /// Names what was set aside: each of the first, and how many more.
    private func report(setAside summary: IngestSummary) {
        guard !json else { return }
        for entry in summary.setAside.prefix(50) { note("set aside \(printable("\(entry)"))") }
        if summary.bad > 50 { note("set aside \(summary.bad - 50) more; --json lists up to 1000") }
    }
}

/// The line on which a load into a database shows how far it is, from a thread of its own.
private let loadLine = Mutex(ProgressLine())
