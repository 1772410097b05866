// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
public import Search
import Text
public import Tools

/// Searches for the names in the question, each on its own: a question about two things needs a passage on each.
public struct NamesProposer: ActionProposer {
    public var name: String { "names" }
    /// The tool that searches. Default `keyword_search`: names are exact.
    public var tool: String
    /// How many results each search asks for. Default 5.
    public var limit: Int
    /// The most names. Default 4.
    public var names: Int

    public init(tool: String = "keyword_search", limit: Int = 5, names: Int = 4) {
        self.tool = tool
        self.limit = limit
        self.names = names
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let found = NameSpotter().distinctNames(in: state.question.text)
            .filter { $0.count >= 3 && $0.lowercased() != state.question.text.lowercased() }
        let calls = found.prefix(names).flatMap {
            SearchCalls.calls($0, tools: [tool], limit: limit, state: state, context: context)
        }
        guard !calls.isEmpty else { return Proposal() }
        return Proposal([
            CandidateAction(
                .call(calls), proposer: name,
                reason: "names in the question: " + found.prefix(names).joined(separator: ", "), score: 1)
        ])
    }
}

/// Searches for names that the evidence brought up and the question did not: the bridge to the next hop.
public struct EntitiesProposer: ActionProposer {
    public var name: String { "entities" }
    public var tool: String
    /// How many results each search asks for. Default 5.
    public var limit: Int
    /// How many of the best passages are read for names. Default 3.
    public var from: Int
    /// The most names of one step. Default 4.
    public var names: Int

    public init(tool: String = "keyword_search", limit: Int = 5, from: Int = 3, names: Int = 4) {
        self.tool = tool
        self.limit = limit
        self.from = from
        self.names = names
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let spotter = NameSpotter()
        let question = EvidenceWords.terms(state.question.text)
        let seenTitles = Set(state.retrieved.values.map { TitleNormalizer.key(for: $0.passage.title) })
        var weights: [String: (weight: Double, source: String)] = [:]
        var order: [String] = []
        for (rank, item) in state.evidence.ranking.prefix(from).enumerated() {
            let title = TitleNormalizer.key(for: item.title)
            for found in spotter.distinctNames(in: item.text).prefix(40) {
                let key = TitleNormalizer.key(for: found)
                // A single common word, the passage's own subject and what was retrieved already lead nowhere new.
                guard key.count >= 4, key != title, !seenTitles.contains(key),
                    !EvidenceWords.terms(found).isSubset(of: question)
                else { continue }
                let words = Double(found.split(separator: " ").count)
                let gain = (words >= 2 ? 1.0 : 0.4) / Double(rank + 1)
                if weights[found] == nil { order.append(found) }
                weights[found] = ((weights[found]?.weight ?? 0) + gain, weights[found]?.source ?? item.title)
            }
        }
        let best = order.enumerated().sorted {
            (weights[$0.element]?.weight ?? 0, $1.offset) > (weights[$1.element]?.weight ?? 0, $0.offset)
        }.prefix(names).map(\.element)
        let calls = best.flatMap {
            SearchCalls.calls($0, tools: [tool], limit: limit, state: state, context: context)
        }
        guard !calls.isEmpty else { return Proposal() }
        return Proposal([
            CandidateAction(
                .call(calls), proposer: name, reason: "names met in the evidence: " + best.joined(separator: ", "),
                score: 0.8)
        ])
    }
}

/// Reads what the best evidence links to, as far as it fits the question: the corpus's own bridges.
public struct LinksProposer: ActionProposer {
    public var name: String { "links" }
    /// How many of the best passages are followed. Default 3.
    public var from: Int
    /// How many linked passages are read at a step. Default 5.
    public var limit: Int
    /// Whether passages that share a recurring name with the evidence count as linked, behind those that it names by
    /// title. Default false.
    public var names: Bool

    public init(from: Int = 3, limit: Int = 5, names: Bool = false) {
        self.from = from
        self.limit = limit
        self.names = names
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard context.tools["read"] != nil else { return Proposal() }
        var ordinals: [(ordinal: UInt32, parent: String, weight: Double)] = []
        var seen: Set<UInt32> = Set(state.retrieved.values.map(\.passage.ordinal))
        for (rank, item) in state.evidence.ranking.prefix(from).enumerated() {
            guard let parent = state.retrieved[item.passageID]?.passage else { continue }
            var links = try await context.corpus.linkedPassages(from: parent.ordinal, limit: 20)
            if names { links += try await context.corpus.passagesSharingNames(with: parent.ordinal, limit: 20) }
            for (place, link) in links.enumerated() {
                guard seen.insert(link.ordinal).inserted else { continue }
                ordinals.append((link.ordinal, parent.title, 1 / Double(1 + rank) / Double(4 + place)))
            }
        }
        guard !ordinals.isEmpty else { return Proposal() }
        let passages = try await context.corpus.passages(at: ordinals.map(\.ordinal))
        let question = state.question.text
        let fits = try await Similarity.scores(of: passages, to: question, context)
        let ranked = passages.indices.sorted {
            (fits[$0] + ordinals[$0].weight, $1) > (fits[$1] + ordinals[$1].weight, $0)
        }.prefix(limit)
        let ids = ranked.map { passages[$0].id }
        let parents = ranked.map { ordinals[$0].parent }
        var seenParents: Set<String> = []
        let names = parents.filter { seenParents.insert($0).inserted }.joined(separator: ", ")
        let call = ToolInvocation(
            tool: "read", arguments: (["ids": .array(ids.map(JSONValue.string))] as JSONValue).serialized())
        guard !state.hasCalled(call) else { return Proposal() }
        return Proposal([
            CandidateAction(
                .call([call]), proposer: name, reason: "linked from \(names)",
                score: ranked.first.map { fits[$0] } ?? 0)
        ])
    }
}

/// Searches again with the question and the words that set the best evidence apart (pseudo relevance feedback).
public struct FeedbackProposer: ActionProposer {
    public var name: String { "feedback" }
    /// The tools that search with more words; feedback by vectors brings its own.
    public var toolNames: [String]
    /// How many passages are taken for relevant. Default 3.
    public var from: Int
    /// How many words are added. Default 8.
    public var terms: Int
    /// How many results each search asks for. Default 10.
    public var limit: Int

    /// Chooses the words of the passages. Default: tf-idf.
    public var feedback: any RelevanceFeedback

    public init(
        tools: [String] = ["keyword_search"], from: Int = 3, terms: Int = 8, limit: Int = 10,
        feedback: any RelevanceFeedback = FrequentWords()
    ) {
        toolNames = tools
        self.from = from
        self.terms = terms
        self.limit = limit
        self.feedback = feedback
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let ranking = state.evidence.ranking
        guard ranking.count >= 2 else { return Proposal() }
        guard let analyzer = EvidenceWords.analyzer else { return Proposal() }
        let text = FeedbackText(
            query: state.question.text,
            relevant: ranking.prefix(from).map { (text: $0.shownText, score: $0.score) },
            found: state.retrieved.values.lazy.map(\.passage.text), foundCount: state.retrieved.count,
            analyzer: analyzer)
        guard let words = feedback.words(text, limit: terms) else { return moved(ranking, state, context) }
        let added = Array(words.prefix(terms))
        guard !added.isEmpty else { return Proposal() }
        let query = state.question.text + " " + added.joined(separator: " ")
        let calls = SearchCalls.calls(query, tools: toolNames, limit: limit, state: state, context: context)
        guard !calls.isEmpty else { return Proposal() }
        return Proposal([
            CandidateAction(
                .call(calls), proposer: name, reason: "words of the best passages: " + added.joined(separator: " "),
                score: 0.5)
        ])
    }
}

extension FeedbackProposer {
    public var tools: [any RetrievalTool] { feedback is Rocchio ? [VectorSearchTool()] : [] }

    /// The search with the question's vector, moved towards the best passages; nothing for a corpus without vectors.
    private func moved(_ ranking: [EvidenceItem], _ state: AgentState, _ context: StepContext) -> Proposal {
        guard let rocchio = feedback as? Rocchio, context.corpus.summary.modes.contains(.semantic),
            context.tools[VectorSearchTool.name] != nil
        else { return Proposal() }
        let relevant = ranking.prefix(from).map(\.passageID)
        let calls = SearchCalls.vectorCalls(
            [
                "query": .string(state.question.text), "like": .array(relevant.map { .string($0) }),
                "alpha": .number(Double(rocchio.alpha)), "beta": .number(Double(rocchio.beta)),
            ], limit: limit, state: state, isEmpty: relevant.isEmpty)
        guard !calls.isEmpty else { return Proposal() }
        return Proposal([
            CandidateAction(
                .call(calls), proposer: name, reason: "the question, moved towards " + relevant.joined(separator: ", "),
                score: 0.5)
        ])
    }
}

/// Proposes to answer once so many steps are done, for strategies with a fixed number of hops.
public struct StopProposer: ActionProposer {
    public var name: String { "stop" }
    /// The number of steps with calls after which it proposes to answer.
    public var after: Int

    public init(after: Int) {
        self.after = after
    }

    public func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        guard state.actions.count >= after else { return Proposal() }
        return Proposal([
            CandidateAction(.answer(text: nil), proposer: name, reason: "\(after) steps are done", score: 2)
        ])
    }
}

/// How alike passages are to a query: by the encoder where there is one, else by shared words.
enum Similarity {
    static func scores(of passages: [Passage], to query: String, _ context: StepContext) async throws -> [Double] {
        let texts = passages.map { $0.title.isEmpty ? $0.text : $0.title + ". " + $0.text }
        if let embed = context.embed {
            // Encoding a passage costs a hundred times what reading its stored vector does.
            if let stored = try await context.corpus.vectors(of: passages.map(\.ordinal)) {
                let question = try await embed([query])
                if let first = question.first { return stored.map { cosine(first, $0) } }
            }
            let vectors = try await embed([query] + texts)
            guard let first = vectors.first else { return texts.map { _ in 0 } }
            return vectors.dropFirst().map { cosine(first, $0) }
        }
        let wanted = EvidenceWords.terms(query)
        return texts.map { text in
            wanted.isEmpty
                ? 0 : Double(wanted.intersection(EvidenceWords.terms(text)).count) / Double(wanted.count)
        }
    }

    static func cosine(_ left: [Float], _ right: [Float]) -> Double {
        var dot: Float = 0
        var a: Float = 0
        var b: Float = 0
        for (x, y) in zip(left, right) {
            dot += x * y
            a += x * x
            b += y * y
        }
        let scale = (a * b).squareRoot()
        return scale > 0 ? Double(dot / scale) : 0
    }
}
