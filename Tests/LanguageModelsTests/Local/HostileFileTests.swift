// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath
import Testing
import Text

@testable import LanguageModels

/// Truncated, flipped and contradictory files give typed errors or a model; they never trap.
struct HostileFileTests {
    private func open(_ bytes: [UInt8]) throws {
        let file = try TemporaryFile(bytes)
        do {
            let gguf = try GGUFFile(path: file.path)
            _ = try gguf.weights()
            _ = try gguf.tokenizer()
        } catch is GGUFError {
        } catch is SubwordTokenizerError {
        }
    }

    @Test func truncatedFilesAreErrors() throws {
        let bytes = TinyModel().writer().encoded()
        for length in stride(from: 0, to: bytes.count, by: 997) {
            let file = try TemporaryFile(Array(bytes.prefix(length)))
            #expect(throws: GGUFError.self, "\(length) bytes") { try GGUFFile(path: file.path) }
        }
    }

    /// A file that becomes shorter under a running model is an error of the request, never the end of the process.
    @Test func aModelWhoseFileBecomesShorterSaysSo() async throws {
        let file = try TemporaryFile(TinyModel().writer().encoded())
        let model = try LocalModel(path: file.path, options: .init(threads: 1, cacheBytes: 1 << 20))
        #expect(truncate(file.path, 0) == 0)
        await #expect(throws: LanguageModelError.self) {
            _ = try await model.complete(prompt: [1, 2, 3], options: SamplingOptions(temperature: 0, maxTokens: 4))
        }
    }

    @Test func flippedBytesNeverTrap() throws {
        var random = SplitMix64(seed: 21)
        let bytes = TinyModel().writer().encoded()
        for _ in 0..<300 {
            var hostile = bytes
            for _ in 0..<(1 + random.integer(below: 4)) {
                hostile[random.integer(below: min(hostile.count, 14_000))] = UInt8(random.integer(below: 256))
            }
            try open(hostile)
        }
    }

    @Test func contradictionsAreErrors() throws {
        func fails(_ change: (inout GGUFWriter) -> Void) throws {
            var writer = TinyModel().writer()
            change(&writer)
            let file = try TemporaryFile(writer.encoded())
            #expect(throws: GGUFError.self) { _ = try GGUFFile(path: file.path).weights() }
        }
        try fails { $0.version = 1 }
        try fails { $0.metadata.append($0.metadata[0]) }
        try fails { $0.tensors.append($0.tensors[0]) }
        try fails { $0.metadata[0].1 = .string("unknown") }
        try fails { $0.metadata[4].1 = .integer(3) }
        try fails { $0.metadata[2].1 = .integer(-64) }
        try fails { $0.tensors[0].type = 99 }
        try fails { $0.tensors[3].shape = [64, 65] }
        try fails { $0.tensors.removeLast() }
        try fails { $0.metadata.append(("general.alignment", .integer(3))) }
        let none = NSTemporaryDirectory() + "forage-no-such-file.gguf"
        #expect(throws: GGUFError.self) { try GGUFFile(path: none) }
    }

    @Test func brokenTemplatesAreErrors() {
        let bad = [
            "{{ x", "{% if %}", "{% if x %}", "{% endif %}", "{% for x %}{% endfor %}", "{{ 'a }}", "{{ x | }}",
            "{% macro f() %}",
            "{{ (((((1 }}", "{{ x[ }}", "{% set x %}", String(repeating: "{% if a %}", count: 100),
            "{{ " + String(repeating: "(", count: 5000), "{{ " + String(repeating: "-", count: 5000) + "1 }}",
            "{# never",
        ]
        for text in bad { #expect(throws: ChatTemplateError.self, "\(text.prefix(30))") { _ = try ChatTemplate(text) } }
        let failing = [
            "{{ raise_exception('no') }}", "{{ nothing() }}", "{{ 1 // 0 }}", "{{ messages | unknown }}",
            "{{ 'a' - 1 }}",
            "{% for i in range(99999999) %}{% endfor %}",
        ]
        for text in failing {
            #expect(throws: ChatTemplateError.self, "\(text)") { _ = try ChatTemplate(text).render(messages: []) }
        }
    }

    @Test func brokenTokenizersAreErrors() throws {
        let bad = [
            "{}", #"{"model":{"type":"WordPiece","vocab":{"a":0}}}"#, #"{"model":{"vocab":{"a":-1}}}"#,
            #"{"model":{"vocab":{"a":99999999999}}}"#,
            #"{"model":{"vocab":{"a":0},"merges":["a"]},"pre_tokenizer":{"type":"ByteLevel"}}"#,
            #"{"model":{"vocab":{"a":0},"merges":[]}}"#,
        ]
        for text in bad {
            let json = try JSONValue(parsing: text)
            #expect(throws: SubwordTokenizerError.self, "\(text)") { _ = try SubwordTokenizer(tokenizerJSON: json) }
        }
    }
}

struct ChatTemplateTests {
    private let talk = [
        ChatMessage(role: .system, content: "Be brief. "), ChatMessage(role: .user, content: "Hi"),
        ChatMessage(role: .assistant, content: "Hello"), ChatMessage(role: .user, content: "Bye"),
    ]

    @Test func chatML() throws {
        let text = try ChatTemplate(ChatTemplate.chatML).render(messages: [talk[1]])
        #expect(text == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    }

    @Test func loopsFiltersNamespacesAndWhiteSpace() throws {
        let source = """
            {%- set ns = namespace(n=0, last='') -%}
            {%- for m in messages if m.role != 'system' %}
                {%- set ns.n = ns.n + 1 %}
                {{- loop.index ~ (loop.last and '!' or ',') + m['content'] | trim | upper }}
            {%- endfor %}
            {{- '/' ~ ns.n ~ messages[0].content.strip().split(' ')[-1] ~ messages[1:][::-1][0].role }}
            {%- if tools is defined and tools %}T{% elif 'i' in messages[1].content and not (1 > 2) %}E{% else %}N{% endif -%}
            """
        #expect(try ChatTemplate(source).render(messages: talk) == "1,HI2,HELLO3!BYE/3brief.userE")
    }

    @Test func toolsAreWrittenAsJSON() throws {
        let tool = ToolSpecification(name: "f", description: "d", parameters: ["type": "object"])
        let text = try ChatTemplate("{% for t in tools %}{{ t | tojson }}{% endfor %}").render(
            messages: [], tools: [tool])
        #expect(
            text
                == #"{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}"#
        )
    }
}

struct SubwordTokenizerTests {
    private let letters = TinyModel.tokens

    @Test func mergesByRankWithinPieces() throws {
        let tokenizer = try TinyModel().open().tokenizer
        func names(_ text: String) -> [String] {
            tokenizer.encode(text).map { String(decoding: tokenizer.names[$0], as: UTF8.self) }
        }
        #expect(names("the then") == ["the", "Ġthe", "n"])
        #expect(names("in 12") == ["in", "Ġ", "1", "2"])
        #expect(names("").isEmpty)
    }

    @Test func everyTextComesBack() throws {
        let tokenizer = try TinyModel().open().tokenizer
        var random = SplitMix64(seed: 8)
        let parts = [
            "a", "the", " ", "\n", "é", "東", "🙂", "\u{0}", "'s", "12", "<|im_end|>", "\u{E001}", "\r\n", "\t\t",
        ]
        for _ in 0..<500 {
            let text = (0..<random.integer(below: 30)).map { _ in parts[random.integer(below: parts.count)] }.joined()
            let ids = tokenizer.encode(text)
            #expect(tokenizer.decode(ids) == text)
            #expect(ids.allSatisfy { !tokenizer.isControl($0) })
        }
        #expect(tokenizer.encode("<|im_end|>", frame: true) == [2])
    }

    @Test func sentencePieceFallsBackToBytes() throws {
        let texts =
            ["<unk>", "<s>", "▁", "a", "b", "▁a", "ab", "▁ab"] + (0..<256).map { String(format: "<0x%02X>", $0) }
        var kinds = [SubwordTokenizer.Kind](repeating: .byte, count: texts.count)
        kinds.replaceSubrange(0..<8, with: [.unknown, .control] + Array(repeating: .normal, count: 6))
        let scores: [Float] = [0, 0, -5, -6, -7, -1, -3, -2] + Array(repeating: 0, count: 256)
        let tokenizer = try SubwordTokenizer(
            names: texts.map { Array($0.utf8) }, kinds: kinds, scores: scores, merges: nil,
            algorithm: .sentencePiece(prefix: true))
        #expect(tokenizer.encode("a ab") == [5, 7])
        #expect(tokenizer.encode("<s>é").allSatisfy { !tokenizer.isControl($0) })
        #expect(tokenizer.decode(tokenizer.encode("<s>é b")) == " <s>é b")
    }
}
