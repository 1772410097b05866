// SPDX-License-Identifier: Apache-2.0

/// A text as an array of scalars with the byte offset of each: what the splitters work on. A long text is looked at in
/// windows (`SentenceSplitter.forEachWindow`), since this takes twelve bytes a scalar.
struct ScalarText {
    let scalars: [Unicode.Scalar]
    /// `offsets[i]` is the UTF-8 offset of scalar i; one more entry holds the length. Empty where all take one byte.
    private let offsets: [Int]

    init(_ text: String) {
        var text = text
        self = text.withUTF8 { ScalarText($0) }
    }

    /// - Parameter bytes: valid UTF-8, as in a string.
    init(_ bytes: UnsafeBufferPointer<UInt8>) {
        let count = bytes.count
        if bytes.allSatisfy({ $0 < 0x80 }) {
            offsets = []
            scalars = [Unicode.Scalar](unsafeUninitializedCapacity: count) { target, filled in
                for index in 0..<count { target[index] = Unicode.Scalar(bytes[index]) }
                filled = count
            }
            return
        }
        var scalarCount = 0
        for byte in bytes where byte & 0xC0 != 0x80 { scalarCount += 1 }
        var decoded = [Unicode.Scalar](repeating: "\0", count: scalarCount)
        var places = [Int](repeating: 0, count: scalarCount + 1)
        decoded.withUnsafeMutableBufferPointer { decoded in
            places.withUnsafeMutableBufferPointer { places in
                var at = 0
                var index = 0
                func more(_ value: UInt32) -> UInt32 {
                    at += 1
                    return value << 6 | (at < count ? UInt32(bytes[at]) & 0x3F : 0)
                }
                while at < count, index < decoded.count {
                    places[index] = at
                    let byte = UInt32(bytes[at])
                    var value = byte
                    if byte >= 0xF0 {
                        value = more(more(more(byte & 0x07)))
                    } else if byte >= 0xE0 {
                        value = more(more(byte & 0x0F))
                    } else if byte >= 0xC0 {
                        value = more(byte & 0x1F)
                    }
                    at += 1
                    decoded[index] = Unicode.Scalar(value) ?? "\u{FFFD}"
                    index += 1
                }
                places[scalarCount] = count
            }
        }
        scalars = decoded
        offsets = places
    }

    /// The UTF-8 offset of a scalar, or of the end.
    func offset(of index: Int) -> Int { offsets.isEmpty ? index : offsets[index] }

    /// The ranges of the words within `range`: what lies between white space, with Chinese characters and kana one each,
    /// and four syllables of a script without spaces, which is about a word of Thai.
    func words(in range: Range<Int>) -> [Range<Int>] {
        var words: [Range<Int>] = []
        forEachWord(in: range) { words.append($0) }
        return words
    }

    /// How many words there are within `range`.
    func wordCount(in range: Range<Int>) -> Int {
        var count = 0
        forEachWord(in: range) { _ in count += 1 }
        return count
    }

    @inline(__always)
    private func forEachWord(in range: Range<Int>, _ body: (Range<Int>) -> Void) {
        scalars.withUnsafeBufferPointer { scalars in
            /// The first scalar of the word at hand; -1 for none.
            var start = -1
            /// Syllables since `start` while it lies in a script without spaces, else -1.
            var syllables = -1
            for index in range {
                let value = scalars[index].value
                if value < 0x80 {
                    if value > 0x20 {
                        if start < 0 { start = index }
                        continue
                    }
                } else if value < 0x0E00 {
                    if !CharacterClass.isSpace(value) {
                        if start < 0 { start = index }
                        continue
                    }
                } else {
                    switch CharacterClass(scalars[index]) {
                    case .ideograph, .hiragana:
                        if start >= 0 { body(start..<index) }
                        start = index
                        // It ends with itself, as white space would end it.
                        body(start..<(index + 1))
                        start = -1
                        syllables = -1
                        continue
                    case .unspaced:
                        let joins =
                            index > range.lowerBound
                            && CharacterClass.joinsPrevious(value, after: scalars[index - 1].value)
                        if syllables < 0 || (syllables == 4 && !joins) {
                            if syllables >= 0, start >= 0 {
                                body(start..<index)
                                start = -1
                            }
                            if start < 0 { start = index }
                            syllables = 1
                        } else if !joins {
                            syllables += 1
                        }
                        continue
                    default:
                        if !CharacterClass.isSpace(value) {
                            if start < 0 { start = index }
                            continue
                        }
                    }
                }
                if start >= 0 { body(start..<index) }
                start = -1
                syllables = -1
            }
            if start >= 0 { body(start..<range.upperBound) }
        }
    }

    /// Whether a reader pauses between the scalar before `index` and it: white space or a comma.
    func pauses(before index: Int) -> Bool {
        guard index > 0 else { return true }
        let scalar = scalars[index - 1]
        switch scalar {
        case "，", "、", "；", "：", "၊": return true
        default: return CharacterClass.isSpace(scalar.value)
        }
    }

    func span(_ range: Range<Int>) -> TextSpan {
        TextSpan(
            utf8: offset(of: range.lowerBound)..<offset(of: range.upperBound), characters: range,
            wordCount: wordCount(in: range))
    }
}

extension CharacterClass {
    /// Whether a scalar is white space, by Unicode's property White_Space.
    static func isSpace(_ value: UInt32) -> Bool {
        if value < 0x80 { return value == 0x20 || (value >= 0x09 && value <= 0x0D) }
        switch value {
        case 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: return true
        default: return false
        }
    }
}
