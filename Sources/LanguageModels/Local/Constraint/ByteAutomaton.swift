// SPDX-License-Identifier: Apache-2.0

/// Why a constraint cannot be obeyed.
public enum ConstraintError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The grammar, the schema or the list is malformed, or allows no text.
    case malformed(String)
    /// A part of JSON Schema that is not supported.
    case unsupported(String)

    public var description: String {
        switch self {
        case .malformed(let reason): return "the output constraint is malformed: \(reason)"
        case .unsupported(let reason): return "the output constraint is not supported: \(reason)"
        }
    }
}

/// A deterministic automaton over bytes whose states are made as they are needed. Used by one thread at a time.
protocol ByteAutomaton: AnyObject {
    var start: Int { get }
    /// The state after a byte; nil when no allowed text goes on so.
    func next(_ state: Int, _ byte: UInt8) -> Int?
    /// Whether the text may end here.
    func accepts(_ state: Int) -> Bool
    /// A number of bytes with which an allowed end can be reached; 0 where the text may end.
    func bytesToEnd(_ state: Int) -> Int
    /// Whether some byte may follow.
    func continues(_ state: Int) -> Bool
}

/// Makes the automaton of a constraint.
enum ByteAutomata {
    /// - Throws: `ConstraintError`.
    static func make(_ constraint: OutputConstraint) throws(ConstraintError) -> any ByteAutomaton {
        switch constraint {
        case .choices(let texts): return try ChoiceAutomaton(texts)
        case .spans(let texts, let alternatives, let maxWords):
            return try SpanAutomaton(texts: texts, alternatives: alternatives, maxWords: maxWords)
        case .corpus(let constraint): return try CorpusAutomaton(constraint)
        case .grammar(let text): return try GrammarAutomaton(GrammarParser.parse(text))
        case .jsonSchema(let schema): return try GrammarAutomaton(SchemaGrammar.compile(schema))
        }
    }
}

/// One of a list of texts: a trie.
final class ChoiceAutomaton: ByteAutomaton {
    private var children: [[UInt8: Int]] = [[:]]
    private var ends: [Bool] = [false]
    private var distance: [Int] = []
    let start = 0

    /// - Throws: `ConstraintError` when there is no text, or an empty one alone.
    init(_ texts: [String]) throws(ConstraintError) {
        guard texts.contains(where: { !$0.isEmpty }) else { throw .malformed("there are no choices") }
        for text in texts {
            var node = 0
            for byte in text.utf8 {
                if let child = children[node][byte] {
                    node = child
                } else {
                    children.append([:])
                    ends.append(false)
                    children[node][byte] = children.count - 1
                    node = children.count - 1
                }
            }
            ends[node] = true
        }
        distance = [Int](repeating: 0, count: children.count)
        // Children have higher numbers than their parents.
        for node in children.indices.reversed() where !ends[node] {
            distance[node] = 1 + (children[node].values.map { distance[$0] }.min() ?? 0)
        }
    }

    func next(_ state: Int, _ byte: UInt8) -> Int? { children[state][byte] }
    func accepts(_ state: Int) -> Bool { ends[state] }
    func bytesToEnd(_ state: Int) -> Int { distance[state] }
    func continues(_ state: Int) -> Bool { !children[state].isEmpty }
}

/// Consecutive words of one of several texts, or one of some alternatives.
///
/// Texts are read with single spaces between words. A span begins where a word begins, with or without the opening
/// punctuation before it, and ends where a word ends, with or without what closes it. A state is the set of places
/// where the span can be, found by the subset construction as it is needed.
final class SpanAutomaton: ByteAutomaton {
    private struct State: Hashable {
        /// Places of the next byte, rising.
        var places: [Int32]
        var words: Int
        /// The state in the alternatives' trie, or -1.
        var choice: Int
    }

    private var bytes: [UInt8] = []
    private var starts: [Int32] = []
    private var mayEndBefore: [Bool] = []
    private let maxWords: Int
    private let alternatives: ChoiceAutomaton?
    private var states: [State] = []
    private var ids: [State: Int] = [:]
    private var transitions: [[UInt8: Int]] = []
    let start = 0

    /// - Throws: `ConstraintError` when there is nothing to choose.
    init(texts: [String], alternatives: [String], maxWords: Int) throws(ConstraintError) {
        guard maxWords > 0 else { throw .malformed("spans of at most \(maxWords) words") }
        self.maxWords = maxWords
        self.alternatives = alternatives.isEmpty ? nil : try ChoiceAutomaton(alternatives)
        for text in texts {
            let words = text.split(whereSeparator: \.isWhitespace)
            for (index, word) in words.enumerated() {
                if index > 0 { append([0x20], boundary: false) }
                let characters = Array(word)
                let first = characters.firstIndex { $0.isLetter || $0.isNumber }
                let last = characters.lastIndex { $0.isLetter || $0.isNumber }
                for (i, character) in characters.enumerated() {
                    // Within the word: a start before its core, an end after it.
                    if i == 0 || i == first { starts.append(Int32(bytes.count)) }
                    if let last, i == last + 1 { mayEndBefore[bytes.count] = true }
                    append(Array(String(character).utf8), boundary: false)
                }
                mayEndBefore[bytes.count] = true
            }
            // A text's end: a byte that no UTF-8 text has keeps spans from crossing it.
            append([0xFF], boundary: false)
        }
        guard !starts.isEmpty || self.alternatives != nil else { throw .malformed("the evidence has no words") }
        _ = intern(State(places: starts, words: 1, choice: self.alternatives?.start ?? -1))
    }

    private func append(_ new: [UInt8], boundary: Bool) {
        if mayEndBefore.isEmpty { mayEndBefore = [false] }
        bytes += new
        mayEndBefore += [Bool](repeating: boundary, count: new.count)
    }

    private func intern(_ state: State) -> Int {
        if let id = ids[state] { return id }
        states.append(state)
        transitions.append([:])
        ids[state] = states.count - 1
        return states.count - 1
    }

    func next(_ state: Int, _ byte: UInt8) -> Int? {
        if let known = transitions[state][byte] { return known >= 0 ? known : nil }
        let from = states[state]
        let words = from.words + (byte == 0x20 ? 1 : 0)
        var places: [Int32] = []
        if words <= maxWords, byte != 0xFF {
            places = from.places.compactMap { bytes[Int($0)] == byte ? $0 + 1 : nil }
        }
        let choice = from.choice >= 0 ? alternatives?.next(from.choice, byte) ?? -1 : -1
        let to = places.isEmpty && choice < 0 ? -1 : intern(State(places: places, words: words, choice: choice))
        transitions[state][byte] = to
        return to >= 0 ? to : nil
    }

    func accepts(_ state: Int) -> Bool {
        if state == start { return false }
        let from = states[state]
        if from.choice >= 0, alternatives?.accepts(from.choice) == true { return true }
        return from.places.contains { mayEndBefore[Int($0)] }
    }

    func bytesToEnd(_ state: Int) -> Int {
        if accepts(state) { return 0 }
        let from = states[state]
        var best = from.choice >= 0 ? alternatives?.bytesToEnd(from.choice) ?? Int.max : Int.max
        for place in from.places {
            var at = Int(place) + 1
            while at < bytes.count, !mayEndBefore[at] { at += 1 }
            best = min(best, at - Int(place))
        }
        return best
    }

    func continues(_ state: Int) -> Bool {
        let from = states[state]
        if from.choice >= 0, alternatives?.continues(from.choice) == true { return true }
        return from.places.contains { place in
            bytes[Int(place)] != 0xFF && (bytes[Int(place)] != 0x20 || from.words < maxWords)
        }
    }
}
