// SPDX-License-Identifier: Apache-2.0

/// The end of an answer that is longer than its client takes, found while it is written. A token is at most a word: what has
/// more words than tokens were asked for is longer.
struct AnswerLimit: Sendable {
    private let most: Int?
    private var words = 0
    private var isInWord = false
    /// Whether something was left out.
    private(set) var isCut = false

    /// - Parameter tokens: the most that the client takes; nil for any number.
    init(tokens: Int?) { most = tokens }

    /// The part of the next piece of the answer that the client takes.
    mutating func take(_ text: String) -> String {
        guard let most, !isCut else { return isCut ? "" : text }
        var taken = text.startIndex
        var place = text.startIndex
        while place < text.endIndex {
            let next = text.index(after: place)
            if text[place].isWhitespace {
                isInWord = false
            } else {
                if !isInWord {
                    guard words < most else {
                        isCut = true
                        break
                    }
                    words += 1
                    isInWord = true
                }
                taken = next
            }
            place = next
            // White space behind the last word is shown when it is known that another follows it.
            if words < most { taken = next }
        }
        return String(text[..<taken])
    }
}
