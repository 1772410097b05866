// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization
import TensorMath

/// Numbers that steer what enters the candidate pool of an episode.
public struct PoolOptions: Sendable, Hashable, Codable {
    /// Passages from the keyword search with the question. Default: 20.
    public var keyword = 20
    /// Passages from the vector search with the question. Default: 20.
    public var semantic = 20
    /// From how many of the best passages of each search title links are followed. Default: 3.
    public var linkedFrom = 3
    /// Passages with one title that a link may bring. Default: 4.
    public var perTitle = 4
    /// Title links followed from one passage. Default: 20.
    public var links = 20
    /// Passages that mention a kept passage's title. Default: 6.
    public var backLinks = 6
    /// Passages from the keyword search with what a kept passage leaves open and the names in it. Default: 12.
    public var nextKeyword = 12
    /// Passages from the vector search with question and kept passage together. Default: 8.
    public var nextSemantic = 8

    /// Makes the defaults.
    public init() {}
}

/// What brought a candidate into reach: the ways of searching that an agent's tools have.
public enum Reach: String, Sendable, Hashable, CaseIterable {
    /// A search for words.
    case keyword
    /// A search for meaning.
    case semantic
    /// A title in the question or in a passage, followed either way.
    case link
}

/// The candidates of one question, and everything about them that decisions look at; grows as passages are kept.
///
/// What one kept passage adds does not depend on what was kept before it, so all episodes of a question share this cache
/// of candidates and of features, and an episode costs little more than its network.
final class CandidatePool: @unchecked Sendable {
    // @unchecked: what changes after `init` (candidates, features and caches) is read and written under `lock` only.

    /// Guards all that grows. `EvidenceState` takes it around every use.
    let lock = Mutex<Void>(())
    let world: RetrievalWorld
    let question: QuestionView
    let options: PoolOptions
    /// The candidates in the order in which they were found.
    private(set) var passages: [Int] = []
    private(set) var positions: [Int: Int] = [:]
    /// Features of each candidate that depend on the question alone.
    private(set) var fixed: [[Float]] = []
    /// Which candidates (positions) an episode starts with, and which each kept passage adds.
    let initial: [Int]
    /// What brought each of the first candidates in; in their order.
    let initialReach: [Reach]
    private var expansions: [Int: [(position: Int, reach: Reach)]] = [:]
    private var pairs: [Int: PairTable] = [:]
    private var nextQueries: [Int: WeightedTerms] = [:]
    /// Candidates × question terms: the term's weight where the candidate has it, else 0.
    private var held: [Float] = []

    private let termWeights: [Float]
    /// BM25 and cosine with the question, of every passage.
    private let keywordScores: [Float]
    private let semanticScores: [Float]
    private let keywordRanks: [Int: Int]
    private let semanticRanks: [Int: Int]
    private let bestKeyword: Float
    private let bestSemantic: Float
    private let topLinked: [Int: Int]

    init(_ question: QuestionView, world: RetrievalWorld, options: PoolOptions) {
        self.question = question
        self.world = world
        self.options = options
        termWeights = question.terms.map { world.termWeights[Int($0)] }
        let keywordScores = world.scores(WeightedTerms(question.terms.map { ($0, 1) }))
        let semanticScores = world.cosines(question.vector)
        self.keywordScores = keywordScores
        self.semanticScores = semanticScores
        let keyword = largest(keywordScores, count: 50).filter { keywordScores[$0] > 0 }
        let semantic = largest(semanticScores, count: 50)
        keywordRanks = Dictionary(uniqueKeysWithValues: keyword.enumerated().map { ($0.element, $0.offset) })
        semanticRanks = Dictionary(uniqueKeysWithValues: semantic.enumerated().map { ($0.element, $0.offset) })
        bestKeyword = max(1e-6, keyword.first.map { keywordScores[$0] } ?? 0)
        bestSemantic = max(1e-6, semantic.first.map { semanticScores[$0] } ?? 0)
        var found: [Int] = []
        var linked: [Int: Int] = [:]
        found += keyword.prefix(options.keyword)
        found += semantic.prefix(options.semantic)
        func ofTitle(_ title: Int) -> [Int] {
            Self.suited(world.titlePassages[title], keywordScores, semanticScores, count: options.perTitle)
        }
        for title in question.titles { found += ofTitle(title) }
        for top in keyword.prefix(options.linkedFrom) + semantic.prefix(options.linkedFrom) {
            for title in world.mentionedTitles[top].prefix(options.links) {
                for passage in ofTitle(title) {
                    linked[passage, default: 0] += 1
                    found.append(passage)
                }
            }
        }
        topLinked = linked
        var members: [Int] = []
        var seen = Set<Int>()
        for passage in found where seen.insert(passage).inserted { members.append(passage) }
        initial = Array(members.indices)
        let (byWords, byMeaning) = (Set(keyword.prefix(options.keyword)), Set(semantic.prefix(options.semantic)))
        initialReach = members.map { byWords.contains($0) ? .keyword : byMeaning.contains($0) ? .semantic : .link }
        for passage in members { _ = position(adding: passage) }
    }

    private func position(adding passage: Int) -> Int {
        if let known = positions[passage] { return known }
        positions[passage] = passages.count
        passages.append(passage)
        for (index, term) in question.terms.enumerated() {
            held.append(world.count(of: term, in: passage) > 0 ? termWeights[index] : 0)
        }
        fixed.append(fixedFeatures(passage))
        return passages.count - 1
    }

    /// The passages that suit the question best by words and meaning together, at most `count`.
    private static func suited(_ passages: [Int], _ keyword: [Float], _ semantic: [Float], count: Int) -> [Int] {
        guard passages.count > count else { return passages }
        // A cosine of 0.1 weighs about as much as one unit of BM25.
        return largest(passages.map { keyword[$0] + 10 * semantic[$0] }, count: count).map { passages[$0] }
    }

    /// Returns the candidates (positions) that keeping a candidate brings in: its links both ways, passages of its title,
    /// and what searches with the question and this passage find.
    func expansion(of position: Int) -> [(position: Int, reach: Reach)] {
        if let known = expansions[position] { return known }
        let passage = passages[position]
        var found: [Int] = []
        func ofTitle(_ title: Int) -> [Int] {
            Self.suited(world.titlePassages[title], keywordScores, semanticScores, count: options.perTitle)
        }
        for title in world.mentionedTitles[passage].prefix(options.links) { found += ofTitle(title) }
        let title = world.titleNumbers[passage]
        if title >= 0 {
            found += ofTitle(title)
            found += Self.suited(
                world.mentioningPassages[title], keywordScores, semanticScores, count: options.backLinks)
        }
        let links = found.count
        found += world.search(nextQuery(passage), count: options.nextKeyword)
        let words = found.count
        // Near the question without what the passage covers of it, and near both together. As all vectors have length
        // one, both follow from the passage's cosines with the rest, for which its coarse ones do.
        let near = world.coarseCosines(with: passage)
        let along = semanticScores[passage]
        found += largest(near.indices.map { semanticScores[$0] - along * near[$0] }, count: options.nextSemantic)
        found += largest(near.indices.map { semanticScores[$0] + near[$0] }, count: options.nextSemantic)
        var seen = Set<Int>()
        let result = found.enumerated().filter { $0.element != passage && seen.insert($0.element).inserted }.map {
            (
                position: self.position(adding: $0.element),
                reach: $0.offset < links ? Reach.link : $0.offset < words ? .keyword : .semantic
            )
        }
        expansions[position] = result
        return result
    }

    /// The keyword query after keeping a passage: question terms that it lacks in full, those it has in part, and the
    /// terms of the names in it that the question does not have.
    private func nextQuery(_ passage: Int) -> WeightedTerms {
        if let known = nextQueries[passage] { return known }
        var query: [Int32: Float] = [:]
        for term in question.terms { query[term] = world.count(of: term, in: passage) > 0 ? 0.3 : 1 }
        for term in world.nameTerms[passage] { query[term] = max(query[term] ?? 0, 0.5) }
        let result = WeightedTerms(query.map { ($0.key, $0.value) })
        nextQueries[passage] = result
        return result
    }

    static let fixedNames = [
        "bm25-relative", "bm25", "bm25-rank", "cosine-relative", "cosine", "cosine-rank", "fused-rank",
        "title-in-question",
        "title-words", "title-share-in-question", "question-share-in-title", "question-coverage", "name-coverage",
        "links-from-top", "links-to-question-title", "passage-length", "same-title-passages", "mentions-any",
        "title-mentioned-often",
    ]

    private func fixedFeatures(_ passage: Int) -> [Float] {
        let bm25 = keywordScores[passage]
        let cosine = semanticScores[passage]
        let keywordRank = keywordRanks[passage].map { 1 / Float($0 + 1) } ?? 0
        let semanticRank = semanticRanks[passage].map { 1 / Float($0 + 1) } ?? 0
        let fused =
            (keywordRanks[passage].map { 30 / Float($0 + 60) } ?? 0)
            + (semanticRanks[passage].map { 30 / Float($0 + 60) } ?? 0)
        let title = world.titleNumbers[passage]
        let titleTerms = world.titleTerms[passage]
        let asked = Set(question.terms)
        var titleWeight: Float = 1e-6
        var shared: Float = 0
        for term in titleTerms {
            titleWeight += world.termWeights[Int(term)]
            if asked.contains(term) { shared += world.termWeights[Int(term)] }
        }
        let covered = held.suffix(question.terms.count).reduce(0, +)
        let ownNames = world.names[passage]
        var nameCover: Float = 0
        for name in question.names where contains(ownNames, name) { nameCover += world.nameWeights[Int(name)] }
        let mentioned = world.mentionedTitles[passage]
        let mentionsAsked = mentioned.filter { question.titles.contains($0) }.count
        return [
            bm25 / bestKeyword, bm25 / 30, keywordRank, cosine / bestSemantic, cosine, semanticRank, fused,
            title >= 0 && question.titles.contains(title) ? 1 : 0, min(1, Float(titleTerms.count) / 6),
            shared / titleWeight,
            shared / question.totalWeight, covered / question.totalWeight, nameCover / question.nameWeight,
            min(1, Float(topLinked[passage] ?? 0) / 3), min(1, Float(mentionsAsked) / 2),
            min(1, world.lengths[passage] / 200),
            title >= 0 ? min(1, Float(world.titlePassages[title].count - 1) / 5) : 0,
            min(1, Float(mentioned.count) / 10),
            title >= 0 ? min(1, Float(world.mentioningPassages[title].count) / 20) : 0,
        ]
    }

    static let pairNames = [
        "linked-from-kept", "links-to-kept", "cosine-kept", "cosine-residual", "cosine-together", "next-bm25",
        "shared-names",
        "best-shared-name", "new-coverage", "same-title", "name-in-title",
    ]

    /// Where `fused-rank` stands among the fixed features.
    static let fusedFeature = 6
    /// Where `next-bm25` and `cosine-residual` stand among the pair features.
    static let nextKeywordFeature = 5
    static let residualFeature = 3

    /// The pair features of the candidates with one kept passage, as far as they were asked for.
    final class PairTable {
        fileprivate(set) var values: [Float] = []
        fileprivate var known: [Bool] = []
    }

    /// Gives `body` the features of a candidate in the light of one kept candidate.
    func withPair(kept: Int, _ candidate: Int, _ body: (UnsafeBufferPointer<Float>) -> Void) {
        let width = Self.pairNames.count
        let table: PairTable
        if let made = pairs[kept] {
            table = made
        } else {
            table = PairTable()
            pairs[kept] = table
        }
        if table.known.count < passages.count {
            table.values += [Float](repeating: 0, count: (passages.count - table.known.count) * width)
            table.known += [Bool](repeating: false, count: passages.count - table.known.count)
        }
        if !table.known[candidate] {
            for (index, value) in pairFeatures(kept: kept, candidate).enumerated() {
                table.values[candidate * width + index] = value
            }
            table.known[candidate] = true
        }
        table.values.withUnsafeBufferPointer { values in
            body(UnsafeBufferPointer(rebasing: values[(candidate * width)..<((candidate + 1) * width)]))
        }
    }

    private func pairFeatures(kept: Int, _ candidate: Int) -> [Float] {
        let (e, p) = (passages[kept], passages[candidate])
        let (titleE, titleP) = (world.titleNumbers[e], world.titleNumbers[p])
        var sharedNames: Float = 0
        var bestName: Float = 0
        let namesP = world.names[p]
        for name in world.names[e] where contains(namesP, name) && !contains(question.names, name) {
            sharedNames += world.nameWeights[Int(name)]
            bestName = max(bestName, world.nameWeights[Int(name)])
        }
        var newWeight: Float = 0
        let count = question.terms.count
        for term in 0..<count where held[kept * count + term] == 0 { newWeight += held[candidate * count + term] }
        var titleInE: Float = 0
        let titleTerms = world.titleTerms[p]
        if !titleTerms.isEmpty {
            var total: Float = 1e-6
            for term in titleTerms {
                total += world.termWeights[Int(term)]
                if world.count(of: term, in: e) > 0 { titleInE += world.termWeights[Int(term)] }
            }
            titleInE /= total
        }
        let (askedE, askedP, between) = (semanticScores[e], semanticScores[p], world.cosine(between: e, p))
        let residual = (askedP - askedE * between) / max(1e-3, 1 - askedE * askedE).squareRoot()
        let together = (askedP + between) / max(1e-3, 2 + 2 * askedE).squareRoot()
        return [
            titleP >= 0 && world.mentionedTitles[e].contains(titleP) ? 1 : 0,
            titleE >= 0 && world.mentionedTitles[p].contains(titleE) ? 1 : 0,
            between, residual, together, world.score(nextQuery(e), p) / 60, min(2, sharedNames / 20), bestName / 10,
            newWeight / question.totalWeight, titleE >= 0 && titleE == titleP ? 1 : 0, titleInE,
        ]
    }

    /// The question's terms (their places in it) that no kept candidate has.
    func openTerms(after kept: [Int]) -> [Int] {
        let count = question.terms.count
        return (0..<count).filter { term in kept.allSatisfy { held[$0 * count + term] == 0 } }
    }

    /// The share of the question's weight that some kept candidates cover together.
    func coverage(of kept: [Int]) -> Float {
        let count = question.terms.count
        var covered: Float = 0
        for term in 0..<count where kept.contains(where: { held[$0 * count + term] > 0 }) {
            covered += termWeights[term]
        }
        return covered / question.totalWeight
    }

    /// The share of the question's weight that a candidate adds of some open terms.
    func gain(of candidate: Int, open: [Int]) -> Float {
        let count = question.terms.count
        var weight: Float = 0
        for term in open { weight += held[candidate * count + term] }
        return weight / question.totalWeight
    }
}

/// Whether an ascending list has a number.
func contains(_ list: [Int32], _ number: Int32) -> Bool {
    var low = 0
    var high = list.count
    while low < high {
        let middle = (low + high) / 2
        if list[middle] < number { low = middle + 1 } else { high = middle }
    }
    return low < list.count && list[low] == number
}
