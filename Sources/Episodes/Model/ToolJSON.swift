// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Text
import Tools

/// The JSON form of what a tool gave, as events keep it.
enum ToolJSON {
    static func json(_ output: ToolOutput) -> JSONValue {
        var members: JSONObject = [:]
        if let set = output.resultSet { members["result_set"] = set.json }
        members["passages"] = .array(
            output.passages.map { scored in
                let passage = scored.passage
                return [
                    "id": .string(passage.id), "ordinal": .integer(Int(passage.ordinal)),
                    "document": .string(passage.documentID), "document_ordinal": .integer(Int(passage.documentOrdinal)),
                    "title": .string(passage.title), "text": .string(passage.text),
                    "range": [.integer(passage.range.lowerBound), .integer(passage.range.upperBound)],
                    "score": .number(scored.score),
                ]
            })
        members["text"] = .string(output.text)
        members["summary"] = .string(output.summary)
        if output.isError { members["error"] = .bool(true) }
        if !output.repairs.isEmpty { members["repairs"] = .array(output.repairs.map(JSONValue.string)) }
        return .object(members)
    }

    static func output(_ json: JSONValue) throws -> ToolOutput {
        var output = ToolOutput(
            resultSet: try json["result_set"].map(ResultSet.init(json:)),
            passages: try json.requiredArray("passages").map(passage), text: try json.requiredString("text"),
            summary: try json.requiredString("summary"), isError: json["error"]?.bool ?? false)
        output.repairs = (json["repairs"]?.array ?? []).compactMap(\.string)
        return output
    }

    private static func passage(_ json: JSONValue) throws -> ShownPassage {
        guard let ordinal = PassageOrdinal(exactly: try json.requiredInt("ordinal")),
            let document = DocumentOrdinal(exactly: try json.requiredInt("document_ordinal")),
            let lower = json["range"]?[0]?.int, let upper = json["range"]?[1]?.int, lower <= upper
        else { throw JSONError(message: "a passage needs ordinals and a range") }
        return ShownPassage(
            passage: Passage(
                id: try json.requiredString("id"), ordinal: ordinal, documentID: try json.requiredString("document"),
                documentOrdinal: document, title: try json.requiredString("title"),
                text: try json.requiredString("text"), range: lower..<upper),
            score: try json.requiredDouble("score"))
    }
}
