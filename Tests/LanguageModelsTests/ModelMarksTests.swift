// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LanguageModels

@Suite struct ModelMarksTests {
    static let answer = "Marta Olsen built it [kestrel].\nAnswer: Marta Olsen"

    @Test(arguments: [
        "<think>Paul Veil</think>\(answer)", "Paul Veil maybe\n</think>\(answer)", "<thought>Paul</thought>\(answer)",
        "<reasoning>Paul</reasoning>\(answer)", "<THINK>Paul</THINK>\(answer)",
        "<seed:think>Paul</seed:think>\(answer)",
        "◁think▷Paul◁/think▷\(answer)", "[THINK]Paul[/THINK]\(answer)", "<unused94>thought\nPaul<unused95>\(answer)",
        "<|begin_of_thought|>Paul<|end_of_thought|><|begin_of_solution|>\(answer)<|end_of_solution|>",
        "<|channel|>analysis<|message|>Paul<|end|><|start|>assistant<|channel|>final<|message|>\(answer)<|return|>",
        "<|start|>assistant<|channel|>final<|message|>\(answer)", "analysisWe need Paul.assistantfinal\(answer)",
        "<|START_THINKING|>Paul<|END_THINKING|><|START_RESPONSE|>\(answer)<|END_RESPONSE|>",
        "\(answer)<|im_end|>", "\(answer)</s>", "\(answer)<|eot_id|>", "\(answer)<end_of_turn>", "<s> \(answer)</s>",
        "\(answer)<｜end▁of▁sentence｜>", "\(answer)<|im_end|>\n<|im_start|>user\nmore<|im_end|>",
        "<|im_start|>assistant\n\(answer)<|im_end|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n\(answer)<|eot_id|>",
        "assistant: \(answer)", "\(answer)\nUser: And who designed the bridge?\nAssistant: Paul Veil",
        "\(answer)\n\nQuestion: Who else?\nAnswer: Paul Veil", "\(answer)\n### Human: more\n### Assistant: Paul",
        "\(answer)[|endofturn|]", "\(answer)[INST] more [/INST]",
    ]) func onlyTheAnswerStays(_ text: String) {
        #expect(ModelMarks.visible(text).trimmingWhitespaces == Self.answer)
    }

    @Test(arguments: [
        "a < b and c > d", "Vec<T> and <s>old</s> new", "User: who?\nAssistant: me\nUser: really?",
        "The note says:\nUser: x is set.\nNothing else.", "analysis of variance", "x[THINKING] y", "Time: 12:30",
    ]) func otherTextStays(_ text: String) {
        #expect(ModelMarks.visible(text) == text)
    }

    @Test(arguments: [
        "<think>never closed", "[THINK]x", "<|channel|>analysis<|message|>Paul", "◁think▷x", "<|im_end|>",
    ])
    func reasoningAloneIsNothing(_ text: String) {
        #expect(ModelMarks.isBlank(ModelMarks.visible(text)))
    }

    @Test func blankIsWhatShowsNothing() {
        for text in ["", " \n", "\u{0}", "\u{200B}\u{FEFF}", "\u{1B}"] { #expect(ModelMarks.isBlank(text)) }
        for text in ["a", "—", "✓", "0"] { #expect(!ModelMarks.isBlank(text)) }
    }

    /// Hostile texts of 64 KB take no time that a person would notice.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            "<think>", "</think>", "[THINK]", "<|channel|>", "</s>", "<", "User: x\n", "Answer: y\nx:", "◁think▷",
        ])
    func manyMarksAreReadAtOnce(_ mark: String) {
        _ = ModelMarks.visible(String(repeating: mark, count: 65_536 / mark.utf8.count))
    }
}

extension String {
    fileprivate var trimmingWhitespaces: String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text = text.dropFirst() }
        while let last = text.last, last.isWhitespace { text = text.dropLast() }
        return String(text)
    }
}
