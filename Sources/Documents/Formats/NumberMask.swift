// SPDX-License-Identifier: Apache-2.0

/// Number formats of spreadsheets that say more than the number: percentages, and codes with zeros before them.
enum NumberMask {
    /// What a format of percentages or of codes shows; nil for any other.
    static func format(_ code: String) -> Workbook.CellFormat? {
        var plain = ""
        var isQuoted = false
        var rest = (code.split(separator: ";").first ?? "")[...]
        while let character = rest.popFirst() {
            switch character {
            case "\"": isQuoted.toggle()
            case _ where isQuoted: plain.append(character)
            case "\\": if let next = rest.popFirst() { plain.append(next) }
            case "_", "*": _ = rest.popFirst()
            case "[": rest = rest.drop { $0 != "]" }.dropFirst()
            default: plain.append(character)
            }
        }
        if plain.last == "%", plain.contains("0"), plain.allSatisfy({ "0#?.,% ".contains($0) }) {
            let decimals = plain.firstIndex(of: ".").map { plain[$0...].count { "0#".contains($0) } } ?? 0
            return .percent(min(decimals, 8))
        }
        let zeros = plain.count { $0 == "0" }
        let separators = plain.filter { $0 != "0" }
        guard zeros >= 2, zeros <= 30, plain.first == "0" || plain.first == "(" || plain.first == "+",
            separators.allSatisfy({ "-/() +".contains($0) })
        else { return nil }
        return .mask(plain)
    }

    /// A share as a percentage: `5 %`, to two decimals at least.
    static func percent(_ share: Double, decimals: Int) -> String {
        let digits = max(decimals, 2)
        var power = 1.0
        for _ in 0..<digits { power *= 10 }
        let value = (share * 100 * power).rounded() / power
        return "\(Int(exactly: value).map { String($0) } ?? "\(value)") %"
    }

    /// A whole number at the places of a mask; nil where it does not fit.
    static func shown(_ number: Double, _ mask: String) -> String? {
        guard let whole = Int(exactly: number), whole >= 0 else { return nil }
        var digits = Array(String(whole))
        var shown: [Character] = []
        let places = mask.count { $0 == "0" }
        var left = places
        for character in mask.reversed() {
            guard character == "0" else {
                shown.append(character)
                continue
            }
            shown.append(digits.popLast() ?? "0")
            left -= 1
            // What is too long stands before the first place.
            if left == 0 { while let digit = digits.popLast() { shown.append(digit) } }
        }
        return String(shown.reversed())
    }

    /// The digits of a text.
    static func digits(_ text: String) -> String { text.filter { $0.isASCII && $0.isNumber } }
}
