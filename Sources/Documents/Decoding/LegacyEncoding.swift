// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Tells the encodings before Unicode apart, which give the same bytes to other letters.
///
/// Each candidate is a small model of text in it: which letters beyond ASCII its languages have and how often, where
/// capitals and signs stand in words, and which bytes are no letter at all. The bytes are as likely in a candidate as its
/// best language makes them; the most likely one wins. Windows-1252, which most files without a word on their encoding
/// are in, needs no more than to be nearly as likely; every other one must be clearly better.
enum LegacyEncoding {
    /// How much more likely than Windows-1252 any other must be: the natural logarithm of the factor.
    private static let margin = 2.5
    /// Bytes beyond ASCII that are looked at.
    private static let sampled = 6000

    /// The most likely encoding, by the name that iconv knows.
    static func best(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
        let sample = sample(of: bytes)
        guard let western = tables.first?.likelihood(of: sample) else { return "WINDOWS-1252" }
        var best = (name: "WINDOWS-1252", likelihood: western + margin)
        for table in tables.dropFirst() {
            let found = table.likelihood(of: sample) - table.rarity
            if found > best.likelihood { best = (table.name, found) }
        }
        for candidate in EastAsianEncoding.all {
            let found = candidate.likelihood(of: sample)
            if found > best.likelihood { best = (candidate.name, found) }
        }
        return best.name
    }

    /// The part of a text that holds the first bytes beyond ASCII.
    private static func sample(of bytes: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        guard let first = bytes.firstIndex(where: { $0 >= 0x80 }) else { return bytes }
        // From a line's beginning, so that no character of two bytes is cut.
        let start = bytes[..<first].lastIndex(of: 10).map { $0 + 1 } ?? 0
        var count = 0
        var end = first
        while end < bytes.count, count < sampled || bytes[end] >= 0x80 {
            if bytes[end] >= 0x80 { count += 1 }
            end += 1
            // One run without an end is cut somewhere.
            if count > 2 * sampled { break }
        }
        return UnsafeBufferPointer(rebasing: bytes[start..<end])
    }

    /// The candidates of one byte a character. The first one is what the others are held against.
    private static let tables: [LetterTable] = [
        LetterTable("WINDOWS-1252", LanguageLetters.western, rarity: 0),
        LetterTable("WINDOWS-1250", LanguageLetters.central, rarity: 0),
        LetterTable("ISO-8859-2", LanguageLetters.central, rarity: 0.5),
        LetterTable("WINDOWS-1254", LanguageLetters.turkish, rarity: 0),
        LetterTable("WINDOWS-1257", LanguageLetters.baltic, rarity: 0),
        LetterTable("ISO-8859-13", LanguageLetters.baltic, rarity: 0.5),
        LetterTable("ISO-8859-15", LanguageLetters.western, rarity: 0.5),
        LetterTable("ISO-8859-16", LanguageLetters.central, rarity: 1),
        LetterTable("MACINTOSH", LanguageLetters.western, rarity: 2.5),
        LetterTable("MAC-CENTRALEUROPE", LanguageLetters.central, rarity: 2),
        LetterTable("CP850", LanguageLetters.western, rarity: 1.5),
        LetterTable("CP437", LanguageLetters.western, rarity: 1.6),
        LetterTable("CP852", LanguageLetters.central, rarity: 2),
        LetterTable("CP857", LanguageLetters.turkish, rarity: 2),
        LetterTable("WINDOWS-1251", LanguageLetters.cyrillic, rarity: 0),
        LetterTable("KOI8-U", LanguageLetters.cyrillic, rarity: 0.6),
        LetterTable("KOI8-R", LanguageLetters.cyrillic, rarity: 0.5),
        LetterTable("ISO-8859-5", LanguageLetters.cyrillic, rarity: 0.5),
        LetterTable("IBM866", LanguageLetters.cyrillic, rarity: 0.5),
        LetterTable("MAC-CYRILLIC", LanguageLetters.cyrillic, rarity: 2.5),
        LetterTable("WINDOWS-1253", LanguageLetters.greek, rarity: 0),
        LetterTable("ISO-8859-7", LanguageLetters.greek, rarity: 0.5),
        LetterTable("CP737", LanguageLetters.greek, rarity: 1),
        LetterTable("WINDOWS-1255", LanguageLetters.hebrew, rarity: 0),
        LetterTable("ISO-8859-8", LanguageLetters.hebrew, rarity: 0.5),
        LetterTable("CP862", LanguageLetters.hebrew, rarity: 1),
        LetterTable("WINDOWS-1256", LanguageLetters.arabic, rarity: 0),
        LetterTable("ISO-8859-6", LanguageLetters.arabic, rarity: 0.5),
        LetterTable("WINDOWS-874", LanguageLetters.thai, rarity: 0),
        LetterTable("TIS-620", LanguageLetters.thai, rarity: 0.2),
    ].compactMap { $0 }
}

/// A model of text in an encoding of one byte a character.
private struct LetterTable: Sendable {
    let name: String
    /// How much less often files are in it than in others for the same languages.
    let rarity: Double

    enum Kind: UInt8, Sendable { case lower, upper, uncased, mark, sign, frame, none }
    /// What the bytes from 0x80 on are.
    private let kinds: [Kind]
    private let scalars: [UInt32]
    /// Whether a language is written in letters of ASCII, and these among them.
    private let isLatin: Bool
    /// For each language, the logarithm of the share of each byte from 0x80 on.
    private let languages: [[Double]]

    /// Nil when iconv does not know the encoding.
    init?(_ name: String, _ lists: [String], rarity: Double) {
        guard CharacterConverter(from: name) != nil else { return nil }
        self.name = name
        self.rarity = rarity
        let characters = (UInt8(0x80)...0xFF).map { Self.character($0, in: name) }
        scalars = characters.map { $0?.value ?? 0 }
        let letters = characters.map { $0?.properties.lowercaseMapping ?? "" }
        let shares = lists.map { LanguageLetters.shares(of: $0) }
        isLatin = shares.first?.keys.contains { ($0.unicodeScalars.first?.value ?? 0) < 0x250 } ?? false
        kinds = characters.map { Self.kind($0) }
        languages = shares.map { share in
            // A letter that the language does not have may stand in a name.
            // Nor does one letter alone say much, however frequent it is.
            letters.map { log(min(max(share[$0] ?? 0, 0.0008), 0.2)) }
        }
    }

    private static func character(_ byte: UInt8, in name: String) -> Unicode.Scalar? {
        let text = [byte].withUnsafeBufferPointer { try? TextDecoding.transcoded($0, from: TextEncoding(name: name)) }
        guard let scalar = text?.unicodeScalars.first, scalar.value != 0xFFFD, scalar.value >= 0xA0 else { return nil }
        return scalar
    }

    private static func kind(_ scalar: Unicode.Scalar?) -> Kind {
        guard let scalar else { return .none }
        switch scalar.properties.generalCategory {
        case .lowercaseLetter: return .lower
        case .uppercaseLetter, .titlecaseLetter: return .upper
        case .otherLetter, .modifierLetter: return .uncased
        case .nonspacingMark, .spacingMark: return .mark
        case .privateUse, .control, .unassigned: return .none
        default: return (0x2500...0x25FF).contains(scalar.value) ? .frame : .sign
        }
    }

    /// A character of the text: what it is, for the one before or after it.
    private func kind(_ byte: UInt8) -> Kind {
        if byte >= 0x80 { return kinds[Int(byte & 0x7F)] }
        if byte >= 97, byte <= 122 { return .lower }
        return byte >= 65 && byte <= 90 ? .upper : .sign
    }

    /// The logarithm of how likely the bytes beyond ASCII are.
    func likelihood(of bytes: UnsafeBufferPointer<UInt8>) -> Double {
        var counts = [Int](repeating: 0, count: 128)
        var sum = 0.0
        // How many letters beyond ASCII stand before this place, one at the other.
        var run = 0
        for at in bytes.indices {
            let byte = bytes[at]
            guard byte >= 0x80 else {
                run = 0
                continue
            }
            let own = kinds[Int(byte & 0x7F)]
            let before = at > 0 ? bytes[at - 1] : 32
            let after = at + 1 < bytes.count ? bytes[at + 1] : 32
            switch own {
            case .lower, .upper, .uncased, .mark:
                counts[Int(byte & 0x7F)] += 1
                sum += placed(own, bytes, at, before: before, after: after, run: run)
                run += 1
            case .sign:
                sum += sign(scalars[Int(byte & 0x7F)], before: before, after: after)
                run = 0
            case .frame:
                let isInWord = Self.isLetter(kind(before)) || Self.isLetter(kind(after))
                sum += isInWord ? -7.5 : -5
                run = 0
            case .none:
                sum -= 10
                run = 0
            }
        }
        let letters = languages.map { shares in
            zip(counts, shares).reduce(0.0) { $0 + ($1.0 == 0 ? 0 : Double($1.0) * $1.1) }
        }
        return sum + (letters.max() ?? 0)
    }

    private static func isLetter(_ kind: Kind) -> Bool { kind == .lower || kind == .upper || kind == .uncased }

    /// How well a letter stands where it does: capitals begin words, and letters of other scripts keep to themselves.
    private func placed(
        _ own: Kind, _ bytes: UnsafeBufferPointer<UInt8>, _ at: Int, before: UInt8, after: UInt8, run: Int
    ) -> Double {
        var sum = 0.0
        let last = kind(before)
        if own == .upper {
            sum -= last == .upper ? 0.4 : 1.2
            if last == .lower { sum -= 4 }
            // A capital before small letters within a word in capitals is as odd.
            if last == .upper, kind(after) == .lower { sum -= 2 }
        } else if own == .lower, last == .upper, at > 1, kind(bytes[at - 2]) == .upper {
            sum -= 2
        } else if own == .mark, last != .uncased, last != .mark {
            sum -= 5
        }
        if own == .lower, after < 0x80, kind(after) == .upper { sum -= 3 }
        if isLatin {
            if own == .lower, !Self.isLetter(last) { sum -= 1 }
            if run == 1 { sum -= 1.5 }
            if run > 1 { sum -= 4 }
            let scalar = scalars[Int(bytes[at] & 0x7F)]
            // Icelandic þ begins words, and ð does not.
            if scalar == 0xFE, Self.isLetter(last) { sum -= 3 }
            if scalar == 0xF0 || scalar == 0xD0, !Self.isLetter(last) { sum -= 3 }
            // A letter alone is a word in some languages: à, é, í, ó, ú, å, ö, ê.
            let isAlone = !Self.isLetter(last) && !Self.isLetter(kind(after))
            let isWord: Set<UInt32> = [
                0xE0, 0xC0, 0xE9, 0xC9, 0xED, 0xF3, 0xFA, 0xE8, 0xC8, 0xE1, 0xC1, 0xE5, 0xF6, 0xEA,
            ]
            if isAlone { sum -= isWord.contains(scalar) ? 1 : 3 }
        } else if before < 0x80 && Self.isLetter(last) || after < 0x80 && Self.isLetter(kind(after)) {
            sum -= 3.5
        }
        return sum
    }

    /// How likely a sign is where it stands.
    private func sign(_ scalar: UInt32, before: UInt8, after: UInt8) -> Double {
        let (last, next) = (kind(before), kind(after))
        let (isAfter, isBefore) = (Self.isLetter(last), Self.isLetter(next))
        let isAfterDigit = before >= 48 && before <= 57
        let isBeforeDigit = after >= 48 && after <= 57
        // Signs beyond ASCII stand alone, but for quotes and the like.
        let isAlone =
            before < 0x80 && after < 0x80 || (0x2010...0x203A).contains(scalar) || [0xA0, 0xAB, 0xBB].contains(scalar)
        func when(_ fits: Bool) -> Double { fits && isAlone ? -3.5 : isAfter && isBefore ? -9.5 : -7.5 }
        switch scalar {
        // Quotes, which other languages turn around, and the apostrophe.
        case 0x2019: return when(isAfter || isAfterDigit || last == .sign && !isBefore || isBefore && before == 32)
        case 0x2018, 0x201C, 0x201D, 0x201E, 0x201A, 0xAB, 0xBB, 0x2039, 0x203A: return when(!(isAfter && isBefore))
        case 0x2013, 0x2014: return isAfter && isBefore ? -5 : -3
        case 0x2026: return when(!isBefore || !isAfter)
        case 0xA0: return !(isAfter && isBefore) ? -3 : -5
        case 0x20AC, 0xA3, 0xA5: return when(isAfterDigit || isBeforeDigit || (!isAfter && !isBefore))
        case 0xB0, 0xBA, 0xAA: return when(isAfterDigit || (before == 32 || before == 46 || isAfter) && !isBefore)
        case 0xA7, 0x2116: return when(!isAfter && !isBefore || before == 32 || isBeforeDigit)
        case 0xB2, 0xB3, 0xB9: return when((isAfter || before == 41 || isAfterDigit) && !isBefore)
        case 0xB5: return when(isBefore && !isAfter)
        case 0xBC, 0xBD, 0xBE: return when(!isAfter)
        case 0xBF, 0xA1: return when(!isAfter && (isBefore || after < 0x80))
        case 0xB1, 0xD7, 0xF7: return when(!(isAfter && isBefore))
        case 0xA9, 0xAE, 0x2122: return when(!isBefore)
        case 0xB7, 0x2022, 0x2027: return when(!isAfter || isBefore)
        case 0xA4, 0xAC, 0xA6, 0xAF, 0xB4, 0xB8, 0xA8, 0xB6: return -6.5
        case 0x60C, 0x61B, 0x61F: return when(!isBefore)
        default: return isAfter || isBefore ? -8.5 : -7
        }
    }
}
