// SPDX-License-Identifier: Apache-2.0

/// The order in which people sort names with numbers in them: runs of digits by their value, the rest by its letters without
/// regard to case and accents. `A9` before `A10`, `1.9.2` before `1.10`, `9:05` before `10:15`, `7.5 kg` before `12 kg`.
public enum NaturalOrder {
    /// Whether a text has a digit, without which the order is that of its letters.
    public static func hasDigits(_ text: String) -> Bool { text.utf8.contains { $0 >= 48 && $0 < 58 } }

    /// Below zero where `a` comes first, above where `b` does, zero where neither.
    public static func compare(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(TextFolding.fold(a).utf8), Array(TextFolding.fold(b).utf8))
        var (i, j) = (0, 0)
        while i < a.count, j < b.count {
            guard isDigit(a[i]), isDigit(b[j]) else {
                if a[i] != b[j] { return a[i] < b[j] ? -1 : 1 }
                i += 1
                j += 1
                continue
            }
            let (left, right) = (run(a, &i), run(b, &j))
            if left.count != right.count { return left.count < right.count ? -1 : 1 }
            if !left.elementsEqual(right) { return left.lexicographicallyPrecedes(right) ? -1 : 1 }
        }
        return i < a.count ? 1 : j < b.count ? -1 : 0
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte < 58 }

    /// A run of digits without the zeros before it.
    private static func run(_ text: [UInt8], _ at: inout Int) -> ArraySlice<UInt8> {
        let start = at
        while at < text.count, isDigit(text[at]) { at += 1 }
        return text[start..<at].drop { $0 == 48 }
    }
}
