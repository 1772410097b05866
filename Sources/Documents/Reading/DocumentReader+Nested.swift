// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections

/// Files inside of files: mail with attachments, archives, packed streams.
extension DocumentReader {
    func readMessage(_ bytes: [UInt8], id: String, name: String, depth: Int, into reading: inout Reading) throws {
        let message = try MailDocument(bytes, id: id, name: name, limits: options.limits)
        reading.documents.append(message.document)
        if message.isCut {
            reading.notes.append("it has more parts, or deeper ones, than are read of a message; the rest was left out")
        }
        for file in message.attachments {
            addFile(
                file.bytes, name: file.name, format: file.type == "message/rfc822" ? .eml : nil, below: id,
                depth: depth,
                into: &reading)
        }
    }

    /// Reads a file inside of another; one that cannot be read is a problem of the reading.
    func addFile(
        _ bytes: [UInt8], name: String, format given: SourceFormat? = nil, below id: String, depth: Int,
        into reading: inout Reading
    ) {
        do {
            try checkDepth(depth)
            try budget.countMember()
            try budget.count(bytes: bytes.count)
            let format = bytes.withUnsafeBufferPointer { buffer in
                given
                    ?? SourceFormat.detect(
                        name: name, head: UnsafeBufferPointer(rebasing: buffer.prefix(1 << 16)),
                        isWhole: buffer.count <= 1 << 16)
            }
            guard let format else {
                throw DocumentError("it is no document: \(bytes.withUnsafeBufferPointer { BinaryKind.name($0) })")
            }
            let inner = try read(.bytes(bytes), format: format, id: "\(id)/\(name)", depth: depth + 1)
            // What files inside of it gave has been counted there.
            if !Self.holdsFiles(format) {
                try budget.count(bytes: max(0, inner.documents.reduce(0) { $0 + $1.text.utf8.count } - bytes.count))
            }
            reading.documents += inner.documents
            reading.problems += inner.problems.map { ($0.place.isEmpty ? name : "\(name)/\($0.place)", $0.reason) }
            reading.notes += inner.notes.map { "\(name): \($0)" }
        } catch {
            reading.problems.append((name, "\(error)"))
        }
    }

    func checkDepth(_ depth: Int) throws(DocumentError) {
        guard depth + 1 < options.limits.nesting else {
            throw DocumentError("it is nested deeper than \(options.limits.nesting) files in files")
        }
    }

    /// Reads records, messages or members of an archive that are inside of another file.
    func readStream(_ bytes: [UInt8], format: SourceFormat, id: String, depth: Int, into reading: inout Reading)
        throws
    {
        if format == .archive {
            // What is in it would be nested too deep: nothing is unpacked for that.
            try checkDepth(depth)
            let archive = try Archive(bytes, limits: options.limits)
            var total = 0
            while !budget.isSpent, let member = try archive.next() {
                let name =
                    archive.isSingle
                    ? Self.withoutPacking(id.split(separator: "/").last.map(String.init) ?? id) : member.path
                guard !member.isEncrypted else {
                    reading.problems.append((name, "it is encrypted"))
                    continue
                }
                let content = try archive.content(limit: options.limits.documentBytes)
                total += content.count
                guard total <= 4 * options.limits.documentBytes else {
                    throw DocumentError("the archive unpacks to more than \(4 * options.limits.documentBytes) bytes")
                }
                guard !SourceNames.isLeftOut(path: member.path) else { continue }
                addFile(content, name: name, below: id, depth: depth, into: &reading)
            }
            return
        }
        let opened = try RecordSource(MemoryStream(bytes), format: format, id: id, options: options)
        if let note = opened.note { reading.notes.append(note) }
        var buffer: [UInt8] = []
        while let record = try opened.reader.next(into: &buffer) {
            do {
                if let problem = record.problem { throw DocumentError(problem) }
                let inner = try buffer.withUnsafeBufferPointer {
                    try opened.parser.read(
                        UnsafeBufferPointer(rebasing: $0[record.range]), line: record.line, number: record.number,
                        depth: depth)
                }
                reading.documents += inner.documents
                reading.problems += inner.problems
                for note in inner.notes where !reading.notes.contains(note) { reading.notes.append(note) }
            } catch {
                reading.problems.append(("\(record.line)", "\(error)"))
            }
            buffer.removeAll(keepingCapacity: true)
        }
    }

    /// The name of what a compressed file holds.
    package static func withoutPacking(_ name: String) -> String {
        for ending in [".gz", ".bz2", ".xz", ".zst", ".lz4"] where name.lowercased().hasSuffix(ending) {
            return String(name.dropLast(ending.count))
        }
        return name
    }
}
