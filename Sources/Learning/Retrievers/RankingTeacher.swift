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
            for (number, passage) in passages.enumerated() {
                let read = WorldPassage(id: String(number), title: passage.title, text: passage.text)
                scores.append(Float(log(max(1e-6, try await reader(question, answers, [read])))))
            }
            return scores
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
