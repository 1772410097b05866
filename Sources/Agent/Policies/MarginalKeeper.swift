// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Search
import Tools

/// Chooses among searches by the answers that they lead to (AdaQR, Zhang et al., arXiv 2406.10991, which prefers rewrites by
/// the marginal probability of the answer): each query is worth max over answers a of Σ P(p | query) · P(a | question, p)
/// over its best passages p. The passages of the best query come first, the others behind them as plain fusion has them.
///
/// P(p | query) is the soft-max of the list's scores, each list brought to deviation 1; P(a | question, p) is the mean
/// probability of the tokens of the answer that the model gives from that passage alone, an answer of "unknown" being worth
/// nothing. The paper knows the right answer when it trains; here, at inference, passages that lead to one answer speak for
/// it together. Needs a model that gives log-probabilities.
public struct MarginalKeeper: EvidenceKeeper {
    public var name: String { "marginal" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// How many of each list's best passages are read. Default 3; each passage is read once.
    public var passages: Int

    public init(limit: Int = 10, passages: Int = 3) {
        self.limit = limit
        self.passages = passages
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        guard context.modelCapabilities?.logProbabilities == true else {
            throw LanguageModelError.unsupported(
                "the keeper marginal needs a model that gives the log-probabilities of its answers")
        }
        let plain = try await FusionKeeper(limit: max(limit, 100)).keep(after: calls, in: state, using: context).kept
        let lists = Self.queries(Array(state.resultSets.values))
        var wanted: OrderedSet<String> = []
        for list in lists {
            wanted.formUnion(
                list.rankings.flatMap { $0.prefix(passages).map(\.id) }.filter { state.retrieved[$0] != nil })
        }
        let read = Array(wanted)
        let answers = try await answers(from: read, state, context)
        var best: (query: Int, worth: Double)?
        for (index, list) in lists.enumerated() {
            let worth = Self.worth(of: list.rankings.map { Array($0.prefix(passages)) }, answers: answers)
            if worth > best?.worth ?? 0 { best = (index, worth) }
        }
        guard let best else { return keeping(Array(plain.prefix(limit)), state) }
        let chosen = lists[best.query]
        let first = ReciprocalRank().fuse(
            chosen.rankings.map { Ranking($0.map(\.id), scores: $0.map(\.score)) }, limit: limit
        ).map(\.id)
        let byID = Dictionary(plain.map { ($0.passageID, $0) }) { first, _ in first }
        var kept = first.compactMap { byID[$0] }
        for index in kept.indices { kept[index].reason = "found by \(chosen.query)" }
        kept += plain.filter { !first.contains($0.passageID) }
        kept = Array(kept.prefix(limit))
        for index in kept.indices { kept[index].score = 1 / Double(index + 1) }
        return keeping(kept, state)
    }

    private func keeping(_ kept: [EvidenceItem], _ state: AgentState) -> Keeping {
        Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }

    /// The result lists, those of one query under several tools together.
    private static func queries(
        _ sets: [ResultSet]
    ) -> [(query: String, rankings: [[(id: String, score: Double)]])] {
        var queries: OrderedDictionary<String, [[(id: String, score: Double)]]> = [:]
        for set in sets {
            guard case .passages(let passages) = set.content, !passages.isEmpty else { continue }
            let query = set.description.split(separator: "\"", maxSplits: 1).last.map(String.init) ?? set.description
            queries["\"" + query, default: []].append(passages.map { ($0.id, $0.score) })
        }
        return queries.map { (query: $0.key, rankings: $0.value) }
    }

    /// The marginal probability of the answer that a query speaks for most.
    static func worth(
        of rankings: [[(id: String, score: Double)]], answers: [String: (text: String, probability: Double)]
    ) -> Double {
        var totals: [String: Double] = [:]
        for ranking in rankings {
            let scores = ScoreInterpolation.normalised(ranking.map(\.score), .zScore)
            let weights = scores.map { exp($0) }
            let sum = weights.reduce(0, +) * Double(rankings.count)
            for (entry, weight) in zip(ranking, weights) {
                guard let answer = answers[entry.id] else { continue }
                totals[answer.text, default: 0] += weight / sum * answer.probability
            }
        }
        return totals.values.max() ?? 0
    }

    /// The model's answer from each passage alone, folded, with its probability; unknown ones left out.
    private func answers(
        from ids: [String], _ state: AgentState, _ context: StepContext
    ) async throws -> [String: (text: String, probability: Double)] {
        let fence = Fence(seed: context.random.state, salt: context.fenceSalt, call: "marginal")
        let requests = ids.compactMap { state.retrieved[$0]?.passage }.map { passage in
            ModelRequest(
                messages: [
                    ChatMessage(
                        role: .system,
                        content:
                            "Answer the question from the passage with the shortest phrase, or with unknown when the "
                            + "passage does not answer it. Reply with nothing else. " + Fence.note),
                    ChatMessage(
                        role: .user,
                        content: fence.wrap("\(passage.title): \(passage.text.prefix(1500))", source: "a passage")
                            + "\n\nQuestion: " + state.question.text),
                ], toolChoice: .none, options: SamplingOptions(temperature: 0, maxTokens: 32, topLogProbabilities: 0))
        }
        var answers: [String: (text: String, probability: Double)] = [:]
        for (id, response) in zip(ids, try await context.respond(toAll: requests, purpose: "marginal")) {
            guard let completion = response.completions.first,
                let surprise = TokenUncertainty.meanLogProbability.value(of: completion.tokens)
            else { continue }
            let text = ModelText.firstLine(AnswerText.written(completion.message.content)).lowercased()
                .filter { $0.isLetter || $0.isNumber || $0 == " " }
            guard !text.isEmpty, !text.contains("unknown") else { continue }
            answers[id] = (text, exp(-surprise))
        }
        return answers
    }
}
