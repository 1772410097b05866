// SPDX-License-Identifier: Apache-2.0

/// What a character does in a word.
enum CharacterClass: UInt8 {
    /// Separates words.
    case separator = 0
    case letter = 1
    case digit = 2
    /// Belongs to the character before it.
    case mark = 3
    /// A word by itself: Chinese characters, hiragana.
    case ideograph = 4

    init(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case 0x3040...0x3096, 0x309D...0x309F, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF:
            self = .ideograph
            return
        case 0x00AD, 0x200C, 0x200D, 0xFE00...0xFE0F:
            self = .mark
            return
        default: break
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: self = .letter
        case .decimalNumber, .letterNumber, .otherNumber: self = .digit
        case .nonspacingMark, .spacingMark, .enclosingMark: self = .mark
        default: self = .separator
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
