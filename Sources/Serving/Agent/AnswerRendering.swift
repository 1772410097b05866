// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import OrderedCollections
import Text

/// An answer as clients get it: its citations stand as markers in the text, and as annotations that say where.
struct AnswerRendering: Sendable {
    /// The text with a marker `[id]` for every citation.
    let text: String
    /// The citations in the order of their markers.
    let marks: [Mark]

    /// A marker in the text, in Unicode scalars, as clients count.
    struct Mark: Sendable {
        var range: Range<Int>
        var citation: Citation
        var url: String
    }

    /// - Parameters:
    ///   - corpus: where the passages are.
    ///   - base: the address under which the client sees this server, such as `http://127.0.0.1:8000`.
    ///   - addsMissing: whether citations without a marker in the text get one at its end.
    init(_ answer: Answer, corpus: String, base: String, isJSON: Bool = false, addsMissing: Bool = true) {
        var text = answer.text
        var missing: [String] = []
        for citation in answer.citations where Self.places(of: citation.passageID, in: text).isEmpty {
            missing.append(citation.passageID)
        }
        // A text that must be JSON has no room for markers; its annotations stand for the whole.
        if !isJSON, addsMissing, !missing.isEmpty { text += " " + missing.map { "[\($0)]" }.joined(separator: " ") }
        self.text = text
        let length = text.unicodeScalars.count
        marks = answer.citations.flatMap { citation -> [Mark] in
            let url = Self.url(of: citation.passageID, corpus: corpus, base: base)
            let places = isJSON ? [0..<length] : Self.places(of: citation.passageID, in: text)
            return places.map { Mark(range: $0, citation: citation, url: url) }
        }.sorted { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    }

    /// Where a passage's id stands in brackets, alone or among others.
    private static func places(of id: String, in text: String) -> [Range<Int>] {
        guard !id.isEmpty else { return [] }
        var result: [Range<Int>] = []
        var rest = text.startIndex..<text.endIndex
        while let found = text.range(of: id, range: rest), result.count < 64 {
            rest = found.upperBound..<text.endIndex
            let before = text[..<found.lowerBound].last { $0 != " " }
            let after = text[found.upperBound...].first { $0 != " " }
            guard before == "[" || before == ",", after == "]" || after == "," else { continue }
            let start =
                before == "[" ? text[..<found.lowerBound].lastIndex(of: "[") ?? found.lowerBound : found.lowerBound
            let end =
                after == "]"
                ? text[found.upperBound...].firstIndex(of: "]").map { text.index(after: $0) } ?? found.upperBound
                : found.upperBound
            let lower = text.unicodeScalars.distance(from: text.startIndex, to: start)
            result.append(lower..<lower + text.unicodeScalars.distance(from: start, to: end))
        }
        return result
    }

    private static func url(of id: String, corpus: String, base: String) -> String {
        var allowed = CharacterSet.alphanumerics
        allowed.insert(charactersIn: "-._~")
        func escaped(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: allowed) ?? "" }
        return "\(base)/api/passages/\(escaped(id))?corpus=\(escaped(corpus))"
    }

    /// The annotations of a chat message.
    var chatAnnotations: JSONValue {
        .array(marks.map { ["type": "url_citation", "url_citation": .object(Self.members($0))] })
    }

    /// The annotations of a response's text.
    var responseAnnotations: [JSONValue] {
        marks.map { mark in
            var members: JSONObject = ["type": "url_citation"]
            members.merge(Self.members(mark)) { first, _ in first }
            return .object(members)
        }
    }

    private static func members(_ mark: Mark) -> JSONObject {
        [
            "start_index": .integer(mark.range.lowerBound), "end_index": .integer(mark.range.upperBound),
            "url": .string(mark.url),
            "title": .string(mark.citation.title.isEmpty ? mark.citation.passageID : mark.citation.title),
        ]
    }
}
