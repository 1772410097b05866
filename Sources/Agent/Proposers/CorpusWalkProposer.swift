// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
public import LanguageModels
public import Search
import Text
public import Tools

/// Searches without a retriever (FREESON, arXiv 2505.16409): the model writes what would answer, held word by word to
/// strings that the corpus has, inside a tree search; a path through the tree is a piece of some passage. The best paths are
/// then looked up with `find_text`.
///
/// A node is some tokens more of a path; a child is chosen by UCT, Q + λ·√(ln ΣN / (1 + N)). The paper's value head is
/// trained; here the model is asked whether the path holds the answer, and its probability of "yes" is the value. Needs a
/// model that can be held to a text: one in this process. Without one it proposes nothing, and says so in a note.
public struct CorpusWalkProposer: ActionProposer {
    public var name: String { "walk" }
    public var tools: [any RetrievalTool] { [FindTextTool()] }
    /// How often the tree is walked (the paper: 32). Default 8.
    public var simulations: Int
    /// How many children a node gets. Default 2, as in the paper.
    public var width: Int
    /// The tokens of a node (the paper: 6). Default 8: a node ends where a word does.
    public var tokens: Int
    /// The most nodes of a path (the paper: 16). Default 6.
    public var depth: Int
    /// The weight of exploration, λ. Default 0.5.
    public var exploration: Double
    /// How many of the best paths are looked up. Default 3.
    public var lines: Int
    /// The sampling temperature. Default 0.7.
    public var temperature: Double

    public init(
        simulations: Int = 8, width: Int = 2, tokens: Int = 8, depth: Int = 6, exploration: Double = 0.5,
        lines: Int = 3, temperature: Double = 0.7
    ) {
        self.simulations = simulations
        self.width = width
        self.tokens = tokens
        self.depth = depth
        self.exploration = exploration
        self.lines = lines
        self.temperature = temperature
    }

    private struct Node {
        var path: String
        var parent: Int?
        var depth: Int
        var children: [Int] = []
        var isClosed = false
        var visits = 0
        var total = 0.0
        var value = 0.0
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let known = state.notes.filter { $0.kind == "walk" }
        guard known.isEmpty else {
            return propose(known.filter { $0.key != "" }.map(\.text), state, context, notes: [])
        }
        func nothing(_ reason: String) -> Proposal { Proposal([], notes: [Note(kind: "walk", key: "", text: reason)]) }
        guard context.hasModel, context.modelCapabilities?.constraints == true else {
            return nothing("no walk through the corpus: no model that can be held to its text")
        }
        let index: SubstringIndex
        do {
            index = try await SubstringIndexes.shared.index(of: context.corpus, foldsCase: false)
        } catch let error as SearchIndexError {
            return nothing("no walk through the corpus: \(error)")
        }
        let paths = try await walk(state.question.text, index, context)
        guard !paths.isEmpty else { return nothing("no path through the corpus's text was found") }
        return propose(
            paths, state, context,
            notes: paths.enumerated().map { Note(kind: "walk", key: String($0 + 1), text: $1) })
    }

    private func propose(_ paths: [String], _ state: AgentState, _ context: StepContext, notes: [Note]) -> Proposal {
        let calls = paths.compactMap { path -> ToolInvocation? in
            let arguments: JSONValue = ["text": .string(path), "limit": 3]
            let call = ToolInvocation(tool: FindTextTool.name, arguments: arguments.serialized())
            return context.tools[call.tool] == nil || state.hasCalled(call) ? nil : call
        }
        guard !calls.isEmpty else { return Proposal([], notes: notes) }
        return Proposal(
            [
                CandidateAction(
                    .call(calls), proposer: name, reason: "the best paths: " + paths.joined(separator: " | "), score: 1)
            ], notes: notes)
    }

    private func walk(_ question: String, _ index: SubstringIndex, _ context: StepContext) async throws -> [String] {
        var random = context.random
        var nodes = [Node(path: "", parent: nil, depth: 0)]
        for _ in 0..<simulations {
            try Task.checkCancellation()
            var current = 0
            while !nodes[current].children.isEmpty {
                let all = nodes[current].children.reduce(0) { $0 + nodes[$1].visits }
                current =
                    nodes[current].children.max { bound(nodes[$0], all) < bound(nodes[$1], all) } ?? current
            }
            var reached = [current]
            if !nodes[current].isClosed, nodes[current].depth < depth {
                let paths = try await continuations(
                    of: nodes[current].path, question, index, seed: random.next() >> 11, context)
                if paths.isEmpty {
                    nodes[current].isClosed = true
                } else {
                    let values = try await values(of: paths, question, context)
                    reached = []
                    for (path, value) in zip(paths, values) {
                        var node = Node(path: path, parent: current, depth: nodes[current].depth + 1)
                        node.value = value
                        nodes.append(node)
                        nodes[current].children.append(nodes.count - 1)
                        reached.append(nodes.count - 1)
                    }
                }
            }
            for leaf in reached {
                let value = nodes[leaf].value
                var step: Int? = leaf
                while let node = step {
                    nodes[node].visits += 1
                    nodes[node].total += value
                    step = nodes[node].parent
                }
            }
            if nodes[0].isClosed { break }
        }
        return best(nodes, index)
    }

    private func bound(_ node: Node, _ all: Int) -> Double {
        let mean = node.visits > 0 ? node.total / Double(node.visits) : 0
        return mean + exploration * (log(Double(max(1, all))) / Double(1 + node.visits)).squareRoot()
    }

    /// The paths that go on from one; what the corpus does not have is no path, whoever wrote it.
    private func continuations(
        of path: String, _ question: String, _ index: SubstringIndex, seed: UInt64, _ context: StepContext
    ) async throws -> [String] {
        var messages = [
            ChatMessage(
                role: .system,
                content: "Write the sentence of the corpus that answers the question, word for word as it stands there."
            ),
            ChatMessage(role: .user, content: question),
        ]
        if !path.isEmpty { messages.append(ChatMessage(role: .assistant, content: path)) }
        let request = ModelRequest(
            messages: messages, toolChoice: .none,
            options: SamplingOptions(
                temperature: temperature, seed: seed, maxTokens: tokens, samples: width,
                constraint: .corpus(CorpusConstraint(strings: index, after: path))))
        let response = try await context.respond(to: request, purpose: "walk")
        var seen: Set<String> = []
        return response.completions.compactMap { completion in
            let next = path + completion.message.content
            guard next != path, index.place(after: next) != nil, seen.insert(next.lowercased()).inserted else {
                return nil
            }
            return next
        }
    }

    /// The model's probability that each path holds the answer.
    private func values(of paths: [String], _ question: String, _ context: StepContext) async throws -> [Double] {
        let fence = Fence(seed: context.random.state, salt: context.fenceSalt, call: "walk")
        let requests = paths.map { path in
            ModelRequest(
                messages: [
                    ChatMessage(
                        role: .system,
                        content:
                            "Does the piece of text answer the question, or hold a part of the answer? Reply with one "
                            + "word: yes or no. " + Fence.note),
                    ChatMessage(
                        role: .user, content: fence.wrap(path, source: "the corpus") + "\n\nQuestion: " + question),
                ], toolChoice: .none,
                options: SamplingOptions(
                    temperature: 0, maxTokens: 4, topLogProbabilities: 5, constraint: .choices(["yes", "no"])))
        }
        return try await context.respond(toAll: requests, purpose: "value").map(ModelText.probabilityOfYes)
    }

    /// The paths of the highest value, the longer of equals, of which none is the beginning of another.
    private func best(_ nodes: [Node], _ index: SubstringIndex) -> [String] {
        let ranked = nodes.dropFirst().filter { $0.path.split(separator: " ").count >= 3 }.sorted {
            $0.value != $1.value
                ? $0.value > $1.value : ($0.path.count, $1.path) > ($1.path.count, $0.path)
        }
        var paths: [String] = []
        var passages: Set<PassageOrdinal> = []
        // Less than half as good as the best is not another path, but a worse one.
        let least = (ranked.first?.value ?? 0) / 2
        for node in ranked where paths.count < lines && node.value >= least {
            let matches = index.matches(node.path)
            // What many passages hold tells none of them from the others.
            guard !matches.isEmpty, matches.count <= 20, matches.contains(where: { !passages.contains($0.ordinal) })
            else { continue }
            passages.formUnion(matches.map(\.ordinal))
            paths.append(node.path)
        }
        return paths
    }
}

extension SubstringIndex: CorpusStrings {
    public func place(afterText text: String) -> CorpusStringPlace? {
        let place = text.isEmpty ? start : self.place(after: text)
        return place.flatMap { $0.low < $0.high ? CorpusStringPlace($0) : nil }
    }

    public func place(after place: CorpusStringPlace, byte: UInt8) -> CorpusStringPlace? {
        next(place.range, byte).map(CorpusStringPlace.init)
    }

    public func endsWord(_ place: CorpusStringPlace) -> Bool { isWordEnd(place.range) }

    public func bytesToEndOfWord(_ place: CorpusStringPlace) -> Int { bytesToWordEnd(place.range) }
}

extension CorpusStringPlace {
    fileprivate init(_ place: SubstringIndex.Place) {
        self.init(low: place.low, high: place.high, depth: place.depth)
    }

    fileprivate var range: SubstringIndex.Place { .init(low: low, high: high, depth: depth) }
}

extension ModelText {
    /// How probable "yes" is against "no" at the beginning of a reply; from the reply itself where there are no
    /// probabilities.
    static func probabilityOfYes(_ response: ModelResponse) -> Double {
        guard let completion = response.completions.first else { return 0 }
        var (yes, no) = (0.0, 0.0)
        if let token = completion.tokens.first {
            var seen: Set<String> = []
            for (text, log) in [(token.text, token.logProbability)] + token.top.map({ ($0.text, $0.logProbability) })
            where seen.insert(text).inserted {
                let word = text.lowercased().filter(\.isLetter)
                if word == "yes" || word == "y" { yes += exp(log) }
                if word == "no" || word == "n" { no += exp(log) }
            }
        }
        if yes + no > 0 { return yes / (yes + no) }
        return AnswerText.written(completion.message.content).lowercased().hasPrefix("yes") ? 1 : 0
    }
}
