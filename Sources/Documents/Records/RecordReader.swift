// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// How a file of many records is cut.
package enum RecordCut: Sendable, Hashable {
    /// One record a line.
    case lines
    case delimited(DelimitedGrammar)
    /// JSON values one after the other, or the elements of one array.
    case json
    /// The messages of a mailbox.
    case mailbox
}

/// Cuts a stream of UTF-8 into records, with memory bounded by the longest record allowed.
package final class RecordReader {
    /// A record that was appended to the caller's buffer.
    package struct Record {
        /// Its bytes in the buffer; empty when it is too long.
        package var range: Range<Int>
        /// The number of its first line in the file, from 1.
        package var line: Int
        /// Its number in the file, from 1.
        package var number: Int
        /// Where the next one starts in the file.
        package var end: Int
        /// Why it cannot be used; its bytes were passed over.
        package var problem: String?
    }

    private let stream: any ByteStream
    private let cut: RecordCut
    private let limit: Int
    private var window: [UInt8] = []
    private var piece = [UInt8](repeating: 0, count: 1 << 18)
    private var at = 0
    private var ended = false
    private var isInArray = false
    private var started = false
    private var failed = false
    /// The bytes before the next record.
    package private(set) var position: Int
    /// The lines before the next record.
    package private(set) var lines: Int
    private var records: Int

    /// - Parameters:
    ///   - stream: at `position`, after any byte order mark and header.
    ///   - limit: the longest record, in bytes.
    ///   - position: the bytes, `lines` the lines and `records` the records that come before.
    package init(
        _ stream: any ByteStream, cut: RecordCut, limit: Int, position: Int = 0, lines: Int = 0, records: Int = 0
    ) {
        self.stream = stream
        self.cut = cut
        self.limit = limit
        self.position = position
        self.lines = lines
        self.records = records
    }

    /// Appends the next record to `buffer`; nil at the end. Blank ones are passed over.
    /// - Throws: what the stream throws.
    package func next(into buffer: inout [UInt8]) throws -> Record? {
        while !failed {
            guard let found = try find() else { return nil }
            let firstLine = lines + 1
            let content = found.content
            // A row of a sheet that has nothing in any column is blank as well.
            var mark: UInt8 = 32
            if case .delimited(let grammar) = cut, grammar.columns > 1 { mark = grammar.delimiter }
            let isBlank = window[content].allSatisfy { $0 == 32 || $0 == mark || ($0 >= 9 && $0 <= 13) }
            if isBlank, found.problem == nil {
                advance(to: found.next)
                continue
            }
            records += 1
            let leading = cut == .json ? countLines(at..<content.lowerBound) : 0
            let start = buffer.count
            if found.problem == nil { buffer.append(contentsOf: window[content]) }
            advance(to: found.next)
            return Record(
                range: start..<buffer.count, line: firstLine + leading, number: records, end: position,
                problem: found.problem)
        }
        return nil
    }

    private struct Found {
        var content: Range<Int>
        var next: Int
        var problem: String?
    }

    private func find() throws -> Found? {
        while true {
            if at < window.count || ended {
                if at >= window.count { return nil }
                if var found = window.withUnsafeBufferPointer({ cutOne($0) }) {
                    if found.content.count > limit {
                        found.problem = "the \(cut == .lines ? "line" : "record") is longer than \(limit) bytes"
                    }
                    return found
                }
                if ended, window.count - at <= limit { return nil }
            }
            if window.count - at > limit { return try passOver() }
            try fill()
        }
    }

    private func fill() throws {
        if at > 0 {
            window.removeFirst(at)
            at = 0
        }
        let have = window.count
        // Doubling keeps the work of looking again in proportion to the record.
        let wanted = have + max(piece.count, have)
        while window.count < wanted {
            let count = try piece.withUnsafeMutableBytes { try stream.read(into: $0) }
            if count == 0 {
                ended = true
                return
            }
            window.append(contentsOf: piece[..<count])
        }
    }

    private func countLines(_ range: Range<Int>) -> Int {
        window.withUnsafeBufferPointer { bytes in
            var count = 0
            var place = range.lowerBound
            let end: UInt8 = if case .delimited(let grammar) = cut { grammar.lineEnd } else { 10 }
            while let found = bytes.firstIndex(of: end, from: place), found < range.upperBound {
                count += 1
                place = found + 1
            }
            return count
        }
    }

    private func advance(to next: Int) {
        lines += countLines(at..<next)
        position += next - at
        at = next
    }

    /// Passes over a record that is longer than the limit.
    private func passOver() throws -> Found {
        let problem = "the \(cut == .lines ? "line" : "record") is longer than \(limit) bytes"
        guard cut == .lines || cut == .mailbox else {
            // Where the next one begins cannot be known without reading this one.
            failed = true
            return Found(content: at..<at, next: window.count, problem: problem + "; what follows was not read")
        }
        while true {
            let seen = window.count
            lines += countLines(at..<seen)
            position += seen - at
            at = seen
            try fill()
            if ended, at >= window.count { return Found(content: at..<at, next: at, problem: problem) }
            if let found = window.withUnsafeBufferPointer({ cutOne($0) }) {
                return Found(content: at..<at, next: found.next, problem: problem)
            }
        }
    }

    /// The next record in the window; nil when more bytes are needed.
    private func cutOne(_ bytes: UnsafeBufferPointer<UInt8>) -> Found? {
        switch cut {
        case .lines:
            guard let end = bytes.firstIndex(of: 10, from: at) else {
                return ended ? Found(content: at..<trimmed(bytes, bytes.count), next: bytes.count) : nil
            }
            return Found(content: at..<trimmed(bytes, end), next: end + 1)
        case .delimited(let grammar):
            guard let end = grammar.recordEnd(bytes, from: at, isLast: ended) else { return nil }
            if end - at > limit { return nil }
            return Found(content: at..<trimmed(bytes, end), next: min(end + 1, bytes.count))
        case .json: return cutJSON(bytes)
        case .mailbox: return cutMessage(bytes)
        }
    }

    private func trimmed(_ bytes: UnsafeBufferPointer<UInt8>, _ end: Int) -> Int {
        end > at && bytes[end - 1] == 13 ? end - 1 : end
    }

    // MARK: JSON

    /// The next value of a sequence of values or of one array.
    private func cutJSON(_ bytes: UnsafeBufferPointer<UInt8>) -> Found? {
        var start = at
        while start < bytes.count {
            let byte = bytes[start]
            if byte == 32 || (byte >= 9 && byte <= 13) || (byte == UInt8(ascii: ",") && started) {
                start += 1
            } else if byte == UInt8(ascii: "["), !started {
                isInArray = true
                started = true
                start += 1
            } else if byte == UInt8(ascii: "]"), isInArray {
                isInArray = false
                start += 1
            } else {
                break
            }
        }
        guard start < bytes.count else {
            return ended ? Found(content: start..<start, next: start) : nil
        }
        started = true
        guard let end = valueEnd(bytes, from: start) else {
            guard ended else { return nil }
            failed = true
            return Found(content: start..<start, next: bytes.count, problem: "the file ends within a JSON value")
        }
        guard end > start else {
            failed = true
            return Found(
                content: start..<start, next: bytes.count,
                problem:
                    "expected a JSON value, found \"\(String(decoding: bytes[start...].prefix(20), as: UTF8.self))\"; what follows was not read"
            )
        }
        return Found(content: start..<end, next: end)
    }

    /// The end of the value at `start`, by its brackets and quotes alone; nil when it is not in the bytes.
    private func valueEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var depth = 0
        var place = start
        while place < bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return place }
                depth -= 1
                if depth == 0 { return place + 1 }
            case UInt8(ascii: "\""):
                guard let close = stringEnd(bytes, from: place + 1) else { return nil }
                place = close
                if depth == 0 { return place + 1 }
            case 32, 9, 10, 13, UInt8(ascii: ","):
                if depth == 0 { return place }
            default: break
            }
            place += 1
        }
        return ended && depth == 0 ? place : nil
    }

    private func stringEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int) -> Int? {
        var place = start
        while place < bytes.count {
            if bytes[place] == UInt8(ascii: "\\") {
                place += 2
            } else if bytes[place] == UInt8(ascii: "\"") {
                return place
            } else {
                place += 1
            }
        }
        return nil
    }

    // MARK: Mailboxes

    /// The next message: from its `From ` line up to the next one that follows a blank line.
    private func cutMessage(_ bytes: UnsafeBufferPointer<UInt8>) -> Found? {
        var start = at
        if bytes[start...].starts(with: Array("From ".utf8)) {
            guard let end = bytes.firstIndex(of: 10, from: start) else {
                return ended ? Found(content: start..<bytes.count, next: bytes.count) : nil
            }
            start = end + 1
        }
        var place = start
        while let end = bytes.firstIndex(of: 10, from: place) {
            let next = end + 1
            let isBlank = end == place || (end == place + 1 && bytes[place] == 13)
            if isBlank {
                guard let isNext = beginsMessage(bytes, at: next) else { return nil }
                if isNext { return Found(content: start..<place, next: next) }
            }
            place = next
        }
        return ended ? Found(content: start..<bytes.count, next: bytes.count) : nil
    }

    /// Whether a message begins at a place: a line with `From `, and a header in the line below it. A
    /// paragraph that begins with the word has none. Nil when more bytes are needed to tell.
    private func beginsMessage(_ bytes: UnsafeBufferPointer<UInt8>, at start: Int) -> Bool? {
        let mark = Array("From ".utf8)
        guard start + mark.count <= bytes.count else { return ended ? false : nil }
        guard bytes[start...].starts(with: mark) else { return false }
        guard let end = bytes.firstIndex(of: 10, from: start) else { return ended ? false : nil }
        guard let last = bytes.firstIndex(of: 10, from: end + 1) ?? (ended ? bytes.count : nil) else { return nil }
        let header = bytes[(end + 1)..<last]
        guard let colon = header.firstIndex(of: UInt8(ascii: ":")), colon > header.startIndex else { return false }
        return header[..<colon].allSatisfy { $0 > 32 && $0 < 127 }
    }
}
