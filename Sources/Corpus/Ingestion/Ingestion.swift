// SPDX-License-Identifier: Apache-2.0

import Base
import Dispatch
import Documents
import Foundation
import GRDB
import Text

extension CorpusWriter {
    /// Reads files, folders and standard input (`-`) into the corpus, in batches that are committed as they come.
    ///
    /// A file that has not changed since it was read (size and time of change, or content) is passed over; documents
    /// that a changed file has no more are deleted, as are those of files gone from a folder. After an interruption
    /// the next call goes on where this one was. Nothing is visible to readers before a generation is published.
    ///
    /// A file or record that cannot be read is set aside: named with the reason in the summary, counted, and looked at
    /// again by the next call when the whole file was set aside. It never ends the call.
    /// - Parameters:
    ///   - inputs: paths; files are told apart by content and name unless `options.format` says.
    ///   - progress: called on this thread after each batch.
    ///   - isCancelled: asked, on any thread, before each batch, each file inside of another and each page; true ends the
    ///     call after the batch at hand with `IngestSummary.wasCancelled`.
    /// - Throws: `CorpusError`: `system` for a path that is not there or a disk that fails, `badInput` for one that is
    ///   neither file nor folder, `badArgument` for an encoding or a `forage.yaml` that is not right.
    @discardableResult public func ingest(
        _ inputs: [String], options: IngestOptions = IngestOptions(), progress: (IngestProgress) -> Void = { _ in },
        isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws -> IngestSummary {
        if let encoding = options.encoding, TextDecoding.encoding(named: encoding) == nil {
            throw CorpusError(.badArgument, "there is no character encoding \"\(encoding)\"; `iconv -l` lists them")
        }
        let list = try SourceList(inputs, options: options, isCancelled: isCancelled)
        for (name, type) in list.types { try declare(field: name, type: type) }
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
    var rowNames: RowNames
    /// Bytes of a batch at most: with what is parsed and what is being committed, some tens of megabytes are held.
    static let batchBytes = 4 << 20
    /// Files of a batch that are read from the disk while they are parsed.
    static let batchFiles = 32

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
        summary.filesIgnored = list.passedOver.count
        summary.leftOut = Array(list.passedOver.prefix(IngestSummary.setAsideLimit))
        bytesTotal = list.sources.contains(where: \.isStandardInput) ? nil : list.sources.reduce(0) { $0 + $1.size }
        let paths = Set(list.sources.map(\.path))
        let present = try writer.read { db in
            try Row.fetchAll(db, sql: "SELECT id, path FROM sources").filter { paths.contains($0[1]) }
                .map { $0[0] as Int64 }
        }
        rowNames = try writer.read { try RowNames($0) }
        committer = try BatchCommitter(writer: writer, summary: summary, present: Set(present))
    }

    mutating func run(progress: (IngestProgress) -> Void, isCancelled: () -> Bool) throws -> IngestSummary {
        guard try read(list.sources, progress: progress, isCancelled: isCancelled) else {
            return try end(cancelled: true)
        }
        try flush()
        try committer.wait()
        if isCancelled() { return try end(cancelled: true) }
        let gone = try deleteGoneSources()
        // What a file gave may have stood for another one, which gave something else: that is read again.
        for _ in 0..<3 {
            let paths = try writer.read { try DocumentClaims.pathsToReadAgain($0) }
            let again = list.sources.filter { paths.contains($0.path) && !$0.isStandardInput }
            if again.isEmpty { break }
            guard try read(again, progress: progress, isCancelled: isCancelled) else { return try end(cancelled: true) }
            summary.sourcesUnchanged -= min(again.count, summary.sourcesUnchanged)
            try flush()
            try committer.wait()
        }
        try noteGoneInputs()
        var result = try end(cancelled: false)
        result.deleted += gone
        report(progress)
        return result
    }

    /// Reads those of some sources that changed. Returns false when it was cancelled.
    private mutating func read(
        _ sources: [SourceList.Source], progress: (IngestProgress) -> Void, isCancelled: () -> Bool
    ) throws -> Bool {
        for source in sources {
            if isCancelled() { return false }
            guard let (active, resume) = try open(source) else {
                summary.sourcesUnchanged += 1
                summary.bytes += source.size
                continue
            }
            summary.sourcesRead += 1
            let before = summary.bytes
            do {
                guard try read(active, resume: resume, progress: progress, isCancelled: isCancelled) else {
                    return false
                }
            } catch let error as DocumentError {
                // The next call goes on where this one ended.
                if error == .cancelled { return false }
                // What was read of it before stays; the rest is told.
                addProblem(error.message, of: active, place: source.path, format: source.format ?? .text)
                addFinish(active, hash: nil)
            }
            summary.bytes = before + max(source.size, summary.bytes - before)
            report(progress)
        }
        return true
    }

    /// Commits what is left and adds up.
    private mutating func end(cancelled: Bool) throws -> IngestSummary {
        try flush()
        var result = try committer.wait()
        result.sourcesRead = summary.sourcesRead
        result.sourcesUnchanged = summary.sourcesUnchanged
        result.bytes = summary.bytes
        result.wasCancelled = cancelled
        for (format, kind) in summary.kinds { result.kinds[format, default: IngestSummary.Kind()].files += kind.files }
        result.kinds = result.kinds.filter { $0.value.documents > 0 || $0.value.files > 0 }
        result.noteCount += summary.noteCount
        result.notes = Array((summary.notes + result.notes).prefix(IngestSummary.notesLimit))
        return result
    }

    private mutating func flush() throws {
        guard !batch.records.isEmpty || !batch.finishes.isEmpty || !batch.rowNames.isEmpty else { return }
        let outcomes = batch.parse(splitter)
        try committer.wait()
        committer.start(batch, outcomes)
        documents += outcomes.reduce(0) { $0 + $1.documents.count }
        batch = IngestBatch()
    }

    private func report(_ progress: (IngestProgress) -> Void) {
        progress(
            IngestProgress(
                documents: documents, bytes: summary.bytes, bytesTotal: bytesTotal,
                seconds: Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9))
    }

    /// Whether a source must be read, and from where.
    private func open(_ source: SourceList.Source) throws -> (ActiveSource, resume: (position: Int, line: Int)?)? {
        let fingerprint = source.fingerprint
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
                // What cannot be read now is set aside when it is.
                if let hash = old[3] as Int64?, let sum = try? checksum(source),
                    sum == UInt64(bitPattern: hash)
                {
                    try writer.write {
                        try $0.execute(
                            sql: "UPDATE sources SET modified = ? WHERE id = ?",
                            arguments: [source.modified, old[0] as Int64])
                    }
                    return nil
                }
            } else if sameTime, (old[7] as Int) > 0 {
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
                source: source, row: row, run: resumed?.run ?? run, hasEarlierDocuments: old != nil),
            resumed.map { ($0.position, $0.line) }
        )
    }

    // MARK: Reading

    /// Reads a source. Returns false when it was cancelled.
    private mutating func read(
        _ active: ActiveSource, resume: (position: Int, line: Int)?, progress: (IngestProgress) -> Void,
        isCancelled: () -> Bool
    ) throws -> Bool {
        let source = active.source
        let file = try FileStream(source.place, budget: source.reading.budget)
        let head = try PeekedStream(file, count: 1 << 16)
        if source.isStandardInput, head.head.isEmpty {
            throw CorpusError(.badInput, "standard input is empty; there is nothing to read")
        }
        let format = source.format ?? Self.format(name: source.name, head)
        guard let format else {
            let kind = head.head.withUnsafeBufferPointer { SourceFormat.binaryName($0) }
            addProblem("it is no document: \(kind)", of: active, place: source.path, format: .text)
            addFinish(active, hash: nil)
            return true
        }
        if format == .archive, !source.isStandardInput {
            let whole = try readArchive(active, progress: progress, isCancelled: isCancelled)
            if whole { addFinish(active, hash: try checksum(source)) }
            return whole
        }
        if !source.isStandardInput, DocumentReader.readsFromDisk(format), format != .parquet {
            addFile(active, format: format)
            addFinish(active, hash: try checksum(source))
            if batch.filesOnDisk >= Self.batchFiles { try flush() }
            return true
        }
        let whole = try feed(
            head, active, name: source.name, place: source.path, format: format, resume: resume, progress: progress,
            isCancelled: isCancelled)
        if whole { addFinish(active, hash: file.contentHash) }
        return whole
    }

    private func checksum(_ source: SourceList.Source) throws -> UInt64? {
        guard source.size > 0 else { return nil }
        let file = try FileStream(source.place, budget: source.reading.budget)
        try file.passOver()
        return file.contentHash
    }

    private static func format(name: String, _ head: PeekedStream) -> SourceFormat? {
        head.head.withUnsafeBufferPointer { SourceFormat.detect(name: name, head: $0, isWhole: head.isWhole) }
    }

    /// Reads one file, of its own or in an archive, from a stream.
    private mutating func feed(
        _ stream: PeekedStream, _ active: ActiveSource, name: String, place: String, format: SourceFormat,
        resume: (position: Int, line: Int)? = nil, progress: (IngestProgress) -> Void, isCancelled: () -> Bool
    ) throws -> Bool {
        let (reading, rowName) = reading(of: name, place: place, format: format, active)
        let isStream: Bool =
            switch format {
            case .jsonl, .csv, .tsv, .mbox: true
            case .json: stream.head.withUnsafeBufferPointer { JSONValueStream.isListOfObjects($0) }
            default: false
            }
        if format == .parquet {
            guard place == active.source.path, !active.source.isStandardInput else {
                throw DocumentError("Parquet inside of another file is not read; unpack it first")
            }
            let rows = try ParquetStream(active.source.place)
            let whole = try readRecords(
                rows, active, name: name, place: place, format: .jsonl, counted: .parquet, resume: nil,
                reading: reading, progress: progress, isCancelled: isCancelled)
            if whole { try rows.finish() }
            return whole
        }
        if isStream {
            return try readRecords(
                stream, active, name: name, place: place, format: format, counted: format, resume: resume,
                reading: reading, progress: progress, isCancelled: isCancelled)
        }
        let bytes = try stream.all(limit: reading.limits.documentBytes)
        let reader = addReader(
            FileReader(
                kind: .whole(DocumentReader(reading)), format: format, id: name, rowName: rowName, place: place))
        let start = batch.buffer.count
        batch.buffer.append(contentsOf: bytes)
        batch.records.append(
            IngestBatch.Record(source: addSource(active), reader: reader, range: start..<batch.buffer.count))
        try flushIfFull(progress)
        return true
    }

    /// How a file is read: as its source is, its rows named so that no other file has their ids.
    private mutating func reading(
        of name: String, place: String, format: SourceFormat, _ active: ActiveSource
    ) -> (options: ReadingOptions, rowName: String) {
        var options = active.source.reading
        let kinds: Set<SourceFormat> = [.jsonl, .json, .csv, .tsv, .parquet, .yaml, .xml]
        guard kinds.contains(format) else { return (options, RecordSource.stem(of: name)) }
        let (rowName, new) = rowNames.name(of: name, path: place, source: active.row)
        if let new { batch.rowNames.append(new) }
        if rowName != RecordSource.stem(of: name) { options.rowNames[name] = rowName }
        return (options, rowName)
    }

    /// Reads a stream of records. Returns false when it was cancelled.
    private mutating func readRecords(
        _ stream: any ByteStream, _ active: ActiveSource, name: String, place: String, format: SourceFormat,
        counted: SourceFormat, resume: (position: Int, line: Int)?, reading: ReadingOptions,
        progress: (IngestProgress) -> Void, isCancelled: () -> Bool
    ) throws -> Bool {
        let path = active.source.path
        let origin = active.source.place
        let isFile = place == path && !active.source.isStandardInput
        let opened = try RecordSource(
            stream, format: format, id: name, options: reading,
            resume: resume.map { resume in
                (
                    resume.position, resume.line,
                    { try FileStream(origin, offset: $0, budget: reading.budget) as any ByteStream }
                )
            })
        if let note = opened.note { summary.note(place, note) }
        summary.kinds[counted, default: IngestSummary.Kind()].files += 1
        let canResume = isFile && opened.isResumable && (format == .jsonl || format == .csv || format == .tsv)
        let file = FileReader(
            kind: .records(opened.parser), format: counted, id: name,
            rowName: reading.rowNames[name] ?? RecordSource.stem(of: name), place: place)
        var source = addSource(active)
        var reader = addReader(file)
        var last = opened.reader.position
        if isFile { summary.bytes += last }
        while let record = try opened.reader.next(into: &batch.buffer) {
            batch.records.append(
                IngestBatch.Record(
                    source: source, reader: reader, range: record.range, line: record.line, number: record.number,
                    end: canResume ? record.end : 0, linesBefore: opened.reader.lines, problem: record.problem))
            guard isFull else { continue }
            if isFile { summary.bytes += opened.reader.position - last }
            last = opened.reader.position
            try flush()
            report(progress)
            if isCancelled() { return false }
            source = addSource(active)
            reader = addReader(file)
        }
        if isFile { summary.bytes += opened.reader.position - last }
        return true
    }

    /// Reads the members of an archive, or the one file that a compressed file holds.
    private mutating func readArchive(
        _ active: ActiveSource, progress: (IngestProgress) -> Void, isCancelled: () -> Bool
    ) throws -> Bool {
        let path = active.source.path
        let archive = try Archive(
            active.source.place, limits: active.source.reading.limits, budget: active.source.reading.budget)
        while let member = try archive.next() {
            let name =
                archive.isSingle
                ? DocumentReader.withoutPacking(active.source.name) : "\(active.source.name)/\(member.path)"
            let place = archive.isSingle ? path : "\(path)/\(member.path)"
            guard archive.isSingle || !SourceNames.isLeftOut(path: member.path) else { continue }
            if member.isEncrypted {
                addProblem("it is encrypted", of: active, place: place, format: .archive)
                continue
            }
            let stream = try PeekedStream(archive.stream(), count: 1 << 16)
            guard let format = Self.format(name: name, stream) else {
                let kind = stream.head.withUnsafeBufferPointer { SourceFormat.binaryName($0) }
                addProblem("it is no document: \(kind)", of: active, place: place, format: .archive)
                continue
            }
            do {
                guard
                    try feed(
                        stream, active, name: name, place: place, format: format, progress: progress,
                        isCancelled: isCancelled)
                else { return false }
            } catch let error as DocumentError where error != .cancelled && !error.message.contains("archive") {
                addProblem(error.message, of: active, place: place, format: format)
            }
            if isCancelled() { return false }
        }
        return true
    }

    // MARK: The batch

    private var isFull: Bool { batch.records.count >= options.batchSize || batch.buffer.count >= Self.batchBytes }

    private mutating func flushIfFull(_ progress: (IngestProgress) -> Void) throws {
        guard isFull else { return }
        try flush()
        report(progress)
    }

    private mutating func addSource(_ active: ActiveSource) -> Int {
        if let last = batch.sources.last, last.row == active.row { return batch.sources.count - 1 }
        batch.sources.append(active)
        return batch.sources.count - 1
    }

    private mutating func addReader(_ reader: FileReader) -> Int {
        batch.readers.append(reader)
        return batch.readers.count - 1
    }

    /// Adds a file that is read from the disk when it is parsed.
    private mutating func addFile(_ active: ActiveSource, format: SourceFormat) {
        let reader = addReader(
            FileReader(
                kind: .whole(DocumentReader(active.source.reading)), format: format, id: active.source.name,
                rowName: RecordSource.stem(of: active.source.name), place: active.source.path))
        batch.records.append(IngestBatch.Record(source: addSource(active), reader: reader, range: nil))
        batch.filesOnDisk += 1
    }

    private mutating func addProblem(_ reason: String, of active: ActiveSource, place: String, format: SourceFormat) {
        let reader = addReader(
            FileReader(
                kind: .whole(DocumentReader(active.source.reading)), format: format, id: place, rowName: place,
                place: place))
        batch.records.append(
            IngestBatch.Record(source: addSource(active), reader: reader, range: nil, problem: reason))
    }

    private mutating func addFinish(_ active: ActiveSource, hash: UInt64?) {
        let index = addSource(active)
        batch.finishes.append(IngestBatch.Finish(source: index, afterRecord: batch.records.count, hash: hash))
    }

    /// Says of files that are gone, and of whose folder nothing was said this time, that their documents stay.
    private mutating func noteGoneInputs() throws {
        let present = Set(list.sources.map(\.path))
        let paths = try writer.read { db in
            try String.fetchAll(
                db,
                sql:
                    "SELECT path FROM sources s WHERE path <> '-' AND EXISTS (SELECT 1 FROM documents WHERE source = s.id)"
            )
        }
        let gone = paths.filter { path in
            !present.contains(path) && !list.folders.contains { path.hasPrefix($0) } && FileSystem.status(path) == nil
        }
        guard let first = gone.min() else { return }
        let others = gone.count > 1 ? " and \(gone.count - 1) more" : ""
        summary.note(
            first,
            "this file\(others) was read before and is not there any more; what it gave stays until the folder is named that it was in, or `forage corpus delete` takes it out"
        )
    }

    /// Deletes the documents of files that are gone from the folders that were read, or that are left out now.
    private func deleteGoneSources() throws -> Int {
        let present = Set(list.sources.map(\.path))
        let leftOut = Set(list.leftOut)
        func isLeftOut(_ path: String) -> Bool {
            leftOut.contains(path) || path.indices.contains { path[$0] == "/" && leftOut.contains(String(path[...$0])) }
        }
        guard !list.folders.isEmpty else { return 0 }
        return try writer.write { db in
            var (deleted, passedOn) = (0, 0)
            for row in try Row.fetchAll(db, sql: "SELECT id, path FROM sources ORDER BY id") {
                let path: String = row[1]
                // A file that is there and was not looked for this time is not gone.
                guard list.folders.contains(where: { path.hasPrefix($0) }), !present.contains(path),
                    FileSystem.status(path) == nil || isLeftOut(path)
                else { continue }
                let id: Int64 = row[0]
                let gone = try DocumentClaims.release(db, source: id, keeping: nil)
                deleted += gone.deleted
                passedOn += gone.passedOn
                try db.execute(sql: "DELETE FROM row_names WHERE source = ?", arguments: [id])
                try db.execute(sql: "DELETE FROM sources WHERE id = ?", arguments: [id])
            }
            if deleted + passedOn > 0 { try db.countChange() }
            return deleted
        }
    }
}
