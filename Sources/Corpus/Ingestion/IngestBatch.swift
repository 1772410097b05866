// SPDX-License-Identifier: Apache-2.0

import Base
import Dispatch
import Documents
import Synchronization
import Text

/// A source that is being read: its row in the database.
struct ActiveSource: Sendable {
    var source: SourceList.Source
    var row: Int64
    /// The run that its documents are marked with, so that those of earlier runs can be told.
    var run: Int64
    /// Whether the corpus has documents of it from before this run.
    var hasEarlierDocuments: Bool
}

/// How the records of a file are read: a file of its own, or one inside of an archive.
struct FileReader: Sendable {
    enum Kind: Sendable {
        /// A stream of records.
        case records(RecordParser)
        /// One record that is the whole file.
        case whole(DocumentReader)
    }

    var kind: Kind
    var format: SourceFormat
    /// The id of the file.
    var id: String
    /// What the ids of its rows begin with that have none of their own (`RowNames`).
    var rowName: String
    /// What stands before ids that other files have too: the last part of the name of its rows, or all of it.
    var scopes: [String] {
        let name = rowName.split(separator: "/").last.map(String.init) ?? rowName
        return name == rowName ? [name] : [name, rowName]
    }

    /// The file in messages: its path, and the place inside of an archive.
    var place: String
}

/// Records of one or more sources that are parsed and committed together.
struct IngestBatch: Sendable {
    struct Record: Sendable {
        /// The index in `sources`.
        var source: Int
        /// The index in `readers`.
        var reader: Int
        /// The bytes in `buffer`; nil for a file that is read from the disk.
        var range: Range<Int>?
        var line: Int = 1
        var number: Int = 1
        /// Where the source goes on after it; 0 where it cannot go on in the middle.
        var end: Int = 0
        /// The lines before that place.
        var linesBefore: Int = 0
        /// Why it cannot be used, when that is known before it is parsed.
        var problem: String?
    }

    /// The end of a source, which comes after its records in this batch.
    struct Finish: Sendable {
        var source: Int
        var afterRecord: Int
        var hash: UInt64?
    }

    /// What a record gave.
    struct Outcome: Sendable {
        var documents: [PreparedDocument] = []
        var problems: [(place: String, reason: String)] = []
        var notes: [String] = []
    }

    var sources: [ActiveSource] = []
    var readers: [FileReader] = []
    var buffer: [UInt8] = []
    var records: [Record] = []
    var finishes: [Finish] = []
    /// Names that files got for their rows.
    var rowNames: [RowNames.Entry] = []
    /// Files that are read from the disk, which weigh as if they were in the buffer.
    var filesOnDisk = 0

    /// Parses the records on all cores; outcomes are in the order of the records.
    func parse(_ splitter: PassageSplitter) -> [Outcome] {
        let chunks = self.chunks()
        let results = Mutex([[Outcome]](repeating: [], count: chunks.count))
        buffer.withUnsafeBufferPointer { buffer in
            // The closure only reads the buffer, which outlives the call.
            nonisolated(unsafe) let buffer = buffer
            DispatchQueue.concurrentPerform(iterations: chunks.count) { index in
                let outcomes = chunks[index].map { outcome(of: records[$0], in: buffer, splitter) }
                results.withLock { $0[index] = outcomes }
            }
        }
        return results.withLock { $0.flatMap { $0 } }
    }

    /// Runs of records that are worth a thread's turn: some tens of kilobytes, or one file on the disk.
    private func chunks() -> [Range<Int>] {
        var chunks: [Range<Int>] = []
        var start = 0
        var weight = 0
        for (index, record) in records.enumerated() {
            weight += (record.range?.count ?? 1 << 17) + 64
            if weight >= 1 << 17 {
                chunks.append(start..<(index + 1))
                start = index + 1
                weight = 0
            }
        }
        if start < records.count { chunks.append(start..<records.count) }
        return chunks
    }

    private func outcome(
        of record: Record, in buffer: UnsafeBufferPointer<UInt8>, _ splitter: PassageSplitter
    ) -> Outcome {
        let reader = readers[record.reader]
        var outcome = Outcome()
        var place = reader.place
        if case .records = reader.kind { place += ":\(record.line)" }
        if let problem = record.problem {
            outcome.problems.append((place, problem))
            return outcome
        }
        do {
            let reading: Reading
            switch reader.kind {
            case .records(let parser):
                let bytes = UnsafeBufferPointer(rebasing: buffer[record.range ?? 0..<0])
                reading = try parser.read(bytes, line: record.line, number: record.number)
            case .whole(let documents):
                let content: DocumentReader.Content =
                    record.range.map { .bytes(Array(buffer[$0])) } ?? .file(sources[record.source].source.place)
                reading = try documents.read(content, format: reader.format, id: reader.id)
            }
            outcome.notes = reading.notes
            for (inner, reason) in reading.problems {
                outcome.problems.append((inner.isEmpty ? place : "\(place)/\(inner)", reason))
            }
            for document in reading.documents {
                do { outcome.documents.append(try Self.prepared(document, splitter)) } catch {
                    outcome.problems.append((place, "\(error)"))
                }
            }
        } catch {
            outcome.problems.append((place, "\(error)"))
        }
        return outcome
    }

    private static func prepared(_ document: SourceDocument, _ splitter: PassageSplitter) throws -> PreparedDocument {
        try CorpusWriter.check(id: document.id)
        guard document.title.utf8.count <= 1 << 16 else {
            throw DocumentError("the title has \(document.title.utf8.count) bytes; at most 65536 are accepted")
        }
        return PreparedDocument(
            id: document.id, title: document.title, text: document.text, metadata: document.metadata, splitter: splitter
        )
    }
}
