// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import OrderedCollections
import Synchronization
import Text
import Tools

/// What a model is told of the corpus before its first call: its size, what kind of text it holds, and the metadata fields
/// with their types and some of their values. A call can then name what is there, and need not guess.
struct CorpusCard: Sendable, Hashable {
    /// A field with a few of its values: the most frequent texts, the least and the greatest number or date.
    struct Field: Sendable, Hashable {
        var name: String
        var type: FieldType
        var values: [String]
    }

    var documents: Int
    var passages: Int
    var fields: [Field]
    /// Some titles, evenly from the first document to the last.
    var titles: [String]
    /// The mean length of a passage, in words; 0 when it is not known.
    var words: Int

    /// The most fields whose values are looked up.
    static let mostFields = 12
    /// The most documents over which values are counted: beyond, the card names fields without values.
    static let mostDocuments = 200_000

    /// The card in a few lines. Values and titles are corpus text: they are written as data, without control tokens.
    /// - Parameter isCompact: fewer values and titles, for a model that reads little.
    func text(isCompact: Bool) -> String {
        var lines = [
            "The corpus: \(documents) documents, \(passages) passages"
                + (words > 0 ? " of about \(words) words" : "") + "."
        ]
        let shownTitles = titles.prefix(isCompact ? 2 : 3).map { "\"\(Self.short($0, isCompact ? 40 : 60))\"" }
        if !shownTitles.isEmpty { lines.append("Titles are such as " + shownTitles.joined(separator: ", ") + ".") }
        let shown = fields.prefix(isCompact ? 8 : Self.mostFields).map { field in
            let values = field.values.prefix(isCompact ? 2 : 4).map { Self.short($0, 30) }
            let isRange = field.type == .date || field.type == .number || field.type == .numberList
            let list = values.joined(separator: isRange ? " to " : ", ")
            return "\(field.name) (\(field.type.description)\(list.isEmpty ? "" : ": " + list))"
        }
        if !shown.isEmpty {
            let more = fields.count > shown.count ? " and \(fields.count - shown.count) more" : ""
            lines.append("Metadata fields: " + shown.joined(separator: "; ") + more + ".")
        }
        return Fence.neutralised(lines.joined(separator: "\n"))
    }

    private static func short(_ text: String, _ most: Int) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > most ? line.prefix(most) + "…" : line
    }

    /// The card of a corpus; looked up once for each generation of it. What cannot be looked up is left out.
    static func of(_ corpus: any RetrievalCorpus) async -> CorpusCard {
        let key = corpus.fingerprint
        if let known = cards.withLock({ $0[key] }) { return known }
        let card = await make(corpus)
        cards.withLock { cards in
            if cards.count >= 16 { cards.removeFirst() }
            cards[key] = card
        }
        return card
    }

    private static let cards = Mutex<OrderedDictionary<String, CorpusCard>>([:])

    private static func make(_ corpus: any RetrievalCorpus) async -> CorpusCard {
        let summary = corpus.summary
        var card = CorpusCard(
            documents: summary.documentCount, passages: summary.passageCount, fields: [], titles: [], words: 0)
        let count = summary.documentCount
        if count > 0 {
            let places = OrderedSet([0, count / 2, count - 1].map { DocumentOrdinal($0) })
            let documents = (try? await corpus.documents(at: Array(places))) ?? []
            card.titles = documents.map(\.title).filter { !$0.isEmpty }
            let samples = documents.compactMap(\.passages.first)
            let texts = ((try? await corpus.passages(at: samples)) ?? []).map(\.text)
            if !texts.isEmpty {
                card.words = texts.reduce(0) { $0 + $1.split(whereSeparator: \.isWhitespace).count } / texts.count
            }
        }
        let all = OrdinalSet(0..<DocumentOrdinal(count))
        for field in summary.fields.sorted(by: { ($0.documentCount, $1.name) > ($1.documentCount, $0.name) }) {
            var values: [String] = []
            if card.fields.count < mostFields, count <= mostDocuments {
                values = (try? await self.values(of: field, in: corpus, among: all)) ?? []
            }
            card.fields.append(Field(name: field.name, type: field.type, values: values))
        }
        return card
    }

    private static func values(
        of field: CorpusField, in corpus: any RetrievalCorpus, among documents: OrdinalSet
    ) async throws -> [String] {
        let request: AggregateRequest
        switch field.type {
        case .number, .numberList, .date:
            request = AggregateRequest([
                .init(.minimum(field: field.name), name: "least"), .init(.maximum(field: field.name), name: "greatest"),
            ])
        case .text, .textList, .boolean:
            request = AggregateRequest(groupBy: [.value(field: field.name)], limit: 5)
        }
        let table = try await corpus.aggregate(documents, request).table
        switch field.type {
        case .number, .numberList, .date: return (table.rows.first ?? []).map(text).filter { !$0.isEmpty }
        case .text, .textList, .boolean:
            // A field whose every value is another one, such as an address, is shown by one of them.
            let values = table.rows.compactMap { $0.first.map(text) }.filter { !$0.isEmpty }
            return Array(values.prefix(4))
        }
    }

    private static func text(_ value: JSONValue) -> String { value.string ?? (value.isNull ? "" : value.serialized()) }
}
