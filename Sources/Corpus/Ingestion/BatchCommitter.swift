// SPDX-License-Identifier: Apache-2.0

import Dispatch
import GRDB

/// Commits parsed batches on a queue of its own, one transaction each, while the next batch is read and parsed.
final class BatchCommitter: @unchecked Sendable {
    // Sendable: the state below is touched on `work` by `commit`, and by the owner only after `wait`.

    private let writer: CorpusWriter
    private let options: IngestOptions
    private let work = DispatchQueue(label: "corpus.commit")
    private let group = DispatchGroup()
    private var inserter: DocumentInserter
    private var failure: (any Error)?
    private var summary: IngestSummary

    init(writer: CorpusWriter, options: IngestOptions, summary: IngestSummary) throws {
        self.writer = writer
        self.options = options
        self.summary = summary
        inserter = DocumentInserter(fields: try writer.read { try DocumentInserter.fields($0) })
    }

    /// Waits for the commit that is under way.
    /// - Throws: what it failed with.
    @discardableResult func wait() throws -> IngestSummary {
        group.wait()
        if let failure {
            self.failure = nil
            throw failure
        }
        return summary
    }

    /// Starts to commit a batch. Call `wait` first.
    func start(_ batch: IngestBatch, _ outcomes: [IngestBatch.Outcome]) {
        work.async(group: group) {
            do { try self.commit(batch, outcomes) } catch { self.failure = error }
        }
    }

    private func commit(_ batch: IngestBatch, _ outcomes: [IngestBatch.Outcome]) throws {
        var badLine: CorpusError?
        // A transaction that fails must leave no trace in the counts either.
        var counts = summary
        var inserter = inserter
        try writer.write { db in
            let before = (counts.added, counts.replaced, counts.deleted)
            var finishes = batch.finishes[...]
            var reached: [Int: IngestBatch.Record] = [:]
            func finishSources(before index: Int) throws {
                while let finish = finishes.first, finish.afterRecord <= index {
                    counts.deleted += try self.finish(db, batch.sources[finish.source], hash: finish.hash)
                    reached[finish.source] = nil
                    finishes = finishes.dropFirst()
                }
            }
            for (index, outcome) in outcomes.enumerated() {
                try finishSources(before: index)
                let record = batch.records[index]
                if let problem = try insert(db, outcome, batch, record, &inserter, &counts) {
                    guard options.skipsBad else {
                        badLine = CorpusError(.badInput, problem)
                        break
                    }
                    counts.bad += 1
                    if counts.badMessages.count < 20 { counts.badMessages.append(problem) }
                }
                reached[record.source] = record
            }
            if badLine == nil { try finishSources(before: batch.records.count) }
            for (source, record) in reached {
                try db.execute(
                    sql: "UPDATE sources SET position = ?, line = ? WHERE id = ?",
                    arguments: [record.end, record.line, batch.sources[source].row])
            }
            if before != (counts.added, counts.replaced, counts.deleted) { try db.countChange() }
        }
        summary = counts
        self.inserter = inserter
        if let badLine { throw badLine }
    }

    /// Stores a document; returns what is wrong with its record, if anything is.
    private func insert(
        _ db: Database, _ outcome: IngestBatch.Outcome, _ batch: IngestBatch, _ record: IngestBatch.Record,
        _ inserter: inout DocumentInserter, _ counts: inout IngestSummary
    ) throws -> String? {
        guard case .document(let document) = outcome else {
            if case .bad(let message) = outcome { return message }
            return nil
        }
        let source = batch.sources[record.source]
        let place = source.source.format.isLined ? "\(source.source.path):\(record.line)" : source.source.path
        do {
            switch try inserter.insert(db, document, source: source.row, run: source.run) {
            case .inserted: counts.added += 1
            case .replaced: counts.replaced += 1
            case .unchanged: counts.unchanged += 1
            case .duplicate:
                return
                    "\(place): the id \"\(document.id)\" was given before to a document with another text; ids must be unique"
            }
        } catch let error as CorpusError where error.code == .badInput {
            return "\(place): \(error.message)"
        }
        return nil
    }

    /// Notes that a source was read to its end, and deletes the documents that it has no more.
    private func finish(_ db: Database, _ active: ActiveSource, hash: UInt64?) throws -> Int {
        var deleted = 0
        if active.hasEarlierDocuments, !active.source.isStandardInput {
            try db.execute(
                sql: "DELETE FROM texts WHERE row IN (SELECT row FROM documents WHERE source = ? AND run <> ?)",
                arguments: [active.row, active.run])
            try db.execute(
                sql: "DELETE FROM documents WHERE source = ? AND run <> ?", arguments: [active.row, active.run])
            deleted = db.changesCount
        }
        try db.execute(
            sql: "UPDATE sources SET complete = 1, position = 0, line = 0, hash = ? WHERE id = ?",
            arguments: [hash.map { Int64(bitPattern: $0) }, active.row])
        return deleted
    }
}
