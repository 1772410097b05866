// SPDX-License-Identifier: Apache-2.0

import Base

/// What stands around the rows of a table: notes above its header, a header of two rows, rows of totals below.
enum TableHeader {
    /// Whether a text is a number as people write it: digits with points, commas, spaces and apostrophes between them, and
    /// a sign, a currency or a percent sign around them.
    static func isNumeric(_ text: String) -> Bool {
        guard text.utf8.count <= 40 else { return false }
        var (digits, letters) = (0, 0)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "0"..."9": digits += 1
            case ".", ",", " ", "'", "’", "-", "+", "−", "(", ")", "%", "€", "$", "£", "¥", "₹", "\u{A0}", "\u{202F}":
                break
            default:
                guard scalar.properties.isAlphabetic else { return false }
                letters += 1
            }
        }
        // A currency by its letters: EUR, Kč, zł.
        return digits > 0 && (letters == 0 || (letters <= 3 && digits >= letters && hasLettersAtAnEnd(text)))
    }

    private static func hasLettersAtAnEnd(_ text: String) -> Bool {
        let parts = text.split(separator: " ")
        return parts.count == 2 && (parts[0].allSatisfy(\.isLetter) || parts[1].allSatisfy(\.isLetter))
    }

    private static func isBlank(_ text: String) -> Bool { text.utf8.allSatisfy { $0 <= 32 } }

    // MARK: The header

    /// The row with the names of the columns, where notes of other widths stand above it; nil where none do, or no row
    /// looks like one.
    /// - Parameters:
    ///   - rows: the first rows, without blank ones.
    ///   - lines: the line of each.
    ///   - width: how many columns most rows have.
    static func belowNotes(_ rows: [[String]], lines: [Int], width: Int) -> Int? {
        guard width >= 3, rows.count >= 3 else { return nil }
        let filled = rows.map { row in row.count { !isBlank($0) } }
        for (index, row) in rows.prefix(40).enumerated() {
            guard filled[index] * 2 > width, filled[index] > 2 else { continue }
            guard index > 0 else { return nil }
            // A note may be nearly as wide as the table, but no row of names has gaps in it.
            let values = row.filter { !isBlank($0) }.map { $0.trimmed() }
            let isNames =
                filled[index] * 5 >= width * 3 && Set(values).count == values.count
                && values.allSatisfy { !isNumeric($0) && $0.utf8.count <= 120 }
            guard isNames else { continue }
            let below = rows[(index + 1)...].prefix(50)
            guard !below.isEmpty else { return nil }
            let isTyped = row.indices.contains { column in
                let cells = below.compactMap { column < $0.count && !isBlank($0[column]) ? $0[column].trimmed() : nil }
                return cells.count * 2 >= below.count && cells.count { holdsDigit($0) } * 10 >= cells.count * 8
            }
            let isApart = lines[index] - lines[index - 1] > 1
            guard isTyped || isApart || filled[..<index].allSatisfy({ $0 <= 1 }) else { return nil }
            // Years or groups above the names belong to them.
            let above = rows[index - 1]
            let isGroup = above.first.map(isBlank) == true && filled[index - 1] > 0 && !isApart
            return isGroup ? index - 1 : index
        }
        return nil
    }

    private static func holdsDigit(_ text: String) -> Bool { text.utf8.contains { $0 >= 48 && $0 < 58 } }

    /// The names of columns whose header has a second row (units, quarters of years); nil where the row below the names is a row of
    /// values.
    /// - Parameter body: the rows below both.
    static func joined(_ top: [String], _ second: [String], body: some Collection<[String]>) -> [String]? {
        guard body.count >= 3, top.count >= 2 else { return nil }
        var numeric: [Int] = []
        for column in second.indices {
            let cells = body.compactMap { column < $0.count && !isBlank($0[column]) ? $0[column].trimmed() : nil }
            if cells.count >= 2, cells.count * 2 >= body.count, cells.count(where: isNumeric) * 10 >= cells.count * 8 {
                numeric.append(column)
            }
        }
        guard !numeric.isEmpty else { return nil }
        for column in second.indices {
            let own = second[column].trimmed()
            let above = column < top.count ? top[column].trimmed() : ""
            if numeric.contains(column) {
                if isNumeric(own) || own.utf8.count > 24 || missing.contains(own.lowercased()) { return nil }
                // The name may stand over both rows.
                if own.isEmpty, above.isEmpty || numeric.count == 1 { return nil }
            } else if !own.isEmpty, !above.isEmpty, own != above {
                return nil
            }
        }
        guard numeric.contains(where: { !isBlank(second[$0]) }) else { return nil }
        return names(top, second)
    }

    private static let missing: Set<String> = [
        "-", "--", "–", "—", "n/a", "na", "nan", "null", "none", "?", "x", "...", "…",
    ]

    /// The names of two rows as one.
    static func names(_ top: [String], _ second: [String]) -> [String] {
        var top = top.map { $0.collapsed() } + Array(repeating: "", count: max(0, second.count - top.count))
        let second = second.map { $0.collapsed() } + Array(repeating: "", count: max(0, top.count - second.count))
        let parts = second.filter { !$0.isEmpty }
        if Set(parts).count < parts.count {
            // A group's name stands once, over the first of its columns.
            for column in top.indices.dropFirst() where top[column].isEmpty && !second[column].isEmpty {
                top[column] = top[column - 1]
            }
        }
        let groups = top.filter { !$0.isEmpty }
        let isEachItsOwn = Set(groups).count == groups.count
        return zip(top, second).map { above, own in
            if own.isEmpty || own == above { return above }
            if above.isEmpty { return own }
            return isEachItsOwn ? "\(above) (\(own))" : "\(above) \(own)"
        }
    }

    // MARK: Totals

    private static let totalWords: Set<String> = [
        "total", "totals", "grand total", "sum", "summe", "summen", "gesamt", "gesamtsumme", "gesamtergebnis",
        "insgesamt",
        "somme", "total général", "total general", "totaal", "totale", "totali", "totalt", "suma", "razem", "ogółem",
        "celkem", "spolu", "összesen", "итого", "всего", "разом", "toplam", "genel toplam", "σύνολο", "yhteensä",
        "i alt",
        "ukupno", "skupaj", "合計", "总计", "合计", "總計", "합계", "총계", "σ", "∑", "sum total", "totaux", "totais",
    ]
    private static let partWords: Set<String> = [
        "subtotal", "sub-total", "sub total", "sous-total", "zwischensumme", "teilsumme", "subtotaal", "subtotale",
        "小计",
        "小計", "소계", "delsumma", "suma częściowa", "mezisoučet", "промежуточный итог",
    ]

    /// Whether a row says that it is a sum of others: its first value is a word for it, and its other values are numbers.
    /// - Parameter numbers: how many numbers it must have.
    static func isTotal(_ cells: some Collection<String>, numbers: Int = 1, isPart: Bool = false) -> Bool {
        var label: String?
        var count = 0
        for cell in cells where !isBlank(cell) {
            if label == nil {
                guard cell.utf8.count <= 40 else { return false }
                let plain = cell.trimmed().lowercased()
                let word = plain.last == ":" ? String(plain.dropLast()).trimmed() : plain
                guard (isPart ? partWords : totalWords).contains(word) else { return false }
                label = word
            } else {
                guard isNumeric(cell.trimmed()) else { return false }
                count += 1
            }
        }
        return label != nil && count >= numbers
    }

    /// The rows of totals of a whole table, by their places: sums in the last rows, and sums of parts anywhere.
    static func totals(_ rows: [[String]]) -> Set<Int> {
        var found = Set(rows.indices.filter { isTotal(rows[$0], isPart: true) })
        var last = rows.count - 1
        // Remarks may stand below.
        while last > 0, rows[last].count(where: { !isBlank($0) }) <= 1 { last -= 1 }
        while last > 0, found.contains(last) || isTotal(rows[last]) {
            found.insert(last)
            last -= 1
        }
        // A sum below each part of a table, and one of all at its end.
        if !found.isEmpty, let end = found.max(), isTotal(rows[end]) {
            found.formUnion(rows.indices.filter { isTotal(rows[$0], numbers: 2) })
        }
        return found
    }
}
