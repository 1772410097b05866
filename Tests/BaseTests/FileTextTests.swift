// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

/// Lines, codes of terminals, near names and YAML: what every reader of files rests on.
@Suite struct FileTextTests {
    /// Lines by their definition: at "\r\n", "\n" and "\r", each once.
    private func lines(_ text: String, omittingEmpty: Bool) -> [String] {
        var lines: [String] = []
        var line: [UInt8] = []
        let bytes = Array(text.utf8)
        var at = 0
        while at < bytes.count {
            if bytes[at] == 10 || bytes[at] == 13 {
                at += bytes[at] == 13 && at + 1 < bytes.count && bytes[at + 1] == 10 ? 2 : 1
                lines.append(String(decoding: line, as: UTF8.self))
                line = []
            } else {
                line.append(bytes[at])
                at += 1
            }
        }
        if !line.isEmpty { lines.append(String(decoding: line, as: UTF8.self)) }
        return omittingEmpty ? lines.filter { !$0.isEmpty } : lines
    }

    @Test(arguments: [UInt64](0..<10)) func linesEndWhereTheyEnd(_ seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let parts = ["\r\n", "\n", "\r", "a", "é", "漢", " ", "b\u{0301}", "\u{2028}", "\r\r\n"]
        for _ in 0..<200 {
            let text = (0..<random.integer(below: 12)).map { _ in parts[random.integer(below: parts.count)] }.joined()
            for omittingEmpty in [false, true] {
                let wanted = lines(text, omittingEmpty: omittingEmpty)
                #expect(text.textLines(omittingEmpty: omittingEmpty).map(String.init) == wanted)
                #expect(
                    Array(text.utf8).textLines(omittingEmpty: omittingEmpty).map {
                        String(decoding: $0, as: UTF8.self)
                    } == wanted)
            }
            #expect(text.withUnixLineEnds().textLines().map(String.init) == lines(text, omittingEmpty: false))
            #expect(!text.withUnixLineEnds().utf8.contains(13))
        }
    }

    @Test(arguments: [
        ("plain", "plain"), ("\u{1B}[31mred\u{1B}[0m", "red"), ("\u{1B}[1;38;5;200mx\u{1B}[K", "x"),
        ("\u{1B}]0;a title\u{7}text", "text"), ("a\u{1B}", "a\u{1B}"), ("a\u{1B}[", "a"), ("\u{1B}[31", ""),
        ("\u{1B}cfull", "cfull"), ("ж\u{1B}[2Jж", "жж"), ("\u{1B}]no end\nnext", "\nnext"),
    ]) func codesOfTerminalsGo(_ text: String, _ wanted: String) { #expect(TerminalText.withoutCodes(text) == wanted) }

    @Test func codesStayTextInYAML() throws {
        let value = try YAMLReader.read(
            "zip: 01234\nneg: -007\nzero: 0\nhalf: 0.5\nn: 12\nplus: +3\nquoted: \"5\"\nver: 1.10.2\nexp: 1e3\n",
            name: "t")
        #expect(
            value
                == .object([
                    "zip": "01234", "neg": "-007", "zero": 0, "half": 0.5, "n": 12, "plus": 3, "quoted": "5",
                    "ver": "1.10.2", "exp": 1000.0,
                ]))
    }

    @Test func streamsOfYAMLDocuments() throws {
        #expect(try YAMLReader.readAll("---\na: 1\n---\n- 2\n...\n", name: "t") == [["a": 1], [2]])
        #expect(try YAMLReader.readAll("", name: "t").isEmpty)
        do {
            _ = try YAMLReader.readAll("a: 1\n---\nb: [1\n", name: "notes.yaml")
            Issue.record("it is not closed")
        } catch {
            #expect(error.file == "notes.yaml" && (error.line ?? 0) >= 3, "\(error)")
        }
        // Aliases of aliases of aliases are more than anyone means.
        var bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        for level in 1..<9 {
            bomb +=
                "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",") + "]\n"
        }
        #expect(throws: YAMLError.self) { try YAMLReader.read(bomb, name: "t") }
        #expect(throws: YAMLError.self) { try YAMLReader.read("? [a, b]\n: c\n", name: "t") }
        #expect(try YAMLReader.read("b: &x {k: 1}\nc: *x\n", name: "t")["c"] == ["k": 1])
    }
}
