// SPDX-License-Identifier: Apache-2.0

/// What a character does in a word.
enum CharacterClass: UInt8 {
    /// Separates words.
    case separator = 0
    case letter = 1
    case digit = 2
    /// Belongs to the character before it.
    case mark = 3
    /// Chinese characters.
    case ideograph = 4
    case hiragana = 5
    case katakana = 6
    /// Korean syllables: spaced, but with particles grown on.
    case hangul = 7
    /// Letters of South-East Asian scripts that are written without spaces: Thai, Lao, Khmer, Myanmar and their kin.
    case unspaced = 8
    /// A word by itself: emoji.
    case pictograph = 9

    /// Whether white space does not show where words of this class begin and end.
    var isRun: Bool { rawValue >= Self.ideograph.rawValue }

    init(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x00AD, 0x0640, 0x200C, 0x200D, 0xFE00...0xFE0F:
            self = .mark
            return
        case 0x3005...0x3007:
            self = .ideograph
            return
        case 0x3099, 0x309A, 0xFF9E, 0xFF9F:
            self = .mark
            return
        default: break
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            self = Self.script(scalar.value)
        case .decimalNumber, .letterNumber, .otherNumber: self = .digit
        case .nonspacingMark, .spacingMark, .enclosingMark: self = .mark
        case .modifierSymbol where scalar.properties.isEmojiModifier: self = .mark
        case .otherSymbol where scalar.value >= 0x2190 && scalar.properties.isEmoji: self = .pictograph
        default: self = .separator
        }
    }

    /// The class of a letter by its script.
    private static func script(_ value: UInt32) -> CharacterClass {
        guard value >= 0x0E00 else { return .letter }
        switch value {
        case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF, 0x1950...0x19FF, 0x1A20...0x1AAF, 0x1B00...0x1B7F,
            0xA980...0xA9FF, 0xAA60...0xAADF:
            return .unspaced
        case 0x1100...0x11FF, 0x3130...0x318F, 0xA960...0xA97F, 0xAC00...0xD7FF, 0xFFA0...0xFFDC: return .hangul
        case 0x3040...0x309F: return .hiragana
        case 0x30A0...0x30FF, 0x31F0...0x31FF, 0xFF66...0xFF9D: return .katakana
        case 0x3100...0x312F, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF: return .ideograph
        default: return .letter
        }
    }

    /// Whether a letter of a script without spaces begins no syllable of its own: vowels that are written behind their
    /// consonant, and a consonant under another.
    static func joinsPrevious(_ value: UInt32, after previous: UInt32) -> Bool {
        switch value {
        case 0x0E30, 0x0E32, 0x0E33, 0x0E45, 0x0EB0, 0x0EB2, 0x0EB3: return true
        default: break
        }
        switch previous {
        // Vowels that are written before their consonant, and the signs that stack the next one.
        case 0x0E40...0x0E44, 0x0EC0...0x0EC4, 0x17D2, 0x1039: return true
        default: return false
        }
    }
}

/// Classes of characters, looked up by page: a page of 256 is filled when text first touches it.
struct CharacterClassTable {
    private var pages: [[UInt8]] = Array(repeating: [], count: 0x1100)

    /// The classes of ASCII as raw values, for the loop that never decodes.
    static let ascii: [UInt8] = (0..<128).map { value in
        CharacterClass(Unicode.Scalar(UInt8(value))).rawValue
    }

    /// The class of a scalar value. Values that are no scalars (surrogates) separate.
    mutating func classOf(_ value: UInt32) -> CharacterClass {
        let page = Int(value >> 8)
        guard page < pages.count else { return .separator }
        if pages[page].isEmpty {
            pages[page] = (0..<256).map { low in
                Unicode.Scalar(value & ~0xFF | low).map { CharacterClass($0).rawValue } ?? 0
            }
        }
        return CharacterClass(rawValue: pages[page][Int(value & 0xFF)]) ?? .separator
    }
}

/// Decodes the UTF-8 sequence at `index`.
/// - Returns: the scalar value and its length in bytes; a malformed sequence gives (nil, 1).
@inline(__always)
func decodeScalar(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (value: UInt32?, length: Int) {
    let first = UInt32(bytes[index])
    if first < 0x80 { return (first, 1) }
    func continuation(_ offset: Int) -> UInt32? {
        guard index + offset < bytes.count else { return nil }
        let byte = bytes[index + offset]
        return byte & 0xC0 == 0x80 ? UInt32(byte & 0x3F) : nil
    }
    if first >= 0xC2, first < 0xE0, let b = continuation(1) {
        return ((first & 0x1F) << 6 | b, 2)
    }
    if first >= 0xE0, first < 0xF0, let b = continuation(1), let c = continuation(2) {
        let value = (first & 0x0F) << 12 | b << 6 | c
        if value >= 0x800, !(0xD800...0xDFFF).contains(value) { return (value, 3) }
    }
    if first >= 0xF0, first < 0xF5, let b = continuation(1), let c = continuation(2), let d = continuation(3) {
        let value = (first & 0x07) << 18 | b << 12 | c << 6 | d
        if value >= 0x10000, value <= 0x10FFFF { return (value, 4) }
    }
    return (nil, 1)
}
