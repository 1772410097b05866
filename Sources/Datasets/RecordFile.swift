// SPDX-License-Identifier: Apache-2.0

package import Base
import Foundation
import OrderedCollections
import Text

/// One record of a data file with the line on which it starts.
package struct FileRecord: Sendable {
    package var line: Int
    package var value: JSONValue
}

/// Reads data files as records with line numbers: JSON Lines, a JSON array, CSV, and fields separated by tabs or spaces.
package struct RecordFile {
    /// The largest data file, in bytes.
    static let byteLimit = 1 << 30
    /// The longest record, in bytes.
    static let recordLimit = 32 << 20

    package let path: String
    package let bytes: [UInt8]

    package init(path: String) throws(DatasetError) {
        self.path = path
        if path == "-" {
            let data: Data
            do { data = try FileHandle.standardInput.readToEnd() ?? Data() } catch {
                throw DatasetError(file: "standard input", message: "it cannot be read")
            }
            guard !data.isEmpty else { throw DatasetError(file: "standard input", message: "it is empty") }
            bytes = [UInt8](data.prefix(Self.byteLimit))
            return
        }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
            throw DatasetError(file: path, message: "it is a folder; a file is meant here")
        }
        // What a shell hands over as /dev/fd/63 is a pipe: it has no size and is read to its end.
        var status = stat()
        if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
            guard let data = try? FileHandle(forReadingAtPath: path)?.read(upToCount: Self.byteLimit), !data.isEmpty
            else {
                throw DatasetError(file: path, message: "the file cannot be read, or is empty")
            }
            bytes = [UInt8](data)
            return
        }
        let attributes = try? FileManager.default.attributesOfItem(atPath: path)
        guard let size = (attributes?[.size] as? NSNumber)?.intValue else {
            throw DatasetError(file: path, message: "the file cannot be read")
        }
        guard size <= Self.byteLimit else {
            throw DatasetError(
                file: path, message: "the file has \(size) bytes; at most \(Self.byteLimit) are accepted")
        }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw DatasetError(file: path, message: "the file cannot be read")
        }
        bytes = [UInt8](data)
    }

    /// The file's name without its ending.
    var stem: String {
        if path == "-" { return "stdin" }
        let name = path.split(separator: "/").last.map(String.init) ?? path
        return name.split(separator: ".").first.map(String.init) ?? name
    }

    private var firstLine: String {
        String(decoding: bytes.prefix { $0 != 0x0A }, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Whether a file without a name begins with neither JSON nor marks nor YAML, and has columns.
    var looksLikeTable: Bool {
        guard let first = firstLine.first, !"{[<-".contains(first), !looksLikeYAML else { return false }
        return firstLine.contains { ",;|\t".contains($0) }
    }

    /// Whether a file without a name begins as a list of YAML does.
    var looksLikeYAML: Bool { firstLine.hasPrefix("- ") || firstLine == "---" || firstLine.hasSuffix(":") }

    package func failure(_ line: Int?, _ message: String) -> DatasetError {
        DatasetError(file: path, line: line, message: message)
    }

    /// The records of a JSON Lines file or of one JSON array, whichever it is. Empty lines are skipped.
    /// - Throws: for the first record that cannot be read.
    package func records() throws(DatasetError) -> [FileRecord] {
        var refused: [DatasetError] = []
        let records = records(refused: &refused)
        if let first = refused.first { throw first }
        return records
    }

    /// The records that can be read; the others are set aside. A list that is not closed is read as far as it goes.
    package func records(refused: inout [DatasetError]) -> [FileRecord] {
        let first = bytes.first { $0 > 0x20 && $0 != 0xEF && $0 != 0xBB && $0 != 0xBF }
        if first == UInt8(ascii: "[") { return arrayElements(&refused) }
        // One object over several lines.
        let end = bytes.firstIndex(of: 0x0A) ?? bytes.count
        if first == UInt8(ascii: "{"), end < bytes.count, (try? JSONValue(parsing: Array(bytes[..<end]))) == nil,
            let whole = try? JSONValue(parsing: bytes)
        {
            return [FileRecord(line: 1, value: whole)]
        }
        return lines(&refused)
    }

    private func parse(_ range: Range<Int>, line: Int) throws(DatasetError) -> JSONValue {
        guard range.count <= Self.recordLimit else {
            throw failure(line, "the record has \(range.count) bytes; at most \(Self.recordLimit) are accepted")
        }
        do { return try JSONValue(parsing: Array(bytes[range])) } catch {
            throw failure(line, "not valid JSON: \(error)")
        }
    }

    private func add(
        _ range: Range<Int>, line: Int, to result: inout [FileRecord], _ refused: inout [DatasetError]
    ) {
        do throws(DatasetError) {
            result.append(FileRecord(line: line, value: try parse(range, line: line)))
        } catch { refused.append(error) }
    }

    private func lines(_ refused: inout [DatasetError]) -> [FileRecord] {
        var result: [FileRecord] = []
        var start = 0
        var line = 1
        while start < bytes.count {
            var end = start
            while end < bytes.count, bytes[end] != 0x0A { end += 1 }
            if bytes[start..<end].contains(where: { $0 > 0x20 }) {
                add(start..<end, line: line, to: &result, &refused)
            }
            start = end + 1
            line += 1
        }
        return result
    }

    /// The elements of a top-level array, found by counting brackets outside strings, so that each has its line.
    private func arrayElements(_ refused: inout [DatasetError]) -> [FileRecord] {
        var result: [FileRecord] = []
        var line = 1
        var depth = 0
        var inString = false
        var escaped = false
        var start: Int?
        var startLine = 1
        var closed = false
        for (index, byte) in bytes.enumerated() {
            if byte == 0x0A { line += 1 }
            if closed {
                guard byte > 0x20 else { continue }
                refused.append(failure(line, "unexpected text after the list"))
                return result
            }
            if inString {
                if escaped {
                    escaped = false
                } else if byte == 0x5C {
                    escaped = true
                } else if byte == 0x22 {
                    inString = false
                }
                continue
            }
            if depth == 1, start == nil, byte > 0x20, byte != UInt8(ascii: ","), byte != UInt8(ascii: "]") {
                start = index
                startLine = line
            }
            switch byte {
            case 0x22: inString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
            let ends = depth == 0 || (depth == 1 && byte == UInt8(ascii: ","))
            if ends, let from = start {
                add(from..<index, line: startLine, to: &result, &refused)
                start = nil
            }
            if depth == 0, byte > 0x20, byte != 0xEF, byte != 0xBB, byte != 0xBF { closed = true }
        }
        if !closed {
            // Only the end of the list is missing: its last element may be whole.
            if let from = start, depth == 1, !inString {
                add(from..<bytes.count, line: startLine, to: &result, &refused)
            }
            refused.append(failure(line, "the list is not closed"))
        }
        return result
    }

    /// The lines as text with their numbers; a carriage return at the end is cut.
    func textLines() throws(DatasetError) -> [(line: Int, text: String)] {
        var result: [(line: Int, text: String)] = []
        for (index, piece) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            var piece = piece
            if piece.last == 0x0D { piece.removeLast() }
            guard let text = String(validating: piece, as: UTF8.self) else {
                throw failure(index + 1, "the line is not valid UTF-8")
            }
            if !text.isEmpty { result.append((index + 1, text)) }
        }
        return result
    }

    /// The rows of a CSV file (RFC 4180): fields in quotes may hold delimiters, line ends and doubled quotes.
    func csvRows(delimiter: UInt8 = UInt8(ascii: ",")) throws(DatasetError) -> [(line: Int, fields: [String])] {
        var rows: [(line: Int, fields: [String])] = []
        var fields: [String] = []
        var field: [UInt8] = []
        var quoted = false
        var wasQuoted = false
        var line = 1
        var rowLine = 1
        func text(_ bytes: [UInt8]) throws(DatasetError) -> String {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw failure(line, "the field is not valid UTF-8")
            }
            return text
        }
        var index = 0
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
        while index < bytes.count {
            let byte = bytes[index]
            if byte == 0x0A { line += 1 }
            if quoted {
                if byte == 0x22 {
                    if index + 1 < bytes.count, bytes[index + 1] == 0x22 {
                        field.append(0x22)
                        index += 1
                    } else {
                        quoted = false
                    }
                } else {
                    field.append(byte)
                }
            } else if byte == 0x22, field.isEmpty, !wasQuoted {
                quoted = true
                wasQuoted = true
            } else if byte == delimiter {
                fields.append(try text(field))
                field = []
                wasQuoted = false
            } else if byte == 0x0A {
                if field.last == 0x0D { field.removeLast() }
                if !fields.isEmpty || !field.isEmpty { rows.append((rowLine, fields + [try text(field)])) }
                fields = []
                field = []
                wasQuoted = false
                rowLine = line
            } else {
                field.append(byte)
            }
            index += 1
        }
        guard !quoted else { throw failure(rowLine, "a quoted field is not closed") }
        if !fields.isEmpty || !field.isEmpty { rows.append((rowLine, fields + [try text(field)])) }
        return rows
    }
}
