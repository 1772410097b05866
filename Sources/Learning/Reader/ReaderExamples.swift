// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
import Datasets
import Foundation
import Search
import Text

/// A passage to read.
public struct ReaderPassage: Sendable, Hashable {
    public var title: String
    public var text: String

    public init(title: String, text: String) {
        self.title = title
        self.text = text
    }

    /// What the encoder reads: the title before the text.
    var full: String { title.isEmpty ? text : title + ". " + text }
}

/// A question with passages to learn reading from.
public struct ReaderExample: Sendable {
    public var question: String
    public var answers: [String]
    public var passages: [ReaderPassage]
    /// Whether each passage has to do with the question; nil where that is not known.
    public var relevance: [Bool]?
    /// Whether the passages hold the answer.
    public var isAnswerable: Bool
}

/// The questions of one folder (`corpus.jsonl`, `questions.PART.jsonl`) as material for the reader and the reranker.
public struct ReaderMaterial: Sendable {
    struct Item: Sendable {
        var question: String
        var answers: [String]
        var gold: [Int]
        /// Passages shown beside the gold ones in the set itself.
        var context: [Int]
        var isAnswerable: Bool
        /// Passages that the question was cut from: neither right nor wrong ones.
        var origins: [Int] = []
    }

    /// The folder's name.
    public let name: String
    public internal(set) var passages: [ReaderPassage]
    var items: [Item]
    /// The most questions that it gives to an epoch of training.
    public var most = 1500
    private let lexical: LexicalNegatives

    /// How many questions there are.
    public var count: Int { items.count }

    /// Reads a folder. Questions that have neither gold passages nor a context are left out.
    ///
    /// - Parameters:
    ///   - part: `train` or `dev`; a folder with one file `questions.jsonl` is read whole.
    ///   - language: Only questions whose `lang` is this, where they have one.
    ///   - steps: Also what the set says about the way to an answer: the steps of decompositions and evidence triples as
    ///     questions of their own, and the facts that a yes or no rests on as a passage.
    ///   - passagesAlone: Whether a folder without questions will do.
    /// - Throws: `DatasetError` naming file and line.
    public init(
        folder: String, part: String = "train", language: String? = "en", steps: Bool = false,
        passagesAlone: Bool = false
    ) throws {
        name = URL(fileURLWithPath: folder).lastPathComponent
        var numbers: [String: Int] = [:]
        var ids: [String] = []
        var learned = Set<StepQuestions.Step>()
        var passages: [ReaderPassage] = []
        try Self.lines(folder + "/corpus.jsonl") { json in
            guard let id = json["id"]?.string, let text = json["text"]?.string else {
                throw JSONError(message: "a passage needs \"id\" and \"text\"")
            }
            numbers[id] = passages.count
            ids.append(id)
            passages.append(ReaderPassage(title: json["title"]?.string ?? "", text: text))
        }
        var items: [Item] = []
        let own = folder + "/questions.\(part).jsonl"
        let path = FileManager.default.fileExists(atPath: own) ? own : folder + "/questions.jsonl"
        try Self.lines(path, isOptional: passagesAlone) { json in
            guard let question = json["question"]?.string else { throw JSONError(message: "no \"question\"") }
            if let language, let other = json["lang"]?.string, other != language { return }
            func known(_ key: String) -> [Int] {
                (json[key]?.array ?? []).compactMap { $0.string.flatMap { numbers[$0] } }
            }
            var seen = Set<Int>()
            let gold = known("supporting").filter { seen.insert($0).inserted }
            let context = known("context").filter { seen.insert($0).inserted }
            let answers = (json["answers"]?.array ?? []).compactMap(\.string)
            if steps {
                let own = gold.map { (id: ids[$0], title: passages[$0].title, text: passages[$0].text) }
                for step in StepQuestions.all(of: json, passages: own) {
                    guard let passage = numbers[step.passage], learned.insert(step).inserted else { continue }
                    items.append(
                        Item(
                            question: step.question, answers: [step.answer], gold: [passage],
                            context: (gold + context).filter { $0 != passage }, isAnswerable: true))
                }
            }
            // A question with only some of its gold passages cannot be answered from them.
            let isComplete = json["complete"]?.bool ?? true
            if steps, gold.isEmpty || !isComplete, let facts = json["facts"]?.array, !facts.isEmpty, !answers.isEmpty {
                passages.append(
                    ReaderPassage(
                        title: json["term"]?.string ?? "", text: facts.compactMap(\.string).joined(separator: " ")))
                items.append(
                    Item(
                        question: question, answers: answers, gold: [passages.count - 1], context: [],
                        isAnswerable: true))
                return
            }
            guard isComplete, !gold.isEmpty || (answers.isEmpty && !context.isEmpty) else { return }
            items.append(
                Item(
                    question: question, answers: answers, gold: gold, context: context,
                    isAnswerable: !answers.isEmpty && !gold.isEmpty))
        }
        self.passages = passages
        self.items = items
        lexical = LexicalNegatives(passages.map(\.full))
    }

    /// Every second question, from the first (0) or the second (1) on.
    public func half(_ which: Int) -> ReaderMaterial {
        var half = self
        half.items = items.indices.filter { $0 % 2 == which }.map { items[$0] }
        return half
    }

    private static func lines(
        _ path: String, isOptional: Bool = false, _ read: (JSONValue) throws -> Void
    ) throws {
        if isOptional, !FileManager.default.fileExists(atPath: path) { return }
        let file = try RecordFile(path: path)
        for record in try file.records() {
            do { try read(record.value) } catch let error as JSONError {
                throw file.failure(record.line, error.description)
            }
        }
    }

    /// The question with its gold passages alone, for measuring; nil for one without an answer.
    func goldExample(_ index: Int) -> ReaderExample? {
        let item = items[index]
        guard item.isAnswerable else { return nil }
        return ReaderExample(
            question: item.question, answers: item.answers, passages: item.gold.map { passages[$0] }, relevance: nil,
            isAnswerable: true)
    }

    /// All answerable questions with their gold passages alone, for measuring.
    public var goldExamples: [ReaderExample] { items.indices.compactMap { goldExample($0) } }

    /// Draws one question as ``example(_:distractors:withheld:using:)`` does.
    public func draw(distractors: Int, withheld: Double, using generator: inout SplitMix64) -> ReaderExample {
        example(
            generator.integer(below: max(1, items.count)), distractors: distractors, withheld: withheld,
            using: &generator)
    }

    /// Passages that look right and are not gold: those that the set shows beside the gold ones, else those that share
    /// the rarest words with the question.
    func negatives(_ index: Int, count: Int, using generator: inout SplitMix64) -> [Int] {
        let item = items[index]
        let gold = Set(item.gold + item.origins)
        var pool = item.context
        if pool.count < count {
            pool += lexical.nearest(item.question, count: 12).filter { !gold.contains($0) && !pool.contains($0) }
        }
        generator.shuffle(&pool)
        return Array(pool.prefix(count))
    }

    /// The passages that share the rarest words with a question, best first.
    func lexicallyNearest(_ index: Int, count: Int) -> [Int] { lexical.nearest(items[index].question, count: count) }

    /// A question with the passages that a search by words puts first, in its order, and the places of the gold ones; nil
    /// where none of these is among them.
    func ranked(_ index: Int, count: Int) -> (question: String, passages: [ReaderPassage], gold: Set<Int>)? {
        let item = items[index]
        let found = lexical.nearest(item.question, count: count)
        let gold = Set(found.indices.filter { item.gold.contains(found[$0]) })
        return gold.isEmpty ? nil : (item.question, found.map { passages[$0] }, gold)
    }

    /// Draws an example: gold passages and distractors in a random order; now and then with the passages taken out that
    /// hold the answer.
    ///
    /// - Parameters:
    ///   - distractors: Passages beside the gold ones.
    ///   - withheld: How often the evidence is taken out.
    func example(_ index: Int, distractors: Int, withheld: Double, using generator: inout SplitMix64) -> ReaderExample {
        let item = items[index]
        guard item.isAnswerable else {
            return ReaderExample(
                question: item.question, answers: [], passages: item.context.prefix(3).map { passages[$0] },
                relevance: nil, isAnswerable: false)
        }
        var chosen = item.gold.prefix(4).map { (passage: $0, isGold: true) }
        var isAnswerable = true
        let isPolar = item.answers.contains { ["yes", "no"].contains($0.lowercased()) }
        let withholds = generator.uniform() < withheld
        chosen += negatives(index, count: distractors + (withholds ? 1 : 0), using: &generator).map { ($0, false) }
        if withholds, isPolar {
            chosen.removeAll { $0.isGold }
            isAnswerable = false
        } else if withholds {
            let keys = item.answers.map { " " + TitleNormalizer.key(for: $0) + " " }
            chosen.removeAll { place in
                let text = " " + TitleNormalizer.key(for: passages[place.passage].full) + " "
                return keys.contains { text.contains($0) }
            }
            isAnswerable = false
        }
        generator.shuffle(&chosen)
        let hasBoth = Set(chosen.map(\.isGold)).count == 2
        return ReaderExample(
            question: item.question, answers: isAnswerable ? item.answers : [],
            passages: chosen.map { passages[$0.passage] }, relevance: hasBoth ? chosen.map(\.isGold) : nil,
            isAnswerable: isAnswerable)
    }
}

/// A small lexical index for finding distractors: rare shared words first.
struct LexicalNegatives: Sendable {
    private var postings: [String: [Int32]] = [:]
    private let lengths: [Int]

    init(_ texts: [String]) {
        var lengths: [Int] = []
        for (number, text) in texts.enumerated() {
            let words = Self.words(text)
            lengths.append(words.count)
            for word in Set(words) { postings[word, default: []].append(Int32(number)) }
        }
        self.lengths = lengths
    }

    private static func words(_ text: String) -> [String] {
        text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }

    /// The passages nearest to a question.
    func nearest(_ question: String, count: Int) -> [Int] {
        var scores: [Int32: Double] = [:]
        for word in Set(Self.words(question)) {
            guard let found = postings[word], found.count * 10 < max(100, lengths.count) else { continue }
            let weight = log(Double(lengths.count) / Double(found.count))
            for number in found {
                scores[number, default: 0] += weight / (0.5 + Double(lengths[Int(number)]) / 200)
            }
        }
        return scores.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }.prefix(count)
            .map { Int($0.key) }
    }
}
