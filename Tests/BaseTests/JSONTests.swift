// SPDX-License-Identifier: Apache-2.0

import Foundation
import OrderedCollections
import Testing

@testable import Base

@Suite struct JSONTests {
    /// A value of random shape: what a generator of seeds makes must come back from its own text.
    private static func value(_ random: inout SplitMix64, depth: Int) -> JSONValue {
        switch random.integer(below: depth > 0 ? 8 : 6) {
        case 0: return .null
        case 1: return .bool(random.integer(below: 2) == 1)
        case 2: return .integer(Int(bitPattern: UInt(random.next())))
        case 3: return .number(random.gaussian() * 1e9)
        case 4: return .string(text(&random))
        case 5: return .string("\u{2028}\"\\\u{1}\u{7F}é😀")
        case 6: return .array((0..<random.integer(below: 4)).map { _ in value(&random, depth: depth - 1) })
        default:
            var object: JSONObject = [:]
            for _ in 0..<random.integer(below: 4) { object[text(&random)] = value(&random, depth: depth - 1) }
            return .object(object)
        }
    }

    private static func text(_ random: inout SplitMix64) -> String {
        String(
            String.UnicodeScalarView(
                (0..<random.integer(below: 6)).compactMap { _ in Unicode.Scalar(UInt32(random.integer(below: 0xD800))) }
            ))
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        var random = SplitMix64(seed: 7)
        for _ in 0..<500 {
            let value = Self.value(&random, depth: 4)
            let text = value.description
            #expect(try JSONValue(parsing: text) == value)
            #expect(try JSONValue(parsing: text).description == text)
        }
    }

    /// No prefix of a value is a value, and none crashes.
    @Test func truncatedTextIsRefused() {
        let text = #"{"a":[1,-2.5e3,"x\u00e9\n",{"b":null}],"c":true}"#
        for length in 0..<text.utf8.count {
            #expect(throws: JSONError.self) {
                try JSONValue(parsing: String(decoding: text.utf8.prefix(length), as: UTF8.self))
            }
        }
    }

    @Test func depthIsBounded() {
        let deep = String(repeating: "[", count: 1_000_000)
        #expect(throws: JSONError.self) { try JSONValue(parsing: deep) }
    }
}

@Suite struct FileTests {
    @Test func onlyRegularFilesAreMapped() throws {
        #expect(throws: FileError.self) { try MappedFile(path: "/") }
        #expect(throws: FileError.self) { try MappedFile(path: "/nowhere/at/all") }
        let path = FileManager.default.temporaryDirectory.appending(path: "forage-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("abc".utf8).write(to: URL(filePath: path))
        // The bytes live as long as the file is held.
        let file = try MappedFile(path: path)
        #expect(withExtendedLifetime(file) { Array(file.bytes) } == Array("abc".utf8))
        try Data().write(to: URL(filePath: path))
        #expect(try MappedFile(path: path).bytes.isEmpty)
    }
}

@Suite struct WordsTests {
    @Test func textIsHarmlessInHTML() {
        #expect(
            "<a href=\"x\" title='y'>&\u{1B}\u{9B}\n\té</a>".htmlEscaped
                == "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;\u{FFFD}\u{FFFD}\n\té&lt;/a&gt;")
    }

    @Test func theNearestNameWithinAThirdOfItsLength() {
        #expect(nearest(to: "serach", among: ["search", "serve", "ask"]) == "search")
        #expect(nearest(to: "zzzzzz", among: ["search", "serve", "ask"]) == nil)
        #expect(nearest(to: String(repeating: "x", count: 1_000), among: ["search"]) == nil)
    }
}
