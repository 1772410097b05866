// SPDX-License-Identifier: Apache-2.0

import Foundation
import OrderedCollections
import Synchronization
import Testing

@testable import Base

/// What everything above relies on: loops over cores, drawn numbers, files within folders, names and YAML.
@Suite struct FoundationTests {
    private struct Odd: Error, Equatable { var index: Int }

    @Test func loopsGiveResultsInOrderAndTheFirstError() throws {
        for count in [0, 1, 2, 31, 1000] {
            let calls = Atomic<Int>(0)
            let squares = try Parallel.map(count) { index in
                calls.wrappingAdd(1, ordering: .relaxed)
                return index * index
            }
            #expect(squares == (0..<count).map { $0 * $0 } && calls.load(ordering: .relaxed) == count)
        }
        #expect(throws: Odd(index: 7)) {
            try Parallel.map(500) { index in
                if index % 100 == 7 { throw Odd(index: index) }
                return index
            }
        }
    }

    @Test func rangesCoverAllAndKeepTheirStep() {
        for count in [0, 1, 15, 16, 17, 1000] {
            for step in [1, 16] {
                for width in [1, 2, 7] {
                    let ranges = Parallel.ranges(count, step: step, width: width)
                    #expect(ranges.flatMap(Array.init) == Array(0..<count))
                    #expect(ranges.dropLast().allSatisfy { $0.count % step == 0 } && ranges.count <= width)
                }
            }
        }
    }

    /// A seed is a promise: traces, splits and drawn markers of earlier versions depend on these numbers.
    @Test func drawnNumbersAreThoseOfEveryVersion() {
        // The published sequence of seed 1234567.
        var random = SplitMix64(seed: 1_234_567)
        #expect(
            (0..<5).map { _ in random.next() } == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
        var (left, right) = (SplitMix64(seed: 1, stream: 1), SplitMix64(seed: 1, stream: 2))
        #expect(left.next() != right.next())
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[random.integer(below: 7)] += 1 }
        #expect(counts.allSatisfy { (9_500...10_500).contains($0) }, "\(counts)")
        var sum = (0.0, 0.0)
        for _ in 0..<50_000 {
            let value = random.gaussian()
            sum = (sum.0 + value, sum.1 + value * value)
        }
        #expect(abs(sum.0 / 50_000) < 0.02 && abs(sum.1 / 50_000 - 1) < 0.03)
        var order = Array(0..<50)
        random.shuffle(&order)
        #expect(order.sorted() == Array(0..<50) && order != Array(0..<50))
        // What has no weight is never drawn.
        for _ in 0..<500 { #expect([1, 3].contains(random.index(weights: [0, 2, 0, 0.5, 0]))) }
    }

    @Test func noNameLeadsOutOfItsFolder() throws {
        let root = NSTemporaryDirectory() + "beneath-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root + "/in/deep", withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: root) }
        try "secret".write(toFile: root + "/outside", atomically: true, encoding: .utf8)
        try "fine".write(toFile: root + "/in/deep/file", atomically: true, encoding: .utf8)
        try FileManager.default.createSymbolicLink(atPath: root + "/in/link", withDestinationPath: root + "/outside")
        try FileManager.default.createSymbolicLink(atPath: root + "/in/up", withDestinationPath: "..")
        close(try FolderFile.open("deep/file", beneath: root + "/in", .reading))
        for name in ["../outside", "link", "up/outside", "deep/../../outside", "/etc/passwd", "deep\u{0}x", "."] {
            #expect(throws: FolderFileError.self, "\(name)") {
                close(try FolderFile.open(name, beneath: root + "/in", .reading))
            }
        }
        // A file that has a second name is not written through it.
        try FileManager.default.linkItem(atPath: root + "/outside", toPath: root + "/in/second")
        #expect(throws: FolderFileError.self) { close(try FolderFile.open("second", beneath: root + "/in", .updating)) }
        #expect(FolderFile.isLink(root + "/in/link") && !FolderFile.isLink(root + "/in/deep/file"))
        close(try FolderFile.replace(path: root + "/in/link"))
        #expect(try String(contentsOfFile: root + "/outside", encoding: .utf8) == "secret")
    }

    /// Lines are cut the same in a text and in its bytes, and joined again they are the text.
    @Test func linesAreCutTheSameEverywhere() {
        var random = SplitMix64(seed: 6)
        let pieces = ["a", "é", "\n", "\r", "\r\n", "\u{2028}", " ", ""]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                pieces.randomElement(using: &random) ?? ""
            }.joined()
            let lines = text.textLines()
            #expect(
                lines.map { Array($0.utf8) } == Array(text.utf8).textLines().map { Array($0) },
                "\(text.debugDescription)")
            let unix = text.withUnixLineEnds()
            #expect(!unix.utf8.contains(13))
            #expect(
                lines.joined(separator: "\n") + (unix.hasSuffix("\n") ? "\n" : "") == unix, "\(text.debugDescription)")
            #expect(text.textLines(omittingEmpty: true).allSatisfy { !$0.isEmpty })
        }
    }

    @Test func lengthsAreOfScalars() {
        let stacked = "e" + String(repeating: "\u{301}", count: 50)
        #expect(stacked.count == 1 && stacked.isLonger(than: 10) && stacked.head(10).unicodeScalars.count == 10)
        #expect(!"abc".isLonger(than: 3) && "abc".head(3) == "abc" && "abc".head(0).isEmpty)
    }

    @Test func yamlIsBoundedAndNamesItsLine() throws {
        let read = try YAMLReader.read(
            "a: 1\nb: [x, 'y', 2.5, ~, true, 007]\nc: {d: \"e\"}\n", name: "n")
        #expect(
            read == ["a": 1, "b": ["x", "y", 2.5, .null, true, "007"], "c": ["d": "e"]])
        #expect(try YAMLReader.read("", name: "n") == .object([:]))
        for (text, line) in [("a: [1\nb: 2", 2), ("a: 1\na: 2", nil), ("? [x]\n: y", nil), ("a: *none", nil)]
            as [(String, Int?)]
        {
            do {
                _ = try YAMLReader.read(text, name: "n")
                Issue.record("\(text) was read")
            } catch {
                #expect(error.file == "n" && !error.message.isEmpty)
                if let line { #expect((error.line ?? 0) >= line - 1) }
            }
        }
        var bomb = "a0: &a0 [x, x]\n"
        for level in 1...40 { bomb += "a\(level): &a\(level) [*a\(level - 1), *a\(level - 1)]\n" }
        #expect(throws: YAMLError.self) { try YAMLReader.read(bomb, name: "bomb") }
        let deep = String(repeating: "[", count: 300) + String(repeating: "]", count: 300)
        #expect(throws: YAMLError.self) { try YAMLReader.read(deep, name: "deep") }
    }
}
