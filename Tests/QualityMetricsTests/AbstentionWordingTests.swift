// SPDX-License-Identifier: Apache-2.0

import QualityMetrics
import Testing

@Suite struct AbstentionWordingTests {
    @Test(arguments: [
        "", "  \n", "\u{0}", "...", "unknown", "Unknown.", "N/A", "I don't know.", "I don’t know who built it.",
        "I'm not sure.", "I am unable to answer that.", "I'm sorry, but I can't help with that.",
        "As an AI, I have no access.",
        "I need to search for this.", "Let me look that up.", "I will check the corpus.",
        "Searching for the lighthouse",
        "There is no information about it.",
        "The passages do not mention it, so it cannot be determined: no information.",
        "Could you provide more context?", "Which lighthouse do you mean?", "No idea", "It is not specified.",
        "Ich weiß es nicht.", "Je ne sais pas.", "No lo sé.", "不知道", "わかりません", "Я не знаю.", "unbekannt",
        "We cannot find that.", "not mentioned", "I can't recall.",
    ]) func nothingIsAnswered(_ text: String) {
        #expect(AbstentionWording.isAbstention(text))
    }

    @Test(arguments: [
        "Marta Olsen", "Germany", "1871", "yes", "no", "42 metres", "Marta Olsen built it in 1871.",
        "The Unknown Soldier",
        "Never Let Me Go", "No Country for Old Men", "Notre-Dame", "I, Robot", "The lighthouse of the island of Utsira",
        "Bergen, in the west of Norway", "She wrote Search for a Rose.", "Willa Cather", "Let It Be", "ニューヨーク",
        "It was built by Marta Olsen, who could not swim.",
    ]) func somethingIsAnswered(_ text: String) {
        #expect(!AbstentionWording.isAbstention(text))
    }
}
