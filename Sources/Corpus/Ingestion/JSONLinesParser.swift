// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// A document as its source has it, before it is cut into passages.
struct RawDocument {
    var id: String
    var title: String
    var text: String
    var metadata: JSONObject
}

/// Why a record is no document; the caller knows the file and the line.
struct RecordError: Error {
    var message: String
}

/// Reads one line of JSON lines as a document.
struct JSONLinesParser {
    let options: IngestOptions
    /// The id of a record that has none, from its line number.
    let fallbackID: @Sendable (Int) -> String

    func parse(_ bytes: UnsafeBufferPointer<UInt8>, line: Int) throws -> RawDocument {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes, limits: JSONLimits(bytes: options.lineLimit))
        } catch {
            throw RecordError(message: "expected a JSON object on one line: \(error)")
        }
        guard case .object(let members) = value else {
            throw RecordError(message: "expected a JSON object with \"text\", found \(value.typeName)")
        }
        var (id, title, text): (String?, String?, String?)
        var metadata = JSONObject()
        let idNames = options.idField.map { [$0] } ?? ["id", "_id", "docid"]
        let textNames = options.textField.map { [$0] } ?? ["text", "contents", "content", "body"]
        let titleName = options.titleField ?? "title"
        let idName = idNames.first { members[$0] != nil }
        let textName = textNames.first { members[$0] != nil }
        for (name, member) in members {
            if name == idName {
                switch member {
                case .string(let given): id = given
                case .integer(let number): id = String(number)
                default:
                    throw RecordError(
                        message: "\"\(name)\" must be a string or a whole number, found \(member.typeName)")
                }
            } else if name == titleName {
                guard member.isNull || member.string != nil else {
                    throw RecordError(message: "\"\(name)\" must be a string, found \(member.typeName)")
                }
                title = member.string
            } else if name == textName {
                guard let given = member.string else {
                    throw RecordError(message: "\"\(name)\" must be a string, found \(member.typeName)")
                }
                text = given
            } else if name == "metadata", case .object(let fields) = member {
                for (field, value) in fields where !value.isNull { metadata[field] = value }
            } else if name == "metadata" {
                guard member.isNull else {
                    throw RecordError(message: "\"metadata\" must be an object, found \(member.typeName)")
                }
            } else if !member.isNull {
                metadata[name] = member
            }
        }
        guard var text else {
            let wanted = options.textField.map { "\"\($0)\"" } ?? "\"text\" or \"contents\""
            throw RecordError(message: "expected \(wanted) (a string); the object has \(Self.list(members.keys))")
        }
        if textName == "contents", title == nil, options.textField == nil {
            // As other tools write it: the first line is the title.
            if let end = text.unicodeScalars.firstIndex(of: "\n") {
                title = String(text[..<end])
                text = String(text[text.unicodeScalars.index(after: end)...])
            }
        }
        return RawDocument(
            id: id ?? fallbackID(line), title: (title ?? "").trimmed(), text: text, metadata: metadata)
    }

    static func list(_ names: some Collection<String>) -> String {
        if names.isEmpty { return "no members" }
        let shown = names.prefix(12).map { "\"\($0)\"" }.joined(separator: ", ")
        return names.count > 12 ? shown + " …" : shown
    }
}

extension String {
    /// The text without white space at its ends.
    func trimmed() -> String {
        let scalars = unicodeScalars
        guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
            let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
        else { return "" }
        return String(self[first...last])
    }
}
