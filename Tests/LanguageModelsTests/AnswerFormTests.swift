// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import LanguageModels

@Suite struct AnswerFormTests {
    @Test(arguments: [
        "Who wrote it?", "How many people live there?", "In which city was the author of X born?", "Is it so?",
        "What is the name of the river?", "how tall is the tower", "When did the war end?", "東京の人口は？",
        "capital of France",
    ])
    func shortAnswers(_ question: String) { #expect(AnswerForm(question: question) == .short) }

    @Test(arguments: [
        "Why did the dam fail?", "Explain the plan.", "please summarize the article", "How does the pump work?",
        "Could you describe the valley?", "Tell me about the merger", "What is the difference between A and B?",
        "how do I reset the device",
    ])
    func sentences(_ question: String) { #expect(AnswerForm(question: question) == .prose) }

    @Test func aShortAnswerIsTakenOutOfItsLine() {
        #expect(EvidenceAnswerer.short("Answer: \"Paris\".\nBecause …") == "Paris")
        #expect(EvidenceAnswerer.short("  Delhi [1]. ") == "Delhi")
        #expect(EvidenceAnswerer.short("") == "")
    }
}

@Suite struct ModelNameTests {
    private func file(_ name: String, _ files: [String]) throws -> String? {
        try ModelNames.repository(name).map { try ModelNames.file($0, among: files) }
    }

    @Test func namesThatPeopleUse() throws {
        let files = [
            "README.md", "m-q8_0.gguf", "m-q4_k_m.gguf", "big-q4_k_m-00001-of-00002.gguf", "mmproj-q4_k_m.gguf",
        ]
        #expect(try file("qwen2.5:1.5b", files) == "m-q4_k_m.gguf")
        #expect(try file("qwen2.5:1.5b-instruct-q8_0", files) == "m-q8_0.gguf")
        #expect(try file("hf.co/someone/m-GGUF:Q8_0", files) == "m-q8_0.gguf")
        let repository = try ModelNames.repository("qwen2.5:1.5b")
        #expect(repository?.owner == "Qwen" && repository?.name == "Qwen2.5-1.5B-Instruct-GGUF")
        #expect(try ModelNames.repository("smollm2") == nil && ModelNames.repository("minilm") == nil)
        #expect(try ModelNames.repository("hf:owner/name/file.gguf") == nil)
        #expect(throws: LanguageModelError.self) { try ModelNames.repository("qwen2.5:9b") }
        #expect(throws: LanguageModelError.self) { try ModelNames.repository("hf.co/a b/c") }
        #expect(throws: LanguageModelError.self) { try file("llama3.2:1b", ["only-f16.gguf"]) }
        #expect(ModelNames.stored("qwen2.5:1.5b") == "qwen2.5-1.5b" && ModelNames.stored("mine") == "mine")
        #expect(ModelNames.stored("hf.co/Bartowski/Some-GGUF:Q8_0") == "some-q8_0")
    }
}
