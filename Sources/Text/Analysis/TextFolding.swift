// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Folding: the form of a text in which spellings that readers take for the same are equal.
public enum TextFolding {
    /// Lower-cased, compatibility-decomposed (NFKD), without accents: "Ångström №5" becomes "angstrom no5".
    /// Letters that Unicode does not decompose but readers do are spelled out (ß, æ, ø, ł …); the digits of every script
    /// are 0 to 9, a final sigma is a sigma, Arabic letters have one form whatever the keyboard, without tatweel. Vowel
    /// signs of Indic scripts and Japanese voicing marks stay: without them words change their meaning. Idempotent.
    public static func fold(_ text: String) -> String {
        if let ascii = foldASCII(text) { return ascii }
        var folded = String.UnicodeScalarView()
        // Lower-casing comes first because it may add marks (the dot of İ), and again because decomposition may
        // bring capitals (№, ℡).
        for scalar in text.lowercased().decomposedStringWithCompatibilityMapping.unicodeScalars {
            if isAccent(scalar) { continue }
            if scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue {
                folded.append(contentsOf: String(Int(value)).unicodeScalars)
            } else if let spelled = spelledOut(scalar) {
                folded.append(contentsOf: spelled.unicodeScalars)
            } else {
                folded.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return String(folded)
    }

    /// The folded text when it is pure ASCII, else nil.
    private static func foldASCII(_ text: String) -> String? {
        var text = text
        return text.withUTF8 { bytes -> String? in
            var changes = false
            for byte in bytes {
                if byte >= 0x80 { return nil }
                if byte &- 0x41 < 26 { changes = true }
            }
            if !changes { return String(decoding: bytes, as: UTF8.self) }
            return String(unsafeUninitializedCapacity: bytes.count) { out in
                for (index, byte) in bytes.enumerated() {
                    out[index] = byte &- 0x41 < 26 ? byte | 0x20 : byte
                }
                return bytes.count
            }
        }
    }

    /// Marks that folding removes: accents of the Latin, Greek and Cyrillic scripts, Hebrew points, Arabic vowels.
    static func isAccent(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x0300...0x036F, 0x0483...0x0487, 0x0591...0x05BD, 0x05BF, 0x05C1...0x05C2, 0x05C4...0x05C5, 0x05C7,
            0x0610...0x061A, 0x0640, 0x064B...0x065F, 0x0670, 0x1AB0...0x1AFF, 0x1DC0...0x1DFF, 0x20D0...0x20F0,
            0xFE20...0xFE2F, 0x00AD, 0x200B...0x200F, 0xFE00...0xFE0F, 0xFEFF, 0x1F3FB...0x1F3FF:
            true
        default: false
        }
    }

    /// Letters whose usual spelling without special characters is not a decomposition.
    private static func spelledOut(_ scalar: Unicode.Scalar) -> String? {
        switch scalar.value {
        case 0x00DF: "ss"
        case 0x00E6: "ae"
        case 0x0153: "oe"
        case 0x00F8: "o"
        case 0x0142: "l"
        case 0x0111, 0x00F0: "d"
        case 0x00FE: "th"
        case 0x0127: "h"
        case 0x0131: "i"
        case 0x0167: "t"
        case 0x0138: "k"
        case 0x014B: "n"
        case 0x2019, 0x2018, 0x02BB...0x02BF: "'"
        case 0x03C2: "\u{3C3}"
        // Arabic: alef maksura and the Persian yeh, the Persian kaf, teh marbuta.
        case 0x0649, 0x06CC: "\u{64A}"
        case 0x06A9: "\u{643}"
        case 0x0629: "\u{647}"
        case 0x201C, 0x201D: "\""
        case 0x2010...0x2015, 0x2212: "-"
        default: nil
        }
    }
}
