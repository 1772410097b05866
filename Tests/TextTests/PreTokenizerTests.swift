// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Testing

@testable import Text

/// The scanners against the published patterns, run by a regular-expression engine.
@Suite struct PreTokenizerTests {
    private static let gpt2 = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static func family(_ digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    private static let alphabet: [String] = [
        "a", "b", "Z", "it", "'s", "'T", "'ll", "'Re", "'", "don't", "1", "2", "34", "567890", "\u{BD}", "\u{0663}",
        " ",
        " ", "  ", "\n", "\r\n", "\t", "\u{A0}", "\u{3000}", ".", ",", "!?", "(", "\u{2014}", "\u{E9}", "e\u{301}",
        "\u{41F}\u{440}", "\u{4E2D}\u{6587}", "\u{1F600}", "\u{5D0}", "_", "$", "\u{200B}",
    ]

    private static func texts() throws -> [String] {
        var random = SplitMix64(seed: 31)
        var texts = (0..<1500).map { _ in
            (0..<(1 + random.integer(below: 14))).map { _ in alphabet[random.integer(below: alphabet.count)] }.joined()
        }
        let corpus = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Examples/hotpotqa/corpus.jsonl")
        texts += try String(contentsOf: corpus, encoding: .utf8).split(separator: "\n").prefix(300).map(String.init)
        return texts
    }

    private func pieces(_ tokenizer: PreTokenizer, _ text: String) -> [String] {
        var text = text
        return text.withUTF8 { bytes in
            tokenizer.pieces(of: bytes).map { String(decoding: bytes[$0], as: UTF8.self) }
        }
    }

    private func matches(_ pattern: String, _ text: String) throws -> [String] {
        let expression = try NSRegularExpression(pattern: pattern)
        let whole = text as NSString
        return expression.matches(in: text, range: NSRange(location: 0, length: whole.length)).map {
            whole.substring(with: $0.range)
        }
    }

    @Test(arguments: [
        (PreTokenizer.gpt2, Self.gpt2), (.llama3, Self.family(#"\p{N}{1,3}"#)), (.qwen2, Self.family(#"\p{N}"#)),
    ]) func cutsAsThePublishedPattern(tokenizer: PreTokenizer, pattern: String) throws {
        for text in try Self.texts() {
            let ours = pieces(tokenizer, text)
            #expect(ours.joined() == text)
            let theirs = try matches(pattern, text)
            #expect(ours.map { Array($0.utf8) } == theirs.map { Array($0.utf8) }, "\(text.debugDescription)")
        }
    }

    @Test func smollmCutsDigitsOffFirst() throws {
        for text in try Self.texts() {
            let ours = pieces(.smollm, text)
            let parts = try matches(#"\p{N}|[^\p{N}]+"#, text)
            let theirs = try parts.flatMap { try matches(Self.gpt2, $0) }
            #expect(ours.map { Array($0.utf8) } == theirs.map { Array($0.utf8) }, "\(text.debugDescription)")
        }
    }
}
