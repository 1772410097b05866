// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
public import LanguageModels
import OrderedCollections
import Text
import Tools

/// How much a model is told of what it can do.
public enum PromptDetail: String, Sendable, Hashable, CaseIterable {
    /// The whole manifests: for models that read thousands of tokens without effort.
    case full
    /// The first sentence of each tool and its arguments without explanations: at most 500 tokens for all.
    case compact
    /// No schema: the model writes one line, or chooses it where it can be held to a grammar (``MenuTurn``).
    case menu

    /// What fits a model: the menu for one in this process of fewer than three thousand million parameters, or one that
    /// cannot call tools; the compact prompt where the context is short or the model is of middling size.
    public init(fitting capabilities: ModelCapabilities) {
        let small = 3_000_000_000
        if !capabilities.toolCalls || capabilities.parameters.map({ $0 < small }) ?? false {
            self = .menu
        } else if capabilities.needsRequiredCalls || capabilities.contextLength.map({ $0 <= 16_384 }) ?? false {
            self = .compact
        } else {
            self = .full
        }
    }
}

/// The tools that a model is offered now: those that can be called, with the arguments that can be given.
///
/// Handles are an enumeration of the results that exist, and an argument that takes one is absent before there are any;
/// fields are those of the corpus; a search that the corpus has no index for, and a read before anything was found, are
/// not offered. What a call is checked against stays the tool's own schema, of which an offer is a part.
struct ToolOffer {
    var state: AgentState
    var corpus: any RetrievalCorpus
    var detail: PromptDetail

    /// What the model is told, in the registry's order.
    /// - Parameter withheld: tools that are not offered this time.
    func specifications(of tools: ToolRegistry, withheld: Set<String> = []) -> [ToolSpecification] {
        tools.tools.compactMap { tool in
            guard !withheld.contains(tool.name), isPossible(tool) else { return nil }
            var specification = tool.specification
            if let kind = Kind(specification) {
                specification.parameters = narrowed(specification.parameters, of: kind)
            }
            return detail == .full ? specification : Self.compact(specification)
        }
    }

    /// The built-in tools, as their arguments tell them apart: a manifest may give them another name.
    private enum Kind {
        case search, read, filter, aggregate

        init?(_ specification: ToolSpecification) {
            guard let names = specification.parameters["properties"]?.object?.keys else { return nil }
            if names.contains("query"), names.contains("within") {
                self = .search
            } else if names.contains("ids"), names.contains("over") {
                self = .read
            } else if names.contains("where"), names.contains("measures") {
                self = .aggregate
            } else if names.contains("where"), names.contains("within") {
                self = .filter
            } else {
                return nil
            }
        }
    }

    private func isPossible(_ tool: any RetrievalTool) -> Bool {
        switch Kind(tool.specification) {
        case .search:
            let mode = RetrievalMode.allCases.first { tool.name == $0.rawValue + "_search" }
            return mode.map(corpus.summary.modes.contains) ?? true
        case .read: return !state.retrieved.isEmpty || !scopes.isEmpty
        // Without metadata, a short prompt is better spent on searches.
        case .filter, .aggregate: return detail == .full || !corpus.summary.fields.isEmpty
        case nil: return true
        }
    }

    /// What `within` and `over` can be: the handles of passages and documents, newest first, and what the two newest
    /// make together.
    private var scopes: [String] {
        let handles = state.resultSets.values.filter { $0.scope != nil && $0.count > 0 }.map(\.handle)
        var scopes = Array(handles.reversed().prefix(12))
        if detail == .full, handles.count > 1 {
            let (first, second) = (handles[handles.count - 2], handles[handles.count - 1])
            scopes += ["\(first) union \(second)", "\(first) intersect \(second)", "\(first) subtract \(second)"]
        }
        return scopes
    }

    /// The fields that a condition can name, the corpus's own first.
    private var fields: [String] {
        let own = corpus.summary.fields.sorted { ($0.documentCount, $1.name) > ($1.documentCount, $0.name) }
        let names = own.prefix(40).map(\.name)
        return names + FilterSchema.builtInFields.filter { !names.contains($0) }
    }

    private func narrowed(_ schema: JSONValue, of kind: Kind) -> JSONValue {
        guard var members = schema.object, var properties = members["properties"]?.object else { return schema }
        for name in ["within", "over"] where properties[name] != nil {
            let scopes = scopes
            guard !scopes.isEmpty else {
                properties[name] = nil
                continue
            }
            properties[name] = described(
                ["type": "string", "enum": .array(scopes.map(JSONValue.string))], as: properties[name])
        }
        if kind == .filter || kind == .aggregate { narrowFields(&properties, of: kind) }
        if kind == .read, detail != .full, properties["ids"] != nil {
            let ids = state.retrieved.keys.suffix(20).map(JSONValue.string)
            properties["ids"] =
                ids.isEmpty ? nil : ["type": "array", "items": ["enum": .array(ids)], "minItems": 1, "maxItems": 5]
        }
        members["properties"] = .object(properties)
        if let required = members["required"]?.array {
            members["required"] = .array(required.filter { $0.string.map { properties[$0] != nil } ?? false })
        }
        return .object(members)
    }

    private func narrowFields(_ properties: inout JSONObject, of kind: Kind) {
        let field: JSONValue = ["type": "string", "enum": .array(fields.map(JSONValue.string))]
        let numeric = corpus.summary.fields.filter { $0.type == .number || $0.type == .numberList || $0.type == .date }
        // A short prompt describes conditions once: an aggregation works over a filter's result.
        if kind == .aggregate, detail != .full { properties["where"] = nil }
        if properties["where"] != nil {
            let clause: JSONValue = [
                "type": "object",
                "properties": [
                    "field": field, "op": ["type": "string", "enum": .array(Self.operators.map(JSONValue.string))],
                    "value": ["type": ["string", "number", "boolean", "array"]],
                ],
                "required": ["field", "op", "value"], "additionalProperties": false,
            ]
            func list(_ name: String) -> JSONValue {
                [
                    "type": "object",
                    "properties": .object([name: ["type": "array", "items": clause, "minItems": 1, "maxItems": 4]]),
                    "required": [.string(name)], "additionalProperties": false,
                ]
            }
            properties["where"] =
                detail == .full
                ? described(["anyOf": [clause, list("and"), list("or")]], as: properties["where"]) : clause
        }
        if properties["fields"] != nil {
            properties["fields"] = ["type": "array", "maxItems": 16, "items": field]
        }
        if kind == .aggregate {
            let measured = (numeric.isEmpty ? fields : numeric.map(\.name) + fields).map(JSONValue.string)
            replace(&properties, "measures", "field", ["type": "string", "enum": .array(Array(OrderedSet(measured)))])
            replace(&properties, "group_by", "field", field)
        } else {
            replace(&properties, "sort", "by", field)
        }
    }

    private static let operators = ["==", "!=", "<", "<=", ">", ">=", "in", "between", "contains", "exists", "match"]

    /// Replaces a member of the items of a list.
    private func replace(_ properties: inout JSONObject, _ list: String, _ member: String, _ schema: JSONValue) {
        guard var value = properties[list]?.object, var items = value["items"]?.object,
            var members = items["properties"]?.object
        else { return }
        members[member] = schema
        items["properties"] = .object(members)
        value["items"] = .object(items)
        properties[list] = .object(value)
    }

    /// A schema with the description that another has.
    private func described(_ schema: JSONValue, as other: JSONValue?) -> JSONValue {
        guard var members = schema.object, let text = other?["description"] else { return schema }
        members["description"] = text
        return .object(members)
    }

    // MARK: Compact

    /// Arguments that say how much to show and how, and rare ones: a short prompt leaves them at their defaults.
    private static let pages: Set<String> = [
        "limit", "offset", "around", "fields", "sort", "q", "as", "width", "expression",
    ]

    /// The first sentence of a description, and the arguments without theirs.
    private static func compact(_ specification: ToolSpecification) -> ToolSpecification {
        var short = specification
        if let end = short.description.firstRange(of: ". ") {
            short.description = String(short.description[..<end.lowerBound]) + "."
        }
        guard var members = short.parameters.object, let properties = members["properties"]?.object else {
            return short
        }
        let required = Set((members["required"]?.array ?? []).compactMap(\.string))
        var kept: JSONObject = [:]
        for (name, schema) in properties where required.contains(name) || !pages.contains(name) {
            kept[name] = bare(schema)
        }
        members["properties"] = .object(kept)
        short.parameters = .object(members)
        return short
    }

    private static let wordy: Set<String> = [
        "description", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "minItems", "maxItems",
        "additionalProperties",
    ]

    private static func bare(_ schema: JSONValue) -> JSONValue {
        switch schema {
        case .array(let elements): return .array(elements.map(bare))
        case .object(let members):
            var kept: JSONObject = [:]
            for (name, value) in members {
                if name == "properties", let inner = value.object {
                    let wanted = inner.filter { !pages.contains($0.key) }
                    kept[name] = .object(JSONObject(uniqueKeysWithValues: wanted.map { ($0.key, bare($0.value)) }))
                } else if !wordy.contains(name), name != "type" || members["enum"] == nil {
                    kept[name] = name == "enum" ? value : bare(value)
                }
            }
            return .object(kept)
        default: return schema
        }
    }
}

/// What the turns before say about the next: which calls led nowhere.
struct PastTrouble {
    /// Turns in a row, up to now, that brought nothing: refused, repeated, failed or unreadable.
    var turns = 0
    /// Tools whose last call was refused as made before, or failed twice running: they are not offered in the next turn.
    var withheld: Set<String> = []

    init(_ state: AgentState) {
        var failures: [String: Int] = [:]
        for action in state.actions.reversed() {
            guard action.newPassages == 0 else { break }
            switch action.candidate.kind {
            case .correct: turns += 1
            case .call(let invocations):
                guard action.failures > 0 else { return }
                turns += 1
                for invocation in invocations {
                    let wasRepeated = action.callIDs.isEmpty
                    failures[invocation.tool, default: 0] += 1
                    if (wasRepeated && turns == 1) || failures[invocation.tool] == 2 {
                        withheld.insert(invocation.tool)
                    }
                }
            default: return
            }
        }
    }

    /// The options of the next sample: after a turn that led nowhere another seed and a higher temperature, or the same
    /// text would come again.
    func varied(_ options: SamplingOptions) -> SamplingOptions {
        guard turns > 0 else { return options }
        var options = options
        options.temperature = max(options.temperature ?? 1, min(1, 0.4 + 0.2 * Double(turns)))
        options.seed = options.seed.map { $0 &+ UInt64(turns) }
        return options
    }
}
