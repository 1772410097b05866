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

    private func goldNames(of questions: [EvalQuestion], in corpus: any RetrievalCorpus) async throws -> GoldNames {
        var isKnown = false
        for id in Set(questions.flatMap { $0.relevance.keys }).sorted() {
            let found = try await corpus.passages(withID: id)
            if found.isEmpty { continue }
            isKnown = true
            if id.contains("#"), found.contains(where: { $0.id == id && $0.documentID != id }) { return .passages }
            if !questions.contains(where: { $0.relevance.keys.contains { $0.contains("#") } }) { break }
        }
        return isKnown ? .documents : .titles
    }

    /// The questions with gold passages of which the set has the texts (reference contexts) named as the corpus names the
    /// documents that hold these texts. Gold that the corpus knows by its id or title stays as it is.
    private func matchingTexts(
        _ questions: [EvalQuestion], _ corpus: any RetrievalCorpus
    ) async throws -> [EvalQuestion] {
        let texts = Dictionary(set.passages.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var wanted: OrderedSet<String> = []
        for question in questions where question.judgments.isEmpty {
            for id in question.supporting where texts[id]?.title.isEmpty == true { wanted.append(id) }
        }
        guard !wanted.isEmpty else { return questions }
        func words(_ text: String) -> String {
            text.lowercased().split { !$0.isLetter && !$0.isNumber }.joined(separator: " ")
        }
        var names: [String: [String]] = [:]
        for start in stride(from: 0, to: wanted.count, by: 64) {
            var batch: [String] = []
            for id in wanted[start..<min(start + 64, wanted.count)] where try await corpus.passages(withID: id).isEmpty
            {
                batch.append(id)
            }
            let queries = batch.map { String((texts[$0]?.text ?? "").prefix(400)) }
            guard !queries.isEmpty else { continue }
            let lists = try await corpus.search(.keyword, queries: queries, limit: 10, within: nil)
            for (id, hits) in zip(batch, lists) {
                let gold = words(texts[id]?.text ?? "")
                var found: OrderedSet<String> = []
                for passage in try await corpus.passages(at: hits.map(\.ordinal)) {
                    let own = words(passage.text)
                    // A reference may be a part of a passage, or span several.
                    if own.contains(gold) || (own.count >= 40 && gold.contains(own)) {
                        found.append(passage.documentID)
                    }
                }
                if !found.isEmpty { names[id] = Array(found) }
            }
        }
        return questions.map { question in
            var question = question
            guard question.judgments.isEmpty else { return question }
            question.supporting = Array(OrderedSet(question.supporting.flatMap { names[$0] ?? [$0] }))
            return question
        }
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
        let questions = try await matchingTexts(set.questions.filter { $0.relevance.contains { $0.value > 0 } }, corpus)
        guard !questions.isEmpty else {
            throw DatasetError(
                file: set.name,
                message: "nothing can be judged: "
                    + (set.questions.count == 1
                        ? "the one question names no gold passages "
                        : "none of the \(set.questions.count) questions names gold passages ")

                    + "(\"supporting\", \"supporting_facts\", \"judgments\", or FlashRAG's metadata)")
        }
        let names = try await goldNames(of: questions, in: corpus)
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
