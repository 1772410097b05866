// SPDX-License-Identifier: Apache-2.0

import Text

/// What clauses on fields of texts mean beside the values that the fields have. Every corpus reads them by these rules.
///
/// - Below and above a constant with digits in it is by ``NaturalOrder``: letter by letter `1.10` would come before `1.9`.
/// - A value that no document has equals those that differ from it in case and accents alone: `country = norway` finds Norway.
///   Where some document has it as it is written, only that is meant.
extension FilterExpression {
    /// A clause whose meaning may depend on its field's values; nil for others. Only for fields of texts that are metadata.
    package var naturalOrder: (field: String, matches: @Sendable (String) -> Bool)? {
        switch self {
        case .like(let field, let pattern):
            let pattern = LikePattern(pattern)
            return (field, { pattern.matches($0) })
        case .compare(let field, let comparison, .text(let constant))
        where comparison != .equal && comparison != .notEqual && NaturalOrder.hasDigits(constant):
            return (
                field,
                { value in
                    let order = NaturalOrder.compare(value, constant)
                    return switch comparison {
                    case .less: order < 0
                    case .lessOrEqual: order <= 0
                    case .greater: order > 0
                    default: order >= 0
                    }
                }
            )
        case .between(let field, .text(let low), .text(let high))
        where NaturalOrder.hasDigits(low) || NaturalOrder.hasDigits(high):
            return (
                field, { NaturalOrder.compare($0, low) >= 0 && NaturalOrder.compare($0, high) <= 0 }
            )
        default: return nil
        }
    }

    /// The texts that a clause asks for as they are written, with its field; nil for others.
    package var wantedTexts: (field: String, texts: [String])? {
        switch self {
        case .compare(let field, .equal, .text(let text)), .compare(let field, .notEqual, .text(let text)):
            return (field, [text])
        case .isIn(let field, let values):
            let texts = values.compactMap { value -> String? in
                if case .text(let text) = value { return text }
                return nil
            }
            return texts.isEmpty ? nil : (field, texts)
        default: return nil
        }
    }

    /// The clause with other texts instead of those that no document has.
    /// - Parameters:
    ///   - absent: those of ``wantedTexts`` that no document has as they are written.
    ///   - values: the field's distinct values.
    /// - Throws: `CorpusError` `badArgument` where a date is asked for among dates whose day and month cannot be told apart.
    package func reading(_ absent: [String], among values: some Sequence<String>) throws -> FilterExpression {
        guard let (field, texts) = wantedTexts, !absent.isEmpty else { return self }
        let wanted = Set(absent.map(TextFolding.fold))
        let isDate = absent.contains { DateParser.span($0) != nil && $0.utf8.count > 4 }
        var found: [String] = []
        for value in values {
            if wanted.contains(TextFolding.fold(value)) { found.append(value) }
            if isDate, DateParser.slashed(value) != nil {
                throw CorpusError(
                    .badArgument,
                    "filter: \"\(field)\" holds texts such as \"\(value)\", of which day and month cannot be told apart; "
                        + "ask for them as they are written")
            }
        }
        guard !found.isEmpty else { return self }
        let all = texts.filter { !absent.contains($0) } + found.sorted()
        let either = FilterExpression.isIn(field: field, all.map { .text($0) })
        if case .compare(_, .notEqual, _) = self { return .and([.exists(field: field), .not(either)]) }
        return either
    }

    /// The whole filter with its clauses read beside the values of their fields, for a corpus that has these at hand.
    /// - Parameter values: the distinct values of a metadata field of texts; nil for other fields.
    package func reading(texts values: (String) -> Set<String>?) throws -> FilterExpression {
        switch self {
        case .and(let parts): return .and(try parts.map { try $0.reading(texts: values) })
        case .or(let parts): return .or(try parts.map { try $0.reading(texts: values) })
        case .not(let part): return .not(try part.reading(texts: values))
        default:
            if let (field, matches) = naturalOrder, let all = values(field) {
                return .isIn(field: field, all.filter(matches).sorted().map { .text($0) })
            }
            guard let (field, texts) = wantedTexts, let all = values(field) else { return self }
            return try reading(texts.filter { !all.contains($0) }, among: all)
        }
    }
}
