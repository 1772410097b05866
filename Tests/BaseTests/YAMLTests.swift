// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Testing

@Suite struct YAMLTests {
    /// A few hundred bytes that say as much as they like.
    @Test func aliasesAreExpandedWithinTheSizeOfTheText() throws {
        var text = "a0: &a0 [salt]\n"
        for level in 1..<20 {
            let list = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",")
            text += "a\(level): &a\(level) [\(list)]\n"
        }
        #expect(throws: YAMLError.self) { try YAMLReader.read(text, name: "x") }
        // As people use them.
        let shared = "base: &base {x: 1, y: [1, 2, 3]}\n" + (0..<200).map { "k\($0): *base\n" }.joined()
        #expect(try YAMLReader.read(shared, name: "x")["k199"]?["y"]?[2] == 3)
    }

    /// A link to a device has no end.
    @Test func filesWithoutEndAreRefused() {
        #expect(throws: YAMLError.self) { try YAMLReader.read(file: "/dev/zero") }
        #expect(throws: YAMLError.self) { try YAMLReader.read(file: "/") }
        let pipe = NSTemporaryDirectory() + "forage-pipe-\(getpid())"
        defer { unlink(pipe) }
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(throws: YAMLError.self) { try YAMLReader.read(file: pipe) }
        #expect(throws: YAMLError.self) { try YAMLReader.read(file: "/nowhere/x.yaml") }
    }

    @Test func whatTurnsTheReadingAroundIsShownInPages() {
        #expect("a\u{202E}b\u{200B}c\u{E0041}".htmlEscaped == "a\\u{202e}b\\u{200b}c\\u{e0041}")
    }
}
