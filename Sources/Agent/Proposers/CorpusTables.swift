// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Reading
import Synchronization
import Text
import Tools

/// Corpora as tables for reading questions, one a generation, made when first needed.
enum CorpusTables {
    /// Corpora of more documents are not read into a table.
    static let mostDocuments = 200_000
    /// Corpora with more values (documents times fields) are not read into a table either.
    static let mostValues = 4_000_000
    /// Corpora with more values are read only for questions whose words ask of many.
    static let readilyRead = 100_000

    /// How many values a corpus may have.
    static func values(_ summary: CorpusSummary) -> Int {
        summary.documentCount * (summary.fields.count + 1)
    }

    private struct Entry {
        var fingerprint: String
        var index: TableIndex
    }

    private static let recent = Mutex<[Entry]>([])

    /// The table of a corpus; nil when it is too large.
    static func index(of corpus: any RetrievalCorpus) async throws -> TableIndex? {
        let summary = corpus.summary
        guard summary.documentCount > 0, summary.documentCount <= mostDocuments, values(summary) <= mostValues
        else { return nil }
        let fingerprint = corpus.fingerprint
        if let known = recent.withLock({ $0.first { $0.fingerprint == fingerprint }?.index }) { return known }
        let index = TableIndex(try await table(of: corpus))
        recent.withLock { entries in
            entries.removeAll { $0.fingerprint == fingerprint }
            entries.insert(Entry(fingerprint: fingerprint, index: index), at: 0)
            if entries.count > 4 { entries.removeLast() }
        }
        return index
    }

    /// Reads titles and metadata of every document.
    private static func table(of corpus: any RetrievalCorpus) async throws -> DocumentTable {
        let summary = corpus.summary
        let count = summary.documentCount
        var titles: [MetadataValue?] = []
        var hasTitles = false
        var places = Set<Substring>()
        var values: [[MetadataValue?]] = Array(repeating: [], count: summary.fields.count)
        for start in stride(from: 0, to: count, by: 4096) {
            try Task.checkCancellation()
            let ordinals = (start..<min(count, start + 4096)).map { DocumentOrdinal($0) }
            for document in try await corpus.documents(at: ordinals) {
                if !document.title.isEmpty { hasTitles = true }
                // "machines/maintenance:4": what comes before the row's number.
                if places.count < 64, let end = document.id.lastIndex(of: ":") { places.insert(document.id[..<end]) }
                let title = document.title.isEmpty ? document.id : document.title
                titles.append(.text(title))
                for (place, field) in summary.fields.enumerated() {
                    values[place].append(document.metadata[field.name])
                }
            }
        }
        if hasTitles {
            // Beside documents that have a title the number of a row names nothing.
            titles = titles.map { title in
                guard case .text(let text)? = title, let end = text.lastIndex(of: ":"), places.contains(text[..<end]),
                    Int(text[text.index(after: end)...]) != nil
                else { return title }
                return nil
            }
        }
        // A field that repeats the titles, as a table's names do, is the column of the titles already.
        var columns = zip(summary.fields, values).filter { $0.1 != titles }.map { column($0.0.name, $0.0.type, $0.1) }
        var title = column("title", .text, titles, isTitle: true)
        title.isHidden = !hasTitles
        columns.append(title)
        return DocumentTable(
            columns: columns, rowCount: titles.count,
            recordNouns: places.reduce(into: Set()) { $0.formUnion(QuestionReader.stems($1)) })
    }

    private static func column(
        _ name: String, _ type: FieldType, _ cells: [MetadataValue?], isTitle: Bool = false
    ) -> DocumentTable.Column {
        func elements(_ value: MetadataValue?) -> [MetadataValue] {
            guard let value else { return [] }
            if case .list(let elements) = value { return elements.filter { $0 != .text("") } }
            return value == .text("") ? [] : [value]
        }
        let distinct = Set(cells.flatMap(elements)).sorted(by: isBelow)
        let codes = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1, UInt32($0 + 1)) })
        var first: [UInt32] = []
        first.reserveCapacity(cells.count)
        var further: [Int: [UInt32]] = [:]
        for (row, cell) in cells.enumerated() {
            let own = elements(cell).compactMap { codes[$0] }
            first.append(own.first ?? 0)
            if own.count > 1 { further[row] = own }
        }
        let kind: DocumentTable.Kind
        switch type {
        case .number, .numberList: kind = .number
        case .date: kind = .date
        case .boolean: kind = .boolean
        case .text, .textList: kind = .text
        }
        return DocumentTable.Column(
            name: name, kind: kind, texts: distinct.map(shown), numbers: distinct.map(number), codes: first,
            further: further, isOrdered: type == .number || type == .date, isTitle: isTitle)
    }

    private static func shown(_ value: MetadataValue) -> String {
        switch value {
        case .text(let text): return text
        case .number(let number): return Denotation.shown(number)
        case .integer(let integer): return String(integer)
        case .boolean(let boolean): return boolean ? "true" : "false"
        case .date(let seconds): return String(CalendarDate.text(seconds: seconds).prefix(10))
        case .list: return ""
        }
    }

    private static func number(_ value: MetadataValue) -> Double {
        switch value {
        case .number(let number): return number
        case .integer(let integer): return Double(integer)
        case .boolean(let boolean): return boolean ? 1 : 0
        case .date(let seconds): return Double(seconds)
        case .text, .list: return .nan
        }
    }

    private static func isBelow(_ a: MetadataValue, _ b: MetadataValue) -> Bool {
        if case .text(let x) = a, case .text(let y) = b { return x < y }
        return number(a) < number(b)
    }
}
