// SPDX-License-Identifier: Apache-2.0

public import Base
import Text

extension MetadataValue {
    /// The value as JSON: text, number and boolean as they are, dates in ISO 8601, lists as arrays.
    public var json: JSONValue {
        switch self {
        case .text(let text): return .string(text)
        case .number(let number): return Int(exactly: number).map { .integer($0) } ?? .number(number)
        case .boolean(let value): return .bool(value)
        case .date(let seconds): return .string(CalendarDate.text(seconds: seconds))
        case .list(let elements): return .array(elements.map(\.json))
        }
    }
}
