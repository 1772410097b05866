// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import Corpus
import Datasets
import Foundation
import OrderedCollections
import Postgres
import Search
import Tools

extension CorpusCommand {
    /// `forage corpus export`: the documents as JSON lines that `forage index` reads again.
    struct Export: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a corpus's documents, or its passages, as JSON lines that `forage index` reads again.")

        @Argument(help: "The corpus: a folder, or postgresql://….") var corpus: String
        @Option(name: [.short, .long], help: "The file to write; - writes to standard output.") var output = "-"
        @Flag(help: "One line a passage, with the id that answers cite, instead of one a document.") var passages =
            false

        func run() async throws {
            Interruption.listen()
            let out = try Output(output)
            let written: Int
            if PostgresAddress.isAddress(corpus) || passages {
                written = try await export(try await CorpusOpening.open(corpus, loadsEncoder: false), to: out)
            } else {
                written = try export(try CorpusReader(path: corpus), to: out)
            }
            try out.finish()
            if output != "-" { note("\(output): \(written) \(passages ? "passages" : "documents")") }
        }

        /// The documents of a folder, with their texts as they were read.
        private func export(_ reader: CorpusReader, to out: Output) throws -> Int {
            for ordinal in 0..<reader.documentCount {
                if Interruption.isRequested { throw Interruption.exitCode }
                let document = try reader.document(at: DocumentOrdinal(ordinal))
                try out.write(
                    line(document.id, document.title, document.text, document.metadata, [:]))
            }
            return reader.documentCount
        }

        /// Passages, or the documents that they are the parts of.
        private func export(_ corpus: any RetrievalCorpus, to out: Output) async throws -> Int {
            var written = 0
            for start in stride(from: 0, to: corpus.summary.documentCount, by: 256) {
                if Interruption.isRequested { throw Interruption.exitCode }
                let places = (start..<min(start + 256, corpus.summary.documentCount)).map { DocumentOrdinal($0) }
                for document in try await corpus.documents(at: places) {
                    let parts = try await corpus.passages(at: Array(document.passages))
                    if passages {
                        for part in parts {
                            try out.write(
                                line(part.id, part.title, part.text, document.metadata, ["document": document.id]))
                        }
                        written += parts.count
                    } else {
                        let text = Self.joined(parts)
                        try out.write(line(document.id, document.title, text, document.metadata, [:]))
                        written += 1
                    }
                }
            }
            return written
        }

        /// A document's text from passages that may overlap.
        static func joined(_ parts: [Passage]) -> String {
            var text = String.UnicodeScalarView()
            var end = 0
            for part in parts {
                if part.range.lowerBound > end, end > 0 { text.append("\n") }
                let known = max(0, end - part.range.lowerBound)
                text.append(contentsOf: part.text.unicodeScalars.dropFirst(known))
                end = max(end, part.range.upperBound)
            }
            return String(text)
        }

        private func line(
            _ id: String, _ title: String, _ text: String, _ metadata: [String: MetadataValue],
            _ more: OrderedDictionary<String, String>
        ) -> String {
            var members: JSONObject = ["id": .string(id), "title": .string(title), "text": .string(text)]
            for (name, value) in more where !value.isEmpty { members[name] = .string(value) }
            if !metadata.isEmpty {
                var fields: JSONObject = [:]
                for name in metadata.keys.sorted() { fields[name] = metadata[name]?.json }
                members["metadata"] = .object(fields)
            }
            return JSONValue.object(members).serialized() + "\n"
        }
    }

    /// A file that is there whole or not at all, or standard output.
    private final class Output {
        private let path: String
        private let partial: String
        private let handle: FileHandle
        private var lines = Data()

        init(_ path: String) throws {
            self.path = path
            partial = path + ".partial"
            guard path != "-" else {
                handle = .standardOutput
                return
            }
            guard FileManager.default.createFile(atPath: partial, contents: nil),
                let handle = FileHandle(forWritingAtPath: partial)
            else { throw ValidationError("cannot write \(path)") }
            self.handle = handle
        }

        func write(_ line: String) throws {
            lines.append(contentsOf: line.utf8)
            if lines.count > 1 << 20 { try flush() }
        }

        private func flush() throws {
            try handle.write(contentsOf: lines)
            lines.removeAll(keepingCapacity: true)
        }

        func finish() throws {
            try flush()
            guard path != "-" else { return }
            try handle.close()
            guard rename(partial, path) == 0 else { throw ValidationError("cannot write \(path)") }
        }
    }
}
