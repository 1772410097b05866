// SPDX-License-Identifier: Apache-2.0

/// A text as an array of scalars with the byte offset of each: what the splitters work on.
struct ScalarText {
    let scalars: [Unicode.Scalar]
    /// `offsets[i]` is the UTF-8 offset of scalar i; one more entry holds the length.
    private let offsets: [Int]

    init(_ text: String) {
        var scalars: [Unicode.Scalar] = []
        var offsets: [Int] = []
        scalars.reserveCapacity(text.utf8.count)
        offsets.reserveCapacity(text.utf8.count + 1)
        var offset = 0
        for scalar in text.unicodeScalars {
            scalars.append(scalar)
            offsets.append(offset)
            offset += scalar.utf8.count
        }
        offsets.append(offset)
        self.scalars = scalars
        self.offsets = offsets
    }

    /// The ranges of the words within `range`: what lies between white space, with Chinese characters and kana one each.
    func words(in range: Range<Int>) -> [Range<Int>] {
        var words: [Range<Int>] = []
        var start: Int?
        for index in range {
            let scalar = scalars[index]
            if scalar.value < 0x80 {
                if scalar.value <= 0x20 {
                    if let begin = start { words.append(begin..<index) }
                    start = nil
                } else if start == nil {
                    start = index
                }
            } else if scalar.properties.isWhitespace {
                if let begin = start { words.append(begin..<index) }
                start = nil
            } else if CharacterClass(scalar) == .ideograph {
                if let begin = start { words.append(begin..<index) }
                start = nil
                words.append(index..<(index + 1))
            } else if start == nil {
                start = index
            }
        }
        if let begin = start { words.append(begin..<range.upperBound) }
        return words
    }

    func span(_ range: Range<Int>) -> TextSpan {
        TextSpan(
            utf8: offsets[range.lowerBound]..<offsets[range.upperBound], characters: range,
            wordCount: words(in: range).count)
    }
}
