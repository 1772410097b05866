// SPDX-License-Identifier: Apache-2.0

import Reading
import Text

/// A question as the reader looks at it: its terms, what it asks for, and whether it compares or wants yes or no.
struct ReaderQuestion: Sendable {
    /// What a question asks for.
    enum Asked: Int, Sendable, CaseIterable { case person, time, place, count, option, thing, other }

    let text: ReaderText
    /// The stems of its content words.
    let terms: Set<String>
    /// The stems that say which sort of thing is asked for: "magazine" of "Which magazine was started first".
    let sort: Set<String>
    let asked: Asked
    /// Wants yes or no.
    let isYesNo: Bool
    /// The form in which it wants them; nil where it does not.
    let polar: PolarQuestion?
    /// The language that the question was seen to be in; English where its form does not say.
    var language: TextLanguage { polar?.language ?? .english }
    /// -1 where it asks for the earlier of two, 1 for the later, 0 otherwise.
    let direction: Int

    private static let auxiliaries: Set<String> = [
        "is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "can", "could", "will", "would",
        "should", "must", "am", "isn't", "aren't", "wasn't", "weren't", "don't", "doesn't", "didn't", "hasn't",
        "haven't", "hadn't", "can't", "couldn't", "won't", "wouldn't", "shouldn't", "isn’t", "aren’t", "wasn’t",
        "weren’t", "don’t", "doesn’t", "didn’t", "hasn’t", "haven’t", "hadn’t", "can’t", "couldn’t", "won’t",
        "wouldn’t", "shouldn’t", "whether", "if", "may", "might", "shall",
    ]
    private static let askingWords: Set<String> = [
        "who", "whom", "whose", "what", "when", "where", "which", "why", "how",
    ]
    /// Words behind "what happened" with which a second question begins; "when" and "where" only say at which time.
    private static let furtherAsking: Set<String> = ["who", "whom", "which", "how", "why"]
    private static let timeWords: Set<String> = [
        "year", "date", "month", "day", "decade", "century", "time", "era", "weekday", "season", "days", "months",
        "years",
        "weekdays",
    ]
    private static let placeWords: Set<String> = [
        "city", "country", "state", "town", "county", "place", "location", "island", "province", "region", "village",
        "continent", "area", "neighborhood", "district", "river", "borough",
    ]
    private static let personWords: Set<String> = [
        "actor", "actress", "singer", "author", "director", "writer", "person", "man", "woman", "president", "player",
        "musician", "politician", "king", "queen", "coach", "artist", "composer", "character",
    ]
    private static let countWords: Set<String> = ["number", "population", "percentage", "length", "height", "age"]

    /// Asks for a reason or a way, which takes a sentence to say.
    let wantsSentence: Bool
    /// Holds two things against each other: "both", "the same", "either".
    let comparesTwo: Bool
    /// The stems of what "how many" counts, the last one first: "trials" of "How many phase 3 trials are there?".
    let counted: [String]
    /// The codes that it names, such as `FT-315`, in lower case.
    let codes: [String]

    init(_ question: String) {
        let question = QuestionForm.core(question)
        let polar = PolarQuestion(question)
        let text = ReaderText(question, language: polar?.language ?? .english)
        self.text = text
        let words = text.words
        let lowers = words.map(\.lower)
        let set = Set(lowers)
        terms = Set(
            words.filter {
                $0.isContent && !($0.lower.contains { "'’".contains($0) } && Self.auxiliaries.contains($0.lower))
            }
            .map(\.stem))
        var sort = Set<String>()
        var sorts: [String] = []
        if let place = lowers.firstIndex(where: { $0 == "what" || $0 == "which" }) {
            for word in words[(place + 1)...].prefix(8) {
                if word.isContent, !["name", "called", "named", "type", "kind"].contains(word.lower) {
                    guard sort.count < 4 else { break }
                    sort.insert(word.stem)
                    sorts.append(word.lower)
                } else if !sort.isEmpty {
                    break
                }
            }
        }
        self.sort = sort
        let hasOption = set.contains("or")
        let opening = question.prefix { !$0.isWhitespace }.lowercased()
        // "If the laptop is lost, who is told?" asks who.
        let isCondition = (opening == "if" || opening == "whether") && !set.isDisjoint(with: Self.askingWords)
        let isEnglishYesNo =
            (lowers.first.map(Self.auxiliaries.contains) == true || Self.auxiliaries.contains(opening)) && !hasOption
            && !isCondition
            && !(opening == "may" && (!question.contains("?") || (words.count > 1 && words[1].hasDigit)))
        isYesNo = isEnglishYesNo || (polar.map { $0.language != .english } ?? false)
        self.polar = isYesNo ? polar ?? .english : nil
        let second = lowers.count > 1 ? lowers[1] : ""
        wantsSentence =
            lowers.first == "why"
            || (lowers.first == "how"
                && ["do", "does", "did", "can", "could", "should", "to", "is", "are"].contains(second))
            || (lowers.first == "what" && !lowers.dropFirst().contains(where: Self.furtherAsking.contains)
                && (["happens", "happened"].contains(second)
                    || (lowers.last == "do" && ["should", "must", "do", "can", "shall"].contains(second))
                    || lowers.dropFirst().starts(with: ["should", "i", "do"])
                    || lowers.dropFirst().starts(with: ["do", "i", "do"])))
        // A question of several parts is no matter of one sentence.
        comparesTwo =
            !set.isDisjoint(with: ["both", "same", "either", "neither", "also", "while", "whereas", "compared", "than"])
            || lowers.count >= 18
        codes = IdentifierCodes.all(in: question)
        if let place = lowers.indices.first(where: {
            lowers[$0] == "how" && $0 + 1 < lowers.count && lowers[$0 + 1] == "many"
        }) {
            // What is counted ends before the verb; of people texts speak in other words as well.
            let nouns = words[(place + 2)...].prefix(4).prefix { $0.isContent }
            let isPeople = nouns.contains {
                ["people", "persons", "inhabitants", "residents", "times"].contains($0.lower)
            }
            counted = isPeople ? [] : nouns.reversed().map(\.stem)
        } else {
            counted = []
        }
        let asksHow = lowers.indices.contains {
            lowers[$0] == "how" && $0 + 1 < lowers.count
                && ["many", "much", "old", "long", "tall", "far", "large", "big", "high"].contains(lowers[$0 + 1])
        }
        if hasOption {
            asked = .option
        } else if asksHow || sorts.contains(where: Self.countWords.contains) {
            asked = .count
        } else if set.contains("when") || sorts.contains(where: Self.timeWords.contains) {
            asked = .time
        } else if sorts.contains(where: Self.placeWords.contains) || set.contains("where") {
            asked = .place
        } else if sorts.contains(where: Self.personWords.contains) {
            asked = .person
        } else if !sorts.isEmpty {
            asked = .thing
        } else if set.contains("who") || set.contains("whom") || set.contains("whose") {
            asked = .person
        } else {
            asked = .other
        }
        let earlier = ["first", "earlier", "earliest", "older", "oldest", "before"].contains { set.contains($0) }
        let later = ["later", "latest", "newer", "younger", "youngest", "recently"].contains { set.contains($0) }
        direction = hasOption && earlier != later ? (earlier ? -1 : 1) : 0
    }
}
