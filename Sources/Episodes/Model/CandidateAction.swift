// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

/// A concrete thing that the agent can do now.
public struct CandidateAction: Sendable, Hashable, JSONRepresentable {
    /// What is done when a policy chooses the candidate.
    public enum Kind: Sendable, Hashable {
        /// Calls tools; several calls of one candidate run concurrently and count one by one.
        case call([ToolInvocation])
        /// Keeps these passages of what has been retrieved, by id, best first.
        case keep([String])
        /// Answers from the evidence; `text` is the answer that is there already, nil to have one written, and `label`
        /// says who made it.
        case answer(text: String?, label: Answer.Label = .model)
        /// Tells the model what was wrong with its turn.
        case correct(message: String)
        /// Ends the run: what was found so far is all there is.
        case giveUp
    }

    public var kind: Kind
    /// The name of the proposer.
    public var proposer: String
    /// Why the proposer thinks that this is worth doing, in a few words for a person.
    public var reason: String
    /// How promising the proposer thinks it is, comparable among candidates of one proposer; 0 when it cannot say.
    public var score: Double
    /// Numbers that a learned policy reads; their meaning is the proposer's.
    public var features: [Float]

    public init(
        _ kind: Kind, proposer: String, reason: String = "", score: Double = 0, features: [Float] = []
    ) {
        self.kind = kind
        self.proposer = proposer
        self.reason = reason
        self.score = score
        self.features = features
    }

    /// One call of a tool.
    public static func call(
        _ tool: String, _ arguments: JSONValue, proposer: String, reason: String = "", score: Double = 0,
        features: [Float] = []
    ) -> CandidateAction {
        CandidateAction(
            .call([ToolInvocation(tool: tool, arguments: arguments.serialized())]), proposer: proposer, reason: reason,
            score: score, features: features)
    }

    public init(json: JSONValue) throws {
        let kind: Kind
        switch try json.requiredString("action") {
        case "call": kind = .call(try json.requiredArray("calls").map(ToolInvocation.init(json:)))
        case "keep": kind = .keep(try json.requiredArray("passages").compactMap(\.string))
        case "answer":
            kind = .answer(
                text: json["text"]?.string, label: json["label"]?.string.flatMap(Answer.Label.init) ?? .model)
        case "correct": kind = .correct(message: try json.requiredString("message"))
        case "give_up": kind = .giveUp
        case let other:
            throw JSONError(message: "\"action\" is \"\(other)\"; expected call, keep, answer, correct or give_up")
        }
        self.init(
            kind, proposer: try json.requiredString("proposer"), reason: json["reason"]?.string ?? "",
            score: json["score"]?.double ?? 0,
            features: (json["features"]?.array ?? []).compactMap { $0.double.map(Float.init) })
    }

    public var json: JSONValue {
        var members: JSONObject = [:]
        switch kind {
        case .call(let calls):
            members["action"] = "call"
            members["calls"] = .array(calls.map(\.json))
        case .keep(let passages):
            members["action"] = "keep"
            members["passages"] = .array(passages.map(JSONValue.string))
        case .answer(let text, let label):
            members["action"] = "answer"
            if let text { members["text"] = .string(text) }
            if label != .model { members["label"] = .string(label.rawValue) }
        case .correct(let message):
            members["action"] = "correct"
            members["message"] = .string(message)
        case .giveUp: members["action"] = "give_up"
        }
        members["proposer"] = .string(proposer)
        if !reason.isEmpty { members["reason"] = .string(reason) }
        if score != 0 { members["score"] = .number(score) }
        if !features.isEmpty { members["features"] = .array(features.map { .number(Double($0)) }) }
        return .object(members)
    }
}

/// A call of a tool as somebody wants it: the arguments are text, because a model's may not be valid JSON.
public struct ToolInvocation: Sendable, Hashable, JSONRepresentable {
    /// The model's id of the call; empty when no model asked.
    public var callID: String
    /// The tool's name.
    public var tool: String
    /// The arguments as JSON text.
    public var arguments: String

    public init(tool: String, arguments: String, callID: String = "") {
        self.tool = tool
        self.arguments = arguments
        self.callID = callID
    }

    public init(json: JSONValue) throws {
        self.init(
            tool: try json.requiredString("tool"), arguments: try json.requiredString("arguments"),
            callID: json["call"]?.string ?? "")
    }

    public var json: JSONValue {
        var members: JSONObject = ["tool": .string(tool), "arguments": .string(arguments)]
        if !callID.isEmpty { members["call"] = .string(callID) }
        return .object(members)
    }
}
