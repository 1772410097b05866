// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import TensorMath
import Text
import Tools

/// What a look-up is for; a candidate's `features` are this number and the place of the evidence that it starts from.
enum LookupRole: Int, CaseIterable, Sendable {
    /// A search with the question as it stands.
    case question
    /// A name of the question on its own.
    case name
    /// A part of the question on its own.
    case clause
    /// What is open of the question, with the names in a kept passage, or the question with that passage condensed; or
    /// that passage's links.
    case next
    /// Every way of `next` at once.
    case all
    /// The links of the passages that the first searches agree on.
    case top
    /// A filter by a value that the question names.
    case filter
    /// A search within what a filter gave.
    case scoped
    /// A call that somebody else wants: a model, another proposer.
    case other
}

/// How a look-up finds.
enum LookupWay: Int, CaseIterable, Sendable {
    case keyword, semantic, links, filter, other

    init(tool: String) {
        switch tool {
        case "keyword_search": self = .keyword
        case "semantic_search": self = .semantic
        case LinksTool.name: self = .links
        case "filter": self = .filter
        default: self = .other
        }
    }
}

/// A state as decisions look at it: the lists that look-ups gave, and what each passage is in them and to the question.
struct StateView {
    /// What one look-up returned, in places of `passages`.
    struct List {
        var way: LookupWay
        var role: LookupRole
        /// The place of the evidence that it started from; -1 for none.
        var source: Int
        var hits: [(passage: Int, score: Float)]
    }

    let question: QuestionContext
    /// The passages that tools have shown, first shown first.
    let ids: [String]
    let facts: [PassageInQuestion]
    let lists: [List]
    /// Kept passages in order, and all that a policy ever chose to keep.
    let kept: [Int]
    let isChosen: [Bool]
    /// The weight of each term of the question: rarer among what was shown counts more.
    let termWeights: [Float]
    let totalWeight: Float
    /// Which terms some kept passage holds.
    let covered: UInt64
    /// Past actions by way and role: how many calls, and what share of the last one's results was new.
    let tried: [Int]
    let lastNews: [Float]
    let lookups: Int
    /// The rank in the fused ranking of the first searches; -1 beyond them.
    let fusedRank: [Int]
    let fusedScore: [Float]

    static let ways = LookupWay.allCases.count

    static func kind(_ way: LookupWay, _ role: LookupRole) -> Int { role.rawValue * ways + way.rawValue }

    init(_ state: AgentState, context: QuestionContext) {
        question = context
        let retrieved = state.retrieved
        ids = Array(retrieved.keys)
        let facts = context.facts(of: retrieved.values.map(\.passage))
        self.facts = facts
        var lists: [List] = []
        var tried = [Int](repeating: 0, count: Self.ways * LookupRole.allCases.count)
        var lastNews = [Float](repeating: 0, count: tried.count)
        var isChosen = [Bool](repeating: false, count: ids.count)
        for action in state.actions {
            if case .keep(let ids) = action.candidate.kind {
                for id in ids { if let place = retrieved.index(forKey: id) { isChosen[place] = true } }
            }
            guard case .call(let invocations) = action.candidate.kind else { continue }
            let (wanted, source) = Self.purpose(of: action.candidate)
            let role = wanted == .all ? .next : wanted
            for invocation in invocations {
                let kind = Self.kind(LookupWay(tool: invocation.tool), role)
                tried[kind] += 1
                lastNews[kind] = min(1, Float(action.newPassages) / 10)
            }
            for id in action.callIDs {
                guard let set = state.resultSets["r" + id.dropFirst()], case .passages(let ranked) = set.content
                else { continue }
                var hits: [(passage: Int, score: Float)] = []
                hits.reserveCapacity(ranked.count)
                for hit in ranked {
                    if let place = retrieved.index(forKey: hit.id) { hits.append((place, Float(hit.score))) }
                }
                lists.append(List(way: LookupWay(tool: set.tool), role: role, source: source, hits: hits))
            }
        }
        self.lists = lists
        self.tried = tried
        self.lastNews = lastNews
        lookups = state.spent.toolCalls
        var kept: [Int] = []
        for item in state.evidence.items {
            guard let place = retrieved.index(forKey: item.passageID) else { continue }
            kept.append(place)
            isChosen[place] = true
        }
        self.kept = kept
        self.isChosen = isChosen

        let terms = context.question.terms.count
        var frequencies = [Int](repeating: 0, count: terms)
        for fact in facts {
            for term in 0..<terms where fact.held & (1 << UInt64(term)) != 0 { frequencies[term] += 1 }
        }
        var weights: [Float] = []
        var total: Float = 1e-6
        for term in 0..<terms {
            let rarity = log((Float(facts.count) + 2) / (Float(frequencies[term]) + 0.5))
            let weight = max(0.1, rarity) * (context.question.isNamed[term] ? 1.5 : 1)
            weights.append(weight)
            total += weight
        }
        termWeights = weights
        totalWeight = total
        covered = kept.reduce(0) { $0 | facts[$1].held }

        var fused = [Float](repeating: 0, count: ids.count)
        for list in lists where list.role == .question {
            for (rank, hit) in list.hits.enumerated() { fused[hit.passage] += 1 / Float(61 + rank) }
        }
        var fusedRank = [Int](repeating: -1, count: ids.count)
        let order = fused.indices.filter { fused[$0] > 0 }.sorted {
            fused[$0] != fused[$1] ? fused[$0] > fused[$1] : $0 < $1
        }
        for (rank, place) in order.enumerated() { fusedRank[place] = rank }
        fusedScore = fused
        self.fusedRank = fusedRank
    }

    /// What a candidate's look-ups are for, as its proposer noted.
    static func purpose(of candidate: CandidateAction) -> (role: LookupRole, source: Int) {
        guard candidate.proposer == ActionSpace.proposer, candidate.features.count >= 2,
            let role = LookupRole(rawValue: Int(candidate.features[0]))
        else { return (.other, -1) }
        return (role, Int(candidate.features[1]))
    }

    /// The weight of some terms, as a share of the question's.
    func share(_ mask: UInt64) -> Float {
        var sum: Float = 0
        var rest = mask
        while rest != 0 {
            let term = rest.trailingZeroBitCount
            if term < termWeights.count { sum += termWeights[term] }
            rest &= rest - 1
        }
        return sum / totalWeight
    }

    /// The passages that may be kept, the most promising first by what the look-ups agree on.
    func keepable(most: Int) -> [Int] {
        var scores = fusedScore
        for list in lists where list.role != .question {
            for (rank, hit) in list.hits.enumerated() {
                // The order of links says little.
                scores[hit.passage] += list.way == .links ? 1 / 75 : 1 / Float(61 + rank)
            }
        }
        for place in scores.indices { scores[place] += 0.02 * share(facts[place].held & ~covered) }
        let free = scores.indices.filter { !isChosen[$0] }
        guard free.count > most else { return free }
        return Array(free.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(most)).sorted()
    }
}

/// What a passage is to a question, read once.
struct PassageInQuestion: Sendable {
    let facts: PassageFacts
    let document: String
    /// Which of the question's terms it holds.
    let held: UInt64
    /// The share of the question's names in it, of its title's terms in the question, of the question's terms in its title.
    let nameShare: Float
    let titleShare: Float
    let questionShareInTitle: Float
    let isNamedInQuestion: Bool
}

/// A question over one corpus, with what was read for it so far; shared by all episodes of the question.
final class QuestionContext: Sendable {
    let question: QuestionFacts
    private let corpus: String
    private let reading: TextReading
    private let passages: BoundedMemo<String, PassageFacts>
    private let known = BoundedMemo<String, PassageInQuestion>(limit: 2048)
    private let pairs = BoundedMemo<Pair, [Float]>(limit: 1 << 15)

    private struct Pair: Hashable {
        var kept: String
        var other: String
    }

    init(_ text: String, corpus: String, reading: TextReading, passages: BoundedMemo<String, PassageFacts>) {
        question = QuestionFacts(text, reading: reading)
        self.corpus = corpus
        self.reading = reading
        self.passages = passages
    }

    func facts(of passages: [Passage]) -> [PassageInQuestion] { passages.map(facts) }

    private func facts(of passage: Passage) -> PassageInQuestion {
        if let known = known[passage.id] { return known }
        let key = corpus + "\u{0}" + passage.id
        let facts: PassageFacts
        if let read = passages[key] {
            facts = read
        } else {
            facts = PassageFacts(title: passage.title, text: passage.text, reading: reading)
            passages.store(facts, for: key)
        }
        var held: UInt64 = 0
        var inTitle = 0
        for (index, term) in question.termHashes.enumerated() {
            if contains(facts.terms, term) { held |= 1 << UInt64(index) }
            if contains(facts.titleTerms, term) { inTitle += 1 }
        }
        let named = question.nameKeys.filter { contains(facts.nameKeys, $0) }.count
        let made = PassageInQuestion(
            facts: facts, document: passage.documentID, held: held,
            nameShare: Float(named) / Float(max(1, question.nameKeys.count)),
            titleShare: Float(inTitle) / Float(max(1, facts.titleTerms.count)),
            questionShareInTitle: Float(inTitle) / Float(max(1, question.termHashes.count)),
            isNamedInQuestion: facts.title.utf8.count > 2 && question.words.contains(" " + facts.title + " "))
        known.store(made, for: passage.id)
        return made
    }

    static let pairNames = [
        "named-by-kept", "names-kept", "shared-names", "same-title", "title-share-in-kept", "term-overlap", "new-names",
        "same-document",
    ]

    /// What a passage is in the light of a kept one.
    func pair(kept: (id: String, facts: PassageInQuestion), _ other: (id: String, facts: PassageInQuestion)) -> [Float]
    {
        let key = Pair(kept: kept.id, other: other.id)
        if let known = pairs[key] { return known }
        let (e, p) = (kept.facts.facts, other.facts.facts)
        var shared: Float = 0
        for name in p.nameKeys where contains(e.nameKeys, name) && !question.nameKeys.contains(name) { shared += 1 }
        let titleInKept = p.titleTerms.filter { contains(e.terms, $0) }.count
        let overlap = sharedCount(e.terms, p.terms)
        let values: [Float] = [
            e.mentions(p) ? 1 : 0, p.mentions(e) ? 1 : 0, min(1, shared / 4),
            !e.title.isEmpty && e.title == p.title ? 1 : 0,
            Float(titleInKept) / Float(max(1, p.titleTerms.count)),
            Float(overlap) / Float(max(1, min(e.terms.count, p.terms.count))),
            min(1, Float(p.nameKeys.count - sharedCount(e.nameKeys, p.nameKeys)) / 10),
            kept.facts.document == other.facts.document ? 1 : 0,
        ]
        pairs.store(values, for: key)
        return values
    }

    /// The keyword query that follows a kept passage: the words of the question that it leaves open, and the names in it
    /// that the question does not have.
    func nextKeywords(_ passage: PassageInQuestion, covered: UInt64) -> String {
        let open = question.spelled.indices.filter { covered & (1 << UInt64($0)) == 0 }.map { question.spelled[$0] }
        var names: [String] = []
        for name in passage.facts.names where names.count < 6 {
            let key = XXH64.hash(TitleNormalizer.key(for: name))
            if !question.nameKeys.contains(key), !question.words.contains(" " + name.lowercased() + " ") {
                names.append(name)
            }
        }
        return (open + names).joined(separator: " ")
    }

    /// The question with a kept passage condensed to its title and the sentence that has most to do with it.
    func nextMeaning(_ passage: Passage) -> String {
        var best = ""
        var most = -1
        for span in SentenceSplitter().sentences(in: passage.text).prefix(24) {
            let sentence = String(span.text(in: passage.text))
            let terms = Set(reading.terms(sentence))
            let shared = question.terms.filter { terms.contains($0) }.count
            if shared > most { (best, most) = (sentence, shared) }
        }
        return question.text + " " + passage.title + ": " + best.prefix(300)
    }
}
