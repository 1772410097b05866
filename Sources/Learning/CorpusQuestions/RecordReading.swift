// SPDX-License-Identifier: Apache-2.0

package import Base
import Foundation
import OrderedCollections
package import Reading
import Text

/// Documents with metadata as a table, for training without an index.
package struct RecordCollection: Sendable {
    package let index: TableIndex
    /// The words of each row's title and text, with a space around each.
    private let texts: [String]

    /// - Parameter documents: objects with `id`, `title`, `text` and `metadata`.
    package init(documents: [JSONValue]) {
        var names: [String] = []
        var seen: Set<String> = []
        for document in documents {
            for name in document["metadata"]?.object?.keys ?? [] where seen.insert(name).inserted { names.append(name) }
        }
        names.sort()
        var columns = names.map { name in Self.column(name, documents.map { $0["metadata"]?[name] }) }
        columns.append(
            Self.column(
                "title",
                documents.map { document in
                    let title = document["title"]?.string ?? ""
                    return .string(title.isEmpty ? document["id"]?.string ?? "" : title)
                }, isTitle: true))
        index = TableIndex(DocumentTable(columns: columns, rowCount: documents.count))
        texts = documents.map { document in
            let words = TextMention.words(
                in: (document["title"]?.string ?? "") + "\n" + (document["text"]?.string ?? ""))
            return " " + words.joined(separator: " ") + " "
        }
    }

    /// The rows that mention the phrases of a question.
    package func mentions(in question: String) -> [String: RowBits] {
        var found: [String: RowBits] = [:]
        for phrase in TextMention.phrases(in: question) {
            found[phrase] = RowBits(
                rowCount: texts.count, rows: texts.indices.filter { texts[$0].contains(" " + phrase + " ") })
        }
        return found
    }

    private enum Cell: Hashable {
        case text(String)
        case number(Double)
        case boolean(Bool)
    }

    private static func cells(_ value: JSONValue?) -> [Cell] {
        switch value {
        case .string(let text): return text.isEmpty ? [] : [.text(text)]
        case .integer(let number): return [.number(Double(number))]
        case .number(let number): return [.number(number)]
        case .bool(let boolean): return [.boolean(boolean)]
        case .array(let elements): return elements.flatMap { cells($0) }
        default: return []
        }
    }

    private static func column(_ name: String, _ values: [JSONValue?], isTitle: Bool = false) -> DocumentTable.Column {
        let rows = values.map(cells)
        let distinct = Set(rows.flatMap { $0 })
        func date(_ cell: Cell) -> Double? {
            guard case .text(let text) = cell else { return nil }
            return DateReading.iso(text)
        }
        var kind = DocumentTable.Kind.text
        if !distinct.isEmpty {
            if distinct.allSatisfy({ if case .number = $0 { true } else { false } }) { kind = .number }
            if distinct.allSatisfy({ if case .boolean = $0 { true } else { false } }) { kind = .boolean }
            if distinct.allSatisfy({ date($0) != nil }) { kind = .date }
        }
        func number(_ cell: Cell) -> Double {
            switch cell {
            case .number(let number): return number
            case .boolean(let boolean): return boolean ? 1 : 0
            case .text: return kind == .date ? date(cell) ?? .nan : .nan
            }
        }
        func shown(_ cell: Cell) -> String {
            switch cell {
            case .text(let text): return kind == .date ? String(text.prefix(10)) : text
            case .number(let number): return Denotation.shown(number)
            case .boolean(let boolean): return boolean ? "true" : "false"
            }
        }
        let sorted = distinct.sorted { a, b in
            let (x, y) = (number(a), number(b))
            return x == y || x.isNaN || y.isNaN ? shown(a) < shown(b) : x < y
        }
        let codes = Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1, UInt32($0 + 1)) })
        var further: [Int: [UInt32]] = [:]
        for (row, cells) in rows.enumerated() where cells.count > 1 { further[row] = cells.compactMap { codes[$0] } }
        return DocumentTable.Column(
            name: name, kind: kind, texts: sorted.map(shown), numbers: sorted.map(number),
            codes: rows.map { $0.first.flatMap { codes[$0] } ?? 0 }, further: further, isTitle: isTitle)
    }
}
