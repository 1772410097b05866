// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
public import Search
import TensorMath
import Text
import Tools

/// Ranks what was retrieved by how often and how high the calls found it, how near it is to the question, and whether it
/// is the bridge that the best evidence names: for multi-hop evidence without a model.
public struct RerankKeeper: EvidenceKeeper {
    public var name: String { "rerank" }
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// The weight of reciprocal rank fusion. Default 1.
    public var fusion: Double
    /// The weight of the nearness to the question. Default 1.
    public var similarity: Double
    /// The weight of a title that the question names. Default 0.5.
    public var title: Double
    /// The weight of being named by one of the best passages. Default 0.35.
    public var bridge: Double
    /// The weight of having been opened by its id. Default 0.
    public var opened: Double

    public init(
        limit: Int = 10, fusion: Double = 1, similarity: Double = 1, title: Double = 0.5, bridge: Double = 0.35,
        opened: Double = 0
    ) {
        self.limit = limit
        self.fusion = fusion
        self.similarity = similarity
        self.title = title
        self.bridge = bridge
        self.opened = opened
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let kept = try await ranked(state, context).prefix(limit).map { $0.passage.evidence(score: $0.score) }
        return Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }

    /// All that was retrieved, best first.
    func ranked(
        _ state: AgentState, _ context: StepContext
    ) async throws -> [(passage: RetrievedPassage, score: Double)] {
        let found = Array(state.retrieved.values)
        guard !found.isEmpty else { return [] }
        let opened = self.opened == 0 ? [] : Self.opened(in: state)
        let fused = ReciprocalRank().scores(
            state.rankings.map { Ranking(Array($0.ids.prefix(100)), scores: Array($0.scores.prefix(100))) })
        let most = fused.values.max() ?? 1
        let near = try await Similarity.scores(of: found.map(\.passage), to: state.question.text, context)
        let question = " " + TitleNormalizer.key(for: state.question.text) + " "
        var scores: [Double] = []
        for (index, item) in found.enumerated() {
            var score = similarity * near[index] + fusion * 0.5 * (fused[item.passage.id] ?? 0) / most
            let key = TitleNormalizer.key(for: TitleNormalizer.withoutDisambiguation(item.passage.title))
            if key.count >= 3, question.contains(" " + key + " ") { score += title }
            if opened.contains(item.passage.id) { score += self.opened }
            scores.append(score)
        }
        // The best passages so far name others: those are the second hops.
        let order = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
        for (rank, parent) in order.prefix(3).enumerated() {
            let text = " " + TitleNormalizer.key(for: found[parent].passage.text) + " "
            for index in found.indices where index != parent {
                let key = TitleNormalizer.key(for: TitleNormalizer.withoutDisambiguation(found[index].passage.title))
                if key.count >= 4, text.contains(" " + key + " ") { scores[index] += bridge / Double(rank + 1) }
            }
        }
        return scores.indices.sorted {
            scores[$0] != scores[$1] ? scores[$0] > scores[$1] : found[$0].passage.id < found[$1].passage.id
        }.map { (found[$0], scores[$0]) }
    }

    /// The ids that were asked for by name.
    private static func opened(in state: AgentState) -> Set<String> {
        var ids: Set<String> = []
        for action in state.actions {
            guard case .call(let calls) = action.candidate.kind else { continue }
            for call in calls where call.tool == "read" {
                guard let arguments = try? JSONValue(parsing: call.arguments) else { continue }
                ids.formUnion((arguments["ids"]?.array ?? []).compactMap(\.string))
            }
        }
        return ids
    }
}

/// Adds up scores of words and of meaning per query, s = λ·dense + (1-λ)·sparse, each made comparable first, and sums over
/// queries (interpolation before and after feedback, Li et al., 2022).
public struct InterpolationKeeper: EvidenceKeeper {
    public var name: String { "interpolate" }
    public var limit: Int
    /// The weight of the dense scores. Default 0.5.
    public var lambda: Double
    /// How the scores of a search are made comparable with another's. Default min-max.
    public var interpolation: ScoreInterpolation
    /// The weight of the best passages in a query vector made of the question and them (Rocchio), by which all that was
    /// found is scored once more; 0 leaves that out. Default 0. Needs an encoder and stored vectors.
    public var rocchio: Double
    /// How many passages are taken for relevant by that. Default 3.
    public var from: Int

    public init(
        limit: Int = 10, lambda: Double = 0.5, interpolation: ScoreInterpolation = ScoreInterpolation(),
        rocchio: Double = 0,
        from: Int = 3
    ) {
        self.limit = limit
        self.lambda = lambda
        self.interpolation = interpolation
        self.rocchio = rocchio
        self.from = from
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        var lists: [Ranking<String>] = []
        for set in state.resultSets.values {
            guard case .passages(let passages) = set.content else { continue }
            lists.append(
                Ranking(
                    passages.map(\.id), scores: passages.map(\.score),
                    weight: ["semantic_search", VectorSearchTool.name].contains(set.tool) ? lambda : 1 - lambda))
        }
        var scores = interpolation.scores(lists)
        if rocchio > 0, let moved = try await movedQuery(state, scores, context) {
            let found = Array(state.retrieved.values)
            if let vectors = try await context.corpus.vectors(of: found.map(\.passage.ordinal)) {
                lists.append(
                    Ranking(
                        found.map(\.passage.id), scores: vectors.map { Similarity.cosine(moved, $0) }, weight: lambda))
                scores = interpolation.scores(lists)
            }
        }
        let ranked = scores.filter { state.retrieved[$0.key] != nil }
            .sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(limit)
        let kept = ranked.compactMap { id, score in state.retrieved[id]?.evidence(score: score) }
        return Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }

    /// The question's vector, moved towards the best passages; nil where there are no vectors.
    private func movedQuery(
        _ state: AgentState, _ scores: [String: Double], _ context: StepContext
    ) async throws -> [Float]? {
        let best = scores.filter { state.retrieved[$0.key] != nil }
            .sorted { ($0.value, $1.key) > ($1.value, $0.key) }.prefix(from)
            .compactMap { state.retrieved[$0.key]?.passage.ordinal }
        guard let embed = context.embed, let relevant = try await context.corpus.vectors(of: best),
            let query = try await embed([state.question.text]).first
        else { return nil }
        return Rocchio(beta: Float(rocchio)).vector(query: query, passages: relevant)
    }
}

/// Condenses what was found to sentences: Baleen's condenser (Khattab et al., 2021) in two stages. First the best (passage,
/// sentence) pairs of this hop join the facts so far; then all survivors are judged together and few are kept. The facts
/// become the context of the next hop's query. With a model the second stage asks it; without one, both stages score
/// sentences by the words of the question and of the facts.
///
/// A fact raises its passage in the ranking of all that was retrieved; it does not take the place of the others: facts that
/// were chosen by words alone, with nothing beside them, found less than plain search.
public struct SentenceKeeper: EvidenceKeeper {
    public var name: String { "sentences" }
    /// How many pairs survive the first stage. Default 9.
    public var candidates: Int
    /// How many facts are kept. Default 5.
    public var facts: Int
    /// How many passages the evidence holds at most. Default 10.
    public var limit: Int
    /// What the best fact of a passage adds to its score, less for later ones. Default 0.3.
    public var weight: Double

    public init(candidates: Int = 9, facts: Int = 5, limit: Int = 10, weight: Double = 0.3) {
        self.candidates = candidates
        self.facts = facts
        self.limit = limit
        self.weight = weight
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let found = state.retrieved.values.filter { calls.contains($0.callID) }.map { $0.evidence() }
        let known = state.evidence.items.filter { !$0.sentences.isEmpty }
        var items = known
        for item in found where !known.contains(where: { $0.passageID == item.passageID }) {
            var item = item
            item.sentences = []
            items.append(item)
        }
        guard !items.isEmpty else { return Keeping() }
        let words = EvidenceWords(question: state.question.text, facts: known.flatMap(\.sentences), items: items)
        var pairs = words.sentences.sorted { ($0.value, $1.item, $1.text) > ($1.value, $0.item, $0.text) }
        pairs = Array(pairs.prefix(candidates))
        if context.hasModel, pairs.count > facts {
            let list = pairs.enumerated().map { "\($0 + 1). \(items[$1.item].title): \($1.text)" }.joined(
                separator: "\n")
            let fence = Fence(seed: context.random.state, salt: context.fenceSalt, call: "sentences")
            var options = SamplingOptions(temperature: 0, maxTokens: 32)
            if context.modelCapabilities?.constraints == true {
                let number = (1...pairs.count).map { "\"\($0)\"" }.joined(separator: " | ")
                options.constraint = .grammar(
                    "root ::= number (\", \" number){0,\(max(0, facts - 1))}\nnumber ::= \(number)")
            }
            let request = ModelRequest(
                messages: [
                    ChatMessage(
                        role: .system,
                        content: "Which of the numbered sentences help to answer the question? Reply with at most "
                            + "\(facts) numbers, the most helpful first, separated by commas. " + Fence.note),
                    ChatMessage(
                        role: .user,
                        content: fence.wrap(list, source: "sentences") + "\n\nQuestion: " + state.question.text),
                ], toolChoice: .none, options: options)
            let text = try await context.respond(to: request, purpose: "condense").completions.first?.message.content
            var chosen: [Int] = []
            for number in AnswerText.written(text ?? "").split(whereSeparator: { !$0.isNumber }).compactMap({ Int($0) })
            where pairs.indices.contains(number - 1) && !chosen.contains(number - 1) { chosen.append(number - 1) }
            // A model that names no number has not judged; the scores decide.
            if !chosen.isEmpty { pairs = chosen.map { pairs[$0] } }
        }
        var chosen: OrderedDictionary<String, (sentences: [String], rank: Int)> = [:]
        for (rank, pair) in pairs.prefix(facts).enumerated() {
            chosen[items[pair.item].passageID, default: ([], rank)].sentences.append(pair.text)
        }
        var ranked = try await RerankKeeper().ranked(state, context)
        for index in ranked.indices {
            if let fact = chosen[ranked[index].passage.passage.id] {
                ranked[index].score += weight / Double(fact.rank + 1)
            }
        }
        ranked.sort { ($0.score, $1.passage.passage.id) > ($1.score, $0.passage.passage.id) }
        // What holds a fact is kept, wherever it stands.
        var room = max(0, limit - chosen.count)
        let kept = ranked.filter { entry in
            if chosen[entry.passage.passage.id] != nil { return true }
            room -= 1
            return room >= 0
        }
        let list = kept.map { passage, score in
            var item = passage.evidence(score: score)
            item.sentences = chosen[item.passageID]?.sentences ?? []
            return item
        }
        return Keeping(kept: list, dropped: state.evidence.dropping(all: list))
    }
}

extension Evidence {
    /// The passages with facts alone, where a keeper chose facts; else everything.
    var condensed: Evidence {
        let facts = items.filter { !$0.sentences.isEmpty }
        return facts.isEmpty ? self : Evidence(facts)
    }

    /// The ids of what is kept now and is not among `kept`.
    func dropping(all kept: [EvidenceItem]) -> [String] {
        let ids = Set(kept.map(\.passageID))
        return items.map(\.passageID).filter { !ids.contains($0) }
    }
}
