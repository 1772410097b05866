// SPDX-License-Identifier: Apache-2.0

import Base

/// What the first lines of a file of separated values tell: the delimiter, where the table begins, and its columns.
package struct DelimitedDialect: Sendable, Hashable {
    package var grammar: DelimitedGrammar
    /// Bytes before the header: titles and notes above the table, and `sep=;`.
    package var preamble = 0
    /// Lines before the header.
    package var preambleLines = 0
    /// The names of the columns.
    package var header: [String]
    /// Whether the first record is the header, and not a row of a table without one.
    package var hasHeader = true
    /// Records that the header takes: 2 where units or quarters stand below the names.
    package var headerRows = 1
    /// What stands above the table, one line a row.
    package var notes: [String] = []
    /// The first rows, for guesses about columns.
    package var sample: [[String]]

    /// Lines that are looked at.
    private static let sampleLines = 100

    /// - Parameters:
    ///   - head: the beginning of the file, UTF-8 without a byte order mark.
    ///   - delimiter: the one that the file's name says, which is believed when the lines have it; nil finds it.
    ///   - isWhole: whether `head` is the whole file.
    /// - Throws: `DocumentError` when there is no record.
    package init(
        head: UnsafeBufferPointer<UInt8>, delimiter: UInt8?, isForced: Bool = false, isWhole: Bool
    ) throws(DocumentError) {
        let lineEnd: UInt8 = head.contains(10) ? 10 : 13
        var start = 0
        var startLines = 0
        var chosen = delimiter
        // Excel's own way of naming the delimiter.
        if head.starts(with: Array("sep=".utf8)), head.count > 5, let end = head.firstIndex(of: lineEnd, from: 0) {
            chosen = head[4]
            start = end + 1
            startLines = 1
        }
        if !isForced {
            chosen = Self.delimiter(in: head, from: start, lineEnd: lineEnd, named: chosen, isWhole: isWhole)
        }
        // A delimiter that no line has cuts nothing: a table of one column.
        var grammar = DelimitedGrammar(delimiter: chosen ?? Self.noDelimiter, lineEnd: lineEnd)
        var rows = Self.rows(head, grammar, from: start, line: startLines, isWhole: isWhole)
        if Self.holdsEscapedQuotes(head) {
            var escaping = grammar
            escaping.hasEscapes = true
            let others = Self.rows(head, escaping, from: start, line: startLines, isWhole: isWhole)
            if Self.unevenShare(others) < Self.unevenShare(rows) { (grammar, rows) = (escaping, others) }
        }
        if Self.holdsSpacedQuotes(head, grammar.delimiter) {
            var skipping = grammar
            skipping.skipsSpaces = true
            let others = Self.rows(head, skipping, from: start, line: startLines, isWhole: isWhole)
            if Self.unevenShare(others) <= Self.unevenShare(rows) { (grammar, rows) = (skipping, others) }
        }
        guard !rows.isEmpty else {
            throw DocumentError(
                isWhole ? "it is empty" : "it has no header line within its first \(head.count) bytes")
        }
        let first = Self.headerRow(rows)
        preamble = rows[first].start
        preambleLines = rows[first].line
        notes = rows[..<first].map { row in
            row.fields.map { $0.collapsed() }.filter { !$0.isEmpty }.joined(separator: " | ")
        }.filter { !$0.isEmpty }
        var names = rows[first].fields.map { $0.collapsed() }
        let below = rows[(first + 1)...].map(\.fields)
        if let second = below.first, let both = TableHeader.joined(names, second, body: below.dropFirst()) {
            names = both
            headerRows = 2
        }
        hasHeader = headerRows == 2 || Self.looksLikeHeader(names, rows: below)
        sample = rows[(hasHeader ? first + headerRows : first)...].map(\.fields)
        header = hasHeader ? Self.unique(names) : Self.unique(names.map { _ in "" })
        grammar.columns = header.count
        self.grammar = grammar
    }

    /// The first row of the table. Titles and notes above it have fewer fields than most rows.
    private static func headerRow(_ rows: [Row]) -> Int {
        let widths = rows.map { row in row.fields.lastIndex { !$0.trimmed().isEmpty }.map { $0 + 1 } ?? 0 }
        let common = mode(widths.dropFirst(min(3, widths.count - 1)))
        guard rows.count > 3 else { return 0 }
        let alone = rows.prefix { $0.fields.count == 1 }.count
        if common == 2, alone > 0, alone < 10,
            widths[alone...].count(where: { $0 == 2 }) * 10 > (widths.count - alone) * 8
        {
            // Lines without any delimiter, above a table of two columns.
            return alone
        }
        guard common > 2 else { return 0 }
        if let found = TableHeader.belowNotes(rows.map(\.fields), lines: rows.map(\.line), width: common) {
            return found
        }
        let first = widths.prefix(10).firstIndex { $0 * 2 > common } ?? 0
        return widths[..<first].contains { $0 > 1 } ? 0 : first
    }

    /// The lines of the rows of totals, from 1.
    /// - Parameter whole: the whole file, without a byte order mark.
    func totals(of whole: ArraySlice<UInt8>) -> Set<Int> {
        whole.withUnsafeBufferPointer { head in
            var rows: [(line: Int, fields: [String])] = []
            var at = preamble
            var line = preambleLines
            while at < head.count, let end = grammar.recordEnd(head, from: at, isLast: true) {
                let record = UnsafeBufferPointer(rebasing: head[at..<end])
                if record.contains(where: { $0 > 32 && $0 != grammar.delimiter }) {
                    rows.append((line, grammar.fields(record).map { grammar.text($0, in: record) }))
                }
                line += 1 + record.reduce(0) { $0 + ($1 == grammar.lineEnd ? 1 : 0) }
                at = end + 1
            }
            let body = rows.dropFirst(headerRows)
            return Set(TableHeader.totals(body.map(\.fields)).map { body[body.startIndex + $0].line + 1 })
        }
    }

    /// The unit separator of ASCII, which texts do not have.
    private static let noDelimiter: UInt8 = 0x1F

    private typealias Row = (start: Int, line: Int, fields: [String])

    /// The first rows, as a grammar cuts them.
    private static func rows(
        _ head: UnsafeBufferPointer<UInt8>, _ grammar: DelimitedGrammar, from start: Int, line: Int, isWhole: Bool
    ) -> [Row] {
        var rows: [Row] = []
        var at = start
        var line = line
        while rows.count < sampleLines, at < head.count, let end = grammar.recordEnd(head, from: at, isLast: isWhole) {
            let record = UnsafeBufferPointer(rebasing: head[at..<end])
            if record.contains(where: { $0 > 32 }) {
                rows.append((at, line, grammar.fields(record).map { grammar.text($0, in: record) }))
            }
            line += 1 + record.reduce(0) { $0 + ($1 == grammar.lineEnd ? 1 : 0) }
            at = end + 1
        }
        return rows
    }

    /// Whether a quote with a backslash before it stands within the first lines.
    private static func holdsEscapedQuotes(_ head: UnsafeBufferPointer<UInt8>) -> Bool {
        var at = 0
        while let found = head.firstIndex(of: DelimitedGrammar.quote, from: at) {
            if found > 0, head[found - 1] == UInt8(ascii: "\\") { return true }
            at = found + 1
        }
        return false
    }

    /// Whether a quote stands behind a delimiter and a space.
    private static func holdsSpacedQuotes(_ head: UnsafeBufferPointer<UInt8>, _ delimiter: UInt8) -> Bool {
        var at = 0
        while let found = head.firstIndex(of: DelimitedGrammar.quote, from: at) {
            if found > 1, head[found - 1] == 32, head[found - 2] == delimiter { return true }
            at = found + 1
        }
        return false
    }

    /// The share of rows that are not as wide as most.
    private static func unevenShare(_ rows: [Row]) -> Double {
        guard let first = rows.first?.fields.count else { return 1 }
        return Double(rows.count { $0.fields.count != first }) / Double(rows.count)
    }

    /// The candidate that most lines have the same number of times.
    private static func delimiter(
        in head: UnsafeBufferPointer<UInt8>, from start: Int, lineEnd: UInt8, named: UInt8?, isWhole: Bool
    ) -> UInt8? {
        var best: (byte: UInt8, score: Double)?
        let rare = [UInt8(ascii: "^"), UInt8(ascii: "~"), UInt8(ascii: ":"), UInt8(ascii: "#")]
        for byte in [named, UInt8(ascii: ","), 9, UInt8(ascii: ";"), UInt8(ascii: "|")].compactMap({ $0 }) + rare {
            let grammar = DelimitedGrammar(delimiter: byte, lineEnd: lineEnd)
            var counts: [Int] = []
            var at = start
            while counts.count < sampleLines, at < head.count,
                let end = grammar.recordEnd(head, from: at, isLast: isWhole)
            {
                let record = UnsafeBufferPointer(rebasing: head[at..<end])
                if record.contains(where: { $0 > 32 }) { counts.append(grammar.fields(record).count) }
                at = end + 1
            }
            guard let header = counts.first else { continue }
            let common = mode(counts[...])
            // The last fields of a row may be left away: rows shorter than the header are no worse than a sign that
            // stands in texts, and divides evenly by chance.
            let even = counts.count { $0 == common }
            let short = header >= 3 ? counts.count { $0 > 1 && $0 != common && $0 <= header } : 0
            let share = (Double(even) + 0.97 * Double(short)) / Double(counts.count)
            guard common > 1 else { continue }
            // Commas of sentences below a name of one column.
            if header == 1, byte != 9, isProse(head, from: start, delimiter: byte) { continue }
            // Signs that also stand in texts: only where every line has them, and no other sign divides the lines so.
            if rare.contains(byte), share < 1 || counts.count < 3 || (best.map { $0.score > 0.9 } ?? false) { continue }
            // The delimiter of the name is preferred where the header has it.
            let isLikely = byte == named && header > 1 && !isProse(head, from: start, delimiter: byte)
            let bonus = isLikely ? 1.0 : 0
            let score = share + bonus + min(Double(common), 20) / 100
            if best.map({ score > $0.score }) ?? true { best = (byte, score) }
        }
        if let best { return best.byte }
        let end = head.firstIndex(of: lineEnd, from: start) ?? head.count
        return named.flatMap { head[min(start, end)..<end].contains($0) ? $0 : nil }
    }

    /// Whether a sign stands before spaces nearly everywhere, as it does in sentences and not in tables.
    private static func isProse(_ head: UnsafeBufferPointer<UInt8>, from start: Int, delimiter: UInt8) -> Bool {
        var (all, spaced) = (0, 0)
        var at = start
        while let found = head.firstIndex(of: delimiter, from: at) {
            all += 1
            if found + 1 < head.count, head[found + 1] == 32 { spaced += 1 }
            at = found + 1
        }
        return all > 0 && spaced * 10 >= all * 9
    }

    private static func mode(_ counts: ArraySlice<Int>) -> Int {
        var tally: [Int: Int] = [:]
        for count in counts { tally[count, default: 0] += 1 }
        return tally.max { ($0.value, $0.key) < ($1.value, $1.key) }?.key ?? 0
    }

    /// A header has names: no empty text only, no plain number, no long text. A table of which the first row has a number
    /// where the others have one too is a table without a header.
    private static func looksLikeHeader(_ names: [String], rows: [[String]]) -> Bool {
        guard !rows.isEmpty else { return true }
        func isNumber(_ text: String) -> Bool { Double(text.trimmed()) != nil }
        if names.contains(where: { $0.utf8.count > 120 }) { return false }
        for (index, name) in names.enumerated() where isNumber(name) {
            // Years are names of columns; a number above numbers that is no year is a value.
            if let year = Int(name), (1800...2200).contains(year) { continue }
            if rows.allSatisfy({ index < $0.count && isNumber($0[index]) }) { return false }
        }
        return true
    }

    /// Names for columns without one, and different names for columns of the same name.
    static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.enumerated().map { index, name in
            var chosen = name.isEmpty ? "column \(index + 1)" : name
            var number = 2
            while !seen.insert(chosen).inserted {
                chosen = "\(name.isEmpty ? "column \(index + 1)" : name) \(number)"
                number += 1
            }
            return chosen
        }
    }
}
