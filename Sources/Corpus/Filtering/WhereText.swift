// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections

/// The short form of filters, for people: `country = Norway and (year >= 2020 or not tags in (old, "very old"))`.
///
/// ```
/// condition  = all { "or" all }
/// all        = one { "and" one }
/// one        = "not" one | "(" condition ")" | clause
/// clause     = field ("=" | "==" | "!=" | "<>" | "<" | "<=" | ">" | ">=" | "is" | "is not" | "contains") value
///            | field ["not"] "in" "(" value { "," value } ")"
///            | field ["not"] "between" value "and" value
///            | field ["not"] "exists" | field "is" ["not"] ("null" | "missing" | "empty")
///            | field "matches" value | field ["not"] "like" pattern
/// ```
/// A value is words up to the next keyword, comma or parenthesis; in quotes (`"…"`, `'…'` or backticks, a quote inside with a
/// backslash before it or doubled) it can hold anything. Fields may stand in quotes too; one with spaces must where a word of
/// it is an operator. In a pattern `%` or `*` is any text, `_` or `?` one character. Keywords are in any case. Dates, numbers and truth values
/// need no quotes. `matches` looks for words in a text. `&&` and `||` are `and` and `or`, and the values of `in` may stand in
/// square brackets.
public enum WhereText {
    /// The condition in the JSON form of ``FilterExpression``; a text that is JSON already is read as it is.
    /// - Throws: `CorpusError` `badArgument` with the place and what was expected.
    public static func json(_ text: String) throws -> JSONValue {
        if let first = text.first(where: { !$0.isWhitespace }), first == "{" || first == "[" {
            do { return try JSONValue(parsing: Array(text.utf8)) } catch {
                throw CorpusError(.badArgument, "filter: not valid JSON: \(error)")
            }
        }
        var parser = Parser(tokens: try tokens(text), text: text)
        let result = try parser.condition(depth: 0)
        guard parser.isAtEnd else { throw parser.unexpected("\"and\", \"or\" or the end") }
        return result
    }

    private enum Token: Hashable {
        case word(String)
        case quoted(String)
        case sign(String)
    }

    private static func tokens(_ text: String) throws -> [Token] {
        var tokens: [Token] = []
        var rest = text[...]
        var isInBrackets = false
        while let first = rest.first {
            if first.isWhitespace {
                rest.removeFirst()
            } else if rest.hasPrefix("&&") || rest.hasPrefix("||") {
                tokens.append(.word(first == "&" ? "and" : "or"))
                rest = rest.dropFirst(2)
            } else if first == "[", case .word(let word)? = tokens.last, word.lowercased() == "in" {
                isInBrackets = true
                tokens.append(.sign("("))
                rest.removeFirst()
            } else if first == "]", isInBrackets {
                isInBrackets = false
                tokens.append(.sign(")"))
                rest.removeFirst()
            } else if first == "\"" || first == "'" || first == "`" {
                var value = ""
                rest.removeFirst()
                var isClosed = false
                while let next = rest.popFirst() {
                    if next == first {
                        // Doubled, as SQL and CSV write it.
                        if rest.first == first {
                            value.append(first)
                            rest.removeFirst()
                            continue
                        }
                        isClosed = true
                        break
                    }
                    if next == "\\", let escaped = rest.first, escaped == first || escaped == "\\" {
                        value.append(escaped)
                        rest.removeFirst()
                    } else {
                        value.append(next)
                    }
                }
                guard isClosed else { throw CorpusError(.badArgument, "filter: a quote is not closed: \(text)") }
                tokens.append(.quoted(value))
            } else if "(),".contains(first) {
                tokens.append(.sign(String(first)))
                rest.removeFirst()
            } else if "=!<>".contains(first) {
                let sign = rest.prefix { "=!<>".contains($0) }
                tokens.append(.sign(String(sign)))
                rest = rest.dropFirst(sign.count)
            } else {
                var word = ""
                while let next = rest.first, !next.isWhitespace, !"(),=!<>\"".contains(next),
                    !(isInBrackets && next == "]"), !rest.hasPrefix("&&"), !rest.hasPrefix("||")
                {
                    word.append(next)
                    rest.removeFirst()
                }
                tokens.append(.word(word))
            }
        }
        return tokens
    }

    private struct Parser {
        let tokens: [Token]
        let text: String
        var at = 0

        init(tokens: [Token], text: String) {
            self.tokens = tokens
            self.text = text
        }

        var isAtEnd: Bool { at == tokens.count }

        private static let keywords: Set<String> = ["and", "or"]
        private static let operators: Set<String> = [
            "is", "in", "not", "between", "contains", "exists", "matches", "like",
        ]

        func unexpected(_ expected: String) -> CorpusError {
            let found: String
            switch at < tokens.count ? tokens[at] : nil {
            case .word(let word)?: found = "\"\(word)\""
            case .quoted(let value)?: found = "\"\(value)\" in quotes"
            case .sign(let sign)?: found = "\"\(sign)\""
            case nil: found = "the end"
            }
            return CorpusError(
                .badArgument,
                "filter: expected \(expected), found \(found) in: \(text.prefix(200)). Write for example "
                    + "country = Norway and year >= 2020, or the JSON form")
        }

        private func keyword(_ name: String) -> Bool {
            guard at < tokens.count, case .word(let word) = tokens[at] else { return false }
            return word.lowercased() == name
        }

        private mutating func take(_ name: String) -> Bool {
            guard keyword(name) else { return false }
            at += 1
            return true
        }

        private mutating func takeSign(_ sign: String) -> Bool {
            guard at < tokens.count, tokens[at] == .sign(sign) else { return false }
            at += 1
            return true
        }

        mutating func condition(depth: Int) throws -> JSONValue {
            guard depth < 64 else { throw CorpusError(.badArgument, "filter: nested too deep") }
            var parts = [try all(depth: depth)]
            while take("or") { parts.append(try all(depth: depth)) }
            return parts.count == 1 ? parts[0] : ["or": .array(parts)]
        }

        private mutating func all(depth: Int) throws -> JSONValue {
            var parts = [try one(depth: depth)]
            while take("and") { parts.append(try one(depth: depth)) }
            return parts.count == 1 ? parts[0] : ["and": .array(parts)]
        }

        private mutating func one(depth: Int) throws -> JSONValue {
            guard depth < 64 else { throw CorpusError(.badArgument, "filter: nested too deep") }
            if take("not") { return ["not": try one(depth: depth + 1)] }
            if takeSign("(") {
                let inner = try condition(depth: depth + 1)
                guard takeSign(")") else { throw unexpected("\")\"") }
                return inner
            }
            return try clause()
        }

        private mutating func clause() throws -> JSONValue {
            let field = try field()
            let isNegated = take("not")
            func clause(_ op: String, _ value: JSONValue?) -> JSONValue {
                var members: JSONObject = ["field": .string(field), "op": .string(op)]
                if let value { members["value"] = value }
                guard isNegated else { return .object(members) }
                // As `!=`, and as in SQL: what has no value is neither among them nor not.
                return op == "exists"
                    ? ["not": .object(members)]
                    : ["and": [["field": .string(field), "op": "exists"], ["not": .object(members)]]]
            }
            if take("in") {
                guard takeSign("(") else { throw unexpected("\"(\" and the values") }
                var values = [try value()]
                while takeSign(",") { values.append(try value()) }
                guard takeSign(")") else { throw unexpected("\",\" or \")\"") }
                return clause("in", .array(values))
            }
            if take("between") {
                let low = try value()
                guard take("and") else { throw unexpected("\"and\" and the second value") }
                return clause("between", [low, try value()])
            }
            if take("exists") { return clause("exists", nil) }
            if take("contains") { return clause("contains", try value()) }
            if take("matches") { return clause("match", .string(try words())) }
            if take("like") { return try like(clause) }
            guard !isNegated else { throw unexpected("in, between, contains, exists or matches") }
            if take("is") {
                let isOther = take("not")
                if takeNull() || takeNone() {
                    return isOther ? clause("exists", nil) : ["not": clause("exists", nil)]
                }
                return clause(isOther ? "!=" : "==", try value())
            }
            guard at < tokens.count, case .sign(let sign) = tokens[at],
                ["=", "==", "!=", "<>", "<", "<=", ">", ">="].contains(sign)
            else {
                throw unexpected(
                    "an operator (=, !=, <, <=, >, >=, in, between, contains, exists, matches, like; a name with spaces or signs stands in quotes)"
                )
            }
            at += 1
            if ["=", "==", "!=", "<>"].contains(sign), takeNull() {
                return sign == "!=" || sign == "<>" ? clause("exists", nil) : ["not": clause("exists", nil)]
            }
            return clause(sign, try value())
        }

        /// Takes the word for no value, without quotes.
        private mutating func takeNull() -> Bool {
            guard keyword("null") else { return false }
            // A value of several words may begin so.
            if at + 1 < tokens.count, case .word(let next) = tokens[at + 1], !Self.keywords.contains(next.lowercased())
            {
                return false
            }
            at += 1
            return true
        }

        /// Takes a word that says after `is` that there is no value.
        private mutating func takeNone() -> Bool {
            let words = ["missing", "empty", "absent", "blank", "unset", "undefined", "none", "nan"]
            guard let word = words.first(where: keyword) else { return false }
            if at + 1 < tokens.count {
                switch tokens[at + 1] {
                case .word(let next) where Self.keywords.contains(next.lowercased()): break
                case .sign(")"): break
                default: return false
                }
            }
            return take(word)
        }

        /// SQL's pattern; words with a `%` on both sides, or none, are what other operators say.
        private mutating func like(_ clause: (String, JSONValue?) -> JSONValue) throws -> JSONValue {
            let pattern = try words()
            guard LikePattern.hasWildcards(pattern) else { return clause("==", .string(pattern)) }
            let inner = String(pattern.dropFirst().dropLast())
            let isOpen = pattern.hasPrefix("%") && pattern.hasSuffix("%") && !inner.isEmpty
            guard isOpen, !LikePattern.hasWildcards(inner) else { return clause("like", .string(pattern)) }
            return clause("contains", .string(inner))
        }

        private mutating func field() throws -> String {
            guard at < tokens.count else { throw unexpected("the name of a field") }
            switch tokens[at] {
            case .quoted(let name):
                at += 1
                return name
            case .word(let first):
                at += 1
                // Further words before an operator are of the name.
                var parts = [first]
                while at < tokens.count, case .word(let next) = tokens[at],
                    !Self.operators.contains(next.lowercased()), !Self.keywords.contains(next.lowercased())
                {
                    parts.append(next)
                    at += 1
                }
                return parts.joined(separator: " ")
            case .sign: throw unexpected("the name of a field")
            }
        }

        /// The words of a value: what stands in quotes, or all up to the next keyword or sign.
        private mutating func words() throws -> String {
            if at < tokens.count, case .quoted(let value) = tokens[at] {
                at += 1
                return value
            }
            var parts: [String] = []
            while at < tokens.count, case .word(let word) = tokens[at], !Self.keywords.contains(word.lowercased()) {
                parts.append(word)
                at += 1
            }
            guard !parts.isEmpty else { throw unexpected("a value") }
            return parts.joined(separator: " ")
        }

        private mutating func value() throws -> JSONValue {
            if at < tokens.count, case .quoted(let value) = tokens[at] {
                at += 1
                return .string(value)
            }
            let text = try words()
            // Words of truth stay as they are written: the field says whether they are truth values or texts.
            if let integer = Int(text) { return .integer(integer) }
            return .string(text)
        }
    }
}
