// SPDX-License-Identifier: Apache-2.0

import Base
public import Datasets
import Foundation
public import OrderedCollections
public import QualityMetrics
import Text

/// Answers of any system, in the forms in which systems release them, scored as the benchmark's own script scores them.
///
/// Read are: HotpotQA's and 2WikiMultihopQA's `{"answer": {id: …}, "sp": {id: …}, "evidence": {id: …}}`; a mapping of ids to
/// answers; MuSiQue's lines of `{"id", "predicted_answer", "predicted_support_idxs"}`; FlashRAG's `intermediate_data.json`;
/// MultiHop-RAG's lists of `{"query", "model_answer"}` and of `{"query", "retrieval_list"}`; lines or a list of
/// `{"id", "answer", "retrieved"}`; TREC runs.
public struct PredictionSet: Sendable {
    /// What a system said to one question.
    public struct Prediction: Sendable, Hashable {
        /// Nil where the file has no answer to the question.
        public var answer: String?
        /// The sentences that it gives as support.
        public var facts: [SupportingFact]?
        /// The paragraphs that it gives as support, by their place (MuSiQue).
        public var paragraphs: [Int]?
        /// Whether the system held the question for answerable from its paragraphs (MuSiQue-Full).
        public var answerable: Bool?
        /// Triples (2WikiMultihopQA).
        public var evidence: [[String]]?
        /// Ids of retrieved passages, best first.
        public var ranked: [String]?
        /// Texts of retrieved passages, best first.
        public var texts: [String]?
        /// Scores of retrieved documents, of a TREC run.
        public var run: [String: Double]?
    }

    /// By question id, or by the question's text where the file has no ids.
    public var predictions: [String: Prediction]

    /// Reads a file.
    /// - Throws: `DatasetError` with the file and the line.
    public static func read(_ path: String) throws(DatasetError) -> PredictionSet {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw DatasetError(file: path, message: "the file cannot be read")
        }
        let first = data.first { $0 > 0x20 && $0 != 0xEF && $0 != 0xBB && $0 != 0xBF }
        guard first == UInt8(ascii: "{") || first == UInt8(ascii: "[") else {
            return PredictionSet(predictions: try TRECFiles.run(path).mapValues { Prediction(run: $0) })
        }
        // One object over the whole file, or else records.
        if first == UInt8(ascii: "{"), let whole = try? JSONValue(parsing: Array(data)), let members = whole.object,
            members["id"] == nil, members["_id"] == nil
        {
            return try mapping(members, path)
        }
        let file = try RecordFile(path: path)
        var predictions: [String: Prediction] = [:]
        for record in try file.records() {
            do {
                var (id, prediction) = try self.prediction(record.value)
                // MuSiQue-Full's questions come in pairs of one id, in the order of the set.
                if prediction.answerable != nil, predictions[id]?.answerable != nil { id += EvalQuestion.twinSuffix }
                guard predictions.updateValue(prediction, forKey: id) == nil else {
                    throw JSONError(message: "\"\(id)\" is answered twice")
                }
            } catch { throw file.failure(record.line, "\(error)") }
        }
        return PredictionSet(predictions: predictions)
    }

    private static func mapping(_ members: JSONObject, _ path: String) throws(DatasetError) -> PredictionSet {
        var predictions: [String: Prediction] = [:]
        do {
            if let answers = members["answer"]?.object {
                for (id, answer) in answers {
                    predictions[id, default: Prediction()].answer = EvalQuestion.text(answer)
                }
                for (id, facts) in members["sp"]?.object ?? [:] {
                    predictions[id, default: Prediction()].facts = try EvalQuestion.facts(facts)
                }
                for (id, triples) in members["evidence"]?.object ?? [:] {
                    predictions[id, default: Prediction()].evidence = (triples.array ?? []).map {
                        ($0.array ?? []).compactMap(EvalQuestion.text)
                    }
                }
            } else {
                for (id, answer) in members {
                    guard let text = EvalQuestion.text(answer) else {
                        throw JSONError(message: "the answer to \"\(id)\" must be a text, found \(answer.typeName)")
                    }
                    predictions[id] = Prediction(answer: text)
                }
            }
        } catch { throw DatasetError(file: path, message: "\(error)") }
        return PredictionSet(predictions: predictions)
    }

    private static func prediction(_ json: JSONValue) throws -> (id: String, Prediction) {
        guard let given = json["id"] ?? json["_id"] ?? json["qid"] ?? json["query"], let id = EvalQuestion.text(given)
        else { throw JSONError(message: "expected \"id\" or \"query\"") }
        var result = Prediction()
        // Beside MultiHop-RAG's retrieved texts stands the right answer.
        let named =
            json["predicted_answer"] ?? json["output"]?["pred"] ?? json["pred"] ?? json["prediction"]
            ?? json["model_answer"]
        let answer = try named ?? (json["retrieval_list"] == nil ? bareAnswer(json) : nil)
        result.answer = answer.flatMap(EvalQuestion.text)
        result.paragraphs = json["predicted_support_idxs"]?.array?.compactMap(\.int)
        result.answerable = json["predicted_answerable"]?.bool
        if json["retrieved"] != nil { result.ranked = try EvalQuestion.texts(json, "retrieved") }
        if let found = json["retrieval_list"]?.array { result.texts = found.compactMap { $0["text"]?.string } }
        if let found = json["output"]?["retrieval_result"]?.array {
            result.ranked = found.compactMap { $0["id"].flatMap(EvalQuestion.text) }
            result.texts = found.compactMap { $0["contents"]?.string }
        }
        guard result != Prediction() else {
            throw JSONError(message: "\"\(id)\" has neither an answer nor retrieved passages")
        }
        return (id, result)
    }

    /// The keys that may stand beside an `answer` that is a prediction.
    private static let besideAnswer: Set<String> = [
        "id", "_id", "qid", "query", "answer", "retrieved", "sp", "evidence",
    ]

    /// `answer` where nothing says that the line is a data set's own, whose `answer` is the right one.
    private static func bareAnswer(_ json: JSONValue) throws -> JSONValue? {
        guard let answer = json["answer"] else { return nil }
        let others = (json.object?.keys).map(Array.init) ?? []
        guard let other = others.first(where: { !besideAnswer.contains($0) }) else { return answer }
        throw JSONError(
            message: "\"answer\" stands beside \"\(other)\" and may be the right answer; name the system's own "
                + "\"predicted_answer\", \"prediction\", \"pred\" or \"model_answer\"")
    }

    /// What scoring gave.
    public struct Scores: Sendable {
        /// Questions of the set.
        public var questions: Int
        /// Of them, those without a prediction; they count as wrong.
        public var missing: Int
        /// Predictions of questions that are not in the set.
        public var unknown: Int
        /// Means by the names of the benchmark's own script.
        public var means: OrderedDictionary<String, Double>
    }

    /// Sums by measure in the order of their first use, and over how many questions each is.
    private struct Totals {
        var sums: OrderedDictionary<String, Double> = [:]

        mutating func add(_ name: String, _ value: Double) { sums[name, default: 0] += value }

        mutating func add(_ prefix: String, _ scores: SetScores) {
            add(prefix + "em", scores.exactMatch)
            add(prefix + "f1", scores.f1)
            add(prefix + "prec", scores.precision)
            add(prefix + "recall", scores.recall)
        }

        func means(over count: Int) -> OrderedDictionary<String, Double> {
            sums.mapValues { $0 / Double(max(1, count)) }
        }
    }

    /// Scores the predictions as the set's benchmark does.
    /// - Parameters:
    ///   - cutoffs: cut-offs of the recall of gold passages, where ids were retrieved.
    ///   - aliases: other names of 2WikiMultihopQA's answers and entities.
    public func scores(_ set: QuestionSet, cutoffs: [Int] = [2, 5, 10], aliases: EntityAliases? = nil) -> Scores {
        if predictions.values.contains(where: { $0.run != nil }) {
            return trecScores(
                Dictionary(set.questions.map { ($0.id, $0.relevance) }, uniquingKeysWith: { first, _ in first }))
        }
        let hasFacts = predictions.values.contains { $0.facts != nil }
        let hasEvidence = predictions.values.contains { $0.evidence != nil }
        let hasAnswers = !predictions.values.allSatisfy { $0.answer == nil && $0.texts != nil }
        // MuSiQue scores the answers of answerable questions only.
        let scored = set.benchmark == .musique ? set.questions.filter(\.isAnswerable) : set.questions
        var totals = Totals()
        var missing = 0
        var retrieved = Totals()
        var retrievedCount = 0
        for question in scored {
            let prediction = predictions[question.id] ?? predictions[question.text]
            if prediction == nil { missing += 1 }
            let question = aliases?.adding(to: question) ?? question
            if hasAnswers { addAnswer(prediction, question, set.benchmark, hasFacts, hasEvidence, &totals) }
            if set.benchmark == .multiHopRAG, question.isAnswerable, let texts = prediction?.texts {
                retrievedCount += 1
                let facts = (question.extra["evidence_list"]?.array ?? []).compactMap { $0["fact"]?.string }
                let found = RetrievalMetrics.multiHopRAG(texts, facts: facts)
                for (name, value) in [
                    ("Hits@10", found.hitsAt10), ("Hits@4", found.hitsAt4), ("MAP@10", found.mapAt10),
                    ("MRR@10", found.mrrAt10),
                ] { retrieved.add(name, value) }
            }
            if let ranked = prediction?.ranked, !question.supporting.isEmpty {
                retrievedCount += 1
                for k in cutoffs {
                    retrieved.add(
                        "recall@\(k)", RetrievalMetrics.passageRecall(ranked, gold: question.supporting, at: k))
                }
                for k in cutoffs {
                    retrieved.add(
                        "all_gold@\(k)", RetrievalMetrics.allGoldRecall(ranked, gold: question.supporting, at: k))
                }
                retrieved.add(
                    "d_f1@20", RetrievalMetrics.documentF1(ranked, gold: question.supporting, at: 20))
            }
        }
        let known = Set(set.questions.map(\.id)).union(set.questions.map(\.text))
        return Scores(
            questions: scored.count, missing: missing, unknown: predictions.keys.count { !known.contains($0) },
            means: totals.means(over: scored.count).merging(retrieved.means(over: retrievedCount)) { first, _ in first }
                .merging(sufficiency(set)) { first, _ in first }
        )
    }

    /// MuSiQue-Full's scores of pairs, one of each with and one without the paragraphs that it needs: what the answerable one
    /// scores where both were told apart, else 0 (Trivedi et al. 2022, section 5).
    private func sufficiency(_ set: QuestionSet) -> OrderedDictionary<String, Double> {
        guard set.benchmark == .musique, predictions.values.contains(where: { $0.answerable != nil }) else {
            return [:]
        }
        let byID = Dictionary(set.questions.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        var totals = Totals()
        var pairs = 0
        for question in set.questions {
            guard let twin = byID[question.id + EvalQuestion.twinSuffix] else { continue }
            pairs += 1
            let toldApart = [question, twin].allSatisfy { predictions[$0.id]?.answerable == $0.isAnswerable }
            let answerable = question.isAnswerable ? question : twin
            let prediction = toldApart ? predictions[answerable.id] : nil
            totals.add(
                "group_answer_sufficiency_f1",
                prediction?.answer.map { set.benchmark.score($0, gold: answerable.answers).f1 } ?? 0)
            let gold = answerable.extra["support_idxs"]?.array?.compactMap(\.int) ?? []
            totals.add(
                "group_support_sufficiency_f1",
                prediction?.paragraphs.map { SupportMetrics.musique(predicted: $0, gold: gold).f1 } ?? 0)
        }
        return totals.means(over: pairs)
    }

    private func addAnswer(
        _ prediction: Prediction?, _ question: EvalQuestion, _ benchmark: AnswerBenchmark, _ hasFacts: Bool,
        _ hasEvidence: Bool, _ totals: inout Totals
    ) {
        if benchmark == .flashRAG, !question.isAnswerable, question.answers.isEmpty {
            // SQuAD 2.0: the right answer to a question without one is none.
            let isNone = prediction?.answer.map { AnswerNormalization.squad.normalize($0).isEmpty } ?? false
            for name in ["em", "acc", "f1", "precision", "recall"] { totals.add(name, isNone ? 1 : 0) }
            return
        }
        let answer = prediction?.answer.map { text in
            benchmark.score(
                benchmark == .multiHopRAG ? AnswerExtraction.multiHopRAGAnswer(in: text) : text, gold: question.answers)
        }
        let scores = answer ?? .zero
        switch benchmark {
        case .musique:
            totals.add("answer_f1", scores.f1)
            totals.add("answer_em", scores.exactMatch)
            if let gold = question.extra["support_idxs"]?.array?.compactMap(\.int) {
                let support = prediction?.paragraphs.map { SupportMetrics.musique(predicted: $0, gold: gold) }
                totals.add("support_f1", support?.f1 ?? 0)
            }
        case .multiHopRAG: totals.add("accuracy", scores.f1)
        case .globalQA: totals.add("f1", scores.f1)
        case .flashRAG:
            for (name, value) in [
                ("em", scores.exactMatch), ("acc", scores.contains), ("f1", scores.f1),
                ("precision", scores.precision), ("recall", scores.recall),
            ] { totals.add(name, value) }
            if let texts = prediction?.texts {
                totals.add(
                    "retrieval_recall_top5",
                    RetrievalMetrics.answerStringRecall(texts, answers: question.answers, at: 5))
            }
        default:
            for (name, value) in [
                ("em", scores.exactMatch), ("f1", scores.f1), ("prec", scores.precision), ("recall", scores.recall),
            ] { totals.add(name, value) }
            guard hasFacts else { return }
            let facts = prediction?.facts.map { predicted in
                benchmark == .twoWikiMultihopQA
                    ? SupportMetrics.twoWikiMultihopQA(predicted: predicted, gold: question.supportingFacts)
                    : SupportMetrics.hotpotQA(predicted: predicted, gold: question.supportingFacts)
            }
            totals.add("sp_", facts ?? Self.nothing)
            if hasEvidence {
                let gold = (question.extra["evidence_wordings"] ?? question.extra["evidences"])?.array ?? []
                let wordings = gold.map { triple in
                    // A triple of texts, or a list of its wordings.
                    (triple[0]?.array == nil ? [triple] : triple.array ?? []).map {
                        ($0.array ?? []).compactMap(EvalQuestion.text)
                    }
                }
                let evidence = prediction?.evidence.map {
                    SupportMetrics.evidenceTriples(predicted: $0, gold: wordings)
                }
                totals.add("evi_", evidence ?? Self.nothing)
                // Joint scores count only where all three were predicted.
                guard let answer, let facts, let evidence else { return totals.add("joint_", Self.nothing) }
                totals.add("joint_", SupportMetrics.joint(answer: answer, support: facts, evidence: evidence))
            } else {
                guard let answer, let facts else { return totals.add("joint_", Self.nothing) }
                totals.add("joint_", SupportMetrics.joint(answer: answer, support: facts))
            }
        }
    }

    private static let nothing = SetScores(exactMatch: 0, f1: 0, precision: 0, recall: 0)

    /// trec_eval's measures, averaged over the judged queries that the run has, as trec_eval does.
    public func trecScores(_ qrels: [String: [String: Int]]) -> Scores {
        var totals = Totals()
        var count = 0
        for query in qrels.keys.sorted() {
            guard let judgments = qrels[query], let run = predictions[query]?.run else { continue }
            count += 1
            let ranking = JudgedRanking(scores: run, judgments: judgments)
            for (name, value) in [
                ("map", ranking.averagePrecision), ("Rprec", ranking.rPrecision),
                ("recip_rank", ranking.reciprocalRank), ("P_5", ranking.precision(at: 5)),
                ("P_10", ranking.precision(at: 10)), ("recall_5", ranking.recall(at: 5)),
                ("recall_10", ranking.recall(at: 10)), ("recall_100", ranking.recall(at: 100)),
                ("ndcg", ranking.nDCG), ("ndcg_cut_10", ranking.nDCG(at: 10)), ("success_1", ranking.success(at: 1)),
            ] { totals.add(name, value) }
        }
        return Scores(
            questions: qrels.count, missing: qrels.count - count,
            unknown: predictions.keys.count { qrels[$0] == nil }, means: totals.means(over: count))
    }
}
