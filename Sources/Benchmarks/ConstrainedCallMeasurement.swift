// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import Text

/// Tool calls of a local model under the schemas of the tools: how many are valid, and what the constraint costs.
struct ConstrainedCallMeasurement {
    var calls = 0
    var valid = 0
    var tokens = 0
    /// Seconds of a token of one sequence with the constraint and without, taken in turn.
    var constrainedToken = 0.0
    var freeToken = 0.0
    /// The calls that are not valid.
    var faults: [String] = []

    /// What a token costs more, as a share.
    var overhead: Double { freeToken > 0 ? constrainedToken / freeToken - 1 : 0 }

    static let tools = [
        ToolSpecification(
            name: "keyword_search", description: "Finds passages that hold words.",
            parameters: [
                "type": "object",
                "properties": [
                    "query": ["type": "string", "minLength": 1, "maxLength": 80],
                    "limit": ["type": "integer", "minimum": 1, "maximum": 50],
                    "within": ["type": "string", "maxLength": 8],
                ],
                "required": ["query", "limit"], "additionalProperties": false,
            ]),
        ToolSpecification(
            name: "filter", description: "Keeps the documents whose field has a value.",
            parameters: [
                "type": "object",
                "properties": [
                    "field": ["enum": ["source", "author", "category", "date"]],
                    "operator": ["enum": ["equals", "before", "after"]],
                    "value": ["type": "string", "minLength": 1, "maxLength": 40],
                ],
                "required": ["field", "operator", "value"], "additionalProperties": false,
            ]),
        ToolSpecification(
            name: "read", description: "Reads passages.",
            parameters: [
                "type": "object",
                "properties": [
                    "ids": [
                        "type": "array", "items": ["type": "string", "maxLength": 12], "minItems": 1, "maxItems": 3,
                    ],
                    "whole": ["type": "boolean"],
                ],
                "required": ["ids"], "additionalProperties": false,
            ]),
    ]

    /// Why a call breaks its tool's schema; nil for a valid one. Written out by hand, apart from the grammar.
    static func fault(_ call: ToolCall) -> String? {
        guard let json = try? JSONValue(parsing: call.arguments),
            let members = try? JSONSerialization.jsonObject(with: Data(call.arguments.utf8)) as? [String: Any]
        else { return "no object" }
        func text(_ name: String, _ range: ClosedRange<Int>) -> Bool {
            json[name]?.string.map { range.contains($0.unicodeScalars.count) } ?? false
        }
        func known(_ names: Set<String>) -> Bool { members.keys.allSatisfy(names.contains) }
        switch call.name {
        case "keyword_search":
            guard known(["query", "limit", "within"]) else { return "unknown member" }
            guard text("query", 1...80) else { return "query" }
            guard let limit = json["limit"]?.int, (1...50).contains(limit) else { return "limit" }
            return json["within"] == nil || text("within", 0...8) ? nil : "within"
        case "filter":
            guard known(["field", "operator", "value"]) else { return "unknown member" }
            guard ["source", "author", "category", "date"].contains(json["field"]?.string) else { return "field" }
            guard ["equals", "before", "after"].contains(json["operator"]?.string) else { return "operator" }
            return text("value", 1...40) ? nil : "value"
        case "read":
            guard known(["ids", "whole"]) else { return "unknown member" }
            guard let ids = json["ids"]?.array, (1...3).contains(ids.count),
                ids.allSatisfy({ ($0.string?.unicodeScalars.count ?? 99) <= 12 })
            else { return "ids" }
            return json["whole"] == nil || json["whole"]?.bool != nil ? nil : "whole"
        default: return "unknown tool"
        }
    }

    /// Makes calls at temperature 1, several samples of a question at a time.
    static func run(_ model: LocalModel, questions: [String], calls: Int, samples: Int = 10) async throws -> Self {
        var result = Self()
        var round = 0
        while result.calls < calls {
            let options = SamplingOptions(
                temperature: 1, seed: UInt64(round), maxTokens: 100, samples: min(samples, calls - result.calls),
                timeout: 3600)
            let request = ModelRequest(
                messages: [ChatMessage(role: .user, content: questions[round % questions.count])], tools: tools,
                toolChoice: .required, options: options)
            let response = try await model.respond(to: request) { _ in }
            for completion in response.completions {
                result.calls += 1
                result.tokens += completion.tokenIDs.count
                let fault = completion.message.toolCalls.first.map(Self.fault) ?? "no call"
                if let fault {
                    result.faults.append("\(fault): \(completion.message)")
                } else {
                    result.valid += 1
                }
            }
            round += 1
        }
        return result
    }

    /// Times tokens of one sequence with and without the constraint, alternately; each time the least of the rounds.
    mutating func measureOverhead(_ model: LocalModel, rounds: Int = 7, tokens: Int = 96) async throws {
        // A text of letters that only the token limit ends: both ways generate the same number of tokens.
        let letters = OutputConstraint.jsonSchema(["type": "array", "items": ["type": "string"], "minItems": 200])
        let prompt = try model.promptTokens(for: [ChatMessage(role: .user, content: "Write a list of words.")])
        func seconds(_ constraint: OutputConstraint?) async throws -> Double {
            let options = SamplingOptions(temperature: 0, maxTokens: tokens, constraint: constraint, timeout: 3600)
            let start = wallSeconds()
            let completion = try await model.complete(prompt: prompt, options: options)[0]
            // A text that ended early would count the prompt's time instead of its tokens'.
            return completion.tokenIDs.count == tokens ? (wallSeconds() - start) / Double(tokens) : .infinity
        }
        var least = (Double.infinity, Double.infinity)
        for _ in 0..<rounds {
            least.0 = min(least.0, try await seconds(letters))
            least.1 = min(least.1, try await seconds(nil))
        }
        (constrainedToken, freeToken) = least
    }
}
