// SPDX-License-Identifier: Apache-2.0

/// The hyphen at the end of a line that divides a word.
enum LineEndHyphen {
    /// Hyphens, and the soft one that shows only there.
    static func isHyphen(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "-" || scalar == "\u{2010}" || scalar == "\u{AD}" || scalar == "\u{2011}"
    }

    /// Whether a line ends within a word that the next line goes on with.
    static func joins(_ line: String, _ next: String) -> Bool {
        guard let hyphen = line.unicodeScalars.last, isHyphen(hyphen),
            let before = line.unicodeScalars.dropLast().last, let first = next.unicodeScalars.first
        else { return false }
        return before.properties.isLowercase && first.properties.isLowercase
    }
}
