// SPDX-License-Identifier: Apache-2.0

public import Base
public import OrderedCollections
public import QualityMetrics
import Text

/// A question of a data set with everything that scoring needs. Its JSON form is Forage's own question format:
/// `{"id", "question", "answers", "supporting", "type", "hops", …}`, one object a line.
public struct EvalQuestion: Sendable, Hashable, JSONRepresentable {
    /// Ends the id of the second question of a pair of MuSiQue-Full, whose two questions have one id in its files.
    package static let twinSuffix = "/2"

    /// The identity in its data set; unique there.
    public var id: String
    /// The question itself.
    public var text: String
    /// The accepted answers; empty for a retrieval query and for an unanswerable question.
    public var answers: [String]
    /// The ids of the gold passages; empty when unknown.
    public var supporting: [String]
    /// The gold sentences (HotpotQA, 2WikiMultihopQA); empty when unknown.
    public var supportingFacts: [SupportingFact]
    /// The data set's type of question, such as `bridge` or `count`; empty when unknown.
    public var type: String
    /// The number of hops; nil when unknown.
    public var hops: Int?
    /// False for a question that its corpus does not answer: the right reply is a refusal.
    public var isAnswerable: Bool
    /// Graded judgments by passage id, for retrieval measures; empty when `supporting` is all there is.
    public var judgments: [String: Int]
    /// The ids of documents that its corpus must not show while it is asked: what makes it unanswerable. Default: none.
    public var withheld: [String] = []
    /// Further fields of the source, kept as they were.
    public var extra: JSONObject

    public init(
        id: String, text: String, answers: [String] = [], supporting: [String] = [],
        supportingFacts: [SupportingFact] = [], type: String = "", hops: Int? = nil, isAnswerable: Bool = true,
        judgments: [String: Int] = [:], extra: JSONObject = [:]
    ) {
        self.id = id
        self.text = text
        self.answers = answers
        self.supporting = supporting
        self.supportingFacts = supportingFacts
        self.type = type
        self.hops = hops
        self.isAnswerable = isAnswerable
        self.judgments = judgments
        self.extra = extra
    }

    /// The judgments, or grade 1 for each gold passage.
    public var relevance: [String: Int] {
        judgments.isEmpty ? Dictionary(supporting.map { ($0, 1) }, uniquingKeysWith: max) : judgments
    }

    static let knownKeys: Set<String> = [
        "id", "question", "answers", "supporting", "supporting_facts", "type", "hops", "answerable", "judgments",
        "withheld",
    ]

    public init(json: JSONValue) throws {
        guard let id = try EvalQuestion.text(json.required("id")) else {
            throw JSONError(message: "\"id\" must be a text or a number")
        }
        let text = try json.requiredString("question")
        guard !text.utf8.allSatisfy({ $0 <= 0x20 }) else { throw JSONError(message: "\"question\" is empty") }
        guard !id.isEmpty else { throw JSONError(message: "\"id\" is empty") }
        let answers = try EvalQuestion.texts(json, "answers")
        let type = json["type"]?.string ?? ""
        var judgments: [String: Int] = [:]
        for (key, value) in json["judgments"]?.object ?? [:] {
            guard let grade = value.int else { throw JSONError(message: "judgments.\(key) must be a whole number") }
            judgments[key] = grade
        }
        // MultiHop-RAG's null questions are the unanswerable ones, whatever field says so.
        let answerable = json["answerable"]?.bool ?? !(type == "null" || type == "null_query")
        var extra: JSONObject = [:]
        for (key, value) in json.object ?? [:] where !EvalQuestion.knownKeys.contains(key) { extra[key] = value }
        self.init(
            id: id, text: text, answers: answers, supporting: try EvalQuestion.passages(json, "supporting"),
            supportingFacts: try EvalQuestion.facts(json["supporting_facts"]), type: type, hops: json["hops"]?.int,
            isAnswerable: answerable, judgments: judgments, extra: extra)
        withheld = try EvalQuestion.texts(json, "withheld")
    }

    public var json: JSONValue {
        var members: JSONObject = [
            "id": .string(id), "question": .string(text), "answers": .array(answers.map(JSONValue.string)),
            "supporting": .array(supporting.map(JSONValue.string)), "type": .string(type),
        ]
        if let hops { members["hops"] = .integer(hops) }
        if !isAnswerable { members["answerable"] = false }
        if !withheld.isEmpty { members["withheld"] = .array(withheld.map(JSONValue.string)) }
        if !supportingFacts.isEmpty {
            members["supporting_facts"] = .array(
                supportingFacts.map { [.string($0.title), .integer($0.sentence)] })
        }
        if !judgments.isEmpty {
            let sorted = judgments.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.integer($0.value)) }
            members["judgments"] = .object(JSONObject(uniqueKeysWithValues: sorted))
        }
        for (key, value) in extra { members[key] = value }
        return .object(members)
    }

    /// The texts under a name: an array of strings or numbers, one string, or nothing.
    package static func texts(_ json: JSONValue, _ key: String) throws(JSONError) -> [String] {
        guard let value = json[key], !value.isNull else { return [] }
        if let text = text(value) { return [text] }
        guard let elements = value.array else {
            throw JSONError(message: "\"\(key)\" must be a list of strings, found \(value.typeName)")
        }
        var result: [String] = []
        for (index, element) in elements.enumerated() {
            guard let text = text(element) else {
                throw JSONError(message: "\"\(key)\"[\(index)] must be a string, found \(element.typeName)")
            }
            result.append(text)
        }
        return result
    }

    /// The passages under a name: ids, or objects with an `id` or a `title`.
    static func passages(_ json: JSONValue, _ key: String) throws(JSONError) -> [String] {
        guard let elements = json[key]?.array else { return try texts(json, key) }
        var result: [String] = []
        for (index, element) in elements.enumerated() {
            guard let name = text(element) ?? (element["id"] ?? element["title"]).flatMap(text) else {
                throw JSONError(
                    message: "\"\(key)\"[\(index)] must be an id, or an object with \"id\" or \"title\", found "
                        + element.typeName)
            }
            if !result.contains(name) { result.append(name) }
        }
        return result
    }

    /// A string, or the text of a number or a truth value.
    package static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): return text
        case .integer, .number, .bool: return value.serialized()
        default: return nil
        }
    }

    /// Gold sentences, in the forms in which they circulate: `[[title, sentence]]`, the columns `{"title": […], "sent_id":
    /// […]}` that Hugging Face writes, or either as JSON in a string.
    package static func facts(_ given: JSONValue?) throws(JSONError) -> [SupportingFact] {
        guard let given, !given.isNull else { return [] }
        let value = try unwrapped(given, "supporting_facts")
        if let titles = value["title"]?.array {
            let sentences = value["sent_id"]?.array ?? []
            var result: [SupportingFact] = []
            for (index, title) in titles.enumerated() {
                guard let title = text(title) else {
                    throw JSONError(message: "supporting_facts.title[\(index)] must be a string")
                }
                result.append(
                    SupportingFact(title: title, sentence: index < sentences.count ? sentences[index].int ?? 0 : 0))
            }
            return result
        }
        guard let elements = value.array else {
            throw JSONError(
                message: "\"supporting_facts\" must be a list, or an object of \"title\" and \"sent_id\", "
                    + "found \(value.typeName)")
        }
        var result: [SupportingFact] = []
        for (index, element) in elements.enumerated() {
            let (title, sentence) = (element[0] ?? element["title"], element[1] ?? element["sent_id"])
            guard let title = title.flatMap(text), let sentence = sentence?.int else {
                throw JSONError(message: "\"supporting_facts\"[\(index)] must be [title, sentence number]")
            }
            result.append(SupportingFact(title: title, sentence: sentence))
        }
        return result
    }

    /// Context paragraphs, in the same forms: `[[title, [sentence]]]`, or columns `{"title": […], "sentences": [[…]]}`.
    static func paragraphs(_ given: JSONValue?) throws(JSONError) -> [(title: String, sentences: [String])] {
        guard let given, !given.isNull else { return [] }
        let value = try unwrapped(given, "context")
        if let titles = value["title"]?.array {
            let texts = value["sentences"]?.array ?? value["content"]?.array ?? value["paragraphs"]?.array ?? []
            guard texts.count == titles.count else {
                throw JSONError(message: "\"context\" has \(titles.count) titles but \(texts.count) lists of sentences")
            }
            return zip(titles, texts).map { title, texts in
                (text(title) ?? "", texts.array?.compactMap(\.string) ?? [texts.string ?? ""])
            }
        }
        guard let elements = value.array else {
            // Some copies carry the whole context as one text: there are no passages to tell apart.
            if value.string != nil { return [] }
            throw JSONError(message: "\"context\" must be a list, found \(value.typeName)")
        }
        var result: [(title: String, sentences: [String])] = []
        for (index, paragraph) in elements.enumerated() {
            let body = paragraph[1] ?? paragraph["sentences"] ?? paragraph["content"] ?? paragraph["text"]
            guard let title = (paragraph[0] ?? paragraph["title"]).flatMap(text), let body,
                body.array != nil || body.string != nil
            else { throw JSONError(message: "\"context\"[\(index)] must be [title, [sentences]]") }
            result.append((title, body.array?.compactMap(\.string) ?? [body.string ?? ""]))
        }
        return result
    }

    /// The value itself, or what a string holds as JSON.
    static func unwrapped(_ value: JSONValue, _ name: String) throws(JSONError) -> JSONValue {
        guard let text = value.string, let first = text.first(where: { !$0.isWhitespace }), first == "[" || first == "{"
        else { return value }
        do throws(JSONError) { return try JSONValue(parsing: Array(text.utf8)) } catch {
            throw JSONError(message: "\"\(name)\" is a string that holds no JSON: \(error)")
        }
    }
}

/// A passage that came with a data set.
public struct EvalPassage: Sendable, Hashable {
    public var id: String
    public var title: String
    public var text: String
    public var metadata: JSONObject

    public init(id: String, title: String, text: String, metadata: JSONObject = [:]) {
        self.id = id
        self.title = title
        self.text = text
        self.metadata = metadata
    }

    /// The passage in Forage's corpus format.
    public var json: JSONValue {
        ["id": .string(id), "title": .string(title), "text": .string(text), "metadata": .object(metadata)]
    }
}

/// Questions of one data set with the passages that came with them.
public struct QuestionSet: Sendable, Hashable {
    /// The name, for reports.
    public var name: String
    /// How its answers are scored.
    public var benchmark: AnswerBenchmark
    /// In the order of the file.
    public var questions: [EvalQuestion]
    /// The passages of the questions' own contexts or of the set's corpus, each once; empty when the file has none.
    public var passages: [EvalPassage]
    /// The records that could not be read and were set aside, in the order of the file.
    public var refused: [DatasetError] = []
    /// Whether the document with a query's own id is left out of its ranking, as BEIR does: in ArguAna a query is one of the
    /// documents.
    public var leavesOutOwnDocument: Bool

    public init(
        name: String, benchmark: AnswerBenchmark, questions: [EvalQuestion], passages: [EvalPassage] = [],
        leavesOutOwnDocument: Bool = false
    ) {
        self.leavesOutOwnDocument = leavesOutOwnDocument
        self.name = name
        self.benchmark = benchmark
        self.questions = questions
        self.passages = passages
    }
}

extension QuestionSet {
    /// What was set aside, in lines for people: the first five, and how many more.
    public var refusals: [String] {
        var lines = refused.prefix(5).map { "set aside: \($0)" }
        if refused.count > 5 { lines.append("set aside \(refused.count - 5) more records of \(name)") }
        return lines
    }
}

/// What is wrong with a data file: where, and what was expected.
public struct DatasetError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file as the user named it.
    public var file: String
    /// From 1; nil when the whole file is meant.
    public var line: Int?
    public var message: String

    public init(file: String, line: Int? = nil, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    public var description: String {
        if let line { return "\(file):\(line): \(message)" }
        return "\(file): \(message)"
    }
}
