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
        let scanner = ScalarText(text)
        let units = sentences.boundaries(scanner).flatMap { pieces(of: $0, in: scanner) }
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
            scanner.span(units[group.lowerBound].range.lowerBound..<units[group.upperBound - 1].range.upperBound)
        }
    }

    private struct Unit {
        var range: Range<Int>
        var words: Int
    }

    /// The sentence, or its parts of at most `size` words when it is longer. Where words are not spaced a part ends at a
    /// space or a comma, if one is in its last third.
    private func pieces(of sentence: Range<Int>, in text: ScalarText) -> [Unit] {
        let words = text.words(in: sentence)
        if words.count <= options.size { return [Unit(range: sentence, words: words.count)] }
        var units: [Unit] = []
        var first = 0
        while first < words.count {
            var end = min(first + options.size, words.count)
            if end < words.count {
                let earliest = max(first + options.size * 2 / 3, first + 1)
                var place = end
                while place > earliest, !text.pauses(before: words[place].lowerBound) { place -= 1 }
                if text.pauses(before: words[place].lowerBound) { end = place }
            }
            units.append(
                Unit(range: words[first].lowerBound..<words[end - 1].upperBound, words: end - first))
            first = end
        }
        return units
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
