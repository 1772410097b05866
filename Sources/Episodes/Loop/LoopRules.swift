// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import OrderedCollections
import Text
import Tools

/// The rules of a run that the loop itself needs; a policy file sets them.
public struct LoopRules: Sendable, Hashable {
    /// The purpose of the model calls that make up the conversation.
    public static let actingPurpose = "act"

    /// Whether a gate is asked before each step.
    public var isGated: Bool
    /// After how many steps in a row without a new passage the run closes. Default 2.
    public var barrenSteps: Int
    /// After how many turns in a row that had to be corrected the run closes. Default 3.
    public var corrections: Int
    /// What the session's model costs; recorded with the session, and kept when it is resumed.
    public var prices: ModelPrice
    /// What the model is told when the loop refuses a call.
    public var messages: Messages

    /// The loop's corrective messages.
    public struct Messages: Sendable, Hashable {
        public var repeated = """
            This call was made before with the same arguments; its result is above. Ask something else, or answer.
            """
        public var noCallsLeft = "No tool calls are left. Answer from the results above."
        public var noCalls = "The turn said that it calls a tool, but named none. Call a tool, or answer."

        public init() {}
    }

    public init(
        isGated: Bool = false, barrenSteps: Int = 2, corrections: Int = 3, prices: ModelPrice = ModelPrice(),
        messages: Messages = Messages()
    ) {
        self.isGated = isGated
        self.barrenSteps = barrenSteps
        self.corrections = corrections
        self.prices = prices
        self.messages = messages
    }
}

/// What a model costs, per million tokens.
public struct ModelPrice: Sendable, Hashable {
    public var promptPerMillion: Double
    public var completionPerMillion: Double

    public init(promptPerMillion: Double = 0, completionPerMillion: Double = 0) {
        self.promptPerMillion = promptPerMillion
        self.completionPerMillion = completionPerMillion
    }

    /// The price of so many tokens.
    public func money(prompt: Int, completion: Int) -> Double {
        (Double(prompt) * promptPerMillion + Double(completion) * completionPerMillion) / 1_000_000
    }
}

/// Reads a state's accounts: what may still be spent.
package struct Ledger {
    package var state: AgentState

    package init(state: AgentState) { self.state = state }

    private var prices: ModelPrice { state.header.prices }
    private var budget: Budget { state.budget }
    private var spent: Spending { state.spent }

    /// The closing turn's share of a limit: what was asked for, but at most half of the limit.
    private func reserve(_ wanted: Int, of limit: Int) -> Int { min(wanted, limit / 2) }

    /// The limit that forbids another step; nil when there is room.
    package var reachedLimit: StopReason.Limit? {
        if let limit = budget.steps, spent.steps >= limit { return .steps }
        if let limit = budget.toolCalls, spent.toolCalls >= limit { return .toolCalls }
        if let limit = budget.seconds, spent.seconds >= limit - min(budget.closing.seconds, limit / 2) {
            return .seconds
        }
        if let limit = budget.promptTokens,
            spent.promptTokens >= limit - reserve(budget.closing.promptTokens, of: limit)
        {
            return .promptTokens
        }
        if let limit = budget.completionTokens,
            spent.completionTokens >= limit - reserve(budget.closing.completionTokens, of: limit)
        {
            return .completionTokens
        }
        if let limit = budget.money, spent.money >= limit - closingMoney(of: limit) { return .money }
        return nil
    }

    private func closingMoney(of limit: Double) -> Double {
        min(
            prices.money(prompt: budget.closing.promptTokens, completion: budget.closing.completionTokens),
            limit / 2)
    }

    /// How many completion tokens a call may use, at most `wanted`, or the limit that forbids the call.
    /// - Parameter closing: whether the call belongs to the closing turn, which may use what was kept back.
    package func grant(
        prompt: Int, completion wanted: Int, closing: Bool
    ) -> Result<Int, SessionError> {
        var granted = wanted
        if let limit = budget.promptTokens {
            let usable = limit - (closing ? 0 : reserve(budget.closing.promptTokens, of: limit))
            if spent.promptTokens + prompt > usable { return .failure(.budget(.promptTokens)) }
        }
        if let limit = budget.completionTokens {
            let usable = limit - (closing ? 0 : reserve(budget.closing.completionTokens, of: limit))
            granted = min(granted, usable - spent.completionTokens)
            if granted <= 0 { return .failure(.budget(.completionTokens)) }
        }
        if let limit = budget.money {
            let left = limit - (closing ? 0 : closingMoney(of: limit)) - spent.money
            let rest = left - prices.money(prompt: prompt, completion: 0)
            if rest <= 0 { return .failure(.budget(.money)) }
            if prices.completionPerMillion > 0 {
                granted = min(granted, Int(rest / prices.completionPerMillion * 1_000_000))
                if granted <= 0 { return .failure(.budget(.money)) }
            }
        }
        return .success(granted)
    }

    /// The seconds that a call may take, or nil without a limit.
    package func secondsLeft(closing: Bool) -> Double? {
        budget.seconds.map { limit in
            limit - (closing ? 0 : min(budget.closing.seconds, limit / 2)) - spent.seconds
        }
    }
}

extension AgentState {
    /// A call in one form: the tool and the arguments with their members sorted, so that spelling does not hide a
    /// repetition.
    package static func key(of invocation: ToolInvocation) -> String {
        guard let json = try? JSONValue(parsing: invocation.arguments) else {
            return invocation.tool + "\u{0}" + invocation.arguments
        }
        return invocation.tool + "\u{0}" + json.withSortedMembers.serialized()
    }
}

extension JSONValue {
    /// The value with the members of all its objects in the order of their names.
    var withSortedMembers: JSONValue {
        switch self {
        case .array(let elements): return .array(elements.map(\.withSortedMembers))
        case .object(let members):
            let sorted = members.sorted { $0.key < $1.key }.map { ($0.key, $0.value.withSortedMembers) }
            return .object(JSONObject(uniqueKeysWithValues: sorted))
        default: return self
        }
    }
}
