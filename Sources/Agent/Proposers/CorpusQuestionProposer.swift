// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
public import LanguageModels
import OrderedCollections
import Text
import Tools

/// Questions about the whole corpus ("how many", "which of all"): filter to everything that qualifies, then aggregate over
/// the whole set, never over the top k.
///
/// With a model, the model writes the filter and the aggregation as JSON for those tools. Without one, `CorpusQuestionParser`
/// reads conditions and order off the question; where it finds none, the question's names become the filter.
///
/// Arguments that a tool refuses go back to the model with what the tool said, a few times; an aggregation that never
/// becomes right is a count.
public struct CorpusQuestionProposer: ActionProposer {
    public var name: String { "corpus" }
    public var options: SamplingOptions
    /// How often the model may correct the arguments of a tool. Default 2.
    public var corrections: Int

    public init(
        options: SamplingOptions = SamplingOptions(temperature: 0, maxTokens: 400), corrections: Int = 2
    ) {
        self.options = options
        self.corrections = corrections
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.tools["filter"] != nil, context.tools["aggregate"] != nil else { return Proposal() }
        guard let filtered = state.resultSets.values.last(where: { $0.tool == "filter" }) else {
            let asked = Self.attempts("filter", state)
            guard asked.isEmpty || (context.hasModel && asked.count <= corrections) else { return Proposal() }
            return try await proposeFilter(state, context)
        }
        let attempts = Self.attempts("aggregate", state)
        let isRefused = !attempts.isEmpty && state.actions.last?.errors.isEmpty == false
        if !attempts.isEmpty,
            !isRefused || !context.hasModel || attempts.last == Self.count(filtered.handle).serialized()
        {
            return Proposal([
                CandidateAction(
                    .answer(text: try await draft(state, context), label: .aggregate), proposer: name,
                    reason: "the whole set is aggregated", score: 2)
            ])
        }
        if !context.hasModel, let request = Self.request(state, context), let order = request.orderField {
            let arguments = Self.listing(request, order, within: filtered.handle)
            return Proposal(
                [
                    .call(
                        "filter", arguments, proposer: name,
                        reason: "all \(filtered.total) in the order of \(order)", score: 1)
                ], notes: [Note(kind: "corpus", key: "aggregate", text: arguments.serialized())])
        }
        let arguments: JSONValue
        if context.hasModel, attempts.count <= corrections {
            let text = try await ModelText.ask(
                """
                Write the arguments of the tool `aggregate` that answer the question over \(filtered.handle), as one JSON \
                object and nothing else. Its schema:
                \(context.tools["aggregate"]?.specification.parameters.serialized() ?? "{}")
                """, Self.request(state, after: attempts), evidence: nil, options: options, purpose: "aggregate",
                state: state,
                context: context, constraint: .jsonSchema(Self.aggregateSchema(context)))
            arguments = Self.object(in: text)?.with("over", .string(filtered.handle)) ?? Self.count(filtered.handle)
        } else {
            arguments = Self.count(filtered.handle)
        }
        return Proposal(
            [
                .call(
                    "aggregate", arguments, proposer: name, reason: "over all \(filtered.total) that qualify", score: 1)
            ], notes: [Note(kind: "corpus", key: "aggregate", text: arguments.serialized())])
    }

    private func proposeFilter(_ state: AgentState, _ context: StepContext) async throws -> Proposal {
        let arguments: JSONValue
        if context.hasModel {
            let fields = context.corpus.summary.fields.map { "\($0.name): \($0.type.rawValue)" }.joined(separator: ", ")
            let text = try await ModelText.ask(
                """
                Write the arguments of the tool `filter` that select every document that the question is about, as one \
                JSON object and nothing else. Metadata fields: \(fields.isEmpty ? "none" : fields). Its schema:
                \(context.tools["filter"]?.specification.parameters.serialized() ?? "{}")
                """, Self.request(state, after: Self.attempts("filter", state)), evidence: nil, options: options,
                purpose: "filter", state: state,
                context: context, constraint: .jsonSchema(Self.filterSchema(context)))
            guard let object = Self.object(in: text) else { return Proposal() }
            arguments = object
        } else {
            if let request = Self.request(state, context) {
                arguments = ["where": request.condition]
            } else if let filter = Self.filter(for: state.question.text) {
                arguments = filter
            } else {
                return Proposal()
            }
        }
        return Proposal(
            [.call("filter", arguments, proposer: name, reason: "everything that qualifies", score: 1)],
            notes: [Note(kind: "corpus", key: "filter", text: arguments.serialized())])
    }

    /// The arguments that a tool was called with so far.
    private static func attempts(_ tool: String, _ state: AgentState) -> [String] {
        state.notes.filter { $0.kind == "corpus" && $0.key == tool }.map(\.text)
    }

    /// What the model is asked: the question, and what the tool said about the arguments that it refused.
    private static func request(_ state: AgentState, after attempts: [String]) -> String {
        guard let last = attempts.last, let error = state.actions.last?.errors.last else { return state.question.text }
        // A tool's message may quote documents.
        return """
            \(state.question.text)

            The tool refused \(last): \(Fence.neutralised(String(error.prefix(1000)))) Write arguments that it takes.
            """
    }

    private static func request(_ state: AgentState, _ context: StepContext) -> CorpusQuestionParser.Request? {
        CorpusQuestionParser(fields: context.corpus.summary.fields).parse(state.question.text)
    }

    private static func listing(
        _ request: CorpusQuestionParser.Request, _ order: String, within handle: String
    ) -> JSONValue {
        [
            "within": .string(handle),
            "sort": [["by": .string(order), "order": request.isAscending ? "ascending" : "descending"]],
            "fields": [.string(order)], "limit": .integer(min(request.limit ?? 50, 50)),
        ]
    }

    /// The aggregation's table, or the documents in the order that was asked for, as the answer.
    private func draft(_ state: AgentState, _ context: StepContext) async throws -> String? {
        if !context.hasModel, let request = Self.request(state, context), let order = request.orderField,
            case .documents(let documents) = state.resultSets.values.first(where: { $0.tool == "filter" })?.content
        {
            let direction = AggregateRequest.Order(order, descending: !request.isAscending)
            let page = try await context.corpus.list(
                documents, DocumentListRequest(sort: [direction], limit: request.limit ?? max(1, documents.count)))
            let ids = page.table.rows.compactMap { $0.first?.string }
            return ids.isEmpty ? nil : "Answer: \(ids.joined(separator: ", "))"
        }
        guard let set = state.resultSets.values.last(where: { $0.tool == "aggregate" }),
            case .table(let table) = set.content, let row = table.rows.first
        else { return nil }
        func text(_ value: JSONValue) -> String { value.string ?? value.serialized() }
        if table.rows.count == 1, row.count == 1 {
            return "\(set.description): \(text(row[0]))\nAnswer: \(text(row[0]))"
        }
        let lines = table.rows.prefix(20).map { $0.map(text).joined(separator: ", ") }
        return "\(set.description): \(lines.joined(separator: "; "))\nAnswer: \(row.map(text).joined(separator: ", "))"
    }

    /// Filters that a model in this process may write: clauses over fields that the corpus has, all of which must hold.
    private static func filterSchema(_ context: StepContext) -> JSONValue {
        let fields = ["title", "text"] + context.corpus.summary.fields.map(\.name)
        let clause: JSONValue = [
            "type": "object", "additionalProperties": false, "required": ["field", "op", "value"],
            "properties": [
                "field": ["enum": .array(fields.map(JSONValue.string))],
                "op": ["enum": ["==", "!=", "<", "<=", ">", ">=", "match"]],
                "value": ["type": ["string", "number", "boolean"]],
            ],
        ]
        return [
            "type": "object", "additionalProperties": false, "required": ["where"],
            "properties": [
                "where": [
                    "type": "object", "additionalProperties": false, "required": ["and"],
                    "properties": ["and": ["type": "array", "minItems": 1, "maxItems": 3, "items": clause]],
                ]
            ],
        ]
    }

    /// Aggregations that a model in this process may write: one measure, perhaps by one field.
    private static func aggregateSchema(_ context: StepContext) -> JSONValue {
        let fields = JSONValue.array(context.corpus.summary.fields.map { .string($0.name) })
        let count: JSONValue = [
            "type": "object", "additionalProperties": false, "required": ["op"],
            "properties": ["op": ["enum": ["count"]]],
        ]
        guard fields.array?.isEmpty == false else {
            return [
                "type": "object", "additionalProperties": false, "required": ["measures"],
                "properties": ["measures": ["type": "array", "minItems": 1, "maxItems": 1, "items": count]],
            ]
        }
        let measure: JSONValue = [
            "type": "object", "additionalProperties": false, "required": ["op", "field"],
            "properties": [
                "op": ["enum": ["distinct", "sum", "mean", "min", "max", "median"]], "field": ["enum": fields],
            ],
        ]
        return [
            "type": "object", "additionalProperties": false, "required": ["measures"],
            "properties": [
                "measures": [
                    "type": "array", "minItems": 1, "maxItems": 1, "items": ["anyOf": [count, measure]],
                ],
                "group_by": ["type": "array", "minItems": 1, "maxItems": 1, "items": ["enum": fields]],
            ],
        ]
    }

    static func count(_ handle: String) -> JSONValue {
        ["over": .string(handle), "measures": [["op": "count"]]]
    }

    /// The filter of a question without conditions: names that the text must hold, all of them.
    static func filter(for question: String) -> JSONValue? {
        let phrases = NameSpotter().distinctNames(in: question)
        guard !phrases.isEmpty else { return nil }
        let tests = phrases.prefix(4).map { phrase -> JSONValue in
            ["op": "match", "value": .string(phrase), "mode": "phrase"]
        }
        let tree: JSONValue = tests.count == 1 ? tests[0] : ["and": .array(Array(tests))]
        return ["where": tree]
    }

    /// The first JSON object in a text.
    static func object(in text: String) -> JSONValue? {
        guard let open = text.firstIndex(of: "{"), let close = text.lastIndex(of: "}"), open < close else { return nil }
        return try? JSONValue(parsing: String(text[open...close]))
    }
}

extension JSONValue {
    /// The object with a member set.
    func with(_ key: String, _ value: JSONValue) -> JSONValue {
        guard case .object(var members) = self else { return self }
        members[key] = value
        return .object(members)
    }
}
