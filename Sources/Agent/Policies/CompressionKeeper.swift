// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

/// Compresses what was found to the sentences that make the question probable (after Perception Compressor, Tang et al.,
/// arXiv 2409.19272): the model writes guiding questions; each sentence is worth what it adds to the log-probability of the
/// question and of these; the passages are put in the order of their best sentences, best first; and the better a passage
/// stands, the more of it stays.
///
/// The share that stays falls from 1 to `share` over the first part of the passages and from `share` to 0 over the rest (two
/// slopes that meet at the place `share`), so that the whole keeps `share` of its words, whatever the number of passages.
/// The paper also drops tokens within sentences; here a sentence stays whole, so that it can be cited.
///
/// Needs a model that gives the log-probabilities of a given text: one in this process.
public struct CompressionKeeper: EvidenceKeeper {
    public var name: String { "compress" }
    /// How many passages are compressed, and how many the evidence holds at most. Default 10.
    public var limit: Int
    /// The share of the words that stays, 0 to 1. Default 0.5.
    public var share: Double
    /// How many guiding questions are written; 0 leaves them out. Default 2.
    public var questions: Int
    /// The most sentences that are scored: each costs a pass of the model over it and the questions. Default 60.
    public var sentences: Int

    public init(limit: Int = 10, share: Double = 0.5, questions: Int = 2, sentences: Int = 60) {
        self.limit = limit
        self.share = share
        self.questions = questions
        self.sentences = sentences
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        let able = context.modelCapabilities.map { $0.logProbabilities && $0.constraints } ?? false
        guard able else {
            throw LanguageModelError.unsupported(
                "the keeper compress needs the log-probabilities of a given text, which only a model in this process gives"
            )
        }
        let found = try await FusionKeeper(limit: limit).keep(after: calls, in: state, using: context).kept
        guard !found.isEmpty else { return Keeping(dropped: state.evidence.dropping(all: [])) }
        let splitter = SentenceSplitter()
        let split = found.map { item in
            splitter.split(item.text).map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }
        }
        let asked = ([state.question.text] + (try await guiding(state, context))).joined(separator: " ")
        var places: [(passage: Int, sentence: Int)] = []
        for passage in split.indices {
            for sentence in split[passage].indices where places.count < sentences { places.append((passage, sentence)) }
        }
        let values = try await values(
            of: places.map { found[$0.passage].title + ": " + split[$0.passage][$0.sentence] }, asking: asked, context)
        var worth = split.map { $0.map { _ in -Double.infinity } }
        for (place, value) in zip(places, values) { worth[place.passage][place.sentence] = value }
        let best = worth.map { $0.max() ?? -.infinity }
        let order = found.indices.sorted { (best[$0], $1) > (best[$1], $0) }
        let shares = Self.shares(count: found.count, share: share)
        var kept: [EvidenceItem] = []
        for (rank, index) in order.enumerated() {
            let chosen = Self.chosen(split[index], worth[index], share: shares[rank])
            guard !chosen.isEmpty else { continue }
            var item = found[index]
            item.sentences = chosen.count == split[index].count ? [] : chosen.map { split[index][$0] }
            item.score = 1 / Double(rank + 1)
            kept.append(item)
        }
        return Keeping(kept: kept, dropped: state.evidence.dropping(all: kept))
    }

    /// The share of its words that each of some passages keeps, best passage first: two slopes, with the mean `share`.
    static func shares(count: Int, share: Double) -> [Double] {
        guard share > 0, share < 1 else { return [Double](repeating: max(0, min(1, share)), count: count) }
        return (0..<count).map { rank in
            // The middle of the passage's stretch of the whole.
            let place = (Double(rank) + 0.5) / Double(count)
            return place <= share ? 1 - (1 - share) * place / share : share * (1 - place) / (1 - share)
        }
    }

    /// The sentences of most worth up to a share of the words, at their places; the best one of a passage that keeps any
    /// stays whole.
    static func chosen(_ sentences: [String], _ worth: [Double], share: Double) -> [Int] {
        let lengths = sentences.map { Double($0.split(whereSeparator: \.isWhitespace).count) }
        let room = share * lengths.reduce(0, +)
        var used = 0.0
        var chosen: [Int] = []
        for index in sentences.indices.sorted(by: { (worth[$0], $1) > (worth[$1], $0) }) {
            // Half a sentence rounds to a whole one.
            guard used + lengths[index] / 2 <= room else { continue }
            used += lengths[index]
            chosen.append(index)
        }
        return chosen.sorted()
    }

    /// Questions whose answers help to answer the question.
    private func guiding(_ state: AgentState, _ context: StepContext) async throws -> [String] {
        guard questions > 0 else { return [] }
        let text = try await ModelText.ask(
            "Write \(questions) short questions whose answers would help to answer the question. One a line, nothing else.",
            state.question.text, evidence: nil, options: SamplingOptions(temperature: 0, maxTokens: 96),
            purpose: "guiding", state: state, context: context)
        return Array(ModelText.lines(text).prefix(questions))
    }

    /// What each text adds to the mean log-probability of a question's tokens.
    private func values(of texts: [String], asking asked: String, _ context: StepContext) async throws -> [Double] {
        let fence = Fence(seed: context.random.state, salt: context.fenceSalt, call: "compress")
        let requests = ([""] + texts).map { text in
            ModelRequest(
                messages: [
                    ChatMessage(
                        role: .system, content: "Write the questions that the text helps to answer. " + Fence.note),
                    ChatMessage(role: .user, content: fence.wrap(text, source: "a text")),
                ], toolChoice: .none,
                options: SamplingOptions(
                    temperature: 0, maxTokens: 512, topLogProbabilities: 0, constraint: .choices([asked])))
        }
        let scores = try await context.respond(toAll: requests, purpose: "compress").map { response in
            response.completions.first.flatMap { TokenUncertainty.meanLogProbability.value(of: $0.tokens) }
        }
        guard scores.allSatisfy({ $0 != nil }) else {
            throw LanguageModelError.unsupported("the model \(context.modelName) gave no log-probabilities")
        }
        // The measure is minus the mean; what a text adds is what it takes away from that.
        let alone = scores[0] ?? 0
        return scores.dropFirst().map { alone - ($0 ?? 0) }
    }
}
