// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Agent

@Suite struct YearComparisonTests {
    static let texts = [
        ("First for Women", "First for Women is a woman's magazine. The magazine was started in 1989."),
        ("Arthur's Magazine", "Arthur's Magazine (1844–1846) was an American literary periodical."),
        ("Magazine", "Magazine were a band formed in 1977."),
    ]

    static func evidence(_ texts: [(String, String)]) -> Evidence {
        Evidence(
            texts.enumerated().map { index, text in
                EvidenceItem(passageID: "p\(index)", documentID: "p\(index)", title: text.0, text: text.1, score: 1)
            })
    }

    func chosen(_ question: String, _ texts: [(String, String)] = Self.texts) -> Int? {
        YearComparison(question: question, items: Self.evidence(texts).items)?.chosen.item
    }

    static let films = [
        ("The Grey Pier (film)", "The Grey Pier is a 1931 drama directed by Ada Holm and starring Otto Brandt."),
        ("Salt Road", "Salt Road is a 1954 film, written by Ivo Lund and directed by Karl Mehren (his first)."),
        ("Ada Holm", "Ada Holm (3 May 1898 – 9 June 1990) was a director."),
        ("Karl Mehren", "Karl Mehren (born 1 April 1921) was a director. He died in Telm in 1969."),
        ("Otto Brandt", "Otto Brandt (1940–2001) was an actor."), ("Ivo Lund", "Ivo Lund (1950–1960) was a writer."),
    ]

    @Test func namesTheEarlierOrTheLater() {
        #expect(chosen("Which magazine was started first, Arthur's Magazine or First for Women?") == 1)
        #expect(chosen("Which was founded later, Arthur's Magazine or First for Women?") == nil)
        #expect(chosen("Which is newer, Arthur's Magazine or Magazine?") == nil)
        #expect(chosen("Who wrote for Arthur's Magazine?") == nil)
        #expect(chosen("Was Arthur's Magazine or Guitar World started first?") == nil)
    }

    @Test(arguments: [
        ("Which film has the director who was born first, The Grey Pier or Salt Road?", 0),
        ("Which film has the director born later, The Grey Pier (film) or Salt Road?", 1),
        ("Which film whose director is younger, The Grey Pier or Salt Road?", 1),
        ("Which film has the director died later, Salt Road or The Grey Pier?", 0),
        // No writer of the first is named: the films' own years stand in.
        ("Which film has the writer born first, The Grey Pier or Salt Road?", 0),
        ("Which film came out first, The Grey Pier or Salt Road?", 0),
        ("Who was born first out of Ada Holm and Karl Mehren?", 2), ("Who died first, Ada Holm or Karl Mehren?", 3),
        ("Who lived longer, Karl Mehren or Ada Holm?", 2), ("Who lived longer, Karl Mehren or Salt Road?", nil),
    ])
    func comparesWhoStandsBehindTheThings(_ question: String, _ expected: Int?) {
        #expect(chosen(question, Self.films) == expected)
    }

    @Test func aComparisonIsOpenUntilBothAreKnown() {
        let question = "Which film has the director who was born first, The Grey Pier or Salt Road?"
        #expect(YearComparison.isOpen(question, Self.evidence(Array(Self.films.prefix(3)))))
        #expect(!YearComparison.isOpen(question, Self.evidence(Array(Self.films.prefix(4)))))
        // With one of the two at hand it is the policy that knows what to read.
        #expect(!YearComparison.isOpen(question, Self.evidence(Array(Self.films.prefix(1)))))
        #expect(!YearComparison.isOpen("Which is older, The Grey Pier or Salt Road?", Self.evidence(Self.films)))
    }

    @Test func theAnswerCitesWhatItComparedAndWhatItNames() {
        let question = Question("Which film has the director who was born later, The Grey Pier or Salt Road?")
        let answer = ExtractiveAnswerer().extract(question, from: Self.evidence(Self.films))
        #expect(answer.text == "Salt Road")
        #expect(answer.citations.map(\.passageID) == ["p3", "p2", "p1", "p0"] && answer.confidence == nil)
        let guess = ExtractiveAnswerer().extract(question, from: Self.evidence(Array(Self.films.prefix(2))))
        #expect(guess.text == "Salt Road" && guess.confidence == 0.5)
    }
}
