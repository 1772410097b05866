// SPDX-License-Identifier: Apache-2.0

/// The form in which titles and names are compared: folded, without a disambiguation in brackets, words only.
public enum TitleNormalizer {
    /// "The Gift (2015 film)" becomes "the gift"; "Arthur's Magazine" becomes "arthur's magazine"; "R.E.M." becomes
    /// "r.e.m". A title that is all brackets keeps their content. Idempotent.
    public static func key(for title: String) -> String {
        let folded = TextFolding.fold(withoutDisambiguation(title))
        return words(folded).joined(separator: " ")
    }

    /// The title without a trailing "(…)": "Mercury (planet)" becomes "Mercury".
    public static func withoutDisambiguation(_ title: String) -> String {
        let trimmed = trim(title[...])
        guard trimmed.last == ")", let open = trimmed.lastIndex(of: "("), open > trimmed.startIndex else {
            return String(trimmed)
        }
        let kept = trim(trimmed[..<open])
        return kept.isEmpty ? String(trimmed) : String(kept)
    }

    /// The content of a trailing bracket, if there is one: "Mercury (planet)" gives "planet".
    public static func disambiguation(of title: String) -> String? {
        let trimmed = trim(title[...])
        guard trimmed.last == ")", let open = trimmed.lastIndex(of: "("), !trim(trimmed[..<open]).isEmpty else {
            return nil
        }
        return String(trimmed[trimmed.index(after: open)...].dropLast())
    }

    /// Words of a folded text: letters, digits and marks, with the apostrophes and full stops between them.
    private static func words(_ folded: String) -> [String] {
        let scalars = Array(folded.unicodeScalars)
        var words: [String] = []
        var word = String.UnicodeScalarView()
        for (index, scalar) in scalars.enumerated() {
            if isWordCharacter(scalar) {
                word.append(scalar)
            } else if scalar == "'" || scalar == ".", !word.isEmpty, index + 1 < scalars.count,
                isWordCharacter(scalars[index + 1])
            {
                word.append(scalar)
            } else if !word.isEmpty {
                words.append(String(word))
                word = String.UnicodeScalarView()
            }
        }
        if !word.isEmpty { words.append(String(word)) }
        return words
    }

    private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
        CharacterClass(scalar) != .separator
    }

    private static func trim(_ text: Substring) -> Substring {
        var text = text
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return text
    }
}
