// SPDX-License-Identifier: Apache-2.0

/// Cuts documents into passages of whole sentences.
public struct PassageSplitter: Sendable {
    /// The size of passages; kept with a corpus so that updates cut as the first run did.
    public struct Options: Codable, Hashable, Sendable {
        /// Words a passage holds at most. Default: 200, what encoders of 256 tokens read.
        public var size: Int
        /// Words that a passage repeats from the end of the one before, in whole sentences, at most. Default: 0.
        public var overlap: Int

        public init(size: Int = 200, overlap: Int = 0) {
            self.size = size
            self.overlap = overlap
        }
    }

    public let options: Options
    private let sentences: SentenceSplitter

    /// Sizes below one word count as one; an overlap of the whole size or more counts as one word less than it.
    public init(_ options: Options = Options(), sentences: SentenceSplitter = SentenceSplitter()) {
        self.options = Options(
            size: max(options.size, 1), overlap: min(max(options.overlap, 0), max(options.size, 1) - 1))
        self.sentences = sentences
    }

    /// The passages of `text`, in order. Every word is in at least one; no passage has more than `size` words. A
    /// sentence longer than that is cut between words. A short rest joins its predecessor's last sentences evenly:
    /// the last two passages are balanced when the last would be less than a quarter full.
    public func passages(in text: String) -> [TextSpan] {
        var units: [Unit] = []
        sentences.forEachWindow(of: text) { window, sentences, utf8, characters in
            for sentence in sentences {
                addPieces(of: sentence, in: window, utf8: utf8, characters: characters, to: &units)
            }
        }
        guard !units.isEmpty else { return [] }

        var groups: [Range<Int>] = []
        var start = 0
        while start < units.count {
            var end = start
            var words = 0
            while end < units.count, words + units[end].words <= options.size || end == start {
                words += units[end].words
                end += 1
            }
            groups.append(start..<end)
            if end == units.count { break }
            // Step back over whole sentences for the overlap, but always forward past the start.
            var next = end
            var repeated = 0
            while next - 1 > start, repeated + units[next - 1].words <= options.overlap,
                repeated + units[next - 1].words + units[end].words <= options.size
            {
                next -= 1
                repeated += units[next].words
            }
            start = next
        }
        if options.overlap == 0 { balanceTail(&groups, units) }
        return groups.map { group in
            let (first, last) = (units[group.lowerBound], units[group.upperBound - 1])
            return TextSpan(
                utf8: first.utf8.lowerBound..<last.utf8.upperBound,
                characters: first.characters.lowerBound..<last.characters.upperBound,
                wordCount: units[group].reduce(0) { $0 + $1.words })
        }
    }

    /// What is never cut: a sentence, or a part of one that is too long.
    private struct Unit {
        var utf8: Range<Int>
        var characters: Range<Int>
        var words: Int
    }

    /// Adds the sentence, or its parts of at most `size` words when it is longer. Where words are not spaced a part ends
    /// at a space or a comma, if one is in its last third.
    private func addPieces(
        of sentence: Range<Int>, in text: ScalarText, utf8: Int, characters: Int, to units: inout [Unit]
    ) {
        func add(_ range: Range<Int>, _ words: Int) {
            units.append(
                Unit(
                    utf8: (utf8 + text.offset(of: range.lowerBound))..<(utf8 + text.offset(of: range.upperBound)),
                    characters: (characters + range.lowerBound)..<(characters + range.upperBound), words: words))
        }
        let count = text.wordCount(in: sentence)
        if count <= options.size { return add(sentence, count) }
        let words = text.words(in: sentence)
        var first = 0
        while first < words.count {
            var end = min(first + options.size, words.count)
            if end < words.count {
                let earliest = max(first + options.size * 2 / 3, first + 1)
                var place = end
                while place > earliest, !text.pauses(before: words[place].lowerBound) { place -= 1 }
                if text.pauses(before: words[place].lowerBound) { end = place }
            }
            add(words[first].lowerBound..<words[end - 1].upperBound, end - first)
            first = end
        }
    }

    private func balanceTail(_ groups: inout [Range<Int>], _ units: [Unit]) {
        guard groups.count >= 2 else { return }
        func words(_ group: Range<Int>) -> Int { units[group].reduce(0) { $0 + $1.words } }
        var last = groups[groups.count - 1]
        guard words(last) * 4 < options.size else { return }
        var before = groups[groups.count - 2]
        while before.count > 1, words(last) + units[before.upperBound - 1].words <= words(before) {
            before = before.lowerBound..<(before.upperBound - 1)
            last = before.upperBound..<last.upperBound
        }
        groups[groups.count - 2] = before
        groups[groups.count - 1] = last
    }
}
