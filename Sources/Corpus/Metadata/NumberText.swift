// SPDX-License-Identifier: Apache-2.0

import Documents

/// Numbers as people write them, and their exact order.
enum NumberText {
    /// The largest magnitude up to which every whole number is a `Double`.
    static let exactLimit: Int64 = 1 << 53

    /// What stands in a table for "no value".
    static let missingMarks: Set<String> = [
        "", "-", "--", "—", "–", "?", ".", "n/a", "n.a.", "na", "nan", "none", "null", "nil", "unknown", "missing",
        "tbd",
        "tba", "#n/a", "not available", "not applicable",
    ]

    /// Whether a text says that there is no value.
    static func isMissing(_ text: String) -> Bool {
        text.utf8.count <= 16 && missingMarks.contains(text.trimmed().lowercased())
    }

    /// Whether a text is digits that a number would not keep: a code with a leading zero, or more digits than 64 bits hold.
    static func isCode(_ text: String) -> Bool {
        let digits = text.utf8
        guard digits.count > 1, digits.allSatisfy({ $0 >= 48 && $0 < 58 }) else { return false }
        return digits.first == 48 || Int64(text) == nil
    }

    /// A number in its usual forms: `12`, `-3.5`, `1,299.00`, `$ 12`, `12 €`; nil for anything else, and for codes.
    static func value(_ text: String) -> MetadataValue? {
        guard text.utf8.count <= 32 else { return nil }
        var digits = text.trimmed()[...]
        let currencies: Set<Character> = ["$", "€", "£", "¥", "₹"]
        if let first = digits.first, currencies.contains(first) {
            digits = digits.dropFirst().drop { $0 == " " }
        } else if let last = digits.last, currencies.contains(last) {
            digits = digits.dropLast()
            while digits.last == " " { digits = digits.dropLast() }
        }
        var body = digits.first == "-" || digits.first == "+" ? digits.dropFirst() : digits
        guard let first = body.utf8.first, first >= 48, first < 58, let last = body.utf8.last, last >= 48, last < 58
        else {
            return nil
        }
        if body.contains(",") {
            // Commas group thousands, all of them.
            let whole = body.prefix { $0 != "." }
            let groups = whole.split(separator: ",", omittingEmptySubsequences: false)
            guard groups[0].count <= 3, groups.dropFirst().allSatisfy({ $0.count == 3 }) else { return nil }
            body = (groups.joined() + body.dropFirst(whole.count))[...]
        }
        guard body.utf8.allSatisfy({ ($0 >= 48 && $0 < 58) || $0 == UInt8(ascii: ".") }), !isCode(String(body)),
            body.count(where: { $0 == "." }) <= 1, !(body.hasPrefix("0") && body.count > 1 && !body.hasPrefix("0."))
        else { return nil }
        let sign = digits.first == "-" ? "-" : ""
        if let integer = Int64(sign + body) { return .exact(integer) }
        guard body.contains("."), body.utf8.count <= 20, let number = Double(sign + body), number.isFinite else {
            return nil
        }
        return .number(number == 0 ? 0 : number)
    }

    /// Whether a whole number is below another number, without rounding.
    static func isBelow(_ a: Int64, _ b: Double) -> Bool {
        guard b < 0x1p63 else { return !b.isNaN }
        guard b >= -0x1p63 else { return false }
        let floor = b.rounded(.down)
        let whole = Int64(floor)
        return a < whole || (a == whole && b > floor)
    }

    static func equals(_ a: Int64, _ b: Double) -> Bool { Int64(exactly: b) == a }
}

extension MetadataValue {
    /// A whole number: as `number` where that is exact, else as `integer`. Equal numbers are equal values.
    public static func exact(_ integer: Int64) -> MetadataValue {
        integer.magnitude <= NumberText.exactLimit.magnitude ? .number(Double(integer)) : .integer(integer)
    }

    /// The number, rounded where it is a whole number of more than 53 bits; nil for other types.
    public var double: Double? {
        switch self {
        case .number(let number): number
        case .integer(let integer): Double(integer)
        default: nil
        }
    }

    /// Whether one number is below another, without rounding; false for other types.
    package func isNumberBelow(_ other: MetadataValue) -> Bool {
        switch (self, other) {
        case (.number(let a), .number(let b)): a < b
        case (.integer(let a), .integer(let b)): a < b
        case (.integer(let a), .number(let b)): NumberText.isBelow(a, b)
        case (.number(let a), .integer(let b)): !NumberText.isBelow(b, a) && !NumberText.equals(b, a)
        default: false
        }
    }
}
