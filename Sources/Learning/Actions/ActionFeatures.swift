// SPDX-License-Identifier: Apache-2.0

import Base
import Episodes
import LanguageModels
import OrderedCollections
import TensorMath

/// What a learned policy sees of a candidate: numbers that mean the same on every corpus.
///
/// Scores are relative to the best of their list, ranks are reciprocal, coverage is a share of the question. Titles and
/// links are features that may be absent: then they and the flags beside them are zero.
enum ActionFeatures {
    static let kindNames = [
        "is-keep", "is-first-search", "is-name-search", "is-clause-search", "is-next-keyword", "is-next-semantic",
        "is-links", "is-next-all", "is-top-links", "is-filter", "is-scoped-search", "is-other-call", "is-answer",
        "is-give-up",
    ]
    static let stateNames = [
        "first-keep", "second-keep", "third-keep", "later-keep", "coverage", "lookups-spent", "rankings-agree",
        "best-cosine", "has-titles", "has-links", "has-fields",
    ]
    static let keepNames =
        [
            "keyword-rank", "keyword-relative", "semantic-rank", "semantic-relative", "cosine", "fused", "fused-place",
            "in-both", "next-keyword-rank", "next-keyword-relative", "next-semantic-rank", "next-semantic-relative",
            "last-keyword-rank", "last-keyword-relative", "last-semantic-rank", "last-semantic-relative", "linked",
            "last-linked", "top-linked", "name-rank", "clause-rank", "scoped-rank", "scoped-relative", "other-rank",
            "times-found", "title-in-question", "title-words", "title-share-in-question", "question-share-in-title",
            "question-coverage", "name-coverage", "open-coverage", "passage-length",
        ] + QuestionContext.pairNames.map { "any-" + $0 } + QuestionContext.pairNames.map { "last-" + $0 }
    static let lookupNames = [
        "source-recency", "source-is-last", "open-share", "new-names", "times-tried", "last-news", "untried", "calls",
        "source-in-question", "source-coverage",
    ]

    /// The names of the features, in the order of the columns.
    static let names = kindNames + stateNames + QuestionFacts.cueNames + keepNames + lookupNames
    static let count = names.count

    /// The columns that come from titles, and those that come from links: what training leaves out at random.
    static let titleColumns = names.indices.filter {
        names[$0].contains("title") || names[$0].hasSuffix("named-by-kept") || names[$0].hasSuffix("names-kept")
    }
    static let linkColumns = names.indices.filter { names[$0].contains("linked") || names[$0] == "has-links" }
    static let fusedPlaceColumn = names.firstIndex(of: "fused-place") ?? 0
    static let openColumn = names.firstIndex(of: "open-coverage") ?? 0

    private static let keepStart = kindNames.count + stateNames.count + QuestionFacts.cueNames.count
    private static let lookupStart = keepStart + keepNames.count

    static func matrix(
        _ view: StateView, _ state: AgentState, _ candidates: [CandidateAction], _ options: ActionOptions
    ) -> Matrix {
        var elements = [Float](repeating: 0, count: candidates.count * count)
        let common = common(view, options)
        let lists = PassageLists(view)
        var places: [String: Int] = [:]
        for (place, id) in view.ids.enumerated() { places[id] = place }
        for (row, candidate) in candidates.enumerated() {
            let base = row * count
            for (index, value) in common.enumerated() { elements[base + kindNames.count + index] = value }
            switch candidate.kind {
            case .keep(let ids):
                elements[base] = 1
                if let place = ids.first.flatMap({ places[$0] }) {
                    for (index, value) in lists.features(of: place, view).enumerated() {
                        elements[base + keepStart + index] = value
                    }
                }
            case .call(let calls):
                elements[base + kind(of: candidate, calls)] = 1
                for (index, value) in lookup(candidate, calls, view).enumerated() {
                    elements[base + lookupStart + index] = value
                }
            case .answer: elements[base + 12] = 1
            case .giveUp, .correct: elements[base + 13] = 1
            }
        }
        return Matrix(rows: candidates.count, columns: count, elements: elements)
    }

    /// What all candidates of a state have in common.
    private static func common(_ view: StateView, _ options: ActionOptions) -> [Float] {
        let kept = view.kept.count
        func list(_ way: LookupWay) -> StateView.List? { view.lists.first { $0.role == .question && $0.way == way } }
        let (words, meaning) = (list(.keyword), list(.semantic))
        let top = Set(words?.hits.prefix(5).map(\.passage) ?? [])
        let agreed = meaning?.hits.prefix(5).filter { top.contains($0.passage) }.count ?? 0
        let titled = view.facts.prefix(20).filter { !$0.facts.title.isEmpty }.count
        return [
            kept == 0 ? 1 : 0, kept == 1 ? 1 : 0, kept == 2 ? 1 : 0, kept > 2 ? 1 : 0, view.share(view.covered),
            Float(view.lookups) / Float(max(1, options.lookups)), Float(agreed) / 5, meaning?.hits.first?.score ?? 0,
            titled > 0 ? 1 : 0, view.lists.contains { $0.way == .links && !$0.hits.isEmpty } ? 1 : 0,
            view.lists.contains { $0.role == .scoped } ? 1 : 0,
        ] + view.question.question.cues
    }

    private static func kind(of candidate: CandidateAction, _ calls: [ToolInvocation]) -> Int {
        let way = calls.first.map { LookupWay(tool: $0.tool) } ?? .other
        switch StateView.purpose(of: candidate).role {
        case .question: return 1
        case .name: return 2
        case .clause: return 3
        case .next: return way == .keyword ? 4 : way == .semantic ? 5 : 6
        case .all: return 7
        case .top: return 8
        case .filter: return 9
        case .scoped: return 10
        case .other: return way == .keyword ? 2 : way == .semantic ? 3 : 11
        }
    }

    private static func lookup(
        _ candidate: CandidateAction, _ calls: [ToolInvocation], _ view: StateView
    ) -> [Float] {
        let (role, source) = StateView.purpose(of: candidate)
        let way = calls.first.map { LookupWay(tool: $0.tool) } ?? .other
        let kind = StateView.kind(way, role)
        var recency: Float = 0
        var (named, coverage, newNames): (Float, Float, Float) = (0, 0, 0)
        if view.kept.indices.contains(source) {
            recency = 1 / Float(view.kept.count - source)
            let fact = view.facts[view.kept[source]]
            named = fact.isNamedInQuestion ? 1 : 0
            coverage = view.share(fact.held)
            let names = fact.facts.nameKeys.filter { !view.question.question.nameKeys.contains($0) }.count
            newNames = min(1, Float(names) / 8)
        }
        return [
            recency, recency == 1 ? 1 : 0, 1 - view.share(view.covered), newNames,
            min(1, Float(view.tried[kind]) / 3), view.lastNews[kind], view.tried[kind] == 0 ? 1 : 0,
            Float(calls.count) / 3, named, coverage,
        ]
    }
}

/// What the lists say of each passage, computed once for all candidates of a state.
private struct PassageLists {
    /// Features of the lists, passages × `listFeatures`, in the order of `ActionFeatures.keepNames`.
    private var values: [Float]
    private var timesFound: [Int]
    private let fusedPlace: [Float]
    private static let listFeatures = 24

    init(_ view: StateView) {
        let width = Self.listFeatures
        var values = [Float](repeating: 0, count: view.ids.count * width)
        var times = [Int](repeating: 0, count: view.ids.count)
        let last = view.kept.count - 1
        for list in view.lists {
            let best = max(1e-6, list.hits.first?.score ?? 0)
            for (rank, hit) in list.hits.enumerated() {
                let base = hit.passage * width
                times[hit.passage] += 1
                let reciprocal = 1 / Float(rank + 1)
                let relative = min(1, max(0, hit.score / best))
                func raise(_ column: Int, _ value: Float) { values[base + column] = max(values[base + column], value) }
                switch (list.role, list.way) {
                case (.question, .keyword):
                    raise(0, reciprocal)
                    raise(1, relative)
                case (.question, _):
                    raise(2, reciprocal)
                    raise(3, relative)
                    raise(4, max(0, hit.score))
                case (.next, .keyword):
                    raise(8, reciprocal)
                    raise(9, relative)
                    if list.source == last {
                        raise(12, reciprocal)
                        raise(13, relative)
                    }
                case (.next, .semantic):
                    raise(10, reciprocal)
                    raise(11, relative)
                    if list.source == last {
                        raise(14, reciprocal)
                        raise(15, relative)
                    }
                case (.next, _), (.all, _):
                    raise(16, 1)
                    if list.source == last { raise(17, 1) }
                case (.top, _): raise(18, 1)
                case (.name, _): raise(19, reciprocal)
                case (.clause, _): raise(20, reciprocal)
                case (.scoped, _):
                    raise(21, reciprocal)
                    raise(22, relative)
                case (.filter, _), (.other, _): raise(23, reciprocal)
                }
            }
        }
        // The place among those that are still free: what plain hybrid search would keep next has 1.
        var fusedPlace = [Float](repeating: 0, count: view.ids.count)
        let free = view.ids.indices.filter { !view.isChosen[$0] && view.fusedRank[$0] >= 0 }
            .sorted { view.fusedRank[$0] < view.fusedRank[$1] }
        for (order, place) in free.enumerated() { fusedPlace[place] = 1 / Float(order + 1) }
        for place in view.ids.indices {
            values[place * width + 5] = min(1, view.fusedScore[place] * 30)
            values[place * width + 6] = fusedPlace[place]
            values[place * width + 7] = values[place * width] > 0 && values[place * width + 2] > 0 ? 1 : 0
        }
        self.values = values
        self.fusedPlace = fusedPlace
        timesFound = times
    }

    func features(of place: Int, _ view: StateView) -> [Float] {
        let fact = view.facts[place]
        var row = Array(values[(place * Self.listFeatures)..<((place + 1) * Self.listFeatures)])
        row.reserveCapacity(ActionFeatures.keepNames.count)
        let titleWords = fact.facts.title.isEmpty ? 0 : fact.facts.title.utf8.lazy.filter { $0 == 0x20 }.count + 1
        row += [
            min(1, Float(timesFound[place]) / 6), fact.isNamedInQuestion ? 1 : 0, min(1, Float(titleWords) / 6),
            fact.titleShare, fact.questionShareInTitle, view.share(fact.held), fact.nameShare,
            view.share(fact.held & ~view.covered), min(1, Float(fact.facts.length) / 200),
        ]
        let width = QuestionContext.pairNames.count
        var best = [Float](repeating: 0, count: width)
        var last = best
        for kept in view.kept {
            let pair = view.question.pair(
                kept: (view.ids[kept], view.facts[kept]), (view.ids[place], fact))
            for index in 0..<width { best[index] = max(best[index], pair[index]) }
            last = pair
        }
        return row + best + last
    }
}
