// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Documents
import GRDB

/// Commits parsed batches on a queue of its own, one transaction each, while the next batch is read and parsed.
final class BatchCommitter: @unchecked Sendable {
    // Sendable: the state below is touched on `work` by `commit`, and by the owner only after `wait`.

    private let writer: CorpusWriter
    private let work = DispatchQueue(label: "corpus.commit")
    private let group = DispatchGroup()
    private var inserter: DocumentInserter
    private var failure: (any Error)?
    private var summary: IngestSummary
    /// What the sources that are being read gave so far, by their rows.
    private var gave: [Int64: (documents: Int, problems: Int)] = [:]
    /// Sources of which it was said that their ids got a name before them.
    private var scoped: Set<Int64> = []

    /// - Parameter present: the rows of the sources that are there and were read before.
    init(writer: CorpusWriter, summary: IngestSummary, present: Set<Int64>) throws {
        self.writer = writer
        self.summary = summary
        inserter = DocumentInserter(fields: try writer.read { try DocumentInserter.fields($0) })
        inserter.present = present
    }

    /// Waits for the commit that is under way.
    /// - Throws: what it failed with.
    @discardableResult func wait(_ change: (inout IngestSummary) -> Void = { _ in }) throws -> IngestSummary {
        group.wait()
        if let failure {
            self.failure = nil
            throw failure
        }
        change(&summary)
        return summary
    }

    /// Starts to commit a batch. Call `wait` first.
    func start(_ batch: IngestBatch, _ outcomes: [IngestBatch.Outcome]) {
        work.async(group: group) {
            do { try self.commit(batch, outcomes) } catch { self.failure = error }
        }
    }

    private func commit(_ batch: IngestBatch, _ outcomes: [IngestBatch.Outcome]) throws {
        // A transaction that fails must leave no trace in the counts either.
        var counts = summary
        var inserter = inserter
        var gave = gave
        try writer.write { db in
            let before = (counts.added, counts.replaced, counts.deleted)
            var passedOn = 0
            try RowNames.store(db, batch.rowNames)
            var finishes = batch.finishes[...]
            var reached: [Int: IngestBatch.Record] = [:]
            func finishSources(before index: Int) throws {
                while let finish = finishes.first, finish.afterRecord <= index {
                    let active = batch.sources[finish.source]
                    let left = inserter.takeLeftOut(of: active.row)
                    if !left.isEmpty {
                        counts.note(
                            active.source.path,
                            "\(left.count) \(left.count == 1 ? "field is" : "fields are") beyond what a corpus keeps and cannot be filtered by, such as \"\(left.min() ?? "")\"; the texts have them"
                        )
                    }
                    let isSetAside =
                        gave.removeValue(forKey: active.row).map { $0.problems > 0 && $0.documents == 0 } ?? false
                    let gone = try self.finish(db, active, hash: finish.hash, isSetAside: isSetAside)
                    counts.deleted += gone.deleted
                    passedOn += gone.passedOn
                    reached[finish.source] = nil
                    finishes = finishes.dropFirst()
                }
            }
            for (index, outcome) in outcomes.enumerated() {
                try finishSources(before: index)
                let record = batch.records[index]
                let reader = batch.readers[record.reader]
                let source = batch.sources[record.source]
                var (documents, repeated) = (0, 0)
                for document in outcome.documents {
                    switch try insert(db, document, source, reader, record, &inserter, &counts) {
                    case .duplicate?, nil: break
                    case .repeated?: repeated += 1
                    default: documents += 1
                    }
                }
                for (place, reason) in outcome.problems { counts.setAside(place, reason) }
                for note in outcome.notes { counts.note(reader.place, note) }
                counts.kinds[reader.format, default: IngestSummary.Kind()].documents += documents
                if case .whole = reader.kind, documents + repeated > 0 {
                    counts.kinds[reader.format, default: IngestSummary.Kind()].files += 1
                }
                gave[source.row, default: (0, 0)].documents += documents + repeated
                gave[source.row, default: (0, 0)].problems += outcome.problems.count
                if record.end > 0 { reached[record.source] = record }
            }
            try finishSources(before: batch.records.count)
            for (source, record) in reached {
                try db.execute(
                    sql: "UPDATE sources SET position = ?, line = ? WHERE id = ?",
                    arguments: [record.end, record.linesBefore, batch.sources[source].row])
            }
            if before != (counts.added, counts.replaced, counts.deleted) || passedOn > 0 { try db.countChange() }
        }
        summary = counts
        self.inserter = inserter
        self.gave = gave
    }

    /// Stores a document, or sets it aside; nil where it could not be stored.
    private func insert(
        _ db: Database, _ document: PreparedDocument, _ source: ActiveSource, _ reader: FileReader,
        _ record: IngestBatch.Record, _ inserter: inout DocumentInserter, _ counts: inout IngestSummary
    ) throws -> DocumentInserter.Outcome? {
        var place = reader.place
        if case .records = reader.kind { place += ":\(record.line)" }
        do {
            inserter.present.insert(source.row)
            let scopes = source.source.isStandardInput ? [] : reader.scopes
            let (outcome, id) = try inserter.insert(db, document, source: source.row, run: source.run, scopes: scopes)
            if id != document.id, scoped.insert(source.row).inserted {
                counts.note(reader.place, "other files have the same ids: here they are \"\(id)\" and so on")
            }
            switch outcome {
            case .inserted: counts.added += 1
            case .replaced: counts.replaced += 1
            case .unchanged: counts.unchanged += 1
            case .repeated: counts.repeated += 1
            case .duplicate:
                counts.setAside(
                    place,
                    "the id \"\(document.id)\" was given before to a document with another text; ids must be unique")
            }
            return outcome
        } catch let error as CorpusError where error.code == .badInput {
            counts.setAside(place, error.message)
            return nil
        }
    }

    /// Notes that a source was read to its end, and deletes the documents that it has no more. One that was set aside is
    /// looked at again next time: what it needs may be there by then.
    private func finish(_ db: Database, _ active: ActiveSource, hash: UInt64?, isSetAside: Bool) throws -> (
        deleted: Int, passedOn: Int
    ) {
        var gone = (deleted: 0, passedOn: 0)
        if active.hasEarlierDocuments, !active.source.isStandardInput {
            gone = try DocumentClaims.release(db, source: active.row, keeping: active.run)
        }
        try db.execute(
            sql: "UPDATE sources SET complete = ?, position = 0, line = 0, hash = ? WHERE id = ?",
            arguments: [!isSetAside, hash.map { Int64(bitPattern: $0) }, active.row])
        return gone
    }
}
