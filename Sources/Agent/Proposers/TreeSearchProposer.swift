// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import TensorMath
import Text
import Tools

/// An experiment: Monte Carlo tree search over result sets. A node is a list of queries; its children add the question's
/// names, names of what the queries found, or words of feedback; its value is how much of the question the passages found
/// cover, less a price for each query. The best line is then called for real, query by query.
///
/// UCT: value + c·√(ln N / n), as FREESON's search uses it. Searches during planning are look-ups in the corpus, which cost
/// no tool call; only the chosen queries become calls.
public struct TreeSearchProposer: ActionProposer {
    public var name: String { "tree" }
    public var tool: String
    public var limit: Int
    /// How often the tree is walked. Default 32.
    public var simulations: Int
    /// The most queries of a line. Default 3.
    public var depth: Int
    /// The weight of exploration, c. Default 0.5.
    public var exploration: Double
    /// What a query costs in value. Default 0.02.
    public var price: Double

    public init(
        tool: String = "keyword_search", limit: Int = 8, simulations: Int = 32, depth: Int = 3,
        exploration: Double = 0.5, price: Double = 0.02
    ) {
        self.tool = tool
        self.limit = limit
        self.simulations = simulations
        self.depth = depth
        self.exploration = exploration
        self.price = price
    }

    private struct Node {
        var query: String
        var parent: Int?
        var children: [Int] = []
        var untried: [String] = []
        var visits = 0
        var total = 0.0
        var found: [PassageOrdinal] = []
        var depth: Int
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let planned = state.notes.filter { $0.kind == "line" }
        if planned.isEmpty {
            let line = try await plan(state.question.text, context)
            let notes = line.enumerated().map { Note(kind: "line", key: String($0 + 1), text: $1) }
            return next(line, state, context, notes: notes)
        }
        return next(planned.map(\.text), state, context, notes: [])
    }

    private func next(_ line: [String], _ state: AgentState, _ context: StepContext, notes: [Note]) -> Proposal {
        for query in line {
            let calls = SearchCalls.calls(query, tools: [tool], limit: limit, state: state, context: context)
            guard !calls.isEmpty else { continue }
            return Proposal(
                [CandidateAction(.call(calls), proposer: name, reason: "the best line found: " + query, score: 1)],
                notes: notes)
        }
        return Proposal(
            [CandidateAction(.answer(text: nil), proposer: name, reason: "the line is done", score: 1)], notes: notes)
    }

    private func plan(_ question: String, _ context: StepContext) async throws -> [String] {
        var random = context.random
        let mode: RetrievalMode = tool == "semantic_search" ? .semantic : .keyword
        var nodes = [Node(query: question, parent: nil, depth: 1)]
        try await fill(&nodes, 0, question, mode, context)
        var best = (value: value(try await texts(nodes, 0, context), question, queries: 1), node: 0)
        for _ in 0..<simulations {
            try Task.checkCancellation()
            var current = 0
            while nodes[current].untried.isEmpty, !nodes[current].children.isEmpty {
                let visits = Double(max(1, nodes[current].visits))
                current =
                    nodes[current].children.max { left, right in
                        bound(nodes[left], visits) < bound(nodes[right], visits)
                    } ?? current
            }
            if !nodes[current].untried.isEmpty, nodes[current].depth < depth {
                let query = nodes[current].untried.remove(at: random.integer(below: nodes[current].untried.count))
                nodes.append(Node(query: query, parent: current, depth: nodes[current].depth + 1))
                let child = nodes.count - 1
                nodes[current].children.append(child)
                try await fill(&nodes, child, question, mode, context)
                current = child
            }
            let reward = value(try await texts(nodes, current, context), question, queries: nodes[current].depth)
            if reward > best.value { best = (reward, current) }
            var step: Int? = current
            while let index = step {
                nodes[index].visits += 1
                nodes[index].total += reward
                step = nodes[index].parent
            }
        }
        var line: [String] = []
        var step: Int? = best.node
        while let index = step {
            line.append(nodes[index].query)
            step = nodes[index].parent
        }
        return line.reversed()
    }

    private func bound(_ node: Node, _ parentVisits: Double) -> Double {
        let visits = Double(max(1, node.visits))
        return node.total / visits + exploration * (log(parentVisits + 1) / visits).squareRoot()
    }

    /// Searches a node's query and collects the queries that could follow it.
    private func fill(
        _ nodes: inout [Node], _ index: Int, _ question: String, _ mode: RetrievalMode, _ context: StepContext
    ) async throws {
        let hits = try await context.corpus.search(mode, query: nodes[index].query, limit: limit, within: nil)
        nodes[index].found = hits.map(\.ordinal)
        let passages = try await context.corpus.passages(at: hits.prefix(3).map(\.ordinal))
        let asked = EvidenceWords.terms(question)
        var used: Set<String> = []
        var step: Int? = index
        while let node = step {
            used.insert(nodes[node].query)
            step = nodes[node].parent
        }
        let spotter = NameSpotter()
        var options = spotter.distinctNames(in: question)
        for passage in passages {
            options += spotter.distinctNames(in: passage.text).filter { !EvidenceWords.terms($0).isSubset(of: asked) }
                .prefix(4)
        }
        nodes[index].untried = options.filter { $0.count >= 3 && used.insert($0).inserted }
    }

    private func texts(_ nodes: [Node], _ index: Int, _ context: StepContext) async throws -> [EvidenceItem] {
        var ordinals: [PassageOrdinal] = []
        var seen: Set<PassageOrdinal> = []
        var step: Int? = index
        while let node = step {
            for ordinal in nodes[node].found.prefix(4) where seen.insert(ordinal).inserted { ordinals.append(ordinal) }
            step = nodes[node].parent
        }
        return try await context.corpus.passages(at: ordinals).map {
            EvidenceItem(passageID: $0.id, documentID: $0.documentID, title: $0.title, text: $0.text, score: 1)
        }
    }

    /// How much of the question the passages cover together, less the queries' price.
    private func value(_ items: [EvidenceItem], _ question: String, queries: Int) -> Double {
        let asked = EvidenceWords.terms(question)
        guard !asked.isEmpty else { return 0 }
        var covered: Set<String> = []
        for item in items { covered.formUnion(asked.intersection(EvidenceWords.terms(item.title + " " + item.text))) }
        let best = EvidenceWords(question: question, items: items).bestSentence()?.coverage ?? 0
        return 0.5 * Double(covered.count) / Double(asked.count) + 0.5 * best - price * Double(queries)
    }
}
