// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Spellings that readers of a language take for the same, brought to one form as Lucene's analyzers do.
enum Spelling {
    /// German: "ae", "oe" and "ue" as what they transcribe, so that "Haeuser" is "Häuser" (Lucene's
    /// GermanNormalizationFilter, which is Snowball's German2): "ue" only after a consonant other than q, as in "neue" and
    /// "Quelle" it is none.
    /// - Parameter word: folded: umlauts are letters without dots already.
    static func german(_ word: String) -> String {
        guard word.utf8.contains(UInt8(ascii: "e")) else { return word }
        enum State { case consonant, vowel, umlaut }
        var state = State.consonant
        var kept: [UInt8] = []
        kept.reserveCapacity(word.utf8.count)
        for byte in word.utf8 {
            switch byte {
            case UInt8(ascii: "a"), UInt8(ascii: "o"): state = .umlaut
            case UInt8(ascii: "u"): state = state == .consonant ? .umlaut : .vowel
            case UInt8(ascii: "e"):
                let transcribes = state == .umlaut
                state = .vowel
                if transcribes { continue }
            case UInt8(ascii: "i"), UInt8(ascii: "q"), UInt8(ascii: "y"): state = .vowel
            default: state = .consonant
            }
            kept.append(byte)
        }
        return String(decoding: kept, as: UTF8.self)
    }

    /// Arabic: a heh at a word's end is written for a teh marbuta, which the stemmer then takes away.
    static func arabic(_ word: String) -> String {
        guard word.unicodeScalars.count >= 4, word.unicodeScalars.last == "\u{647}" else { return word }
        return String(word.unicodeScalars.dropLast()) + "\u{629}"
    }

    /// Hindi: the nasal before a consonant in its two spellings, long and short vowels, signs that come and go (Lucene's
    /// HindiNormalizationFilter).
    static func hindi(_ word: String) -> String {
        var output = String.UnicodeScalarView()
        let scalars = Array(word.unicodeScalars)
        var at = 0
        while at < scalars.count {
            let scalar = scalars[at]
            at += 1
            switch scalar.value {
            // Na with a virama is the nasal.
            case 0x0928 where at < scalars.count && scalars[at].value == 0x094D:
                output.append("\u{902}")
                at += 1
            case 0x0901: output.append("\u{902}")
            // Nukta, virama, and joiners.
            case 0x093C, 0x094D, 0x200C, 0x200D: continue
            default: output.append(plainHindi[scalar.value].flatMap(Unicode.Scalar.init) ?? scalar)
            }
        }
        return String(output)
    }

    private static let plainHindi: [UInt32: UInt32] = [
        // Letters with a nukta.
        0x0929: 0x0928, 0x0931: 0x0930, 0x0934: 0x0933, 0x0958: 0x0915, 0x0959: 0x0916, 0x095A: 0x0917, 0x095B: 0x091C,
        0x095C: 0x0921, 0x095D: 0x0922, 0x095E: 0x092B, 0x095F: 0x092F,
        // Candra and short e and o.
        0x0945: 0x0947, 0x0946: 0x0947, 0x0949: 0x094B, 0x094A: 0x094B, 0x090D: 0x090F, 0x090E: 0x090F, 0x0911: 0x0913,
        0x0912: 0x0913, 0x0972: 0x0905,
        // Long vowels as the short ones.
        0x0906: 0x0905, 0x0908: 0x0907, 0x090A: 0x0909, 0x0960: 0x090B, 0x0961: 0x090C, 0x0910: 0x090F, 0x0914: 0x0913,
        0x0940: 0x093F, 0x0942: 0x0941, 0x0944: 0x0943, 0x0963: 0x0962, 0x0948: 0x0947, 0x094C: 0x094B,
    ]
}

/// The common Chinese characters in their simplified forms, by ICU's table.
enum ChineseForms {
    /// The simplified form of each character from U+4E00 to U+9FFF.
    static let simplified: [UInt16] = {
        let range: ClosedRange<UInt32> = 0x4E00...0x9FFF
        let identity = range.map { UInt16($0) }
        let all = range.compactMap(Unicode.Scalar.init).map { String($0) }.joined(separator: "\n")
        guard let converted = all.applyingTransform(StringTransform("Hant-Hans"), reverse: false) else {
            return identity
        }
        let forms = converted.split(separator: "\n", omittingEmptySubsequences: false)
        guard forms.count == identity.count else { return identity }
        return zip(forms, identity).map { form, own in
            let scalars = form.unicodeScalars
            guard scalars.count == 1, let value = scalars.first?.value, range.contains(value) else { return own }
            return UInt16(value)
        }
    }()
}
