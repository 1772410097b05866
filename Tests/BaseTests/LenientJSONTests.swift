// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Testing

/// JSON as models write it; each form is from a public bug report.
@Suite struct LenientJSONTests {
    static let query: JSONValue = ["query": "clown novel"]

    @Test(arguments: [
        #"{"query":"clown novel",}"#, #"{'query': 'clown novel'}"#, #"{query: "clown novel"}"#,
        #"{"query":"clown novel""#,
        #"{"query":"clown novel"#, "```json\n{\"query\":\"clown novel\"}\n```", "```\n{\"query\":\"clown novel\"}",
        #"Sure! {"query":"clown novel"} Done."#, #""{\"query\":\"clown novel\"}""#,
        #""{\\\"query\\\":\\\"clown novel\\\"}""#, #"{"query":"clown novel"}}"#, #"{“query”: “clown novel”}"#,
        #"{"query":"clown novel"}{"query":"clown novel"}"#, "// call\n{\"query\": \"clown novel\" /* words */}",
        #"{"query" = "clown novel"}"#, "\u{FEFF}{\"query\":\"clown novel\"}", #"{"query": clown novel}"#,
    ]) func readsWhatWasMeant(_ text: String) {
        #expect(LenientJSON.read(text)?.value == Self.query)
    }

    @Test func saysWhatItMended() throws {
        let read = try #require(
            LenientJSON.read(#"{'a': True, 'b': None, 'c': (1, 2), 'd': +3, 'e': 'it\'s', 'f': 1_000}"#))
        #expect(read.value == ["a": true, "b": nil, "c": [1, 2], "d": 3, "e": "it's", "f": 1000])
        #expect(read.repairs.contains("single quotes") && read.repairs.contains("a Python literal"))
        #expect(LenientJSON.read(#"{"a": 1}"#)?.repairs == [])
    }

    @Test func keepsQuotesWithinStrings() {
        #expect(
            LenientJSON.read(#"{"query": "the "big" top", "n": 1,}"#)?.value == ["query": "the \"big\" top", "n": 1])
        #expect(LenientJSON.read(#"{'query': 'the clown's nose'}"#)?.value == ["query": "the clown's nose"])
        #expect(LenientJSON.read("{\"query\": \"two\nlines\"}")?.value == ["query": "two\nlines"])
        #expect(LenientJSON.read(#"{"a": "x" "b": "y"}"#)?.value == ["a": "x", "b": "y"])
    }

    @Test(arguments: ["", "clown", "no braces here", "}{", "{\"a\":1}{\"b\":2}", "{{{", ":", "[1,,]{"])
    func leavesWhatIsNone(_ text: String) {
        let read = LenientJSON.read(text)
        #expect(read == nil || read?.value.object == nil || read?.value == [:])
    }

    /// Every valid text is read as it stands, and every prefix of it gives something or nothing, never a trap.
    @Test func agreesWithTheStrictReaderAndSurvivesEveryCut() throws {
        let text = #"{"a":[1,2.5,{"b":"x\u00e9\n\"q\""}],"c":null,"d":true,"e":"{\"in\":1}"}"#
        let strict = try JSONValue(parsing: text)
        #expect(LenientJSON.read(text)?.value == strict)
        for end in text.indices { _ = LenientJSON.read(String(text[..<end])) }
        for index in text.indices {
            var cut = text
            cut.remove(at: index)
            _ = LenientJSON.read(cut)
        }
    }

    @Test func isBounded() {
        #expect(LenientJSON.read(String(repeating: "[", count: 100_000)) == nil)
        #expect(LenientJSON.read("{\"a\":\"" + String(repeating: "x", count: 1 << 19)) == nil)
        _ = LenientJSON.read("{" + String(repeating: "' \" ", count: 20_000))
    }
}
