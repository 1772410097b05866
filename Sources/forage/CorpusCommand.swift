// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import OrderedCollections
import Search
import Text

/// `forage corpus`: look at a corpus, check it, and take documents out.
struct CorpusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "corpus", abstract: "Look at a corpus, check it, export it, and take documents out.",
        subcommands: [Info.self, Verify.self, Export.self, Questions.self, Delete.self, Reindex.self, Compact.self])

    struct Info: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what a corpus holds: counts, files, fields with their types.")

        @Argument(help: "The corpus folder.") var corpus: String
        @Flag(name: [.short, .long], help: "Print one line of JSON.") var json = false

        func run() async throws {
            let reader = try CorpusReader(path: corpus)
            if json {
                print(try record(reader))
                return
            }
            let published = CalendarDate.text(seconds: Int64(reader.manifest.published))
            print(
                "\(corpus): \(reader.documentCount) documents, \(reader.passageCount) passages; generation \(reader.manifest.number) of \(published)"
            )
            print("files")
            for file in reader.manifest.files.values.sorted(by: { $0.role < $1.role }) {
                print("  \(pad(file.role, 12)) \(file.name), \(size(file.size))")
            }
            print(reader.columns.fields.isEmpty ? "no metadata fields" : "metadata fields")
            for field in reader.columns.fields {
                let examples = try reader.columns.frequentValues(of: field.name, limit: 3).map {
                    "\(shown($0.value)) (\($0.count))"
                }
                print(
                    "  \(pad(field.name, 20)) \(pad(field.type.description, 16))\(field.isDeclared ? " declared," : "") \(field.documentCount) documents, \(field.distinctCount) values: \(examples.joined(separator: ", "))\(odd(field))"
                )
            }
        }

        private func record(_ reader: CorpusReader) throws -> JSONValue {
            let fields = try reader.columns.fields.map { field -> JSONValue in
                let examples = try reader.columns.frequentValues(of: field.name, limit: 5).map(\.value.json)
                return [
                    "name": .string(field.name), "type": .string(field.type.rawValue),
                    "declared": .bool(field.isDeclared),
                    "documents": .integer(field.documentCount), "distinct": .integer(field.distinctCount),
                    "odd": .integer(field.oddCount), "decimal_comma": .bool(field.hasDecimalComma),
                    "examples": .array(examples),
                ]
            }
            let files = reader.manifest.files.values.sorted { $0.role < $1.role }.map { file -> JSONValue in
                [
                    "role": .string(file.role), "name": .string(file.name), "bytes": .integer(file.size),
                    "parameters": file.parameters,
                ]
            }
            return [
                "corpus": .string(corpus), "documents": .integer(reader.documentCount),
                "passages": .integer(reader.passageCount),
                "generation": .integer(reader.manifest.number), "published": .integer(reader.manifest.published),
                "fields": .array(fields), "files": .array(files),
            ]
        }

        private func odd(_ field: MetadataField) -> String {
            let comma = field.hasDecimalComma ? "; written with decimal commas" : ""
            guard field.oddCount > 0 else { return comma }
            return
                "\(comma); \(field.oddCount) missing as no \(field.type.singular): \(field.oddExamples.joined(separator: ", "))"
        }

        private func shown(_ value: MetadataValue) -> String {
            let text = value.json.serialized()
            return text.count > 40 ? String(text.prefix(40)) + "…" : text
        }

        private func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
    }

    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check everything on disk: the database, every block of every file, and that they agree.")

        @Argument(help: "The corpus folder.") var corpus: String
        @Flag(name: [.short, .long], help: "Print one line of JSON.") var json = false

        func run() async throws {
            let verifier = CorpusVerifier.withIndexes
            let report = try verifier.verify(path: corpus)
            if json {
                print(
                    [
                        "corpus": .string(corpus), "sound": .bool(report.isSound),
                        "documents": .integer(report.documents),
                        "passages": .integer(report.passages), "bytes": .integer(report.bytes),
                        "checks": .array(report.checks.map { .string($0) }),
                        "problems": .array(report.problems.map { .string($0) }),
                    ] as JSONValue)
            } else {
                for check in report.checks { print("checked \(check)") }
                for problem in report.problems { note(problem) }
                print(
                    report.isSound
                        ? "\(corpus) is sound: \(report.documents) documents, \(report.passages) passages"
                        : "\(corpus) is damaged")
            }
            if !report.isSound { throw ExitCode(1) }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete documents by id and bring the indexes up to date.")

        @Argument(help: "The corpus folder.") var corpus: String
        @Argument(help: "Ids of documents.") var ids: [String]
        @OptionGroup var indexing: IndexingOptions

        func run() async throws {
            Interruption.listen()
            let writer = try CorpusWriter(path: corpus)
            let missing = try writer.delete(ids: ids)
            for id in missing { note("there is no document \(id)") }
            if missing.count < ids.count {
                let reader = try await indexing.publish(writer)
                note("\(ids.count - missing.count) documents deleted; \(reader.documentCount) are left")
            }
            if !missing.isEmpty { throw ExitCode(1) }
        }
    }

    struct Reindex: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Build the indexes anew where they are out of date, without reading the sources again.")

        @Argument(help: "The corpus folder.") var corpus: String
        @OptionGroup var indexing: IndexingOptions

        func run() async throws {
            Interruption.listen()
            try await indexing.check()
            let reader = try await indexing.publish(CorpusWriter(path: corpus))
            note("\(corpus) is up to date: \(reader.documentCount) documents, \(reader.passageCount) passages")
        }
    }

    struct Compact: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give back the space of deleted and replaced documents.")

        @Argument(help: "The corpus folder.") var corpus: String

        func run() async throws {
            let (before, after) = try CorpusWriter(path: corpus).compact()
            note("\(corpus): \(CorpusCommand.size(before)) before, \(CorpusCommand.size(after)) now")
        }
    }

    /// A number of bytes for people.
    static func size(_ bytes: Int) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1000, unit < units.count - 1 {
            value /= 1000
            unit += 1
        }
        return unit == 0 ? "\(bytes) bytes" : String(format: "%.1f ", value) + units[unit]
    }
}

private func size(_ bytes: Int) -> String { CorpusCommand.size(bytes) }
