// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Search
import Text

/// Questions that were written for the passages of a corpus beforehand, with their answers (question spaces, Tripathi and
/// others, arXiv 2006.08337): a question that somebody asks is near to one of them sooner than to the passage.
///
/// Read from JSON lines `{"question": …, "answer": …, "passage": id}` as `forage corpus questions` writes them.
public struct QuestionSpace: Sendable {
    /// One question with its answer and the passage that holds it.
    public struct Entry: Sendable, Hashable, JSONRepresentable {
        public var question: String
        public var answer: String
        /// The passage's id.
        public var passage: String

        public init(question: String, answer: String, passage: String) {
            self.question = question
            self.answer = answer
            self.passage = passage
        }

        public init(json: JSONValue) throws {
            self.init(
                question: try json.requiredString("question"), answer: try json.requiredString("answer"),
                passage: try json.requiredString("passage"))
        }

        public var json: JSONValue {
            ["question": .string(question), "answer": .string(answer), "passage": .string(passage)]
        }
    }

    /// A question that is like the one asked.
    public struct Match: Sendable, Hashable {
        public var entry: Entry
        /// How well the words match (BM25).
        public var score: Double
        /// The share of both questions' words that they have in common, 0 to 1.
        public var likeness: Double
    }

    /// The most questions that are read.
    public static let mostEntries = 200_000

    public let entries: [Entry]
    /// How many lines were no questions.
    public let refused: Int
    private let index: InMemoryCorpus
    private let analyzer: TextAnalyzer

    /// - Throws: `ToolManifestError` for more than `mostEntries`.
    public init(_ entries: [Entry], refused: Int = 0) throws {
        guard entries.count <= Self.mostEntries else {
            throw ToolManifestError(
                "a question space holds at most \(Self.mostEntries) questions, not \(entries.count)")
        }
        self.entries = entries
        self.refused = refused
        analyzer = try TextAnalyzer()
        index = try InMemoryCorpus(
            name: "questions",
            documents: entries.enumerated().map { Document(id: String($0), title: "", text: $1.question) },
            analyzer: analyzer, embedding: { _ in [] })
    }

    /// Reads a file of JSON lines; lines that are no questions are left out and counted.
    /// - Throws: `ToolManifestError` where no line is one; what opening the file throws.
    public init(file path: String) throws {
        let file = try MappedFile(path: path)
        let text = withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
        var entries: [Entry] = []
        var refused = 0
        for line in text.textLines(omittingEmpty: true) where !line.allSatisfy(\.isWhitespace) {
            guard entries.count <= Self.mostEntries else { break }
            guard let value = try? JSONValue(parsing: String(line)), let entry = try? Entry(json: value),
                !entry.question.allSatisfy(\.isWhitespace), !entry.passage.isEmpty
            else {
                refused += 1
                continue
            }
            entries.append(entry)
        }
        guard !entries.isEmpty else {
            throw ToolManifestError(
                "\(path): no line is {\"question\": …, \"answer\": …, \"passage\": …}; `forage corpus questions` writes them"
            )
        }
        try self.init(entries, refused: refused)
    }

    /// The questions that match best, best first.
    public func matches(_ question: String, limit: Int) async throws -> [Match] {
        let asked = Set(analyzer.terms(in: Self.plain(question)))
        return try await index.search(.keyword, query: question, limit: limit, within: nil).map { hit in
            let entry = entries[Int(hit.documentOrdinal)]
            let own = Set(analyzer.terms(in: Self.plain(entry.question)))
            let all = asked.count + own.count
            let likeness = all == 0 ? 0 : 2 * Double(asked.intersection(own).count) / Double(all)
            // Another number is another question, however alike the words are, and so is when for where.
            let isOther =
                Self.numbers(question) != Self.numbers(entry.question)
                || Self.asks(question) != Self.asks(entry.question)
            return Match(entry: entry, score: hit.score, likeness: isOther ? 0 : likeness)
        }
    }

    private static func plain(_ text: String) -> String {
        text.replacing(/\b[Ww]hich\b/, with: "what")
    }

    /// What is asked for: the question words, of which "which" is as good as "what".
    private static func asks(_ text: String) -> Set<String> {
        let words = ["what", "who", "whom", "whose", "when", "where", "why", "how"]
        return Set(
            text.lowercased().split { !$0.isLetter }.map { $0 == "which" ? "what" : String($0) }.filter(words.contains))
    }

    private static func numbers(_ text: String) -> Set<Substring> {
        Set(text.split { !$0.isNumber && !$0.isLetter }.filter { $0.contains(where: \.isNumber) })
    }
}

/// `question_search`: the passages whose prepared questions are like a question, with these questions and their answers.
///
/// Arguments: `query`; `limit` (default 5). Policies with prepared questions bring it along.
public struct QuestionSearchTool: RetrievalTool {
    public let specification: ToolSpecification
    public var access: ToolAccess { .read }
    public let space: QuestionSpace
    /// The name of the tool.
    public static let name = "question_search"

    public init(_ space: QuestionSpace) {
        self.space = space
        specification = ToolSpecification(
            name: Self.name,
            description:
                "Finds questions like yours that were answered beforehand, with the answers and their passages.",
            parameters: [
                "type": "object",
                "properties": [
                    "query": ["type": "string", "minLength": 1, "maxLength": 4096, "description": "The question."],
                    "limit": ["type": "integer", "minimum": 1, "maximum": 100, "description": "Default 5."],
                ],
                "required": ["query"], "additionalProperties": false,
            ])
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let query = try arguments.requiredString("query")
        let limit = min(max(1, arguments["limit"]?.int ?? 5), context.limits.results)
        let matches = try await space.matches(query, limit: 4 * limit)
        var lines: [String] = []
        var scores: OrderedDictionary<PassageOrdinal, Double> = [:]
        var stale = 0
        for match in matches where scores.count < limit {
            guard let passage = try await context.corpus.passages(withID: match.entry.passage).first else {
                stale += 1
                continue
            }
            if scores[passage.ordinal] == nil { scores[passage.ordinal] = match.score }
            if lines.count < limit {
                lines.append(
                    "\"\(oneLine(match.entry.question, most: 200))\" \(oneLine(match.entry.answer, most: 100)) [\(passage.id)]"
                )
            }
        }
        var hits = scores.map { RankedPassage(id: "", ordinal: $0.key, documentOrdinal: 0, score: $0.value) }
        let description = "questions like \"\(oneLine(query, most: 200))\""
        let found = hits.isEmpty ? "none" : counted(hits.count, "passage")
        if stale > 0 { lines.append("[\(counted(stale, "question")) left out: their passages are not there any more]") }
        let header = (["\(context.handle): \(description): \(found)"] + lines).joined(separator: "\n")
        var output = try await FindTextTool.output(&hits, shown: limit, header: header, context)
        output.summary = "\(context.handle): \(found)"
        output.resultSet = ResultSet(
            handle: context.handle, tool: Self.name, description: description, content: .passages(hits),
            total: hits.count, isComplete: false)
        return output
    }
}
