// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import AgentRuntime

@Suite struct YearComparisonTests {
    static let texts = [
        ("First for Women", "First for Women is a woman's magazine. The magazine was started in 1989."),
        ("Arthur's Magazine", "Arthur's Magazine (1844–1846) was an American literary periodical."),
        ("Magazine", "Magazine were a band formed in 1977."),
    ]

    func chosen(_ question: String) -> Int? {
        let items = Self.texts.enumerated().map { index, text in
            EvidenceItem(passageID: "p\(index)", documentID: "p\(index)", title: text.0, text: text.1, score: 1)
        }
        return YearComparison(question: question, items: items)?.chosen.item
    }

    @Test func namesTheEarlierOrTheLater() {
        #expect(chosen("Which magazine was started first, Arthur's Magazine or First for Women?") == 1)
        #expect(chosen("Which was founded later, Arthur's Magazine or First for Women?") == nil)
        #expect(chosen("Which is newer, Arthur's Magazine or Magazine?") == nil)
        #expect(chosen("Who wrote for Arthur's Magazine?") == nil)
        #expect(chosen("Was Arthur's Magazine or Guitar World started first?") == nil)
    }
}
