// SPDX-License-Identifier: Apache-2.0

import Base
import Documents

/// Numbers as people write them, and their exact order.
enum NumberText {
    /// The largest magnitude up to which every whole number is a `Double`.
    static let exactLimit: Int64 = 1 << 53

    /// The sign before a number's fraction; the other one groups thousands.
    enum Decimal: Sendable, Hashable { case point, comma }

    /// What stands in a table for "no value".
    static let missingMarks: Set<String> = [
        "", "-", "--", "—", "–", "?", ".", "...", "…", "n/a", "n.a.", "n. a.", "na", "n/d", "n.d.", "nan", "none",
        "null",
        "<na>", "\\n", "nil", "unknown", "missing", "undefined", "tbd", "tba", "k.a.", "k. a.", "not available",
        "not applicable", "#n/a", "#value!", "#div/0!", "#ref!", "#num!", "#name?", "#null!",
        // MySQL's day that is none.
        "0000-00-00",
    ]

    /// Whether a text says that there is no value.
    static func isMissing(_ text: String) -> Bool {
        if text.utf8.count == 19, text == "0000-00-00 00:00:00" { return true }
        return text.utf8.count <= 16 && missingMarks.contains(text.trimmed().lowercased())
    }

    /// Whether a text is digits that a number would not keep: a code with a leading zero, more digits than 64 bits hold, or
    /// the number of a telephone as E.164 writes it (`+4791234567`).
    static func isCode(_ text: String) -> Bool {
        var digits = text.utf8[...]
        if digits.first == 43 {
            guard (9...16).contains(digits.count) else { return false }
            digits = digits.dropFirst()
            return digits.allSatisfy { $0 >= 48 && $0 < 58 }
        }
        guard digits.count > 1, digits.allSatisfy({ $0 >= 48 && $0 < 58 }) else { return false }
        return digits.first == 48 || Int64(text) == nil
    }

    /// A number in its usual forms: `12`, `-3.5`, `1,299.00`, `$ 12`, `12 €`, `5 %`, `(450.25)`, and with a decimal comma
    /// `1.299,00` or `1 299,00`; nil for anything else, and for codes. The sign of a percentage or a currency is left out.
    static func value(_ text: String, decimal: Decimal = .point) -> MetadataValue? {
        WrittenNumber(text)?.value(decimal)
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

/// A number taken apart: its digits with the signs between them, and what stands around them.
struct WrittenNumber {
    /// Digits, points and commas.
    private(set) var body: [UInt8] = []
    private(set) var isNegative = false
    private(set) var isPercent = false
    /// Whether ordinary spaces group its digits, as they do in lists of numbers, too.
    private(set) var hasSpaces = false
    /// The power of ten behind an `e`, as written.
    private(set) var exponent: Int?
    /// Whether the power of ten has neither a fraction before it nor a sign, as a code such as `1E5` may.
    private(set) var isBareExponent = false

    /// The longest text that is looked at, in bytes.
    private static let longest = 48
    private static let currencies = [
        "EUR", "USD", "GBP", "CHF", "JPY", "CNY", "RMB", "INR", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON", "TRY",
        "BRL", "AUD", "CAD", "NZD", "MXN", "ZAR", "KRW", "US$", "A$", "C$", "R$", "kr.", "kr", "zł", "Kč", "Ft", "Fr.",
        "lei", "руб.", "€", "$", "£", "¥", "₹", "₽", "₩", "₺", "₴", "₪", "฿", "元", "円", "원",
    ]

    /// - Returns: nil for what is no number in any notation.
    init?(_ text: String) {
        guard text.utf8.count <= Self.longest, text.utf8.contains(where: { $0 >= 48 && $0 < 58 || $0 >= 0x80 }) else {
            return nil
        }
        if text.utf8.first == 43, NumberText.isCode(text) { return nil }
        var rest = text.trimmed()[...]
        // Telephone numbers as the world writes them: a plus sign, the country, no fraction.
        if rest.utf8.first == UInt8(ascii: "+"), rest.utf8.count >= 9,
            rest.utf8.dropFirst().allSatisfy({ $0 >= 48 && $0 < 58 })
        {
            return nil
        }
        guard let first = rest.unicodeScalars.first, let last = rest.unicodeScalars.last else { return nil }
        if !Self.isDigit(first) || !Self.isDigit(last) {
            guard stripSigns(&rest) else { return nil }
        }
        var group: UInt8?
        for scalar in rest.unicodeScalars {
            switch scalar {
            case "0"..."9", ".", ",": body.append(UInt8(scalar.value))
            case "e", "E":
                let power = rest[rest.index(after: rest.firstIndex { $0 == "e" || $0 == "E" } ?? rest.startIndex)...]
                guard takePower(power) else { return nil }
                guard group == nil else { return nil }
                return
            case "'", "’", "\u{A0}", "\u{202F}", "\u{2009}", " ":
                let sign = scalar == " " ? UInt8(32) : scalar == "'" || scalar == "’" ? 39 : 1
                guard group == nil || group == sign else { return nil }
                group = sign
                body.append(0)
            case "٫": body.append(UInt8(ascii: "."))
            case "٬": body.append(UInt8(ascii: ","))
            default:
                guard let digit = Self.digit(scalar) else { return nil }
                body.append(48 + digit)
            }
        }
        if group != nil {
            guard Self.isGrouped(body) else { return nil }
            hasSpaces = group == 32
            body.removeAll { $0 == 0 }
        }
        if let first = body.first, first == UInt8(ascii: ".") || first == UInt8(ascii: ",") { body.insert(48, at: 0) }
        guard let first = body.first, let last = body.last, first >= 48, last >= 48 else { return nil }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool { digit(scalar) != nil }

    /// The value of a decimal digit of any script.
    private static func digit(_ scalar: Unicode.Scalar) -> UInt8? {
        if scalar.value < 0x80 { return scalar.value >= 48 && scalar.value < 58 ? UInt8(scalar.value - 48) : nil }
        guard scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue else { return nil }
        return UInt8(value)
    }

    /// Takes signs, currencies and the sign of a percentage off both ends. False when something else stands there.
    private mutating func stripSigns(_ rest: inout Substring) -> Bool {
        var isSigned = false
        for _ in 0..<5 {
            rest = rest.trimmed()[...]
            if rest.hasPrefix("("), rest.hasSuffix(")"), rest.count > 2, !isSigned {
                rest = rest.dropFirst().dropLast()
                (isNegative, isSigned) = (true, true)
            } else if let first = rest.first, "+-−".contains(first), !isSigned {
                rest = rest.dropFirst()
                (isNegative, isSigned) = (first != "+", true)
            } else if rest.hasSuffix("-"), !isSigned {
                // As accounting programs write debts.
                rest = rest.dropLast()
                (isNegative, isSigned) = (true, true)
            } else if let last = rest.last, "%٪％".contains(last), !isPercent {
                rest = rest.dropLast()
                isPercent = true
            } else if let sign = Self.currencies.first(where: { rest.hasPrefix($0) }) {
                rest = rest.dropFirst(sign.count)
            } else if let sign = Self.currencies.first(where: { rest.hasSuffix($0) }) {
                rest = rest.dropLast(sign.count)
            } else {
                break
            }
            guard let first = rest.unicodeScalars.first, let last = rest.unicodeScalars.last else { return false }
            if Self.isDigit(first), Self.isDigit(last) { return true }
        }
        guard let first = rest.unicodeScalars.first, let last = rest.unicodeScalars.last else { return false }
        return (Self.isDigit(first) || first == "." || first == ",") && Self.isDigit(last)
    }

    /// The digits behind an `e`. The body before it is digits with one point at most.
    private mutating func takePower(_ text: Substring) -> Bool {
        guard text.utf8.count <= 4, let power = Int(text), abs(power) <= 308, let first = body.first, first >= 48,
            !body.contains(UInt8(ascii: ",")), body.count(where: { $0 == UInt8(ascii: ".") }) <= 1
        else { return false }
        exponent = power
        isBareExponent = !body.contains(UInt8(ascii: ".")) && text.first?.isNumber == true
        return true
    }

    /// Whether marks (0) group the digits before any fraction in threes.
    private static func isGrouped(_ body: [UInt8]) -> Bool {
        let whole = body.prefix { $0 == 0 || $0 >= 48 }
        guard !body[whole.endIndex...].contains(0) else { return false }
        let groups = whole.split(separator: 0, omittingEmptySubsequences: false)
        return (1...3).contains(groups[0].count) && groups.dropFirst().allSatisfy { $0.count == 3 }
    }

    /// What the number says of its notation: nil when either sign may stand before the fraction.
    var decimal: NumberText.Decimal? {
        guard exponent == nil else { return .point }
        let (point, comma) = (UInt8(ascii: "."), UInt8(ascii: ","))
        guard let last = body.lastIndex(where: { $0 < 48 }) else { return nil }
        let sign = body[last]
        let others = body[..<last].filter { $0 < 48 }
        func other(_ sign: UInt8) -> NumberText.Decimal { sign == point ? .comma : .point }
        if others.contains(where: { $0 != sign }) { return sign == comma ? .comma : .point }
        // The same sign twice groups.
        if !others.isEmpty { return other(sign) }
        let whole = body[..<last]
        if body.count - last - 1 != 3 || whole.count > 3 || whole.elementsEqual([48]) {
            return sign == comma ? .comma : .point
        }
        return nil
    }

    /// The number in a notation; nil where it is none.
    func value(_ decimal: NumberText.Decimal) -> MetadataValue? {
        let (mark, separator): (UInt8, UInt8) =
            decimal == .point ? (UInt8(ascii: "."), UInt8(ascii: ",")) : (UInt8(ascii: ","), UInt8(ascii: "."))
        // Spaces between digits are of lists as well, and of telephones.
        if hasSpaces, decimal == .point, !body.contains(mark) { return nil }
        let whole = body.prefix { $0 != mark }
        let fraction = body[whole.endIndex...].dropFirst()
        guard fraction.allSatisfy({ $0 >= 48 }) else { return nil }
        let groups = whole.split(separator: separator, omittingEmptySubsequences: false)
        if groups.count > 1 {
            guard (1...3).contains(groups[0].count), groups.last?.count == 3 else { return nil }
            // Thousands, or the lakhs of India.
            let middle = groups.dropFirst().dropLast()
            guard middle.allSatisfy({ $0.count == 3 }) || (groups[0].count <= 2 && middle.allSatisfy { $0.count == 2 })
            else { return nil }
        }
        let digits = String(decoding: groups.joined(), as: UTF8.self)
        guard digits.utf8.count == 1 || digits.utf8.first != 48 else { return nil }
        let sign = isNegative ? "-" : ""
        if fraction.isEmpty, body.count == whole.count, exponent == nil {
            return Int64(sign + digits).map { MetadataValue.exact($0) }
        }
        guard !fraction.isEmpty || exponent != nil, digits.utf8.count + fraction.count <= 32 else { return nil }
        var written = sign + digits
        if !fraction.isEmpty { written += "." + String(decoding: fraction, as: UTF8.self) }
        if let exponent { written += "e\(exponent)" }
        guard let number = Double(written), number.isFinite else { return nil }
        return .number(number == 0 ? 0 : number)
    }
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
