// SPDX-License-Identifier: Apache-2.0

import CKernels
public import Corpus
import Foundation

/// Every text of a corpus as one, with its suffixes in order: says where a string stands, whatever it is, how often, and
/// how it goes on (a suffix array, Manber and Myers 1993; what FREESON's FM-index does, in more memory and less time).
///
/// Texts are read in the composed form of Unicode and with one space for each run of white space. Case does not count in
/// the order of an index that folds case; it is compared afterwards where it is asked for. Letters whose small form takes another number of bytes stay
/// as they are. Memory: six bytes for each byte of text, nine while it is built.
public final class SubstringIndex: Sendable {
    /// The most text of a corpus that is indexed, in bytes: 64 MiB.
    public static let mostBytes = 64 << 20

    /// A text of the corpus: a passage, or the title of a document at its first passage.
    public struct Segment: Sendable, Hashable {
        public var ordinal: PassageOrdinal
        public var isTitle: Bool
        /// Where it begins in the whole.
        var start: Int32
    }

    /// Identifies what was indexed.
    public let fingerprint: String
    /// Whether capital and small letters are the same to it.
    public let foldsCase: Bool
    /// As it stands; a space before each segment and a byte that no text has after it.
    private let text: [UInt8]
    private let folded: [UInt8]
    private let suffixes: [Int32]
    private let segments: [Segment]
    private static let end: UInt8 = 0xFF

    /// Indexes texts.
    /// - Parameters:
    ///   - passages: the passages in the order of their places; the title of each that has one is a text of its own.
    /// - Throws: `SearchIndexError` where there is more than `mostBytes`, or memory ran out.
    public convenience init(
        fingerprint: String, passages: some Sequence<(ordinal: PassageOrdinal, title: String?, text: String)>,
        foldsCase: Bool = true, mostBytes: Int = SubstringIndex.mostBytes
    ) throws {
        var builder = Builder(foldsCase: foldsCase, mostBytes: mostBytes)
        for passage in passages { try builder.append(passage.ordinal, title: passage.title, text: passage.text) }
        try self.init(fingerprint: fingerprint, builder)
    }

    private init(fingerprint: String, _ builder: Builder) throws {
        self.fingerprint = fingerprint
        foldsCase = builder.foldsCase
        text = builder.text
        folded = builder.folded
        segments = builder.segments
        var suffixes = [Int32](repeating: 0, count: builder.text.count)
        guard forage_suffix_array(builder.folded, &suffixes, Int32(builder.text.count)) != 0 else {
            throw SearchIndexError.invalidOption("there is not enough memory to index the corpus's strings")
        }
        self.suffixes = suffixes
    }

    /// Indexes all documents that a corpus lets be seen.
    /// - Throws: `SearchIndexError` where the corpus is too large; the corpus's errors; `CancellationError`.
    public static func of(
        _ corpus: any RetrievalCorpus, foldsCase: Bool = true, mostBytes: Int = SubstringIndex.mostBytes
    ) async throws -> SubstringIndex {
        var builder = Builder(foldsCase: foldsCase, mostBytes: mostBytes)
        let documents = try await corpus.filter(.all, among: nil).ordinals
        for start in stride(from: 0, to: documents.count, by: 1000) {
            try Task.checkCancellation()
            let chunk = try await corpus.documents(at: Array(documents[start..<min(start + 1000, documents.count)]))
            let passages = try await corpus.passages(at: chunk.flatMap { Array($0.passages) })
            let first = Set(chunk.compactMap { $0.passages.first })
            for passage in passages {
                let title = first.contains(passage.ordinal) ? passage.title : nil
                try builder.append(passage.ordinal, title: title, text: passage.text)
            }
        }
        try Task.checkCancellation()
        return try SubstringIndex(fingerprint: corpus.fingerprint + (foldsCase ? "" : " exact"), builder)
    }

    private struct Builder {
        var text: [UInt8] = []
        var folded: [UInt8] = []
        var segments: [Segment] = []
        let foldsCase: Bool
        let mostBytes: Int

        mutating func append(_ ordinal: PassageOrdinal, title: String?, text: String) throws {
            if let title, !title.isEmpty { try append(ordinal, title, isTitle: true) }
            try append(ordinal, text, isTitle: false)
        }

        private mutating func append(_ ordinal: PassageOrdinal, _ content: String, isTitle: Bool) throws {
            let (plain, small) = SubstringIndex.read(content)
            guard !plain.isEmpty else { return }
            guard text.count + plain.count + 2 <= mostBytes else {
                throw SearchIndexError.invalidOption(
                    "the corpus has more than \(mostBytes >> 20) MiB of text, too much to look up strings in memory; "
                        + "use keyword_search with the words, or filter with a condition on the text")
            }
            segments.append(Segment(ordinal: ordinal, isTitle: isTitle, start: Int32(text.count)))
            text += [0x20] + plain + [SubstringIndex.end]
            folded += [0x20] + (foldsCase ? small : plain) + [SubstringIndex.end]
        }
    }

    /// The bytes of a text as the index holds them, as they stand and in small letters, the same number of each.
    static func read(_ content: String) -> (plain: [UInt8], folded: [UInt8]) {
        var plain: [UInt8] = []
        var small: [UInt8] = []
        let isASCII = content.utf8.allSatisfy { $0 < 0x80 }
        for scalar in (isASCII ? content : content.precomposedStringWithCanonicalMapping).unicodeScalars {
            if scalar.properties.isWhitespace {
                if !plain.isEmpty, plain[plain.count - 1] != 0x20 {
                    plain.append(0x20)
                    small.append(0x20)
                }
                continue
            }
            if scalar.isASCII {
                let byte = UInt8(truncatingIfNeeded: scalar.value)
                plain.append(byte)
                small.append(fold(byte))
                continue
            }
            let bytes = Array(String(scalar).utf8)
            let lower = Array(scalar.properties.lowercaseMapping.utf8)
            plain += bytes
            small += lower.count == bytes.count ? lower : bytes
        }
        if plain.last == 0x20 {
            plain.removeLast()
            small.removeLast()
        }
        return (plain, small)
    }

    /// A text's bytes as the order has them.
    private func key(_ content: String) -> [UInt8] {
        let (plain, small) = Self.read(content)
        return foldsCase ? small : plain
    }

    private static func fold(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte + 0x20 : byte }
    /// Whether a byte belongs to a word: a letter, a digit, or a part of a letter that is not ASCII.
    private static func isWord(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            || (byte >= 0x80 && byte != end)
    }

    /// The size of the text, in bytes.
    public var byteCount: Int { text.count }

    // MARK: Where a string stands

    /// A passage that holds a string.
    public struct Match: Sendable, Hashable {
        public var ordinal: PassageOrdinal
        /// How often the passage's text, or its title, holds the string; occurrences may overlap.
        public var count: Int

        public init(ordinal: PassageOrdinal, count: Int) {
            self.ordinal = ordinal
            self.count = count
        }
    }

    /// The passages that hold a string, those that hold it most often first, equal ones by place.
    /// - Parameters:
    ///   - isExact: whether capital and small letters differ.
    ///   - wholeWords: whether the string must begin and end where words do.
    public func matches(_ string: String, isExact: Bool = false, wholeWords: Bool = false) -> [Match] {
        let plain = Self.read(string).plain
        guard !plain.isEmpty else { return [] }
        let place = place(after: key(string), from: whole)
        var counts: [PassageOrdinal: Int] = [:]
        for index in place.low..<max(place.low, place.high) {
            let start = Int(suffixes[Int(index)])
            let stop = start + plain.count
            if isExact, !text[start..<stop].elementsEqual(plain) { continue }
            if wholeWords {
                if start > 0, Self.isWord(text[start]), Self.isWord(text[start - 1]) { continue }
                if stop < text.count, Self.isWord(text[stop - 1]), Self.isWord(text[stop]) { continue }
            }
            counts[segment(at: start).ordinal, default: 0] += 1
        }
        return counts.map { Match(ordinal: $0.key, count: $0.value) }
            .sorted { $0.count != $1.count ? $0.count > $1.count : $0.ordinal < $1.ordinal }
    }

    private func segment(at place: Int) -> Segment {
        var low = 0
        var high = segments.count
        while low + 1 < high {
            let middle = (low + high) / 2
            if Int(segments[middle].start) <= place { low = middle } else { high = middle }
        }
        return segments[low]
    }

    // MARK: What of a text stands in the corpus

    /// Words of a text that the corpus has one after the other.
    public struct Span: Sendable, Hashable {
        /// As the text has them.
        public var text: String
        public var wordCount: Int
        /// The passages that hold them, ascending; the first 100.
        public var passages: [PassageOrdinal]
    }

    /// The longest runs of a text's words that the corpus has, case aside, the longest first; they do not overlap. It says
    /// where an answer was copied from.
    /// - Parameter minimum: the fewest words of a run. Default 3.
    public func spans(of content: String, minimum: Int = 3) -> [Span] {
        let plain = Self.read(content).plain
        let key = key(content)
        var starts: [Int] = []
        var ends: Set<Int> = []
        for index in plain.indices {
            let before = index > 0 && Self.isWord(plain[index - 1])
            if Self.isWord(plain[index]), !before { starts.append(index) }
            if Self.isWord(plain[index]), index + 1 == plain.count || !Self.isWord(plain[index + 1]) {
                ends.insert(index + 1)
            }
        }
        var runs: [(range: Range<Int>, words: Int)] = []
        for (number, first) in starts.enumerated() {
            // As the first word of a text or after a space: never the end of another word.
            var at = start
            var best: Int?
            for index in first..<plain.count {
                guard let next = next(at, key[index]) else { break }
                at = next
                if ends.contains(index + 1), isWordEnd(at) { best = index + 1 }
            }
            guard let best else { continue }
            let words = starts[number...].prefix { $0 < best }.count
            if words >= minimum { runs.append((first..<best, words)) }
        }
        runs.sort { ($0.words, $0.range.count, $1.range.lowerBound) > ($1.words, $1.range.count, $0.range.lowerBound) }
        var taken: [Range<Int>] = []
        var spans: [Span] = []
        for run in runs where !taken.contains(where: { $0.overlaps(run.range) }) {
            taken.append(run.range)
            let string = String(decoding: plain[run.range], as: UTF8.self)
            spans.append(
                Span(
                    text: string, wordCount: run.words,
                    passages: Array(matches(string, wholeWords: true).map(\.ordinal).sorted().prefix(100))))
        }
        return spans.filter { !$0.passages.isEmpty }
    }

    // MARK: How a string goes on

    /// The places in the corpus that a string leads to: a range of suffixes that share their first bytes.
    public struct Place: Sendable, Hashable {
        public var low: Int32
        public var high: Int32
        public var depth: Int32

        public init(low: Int32, high: Int32, depth: Int32) {
            self.low = low
            self.high = high
            self.depth = depth
        }
    }

    private var whole: Place { Place(low: 0, high: Int32(suffixes.count), depth: 0) }

    /// The place before the first letter of any word.
    public var start: Place { next(whole, 0x20) ?? Place(low: 0, high: 0, depth: 1) }

    /// The place after one more byte, where case is folded of a capital letter or a small one; nil where no text goes on so.
    public func next(_ place: Place, _ byte: UInt8) -> Place? {
        guard byte != Self.end, place.low < place.high else { return nil }
        var (low, high) = (place.low, place.high)
        forage_suffix_narrow(
            folded, suffixes, Int32(suffixes.count), place.depth, foldsCase ? Self.fold(byte) : byte, &low, &high)
        return low < high ? Place(low: low, high: high, depth: place.depth + 1) : nil
    }

    /// The place after a text that begins with a word; nil where the corpus does not have it.
    public func place(after string: String) -> Place? {
        let place = place(after: key(string), from: start)
        return place.low < place.high ? place : nil
    }

    private func place(after bytes: [UInt8], from first: Place) -> Place {
        var place = first
        for byte in bytes {
            guard let next = next(place, byte) else { return Place(low: 0, high: 0, depth: place.depth) }
            place = next
        }
        return place
    }

    /// Whether a word can end here in some text.
    public func isWordEnd(_ place: Place) -> Bool {
        guard place.low < place.high else { return false }
        // Signs come before digits, between digits and letters, or, as the end of a text, last.
        return [place.low, place.high - 1].contains { !Self.isWord(following($0, place.depth)) }
            || Array(0x3A...0x40).contains { next(place, $0) != nil }
            || Array(0x5B...0x60).contains { next(place, $0) != nil }
            || Array(0x7B...0x7F).contains { next(place, $0) != nil }
    }

    /// How many bytes further a word ends in one of the texts.
    public func bytesToWordEnd(_ place: Place) -> Int {
        guard place.low < place.high else { return 0 }
        var count: Int32 = 0
        while Self.isWord(following(place.low, place.depth + count)) { count += 1 }
        return Int(count)
    }

    private func following(_ index: Int32, _ depth: Int32) -> UInt8 {
        let place = Int(suffixes[Int(index)]) + Int(depth)
        return place < folded.count ? folded[place] : Self.end
    }
}

/// The indexes of strings that were made last, by what they are of: making one reads the whole corpus.
public actor SubstringIndexes {
    public static let shared = SubstringIndexes()
    private var made: [(key: String, task: Task<SubstringIndex, any Error>)] = []
    private static let capacity = 3

    /// The index of a corpus, made at first use.
    /// - Parameter foldsCase: whether capital and small letters are the same to it. Default true.
    /// - Throws: as `SubstringIndex.of(_:)` does.
    public func index(
        of corpus: any RetrievalCorpus, foldsCase: Bool = true
    ) async throws -> SubstringIndex {
        let key = corpus.fingerprint + (foldsCase ? "" : " exact")
        while true {
            let task: Task<SubstringIndex, any Error>
            if let known = made.first(where: { $0.key == key }) {
                task = known.task
            } else {
                task = Task.detached { try await SubstringIndex.of(corpus, foldsCase: foldsCase) }
                made.append((key, task))
                if made.count > Self.capacity { made.removeFirst() }
            }
            do {
                return try await withTaskCancellationHandler {
                    try await task.value
                } onCancel: {
                    task.cancel()
                }
            } catch {
                made.removeAll { $0.task == task }
                // Somebody else's cancellation is no reason to fail.
                guard error is CancellationError, !Task.isCancelled else { throw error }
            }
        }
    }
}
