// SPDX-License-Identifier: Apache-2.0

import Base
import Testing
import Text

@testable import LanguageModels

/// Suffixes sorted by comparing them: what an index of strings must do, in the shortest way.
private struct SortedSuffixes: CorpusStrings {
    let text: [UInt8]
    let suffixes: [Int]
    let fingerprint: String

    init(_ texts: [String]) {
        var bytes: [UInt8] = []
        for text in texts {
            bytes.append(0x20)
            bytes += Array(text.utf8)
            bytes.append(0xFF)
        }
        let whole = bytes
        text = whole
        suffixes = whole.indices.sorted { whole[$0...].lexicographicallyPrecedes(whole[$1...]) }
        fingerprint = texts.joined()
    }

    func place(afterText written: String) -> CorpusStringPlace? {
        var place: CorpusStringPlace? = CorpusStringPlace(low: 0, high: Int32(suffixes.count), depth: 0)
        for byte in [0x20] + Array(written.utf8) { place = place.flatMap { self.place(after: $0, byte: byte) } }
        return place
    }

    private func following(_ index: Int32, _ depth: Int32) -> UInt8? {
        let at = suffixes[Int(index)] + Int(depth)
        return at < text.count ? text[at] : nil
    }

    func place(after place: CorpusStringPlace, byte: UInt8) -> CorpusStringPlace? {
        guard byte != 0xFF else { return nil }
        let those = (place.low..<place.high).filter { following($0, place.depth) == byte }
        guard let first = those.first, let last = those.last else { return nil }
        return CorpusStringPlace(low: first, high: last + 1, depth: place.depth + 1)
    }

    private func isLetter(_ byte: UInt8?) -> Bool { byte.map { (0x61...0x7A).contains($0 | 0x20) } ?? false }

    func endsWord(_ place: CorpusStringPlace) -> Bool {
        (place.low..<place.high).contains { !isLetter(following($0, place.depth)) }
    }

    func bytesToEndOfWord(_ place: CorpusStringPlace) -> Int {
        var count: Int32 = 0
        while isLetter(following(place.low, place.depth + count)) { count += 1 }
        return Int(count)
    }
}

struct CorpusConstraintTests {
    static let texts = ["the thin one is here", "the quick fox; a thing of beauty", "one thing leads to another"]

    private func accepts(_ automaton: any ByteAutomaton, _ text: String) -> Bool {
        var state = automaton.start
        for byte in text.utf8 {
            guard let next = automaton.next(state, byte) else { return false }
            #expect(automaton.bytesToEnd(state) > 0 || automaton.accepts(state))
            state = next
        }
        return automaton.accepts(state)
    }

    @Test func stringsOfTheCorpusAndNothingElse() throws {
        let strings = SortedSuffixes(Self.texts)
        let any = try ByteAutomata.make(.corpus(CorpusConstraint(strings: strings, after: "")))
        for text in ["the thin", "thing of beauty", "one", "one thing leads", "fox; a"] {
            #expect(accepts(any, text), "\(text)")
        }
        for text in ["", "hin", "the thing", "beauty one", "th", "zebra"] { #expect(!accepts(any, text), "\(text)") }
        let after = try ByteAutomata.make(.corpus(CorpusConstraint(strings: strings, after: "one")))
        for text in [" thing", " is here"] { #expect(accepts(after, text), "\(text)") }
        for text in ["", "thing", " fox"] { #expect(!accepts(after, text), "\(text)") }
        #expect(throws: ConstraintError.self) {
            try ByteAutomata.make(.corpus(CorpusConstraint(strings: strings, after: "no such words")))
        }
        #expect(
            OutputConstraint.corpus(CorpusConstraint(strings: strings, after: "a")).json
                == ["corpus": .string(strings.fingerprint), "after": "a"])
    }

    /// Whatever a model would rather write, it writes what the corpus has, and whole words.
    @Test func aModelIsHeldToTheCorpus() async throws {
        let model = try TinyModel().open()
        let strings = SortedSuffixes(Self.texts)
        for (after, tokens) in [("", 6), ("the", 6), ("one", 24), ("a thing", 3)] {
            let options = SamplingOptions(
                temperature: 1.5, seed: 3, maxTokens: tokens, samples: 4,
                constraint: .corpus(CorpusConstraint(strings: strings, after: after)))
            let response = try await model.respond(
                to: ModelRequest(messages: [ChatMessage(role: .user, content: "the thin one")], options: options)
            ) { _ in }
            #expect(response.completions.count == 4)
            for text in response.completions.map(\.message.content) {
                let place = try #require(strings.place(afterText: after + text), "\(after)|\(text)")
                #expect(!text.isEmpty && strings.endsWord(place), "\(after)|\(text)")
            }
        }
    }
}
