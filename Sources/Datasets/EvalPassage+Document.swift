// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
import Foundation
import OrderedCollections
import Text

extension EvalPassage {
    /// The passage as a document of a corpus. ISO dates become dates; what has no metadata type is left out.
    public var document: Document {
        var values: [String: MetadataValue] = [:]
        for (name, value) in metadata { values[name] = Self.metadata(value) }
        return Document(id: id, title: title, text: text, metadata: values)
    }

    private static func metadata(_ value: JSONValue) -> MetadataValue? {
        switch value {
        case .bool(let flag): return .boolean(flag)
        case .integer(let number): return .exact(Int64(number))
        case .number(let number): return .number(number)
        case .array(let elements): return .list(elements.compactMap(metadata))
        case .string(let text):
            if text.utf8.count >= 10, text.first?.isNumber == true, let seconds = seconds(text) {
                return .date(seconds)
            }
            return .text(text)
        case .null, .object: return nil
        }
    }

    /// Seconds since 1970 of `yyyy-mm-dd` or an ISO 8601 time in UTC.
    private static func seconds(_ text: String) -> Int64? {
        let full =
            text.count == 10 ? text + "T00:00:00Z" : text.hasSuffix("Z") || text.contains("+") ? text : text + "Z"
        let style = Date.ISO8601FormatStyle()
        return (try? style.parse(full.replacing(" ", with: "T"))).map { Int64($0.timeIntervalSince1970) }
    }
}
