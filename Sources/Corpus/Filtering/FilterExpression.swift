// SPDX-License-Identifier: Apache-2.0

/// Which documents: a typed tree over metadata fields and texts. Never query text, so nothing can be injected.
///
/// Values have the types of their fields (`init(json:schema:)` sees to that). A list field matches when one of its
/// elements does. A document without a value matches no clause but `not` and the negation of `exists`.
public indirect enum FilterExpression: Sendable, Hashable {
    /// The relation of a field's value to a constant.
    public enum Comparison: String, Sendable, Hashable, CaseIterable {
        case equal = "=="
        /// Has a value, and it is another one.
        case notEqual = "!="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="
    }

    /// How a text match takes its words.
    public enum MatchMode: String, Sendable, Hashable, CaseIterable {
        /// Every word, in any order.
        case all
        /// At least one word.
        case any
        /// The words one after the other.
        case phrase
        /// Every word, the last as the beginning of one.
        case prefix
    }

    case compare(field: String, Comparison, MetadataValue)
    /// One of the values.
    case isIn(field: String, [MetadataValue])
    /// From the first to the second value, both included.
    case between(field: String, MetadataValue, MetadataValue)
    /// For text: the value contains the other, without regard to case and accents. For lists: an element equals it so.
    case contains(field: String, MetadataValue)
    /// For text: the value is as the pattern says (``LikePattern``). For lists: an element is.
    case like(field: String, pattern: String)
    /// Has a value.
    case exists(field: String)
    /// Words in a text: field `title`, `text` (a passage's), nil for either, or a metadata field of type text.
    case match(field: String?, words: String, MatchMode)
    /// All of these; every document when there are none.
    case and([FilterExpression])
    /// At least one of these; no document when there are none.
    case or([FilterExpression])
    /// Not this one; documents without a value included.
    case not(FilterExpression)

    /// The names of the fields that it looks at.
    public var fields: Set<String> {
        switch self {
        case .compare(let field, _, _), .isIn(let field, _), .between(let field, _, _), .contains(let field, _),
            .exists(let field), .like(let field, _):
            return [field]
        case .match(let field, _, _): return Set(field.map { [$0] } ?? [])
        case .and(let parts), .or(let parts): return parts.reduce(into: []) { $0.formUnion($1.fields) }
        case .not(let part): return part.fields
        }
    }

    /// Every document.
    public static let all = FilterExpression.and([])
}
