// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

/// What a question's function words say before any table is read.
@Suite struct QuestionCueTests {
    @Test(arguments: [
        "How many articles cost less than 1 euro?", "Which source published the most articles?",
        "What is the average price of the hammers?", "Sort the tickets by priority.", "Which article is the cheapest?",
        "What share of the orders was late?", "Who appears in both lists?",
    ]) func asksOfMany(_ question: String) {
        #expect(QuestionReader.asksOfMany(question))
    }

    @Test(arguments: [
        "Who invented the telephone?", "When was Ada Lind born?", "Where does the river Elbe rise?",
        "What does a Bolt M8 cost?",
    ]) func asksOfOne(_ question: String) {
        #expect(!QuestionReader.asksOfMany(question))
    }
}
