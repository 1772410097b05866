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

    /// The ranges of the words within `range`: what lies between white space, with Chinese characters and kana one each,
    /// and four syllables of a script without spaces, which is about a word of Thai.
    func words(in range: Range<Int>) -> [Range<Int>] {
        var words: [Range<Int>] = []
        var start: Int?
        /// Syllables since `start` while it lies in a script without spaces, else -1.
        var syllables = -1
        func close(_ end: Int) {
            if let begin = start { words.append(begin..<end) }
            start = nil
            syllables = -1
        }
        for index in range {
            let scalar = scalars[index]
            if scalar.value < 0x80 {
                if scalar.value <= 0x20 { close(index) } else if start == nil { start = index }
                continue
            }
            if scalar.value < 0x0E00 {
                if scalar.properties.isWhitespace { close(index) } else if start == nil { start = index }
                continue
            }
            switch CharacterClass(scalar) {
            case .ideograph, .hiragana:
                close(index)
                words.append(index..<(index + 1))
            case .unspaced:
                let joins =
                    index > range.lowerBound
                    && CharacterClass.joinsPrevious(scalar.value, after: scalars[index - 1].value)
                if syllables < 0 || (syllables == 4 && !joins) {
                    if syllables >= 0 { close(index) }
                    if start == nil { start = index }
                    syllables = 1
                } else if !joins {
                    syllables += 1
                }
            default:
                if scalar.properties.isWhitespace { close(index) } else if start == nil { start = index }
            }
        }
        close(range.upperBound)
        return words
    }

    /// Whether a reader pauses between the scalar before `index` and it: white space or a comma.
    func pauses(before index: Int) -> Bool {
        guard index > 0 else { return true }
        let scalar = scalars[index - 1]
        switch scalar {
        case "，", "、", "；", "：", "၊": return true
        default: return scalar.properties.isWhitespace
        }
    }

    func span(_ range: Range<Int>) -> TextSpan {
        TextSpan(
            utf8: offsets[range.lowerBound]..<offsets[range.upperBound], characters: range,
            wordCount: words(in: range).count)
    }
}
