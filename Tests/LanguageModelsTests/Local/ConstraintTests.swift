// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath
import Testing
import Text

@testable import LanguageModels

struct ConstraintTests {
    private func accepts(_ automaton: any ByteAutomaton, _ text: String) -> Bool {
        var state = automaton.start
        for byte in text.utf8 {
            guard let next = automaton.next(state, byte) else { return false }
            state = next
        }
        return automaton.accepts(state)
    }

    @Test func choicesAreTheListAndNothingElse() throws {
        let automaton = try ByteAutomata.make(.choices(["yes", "no", "nobody"]))
        for text in ["yes", "no", "nobody"] { #expect(accepts(automaton, text)) }
        for text in ["", "y", "nob", "yesno", "maybe"] { #expect(!accepts(automaton, text)) }
        #expect(throws: ConstraintError.self) { try ByteAutomata.make(.choices([])) }
    }

    @Test func spansAreConsecutiveWords() throws {
        let automaton = try ByteAutomata.make(
            .spans(
                texts: ["The  river (Rhine) rises\nin the Alps.", "It ends at sea"], alternatives: ["yes"], maxWords: 3)
        )
        for text in ["The", "river", "Rhine", "(Rhine)", "rises in the", "the Alps", "the Alps.", "sea", "yes"] {
            #expect(accepts(automaton, text), "\(text)")
        }
        for text in ["", "iver", "rive", "Alps. It", "river rises", "The river (Rhine) rises", "no", "sea "] {
            #expect(!accepts(automaton, text), "\(text)")
        }
    }

    @Test func grammarsInGBNF() throws {
        let automaton = try ByteAutomata.make(
            .grammar(
                """
                # an address
                root ::= name "@" name ("." tld)?
                name ::= [a-z0-9_]+ | "ä" [^a-y\\n]{2,3}
                tld ::= "com"
                  | "org"
                """))
        for text in ["a@b", "me_1@x.org", "äzß@b.com", "äzz東@q"] { #expect(accepts(automaton, text), "\(text)") }
        for text in ["", "@", "a@b.net", "äz@b", "A@b", "äzaz@b", "a@b."] {
            #expect(!accepts(automaton, text), "\(text)")
        }
    }

    @Test(arguments: [
        "", "x ::= \"a\"", "root ::= y", "root ::= root \"a\"", "root ::= \"a", "root ::= [b-a]", "root ::= \"a\"{5,2}",
        "root ::= a\na ::= b\nb ::= a \"x\"", "root = \"a\"", "root ::= (\"a\"", "root ::= \"\\q\"",
        "root ::= \"a\"{99999}",
    ]) func badGrammarsAreErrors(text: String) {
        #expect(throws: ConstraintError.self) { try ByteAutomata.make(.grammar(text)) }
    }

    @Test func schemasAcceptTheirValuesOnly() throws {
        let schema: JSONValue = [
            "type": "object",
            "properties": [
                "a": ["type": "integer", "minimum": 3], "b": ["type": ["string", "null"], "maxLength": 3],
                "c": ["type": "array", "items": ["$ref": "#/$defs/point"], "minItems": 1, "maxItems": 2],
                "d": ["const": 5],
            ],
            "required": ["a", "c"],
            "$defs": ["point": ["type": "object", "properties": ["x": ["type": "number"]], "required": ["x"]]],
        ]
        let automaton = try ByteAutomata.make(.jsonSchema(schema))
        for text in [
            #"{"a":3,"c":[{"x":1.5}]}"#, #"{"a": 10, "b": null, "c": [{"x":-2}, {"x":0}], "d": 5}"#,
            #"{"a":999,"b":"é\"z","c":[{"x":7}]}"#,
        ] { #expect(accepts(automaton, text), "\(text)") }
        for text in [
            "{}", #"{"a":2,"c":[{"x":1}]}"#, #"{"a":3}"#, #"{"a":3,"c":[]}"#, #"{"a":3,"b":"four","c":[{"x":1}]}"#,
            #"{"c":[{"x":1}],"a":3}"#, #"{"a":3,"c":[{"x":1},{"x":1},{"x":1}]}"#, #"{"a":03,"c":[{"x":1}]}"#,
            #"{"a":3,"c":[{"x":1}],"d":6}"#,
        ] { #expect(!accepts(automaton, text), "\(text)") }
    }

    @Test func whatASchemaCannotPromiseIsRefused() {
        let bad: [JSONValue] = [
            ["type": "string", "pattern": "a+"], ["type": "wrong"], ["$ref": "#/nowhere"], ["enum": []], 5,
            ["type": "integer", "minimum": 5, "maximum": 4], ["type": "object", "required": ["q"]],
        ]
        for schema in bad { #expect(throws: ConstraintError.self) { try ByteAutomata.make(.jsonSchema(schema)) } }
    }

    @Test(arguments: [
        (0, 50), (1, 1), (7, 13), (99, 101), (-12, 5), (-40, -7), (0, 100_000), (2, 19), (1990, 2026), (305, 1044),
    ]) func integersStayInTheirRange(_ low: Int, _ high: Int) throws {
        let automaton = try ByteAutomata.make(
            .jsonSchema(["type": "integer", "minimum": .integer(low), "maximum": .integer(high)]))
        for value in Array(low - 30...low + 30) + Array(high - 30...high + 30) {
            #expect(accepts(automaton, String(value)) == (low...high).contains(value), "\(value)")
        }
        for value in [low, high, low - 1, high + 1, high * 10, 99_999, 100_000, 100_001] {
            #expect(accepts(automaton, String(value)) == (low...high).contains(value), "\(value)")
        }
        for text in ["", "-", "-0", "00", "01", "1.5"] { #expect(!accepts(automaton, text), "\(text)") }
    }

    @Test func numbersAboveZero() throws {
        let above = try ByteAutomata.make(.jsonSchema(["type": "number", "exclusiveMinimum": 0]))
        for text in ["1", "0.5", "10.25", "0.001"] { #expect(accepts(above, text), "\(text)") }
        for text in ["0", "0.0", "-1", "00.5", "1."] { #expect(!accepts(above, text), "\(text)") }
        let least = try ByteAutomata.make(.jsonSchema(["type": "number", "minimum": 0]))
        #expect(accepts(least, "0") && accepts(least, "0.0") && !accepts(least, "-0.1"))
    }

    /// Random walks over a mask's tokens, with any number of tokens from the least that suffices: always whole.
    @Test func outputsAreWholeHoweverFewTokensAreLeft() throws {
        let tokenizer = try TinyModel().open().tokenizer
        let trie = VocabularyTrie(tokenizer)
        let schema: JSONValue = [
            "type": "object",
            "properties": ["q": ["type": "string"], "n": ["type": "array", "items": ["type": "integer"]]],
            "required": ["q", "n"],
        ]
        let masks = try ConstraintMasks(automaton: ByteAutomata.make(.jsonSchema(schema)), trie: trie)
        let least = masks.automaton.bytesToEnd(masks.automaton.start)
        var random = SplitMix64(seed: 4)
        for budget in least..<least + 60 {
            var state = ConstraintState(masks)
            var out: [Int] = []
            while out.count < budget, !state.isFinished {
                let mask = state.mask(tokensLeft: budget - out.count, ends: [])
                let allowed = (0..<tokenizer.count).filter { mask[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }
                try #require(!allowed.isEmpty)
                let token = allowed[random.integer(below: allowed.count)]
                out.append(token)
                state.advance(Int32(token))
            }
            #expect(state.mayEnd)
            let json = try JSONValue(parsing: tokenizer.decode(out))
            #expect(json["q"]?.string != nil && json["n"]?.array != nil)
        }
    }

    /// A limit below the shortest output does not silence the model: what there is is cut off.
    @Test func aLimitBelowTheShortestOutputLeavesItsBeginning() throws {
        let tokenizer = try TinyModel().open().tokenizer
        let masks = try ConstraintMasks(
            automaton: ByteAutomata.make(.jsonSchema(["type": "array", "items": ["type": "null"], "minItems": 30])),
            trie: VocabularyTrie(tokenizer))
        var state = ConstraintState(masks)
        for left in (1...20).reversed() {
            let mask = state.mask(tokensLeft: left, ends: [])
            let token = try #require((0..<tokenizer.count).first { mask[$0 / 64] >> UInt64($0 % 64) & 1 == 1 })
            state.advance(Int32(token))
        }
        #expect(!state.mayEnd)
    }

    /// The mask for a distance from the end, made from what is kept of a state, is the one that each token gives.
    @Test func masksNearTheEndAreThoseOfEachToken() throws {
        let tokenizer = try TinyModel().open().tokenizer
        let schema: JSONValue = [
            "type": "object",
            "properties": ["q": ["type": "string", "maxLength": 4], "n": ["enum": ["one", "seventeen", "no\"ne"]]],
            "required": ["q", "n"],
        ]
        let masks = try ConstraintMasks(
            automaton: ByteAutomata.make(.jsonSchema(schema)), trie: VocabularyTrie(tokenizer))
        var random = SplitMix64(seed: 9)
        var state = masks.automaton.start
        for _ in 0..<200 {
            for bytes in [0, 1, 2, 3, 5, 8, 12, 20, 40] {
                let mask = masks.mask(state, endingWithin: bytes)
                for token in 0..<tokenizer.count where !tokenizer.isControl(token) && !tokenizer.bytes[token].isEmpty {
                    let to = masks.next(state, token: Int32(token))
                    let isAllowed = to.map { masks.automaton.bytesToEnd($0) <= bytes } ?? false
                    #expect((mask[token / 64] >> UInt64(token % 64) & 1 == 1) == isAllowed)
                }
            }
            let next = (0..<tokenizer.count).filter { masks.mask(state)[$0 / 64] >> UInt64($0 % 64) & 1 == 1 }
            guard !next.isEmpty else {
                state = masks.automaton.start
                continue
            }
            state = masks.next(state, token: Int32(next[random.integer(below: next.count)])) ?? masks.automaton.start
        }
    }
}
