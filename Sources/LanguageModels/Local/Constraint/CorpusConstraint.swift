// SPDX-License-Identifier: Apache-2.0

/// The strings of a corpus, walked byte by byte: which bytes follow, and where words end.
public protocol CorpusStrings: Sendable {
    /// Identifies the corpus and how its strings are read.
    var fingerprint: String { get }
    /// The place after a text that begins with a word, or before any word for an empty one; nil where no text has it.
    func place(afterText text: String) -> CorpusStringPlace?
    /// The place after one more byte; nil where no text goes on so.
    func place(after place: CorpusStringPlace, byte: UInt8) -> CorpusStringPlace?
    /// Whether a word can end here.
    func endsWord(_ place: CorpusStringPlace) -> Bool
    /// How many bytes further a word ends in one of the texts.
    func bytesToEndOfWord(_ place: CorpusStringPlace) -> Int
}

/// All places of a corpus that one string leads to: a range of its suffixes, and the string's length in bytes.
public struct CorpusStringPlace: Sendable, Hashable {
    public var low: Int32
    public var high: Int32
    public var depth: Int32

    public init(low: Int32, high: Int32, depth: Int32) {
        self.low = low
        self.high = high
        self.depth = depth
    }
}

/// Holds what a model writes to the texts of a corpus: together with what stands before it, it must be a string that
/// some text has (constrained decoding along an index, as in FREESON, arXiv 2505.16409).
public struct CorpusConstraint: Sendable, Hashable {
    public var strings: any CorpusStrings
    /// What stands before the output.
    public var after: String

    public init(strings: any CorpusStrings, after: String) {
        self.strings = strings
        self.after = after
    }

    public static func == (left: CorpusConstraint, right: CorpusConstraint) -> Bool {
        left.strings.fingerprint == right.strings.fingerprint && left.after == right.after
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(strings.fingerprint)
        hasher.combine(after)
    }
}

/// The automaton of the strings that go on from a place.
final class CorpusAutomaton: ByteAutomaton {
    private let strings: any CorpusStrings
    private var places: [CorpusStringPlace] = []
    private var ids: [CorpusStringPlace: Int] = [:]
    let start = 0

    /// - Throws: `ConstraintError` when the corpus does not have what stands before.
    init(_ constraint: CorpusConstraint) throws(ConstraintError) {
        strings = constraint.strings
        guard let place = strings.place(afterText: constraint.after) else {
            throw .malformed("the corpus has no text that goes on after \"\(constraint.after.suffix(80))\"")
        }
        places = [place]
        ids = [place: 0]
    }

    func next(_ state: Int, _ byte: UInt8) -> Int? {
        guard let place = strings.place(after: places[state], byte: byte) else { return nil }
        if let id = ids[place] { return id }
        places.append(place)
        ids[place] = places.count - 1
        return places.count - 1
    }

    func accepts(_ state: Int) -> Bool { state != start && strings.endsWord(places[state]) }

    func bytesToEnd(_ state: Int) -> Int {
        if accepts(state) { return 0 }
        let bytes = strings.bytesToEndOfWord(places[state])
        // At the end of a word that was there before, one byte more is one more than none.
        return max(1, bytes)
    }

    func continues(_ state: Int) -> Bool {
        (0..<UInt8.max).contains { strings.place(after: places[state], byte: $0) != nil }
    }
}
