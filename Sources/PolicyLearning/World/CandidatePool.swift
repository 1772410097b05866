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
    private var expansions: [Int: [Int]] = [:]
    private var pairs: [Int: [Int: [Float]]] = [:]
    private var residuals: [Int: (vector: [Float], together: [Float])] = [:]
    private var nextQueries: [Int: [Int32: Float]] = [:]

    private let keywordQuery: [Int32: Float]
    private let keywordRanks: [Int: Int]
    private let semanticRanks: [Int: Int]
    private let bestKeyword: Float
    private let bestSemantic: Float
    private let topLinked: [Int: Int]

    init(_ question: QuestionView, world: RetrievalWorld, options: PoolOptions) {
        self.question = question
        self.world = world
        self.options = options
        let query = Dictionary(question.terms.map { ($0, Float(1)) }) { first, _ in first }
        keywordQuery = query
        let keyword = world.search(query, count: 50)
        let semantic = world.nearest(question.vector, count: 50)
        keywordRanks = Dictionary(uniqueKeysWithValues: keyword.enumerated().map { ($0.element, $0.offset) })
        semanticRanks = Dictionary(uniqueKeysWithValues: semantic.enumerated().map { ($0.element, $0.offset) })
        bestKeyword = max(1e-6, keyword.first.map { world.score(query, $0) } ?? 0)
        bestSemantic = max(1e-6, semantic.first.map { world.cosine(question.vector, $0) } ?? 0)
        var found: [Int] = []
        var linked: [Int: Int] = [:]
        found += keyword.prefix(options.keyword)
        found += semantic.prefix(options.semantic)
        func ofTitle(_ title: Int) -> [Int] {
            Self.passages(ofTitle: title, world, query, question.vector, count: options.perTitle)
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
        for passage in members { _ = position(adding: passage) }
    }

    private func position(adding passage: Int) -> Int {
        if let known = positions[passage] { return known }
        positions[passage] = passages.count
        passages.append(passage)
        fixed.append(fixedFeatures(passage))
        return passages.count - 1
    }

    /// The passages of a title, at most `count`, those that suit the question best.
    private static func passages(
        ofTitle title: Int, _ world: RetrievalWorld, _ query: [Int32: Float], _ vector: [Float], count: Int
    ) -> [Int] {
        let all = world.titlePassages[title]
        return all.count > count ? suited(all, world, query, vector, count: count) : all
    }

    /// The passages that suit the question best by words and meaning together.
    private static func suited(
        _ passages: [Int], _ world: RetrievalWorld, _ query: [Int32: Float], _ vector: [Float], count: Int
    ) -> [Int] {
        // A cosine of 0.1 weighs about as much as one unit of BM25.
        let scores = passages.map { world.score(query, $0) + 10 * world.cosine(vector, $0) }
        return largest(scores, count: count).map { passages[$0] }
    }

    /// Returns the candidates (positions) that keeping a candidate brings in: its links both ways, passages of its title,
    /// and what searches with the question and this passage find.
    func expansion(of position: Int) -> [Int] {
        if let known = expansions[position] { return known }
        let passage = passages[position]
        var found: [Int] = []
        func ofTitle(_ title: Int) -> [Int] {
            Self.passages(ofTitle: title, world, keywordQuery, question.vector, count: options.perTitle)
        }
        for title in world.mentionedTitles[passage].prefix(options.links) { found += ofTitle(title) }
        let title = world.titleNumbers[passage]
        if title >= 0 {
            found += ofTitle(title)
            found += Self.suited(
                world.mentioningPassages[title], world, keywordQuery, question.vector, count: options.backLinks)
        }
        found += world.search(nextQuery(passage), count: options.nextKeyword)
        let vectors = residual(passage)
        found += world.nearest(vectors.vector, count: options.nextSemantic)
        found += world.nearest(vectors.together, count: options.nextSemantic)
        var seen = Set<Int>()
        let result = found.filter { $0 != passage && seen.insert($0).inserted }.map { self.position(adding: $0) }
        expansions[position] = result
        return result
    }

    /// The keyword query after keeping a passage: question terms that it lacks in full, those it has in part, and the
    /// terms of the names in it that the question does not have.
    private func nextQuery(_ passage: Int) -> [Int32: Float] {
        if let known = nextQueries[passage] { return known }
        var query: [Int32: Float] = [:]
        for term in question.terms { query[term] = world.count(of: term, in: passage) > 0 ? 0.3 : 1 }
        for key in world.analysis.nameKeys(world.passages[passage].title + ". " + world.passages[passage].text) {
            for word in world.analysis.terms(key) {
                guard let term = world.termNumbers[word] else { continue }
                query[term] = max(query[term] ?? 0, 0.5)
            }
        }
        nextQueries[passage] = query
        return query
    }

    /// The question's vector without what the passage covers of it, and both together; each of length one.
    private func residual(_ passage: Int) -> (vector: [Float], together: [Float]) {
        if let known = residuals[passage] { return known }
        let own = Array(world.vectors.row(passage))
        let along = world.cosine(question.vector, passage)
        func unit(_ vector: [Float]) -> [Float] {
            let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
            return length > 0 ? vector.map { $0 / length } : vector
        }
        let result = (
            vector: unit(zip(question.vector, own).map { $0 - along * $1 }),
            together: unit(zip(question.vector, own).map { $0 + $1 })
        )
        residuals[passage] = result
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
        let bm25 = world.score(keywordQuery, passage)
        let cosine = world.cosine(question.vector, passage)
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
        var covered: Float = 0
        for term in question.terms where world.count(of: term, in: passage) > 0 {
            covered += world.termWeights[Int(term)]
        }
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

    /// Returns the features of a candidate in the light of one kept candidate.
    func pair(kept: Int, _ candidate: Int) -> [Float] {
        if let known = pairs[kept]?[candidate] { return known }
        let (e, p) = (passages[kept], passages[candidate])
        let (titleE, titleP) = (world.titleNumbers[e], world.titleNumbers[p])
        let vectors = residual(e)
        let query = nextQuery(e)
        var sharedNames: Float = 0
        var bestName: Float = 0
        let namesP = world.names[p]
        for name in world.names[e] where !contains(question.names, name) && contains(namesP, name) {
            sharedNames += world.nameWeights[Int(name)]
            bestName = max(bestName, world.nameWeights[Int(name)])
        }
        var newWeight: Float = 0
        for term in question.terms where world.count(of: term, in: e) == 0 && world.count(of: term, in: p) > 0 {
            newWeight += world.termWeights[Int(term)]
        }
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
        let row: [Float] = [
            titleP >= 0 && world.mentionedTitles[e].contains(titleP) ? 1 : 0,
            titleE >= 0 && world.mentionedTitles[p].contains(titleE) ? 1 : 0,
            world.cosine(Array(world.vectors.row(e)), p), world.cosine(vectors.vector, p),
            world.cosine(vectors.together, p),
            world.score(query, p) / 60, min(2, sharedNames / 20), bestName / 10, newWeight / question.totalWeight,
            titleE >= 0 && titleE == titleP ? 1 : 0, titleInE,
        ]
        pairs[kept, default: [:]][candidate] = row
        return row
    }

    /// The share of the question's weight that some kept candidates cover together.
    func coverage(of kept: [Int]) -> Float {
        var covered: Float = 0
        for term in question.terms where kept.contains(where: { world.count(of: term, in: passages[$0]) > 0 }) {
            covered += world.termWeights[Int(term)]
        }
        return covered / question.totalWeight
    }

    /// The question's terms that no kept candidate has.
    func openTerms(after kept: [Int]) -> [Int32] {
        question.terms.filter { term in !kept.contains { world.count(of: term, in: passages[$0]) > 0 } }
    }

    /// The share of the question's weight that a candidate adds of some open terms.
    func gain(of candidate: Int, open: [Int32]) -> Float {
        var weight: Float = 0
        for term in open where world.count(of: term, in: passages[candidate]) > 0 {
            weight += world.termWeights[Int(term)]
        }
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
