// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Search
import TensorMath
import Testing
import Text

@testable import Encoders
@testable import Learning

@Suite struct ReaderTests {
    @Test(arguments: [
        // What stands behind a preposition of place, or a comma behind a place, may be where; a name alone may not.
        ("Where was Jim Wynorski born?", "Jim Wynorski was born in Glen Cove, New York.", "Glen Cove", true),
        ("Where was Jim Wynorski born?", "Jim Wynorski was born in Glen Cove, New York.", "New York", true),
        ("Where was Jim Wynorski born?", "Jim Wynorski was born in Glen Cove, New York.", "Jim Wynorski", false),
        ("Who directed it?", "Jim Wynorski was born in Glen Cove, New York.", "Jim Wynorski", true),
        // Of two dates the first is the birth, the second the death.
        ("When did Ada Brook die?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "3 June 1960", true),
        ("When did Ada Brook die?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "12 May 1881", false),
        ("When was Ada Brook born?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "3 June 1960", false),
        ("When was Ada Brook born?", "Ada Brook (12 May 1881 – 3 June 1960) was a painter.", "painter", false),
        ("What is the date of birth of Ada Brook?", "She was born on 12 May 1881.", "12 May 1881", true),
        ("What is the date of birth of Ada Brook?", "She was born on 12 May 1881.", "1881", false),
        ("When was it sold?", "sold: 2024-04-21", "2024-04-21", true),
        ("When was it sold?", "sold: 2024-04-21", "2024", false),
        ("In what year was it sold?", "sold: 2024-04-21", "2024", true),
    ])
    func theQuestionsFormSpeaksAgainstAnswers(
        _ question: String, _ passage: String, _ answer: String, _ fits: Bool
    ) throws {
        let text = ReaderText(passage)
        let found = try #require(passage.range(of: answer))
        let start = passage.utf8.distance(from: passage.startIndex, to: found.lowerBound)
        let span = try #require(text.words(in: start..<(start + answer.utf8.count)))
        let factor = AnswerConstraints(ReaderQuestion(question)).factor(
            span, in: text, isTitle: answer == "Jim Wynorski")
        #expect((factor == 1) == fits)
    }

    private func candidates(_ text: String) -> Set<String> {
        let text = ReaderText(text)
        return Set(AnswerCandidate.all(in: text).map { text.text(of: $0.words) })
    }

    @Test func candidatesAreNamesDatesNumbersAndPhrases() {
        let found = candidates(
            "Ada Brook was born on 12 May 1904 in Arlen, East Vale. She led \"The Long Day\" from 1986 to 2013 as a film "
                + "director, and owned 3,677 wooden ships.")
        for expected in [
            "Ada Brook", "12 May 1904", "12 May", "1904", "Arlen", "Arlen, East Vale", "The Long Day", "1986 to 2013",
            "from 1986 to 2013", "film director", "director", "3,677", "3,677 wooden ships",
        ] {
            #expect(found.contains(expected), "\(expected)")
        }
        #expect(!found.contains("was") && !found.contains("of"))
        #expect(candidates("").isEmpty && candidates("... !?").isEmpty)
    }

    @Test(arguments: [
        ("Who wrote it?", ReaderQuestion.Asked.person, false, 0), ("In which year was it made?", .time, false, 0),
        ("What city is it in?", .place, false, 0), ("How many people live there?", .count, false, 0),
        ("Which magazine was started first, Alpha or Beta?", .option, false, -1),
        ("Are both of them rivers?", .other, true, 0), ("Who is younger, Ann or Bob?", .option, false, 1),
        ("Which magazine is it?", .thing, false, 0), ("", .other, false, 0),
        ("Can you tell me who wrote it?", .person, false, 0), ("Isn't the lift working?", .other, true, 0),
        ("Can I save a grid as JPEG?", .other, true, 0), ("I wonder whether it is open", .other, true, 0),
        ("If the laptop is lost, who is told?", .person, false, 0), ("May sales in Oslo", .other, false, 0),
    ])
    func questionsSayWhatTheyAskFor(_ text: String, _ asked: ReaderQuestion.Asked, _ isYesNo: Bool, _ direction: Int) {
        let question = ReaderQuestion(text)
        #expect(question.asked == asked && question.isYesNo == isYesNo && question.direction == direction)
    }

    @Test func theComparisonOfYearsIsAFeature() throws {
        let features = AnswerFeatures(
            ReaderQuestion("Which magazine was started first, Alpha Days or Beta Week?"),
            titles: ["Alpha Days", "Beta Week"],
            texts: [ReaderText("Alpha Days. It was founded in 1844."), ReaderText("Beta Week. It began in 1989.")])
        #expect(features.rows.allSatisfy { $0.count == AnswerFeatures.count && $0.allSatisfy(\.isFinite) })
        let winner = try #require(features.keys.firstIndex(of: "alpha days"))
        let loser = try #require(features.keys.firstIndex(of: "beta week"))
        let column = features.rows[winner].indices.filter {
            features.rows[winner][$0] == 1 && features.rows[loser][$0] == -0.2
        }
        #expect(column.count == 1)
    }

    /// The pair of a question and a text, one token a word.
    private func encoding(_ question: String, _ text: String) -> WordPieceTokenizer.Encoding {
        var offsets = [0..<0] + ReaderText(question).words.map(\.utf8) + [0..<0]
        offsets += ReaderText(text).words.map(\.utf8) + [0..<0]
        return WordPieceTokenizer.Encoding(
            ids: offsets.indices.map(Int32.init), offsets: offsets, typeIDs: [Int32](repeating: 0, count: offsets.count)
        )
    }

    private func layout(_ question: String, _ passages: [(title: String, text: String)]) -> ReaderLayout {
        let texts = passages.map { ReaderPassage(title: $0.title, text: $0.text).full }
        return ReaderLayout(
            question: question, titles: passages.map(\.title), texts: texts,
            encodings: texts.map { encoding(question, $0) })
    }

    private func answer(_ question: String, _ passages: [(title: String, text: String)]) -> String {
        let layout = layout(question, passages)
        let reading = Reading(
            candidates: layout.places.map { _ in 1 / Float(max(1, layout.places.count)) }, none: 0, yes: 0.1,
            relevance: passages.map { _ in 0 })
        return SpanReader.best(reading, layout).text
    }

    /// Yes or no is what a sentence says; where none says nearly all of the question there is no verdict.
    @Test(arguments: [
        ("Are laptops encrypted?", "Laptops are encrypted. Phones are not encrypted.", "yes"),
        ("Are phones encrypted?", "Laptops are encrypted. Phones are not encrypted.", "no"),
        ("Aren't laptops encrypted?", "Laptops are encrypted.", "yes"),
        ("Are laptops not encrypted?", "Laptops are encrypted.", "no"),
        (
            "Is the lift working?", "The lift was built in 1901 beside the mill.",
            "The lift was built in 1901 beside the mill."
        ),
        ("Were 12 laptops bought?", "Laptops were bought.", "Laptops were bought."),
        ("Was the lock cut?", "08:12 - Bea: the lock was cut 08:15 - Len: not again", "yes"),
        ("Was anybody hurt when the pad was destroyed?", "The pad was destroyed, and nobody was hurt.", "no"),
        ("Is the orbiter still circling Mars?", "The orbiter has circled Mars since 2004.", "yes"),
        // Days and months within spans.
        ("Is the museum open on Wednesday?", "The museum is open Tuesday to Sunday, from 10 am.", "yes"),
        ("Is the museum open on Mondays?", "The museum is open Tuesday to Sunday, from 10 am.", "no"),
        ("Is the pool open on Sunday?", "The pool is open daily except Sundays.", "no"),
        ("Is the library closed on Friday?", "The library is open Mon–Fri.", "no"),
        ("Is the hut open in July?", "The hut is open from 1 June until 30 September.", "yes"),
        ("Is the hut open in December?", "The hut is open from 1 June until 30 September.", "no"),
        ("Is the shop open on Mondays?", "Closed on Tuesdays.", "Closed on Tuesdays."),
        // Leave, and opposites.
        ("Can I bring my dog?", "Dogs are welcome in the garden.", "yes"),
        ("May I bring a dog?", "Dogs are not allowed.", "no"),
        ("Is smoking allowed?", "Smoking is prohibited in all rooms.", "no"),
        ("Is parking included?", "Parking is extra.", "no"),
        ("Can the soup be frozen?", "The soup can be frozen without the cream.", "yes"),
        ("Is cream in the soup?", "The soup is served without cream.", "no"),
        // Another number or name in the place of the question's.
        ("Does the ferry leave at 9:30?", "The ferry leaves at 8:15.", "no"),
        ("Was the bridge built in 1932?", "The bridge was built in 1931.", "no"),
        (
            "Was the bridge built in 1930?", "The bridge was built between 1928 and 1933.",
            "The bridge was built between 1928 and 1933."
        ),
        ("Were 12 laptops bought?", "The office bought 15 laptops.", "no"),
        ("Is the tool written in Rust?", "The tool is written in Swift.", "no"),
        ("Does the club have 90 members?", "The club has 84 members and trains on Tuesdays.", "no"),
        ("Was the boat built in Bergen?", "The boat is painted dark green. It was built in Gdansk in 1998.", "no"),
        ("Is the boat painted red?", "The boat is painted dark green.", "no"),
        (
            "Is there a pool in Lisbon?", "There is a pool beside Table Mountain.",
            "There is a pool beside Table Mountain."
        ),
        // Other languages.
        ("Le refuge est-il ouvert en hiver ?", "Le refuge est ouvert en hiver.", "oui"),
        ("Est-ce que les chiens sont admis ?", "Les chiens ne sont pas admis.", "non"),
        ("Sind Hunde erlaubt?", "Hunde sind im Haus nicht erlaubt.", "nein"),
        ("Sind Hunde erlaubt?", "Hunde sind willkommen.", "ja"),
        ("¿Hay piscina?", "Hay una piscina cubierta.", "sí"),
        ("È possibile pagare con carta?", "È possibile pagare con carta di credito.", "sì"),
        ("Is er een lift?", "Er is een lift in het gebouw.", "ja"),
    ]) func yesAndNoRestOnASentence(_ question: String, _ text: String, _ expected: String) {
        #expect(answer(question, [("Rules", text)]) == expected)
    }

    /// Rules of form take away what cannot be an answer, and leave what people write in another way.
    @Test(arguments: [
        ("How far is the airport?", "The airport is 20 minutes away.", "20 minutes", true),
        ("How far is the airport?", "The ticket to the airport costs £20.", "20", false),
        ("How high is the deposit?", "The deposit is two months' rent.", "two", true),
        ("What is the fee for late payment?", "The fee for late payment is 5% of the rent.", "5", true),
        ("What is the length of the course?", "The length of the course is three weeks.", "three weeks", true),
        ("What is the weight of the essay?", "The essay has a weight of 40% in the mark.", "40", true),
        ("How many shifts share the kiln?", "Three 8 hour shifts share the kiln.", "Three", true),
        ("How many guests can it hold?", "It seats 200 people; guests leave by ten.", "200 people", true),
        ("How many rooms are there?", "There are 12 bedrooms above the rooms of the shop.", "12 bedrooms", true),
        ("How many laptops are there?", "Laptops have 32 GB of memory.", "32", false),
        ("When is it closed?", "It is closed on Good Friday.", "Good Friday", true),
        ("When was it founded?", "It was founded by Edith Rowe.", "Edith Rowe", false),
        ("What time is lunch?", "Lunch is at noon.", "noon", true),
        ("What colour is the sofa?", "The sofa is taupe.", "taupe", true),
        ("What colour is the ferry?", "The ferry goes to Skerry Island.", "Skerry Island", false),
        ("What colour scheme does it use?", "It uses the scheme Solarized.", "Solarized", true),
    ]) func onlyWhatCannotBeIsImpossible(_ question: String, _ text: String, _ span: String, _ isPossible: Bool) throws
    {
        let words = ReaderText(text)
        let range = try #require(text.range(of: span))
        let start = text.utf8.distance(from: text.startIndex, to: range.lowerBound)
        let place = try #require(words.words(in: start..<(start + span.utf8.count)))
        let fit = AnswerConstraints(ReaderQuestion(question), texts: [words]).fit(place, in: words, isTitle: false)
        #expect((fit != .impossible) == isPossible)
    }

    /// Of a sentence that says the same of several things the clause with the question's words is meant.
    @Test(arguments: [
        ("What is the allowance abroad?", "The allowance is 28 euros in Germany and 40 euros abroad.", ["28"], ["40"]),
        ("What is the allowance in Germany?", "The allowance is 28 euros in Germany and 40 euros abroad.", [], ["28"]),
        (
            "How many desks are in Leipzig?", "The Hanover office has 120 desks, the Leipzig office 45 desks.", ["120"],
            ["45"]
        ),
        (
            "How many desks are in Hanover?", "The Hanover office has 120 desks, the Leipzig office 45 desks.", ["45"],
            ["120"]
        ),
        (
            "Where is the head office?", "The head office is in Hanover, the second office in Leipzig.", ["Leipzig"],
            ["Hanover"]
        ),
        ("Who leads the south team?", "Ana leads the north team and Ben the south team.", ["Ana"], ["Ben"]),
        ("Who leads the team?", "Ana and Ben lead the team.", [], ["Ana", "Ben"]),
    ]) func theClauseOfTheQuestionIsMeant(_ question: String, _ text: String, _ passed: [String], _ kept: [String]) {
        let asked = ReaderQuestion(question)
        let words = ReaderText(text)
        let spans = words.words.indices.filter {
            words.words[$0].hasDigit
                || (words.words[$0].isCapitalised && !["The"].contains(words.text(of: $0..<($0 + 1)))
                    && !asked.terms.contains(words.words[$0].stem))
        }.filter { words.words[$0].hasDigit || !words.words.contains(where: \.hasDigit) }.map { $0..<($0 + 1) }
        let found = ReaderClauses.passedOver(spans, in: words, terms: asked.terms)
        let over = Set(found.map { words.text(of: $0) })
        #expect(Set(passed).isSubset(of: over))
        #expect(over.isDisjoint(with: kept))
    }

    /// Numbers stay whole, a column's name and the question's own words are no answers, and a cost is no length.
    @Test(arguments: [
        ("Until when can you check in?", "Check in until 22:00.", "22:00"),
        ("How much does the ticket cost?", "The mirror measures 2.4 metres. The ticket cost 12,50 euros.", "12,50"),
        ("How many people live in Kelby?", "Kelby lies by the sea. It has four mills.", "four"),
    ]) func answersHaveTheFormThatIsAskedFor(_ question: String, _ text: String, _ expected: String) {
        #expect(answer(question, [("", text)]).hasPrefix(expected))
    }

    /// The number of the passages' own kind is in none of them, unless one says it.
    @Test func whatPassagesAreIsNotCountedInThem() {
        let trials = (1...3).map { (title: "FT-\($0)", text: "A trial of velotinib with \(200 + $0) patients.") }
        #expect(layout("How many trials are there of velotinib?", trials).countsPassages())
        #expect(!layout("How many patients were in the trial?", trials).countsPassages())
        let said = trials + [(title: "Report", text: "There were four phase 3 trials of velotinib.")]
        #expect(!layout("How many trials are there of velotinib?", said).countsPassages())
        #expect(!layout("How many people live there?", trials).countsPassages())
    }

    @Test func reasonsAreSentences() {
        let text = "The bridge is old. The bridge was closed because its bearings had worn out."
        #expect(
            answer("Why was the bridge closed?", [("Bridge", text)])
                == "The bridge was closed because its bearings had worn out.")
    }

    @Test func codesOfOthersDoNotAnswer() {
        let texts = ["Trial FT-315 had 648.", "FT-328 had 693.", "A ward of 12 beds."]
        for question in ["Who ran FT-315?", "who ran ft315", "Who ran FT_315?"] {
            let match = CodeMatch(asked: IdentifierCodes.all(in: question), texts: texts)
            #expect(match.isOther == [false, true, false] && !match.lacksAll, "\(question)")
        }
        #expect(CodeMatch(asked: ["cnc19"], texts: ["CNC-11 and CNC 12"]).lacksAll)
        #expect(!CodeMatch(asked: ["cnc19"], texts: ["The machine CNC 19"]).lacksAll)
        // A code of which nothing like it is there may be written otherwise.
        #expect(!CodeMatch(asked: ["covid19"], texts: ["The coronavirus spread in 2020."]).lacksAll)
        #expect(CodeMatch(asked: [], texts: ["CNC-11"]).isOther == [false])
        let codes = IdentifierCodes.all(in: "FT-315, INV-5090 and T1101; the 1st of 2024-04-21 in 2020, b2b")
        #expect(codes == ["ft315", "inv5090", "t1101"])
    }

    @Test func optionsAreTheSidesOfOr() {
        let options = AnswerOptions("Which takes longer, the goulash or the lamb tagine?")
        #expect(options.holds("goulash") && options.holds("lamb tagine") && !options.holds("180 minutes"))
        #expect(!AnswerOptions("Who wrote it?").holds("it"))
    }

    /// Questions about the small world with noise for states.
    private func readings() -> [(layout: ReaderLayout, states: Matrix, answers: [String])] {
        var generator = SplitMix64(seed: 3)
        return SmallWorld.people.indices.map { index in
            let town = SmallWorld.towns[index]
            let asksRiver = index % 2 == 0
            let question = asksRiver ? "Which river does \(town) lie beside?" : "Who was born in \(town)?"
            let passages = [SmallWorld.passages()[index * 3], SmallWorld.passages()[index * 3 + 1]]
            let layout = layout(question, passages.map { (title: $0.title, text: $0.text) })
            let rows = layout.passages.last?.upperBound ?? 0
            return (
                layout, Matrix(rows: rows, columns: 8, deviation: 1, using: &generator),
                [asksRiver ? SmallWorld.rivers[index] : SmallWorld.people[index]]
            )
        }
    }

    private func loss(
        _ network: ReaderNetwork, _ reading: (layout: ReaderLayout, states: Matrix, answers: [String]),
        _ weights: ParameterVariables
    ) -> Variable {
        var noise: SplitMix64?
        let output = network.apply(
            weights["logit.bias"].tape.constant(reading.states), reading.layout, weights, noise: &noise)
        let logs = output.logits.segmentedLogSoftmax(offsets: [0, reading.layout.places.count + 1])
            .elements(at: reading.layout.targets(answers: reading.answers))
        return -(logs.exp().sum() + 1e-8).log() + output.yes.squared() * 0.1 + output.relevance.squared().sum() * 0.1
    }

    @Test func shortAnswersAreLearned() throws {
        let readings = readings()
        let network = ReaderNetwork(dimension: 8, width: 16)
        var parameters = network.initialParameters(seed: 1)
        var adam = Adam(for: parameters, weightDecay: 0.1)
        for _ in 0..<60 {
            let tape = Tape()
            let weights = parameters.variables(on: tape)
            let losses = readings.prefix(8).map { loss(network, $0, weights) }
            let total = Variable.joinedRows(losses).mean()
            adam.update(&parameters, gradients: tape.gradients(of: total, for: weights.variables), learningRate: 1e-2)
        }
        func right(_ readings: some Sequence<(layout: ReaderLayout, states: Matrix, answers: [String])>) -> Int {
            readings.count { reading in
                let text = SpanReader.best(network.read(reading.states, reading.layout, parameters), reading.layout)
                    .text
                return text == reading.answers[0]
            }
        }
        #expect(readings.allSatisfy { $0.layout.ceiling(answers: $0.answers) == 1 })
        #expect(right(readings.prefix(8)) >= 7)
        // The states here are noise, so that on questions not seen only what reads features alone is left.
        #expect(right(readings.suffix(4)) >= 2)
    }

    @Test func theHeadsGradientEqualsFiniteDifferences() throws {
        let readings = readings()
        let network = ReaderNetwork(dimension: 8, width: 6)
        let parameters = network.initialParameters(seed: 4)
        var generator = SplitMix64(seed: 9)
        func value(_ parameters: ParameterSet) -> (Float, [Matrix]) {
            let tape = Tape()
            let weights = parameters.variables(on: tape)
            let total = Variable.joinedRows(readings.prefix(2).map { loss(network, $0, weights) }).sum()
            return (total.scalar, tape.gradients(of: total, for: weights.variables))
        }
        let gradients = value(parameters).1
        for index in gradients.indices {
            let element = generator.integer(below: gradients[index].elements.count)
            func at(_ shift: Float) -> Float {
                var shifted = parameters
                shifted.values[index].elements[element] += shift
                return value(shifted).0
            }
            let numeric = (at(5e-3) - at(-5e-3)) / 1e-2
            #expect(
                abs(numeric - gradients[index].elements[element]) < 0.02 * max(1, abs(numeric)),
                "\(parameters.names[index])")
        }
    }

    @Test func nothingToReadGivesNoAnswer() {
        let network = ReaderNetwork(dimension: 8, width: 4)
        let parameters = network.initialParameters(seed: 4)
        let empty = layout("Who?", [(title: "", text: "")])
        let rows = empty.passages[0].count
        let reading = network.read(Matrix(rows: rows, columns: 8, filledWith: 0.1), empty, parameters)
        #expect(reading.none == 1 && reading.candidates.isEmpty)
        #expect(SpanReader.best(reading, empty).text.isEmpty)
        #expect(layout("Who?", []).targets(answers: ["Ben"]).isEmpty)
    }

    @Test func answersBehindTheEncodersLimitAreLeftOut() {
        let text = "Ada Brook. Ada Brook is a painter from Arlen."
        var cut = encoding("Who?", text)
        // The last words and the last special token were cut off.
        cut.offsets.removeLast(3)
        cut.ids.removeLast(3)
        cut.typeIDs.removeLast(3)
        let layout = ReaderLayout(question: "Who?", titles: ["Ada Brook"], texts: [text], encodings: [cut])
        #expect(layout.places.contains { $0.key == "ada brook" } && !layout.places.contains { $0.key == "arlen" })
    }

    @Test func confidenceIsFittedToWhatWasSeen() {
        var generator = SplitMix64(seed: 6)
        let observations = (0..<200).map { number in
            let isAnswerable = number % 2 == 0
            let sign = (isAnswerable ? 1 : -1) + Float(generator.gaussian())
            return ReaderConfidence.Observation(
                signs: ["a": Double(sign), "b": Double(sign)], isAnswerable: isAnswerable, isRight: number % 4 == 0)
        }
        let confidence = ReaderConfidence(observations, refusals: 0.1)
        let judged = observations.map { (confidence.probabilities($0.signs), $0) }
        let refused = judged.count { $0.1.isAnswerable && $0.0.answerable < Double(confidence.threshold) }
        #expect(refused <= 11)
        // Calibrated: the mean probability is the share that was right.
        #expect(abs(judged.reduce(0) { $0 + $1.0.correct } / 200 - 0.25) < 0.03)
        #expect(confidence.probabilities(["a": 3, "b": 3]).answerable > 0.9)
        #expect(confidence.probabilities(["a": -3, "b": -3]).answerable < 0.1)
    }

    @Test func aRerankerThatDoesNotHelpGetsNoShare() {
        // The gold passage stands first already, and the scores would move it down.
        let harmful: [(scores: [Float], gold: Set<Int>)] = [([0, 1, 2, 3], [0]), ([0, 3, 2, 1], [0])]
        #expect(RerankMixture.best(harmful, depth: 1).mixture.share == 0)
        let helpful: [(scores: [Float], gold: Set<Int>)] = [([0, 0, 0, 3], [3]), ([0, 3, 1, 1], [1])]
        let best = RerankMixture.best(helpful, depth: 1)
        #expect(best.mixture.share > 0 && best.gain == 1)
    }

    @Test func materialKeepsQuestionsWithoutAnAnswer() throws {
        let folder = NSTemporaryDirectory() + "reader-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let corpus = (0..<6).map {
            "{\"id\":\"p\($0)\",\"title\":\"Town \($0)\",\"text\":\"Town \($0) lies beside the river Ostra\($0).\"}\n"
        }
        try corpus.joined().write(toFile: folder + "/corpus.jsonl", atomically: true, encoding: .utf8)
        let questions = """
            {"question":"Which river does Town 1 lie beside?","answers":["Ostra1"],"supporting":["p1"],"context":["p1","p2"]}
            {"question":"Who built Town 2?","answers":[],"supporting":[],"context":["p2"]}
            {"question":"Half of its evidence is missing","answers":["x"],"supporting":["p3"],"complete":false}

            """
        try questions.write(toFile: folder + "/questions.train.jsonl", atomically: true, encoding: .utf8)
        let material = try ReaderMaterial(folder: folder)
        #expect(material.count == 2 && material.goldExamples.count == 1)
        var generator = SplitMix64(seed: 1)
        let whole = material.example(0, distractors: 1, withheld: 0, using: &generator)
        #expect(whole.isAnswerable && whole.passages.count == 2 && whole.relevance?.filter { $0 }.count == 1)
        let robbed = material.example(0, distractors: 1, withheld: 1, using: &generator)
        #expect(!robbed.isAnswerable && robbed.answers.isEmpty && !robbed.passages.isEmpty)
        #expect(!robbed.passages.contains { $0.text.contains("Ostra1") })
        let never = material.example(1, distractors: 1, withheld: 0, using: &generator)
        #expect(!never.isAnswerable && never.passages.count == 1)
    }

    @Test func stepsOfAnAnswerAreQuestionsOfTheirOwn() throws {
        let line = try JSONValue(
            parsing: Array(
                """
                {"decomposition":[{"question":"Green >> performer","answer":"Steve","supporting":"p1"},
                {"question":"Who married #1?","answer":"Miquette","supporting":"p2"},
                {"question":"Where is #2 from?","answer":"Paris","supporting":null}],
                "evidences":[["The Day (film)","director","Ann Lee"],["The Day","country","Chile"],["a","b"]]}
                """.utf8))
        let passages = [(id: "p3", title: "The Day (film)", text: "The Day is a film by Ann Lee.")]
        let steps = StepQuestions.all(of: line, passages: passages)
        #expect(
            steps.map(\.question) == [
                "What is the performer of Green?", "Who married Steve?", "What is the director of The Day (film)?",
            ])
        #expect(steps.map(\.answer) == ["Steve", "Miquette", "Ann Lee"])
        #expect(steps.map(\.passage) == ["p1", "p2", "p3"])
        // The passage about the film does not name a country: no step can be read off it.
        #expect(!steps.contains { $0.answer == "Chile" || $0.answer == "Paris" })
        #expect(StepQuestions.all(of: .object([:]), passages: passages).isEmpty)
    }

    @Test func partsAreOfNearlyTheSameSize() {
        let sizes = [9, 1, 5, 5, 2, 8, 3, 7]
        let parts = ReaderTraining.divided(sizes, into: 4)
        #expect(parts.flatMap { $0 }.sorted() == Array(sizes.indices))
        #expect(parts.allSatisfy { $0.reduce(0) { $0 + sizes[$1] } == 10 })
        #expect(ReaderTraining.divided([4], into: 3) == [[0]])
    }

    @Test func likelihoodPaysWhatEachPassageAdds() async throws {
        let question = LearningQuestion(id: "q", text: "Which river?", answers: ["Ostra"])
        let episode = try SmallWorld.episode(Array(SmallWorld.passages().prefix(2)), question: question)
        let term = AnswerLikelihood { _, answers, passages in
            passages.contains { $0.text.contains(answers[0]) } ? 0.75 : 0.25
        }
        #expect(try await term.rewards(for: episode) == [0.25, 0.5])
        #expect(try await ReadingCost().rewards(for: episode).allSatisfy { $0 < 0 && $0 > -0.1 })
    }
}

@Suite struct ListSpanTests {
    @Test(
        arguments: [
            ("The modules were Linnaeus, Ada Brook and Curie.", "Ada Brook", "Linnaeus, Ada Brook and Curie"),
            (
                "Screened are orthopaedics, intensive care and the renal unit.", "renal unit",
                "orthopaedics, intensive care and the renal unit"
            ),
            ("Blight was found on plots 3, 4 and 12 in July.", "3", "3, 4 and 12"),
            ("Present: Ben Carr (chair), Ada Brook.", "Ada Brook", nil),
            ("Ada Brook painted it. Ben Carr sold it.", "Ada Brook", nil),
            ("They met in Arlen, and Ada Brook left.", "Ada Brook", nil),
            ("It is in Arlen, East Vale.", "Arlen", nil), ("Red and blue flags flew.", "Red", nil),
        ] as [(String, String, String?)])
    func aListIsTakenWhole(_ passage: String, _ item: String, _ list: String?) throws {
        let found = try #require(passage.range(of: item))
        let start = passage.utf8.distance(from: passage.startIndex, to: found.lowerBound)
        let range = ListSpan(ReaderText(passage)).list(around: start..<(start + item.utf8.count))
        #expect(range.map { String(decoding: Array(passage.utf8)[$0], as: UTF8.self) } == list)
    }

    @Test(arguments: [
        ("Which wards are closed?", true), ("Name all directors.", true), ("Who were the judges?", true),
        ("Which ward is closed?", false), ("How many wards are closed?", false), ("What does it need?", false),
        ("Which bus serves Arlen?", false), ("Are the wards closed?", false),
    ])
    func severalThingsAreAskedForInThePlural(_ question: String, _ wantsList: Bool) {
        #expect(ReaderQuestion(question).wantsList == wantsList)
    }
}
