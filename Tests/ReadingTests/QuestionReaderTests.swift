// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Reading

@Suite struct QuestionReaderTests {
    private let reader = QuestionReader(index: TableIndex(Fleet.table))

    /// Whether the grammar has a program that gives an answer: what training can learn to choose.
    @Test(
        arguments: [
            ("How many boats does Ada own?", "3"), ("How many boats are not Ada's?", "3"),
            ("How many boats are longer than 12 m in length?", "3"), ("Which owner has the most boats?", "Ada"),
            ("Does Ada own more boats than Bo?", "yes"), ("How many owners are there?", "3"),
            ("What is the average length of the boats?", "17.1667"), ("How many boats were built in 1970?", "3"),
            ("How many boats belong to Bo or Cyn?", "3"), ("Which boat is the shortest?", "Boat 3"),
            ("How many more boats does Ada have than Cyn?", "2"), ("Which owners have at least two boats?", "Ada, Bo"),
            ("How many boats have no owner?", "1"), ("In which year were the most boats built?", "1970"),
            ("How many boats were built before 1972?", "6"),
        ] as [(String, String)])
    func theGrammarReaches(question: String, answer: String) {
        let answers = reader.candidates(question).map { $0.denotation.texts(in: Fleet.table).joined(separator: ", ") }
        #expect(answers.contains(answer), "\(question)")
    }

    /// What a program leaves aside of a question, or answers in another way than was asked, speaks against it; nothing speaks
    /// against the program that answers.
    @Test(
        arguments: [
            ("How many boats does Ada own?", "3", true), ("How many boats did Ada build in 2021?", "3", false),
            ("How many boats are not Ada's?", "3", true), ("Who owns Boat 3?", "3", false),
            ("How many boats does Ada own in Lisbon?", "3", false), ("Does Ada own more boats than Bo?", "yes", true),
            ("Which owner has the most boats?", "Ada", true),
            ("How many sunken red boats does Ada own?", "3", false),
            ("How many seats does Ada's boat have?", "3", false),
            ("How much did Ada pay?", "3", false), ("What number has Ada?", "3", false),
            ("How many boats are listed in total for Ada?", "3", true),
            ("When did Ada build Boat 1?", "yes", false),
        ] as [(String, String, Bool)])
    func whatIsLeftAsideSpeaksAgainst(_ question: String, _ answer: String, _ isFine: Bool) {
        let links = QuestionLinks(question, in: reader.index)
        let generator = ProgramGenerator(links: links, index: reader.index, mentions: [])
        let objections = reader.candidates(question)
            .filter { $0.denotation.texts(in: Fleet.table).joined(separator: ", ") == answer }
            .map { ProgramCheck($0, links: links, generator: generator).objection }
        #expect(objections.contains(nil) == isFine, "\(question): \(objections.prefix(4))")
    }

    @Test func aComparisonWithOrNamesTheOne() throws {
        let question = "Does Ada or Bo have more boats?"
        let links = QuestionLinks(question, in: reader.index)
        let generator = ProgramGenerator(links: links, index: reader.index, mentions: [])
        let sides = reader.candidates(question).compactMap { program -> String? in
            guard case .truth(let isFirst) = program.denotation else { return nil }
            let check = ProgramCheck(program, links: links, generator: generator)
            guard check.objection == nil else { return nil }
            return check.sides.map { isFirst ? $0.first : $0.second }
        }
        #expect(!sides.isEmpty && sides.allSatisfy { $0 == "Ada" })
    }

    @Test(
        arguments: [
            "", "?", "\"\"\"", "how many", String(repeating: "most ", count: 3000), "how many \u{0} 🜚 ﷽ are there",
            "between 99999999999999999999 and 1e999 in 0000-99-99",
        ] as [String])
    func strangeQuestionsAreReadWithoutHarm(question: String) {
        let reading = reader.read(question)
        #expect(reading.programs.count <= reader.runs)
    }

    @Test func emptyTables() {
        for table in [
            DocumentTable(columns: [], rowCount: 0), DocumentTable(columns: [], rowCount: 5),
            DocumentTable(
                columns: [DocumentTable.Column(name: "", kind: .text, texts: [], codes: [0, 0])], rowCount: 2),
        ] {
            _ = QuestionReader(index: TableIndex(table)).read("How many of them were most recent in May 2020?")
        }
    }

    @Test func theSameQuestionGivesTheSamePrograms() {
        let question = "How many boats did Ada or Bo build before March 1971, most first?"
        let once = reader.candidates(question)
        let again = QuestionReader(index: TableIndex(Fleet.table)).candidates(question)
        #expect(once.map(\.program) == again.map(\.program))
        #expect(once.map(\.features) == again.map(\.features))
    }

    @Test(
        arguments: [
            ("outlets", "outlet"), ("published", "publish"), ("stories", "story"), ("wrote", "written"), ("bus", "bus"),
        ] as [(String, String)])
    func stems(word: String, other: String) {
        #expect(WordForms.stem(word) == WordForms.stem(other))
    }

    @Test func misspellings() {
        #expect(EditDistance.within(1, "technolgy", "technology") == 1)
        #expect(EditDistance.within(1, "tech", "technology") == nil)
        #expect(EditDistance.within(2, "goverment", "government") == 1)
    }
}
