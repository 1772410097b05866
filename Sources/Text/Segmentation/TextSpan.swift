// SPDX-License-Identifier: Apache-2.0

/// A piece of a text, by position.
public struct TextSpan: Hashable, Codable, Sendable {
    /// Offsets in UTF-8 bytes.
    public var utf8: Range<Int>
    /// Offsets in characters (Unicode scalars: what Python and most data sets count).
    public var characters: Range<Int>
    /// Words in it; each Chinese character or kana counts as one.
    public var wordCount: Int

    public init(utf8: Range<Int>, characters: Range<Int>, wordCount: Int) {
        self.utf8 = utf8
        self.characters = characters
        self.wordCount = wordCount
    }

    /// The piece's text. `text` must be the text that the span was made from; offsets beyond it are cut off.
    public func text(in text: String) -> Substring {
        let view = text.utf8
        let start = view.index(view.startIndex, offsetBy: utf8.lowerBound, limitedBy: view.endIndex) ?? view.endIndex
        let end = view.index(start, offsetBy: utf8.count, limitedBy: view.endIndex) ?? view.endIndex
        return text[start..<end]
    }
}
