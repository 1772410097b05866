// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// The one grammar of comma-, tab- and otherwise separated values: RFC 4180, and what people and programs write besides.
///
/// A quote counts as one only where it wraps a whole field: at the field's start, with its partner before a delimiter or
/// the line's end. Everywhere else (24" screens, "Stairs" at the start of a sentence) it is text. A quoted field may go
/// over several lines, unless the lines read as rows of their own.
package struct DelimitedGrammar: Sendable, Hashable {
    package var delimiter: UInt8
    /// The byte that ends lines: "\n" (with "\r" before it or not), or "\r" in files that have no "\n".
    package var lineEnd: UInt8 = 10
    /// The columns of the header; 0 while unknown.
    package var columns = 0
    /// Whether a backslash before a quote makes it text, as MySQL and Spark write it.
    package var hasEscapes = false
    /// Whether spaces between a delimiter and a quote belong to neither, as in `1, Ann, "Oslo, Norway"`.
    package var skipsSpaces = false

    static let quote = UInt8(ascii: "\"")
    /// How far the partner of a quote is looked for.
    static let reach = 8 << 20
    /// Fields of one record that may go over several lines.
    static let longFields = 256

    package init(delimiter: UInt8, lineEnd: UInt8 = 10, columns: Int = 0) {
        self.delimiter = delimiter
        self.lineEnd = lineEnd
        self.columns = columns
    }

    /// A field of a record: where its bytes are, without the quotes around it.
    struct Field {
        var range: Range<Int>
        var isQuoted = false
        /// Whether doubled quotes stand for one.
        var hasDoubledQuotes = false
    }

    /// Where the record that begins at `start` ends, before the line's end; nil when the bytes end before it does.
    /// - Parameter isLast: whether the source ends with the bytes.
    func recordEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool, depth: Int = 0, before: Int = 0)
        -> Int?
    {
        guard let end = firstLineEnd(bytes, from: start, isLast: isLast) else { return nil }
        if !bytes[start..<end].contains(Self.quote) { return end }
        var at = start
        var fields = before
        while at <= end {
            at = quotePlace(bytes, from: at, to: end)
            if at < end, bytes[at] == Self.quote {
                switch partner(bytes, of: at, isLast: isLast) {
                case .none: break
                case .unknown:
                    // Its partner may come with the next bytes.
                    if !isLast, bytes.count - at < Self.reach { return nil }
                case .at(let close) where close < end:
                    at = close + 1
                    if at == end { return end }
                    at += 1
                    fields += 1
                    continue
                case .at where depth == Self.longFields: break
                case .at(let close):
                    guard
                        let longEnd = recordEnd(
                            bytes, afterFieldEndingAt: close + 1, isLast: isLast, depth: depth + 1, before: fields + 1)
                    else { return nil }
                    if spansLines(bytes, start..<longEnd, firstEnd: end, before: before) { return longEnd }
                }
            }
            while at < end, bytes[at] != delimiter { at += 1 }
            if at == end { return end }
            at += 1
            fields += 1
        }
        return end
    }

    /// The end of the record whose last field so far ends at `at`.
    private func recordEnd(
        _ bytes: UnsafeBufferPointer<UInt8>, afterFieldEndingAt at: Int, isLast: Bool, depth: Int, before: Int
    ) -> Int? {
        guard at < bytes.count, bytes[at] == delimiter else {
            return firstLineEnd(bytes, from: at, isLast: isLast)
        }
        return recordEnd(bytes, from: at + 1, isLast: isLast, depth: depth, before: before)
    }

    /// The end of the line, before "\r\n"; nil when it is not in the bytes.
    private func firstLineEnd(_ bytes: UnsafeBufferPointer<UInt8>, from start: Int, isLast: Bool) -> Int? {
        guard let found = bytes.firstIndex(of: lineEnd, from: start) else { return isLast ? bytes.count : nil }
        return found
    }

    /// The quote behind spaces where these do not count; else the place itself.
    private func quotePlace(_ bytes: UnsafeBufferPointer<UInt8>, from at: Int, to end: Int) -> Int {
        guard skipsSpaces, at < end, bytes[at] == 32 else { return at }
        let place = bytes[at..<end].firstIndex { $0 != 32 } ?? end
        return place < end && bytes[place] == Self.quote ? place : at
    }

    private enum Partner { case at(Int), none, unknown }

    /// The quote that closes the field which the quote at `open` opens.
    private func partner(_ bytes: UnsafeBufferPointer<UInt8>, of open: Int, isLast: Bool) -> Partner {
        var at = open + 1
        while let found = bytes.firstIndex(of: Self.quote, from: at) {
            let next = found + 1
            if hasEscapes, Self.isEscaped(bytes, found, from: open + 1) {
                at = next
                continue
            }
            guard next < bytes.count else { return isLast ? .at(found) : .unknown }
            if bytes[next] == Self.quote {
                at = next + 1
                continue
            }
            let isClosing = bytes[next] == delimiter || bytes[next] == lineEnd || bytes[next] == 13
            return isClosing ? .at(found) : .none
        }
        return .unknown
    }

    /// Whether an odd number of backslashes stands before a quote.
    private static func isEscaped(_ bytes: UnsafeBufferPointer<UInt8>, _ quote: Int, from start: Int) -> Bool {
        var place = quote
        while place > start, bytes[place - 1] == UInt8(ascii: "\\") { place -= 1 }
        return (quote - place) % 2 == 1
    }

    /// Whether the lines of `range` are one record and not rows of their own.
    /// - Parameter before: the fields of the record before the range.
    private func spansLines(
        _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, firstEnd: Int, before: Int
    ) -> Bool {
        guard columns > 0 else { return true }
        let fields = self.fields(UnsafeBufferPointer(rebasing: bytes[range]))
        let long = fields.count + before
        let short = plainCount(bytes, range.lowerBound..<firstEnd) + before
        if long == columns, short != columns { return true }
        if long != columns { return short != columns }
        // Both readings fit. Who quotes every field writes by the standard.
        let isAllQuoted = fields.count + before > 1 && fields.allSatisfy(\.isQuoted)
        guard columns > 1, !isAllQuoted else { return true }
        // So does who doubles quotes in a field that goes over lines.
        func isByTheStandard(_ field: Field) -> Bool {
            field.isQuoted && field.hasDoubledQuotes && range.lowerBound + field.range.upperBound > firstEnd
                && range.lowerBound + field.range.lowerBound < firstEnd
        }
        guard !fields.contains(where: isByTheStandard) else { return true }
        // Rows of several columns on each of the lines are rows.
        var at = firstEnd + 1
        while at < range.upperBound {
            let end = min(bytes.firstIndex(of: lineEnd, from: at) ?? range.upperBound, range.upperBound)
            if plainCount(bytes, at..<end) != columns { return true }
            at = end + 1
        }
        return false
    }

    /// The columns of one line in which no quote counts.
    private func plainCount(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Int {
        bytes[range].reduce(1) { $0 + ($1 == delimiter ? 1 : 0) }
    }

    /// The fields of one record.
    func fields(_ bytes: UnsafeBufferPointer<UInt8>) -> [Field] {
        var fields: [Field] = []
        fields.reserveCapacity(max(columns, 4))
        var at = 0
        let end = bytes.last == 13 ? bytes.count - 1 : bytes.count
        let record = UnsafeBufferPointer(rebasing: bytes[..<end])
        while true {
            at = quotePlace(record, from: at, to: end)
            if at < end, record[at] == Self.quote, case .at(let close) = partner(record, of: at, isLast: true) {
                let inside = (at + 1)..<close
                fields.append(
                    Field(range: inside, isQuoted: true, hasDoubledQuotes: record[inside].contains(Self.quote)))
                at = close + 1
            } else {
                let start = at
                at = record.firstIndex(of: delimiter, from: at) ?? end
                fields.append(Field(range: start..<at))
            }
            guard at < end else { return fields }
            at += 1
        }
    }

    /// The text of a field.
    func text(_ field: Field, in bytes: UnsafeBufferPointer<UInt8>) -> String {
        let slice = bytes[field.range]
        if hasEscapes, field.isQuoted { return TextDecoding.lenient(Self.unescaped(slice)).withUnixLineEnds() }
        guard field.hasDoubledQuotes else { return TextDecoding.lenient(slice).withUnixLineEnds() }
        var plain: [UInt8] = []
        plain.reserveCapacity(slice.count)
        var wasQuote = false
        for byte in slice {
            if byte == Self.quote, wasQuote {
                wasQuote = false
                continue
            }
            wasQuote = byte == Self.quote
            plain.append(byte)
        }
        return TextDecoding.lenient(plain).withUnixLineEnds()
    }

    /// Without the backslashes before quotes and before one another.
    private static func unescaped(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> [UInt8] {
        var plain: [UInt8] = []
        plain.reserveCapacity(bytes.count)
        var isEscape = false
        for byte in bytes {
            if isEscape {
                if byte != quote, byte != UInt8(ascii: "\\") { plain.append(UInt8(ascii: "\\")) }
                plain.append(byte)
                isEscape = false
            } else if byte == UInt8(ascii: "\\") {
                isEscape = true
            } else {
                plain.append(byte)
            }
        }
        if isEscape { plain.append(UInt8(ascii: "\\")) }
        return plain
    }
}
