// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// How a server departs from the protocol: what it does not take, and under which name it takes it. A departure is learned
/// from the refusal of a request and holds for the rest of the run.
package struct ServerProfile: Sendable, Hashable {
    /// How the model is told of tools.
    package enum ToolForm: String, Sendable, Hashable {
        /// Through the interface for tools.
        case native
        /// In the system prompt; calls are read from the text.
        case text
    }

    /// How a JSON Schema for the output is asked for.
    package enum SchemaForm: String, Sendable, Hashable {
        case schema, object, instruction
    }

    /// Who says what the system says.
    package enum SystemRole: String, Sendable, Hashable {
        case system, developer, user
    }

    /// Members of the request that the server refuses.
    package var dropped: Set<String> = []
    /// The member that limits a completion's tokens; nil for none.
    package var limitName: String? = "max_tokens"
    /// The most tokens of a completion that the server takes; nil when it has not said.
    package var completionLimit: Int?
    /// The least temperature that the server takes.
    package var leastTemperature = 0.0
    package var streams = true
    package var tools = ToolForm.native
    /// Values of `tool_choice` that the server takes: nil for all, `auto` only, or none at all (an empty text).
    package var onlyToolChoice: String?
    package var schemas = SchemaForm.schema
    package var systemRole = SystemRole.system
    /// Whether a template wants the roles to take turns.
    package var alternates = false
    /// Whether several samples of a request must be asked for one by one.
    package var samplesApart = false
    /// Whether an assistant's turn needs a text beside its calls.
    package var contentIsNeverNull = false
    /// Whether even a text of nothing is refused.
    package var contentIsNeverBlank = false
    /// Whether the assistant must have spoken between a tool's result and the user.
    package var answersTools = false
    /// Whether the server wants tool results with the tool's name.
    package var namesToolResults = false
    /// Whether ids of calls must be nine letters and digits.
    package var shortIDs = false
    /// Under which name the server gives and wants back a turn's reasoning; nil for not at all.
    package var reasoningName: String?
    /// Keywords of JSON Schema that the server does not know.
    package var droppedKeywords: Set<String> = []
    /// The longest conversation in tokens, as the server has said.
    package var contextLength: Int?
    /// How many tokens the server counted for each of our estimate's, when it has said.
    package var tokensPerEstimate: Double?
    /// What was learned, in the order in which it was, one sentence each.
    package private(set) var departures: [String] = []

    package init() {}

    package mutating func note(_ departure: String) {
        if !departures.contains(departure) { departures.append(departure) }
    }

    // MARK: Learning

    /// Learns from a refusal what the server does not take.
    /// - Parameter body: the request that was refused.
    /// - Returns: what was learned, nil when the refusal says nothing that another request could heed.
    mutating func learn(from refusal: ServerRefusal, of body: JSONObject) -> String? {
        guard refusal.mayConcernForm else { return nil }
        let before = departures.count
        let known = self
        let isLearned =
            learnTools(refusal, body) || learnMessages(refusal, body) || learnSampling(refusal, body)
            || learnParameters(refusal, body) || learnRoles(refusal, body)
        guard isLearned, self != known, departures.count > before, let departure = departures.last else {
            self = known
            return nil
        }
        return departure
    }

    private mutating func learnTools(_ refusal: ServerRefusal, _ body: JSONObject) -> Bool {
        guard body["tools"] != nil else { return false }
        let speaksOfChoice = refusal.names("tool_choice") || refusal.says("tool choice", "tool_choice", "toolchoice")
        let refusesAll =
            refusal.says("tool")
            && refusal.says(
                "parser", "--jinja", "enable-auto-tool", "does not support tool",
                "not support tool", "no support for tool", "tools are not supported", "tool use is not supported",
                "tool calling is not supported", "function calling is not", "tools is not supported",
                "support tool use", "tool calls are not supported", "not support function")
        // Where the choice has been left out already, what else is named is meant.
        if !refusesAll, speaksOfChoice, body["tool_choice"] != nil || !refusal.names("tools") {
            if onlyToolChoice == nil, body["tool_choice"] != nil, body["tool_choice"] != "auto" {
                onlyToolChoice = "auto"
                note("takes only \"auto\" for tool_choice")
            } else if body["tool_choice"] != nil {
                onlyToolChoice = ""
                note("takes no tool_choice")
            } else {
                return false
            }
            return true
        }
        if refusal.says("schema", "parameters", "function_declarations", "function declarations", "tools[") {
            let used = Self.schemaKeywords(of: body).filter { refusal.names($0) || refusal.quotes($0) }
            let droppable = used.subtracting(["type", "properties", "description", "items"])
            if !droppable.isEmpty {
                droppedKeywords.formUnion(droppable)
                note("does not know \(droppable.sorted().joined(separator: ", ")) in a tool's schema")
                return true
            }
        }
        if refusesAll || refusal.names("tools") || refusal.names("functions") {
            tools = .text
            note("takes no tools; the model is told of them in the prompt")
            return true
        }
        return false
    }

    /// The members of the tools' schemas.
    private static func schemaKeywords(of body: JSONObject) -> Set<String> {
        (body["tools"]?.array ?? []).reduce(into: []) { known, tool in
            known.formUnion(keywords(in: tool["function"]?["parameters"] ?? .null))
        }
    }

    private static func keywords(in schema: JSONValue) -> Set<String> {
        switch schema {
        case .object(let members):
            return members.reduce(into: Set(members.keys)) { $0.formUnion(keywords(in: $1.value)) }
        case .array(let elements): return elements.reduce(into: []) { $0.formUnion(keywords(in: $1)) }
        default: return []
        }
    }

    private mutating func learnMessages(_ refusal: ServerRefusal, _ body: JSONObject) -> Bool {
        if refusal.says("reasoning_content", "reasoning content") {
            if refusal.says("missing", "must be", "required", "expected", "pass"), reasoningName != "reasoning_content"
            {
                reasoningName = "reasoning_content"
                dropped.remove("reasoning_content")
                note("wants a turn's reasoning back")
                return true
            }
            if !dropped.contains("reasoning_content"), reasoningName != nil {
                reasoningName = nil
                dropped.insert("reasoning_content")
                note("does not take a turn's reasoning back")
                return true
            }
        }
        if let name = reasoningName, refusal.quotes(name) || refusal.says("'messages.", "property '" + name),
            refusal.saysUnknownParameter || refusal.says("unsupported", "not supported")
        {
            reasoningName = nil
            dropped.insert("reasoning_content")
            note("does not take a turn's reasoning back")
            return true
        }
        if refusal.says("after role 'tool'", "after role \\\"tool\\\"", "after role tool", "after tool message"),
            !answersTools
        {
            answersTools = true
            note("wants the assistant to speak between a tool and the user")
            return true
        }
        if refusal.says("alternat"), !alternates {
            alternates = true
            note("wants the roles to take turns")
            return true
        }
        if refusal.says("role"), refusal.says("system") || refusal.parameter.contains("role"),
            refusal.says("not support", "unsupported", "not allowed", "invalid", "unknown", "must be", "only"),
            systemRole != .user, !alternates
        {
            // What names the other role as the right one; not what refuses both.
            let takesDeveloper = refusal.says("developer") && !refusal.says("developer instruction")
            return learnSystemRole(systemRole == .system && takesDeveloper ? .developer : .user)
        }
        if refusal.says("tool call id", "tool_call_id", "tool_calls[0].id", "toolcallid"), refusal.says("9", "nine"),
            !shortIDs
        {
            shortIDs = true
            note("takes only ids of nine letters and digits")
            return true
        }
        if refusal.says("content"),
            refusal.says(
                "none is not", "null", "nil", "must be a string", "expected a string",
                "required", "none type", "nonetype"), !contentIsNeverNull, Self.hasNullContent(body)
        {
            contentIsNeverNull = true
            note("takes no message without a text")
            return true
        }
        if refusal.says("content", "text"),
            refusal.says("non-empty", "nonempty", "blank", "must not be empty", "cannot be empty", "can't be empty"),
            !contentIsNeverBlank, Self.hasBlankContent(body)
        {
            contentIsNeverBlank = true
            note("takes no message with an empty text")
            return true
        }
        if refusal.says("name"),
            refusal.says(
                "function_response", "function response", "tool message", "role 'tool'",
                "role \"tool\"", "tool result"), refusal.says("missing", "required", "empty", "must"), !namesToolResults
        {
            namesToolResults = true
            note("wants the tool's name with its result")
            return true
        }
        return false
    }

    private mutating func learnSystemRole(_ role: SystemRole) -> Bool {
        systemRole = role
        note("takes no system role; the \(role.rawValue) says it")
        return true
    }

    /// What is left when nothing else was meant: a refusal that speaks of who speaks, in whatever words, of a conversation in
    /// which the system does, or a tool.
    private mutating func learnRoles(_ refusal: ServerRefusal, _ body: JSONObject) -> Bool {
        let roles = Set((body["messages"]?.array ?? []).compactMap { $0["role"]?.string })
        if refusal.says("system", "developer", "role", "alternat"), systemRole != .user,
            roles.contains("system") || roles.contains("developer")
        {
            return learnSystemRole(.user)
        }
        if refusal.says("role"), roles.contains("tool"), body["tools"] != nil, tools == .native {
            tools = .text
            note("takes no turn of a tool; the model is told of tools in the prompt")
            return true
        }
        return false
    }

    private static func hasNullContent(_ body: JSONObject) -> Bool {
        body["messages"]?.array?.contains { $0["content"]?.isNull ?? true } ?? false
    }

    private static func hasBlankContent(_ body: JSONObject) -> Bool {
        body["messages"]?.array?.contains { ($0["content"]?.string ?? "").allSatisfy(\.isWhitespace) } ?? false
    }

    private mutating func learnSampling(_ refusal: ServerRefusal, _ body: JSONObject) -> Bool {
        if let name = limitName, let sent = body[name]?.int,
            refusal.names(name) || refusal.names("max_tokens") || refusal.names("max_completion_tokens")
        {
            let rival = name == "max_tokens" ? "max_completion_tokens" : "max_tokens"
            let isRefused =
                refusal.says(
                    "unsupported", "not supported", "unknown", "unrecognized", "unexpected", "not permitted",
                    "extra", "invalid parameter", "not allowed", "deprecated")
                || refusal.says("use '\(rival)'", "use \(rival)", "use \"\(rival)\"")
            // A number that is too large is lowered, not left out.
            let smaller = refusal.numbers.filter { $0 > 0 && $0 < sent }
            if !isRefused, let most = smaller.max(),
                refusal.says(
                    "large", "exceed", "at most", "less than", "maximum", "<=", "greater", "range",
                    "between")
            {
                completionLimit = most
                note("gives at most \(most) tokens of a completion")
                return true
            }
            if refusal.names(name) || isRefused {
                limitName = dropped.contains(rival) ? nil : rival
                dropped.insert(name)
                note(limitName.map { "calls \(name) \($0)" } ?? "takes no limit of tokens")
                return true
            }
        }
        if body["temperature"] != nil, refusal.names("temperature") {
            if body["temperature"]?.double == 0, leastTemperature == 0,
                refusal.says(
                    "positive", "greater than 0", "> 0", "above 0", "larger than 0", "strictly", "0 exclusive", "(0")
            {
                leastTemperature = 0.01
                note("takes no temperature of 0")
                return true
            }
        }
        if body["n"] != nil,
            refusal.names("n") || refusal.says("completion choice", "n > 1", "n must be", "best_of", "'n'"),
            !samplesApart
        {
            samplesApart = true
            note("gives one sample a request")
            return true
        }
        if body["response_format"] != nil,
            refusal.names("response_format") || refusal.says("json_schema", "response format", "structured output"),
            schemas != .instruction
        {
            schemas = schemas == .schema ? .object : .instruction
            note(schemas == .object ? "takes no JSON Schema for the output" : "takes no form for the output")
            return true
        }
        if body["stream"] == true, streams,
            refusal.names("stream")
                || refusal.says("streaming is not", "streaming not", "does not support stream", "not support stream"),
            !refusal.names("stream_options")
        {
            streams = false
            note("does not stream")
            return true
        }
        return false
    }

    /// What may be left out of a request, in the order in which it is given up.
    private static let optional = [
        "stream_options", "seed", "top_logprobs", "logprobs", "min_p", "top_k", "repetition_penalty", "top_p",
        "temperature",
        "parallel_tool_calls", "tool_choice", "stop",
    ]

    private mutating func learnParameters(_ refusal: ServerRefusal, _ body: JSONObject) -> Bool {
        var refused = Self.optional.filter { body[$0] != nil && refusal.names($0) }
        if refused.contains("logprobs"), body["top_logprobs"] != nil, !refused.contains("top_logprobs") {
            refused.append("top_logprobs")
        }
        if refused.isEmpty, refusal.saysUnknownParameter {
            // It says that something is unknown, but not what: all that every server need not know.
            refused = Self.optional.prefix(7).filter { body[$0] != nil }
        }
        guard !refused.isEmpty else { return false }
        dropped.formUnion(refused)
        note("takes no \(refused.joined(separator: ", "))")
        return true
    }
}
