// SPDX-License-Identifier: Apache-2.0

/// Finds sentences: at full stops, question and exclamation marks (also Chinese and Japanese ones), with their closing
/// quotes, and at blank lines; not after abbreviations, initials and within numbers.
public struct SentenceSplitter: Sendable {
    /// Which full stops end no sentence.
    public let abbreviations: Abbreviations

    public init(abbreviations: Abbreviations = .english) {
        self.abbreviations = abbreviations
    }

    /// The sentences of `text` in order, without the white space between them. Everything else is in some sentence.
    public func sentences(in text: String) -> [TextSpan] {
        let scanner = ScalarText(text)
        return boundaries(scanner).map { scanner.span($0) }
    }

    /// The sentences as strings.
    public func split(_ text: String) -> [String] {
        sentences(in: text).map { String($0.text(in: text)) }
    }

    /// Sentences as ranges of scalar positions.
    func boundaries(_ text: ScalarText) -> [Range<Int>] {
        let scalars = text.scalars
        var result: [Range<Int>] = []
        var start = 0
        func close(_ end: Int) {
            var (low, high) = (start, end)
            while low < high, scalars[low].properties.isWhitespace { low += 1 }
            while high > low, scalars[high - 1].properties.isWhitespace { high -= 1 }
            if low < high { result.append(low..<high) }
            start = end
        }
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            switch scalar {
            case "\n", "\r":
                var next = index
                var lines = 0
                while next < scalars.count, scalars[next].properties.isWhitespace {
                    if scalars[next] == "\n" { lines += 1 }
                    next += 1
                }
                if lines >= 2 { close(next) }
                index = max(next, index + 1)
            case "\u{2029}":
                index += 1
                close(index)
            case "。", "！", "？", "｡", "។", "៕", "။":
                index += 1
                while index < scalars.count, Self.isTerminator(scalars[index]) || Self.isCloser(scalars[index]) {
                    index += 1
                }
                close(index)
            case ".", "!", "?", "…", "‽", "؟", "।", "۔", "።", "։":
                let stop = index
                index += 1
                while index < scalars.count, Self.isTerminator(scalars[index]) || Self.isCloser(scalars[index]) {
                    index += 1
                }
                if endsSentence(scalars, stop: stop, after: index, start: start) { close(index) }
            default:
                index += 1
            }
        }
        close(scalars.count)
        return result
    }

    /// Whether the mark at `stop`, with what closes behind it up to `after`, ends the sentence begun at `start`.
    private func endsSentence(_ scalars: [Unicode.Scalar], stop: Int, after: Int, start: Int) -> Bool {
        guard after < scalars.count else { return true }
        guard scalars[after].properties.isWhitespace else { return false }
        var next = after
        while next < scalars.count, scalars[next].properties.isWhitespace { next += 1 }
        guard next < scalars.count else { return true }
        var first = next
        while first < scalars.count, Self.isOpener(scalars[first]) { first += 1 }
        let follows = first < scalars.count ? scalars[first] : scalars[next]
        if follows.properties.isLowercase { return false }
        // Only a lone full stop can belong to an abbreviation; "?!" and "…" before a capital end the sentence.
        guard scalars[stop] == ".", stop + 1 == after || Self.isCloser(scalars[stop + 1]) else { return true }

        var low = stop
        while low > start, !scalars[low - 1].properties.isWhitespace, !Self.isOpener(scalars[low - 1]),
            scalars[low - 1] != "-", scalars[low - 1] != "–", scalars[low - 1] != "—", scalars[low - 1] != "/"
        {
            low -= 1
        }
        let word = scalars[low..<stop]
        guard let initial = word.first else { return true }
        let text = String(String.UnicodeScalarView(word)).lowercased()
        // A row of digits that is the whole sentence so far numbers what follows: "1. Introduction".
        if word.allSatisfy({ $0.properties.numericType != nil }) {
            return scalars[start..<low].contains { !$0.properties.isWhitespace }
        }
        if word.count == 1, initial.properties.isAlphabetic {
            // An initial, unless the pronoun: "So do I. The end."
            return initial == "I" && nextWord(scalars, from: first).map(abbreviations.starters.contains) ?? false
        }
        if abbreviations.neverFinal.contains(text) { return false }
        let isNumberSign = text == "no" || text == "nos" || text == "p"
        if isNumberSign {
            if follows.properties.numericType != nil { return false }
            return true
        }
        let isDotted = word.contains(".") && !word.contains { $0.properties.numericType != nil }
        if abbreviations.sometimesFinal.contains(text) || (isDotted && Self.isInitials(word)) {
            return nextWord(scalars, from: first).map(abbreviations.starters.contains) ?? true
        }
        return true
    }

    /// The word at `start`, lower-case.
    private func nextWord(_ scalars: [Unicode.Scalar], from start: Int) -> String? {
        var end = start
        while end < scalars.count, scalars[end].properties.isAlphabetic { end += 1 }
        return end > start ? String(String.UnicodeScalarView(scalars[start..<end])).lowercased() : nil
    }

    /// "U.S", "J.R.R": single letters between full stops.
    private static func isInitials(_ word: ArraySlice<Unicode.Scalar>) -> Bool {
        word.split(separator: ".").allSatisfy { $0.count == 1 }
    }

    static func isTerminator(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ".", "!", "?", "…", "‽", "؟", "。", "！", "？", "｡", "।", "۔", "።", "։", "។", "៕", "။": true
        default: false
        }
    }

    static func isCloser(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\"", "'", ")", "]", "}", "”", "’", "»", "›", "」", "』", "）", "】", "》": true
        default: false
        }
    }

    static func isOpener(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\"", "'", "(", "[", "{", "“", "‘", "«", "‹", "「", "『", "（", "【", "《", "„", "¿", "¡": true
        default: false
        }
    }
}
