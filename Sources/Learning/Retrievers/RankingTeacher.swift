// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Encoders
import Foundation
public import LanguageModels
public import Search

/// Who says how good a passage is for a question. `--teacher` names them.
public enum RankingTeacher: Sendable {
    /// The gold passages: 1 for them, 0 for others.
    case gold
    /// A cross-encoder's scores.
    case reranker(any Reranker)
    /// The log-likelihood that a reader gives to the accepted answers when it reads the passage: what a language model wants
    /// to be given (REPLUG, Atlas' perplexity distillation, LLM-Embedder, arXiv 2310.07554).
    case likelihood(AnswerLikelihoodReader)
    /// The logit of "yes" when a language model is asked whether the passage helps to answer (utility judgements, arXiv
    /// 2504.05220).
    case utility(any ContinuationScoring)
    /// The mean log-probability of the question's tokens when a language model is shown the passage and asked to write a
    /// question about it; needs neither answers nor gold passages ("Questions are all you need", arXiv 2206.10658).
    case question(any ContinuationScoring)
    /// What the passage adds to the log-likelihood of the answer in the company of the list's others (SCARLet, arXiv
    /// 2504.00573).
    case attribution(AnswerLikelihoodReader)
    /// Grades of what is known without a model: 3 for gold passages, 2 for others of a gold passage's title, 1 for the rest,
    /// which a search put first (several levels of relevance, arXiv 2503.23239).
    case grades

    /// The scores of a question's own passages.
    ///
    /// - Parameter gold: How many of them, from the first on, are gold.
    /// - Throws: What the reader or the model throws.
    func scores(
        question: String, answers: [String], passages: [ReaderPassage], gold: Int, temperature: Float
    ) async throws -> [Float] {
        switch self {
        case .gold: return passages.indices.map { $0 < gold ? 1 / temperature : 0 }
        case .reranker(let reranker):
            return try await reranker.scores(
                query: question, passages: passages.map { (title: $0.title, text: $0.text) })
        case .likelihood(let reader):
            var scores: [Float] = []
            for passage in Self.read(passages) {
                scores.append(Float(log(max(1e-6, try await reader(question, answers, [passage])))))
            }
            return scores
        case .question(let model):
            var scores: [Float] = []
            for passage in passages {
                let found = try await model.score(continuations: [question], after: Self.request(about: passage)).first
                scores.append(found.map { Float($0.logProbability / Double(max(1, $0.tokenCount))) } ?? 0)
            }
            return scores
        case .attribution(let reader):
            let all = Self.read(passages)
            return try await ContextAttribution().credits(of: passages.count) { present in
                log(max(1e-6, try await reader(question, answers, present.map { all[$0] })))
            }.map(Float.init)
        case .grades:
            let titles = Set(passages.prefix(gold).map(\.title).filter { !$0.isEmpty })
            return passages.enumerated().map { $0 < gold ? 3 : titles.contains($1.title) ? 2 : 1 }
        case .utility(let model):
            var scores: [Float] = []
            for passage in passages {
                let found = try await model.score(
                    continuations: ["Yes", "No"], after: Self.judgement(of: passage, for: question))
                scores.append(found.count == 2 ? Float(found[0].logProbability - found[1].logProbability) : 0)
            }
            return scores
        }
    }

    private static func read(_ passages: [ReaderPassage]) -> [WorldPassage] {
        passages.enumerated().map { WorldPassage(id: String($0), title: $1.title, text: $1.text) }
    }

    /// What a question is written after.
    private static func request(about passage: ReaderPassage) -> [ChatMessage] {
        [ChatMessage(role: .user, content: "Passage: \(passage.full)\n\nWrite a question that the passage answers.")]
    }

    /// The question that utility is judged by.
    private static func judgement(of passage: ReaderPassage, for question: String) -> [ChatMessage] {
        [
            ChatMessage(
                role: .system,
                content: "You judge whether a passage helps to answer a question. Reply with Yes or No."),
            ChatMessage(
                role: .user,
                content: "Passage: \(passage.full)\n\nQuestion: \(question)\n\nDoes the passage help to answer it?"),
        ]
    }
}
