// SPDX-License-Identifier: Apache-2.0

public import Base
import LanguageModels
import OrderedCollections
import Text

/// What a run may spend. Nil means no limit. Every cost is charged before it is made, and the closing turn's share
/// (`closing`) is kept back, so that a run always ends in an answer from what it has.
public struct Budget: Sendable, Hashable, JSONRepresentable {
    /// Turns of the loop: proposing, choosing, acting. Default 8.
    public var steps: Int?
    /// Calls of tools, one by one also when a turn makes several. Default 24.
    public var toolCalls: Int?
    /// Tokens of prompts, summed over calls.
    public var promptTokens: Int?
    /// Tokens of completions, summed over calls and samples.
    public var completionTokens: Int?
    /// Money, in the currency of the price table.
    public var money: Double?
    /// Seconds since the run started, by the session's clock.
    public var seconds: Double?
    /// What is kept back for the closing turn.
    public var closing: Reserve

    /// The closing turn's share.
    public struct Reserve: Sendable, Hashable {
        /// Tokens of the closing prompt. Default 4,000.
        public var promptTokens: Int
        /// Tokens of the closing answer. Default 512.
        public var completionTokens: Int
        /// Seconds for the closing answer. Default 30.
        public var seconds: Double

        public init(promptTokens: Int = 4000, completionTokens: Int = 512, seconds: Double = 30) {
            self.promptTokens = promptTokens
            self.completionTokens = completionTokens
            self.seconds = seconds
        }
    }

    public init(
        steps: Int? = 8, toolCalls: Int? = 24, promptTokens: Int? = nil, completionTokens: Int? = nil,
        money: Double? = nil, seconds: Double? = nil, closing: Reserve = Reserve()
    ) {
        self.steps = steps
        self.toolCalls = toolCalls
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.money = money
        self.seconds = seconds
        self.closing = closing
    }

    public init(json: JSONValue) throws {
        let closing = json["closing"]
        let standard = Reserve()
        self.init(
            steps: json.count("steps"), toolCalls: json.count("tool_calls"), promptTokens: json.count("prompt_tokens"),
            completionTokens: json.count("completion_tokens"), money: json["money"]?.double,
            seconds: json["seconds"]?.double,
            closing: Reserve(
                promptTokens: closing?.count("prompt_tokens") ?? standard.promptTokens,
                completionTokens: closing?.count("completion_tokens") ?? standard.completionTokens,
                seconds: closing?["seconds"]?.double ?? standard.seconds))
    }

    public var json: JSONValue {
        var members: JSONObject = [:]
        if let steps { members["steps"] = .integer(steps) }
        if let toolCalls { members["tool_calls"] = .integer(toolCalls) }
        if let promptTokens { members["prompt_tokens"] = .integer(promptTokens) }
        if let completionTokens { members["completion_tokens"] = .integer(completionTokens) }
        if let money { members["money"] = .number(money) }
        if let seconds { members["seconds"] = .number(seconds) }
        members["closing"] = [
            "prompt_tokens": .integer(closing.promptTokens), "completion_tokens": .integer(closing.completionTokens),
            "seconds": .number(closing.seconds),
        ]
        return .object(members)
    }
}

extension JSONValue {
    /// A number of things that a file gives: not negative, and of a size that sums of it do not overflow.
    fileprivate func count(_ key: String) -> Int? { self[key]?.int.map { min(max($0, 0), TokenUsage.most) } }
}

/// What a run has spent.
public struct Spending: Sendable, Hashable, JSONRepresentable {
    public var steps: Int
    public var toolCalls: Int
    public var modelCalls: Int
    public var promptTokens: Int
    public var completionTokens: Int
    public var money: Double
    public var seconds: Double
    /// Model calls whose cost the server did not say, or whose end was not seen: their tokens are an estimate.
    public var estimatedCalls = 0

    public init(
        steps: Int = 0, toolCalls: Int = 0, modelCalls: Int = 0, promptTokens: Int = 0, completionTokens: Int = 0,
        money: Double = 0, seconds: Double = 0
    ) {
        self.steps = steps
        self.toolCalls = toolCalls
        self.modelCalls = modelCalls
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.money = money
        self.seconds = seconds
    }

    public init(json: JSONValue) throws {
        self.init(
            steps: json.count("steps") ?? 0, toolCalls: json.count("tool_calls") ?? 0,
            modelCalls: json.count("model_calls") ?? 0, promptTokens: json.count("prompt_tokens") ?? 0,
            completionTokens: json.count("completion_tokens") ?? 0, money: json["money"]?.double ?? 0,
            seconds: json["seconds"]?.double ?? 0)
        estimatedCalls = json.count("estimated_calls") ?? 0
    }

    /// Without the seconds, which differ from run to run.
    public var json: JSONValue {
        var members: JSONObject = [
            "steps": .integer(steps), "tool_calls": .integer(toolCalls), "model_calls": .integer(modelCalls),
            "prompt_tokens": .integer(promptTokens), "completion_tokens": .integer(completionTokens),
            "money": .number(money),
        ]
        if estimatedCalls > 0 { members["estimated_calls"] = .integer(estimatedCalls) }
        return .object(members)
    }
}

/// Why a run ended. Every run ends with one, printed and recorded.
public enum StopReason: Sendable, Hashable, JSONRepresentable {
    /// The policy chose to answer.
    case answered
    /// The policy chose to give up, or nobody had anything left to propose.
    case exhausted
    /// The gate found the answer certain enough.
    case confident
    /// A limit of the budget was reached.
    case budget(Limit)
    /// The same calls, or calls without anything new, kept coming.
    case repeating
    /// The model kept writing turns that cannot be read, or calls that failed.
    case unreadableModel
    /// The model or a proposer failed; the text says how.
    case failed(String)
    /// A person asked to finish.
    case interrupted

    /// The limits of a budget.
    public enum Limit: String, Sendable, Hashable, CaseIterable {
        case steps
        case toolCalls = "tool_calls"
        case promptTokens = "prompt_tokens"
        case completionTokens = "completion_tokens"
        case money, seconds
    }

    /// The reason's name as it stands in events and reports.
    public var name: String {
        switch self {
        case .answered: return "answered"
        case .exhausted: return "exhausted"
        case .confident: return "confident"
        case .budget(let limit): return "budget:\(limit.rawValue)"
        case .repeating: return "repeating"
        case .unreadableModel: return "unreadable_model"
        case .failed: return "failed"
        case .interrupted: return "interrupted"
        }
    }

    /// A sentence for a person.
    public var explanation: String {
        switch self {
        case .answered: return "the policy decided that the evidence answers the question"
        case .exhausted: return "nothing was left to try"
        case .confident: return "the answer was certain enough without more retrieval"
        case .budget(let limit):
            return "the budget of \(limit.rawValue.replacing("_", with: " ")) was used up"
        case .repeating: return "the last calls brought nothing new"
        case .unreadableModel: return "the model kept writing turns that cannot be read, or calls that failed"
        case .failed(let message): return message
        case .interrupted: return "you asked to finish"
        }
    }

    public init(json: JSONValue) throws {
        let name = try json.requiredString("reason")
        switch name {
        case "answered": self = .answered
        case "exhausted": self = .exhausted
        case "confident": self = .confident
        case "repeating": self = .repeating
        case "unreadable_model": self = .unreadableModel
        case "failed": self = .failed(json["message"]?.string ?? "")
        case "interrupted": self = .interrupted
        default:
            guard name.hasPrefix("budget:"), let limit = Limit(rawValue: String(name.dropFirst(7))) else {
                throw JSONError(message: "unknown stop reason \"\(name)\"")
            }
            self = .budget(limit)
        }
    }

    public var json: JSONValue {
        if case .failed(let message) = self { return ["reason": "failed", "message": .string(message)] }
        return ["reason": .string(name)]
    }
}
