// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
public import LanguageModels
import Text

/// What reads the kept passages for the rewards of answers: the span reader, a model in this process or a remote one.
public struct RewardReader: Sendable {
    /// Answers from passages.
    public var answer: EpisodeReader
    /// The probability of the right answer; nil where the reader gives none, as a remote model.
    public var likelihood: AnswerLikelihoodReader?

    /// Reads with the span reader.
    public init(_ reader: SpanReader) {
        answer = reader.episodeReader
        likelihood = reader.likelihoodReader
    }

    /// Reads with a language model, frozen: it never sees an accepted answer but to tell how likely it finds it.
    ///
    /// A model that is too weak to write freely chooses among what the passages offer, as in `ask`.
    /// - Parameter passages: The most passages that it is shown. Default 5.
    public init(_ model: any LanguageModel, passages most: Int = 5) {
        if let local = model as? LocalModel, !local.capabilities.toolCalls {
            let answerer = EvidenceAnswerer(model: local)
            answer = { question, passages in
                try await answerer.answer(question, passages: Self.shown(passages, most)).text
            }
        } else {
            let answerer = ModelAnswerer(passages: most)
            answer = { question, passages in
                let evidence = Evidence(
                    passages.map {
                        EvidenceItem(passageID: $0.id, documentID: $0.id, title: $0.title, text: $0.text, score: 0)
                    })
                return try await answerer.answer(
                    Question(question), from: evidence, with: model, seed: XXH64.hash(question)
                ).prediction
            }
        }
        likelihood = nil
        guard let scorer = model as? any ContinuationScoring else { return }
        likelihood = { question, answers, passages in
            guard !answers.isEmpty else { return 0 }
            let scores = try await scorer.score(
                continuations: answers, after: EvidenceAnswerer.conversation(question, Self.shown(passages, most)))
            // A long answer is not less likely for its length.
            return scores.map { exp($0.logProbability / Double(max(1, $0.tokenCount))) }.max() ?? 0
        }
    }

    private static func shown(_ passages: [WorldPassage], _ most: Int) -> [EvidenceAnswerer.Passage] {
        passages.prefix(most).map { .init(id: $0.id, title: $0.title, text: $0.text) }
    }
}
