// SPDX-License-Identifier: Apache-2.0

public import Base
public import OrderedCollections
import Text

/// What happened in a session, read from the JSON form of its events: what expectations look at.
public struct ScenarioTrace: Sendable {
    /// One call of a tool.
    public struct Call: Sendable, Hashable {
        public var id: String
        public var tool: String
        /// The arguments as the model or a proposer wrote them; text that is no JSON stays a string.
        public var arguments: JSONValue
        public var failed: Bool
        /// What the tool said.
        public var output: String
    }

    /// The events, without times.
    public var events: [JSONValue]
    public var calls: [Call]
    /// The ids of the passages that tools showed, first seen first.
    public var retrieved: [String]
    /// The ids kept at the end, in the order in which they were kept.
    public var kept: [String]
    /// The ids that a safety rule kept away.
    public var suspicious: [String]
    public var cited: [String]
    /// What answer metrics compare: the short form, or the text.
    public var answer: String
    public var fullAnswer: String
    public var label: String
    public var confidence: Double?
    /// The reason's name, such as `answered` or `budget:tool_calls`.
    public var stop: String
    public var corrections: [String]
    /// Spent, by name: steps, tool_calls, model_calls, prompt_tokens, completion_tokens, money.
    public var spent: OrderedDictionary<String, Double>
    /// Every text that a model was shown, in order.
    public var prompts: [String]

    /// Reads events.
    public init(events: [JSONValue], prompts: [String] = []) {
        self.events = events
        self.prompts = prompts
        calls = []
        retrieved = []
        kept = []
        suspicious = []
        cited = []
        answer = ""
        fullAnswer = ""
        label = ""
        stop = ""
        corrections = []
        spent = [:]
        for event in events { take(event) }
    }

    private mutating func take(_ event: JSONValue) {
        switch event["event"]?.string {
        case "tool_called":
            let written = event["invocation"]?["arguments"]?.string ?? ""
            calls.append(
                Call(
                    id: event["id"]?.string ?? "", tool: event["invocation"]?["tool"]?.string ?? "",
                    arguments: (try? JSONValue(parsing: written)) ?? .string(written), failed: false, output: ""))
        case "tool_returned":
            guard let index = calls.firstIndex(where: { $0.id == event["id"]?.string }) else { return }
            calls[index].failed = event["output"]?["error"]?.bool ?? false
            calls[index].output = event["output"]?["text"]?.string ?? ""
            for passage in event["output"]?["passages"]?.array ?? [] {
                if let id = passage["id"]?.string, !retrieved.contains(id) { retrieved.append(id) }
            }
        case "kept":
            for id in event["dropped"]?.array ?? [] { kept.removeAll { $0 == id.string } }
            for item in event["kept"]?.array ?? [] {
                if let id = item["passage"]?.string, !kept.contains(id) { kept.append(id) }
            }
            for id in event["suspicious"]?.object?.keys ?? [] where !suspicious.contains(id) { suspicious.append(id) }
        case "corrected": corrections.append(event["message"]?.string ?? "")
        case "answered":
            let value = event["answer"]
            fullAnswer = value?["text"]?.string ?? ""
            answer = value?["short"]?.string ?? fullAnswer
            label = value?["label"]?.string ?? ""
            confidence = value?["confidence"]?.double
            cited = (value?["citations"]?.array ?? []).compactMap { $0["passage"]?.string }
        case "finished":
            stop = event["stop"]?["reason"]?.string ?? ""
            for (name, value) in event["spent"]?.object ?? [:] { spent[name] = value.double }
        default: break
        }
    }
}
