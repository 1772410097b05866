// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// A source that is being read: its row in the database and how to read its records.
struct ActiveSource: Sendable {
    var source: SourceList.Source
    var row: Int64
    /// The run that its documents are marked with, so that those of earlier runs can be told.
    var run: Int64
    /// Whether the corpus has documents of it from before this run.
    var hasEarlierDocuments: Bool
    var parser: RecordParser
}

/// Records of one or more sources that are parsed and committed together.
struct IngestBatch: Sendable {
    struct Record: Sendable {
        /// The index in `sources`.
        var source: Int
        var range: Range<Int>
        var line: Int
        /// Where the source goes on after it.
        var end: Int
        /// Why it cannot be used, when that is known before it is parsed.
        var problem: String?
    }

    /// The end of a source, which comes after its records in this batch.
    struct Finish: Sendable {
        var source: Int
        var afterRecord: Int
        var hash: UInt64?
    }

    enum Outcome: Sendable {
        case document(PreparedDocument)
        case bad(String)
    }

    var sources: [ActiveSource] = []
    var buffer: [UInt8] = []
    var records: [Record] = []
    var finishes: [Finish] = []

    /// Parses the records on all cores; outcomes are in the order of the records.
    func parse() -> [Outcome] {
        let slices = max(1, min(records.count / 16, 4))
        let results = Mutex([[Outcome]](repeating: [], count: slices))
        buffer.withUnsafeBufferPointer { buffer in
            // The closure only reads the buffer, which outlives the call.
            nonisolated(unsafe) let buffer = buffer
            DispatchQueue.concurrentPerform(iterations: slices) { slice in
                let range = (records.count * slice / slices)..<(records.count * (slice + 1) / slices)
                let outcomes = range.map { outcome(of: records[$0], in: buffer) }
                results.withLock { $0[slice] = outcomes }
            }
        }
        return results.withLock { $0.flatMap { $0 } }
    }

    private func outcome(of record: Record, in buffer: UnsafeBufferPointer<UInt8>) -> Outcome {
        let source = sources[record.source]
        let place = source.source.format.isLined ? "\(source.source.path):\(record.line)" : source.source.path
        if let problem = record.problem { return .bad("\(place): \(problem)") }
        do {
            let bytes = UnsafeBufferPointer(rebasing: buffer[record.range])
            return .document(try source.parser.parse(bytes, line: record.line))
        } catch let error as RecordError {
            return .bad("\(place): \(error.message)")
        } catch {
            return .bad("\(place): \(error)")
        }
    }
}
