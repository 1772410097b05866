// SPDX-License-Identifier: Apache-2.0

import Foundation
package import Reading
import Text

/// Reads tables as people write them (header and rows of cells) into typed columns: numbers with units and footnotes,
/// dates with and without years, blanks.
package enum TableReading {
    /// A table from lines of cells parted by " | ". The first line is the header, together with those after it whose first
    /// cell is empty as well: the parts of a column's name stand one above the other there.
    package static func table(lines text: String) -> DocumentTable? {
        guard text.contains(" | ") else { return nil }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true).map(cells)
        guard var header = lines.first, lines.count > 1 else { return nil }
        var body = Array(lines.dropFirst())
        if header[0].isEmpty {
            // A name over several columns stands over the first of them.
            var above = ""
            for place in header.indices.dropFirst() {
                if header[place].isEmpty { header[place] = above } else { above = header[place] }
            }
            while let next = body.first, next[0].isEmpty, body.count > 1 {
                let width = max(header.count, next.count)
                header = (0..<width).map { place in
                    let parts = [header, next].compactMap { place < $0.count ? $0[place] : nil }.filter { !$0.isEmpty }
                    return parts.joined(separator: " ")
                }
                body.removeFirst()
            }
            if header[0].isEmpty { header[0] = "item" }
        }
        return table(header: header, rows: body)
    }

    /// The cells of a line; an outer space belongs to the separators.
    private static func cells(_ line: Substring) -> [String] {
        (" " + line + " ").components(separatedBy: " | ").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    package static func table(header: [String], rows: [[String]]) -> DocumentTable? {
        let columns = header.indices.map { place in
            column(header[place], rows.map { place < $0.count ? $0[place] : "" })
        }
        guard !columns.isEmpty else { return nil }
        return DocumentTable(columns: columns, rowCount: rows.count, rowsAreOrdered: true)
    }

    private static let blanks: Set<String> = ["", "-", "–", "—", "--", "n/a", "?", "na", "tba", "tbd", "…", "..."]

    /// A column typed by what most of its cells are.
    package static func column(_ name: String, _ cells: [String]) -> DocumentTable.Column {
        let filled = cells.filter { !blanks.contains($0.lowercased()) }
        let dates = filled.compactMap(DateReading.seconds)
        let numbers = filled.compactMap(number)
        let pure = filled.count { isPureNumber($0) }
        let isDate = !filled.isEmpty && dates.count * 10 >= filled.count * 7
        let isOrdered = !isDate && numbers.count * 10 >= filled.count * 7 && !filled.isEmpty
        let kind: DocumentTable.Kind = isDate ? .date : isOrdered && pure * 10 >= filled.count * 9 ? .number : .text
        func scale(_ text: String) -> Double { (isDate ? DateReading.seconds(text) : number(text)) ?? .nan }
        let distinct = Set(filled).map { (text: $0, number: isDate || isOrdered ? scale($0) : .nan) }.sorted { a, b in
            switch (a.number.isNaN, b.number.isNaN) {
            case (false, false) where a.number != b.number: return a.number < b.number
            case (true, false): return false
            case (false, true): return true
            default: return a.text < b.text
            }
        }
        let codes = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1.text, UInt32($0 + 1)) })
        return DocumentTable.Column(
            name: name, kind: kind, texts: distinct.map(\.text), numbers: distinct.map(\.number),
            codes: cells.map { codes[$0] ?? 0 }, isOrdered: isDate || isOrdered)
    }

    /// The number that a cell begins with: "$1,452.4", "12 (3)", "2–1", "4:32.5" as seconds, "(5)" as negative in accounts.
    package static func number(_ cell: String) -> Double? {
        var text = Substring(cell)
        while let first = text.first, "$€£¥~≈<>#( \u{00A0}\"'".contains(first) { text = text.dropFirst() }
        let isAccountNegative = cell.hasPrefix("(") || cell.hasPrefix("$(") || cell.hasPrefix("$ (")
        var digits = ""
        var sign = 1.0
        if let first = text.first, "-−–+".contains(first) {
            if first != "+" { sign = -1 }
            text = text.dropFirst()
            while text.first == " " || text.first == "$" { text = text.dropFirst() }
        }
        var colons: [Double] = []
        while let character = text.first {
            if character.isASCII, character.isNumber {
                digits.append(character)
            } else if character == ",", !digits.isEmpty {
                // Thousands only.
                guard text.dropFirst().prefix(3).allSatisfy({ $0.isNumber }), text.dropFirst().prefix(3).count == 3
                else { break }
            } else if character == ".", !digits.contains("."), text.dropFirst().first?.isNumber == true {
                digits.append(digits.isEmpty ? "0." : ".")
            } else if character == ":", text.dropFirst().first?.isNumber == true, let part = Double(digits) {
                colons.append(part)
                digits = ""
            } else {
                break
            }
            text = text.dropFirst()
        }
        guard let last = Double(digits) else { return nil }
        // A word that goes on in letters ("2nd Battalion") is a name unless it is an ordinal or a unit.
        let rest = text.prefix(2).lowercased()
        if let letter = rest.first, letter.isLetter,
            !["st", "nd", "rd", "th", "km", "m", "ft", "kg", "%"].contains(rest),
            text.prefix(while: { $0.isLetter }).count > 3
        {
            return nil
        }
        let value = colons.reduce(0) { $0 * 60 + $1 } * (colons.isEmpty ? 1 : 60) + last
        return (isAccountNegative && cell.contains(")") && !cell.contains(" ") ? -1 : sign) * value
    }

    private static func isPureNumber(_ cell: String) -> Bool {
        guard number(cell) != nil else { return false }
        return cell.count { $0.isLetter } <= 2
    }
}

/// How answers to questions over tables are compared: as sets of values, numbers by what they are.
package enum AnswerMatch {
    /// One form for one value.
    package static func normal(_ text: String) -> String {
        var folded = TextFolding.fold(text)
        while let open = folded.lastIndex(of: "["), folded.hasSuffix("]"), open > folded.startIndex {
            folded = String(folded[..<open])
        }
        let trimmed = folded.filter { !"\"“”'`,$€£%".contains($0) }.split { $0 == " " || $0 == "\u{00A0}" }
            .joined(separator: " ").trimmingCharacters(in: .init(charactersIn: " .;:"))
        if let number = Double(trimmed), number.isFinite {
            return Denotation.shown(number)
        }
        return trimmed
    }

    package static func isRight(_ denotation: Denotation, _ gold: Set<String>, in table: DocumentTable) -> Bool {
        let texts = denotation.texts(in: table)
        if Set(texts.map(normal)) == gold { return true }
        if texts.count == 1, gold.count == 1, case .number(let number) = denotation, let wanted = gold.first {
            return isRounded(number, to: wanted)
        }
        // A list may stand in the gold answer as one text.
        return gold.count == 1 && texts.count > 1 && gold.contains(normal(texts.joined(separator: ", ")))
    }

    /// Whether a number is the gold one once it is rounded to as many decimals; never for whole numbers.
    private static func isRounded(_ number: Double, to gold: String) -> Bool {
        guard let wanted = Double(gold), let point = gold.firstIndex(of: ".") else { return false }
        let decimals = gold.distance(from: point, to: gold.endIndex) - 1
        return abs(number - wanted) <= 0.5000001 * pow(10, -Double(decimals))
    }
}
