// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Evaluation
import OrderedCollections
import QualityMetrics
import TensorMath
import Testing
import Text

@Suite struct CorpusQuestionGeneratorTests {
    /// A made corpus: 240 documents with a category, a year, a size, tags and some words.
    private static let corpus: [EvalPassage] = {
        var random = SplitMix64(seed: 11)
        let topics = ["economy", "sports", "science", "travel", "music"]
        let words = ["harbour", "glacier", "violin", "election", "meadow", "turbine", "lantern", "orchard"]
        return (0..<240).map { index in
            let text = (0..<6).map { _ in words[random.integer(below: words.count)] }.joined(separator: " ")
            var metadata: JSONObject = [
                "topic": .string(topics[random.integer(below: topics.count)]),
                "published": .string(
                    "20\(10 + random.integer(below: 15))-0\(1 + random.integer(below: 9))-1\(random.integer(below: 10))"
                ),
                "tags": [.string(words[random.integer(below: 3)])],
            ]
            if index % 5 != 0 { metadata["size"] = .integer(random.integer(below: 100_000)) }
            return EvalPassage(id: "d\(index)", title: "Document \(index)", text: text, metadata: metadata)
        }
    }()

    private static let sets: (train: QuestionSet, test: QuestionSet) = {
        var options = CorpusQuestionGenerator.Options()
        options.train = 140
        options.test = 70
        options.seed = 5
        options.noun = "report"
        return CorpusQuestionGenerator(passages: corpus).generate(options)
    }()

    /// Runs a plan by brute force from its JSON alone: an oracle that shares no code with the generator.
    private func oracle(_ plan: JSONValue) -> (gold: [String], answer: String) {
        func value(_ json: JSONValue) -> (Double?, String) { (json.double, json.string ?? "") }
        func less(_ a: JSONValue, _ b: JSONValue) -> Bool {
            if let x = a.double, let y = b.double { return x < y }
            return (a.string ?? "") < (b.string ?? "")
        }
        func equal(_ a: JSONValue, _ b: JSONValue) -> Bool {
            if let x = a.double, let y = b.double { return x == y }
            return a.string == b.string
        }
        func holds(_ condition: JSONValue, _ passage: EvalPassage) -> Bool {
            if let parts = condition["all"]?.array { return parts.allSatisfy { holds($0, passage) } }
            if let parts = condition["any"]?.array { return parts.contains { holds($0, passage) } }
            if let word = condition["mentions"]?.string {
                return (passage.title + " " + passage.text).lowercased().split { !$0.isLetter && !$0.isNumber }
                    .contains { $0 == word }
            }
            guard let field = condition["field"]?.string, let stored = passage.metadata[field] else { return false }
            let values = stored.array ?? [stored]
            if let wanted = condition["is"] { return values.contains { equal($0, wanted) } }
            if let wanted = condition["is_not"] { return !values.contains { equal($0, wanted) } }
            if let wanted = condition["above"] { return values.contains { less(wanted, $0) } }
            if let wanted = condition["below"] { return values.contains { less($0, wanted) } }
            return false
        }
        let matching = Self.corpus.filter { holds(plan["where"] ?? [:], $0) }
        let gold = matching.map(\.id).sorted()
        let family = plan["family"]?.string ?? ""
        guard let order = plan["order"]?.string else { return (gold, String(gold.count)) }
        var sorted = matching.sorted { less($0.metadata[order] ?? .null, $1.metadata[order] ?? .null) }
        if ["maximum", "sort_desc", "topk_largest"].contains(family) { sorted.reverse() }
        let wanted = family.hasPrefix("sort") ? sorted.count : plan["k"]?.int ?? 1
        return (gold, sorted.prefix(wanted).map(\.id).joined(separator: ", "))
    }

    @Test func everyAnswerAndGoldSetIsExact() throws {
        let questions = Self.sets.train.questions + Self.sets.test.questions
        #expect(Self.sets.train.questions.count == 140)
        #expect(Self.sets.test.questions.count == 70)
        for question in questions {
            let (gold, answer) = oracle(try #require(question.extra["plan"]))
            #expect(question.supporting == gold, "\(question.text)")
            #expect(question.answers.first == answer, "\(question.text)")
            #expect(AnswerBenchmark.globalQA.score(answer, gold: question.answers).f1 == 1)
        }
    }

    @Test func noTestQuestionHasATwinInTraining() throws {
        /// A condition with its parts in one order: "a and b" asks the same as "b and a".
        func ordered(_ condition: JSONValue) -> String {
            for key in ["all", "any"] {
                if let parts = condition[key]?.array {
                    return key + "(" + parts.map(ordered).sorted().joined(separator: ",") + ")"
                }
            }
            return condition.serialized()
        }
        func conditions(_ set: QuestionSet) -> Set<String> {
            Set(set.questions.compactMap { $0.extra["plan"]?["where"].map(ordered) })
        }
        func golds(_ set: QuestionSet) -> Set<String> {
            Set(set.questions.map { $0.supporting.joined(separator: ",") })
        }
        #expect(conditions(Self.sets.train).isDisjoint(with: conditions(Self.sets.test)))
        #expect(golds(Self.sets.train).isDisjoint(with: golds(Self.sets.test)))
        let texts = (Self.sets.train.questions + Self.sets.test.questions).map(\.text)
        #expect(Set(texts).count == texts.count)
    }

    @Test func familiesDifficultiesAndWordingsVary() {
        let questions = Self.sets.train.questions
        let families = Dictionary(grouping: questions, by: \.type)
        #expect(families.count == QuestionFamily.allCases.count)
        #expect(families.values.allSatisfy { $0.count >= 5 }, "\(families.mapValues(\.count))")
        #expect(Set(questions.compactMap { $0.extra["difficulty"]?.string }) == ["easy", "medium", "hard"])
        let openings = Set(
            (families["count"] ?? []).map { $0.text.split(separator: " ").prefix(3).joined(separator: " ") })
        #expect(openings.count >= 4)
        #expect(questions.allSatisfy { $0.supporting.count <= 50 && !$0.text.contains("{") })
    }

    @Test(arguments: CorpusQuestionGenerator.Difficulty.allCases)
    func theDifficultyIsTheNumberOfConditions(difficulty: CorpusQuestionGenerator.Difficulty) throws {
        var options = CorpusQuestionGenerator.Options()
        options.train = 40
        options.test = 20
        options.difficulties = [difficulty]
        options.families = [.count, .maximum]
        func atoms(_ condition: JSONValue) -> Int {
            for key in ["all", "any"] {
                if let parts = condition[key]?.array { return parts.reduce(0) { $0 + atoms($1) } }
            }
            return 1
        }
        let sets = CorpusQuestionGenerator(passages: Self.corpus).generate(options)
        let questions = sets.train.questions + sets.test.questions
        #expect(questions.count >= 30, "\(difficulty): \(questions.count)")
        for question in questions {
            let condition = try #require(question.extra["plan"]?["where"])
            let count = atoms(condition)
            switch difficulty {
            case .easy: #expect(count == 1)
            case .medium: #expect(count == 2)
            case .hard:
                let text = condition.serialized()
                #expect(count >= 2 && (text.contains("\"any\"") || text.contains("is_not") || count == 3), "\(text)")
            }
            #expect(question.type == "count" || question.type == "maximum")
        }
    }

    @Test func theSameSeedGivesTheSameQuestions() {
        var options = CorpusQuestionGenerator.Options()
        options.train = 30
        options.test = 10
        let generator = CorpusQuestionGenerator(passages: Self.corpus)
        let once = generator.generate(options)
        let again = generator.generate(options)
        #expect(once.train == again.train)
        #expect(once.test == again.test)
        options.seed = 2
        #expect(generator.generate(options).train != once.train)
    }

    @Test func aCorpusWithoutMetadataGivesOnlyWordCounts() {
        let bare = (0..<40).map {
            EvalPassage(id: "\($0)", title: "", text: $0 % 4 == 0 ? "a lantern here" : "nothing")
        }
        var options = CorpusQuestionGenerator.Options()
        options.train = 5
        options.test = 5
        let sets = CorpusQuestionGenerator(passages: bare).generate(options)
        #expect((sets.train.questions + sets.test.questions).allSatisfy { $0.type == "count" })
        #expect(CorpusQuestionGenerator(passages: []).generate(options).train.questions.isEmpty)
    }
}
