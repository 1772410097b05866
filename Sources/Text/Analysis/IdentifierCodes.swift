// SPDX-License-Identifier: Apache-2.0

/// Names that are made of letters and digits, as programs and registries give them: `FT-315`, `INV-5090`, `E417`, `T1101`.
/// They are compared without case and without what stands between their parts, which people leave out and put in.
public enum IdentifierCodes {
    private static let marks: Set<Character> = ["-", "_", "/"]

    /// The codes of a text, each once, in their order: in lower case, letters and digits alone (`ft315`).
    ///
    /// - Parameter spaced: whether a word and a number behind it count too (`FT 315`), as in texts that are searched for codes
    ///   that are known; in a question "in 2020" would be one. Default false.
    public static func all(in text: String, spaced: Bool = false) -> [String] {
        let parts = text.lowercased().split { !($0.isASCII && ($0.isLetter || $0.isNumber)) && !marks.contains($0) }
        var codes: [String] = []
        func add(_ part: Substring) {
            guard let code = code(part), !codes.contains(code) else { return }
            codes.append(code)
        }
        for (place, part) in parts.enumerated() {
            add(part)
            if spaced, place + 1 < parts.count, part.allSatisfy(\.isLetter), parts[place + 1].allSatisfy(\.isNumber) {
                add(part + "-" + parts[place + 1])
            }
        }
        return codes
    }

    /// The letters that a code begins with, such as `ft` of `ft315`: its kind.
    public static func family(of code: String) -> String { String(code.prefix { $0.isLetter }) }

    /// A word as a code; nil for what is none. Short words with a digit that people count with (`1st`, `b2b`) are none.
    private static func code(_ word: Substring) -> String? {
        let letters = word.prefix { $0.isLetter }
        guard (1...6).contains(letters.count), word.count <= 24 else { return nil }
        let rest = word.dropFirst(letters.count)
        let digits = rest.drop(while: marks.contains)
        let run = digits.prefix { $0.isNumber }
        guard !run.isEmpty, digits.allSatisfy({ $0.isNumber || marks.contains($0) }),
            run.count >= 2 || rest.count > digits.count
        else { return nil }
        return String(letters) + String(digits.filter(\.isNumber))
    }
}
