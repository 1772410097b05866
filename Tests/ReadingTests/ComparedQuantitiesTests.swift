// SPDX-License-Identifier: Apache-2.0

import Reading
import Testing

@Suite struct ComparedQuantitiesTests {
    @Test(arguments: [
        ("Which has more beds, Ward 9 or Hedgehog?", ["Ward 9", "Hedgehog"], true),
        ("Which plot is smaller, 12 or 22?", ["12", "22"], false),
        ("Were there more falls in 2022 or in 2023?", ["2022", "2023"], true),
        ("Is the Tern heavier than the Skua?", ["the Tern", "the Skua"], true),
        ("Which was cheaper, the hotel or the ferry?", ["the hotel", "the ferry"], false),
    ])
    func twoNumbersAreComparedByAQuestionEach(_ question: String, _ options: [String], _ wantsMore: Bool) throws {
        let compared = try #require(ComparedQuantities(question))
        #expect(compared.options == options)
        #expect(compared.wantsMore == wantsMore)
        #expect(compared.questions.count == 2 && compared.isYesNo == question.hasPrefix("Is"))
        for (option, one) in zip(options, compared.questions) { #expect(one.contains(option) && one.hasPrefix("How")) }
    }

    @Test func aNumberInTheQuestionIsAThreshold() throws {
        let compared = try #require(ComparedQuantities("Has the waiting list more than 1,020 names?"))
        #expect(compared.threshold == 1020 && compared.isYesNo && compared.wantsMore)
        #expect(compared.questions == ["How many names has the waiting list?"])
    }

    @Test(arguments: [
        "Who is older, Ada Brook or Ben Carr?", "Is the inn open or closed?", "Who wrote more than this?",
        "more or less",
        "Which is more recent, A or B?", "or or or or or or",
    ])
    func whatComparesNoNumbersIsLeft(_ question: String) {
        #expect(ComparedQuantities(question) == nil)
    }

    @Test(
        arguments: [
            ("1,250", 1250.0), ("12,50", 12.5), ("1.250,75", 1250.75), ("£1,299.50", 1299.5), ("42.", 42),
            ("tall", nil), ("", nil),
            (",", nil),
        ] as [(String, Double?)])
    func numbersAsPeopleWriteThem(_ text: String, _ value: Double?) {
        #expect(ComparedQuantities.number(text) == value)
    }

    @Test func heightIsNoLength() throws {
        let taller = try #require(ComparedQuantities("Which is taller, the Alba or the Skua?"))
        let longer = try #require(ComparedQuantities("Which is longer, the Alba or the Skua?"))
        let more = try #require(ComparedQuantities("Which has more beds, the Alba or the Skua?"))
        #expect(taller.measureWords.contains("height") && !taller.measureWords.contains("length"))
        #expect(longer.measureWords.contains("length") && more.measureWords.isEmpty)
    }
}
