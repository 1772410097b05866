// SPDX-License-Identifier: Apache-2.0

/// A light stemmer for Polish, which Snowball's library has none for: it takes the endings of nouns and adjectives away,
/// as Savoy's light stemmers do for other languages ("Light stemming approaches for the French, Portuguese, German and
/// Hungarian languages", 2006), and the e that comes and goes before k. Verbs and sound changes stay as they are.
enum PolishStemmer {
    static let name = "polish"

    /// Endings by length, the longest first.
    private static let endings: [[Unicode.Scalar]] = [
        "iego", "iemu", "iami", "iach", "ego", "emu", "ymi", "imi", "ych", "ich", "iej", "ami", "ach", "iem", "iom",
        "owi",
        "ów", "om", "em", "ym", "im", "ej", "ią", "ię", "ie", "iu", "ia", "a", "ą", "e", "ę", "i", "o", "u", "y",
    ].map { Array($0.unicodeScalars) }

    /// Letters that a stem keeps at least.
    private static let least = 3

    /// - Parameter word: in lower case, with its accents.
    static func stem(_ word: String) -> String {
        var letters = Array(word.unicodeScalars)
        for ending in endings where letters.count >= ending.count + least && letters.hasSuffix(ending) {
            letters.removeLast(ending.count)
            break
        }
        // "książek" is of "książka".
        if letters.count > least, letters.hasSuffix(["e", "k"]) {
            letters.remove(at: letters.count - 2)
        }
        return String(String.UnicodeScalarView(letters))
    }
}

extension Array<Unicode.Scalar> {
    fileprivate func hasSuffix(_ other: [Unicode.Scalar]) -> Bool {
        count >= other.count && suffix(other.count) == other[...]
    }
}
