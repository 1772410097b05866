// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

/// Passages kept for the answer, in the order in which they were kept; each passage once.
public struct Evidence: Sendable, Hashable {
    /// The kept passages, first kept first.
    public private(set) var items: [EvidenceItem]

    public init(_ items: [EvidenceItem] = []) {
        self.items = []
        for item in items { keep(item) }
    }

    /// Keeps a passage; one that is there already takes the new score, sentences and reason and stays in its place.
    public mutating func keep(_ item: EvidenceItem) {
        if let index = items.firstIndex(where: { $0.passageID == item.passageID }) {
            items[index] = item
        } else {
            items.append(item)
        }
    }

    /// Lets passages go.
    public mutating func drop(_ passageIDs: Set<String>) {
        items.removeAll { passageIDs.contains($0.passageID) }
    }

    /// The evidence with passages of earlier answers behind it.
    package func with(_ earlier: [EvidenceItem]) -> Evidence {
        guard !earlier.isEmpty else { return self }
        var result = self
        let least = items.map(\.score).min() ?? 0
        for (rank, item) in earlier.enumerated() where !contains(item.passageID) {
            var item = item
            item.score = least - Double(rank + 1) * 1e-6 * max(1, abs(least))
            item.reason = "cited before"
            result.keep(item)
        }
        return result
    }

    /// The kept passage of that id.
    public subscript(passageID: String) -> EvidenceItem? { items.first { $0.passageID == passageID } }

    /// Whether the passage is kept.
    public func contains(_ passageID: String) -> Bool { items.contains { $0.passageID == passageID } }

    /// The number of kept passages.
    public var count: Int { items.count }
    /// Whether nothing is kept.
    public var isEmpty: Bool { items.isEmpty }

    /// The best passages in the order in which a reader is shown them: best first, or as a keeper placed them.
    package func shown(_ limit: Int) -> [EvidenceItem] {
        let best = Array(ranking.prefix(limit))
        guard best.contains(where: { $0.place != nil }) else { return best }
        return best.enumerated().sorted {
            ($0.element.place ?? .max, $0.offset) < ($1.element.place ?? .max, $1.offset)
        }.map(\.element)
    }

    /// The kept passages, best score first, ties by passage id: the ranking that recall is measured on.
    public var ranking: [EvidenceItem] {
        items.sorted { ($0.score, $1.passageID) > ($1.score, $0.passageID) }
    }
}

/// One kept passage.
public struct EvidenceItem: Sendable, Hashable, JSONRepresentable {
    /// The citable id of the passage.
    public var passageID: String
    /// The document that the passage is a part of.
    public var documentID: String
    /// The document's title.
    public var title: String
    /// The passage's text as the corpus has it.
    public var text: String
    /// How much the keeper values it; comparable within one session only.
    public var score: Double
    /// The result set that it came from (`r1`), empty for none.
    public var handle: String
    /// The sentences that matter, as a condenser chose them; empty for the whole text.
    public var sentences: [String]
    /// Why it was kept, in a few words for a person.
    public var reason: String
    /// Where it stands among the passages that a reader is shown, as the keeper wants it; nil for by score.
    public var place: Int?

    public init(
        passageID: String, documentID: String, title: String, text: String, score: Double, handle: String = "",
        sentences: [String] = [], reason: String = ""
    ) {
        self.passageID = passageID
        self.documentID = documentID
        self.title = title
        self.text = text
        self.score = score
        self.handle = handle
        self.sentences = sentences
        self.reason = reason
    }

    /// What a reader is shown: the sentences that matter, or the whole text.
    public var shownText: String { sentences.isEmpty ? text : sentences.joined(separator: " ") }

    public init(json: JSONValue) throws {
        self.init(
            passageID: try json.requiredString("passage"), documentID: json["document"]?.string ?? "",
            title: json["title"]?.string ?? "", text: json["text"]?.string ?? "",
            score: json["score"]?.double ?? 0, handle: json["handle"]?.string ?? "",
            sentences: (json["sentences"]?.array ?? []).compactMap(\.string), reason: json["reason"]?.string ?? "")
        place = json["place"]?.int
    }

    public var json: JSONValue {
        var members: JSONObject = [
            "passage": .string(passageID), "document": .string(documentID), "title": .string(title),
            "text": .string(text), "score": .number(score),
        ]
        if !handle.isEmpty { members["handle"] = .string(handle) }
        if !sentences.isEmpty { members["sentences"] = .array(sentences.map(JSONValue.string)) }
        if !reason.isEmpty { members["reason"] = .string(reason) }
        if let place { members["place"] = .integer(place) }
        return .object(members)
    }
}
