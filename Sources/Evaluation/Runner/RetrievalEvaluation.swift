// SPDX-License-Identifier: Apache-2.0

public import Base
public import Corpus
public import Datasets
public import OrderedCollections
import QualityMetrics
import Text
import Tools

/// Recall of plain searches on a question set: keyword, semantic and hybrid beside each other.
public struct RetrievalEvaluation: Sendable {
    /// One question's ranking under one mode.
    public struct Ranking: Sendable {
        public var question: EvalQuestion
        /// Ids of the retrieved passages or documents, best first; titles where the gold is named by title.
        public var ranked: [String]
        /// Their scores: that of a document's best passage.
        public var scores: [Double]
        /// The texts, when the question has answers to look for.
        public var texts: [String]
    }

    /// The measures of one mode.
    public struct Row: Sendable {
        public var mode: String
        /// Means over the questions with gold passages, by measure.
        public var means: OrderedDictionary<String, MeanInterval>
    }

    public var set: QuestionSet
    public var cutoffs: [Int]

    public init(set: QuestionSet, cutoffs: [Int] = [2, 5, 10, 100]) {
        self.set = set
        self.cutoffs = cutoffs
    }

    /// How the gold of a set names what it wants found.
    private enum GoldNames { case documents, passages, titles }

    private func goldNames(in corpus: any RetrievalCorpus) async throws -> GoldNames {
        var isKnown = false
        for id in Set(set.questions.flatMap { $0.relevance.keys }).sorted() {
            let found = try await corpus.passages(withID: id)
            if found.isEmpty { continue }
            isKnown = true
            if id.contains("#"), found.contains(where: { $0.id == id && $0.documentID != id }) { return .passages }
            if !set.questions.contains(where: { $0.relevance.keys.contains { $0.contains("#") } }) { break }
        }
        return isKnown ? .documents : .titles
    }

    /// Searches for every question that has gold passages.
    ///
    /// Where the gold names documents, a document counts once, at the place of its best passage, whether it is gold or not.
    /// Where it names a passage of a document with several, passages are counted. Where no gold id is in the corpus, titles
    /// are compared.
    /// - Throws: `DatasetError` when nothing can be judged: no question has gold passages, or none of them is in the corpus.
    public func rankings(_ mode: RetrievalMode, in corpus: any RetrievalCorpus) async throws -> [Ranking] {
        var result: [Ranking] = []
        let limit = cutoffs.max() ?? 10
        let questions = set.questions.filter { $0.relevance.contains { $0.value > 0 } }
        guard !questions.isEmpty else {
            throw DatasetError(
                file: set.name,
                message: "nothing can be judged: none of the \(set.questions.count) questions names gold passages "
                    + "(\"supporting\", \"supporting_facts\", \"judgments\", or FlashRAG's metadata)")
        }
        let names = try await goldNames(in: corpus)
        var seen: Set<String> = []
        for start in stride(from: 0, to: questions.count, by: 64) {
            let batch = questions[start..<min(start + 64, questions.count)]
            // Passages of one document fall together, so more of them are asked for than are counted.
            let lists = try await corpus.search(mode, queries: batch.map(\.text), limit: 2 * limit, within: nil)
            for (question, hits) in zip(batch, lists) {
                let passages = try await corpus.passages(at: hits.map(\.ordinal))
                var ids: OrderedSet<String> = []
                var scores: [Double] = []
                for (passage, hit) in zip(passages, hits) where ids.count < limit {
                    if set.leavesOutOwnDocument, passage.documentID == question.id { continue }
                    let name =
                        switch names {
                        case .documents: passage.documentID
                        case .passages: passage.id
                        case .titles: passage.title
                        }
                    if ids.append(name).inserted { scores.append(hit.score) }
                }
                if names == .titles { seen.formUnion(ids.filter { question.relevance[$0] != nil }) }
                result.append(
                    Ranking(
                        question: question, ranked: Array(ids), scores: scores,
                        texts: question.answers.isEmpty ? [] : passages.map { $0.title + "\n" + $0.text }))
            }
        }
        if names == .titles, seen.isEmpty {
            let example = questions[0].relevance.keys.sorted().first ?? ""
            throw DatasetError(
                file: set.name,
                message:
                    "nothing can be judged: no gold passage is in this corpus, by id or by title (\"\(example)\" for one)"
            )
        }
        return result
    }

    /// Measures rankings.
    public func row(_ name: String, _ rankings: [Ranking], resamples: Int = 1000) -> Row {
        var values: OrderedDictionary<String, [Double]> = [:]
        for ranking in rankings {
            let relevance = ranking.question.relevance
            let gold = relevance.filter { $0.value > 0 }.keys.sorted()
            for k in cutoffs {
                values["recall@\(k)", default: []].append(
                    RetrievalMetrics.passageRecall(ranking.ranked, gold: gold, at: k))
            }
            for k in cutoffs where k <= 20 {
                values["all_gold@\(k)", default: []].append(
                    RetrievalMetrics.allGoldRecall(ranking.ranked, gold: gold, at: k))
            }
            let judged = JudgedRanking(ranked: ranking.ranked, judgments: relevance)
            values["ndcg@10", default: []].append(judged.nDCG(at: 10))
            values["map", default: []].append(judged.averagePrecision)
            values["mrr", default: []].append(judged.reciprocalRank)
            let answers = ranking.question.answers
            if !answers.isEmpty, ranking.question.isAnswerable {
                values["answer_recall@5", default: []].append(
                    RetrievalMetrics.answerStringRecall(
                        ranking.texts, answers: answers, at: 5, normalization: set.benchmark.normalization))
            }
        }
        return Row(mode: name, means: values.mapValues { Bootstrap.mean($0, resamples: resamples) })
    }

    /// A Markdown table of rows.
    public static func markdown(_ rows: [Row]) -> String {
        let names = OrderedSet(rows.flatMap { $0.means.keys })
        var text = "| mode | questions | " + names.joined(separator: " | ") + " |\n"
        text += "| --- | --: |" + names.map { _ in " --: |" }.joined() + "\n"
        for row in rows {
            text += "| \(row.mode) | \(row.means.values.first?.count ?? 0) | "
            text += names.map { row.means[$0].map { fixed($0.mean, 3) } ?? "–" }.joined(separator: " | ") + " |\n"
        }
        return text
    }

    /// The rows for machines.
    public static func json(_ rows: [Row]) -> JSONValue {
        .array(
            rows.map { row in
                var measures: JSONObject = [:]
                for (name, mean) in row.means {
                    measures[name] = [
                        "mean": .number(mean.mean), "lower": .number(mean.lower), "upper": .number(mean.upper),
                    ]
                }
                return [
                    "mode": .string(row.mode), "questions": .integer(row.means.values.first?.count ?? 0),
                    "measures": .object(measures),
                ]
            })
    }
}
