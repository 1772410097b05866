// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
public import Search
import Tools

/// Keeps the passages that help to answer: the model is shown the best of what was found, all in one list, and names those
/// that are useful (utility judging, list-wise; Zhang et al., arXiv 2504.05220). Without a model a reader's confidence in
/// each passage decides; with neither the ranking stays as it is.
///
/// A judgement never leaves less than `least` passages: the best by rank fill up, and are said not to be judged useful.
public struct UtilityKeeper: EvidenceKeeper {
    public var name: String { "useful" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// How many of the best are judged. Default 16, the paper's pool.
    public var candidates: Int
    /// The fewest passages that are kept. Default 3.
    public var least: Int
    /// Who judges in sessions without a model; nil for nobody.
    public var reranker: (any Reranker)?
    /// How far, in the reader's own units (log-odds), a passage may be behind the best one. Default 4.
    public var margin: Double
    /// How many characters of a passage the model is shown. Default 600.
    public var characters: Int

    public init(
        limit: Int = 10, candidates: Int = 16, least: Int = 3, reranker: (any Reranker)? = nil, margin: Double = 4,
        characters: Int = 600
    ) {
        self.limit = limit
        self.candidates = candidates
        self.least = least
        self.reranker = reranker
        self.margin = margin
        self.characters = characters
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let ranked = try await FusionKeeper(limit: max(candidates, limit)).keep(
            after: calls, in: state, using: context
        ).kept
        let pool = Array(ranked.prefix(candidates))
        guard !pool.isEmpty else { return Keeping(dropped: state.evidence.dropping(all: [])) }
        let useful: [Int]?
        let judge: String
        if context.hasModel {
            useful = try await chosen(by: context, from: pool, state)
            judge = "judged useful"
        } else if let reranker {
            let scores = try await reranker.scores(
                query: state.question.text, passages: pool.map { (title: $0.title, text: $0.text) })
            let best = Double(scores.max() ?? 0)
            useful = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
                .filter { Double(scores[$0]) >= best - margin }
            judge = "the reader's confidence"
        } else {
            useful = nil
            judge = ""
        }
        guard let useful else { return keeping(Array(ranked.prefix(limit)), state) }
        var kept = useful.prefix(limit).map { index in
            var item = pool[index]
            item.reason = judge
            return item
        }
        for index in pool.indices where kept.count < min(least, limit) && !useful.contains(index) {
            var item = pool[index]
            item.reason = "not judged useful"
            kept.append(item)
        }
        // The judgement is the order; scores say so to whoever sorts by them.
        for index in kept.indices { kept[index].score = 1 / Double(index + 1) }
        return keeping(kept, state)
    }

    private func keeping(_ kept: [EvidenceItem], _ state: AgentState) -> Keeping {
        Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }

    /// What the model names, in its order; empty where it says that nothing helps, nil where it has not judged.
    private func chosen(
        by context: StepContext, from pool: [EvidenceItem], _ state: AgentState
    ) async throws -> [Int]? {
        let list = pool.enumerated().map { "[\($0 + 1)] \($1.title): \($1.text.prefix(characters))" }.joined(
            separator: "\n\n")
        let fence = Fence(seed: context.random.state, salt: context.fenceSalt, call: "useful")
        var options = SamplingOptions(temperature: 0, maxTokens: 64)
        if context.modelCapabilities?.constraints == true {
            let number = (1...pool.count).map { "\"\($0)\"" }.joined(separator: " | ")
            options.constraint = .grammar(
                "root ::= \"none\" | number (\", \" number){0,\(max(0, min(limit, pool.count) - 1))}\nnumber ::= \(number)"
            )
        }
        let request = ModelRequest(
            messages: [
                ChatMessage(
                    role: .system,
                    content:
                        "Which of the numbered passages are useful to answer the question? A passage is useful when "
                        + "it holds the answer or a step towards it, not when it is only about the same subject. Reply with "
                        + "their numbers, the most useful first, separated by commas, or with none. " + Fence.note),
                ChatMessage(
                    role: .user,
                    content: fence.wrap(list, source: "passages") + "\n\nQuestion: " + state.question.text),
            ], toolChoice: .none, options: options)
        let response = try await context.respond(to: request, purpose: "useful")
        let text = AnswerText.written(response.completions.first?.message.content ?? "")
        var chosen: [Int] = []
        for number in text.split(whereSeparator: { !$0.isNumber }).compactMap({ Int($0) })
        where pool.indices.contains(number - 1) && !chosen.contains(number - 1) { chosen.append(number - 1) }
        if chosen.isEmpty { return text.lowercased().contains("none") ? [] : nil }
        return chosen
    }
}
