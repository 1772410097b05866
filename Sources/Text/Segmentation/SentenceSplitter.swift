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
        var spans: [TextSpan] = []
        forEachWindow(of: text) { window, sentences, utf8, characters in
            for sentence in sentences {
                var span = window.span(sentence)
                span.utf8 = (span.utf8.lowerBound + utf8)..<(span.utf8.upperBound + utf8)
                span.characters =
                    (span.characters.lowerBound + characters)..<(span.characters.upperBound + characters)
                spans.append(span)
            }
        }
        return spans
    }

    /// The bytes of a text that are looked at together.
    static let windowBytes = 1 << 18
    /// How far behind a full stop is looked for what follows it.
    private static let lookahead = 1 << 12

    /// Gives the sentences of a text in pieces, so that a long one takes no more memory than a short one.
    /// - Parameters:
    ///   - windowBytes: the least size of a piece.
    ///   - body: takes a piece, the sentences in it by their scalars, and where the piece begins in the text, in bytes and
    ///     in scalars.
    func forEachWindow(
        of text: String, windowBytes: Int = SentenceSplitter.windowBytes,
        _ body: (_ window: ScalarText, _ sentences: [Range<Int>], _ utf8: Int, _ characters: Int) -> Void
    ) {
        var text = text
        text.withUTF8 { bytes in
            var start = 0
            var characters = 0
            var size = windowBytes
            while start < bytes.count {
                var end = min(bytes.count, start + size)
                while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
                let window = ScalarText(UnsafeBufferPointer(rebasing: bytes[start..<end]))
                var sentences = boundaries(window)
                if end < bytes.count {
                    // What ends near the window's end might go on with what is behind it, and the last one does.
                    let certain = window.scalars.count - Self.lookahead
                    if !sentences.isEmpty { sentences.removeLast() }
                    while let last = sentences.last, last.upperBound > certain { sentences.removeLast() }
                    guard !sentences.isEmpty else {
                        size *= 2
                        continue
                    }
                }
                body(window, sentences, start, characters)
                guard end < bytes.count, let last = sentences.last else { return }
                start += window.offset(of: last.upperBound)
                characters += last.upperBound
                size = windowBytes
            }
        }
    }

    /// The sentences as strings.
    public func split(_ text: String) -> [String] {
        sentences(in: text).map { String($0.text(in: text)) }
    }

    /// Sentences as ranges of scalar positions.
    func boundaries(_ text: ScalarText) -> [Range<Int>] {
        text.scalars.withUnsafeBufferPointer { boundaries($0) }
    }

    private func boundaries(_ scalars: UnsafeBufferPointer<Unicode.Scalar>) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = 0
        func close(_ end: Int) {
            var (low, high) = (start, end)
            while low < high, CharacterClass.isSpace(scalars[low].value) { low += 1 }
            while high > low, CharacterClass.isSpace(scalars[high - 1].value) { high -= 1 }
            if low < high { result.append(low..<high) }
            start = end
        }
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            guard Self.mayEnd(scalar.value) else {
                index += 1
                continue
            }
            switch scalar {
            case "\n", "\r":
                var next = index
                var lines = 0
                while next < scalars.count, CharacterClass.isSpace(scalars[next].value) {
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

    /// Whether a scalar may end a sentence or a line: a quick look, which the exact one follows.
    private static func mayEnd(_ value: UInt32) -> Bool {
        if value < 64 { return Self.ends >> UInt64(value) & 1 != 0 }
        return value >= 0x0589
    }

    /// Line feed, carriage return, exclamation mark, full stop, question mark.
    private static let ends: UInt64 = 1 << 10 | 1 << 13 | 1 << 33 | 1 << 46 | 1 << 63

    /// Whether the mark at `stop`, with what closes behind it up to `after`, ends the sentence begun at `start`.
    private func endsSentence(_ scalars: UnsafeBufferPointer<Unicode.Scalar>, stop: Int, after: Int, start: Int) -> Bool
    {
        guard after < scalars.count else { return true }
        guard CharacterClass.isSpace(scalars[after].value) else { return false }
        var next = after
        while next < scalars.count, CharacterClass.isSpace(scalars[next].value) { next += 1 }
        guard next < scalars.count else { return true }
        var first = next
        while first < scalars.count, Self.isOpener(scalars[first]) { first += 1 }
        let follows = first < scalars.count ? scalars[first] : scalars[next]
        if follows.properties.isLowercase { return false }
        // Only a lone full stop can belong to an abbreviation; "?!" and "…" before a capital end the sentence.
        guard scalars[stop] == ".", stop + 1 == after || Self.isCloser(scalars[stop + 1]) else { return true }

        var low = stop
        while low > start, !CharacterClass.isSpace(scalars[low - 1].value), !Self.isOpener(scalars[low - 1]),
            scalars[low - 1] != "-", scalars[low - 1] != "–", scalars[low - 1] != "—", scalars[low - 1] != "/"
        {
            low -= 1
        }
        let word = scalars[low..<stop]
        guard let initial = word.first else { return true }
        let text = String(String.UnicodeScalarView(word)).lowercased()
        // A row of digits that is the whole sentence so far numbers what follows: "1. Introduction".
        if word.allSatisfy({ $0.properties.numericType != nil }) {
            if abbreviations.numbersAreOrdinals, word.count <= 2 { return false }
            return scalars[start..<low].contains { !CharacterClass.isSpace($0.value) }
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
    private func nextWord(_ scalars: UnsafeBufferPointer<Unicode.Scalar>, from start: Int) -> String? {
        var end = start
        while end < scalars.count, scalars[end].properties.isAlphabetic { end += 1 }
        return end > start ? String(String.UnicodeScalarView(scalars[start..<end])).lowercased() : nil
    }

    /// "U.S", "J.R.R": single letters between full stops.
    private static func isInitials(_ word: Slice<UnsafeBufferPointer<Unicode.Scalar>>) -> Bool {
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
