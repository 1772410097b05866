// SPDX-License-Identifier: Apache-2.0

import Text

/// The documents of a corpus as a table: a row a document, a column a metadata field, and the title as a column of its own.
///
/// It is what questions about a whole corpus are read against: names and values to link words to, and codes to run
/// programs over. Pure: whoever has a corpus fills it in once a generation.
package struct DocumentTable: Sendable {
    /// How a column's values are compared.
    package enum Kind: String, Sendable, Hashable { case text, number, date, boolean }

    /// One field. Each distinct value has a code from 1 on; 0 is none.
    package struct Column: Sendable {
        package var name: String
        package var kind: Kind
        /// The distinct values as they are shown; `texts[code - 1]`.
        package var texts: [String]
        /// The value of each code on a scale: numbers, seconds since 1970 for dates, 0 and 1 for booleans; NaN for none.
        package var numbers: [Double]
        /// The code of each row; for lists the first element's.
        package var codes: [UInt32]
        /// For lists: all codes of the rows that have more than one.
        package var further: [Int: [UInt32]]
        /// Whether rows can be put in the order of `numbers`.
        package var isOrdered: Bool
        /// The title of the documents, which is no metadata field.
        package var isTitle: Bool
        /// Whether its values are names that a program gave, which are no answer to anything.
        package var isHidden = false

        package init(
            name: String, kind: Kind, texts: [String], numbers: [Double] = [], codes: [UInt32],
            further: [Int: [UInt32]] = [:], isOrdered: Bool? = nil, isTitle: Bool = false
        ) {
            self.name = name
            self.kind = kind
            self.texts = texts
            self.numbers = numbers.count == texts.count ? numbers : Array(repeating: .nan, count: texts.count)
            self.codes = codes
            self.further = further
            self.isOrdered = isOrdered ?? (kind == .number || kind == .date)
            self.isTitle = isTitle
        }

        /// All codes of a row.
        func allCodes(ofRow row: Int) -> [UInt32] {
            if let more = further[row] { return more }
            return codes[row] == 0 ? [] : [codes[row]]
        }

        /// The row's value on the column's scale; NaN for none.
        package func number(ofRow row: Int) -> Double {
            let code = codes[row]
            return code == 0 ? .nan : numbers[Int(code) - 1]
        }
    }

    package var columns: [Column]
    package let rowCount: Int
    /// Whether the rows have an order that people mean by "first", "last", "next" and "above".
    package var rowsAreOrdered: Bool
    /// The stems of words that the records themselves may be called by: those of the files that they come from.
    package var recordNouns: Set<String> = []

    package init(columns: [Column], rowCount: Int, rowsAreOrdered: Bool = false, recordNouns: Set<String> = []) {
        self.columns = columns
        self.rowCount = rowCount
        self.rowsAreOrdered = rowsAreOrdered
        self.recordNouns = recordNouns
    }

    /// The column of the titles.
    package var titleColumn: Int? { columns.firstIndex { $0.isTitle } }
}

/// A set of rows, a bit each.
package struct RowBits: Sendable, Hashable {
    private(set) var words: [UInt64]
    package let rowCount: Int

    init(rowCount: Int, all: Bool = false) {
        self.rowCount = rowCount
        words = Array(repeating: all ? ~0 : 0, count: (rowCount + 63) / 64)
        if all, rowCount % 64 != 0, let last = words.indices.last { words[last] = (1 << UInt64(rowCount % 64)) - 1 }
    }

    package init(rowCount: Int, rows: some Sequence<Int>) {
        self.init(rowCount: rowCount)
        for row in rows where row >= 0 && row < rowCount { insert(row) }
    }

    mutating func insert(_ row: Int) { words[row >> 6] |= 1 << UInt64(row & 63) }
    mutating func remove(_ row: Int) { words[row >> 6] &= ~(1 << UInt64(row & 63)) }
    func contains(_ row: Int) -> Bool { words[row >> 6] & (1 << UInt64(row & 63)) != 0 }

    package var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    mutating func formIntersection(_ other: RowBits) {
        for index in words.indices { words[index] &= other.words[index] }
    }

    mutating func formUnion(_ other: RowBits) {
        for index in words.indices { words[index] |= other.words[index] }
    }

    mutating func subtract(_ other: RowBits) {
        for index in words.indices { words[index] &= ~other.words[index] }
    }

    /// The rows, ascending.
    package var rows: [Int] {
        var rows: [Int] = []
        rows.reserveCapacity(count)
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                rows.append(index << 6 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
        return rows
    }
}
