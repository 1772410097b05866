// SPDX-License-Identifier: Apache-2.0

import Base
public import Datasets
import OrderedCollections
import QualityMetrics
import TensorMath
import Text

/// Makes corpus-level questions from any corpus with metadata: counting, extremum, sorting and top-k over boolean conditions.
///
/// Construction runs backwards, as in GlobalQA: a plan is drawn and run, and its exact answer and complete gold set come from
/// the corpus itself; a plan whose answer would not be the only right one is thrown away. No question of the test part has a
/// twin in the training part: a condition belongs to one side, and so does a gold set, whatever is asked of it.
public struct CorpusQuestionGenerator: Sendable {
    /// What to make.
    public struct Options: Sendable, Hashable {
        /// Questions wanted in the training part. Default 100.
        public var train = 100
        /// Questions wanted in the test part. Default 100.
        public var test = 100
        public var seed: UInt64 = 1
        /// Default: all.
        public var families = QuestionFamily.allCases
        /// Easy has one condition, medium two, hard three with an alternative or a negation. Default: all, equally often.
        public var difficulties = Difficulty.allCases
        /// The largest gold set. Default 50, as in GlobalQA.
        public var largestGold = 50
        /// The longest sorted list that a question asks for. Default 8.
        public var longestList = 8
        /// What a document is called in the questions. Default "document".
        public var noun = "document"

        public init() {}
    }

    /// How many conditions a question joins.
    public enum Difficulty: String, Sendable, Hashable, CaseIterable { case easy, medium, hard }

    private let documents: [IndexedDocument]
    /// Categorical fields with the values that occur at least twice.
    private let categories: [(field: String, values: [FieldValue])]
    /// Fields with numbers or dates, with all their values in order.
    private let ordered: [(field: String, values: [FieldValue])]
    /// Words that occur in some but not many documents.
    private let words: [String]

    /// Prepares a corpus.
    public init(passages: [EvalPassage], excludedFields: Set<String> = []) {
        documents = passages.map(IndexedDocument.init)
        var values: OrderedDictionary<String, [FieldValue: Int]> = [:]
        var wordCounts: [String: Int] = [:]
        for document in documents {
            for name in document.fields.keys.sorted() where !excludedFields.contains(name) {
                for value in document.fields[name] ?? [] { values[name, default: [:]][value, default: 0] += 1 }
            }
            for word in document.words { wordCounts[word, default: 0] += 1 }
        }
        var categories: [(field: String, values: [FieldValue])] = []
        var ordered: [(field: String, values: [FieldValue])] = []
        for name in values.keys.sorted() {
            let counts = values[name] ?? [:]
            let isText = counts.keys.contains { if case .text = $0 { true } else { false } }
            if isText {
                let repeated = counts.filter { $0.value >= 2 && $0.key.shown.count <= 60 }.keys.sorted()
                if repeated.count >= 2 { categories.append((name, repeated)) }
            } else if counts.count >= 4 {
                ordered.append((name, counts.keys.sorted()))
            }
        }
        self.categories = categories
        self.ordered = ordered
        let most = max(3, documents.count / 8)
        words = wordCounts.filter { entry in
            entry.value >= 3 && entry.value <= most && entry.key.utf8.count >= 5
                && entry.key.utf8.allSatisfy { $0 >= UInt8(ascii: "a") && $0 <= UInt8(ascii: "z") }
        }.keys.sorted()
    }

    /// Makes the questions. Fewer than asked for come back when the corpus does not carry more.
    public func generate(_ options: Options = Options()) -> (train: QuestionSet, test: QuestionSet) {
        var random = SplitMix64(seed: options.seed)
        let wording = QuestionWording(noun: options.noun, plural: options.noun + "s")
        var parts: [[EvalQuestion]] = [[], []]
        var seenPlans: Set<String> = []
        var seenTexts: Set<String> = []
        // Which side a gold set belongs to.
        var goldSide: [String: Int] = [:]
        let wanted = [options.train, options.test]
        var attempts = 0
        let limit = 400 * max(1, options.train + options.test)
        while attempts < limit, parts[0].count < wanted[0] || parts[1].count < wanted[1] {
            attempts += 1
            // Families and difficulties take turns, so that rare ones are not drowned by counts.
            let total = parts[0].count + parts[1].count + attempts / 50
            guard !options.families.isEmpty, !options.difficulties.isEmpty else { break }
            let family = options.families[total % options.families.count]
            let difficulty = options.difficulties[(total / options.families.count) % options.difficulties.count]
            guard let plan = draw(family, difficulty, options, &random), let outcome = plan.run(over: documents),
                outcome.gold.count <= options.largestGold, outcome.named.count <= options.longestList,
                family == .count || outcome.gold.count >= 2
            else { continue }
            let side = side(of: plan.condition, options.seed, wanted)
            guard parts[side].count < wanted[side], seenPlans.insert(plan.canonical).inserted else { continue }
            let goldKey = outcome.gold.joined(separator: "\u{1}")
            guard goldSide[goldKey, default: side] == side else { continue }
            let isDate = documents.lazy.compactMap { plan.orderField.flatMap($0.single) }.first.map {
                if case .date = $0 { true } else { false }
            }
            let text = wording.question(plan, isDate: isDate ?? false, random: &random)
            guard seenTexts.insert(text).inserted else { continue }
            goldSide[goldKey] = side
            parts[side].append(
                question(plan, outcome, difficulty, text: text, number: parts[side].count + 1, isTest: side == 1))
        }
        return (
            QuestionSet(name: "corpus-level-train", benchmark: .globalQA, questions: parts[0]),
            QuestionSet(name: "corpus-level-test", benchmark: .globalQA, questions: parts[1])
        )
    }

    private func question(
        _ plan: CorpusPlan, _ outcome: CorpusPlan.Outcome, _ difficulty: Difficulty, text: String, number: Int,
        isTest: Bool
    ) -> EvalQuestion {
        var answers = [outcome.answer]
        // People name documents by their titles: right as well, where each title is one document's.
        let titles = outcome.named.compactMap { id in documents.first { $0.id == id }?.title }
        let areUnique = titles.allSatisfy { title in
            !title.isEmpty && documents.count(where: { $0.title == title }) == 1
        }
        if !titles.isEmpty, areUnique { answers.append(titles.joined(separator: ", ")) }
        return EvalQuestion(
            id: "\(isTest ? "test" : "train")-\(number)", text: text, answers: answers, supporting: outcome.gold,
            type: plan.family.rawValue, hops: nil,
            extra: ["difficulty": .string(difficulty.rawValue), "plan": plan.json])
    }

    /// The side of a condition: by the hash of its canonical text, in proportion to what is wanted.
    private func side(of condition: CorpusCondition, _ seed: UInt64, _ wanted: [Int]) -> Int {
        let draw = Double(XXH64.hash(condition.canonical, seed: seed) >> 11) * 0x1p-53
        return draw * Double(max(1, wanted[0] + wanted[1])) < Double(wanted[0]) ? 0 : 1
    }

    private func draw(
        _ family: QuestionFamily, _ difficulty: Difficulty, _ options: Options, _ random: inout SplitMix64
    ) -> CorpusPlan? {
        var orderField: String?
        if family != .count {
            guard !ordered.isEmpty else { return nil }
            orderField = ordered[random.integer(below: ordered.count)].field
        }
        guard let condition = condition(difficulty, &random) else { return nil }
        var k = 0
        if family == .topKLargest || family == .topKSmallest { k = 2 + random.integer(below: 3) }
        return CorpusPlan(family: family, condition: condition, orderField: orderField, k: k)
    }

    private func condition(_ difficulty: Difficulty, _ random: inout SplitMix64) -> CorpusCondition? {
        func parts(_ count: Int) -> [CorpusCondition]? {
            var result: [CorpusCondition] = []
            var attempts = 0
            while result.count < count {
                attempts += 1
                guard attempts < 20, let one = atom(&random) else { return nil }
                // Two conditions on one field with "is" contradict each other or repeat.
                if !result.contains(where: { Self.subject($0) == Self.subject(one) }) { result.append(one) }
            }
            return result
        }
        switch difficulty {
        case .easy: return atom(&random)
        case .medium: return parts(2).map(CorpusCondition.all)
        case .hard:
            guard let three = parts(3) else { return nil }
            switch random.integer(below: 2) {
            case 0: return .all([three[0], .any([three[1], three[2]])])
            default:
                guard let (field, value) = category(&random) else { return .all(three) }
                let negated = CorpusCondition.isNot(field: field, value: value)
                return .all([three[0], three[1], negated].filter { $0 == negated || Self.subject($0) != field })
            }
        }
    }

    private static func subject(_ condition: CorpusCondition) -> String {
        switch condition {
        case .equals(let field, _), .isNot(let field, _), .above(let field, _), .below(let field, _): return field
        case .mentions(let word): return "word " + word
        case .all, .any: return ""
        }
    }

    private func category(_ random: inout SplitMix64) -> (String, FieldValue)? {
        guard !categories.isEmpty else { return nil }
        let field = categories[random.integer(below: categories.count)]
        return (field.field, field.values[random.integer(below: field.values.count)])
    }

    private func atom(_ random: inout SplitMix64) -> CorpusCondition? {
        switch random.integer(below: 4) {
        case 0, 1:
            if let (field, value) = category(&random) { return .equals(field: field, value: value) }
        case 2:
            if !ordered.isEmpty {
                let field = ordered[random.integer(below: ordered.count)]
                let value = field.values[random.integer(below: field.values.count)]
                return random.integer(below: 2) == 0
                    ? .above(field: field.field, value: value) : .below(field: field.field, value: value)
            }
        default: break
        }
        guard !words.isEmpty else { return nil }
        return .mentions(word: words[random.integer(below: words.count)])
    }
}
