// SPDX-License-Identifier: Apache-2.0

public import Agent
public import Base
import Foundation
public import LanguageModels
public import OrderedCollections
import Text
import Tools

/// A session as tokens, for training a language model elsewhere: every message with its exact token ids, and a mask that
/// tells what the model wrote from what it was shown.
///
/// The ids of the nodes from the root to a leaf, one after the other, are what the model saw. Where the session's own model
/// ran in this process its recorded ids are taken as they are. Else the conversation is made from the events (the policy's
/// calls as the model's turns, the results as tool messages, the answer as the last turn) and tokenized with the model's
/// template and tokenizer, so that sessions of policies without a model become demonstrations.
public struct TokenTrajectory: Sendable {
    /// One message.
    public struct Node: Sendable, Hashable {
        /// The message before it; nil where a conversation begins.
        public var parent: Int?
        public var message: ChatMessage
        /// Whether the model wrote it.
        public var isSampled: Bool
        /// When it came, in seconds since the session started.
        public var time: Double
        public var tokenIDs: [Int]
        /// 1 for each token that the model wrote, its end of turn among them; 0 for prompts, tool text and the template's frame.
        public var mask: [Int]
        /// 1 for each token that belongs to the message's text, 0 for the template's frame around it.
        public var isContent: [Int]
        /// The log-probability of each token that the model wrote, where they were recorded; else empty.
        public var logProbabilities: [Double]
    }

    /// What the session was asked, and with what it ran.
    public let header: SessionHeader
    /// The messages.
    public private(set) var nodes: [Node] = []
    /// Whether the ids are those that a model recorded.
    public private(set) var isRecorded = false
    /// Identifies the model whose tokens these are.
    public let model: String
    /// What the session earned, by the name of the measure.
    public var rewards: OrderedDictionary<String, Double> = [:]

    /// Makes the tokens of a session.
    ///
    /// - Parameters:
    ///   - events: The session's events, from its start.
    ///   - model: Whose template and tokenizer are used.
    /// - Throws: `TrajectoryError` where the events do not begin a session or the template rewrites earlier messages;
    ///   `ChatTemplateError`.
    public init(events: [SessionEvent], model: LocalModel) throws {
        guard let first = events.first, case .started(let header) = first.kind else {
            throw TrajectoryError(reason: "the first event must be \"started\"")
        }
        self.header = header
        self.model = model.fingerprint
        if header.model.value == model.fingerprint { try takeRecorded(events, model) }
        if nodes.isEmpty { try takeConversation(events, model) }
    }

    /// The chains of messages: every path from where a conversation begins to its end.
    public var chains: [[Node]] {
        let inner = Set(nodes.compactMap(\.parent))
        return nodes.indices.filter { !inner.contains($0) }.map { leaf in
            var chain: [Node] = []
            var next: Int? = leaf
            while let place = next {
                chain.append(nodes[place])
                next = nodes[place].parent
            }
            return chain.reversed()
        }
    }

    // MARK: Recorded tokens

    /// Takes the ids that the session's own model recorded: a prompt that begins with all that was there before goes on with
    /// that conversation, another begins anew.
    private mutating func takeRecorded(_ events: [SessionEvent], _ model: LocalModel) throws {
        var purposes: [String: String] = [:]
        var tokens: [Int] = []
        var leaf: Int?
        for event in events {
            switch event.kind {
            case .modelCalled(let record): purposes[record.id] = record.purpose
            case .modelReturned(let id, let response):
                guard [LoopRules.actingPurpose, "answer"].contains(purposes[id] ?? ""),
                    let completion = response.completions.first, !completion.promptTokenIDs.isEmpty,
                    !completion.tokenIDs.isEmpty
                else { continue }
                let goesOn = leaf != nil && completion.promptTokenIDs.starts(with: tokens)
                let shown =
                    goesOn ? Array(completion.promptTokenIDs.dropFirst(tokens.count)) : completion.promptTokenIDs
                let role: ChatMessage.Role = goesOn && nodes.last?.message.toolCalls.isEmpty == false ? .tool : .user
                let prompt = ChatMessage(
                    role: role, content: model.tokenizer.decode(shown, showingSpecials: true),
                    toolCallID: role == .tool ? nodes.last?.message.toolCalls.last?.id : nil)
                let zeros = [Int](repeating: 0, count: shown.count)
                nodes.append(
                    Node(
                        parent: goesOn ? leaf : nil, message: prompt, isSampled: false, time: event.time,
                        tokenIDs: shown,
                        mask: zeros, isContent: shown.map { model.tokenizer.isControl($0) ? 0 : 1 },
                        logProbabilities: []))
                let written = completion.tokenIDs
                nodes.append(
                    Node(
                        parent: nodes.count - 1, message: completion.message, isSampled: true, time: event.time,
                        tokenIDs: written, mask: [Int](repeating: 1, count: written.count),
                        isContent: written.map { model.tokenizer.isControl($0) ? 0 : 1 },
                        logProbabilities: completion.tokens.count == written.count
                            ? completion.tokens.map(\.logProbability) : []))
                leaf = nodes.count - 1
                tokens = completion.promptTokenIDs + written
            default: break
            }
        }
        isRecorded = !nodes.isEmpty
    }

    // MARK: Conversations made from events

    private mutating func takeConversation(_ events: [SessionEvent], _ model: LocalModel) throws {
        let messages = Self.conversation(events, header, nativeTools: model.capabilities.toolCalls)
        let tokenizer = model.tokenizer
        var tokens: [Int] = []
        for (place, (message, time)) in messages.enumerated() {
            let before = messages[..<place].map(\.message)
            let closed = try model.promptTokens(for: before + [message], opening: false)
            guard closed.starts(with: tokens) else {
                throw TrajectoryError(reason: "the model's template rewrites earlier messages: message \(place + 1)")
            }
            let own = Array(closed.dropFirst(tokens.count))
            var mask = [Int](repeating: 0, count: own.count)
            if message.role == .assistant {
                let opened = try model.promptTokens(for: before, opening: true)
                guard closed.starts(with: opened) else {
                    throw TrajectoryError(reason: "the model's template opens a turn in another way than it writes one")
                }
                let start = opened.count - tokens.count
                let end = own[start...].firstIndex(where: model.endsTurn) ?? own.count - 1
                for token in start..<min(own.count, end + 1) { mask[token] = 1 }
            }
            nodes.append(
                Node(
                    parent: place > 0 ? place - 1 : nil, message: message, isSampled: message.role == .assistant,
                    time: time,
                    tokenIDs: own, mask: mask, isContent: Self.content(of: own, message.content, tokenizer),
                    logProbabilities: []))
            tokens = closed
        }
    }

    /// Which tokens lie within a message's text: those that hold a byte of its last occurrence.
    private static func content(of tokens: [Int], _ text: String, _ tokenizer: SubwordTokenizer) -> [Int] {
        let wanted = Array(text.utf8)
        let pieces = tokens.map { tokenizer.decodeBytes([$0], showingSpecials: true) }
        let all = pieces.flatMap { $0 }
        guard !wanted.isEmpty, wanted.count <= all.count,
            let start = (0...(all.count - wanted.count)).last(where: { all[$0...].starts(with: wanted) })
        else { return [Int](repeating: 0, count: tokens.count) }
        var offset = 0
        return pieces.map { piece in
            defer { offset += piece.count }
            return offset < start + wanted.count && offset + piece.count > start ? 1 : 0
        }
    }

    /// The conversation that a session would have been, had a model driven it.
    ///
    /// - Parameter nativeTools: Whether the template has a place for calls and results; else they are written as text.
    private static func conversation(
        _ events: [SessionEvent], _ header: SessionHeader, nativeTools: Bool
    ) -> [(message: ChatMessage, time: Double)] {
        var messages: [(message: ChatMessage, time: Double)] = [
            (
                ChatMessage(role: .system, content: ModelProposer.standardInstructions + "\n\n" + Fence.note), 0
            ),
            (ChatMessage(role: .user, content: header.question.text), 0),
        ]
        var calls: [ToolCallRecord] = []
        var results: [String: (text: String, time: Double)] = [:]
        /// Writes down the calls of a step once all their results are there.
        func settle() {
            guard !calls.isEmpty, calls.allSatisfy({ results[$0.id] != nil }) else { return }
            let time = calls.compactMap { results[$0.id]?.time }.min() ?? 0
            if nativeTools {
                let wanted = calls.map {
                    ToolCall(id: $0.id, name: $0.invocation.tool, arguments: $0.invocation.arguments)
                }
                messages.append((ChatMessage(role: .assistant, content: "", toolCalls: wanted), time))
            } else {
                let text = calls.map { call in
                    let name = JSONValue.string(call.invocation.tool).serialized()
                    return "<tool_call>{\"name\": \(name), \"arguments\": \(call.invocation.arguments)}</tool_call>"
                }
                messages.append((ChatMessage(role: .assistant, content: text.joined(separator: "\n")), time))
            }
            for call in calls {
                let result = results[call.id]
                let text = result?.text ?? ""
                messages.append(
                    (
                        nativeTools
                            ? ChatMessage(role: .tool, content: text, toolCallID: call.id)
                            : ChatMessage(role: .user, content: "<tool_response>\n\(text)\n</tool_response>"),
                        result?.time ?? time
                    ))
            }
            calls = []
        }
        for event in events {
            switch event.kind {
            case .toolCalled(let record): calls.append(record)
            case .toolReturned(let id, let output):
                guard let record = calls.first(where: { $0.id == id }) else { continue }
                let fence = header.fence(id)
                let text =
                    output.isError
                    ? Fence.neutralised(output.text) : fence.wrap(output.text, source: record.invocation.tool)
                results[id] = (text, event.time)
                settle()
            case .corrected(_, let message):
                messages.append((ChatMessage(role: .user, content: message), event.time))
            case .answered(let answer):
                let cited = answer.citations.prefix(3).map { "[\($0.passageID)]" }.joined(separator: " ")
                var text = answer.text
                if !cited.isEmpty, !text.contains("[") { text += " " + cited }
                text += "\nAnswer: " + answer.prediction
                messages.append((ChatMessage(role: .assistant, content: text), event.time))
            default: break
            }
        }
        return messages
    }

    // MARK: JSON

    /// One line of a traces file: task, nodes, rewards.
    public var json: JSONValue {
        let data: JSONObject = [
            "id": .string(header.question.id), "policy": .string(header.policy.name),
            "question": .string(header.question.text), "seed": .string(String(header.seed, radix: 16)),
        ]
        let row = JSONValue.object(data).serialized()
        var members: JSONObject = [
            "task": [
                "type": "forage", "data": .object(data), "key": .string(header.question.id),
                "hash": .string(SHA256.hex(row)),
            ],
            "nodes": .array(nodes.map(\.json)),
        ]
        members["rewards"] = .object(
            JSONObject(
                uniqueKeysWithValues: rewards.map {
                    ($0.key, ["score": .number($0.value), "weight": .number($0.key == "f1" ? 1 : 0)])
                }))
        members["model"] = .string(model)
        members["recorded"] = .bool(isRecorded)
        return .object(members)
    }
}

extension TokenTrajectory.Node {
    /// The node as traces hold it.
    var json: JSONValue {
        var message: JSONObject = [
            "role": .string(message.role.rawValue), "content": .string(message.content),
        ]
        if !self.message.toolCalls.isEmpty {
            message["tool_calls"] = .array(
                self.message.toolCalls.map {
                    [
                        "id": .string($0.id), "type": "function",
                        "function": ["name": .string($0.name), "arguments": .string($0.arguments)],
                    ]
                })
        }
        if let id = self.message.toolCallID { message["tool_call_id"] = .string(id) }
        return [
            "parent": parent.map { .integer($0) } ?? .null, "message": .object(message), "sampled": .bool(isSampled),
            "timestamp": .number(time), "token_ids": .array(tokenIDs.map { .integer($0) }),
            "mask": .array(mask.map { .integer($0) }), "is_content": .array(isContent.map { .integer($0) }),
            "logprobs": .array(logProbabilities.map { .number($0) }),
        ]
    }
}

/// Why a session cannot become tokens.
public struct TrajectoryError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What is in the way.
    public var reason: String

    public var description: String { reason }
}
