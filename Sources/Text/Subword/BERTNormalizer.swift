// SPDX-License-Identifier: Apache-2.0
import Foundation

/// BERT's way with characters: control characters go, Chinese characters stand alone, accents go, letters become lower
/// case, white space and punctuation separate. One source character at a time, so that offsets are kept.
struct BERTNormalizer: Sendable {
    /// What one character of the normalised text does.
    enum Role: UInt8, Sendable {
        case word
        /// Separates words.
        case space
        /// A word by itself.
        case single
    }

    /// One character of the normalised text.
    struct Output: Sendable {
        var utf8: [UInt8]
        var role: Role
    }

    var lowercases: Bool
    var stripsAccents: Bool
    var separatesChinese: Bool
    var cleans: Bool

    /// The characters that a source character becomes.
    func expand(_ scalar: Unicode.Scalar) -> [Output] {
        if cleans {
            if Self.isRemoved(scalar) { return [] }
            if Self.isSpace(scalar) { return [Output(utf8: [0x20], role: .space)] }
        }
        let isChinese = separatesChinese && Self.isChinese(scalar)
        var scalars: [Unicode.Scalar] = [scalar]
        if stripsAccents {
            scalars = String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars.filter {
                $0.properties.generalCategory != .nonspacingMark
            }
        }
        if lowercases { scalars = scalars.flatMap { Array($0.properties.lowercaseMapping.unicodeScalars) } }
        return scalars.map { scalar in
            let role: Role =
                isChinese || Self.isPunctuation(scalar)
                ? .single : scalar.properties.isWhitespace ? .space : .word
            return Output(utf8: Array(String(scalar).utf8), role: role)
        }
    }

    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.isWhitespace
    }

    /// NUL, the replacement character, control, format and private characters; tab and line ends are white space.
    static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A, 0x0D: return false
        case 0, 0xFFFD: return true
        default: break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .privateUse: return true
        default: return false
        }
    }

    /// ASCII's symbols count as punctuation although Unicode has some elsewhere ("$", "+", "^").
    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        case 0..<0x80: return false
        default: break
        }
        switch scalar.properties.generalCategory {
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return true
        default: return false
        }
    }

    static func isChinese(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
            0x2B820...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F:
            true
        default: false
        }
    }
}
