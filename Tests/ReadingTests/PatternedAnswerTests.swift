// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

@Suite struct PatternedAnswerTests {
    @Test(arguments: [
        ("What is the email address of the office?", PatternedAnswer.Kind.email), ("What's Ana's e-mail?", .email),
        ("Which phone number do I call in an emergency?", .phone), ("phone number of the clinic", .phone),
        ("What is the club's website?", .website), ("What is the postcode of the mill?", .postcode),
        ("On which telephone number can I reach Ole?", .phone),
    ]) func kindsAreKnown(_ question: String, _ kind: PatternedAnswer.Kind) {
        #expect(PatternedAnswer(question)?.kind == kind)
    }

    @Test(arguments: [
        "What did the email say?", "What is the email about?", "Who sent the email about the deposit?",
        "Which phone does Ana use?", "How many phones were bought?", "What is the address of the office?", "",
    ]) func whatAsksForSomethingElseIsNone(_ question: String) {
        #expect(PatternedAnswer(question) == nil)
    }

    @Test(arguments: [
        (
            "What is the email of the office?", "Write to berths@kelby.example, or to <a.b+c@x-y.org>; a @ b, me@here",
            ["berths@kelby.example", "a.b+c@x-y.org"]
        ),
        (
            "What is the phone number of the office?",
            "Call +44 1632 960 123 or (020) 7946 0018; built 1998-04-12, 2019-2020, 12/05/2021, 410,000 pounds, nr 1234. Ward: extension 4512; in need call 112.",
            ["+44 1632 960 123", "(020) 7946 0018", "4512", "112"]
        ),
        (
            "What is the website of the office?",
            "See https://kelby.example/a?b=c, (www.kelby.example), kelbyflats.org. No httpx://, a@b.org, v1.2, end.It.",
            ["https://kelby.example/a?b=c", "www.kelby.example", "kelbyflats.org"]
        ),
        (
            "What is the postcode of the office?",
            "4 Quay Street, KB2 7TR; 24103 Kiel; San Francisco, CA 94110; 12345 things",
            ["KB2 7TR", "24103", "94110"]
        ),
    ]) func placesAreFound(_ question: String, _ text: String, _ expected: [String]) throws {
        let bytes = Array(text.utf8)
        let found = try #require(PatternedAnswer(question)).places(in: text)
        #expect(found.map { String(decoding: bytes[$0], as: UTF8.self) } == expected)
    }

    @Test func hostileTextsEnd() throws {
        for kind in ["email", "phone number", "website", "postcode"] {
            let pattern = try #require(PatternedAnswer("What is the \(kind) of it?"))
            for piece in ["@", "1", "+1 ", "https://", "A1 ", "a@", "(((", "ü@ü."] {
                _ = pattern.places(in: String(repeating: piece, count: 20_000))
            }
        }
    }
}
