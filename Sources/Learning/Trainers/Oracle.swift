// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Episodes
import LanguageModels
import OrderedCollections
import TensorMath
import Text
import Tools

/// Tells which choices were right: what a policy is cloned from.
public enum Oracle: String, Sendable, Hashable, CaseIterable {
    /// The shortest way to the gold passages: keeping one that was shown; else a look-up that shows one; with all of them
    /// kept, answering.
    case gold
    /// Keeping the passage that covers most of what is left of the question's terms: needs no labels (arXiv 2504.11420, 5).
    case coverage
    /// Keeping the best of the fused keyword and vector rankings: plain hybrid search. Needs no labels.
    case hybrid

    /// Returns the right candidates of a state; none where the oracle has nothing to say.
    func targets(
        _ state: AgentState, _ candidates: [CandidateAction], _ question: TrainingQuestion, _ options: ActionOptions
    ) async throws -> [Int] {
        switch self {
        case .gold: return try await golden(state, candidates, question, options)
        case .coverage, .hybrid:
            if candidates.count == 1 { return [0] }
            let features = question.corpus.space.features(state, candidates, options: options)
            let column = ActionFeatures.fusedPlaceColumn
            var best: (score: Float, row: Int)?
            for (row, candidate) in candidates.enumerated() {
                guard case .keep = candidate.kind else { continue }
                var score = features[row, column]
                if self == .coverage { score = 0.1 * score + features[row, ActionFeatures.openColumn] }
                if score > best?.score ?? -1 { best = (score, row) }
            }
            return best.map { [$0.row] } ?? []
        }
    }

    private func golden(
        _ state: AgentState, _ candidates: [CandidateAction], _ question: TrainingQuestion, _ options: ActionOptions
    ) async throws -> [Int] {
        let gold = Set(question.question.gold)
        guard !gold.isEmpty else { return [] }
        let kept = state.evidence.items.compactMap { question.question.gold($0.passageID, of: $0.documentID) }
        let missing = gold.subtracting(kept)
        if missing.isEmpty {
            return candidates.indices.filter { if case .answer = candidates[$0].kind { true } else { false } }
        }
        // A choice is better made in the light of all that can be found: before the next passage is kept, everything that
        // the last one leads to is looked up.
        let looking = candidates.indices.filter { Self.looksOn(candidates[$0], state) }
        if !looking.isEmpty { return looking }
        let keeping = candidates.indices.filter { row in
            guard case .keep(let ids) = candidates[row].kind else { return false }
            return ids.contains { id in
                missing.contains(id) || missing.contains(state.retrieved[id]?.passage.documentID ?? id)
            }
        }
        if !keeping.isEmpty { return keeping }
        var right: [(row: Int, found: Int)] = []
        for (row, candidate) in candidates.enumerated() {
            guard case .call(let calls) = candidate.kind else { continue }
            var found: Set<String> = []
            for call in calls { found.formUnion(try await Self.results(of: call, state, question, options)) }
            let count = found.intersection(missing).count
            if count > 0 { right.append((row, count)) }
        }
        let most = right.map(\.found).max() ?? 0
        return right.filter { $0.found == most }.map(\.row)
    }

    /// Whether a candidate looks up all that the passage kept last leads to; before there is one, the first links.
    private static func looksOn(_ candidate: CandidateAction, _ state: AgentState) -> Bool {
        guard case .call = candidate.kind else { return false }
        let (role, source) = StateView.purpose(of: candidate)
        return role == .top && state.evidence.items.isEmpty || role == .all && source == state.evidence.items.count - 1
    }

    /// What gold may call a passage.
    private static func names(_ found: ShownPassage) -> [String] { [found.passage.id, found.passage.documentID] }

    /// The ids of the passages that a call would show; of a filter, those that searching within it would.
    private static func results(
        of call: ToolInvocation, _ state: AgentState, _ question: TrainingQuestion, _ options: ActionOptions
    ) async throws -> Set<String> {
        let sets = state.resultSets.filter { call.arguments.contains("\"\($0.key)\"") }
        let key =
            [call.tool, call.arguments, question.question.text].joined(separator: "\u{0}")
            + sets.values.map(\.description).joined()
        let corpus = question.corpus
        if let known = corpus.lookahead[key] { return known }
        var context = ToolContext(
            corpus: corpus.environment.corpus, resultSets: Dictionary(uniqueKeysWithValues: sets.map { ($0, $1) }),
            handle: "r0", limits: EpisodeOptions.limits)
        func run(_ tool: String, _ arguments: String) async throws -> ToolOutput {
            try await corpus.environment.tools.run(ToolCall(id: "", name: tool, arguments: arguments), in: context)
        }
        var found: Set<String> = []
        let output = try await run(call.tool, call.arguments)
        if let set = output.resultSet, case .documents = set.content {
            context.resultSets["r0"] = set
            context.handle = "r00"
            for tool in ["keyword_search", "semantic_search"] where corpus.environment.tools[tool] != nil {
                let arguments: JSONValue = [
                    "query": .string(String(question.question.text.prefix(2000))), "limit": .integer(options.next),
                    "within": "r0",
                ]
                found.formUnion(try await run(tool, arguments.serialized()).passages.flatMap(Self.names))
            }
        } else {
            found = Set(output.passages.flatMap(Self.names))
        }
        corpus.lookahead.store(found, for: key)
        return found
    }
}

/// Follows an oracle on some steps and a network on the others: what DAgger collects states with.
struct TeacherPolicy: RetrievalPolicy {
    var name: String { "teacher" }
    var fingerprint: String { "teacher/1" }
    let oracle: Oracle
    let question: TrainingQuestion
    let options: ActionOptions
    /// The share of steps on which the oracle is followed.
    let share: Double
    let network: NetworkPolicy?

    func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice {
        let right = try await oracle.targets(state, candidates, question, options)
        if !right.isEmpty, network == nil || random.uniform() < share {
            return PolicyChoice(index: right[random.integer(below: right.count)])
        }
        if let network { return try await network.choose(among: candidates, in: state, random: &random) }
        return PolicyChoice(index: random.integer(below: candidates.count))
    }
}
