// SPDX-License-Identifier: Apache-2.0

import Base
import Dispatch
import Foundation
import GRDB
import Text

extension CorpusWriter {
    /// Reads files, folders and standard input (`-`) into the corpus, in batches that are committed as they come.
    ///
    /// A file that has not changed since it was read (size and time of change, or content) is passed over; documents
    /// that a changed file has no more are deleted, as are those of files gone from a folder. After an interruption
    /// the next call goes on where this one was. Nothing is visible to readers before a generation is published.
    /// - Parameters:
    ///   - inputs: paths; files are told apart by name unless `options.format` says.
    ///   - progress: called on this thread after each batch.
    ///   - isCancelled: asked before each batch; true ends the call after the batch at hand with
    ///     `IngestSummary.wasCancelled`.
    /// - Throws: `CorpusError` `badInput` that names file and line of the first bad record, unless
    ///   `options.skipsBad`; what was committed before stays.
    @discardableResult public func ingest(
        _ inputs: [String], options: IngestOptions = IngestOptions(), progress: (IngestProgress) -> Void = { _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> IngestSummary {
        let list = try SourceList(inputs, options: options)
        var ingestion = try Ingestion(writer: self, list: list, options: options)
        return try ingestion.run(progress: progress, isCancelled: isCancelled)
    }
}

/// One call of `CorpusWriter.ingest`.
private struct Ingestion {
    let writer: CorpusWriter
    let list: SourceList
    let options: IngestOptions
    let run: Int64
    let splitter: PassageSplitter
    let committer: BatchCommitter
    let start = DispatchTime.now().uptimeNanoseconds
    let bytesTotal: Int?
    var summary = IngestSummary()
    var documents = 0
    var batch = IngestBatch()
    /// Bytes of a batch at most: with what is parsed and what is being committed, some tens of megabytes are held.
    static let batchBytes = 4 << 20

    init(writer: CorpusWriter, list: SourceList, options: IngestOptions) throws {
        self.writer = writer
        self.list = list
        self.options = options
        splitter = PassageSplitter(writer.options.passages)
        run = try writer.write { db in
            let run = (Int64(try db.setting("run") ?? "0") ?? 0) + 1
            try db.set("run", to: String(run))
            return run
        }
        summary.filesIgnored = list.ignored
        bytesTotal = list.sources.contains(where: \.isStandardInput) ? nil : list.sources.reduce(0) { $0 + $1.size }
        committer = try BatchCommitter(writer: writer, options: options, summary: summary)
    }

    mutating func run(progress: (IngestProgress) -> Void, isCancelled: () -> Bool) throws -> IngestSummary {
        for source in list.sources {
            if isCancelled() { return try end(cancelled: true) }
            guard let (active, position, line) = try open(source) else {
                summary.sourcesUnchanged += 1
                summary.bytes += source.size
                continue
            }
            summary.sourcesRead += 1
            let whole =
                source.format.isLined
                ? try readLines(active, from: position, line: line, progress: progress, isCancelled: isCancelled)
                : try readWhole(active, progress: progress)
            if !whole { return try end(cancelled: true) }
        }
        var result = try end(cancelled: false)
        result.deleted += try deleteGoneSources()
        report(progress)
        return result
    }

    /// Commits what is left and adds up.
    private mutating func end(cancelled: Bool) throws -> IngestSummary {
        try flush()
        var result = try committer.wait()
        result.sourcesRead = summary.sourcesRead
        result.sourcesUnchanged = summary.sourcesUnchanged
        result.bytes = summary.bytes
        result.wasCancelled = cancelled
        return result
    }

    private mutating func flush() throws {
        guard !batch.records.isEmpty || !batch.finishes.isEmpty else { return }
        let outcomes = batch.parse()
        try committer.wait()
        committer.start(batch, outcomes)
        documents += batch.records.count
        batch = IngestBatch()
    }

    private func report(_ progress: (IngestProgress) -> Void) {
        progress(
            IngestProgress(
                documents: documents, bytes: summary.bytes, bytesTotal: bytesTotal,
                seconds: Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9))
    }

    /// Whether a source must be read, and from where.
    private func open(_ source: SourceList.Source) throws -> (ActiveSource, position: Int, line: Int)? {
        let fingerprint = options.fingerprint
        let old = try writer.read { db in
            try Row.fetchOne(
                db,
                sql:
                    "SELECT id, size, modified, hash, options, run, complete, position, line FROM sources WHERE path = ?",
                arguments: [source.path])
        }
        var resumed: (run: Int64, position: Int, line: Int)?
        if let old, !source.isStandardInput, old[1] == source.size, old[4] == fingerprint {
            let sameTime = old[2] == source.modified
            if old[6] == true {
                if sameTime { return nil }
                if let hash = old[3] as Int64?,
                    try FileChecksum.of(path: source.path).checksum == UInt64(bitPattern: hash)
                {
                    try writer.write {
                        try $0.execute(
                            sql: "UPDATE sources SET modified = ? WHERE id = ?",
                            arguments: [source.modified, old[0] as Int64])
                    }
                    return nil
                }
            } else if sameTime, source.format.isLined, (old[7] as Int) > 0 {
                resumed = (old[5], old[7], old[8])
            }
        }
        let row = try writer.write { db in
            let id = try DocumentInserter.sourceID(db, path: source.path)
            try db.execute(
                sql: """
                    UPDATE sources SET size = ?, modified = ?, options = ?, run = ?, complete = 0, position = ?, line = ?,
                    hash = NULL WHERE id = ?
                    """,
                arguments: [
                    source.size, source.modified, fingerprint, resumed?.run ?? run, resumed?.position ?? 0,
                    resumed?.line ?? 0, id,
                ])
            return id
        }
        return (
            ActiveSource(
                source: source, row: row, run: resumed?.run ?? run, hasEarlierDocuments: old != nil,
                parser: RecordParser(source: source, options: options, splitter: splitter)),
            resumed?.position ?? 0, resumed?.line ?? 0
        )
    }

    /// Reads a file of many records. Returns false when it was cancelled.
    private mutating func readLines(
        _ active: ActiveSource, from position: Int, line: Int, progress: (IngestProgress) -> Void,
        isCancelled: () -> Bool
    ) throws -> Bool {
        let source = active.source
        var active = active
        let descriptor = source.isStandardInput ? dup(0) : Foundation.open(source.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CorpusError.system("read", source.path) }
        defer { close(descriptor) }
        let isDelimited = source.format == .csv || source.format == .tsv
        func reader(_ offset: Int, _ line: Int) -> LineReader {
            LineReader(
                path: source.path, descriptor: descriptor, limit: options.lineLimit, quoted: isDelimited,
                offset: offset,
                lineNumber: line)
        }
        var lines = reader(0, 0)
        if isDelimited {
            guard try readHeader(&lines, &active) else {
                addFinish(active, hash: lines.contentHash)
                return true
            }
        }
        if position > lines.position {
            guard lseek(descriptor, off_t(position), SEEK_SET) >= 0 else {
                throw CorpusError.system("read", source.path)
            }
            lines = reader(position, line)
        }
        var sourceIndex = addSource(active)
        var last = lines.position
        summary.bytes += last
        while let line = try lines.next(into: &batch.buffer) {
            let isBlank = line.range.isEmpty || batch.buffer[line.range].allSatisfy { $0 == 32 || $0 == 9 }
            if line.isTooLong || !isBlank {
                batch.records.append(
                    IngestBatch.Record(
                        source: sourceIndex, range: line.range, line: line.number, end: line.end,
                        problem: line.isTooLong ? "the line is longer than \(options.lineLimit) bytes" : nil))
            }
            if batch.records.count >= options.batchSize || batch.buffer.count >= Self.batchBytes {
                summary.bytes += lines.position - last
                last = lines.position
                try flush()
                report(progress)
                if isCancelled() { return false }
                sourceIndex = addSource(active)
            }
        }
        summary.bytes += lines.position - last
        addFinish(active, hash: lines.contentHash)
        report(progress)
        return true
    }

    /// Reads the header line of CSV and TSV; false when the file is empty.
    private func readHeader(_ lines: inout LineReader, _ active: inout ActiveSource) throws -> Bool {
        var buffer: [UInt8] = []
        guard let line = try lines.next(into: &buffer) else { return false }
        guard !line.isTooLong else {
            throw CorpusError(.badInput, "\(active.source.path):1: the line is longer than \(options.lineLimit) bytes")
        }
        do {
            active.parser = try buffer.withUnsafeBufferPointer {
                try RecordParser(source: active.source, options: options, splitter: splitter, header: $0)
            }
        } catch let error as RecordError {
            throw CorpusError(.badInput, "\(active.source.path):1: \(error.message)")
        }
        return true
    }

    /// Reads a file that is one document.
    private mutating func readWhole(_ active: ActiveSource, progress: (IngestProgress) -> Void) throws -> Bool {
        let source = active.source
        let index = addSource(active)
        let start = batch.buffer.count
        let descriptor = Foundation.open(source.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CorpusError.system("read", source.path) }
        defer { close(descriptor) }
        var problem: String?
        var piece = [UInt8](repeating: 0, count: min(max(source.size + 1, 4096), 1 << 20))
        while true {
            let count = piece.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw CorpusError.system("read", source.path) }
            if count == 0 { break }
            batch.buffer.append(contentsOf: piece[..<count])
            if batch.buffer.count - start > options.lineLimit {
                problem = "the file is longer than \(options.lineLimit) bytes, the limit for one document"
                batch.buffer.removeSubrange(start...)
                break
            }
        }
        let range = start..<batch.buffer.count
        let hash =
            problem == nil
            ? batch.buffer.withUnsafeBytes { FileChecksum.of(UnsafeRawBufferPointer(rebasing: $0[range])) } : nil
        batch.records.append(
            IngestBatch.Record(source: index, range: range, line: 1, end: range.count, problem: problem))
        batch.finishes.append(IngestBatch.Finish(source: index, afterRecord: batch.records.count, hash: hash))
        summary.bytes += source.size
        if batch.records.count >= options.batchSize || batch.buffer.count >= Self.batchBytes {
            try flush()
            report(progress)
        }
        return true
    }

    private mutating func addSource(_ active: ActiveSource) -> Int {
        if let last = batch.sources.last, last.row == active.row { return batch.sources.count - 1 }
        batch.sources.append(active)
        return batch.sources.count - 1
    }

    private mutating func addFinish(_ active: ActiveSource, hash: UInt64?) {
        let index = addSource(active)
        batch.finishes.append(IngestBatch.Finish(source: index, afterRecord: batch.records.count, hash: hash))
    }

    /// Deletes the documents of files that are gone from the folders that were read.
    private func deleteGoneSources() throws -> Int {
        let present = Set(list.sources.map(\.path))
        guard !list.folders.isEmpty else { return 0 }
        return try writer.write { db in
            var deleted = 0
            for row in try Row.fetchAll(db, sql: "SELECT id, path FROM sources ORDER BY id") {
                let path: String = row[1]
                guard list.folders.contains(where: { path.hasPrefix($0) }), !present.contains(path),
                    FileSystem.status(path) == nil
                else { continue }
                let id: Int64 = row[0]
                try db.execute(
                    sql: "DELETE FROM texts WHERE row IN (SELECT row FROM documents WHERE source = ?)", arguments: [id])
                try db.execute(sql: "DELETE FROM documents WHERE source = ?", arguments: [id])
                deleted += db.changesCount
                try db.execute(sql: "DELETE FROM sources WHERE id = ?", arguments: [id])
            }
            if deleted > 0 { try db.countChange() }
            return deleted
        }
    }
}
