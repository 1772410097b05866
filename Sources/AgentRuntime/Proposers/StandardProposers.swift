// SPDX-License-Identifier: Apache-2.0

import LanguageModels

extension StrategyRegistry {
    static let standardProposers: [String: Maker<any ActionProposer>] = [
        "question": { options, _ in
            QuestionProposer(
                tools: try options.strings("tools", default: ["keyword_search", "semantic_search"]),
                limit: try options.int("limit", default: 10, in: 1...100))
        },
        "names": { options, _ in
            NamesProposer(
                tool: try options.string("tool", default: "keyword_search"),
                limit: try options.int("limit", default: 5, in: 1...100), names: try options.int("names", default: 4))
        },
        "entities": { options, _ in
            EntitiesProposer(
                tool: try options.string("tool", default: "keyword_search"),
                limit: try options.int("limit", default: 5, in: 1...100), from: try options.int("from", default: 3),
                names: try options.int("names", default: 4))
        },
        "links": { options, _ in
            LinksProposer(
                from: try options.int("from", default: 3), limit: try options.int("limit", default: 5, in: 1...50))
        },
        "feedback": { options, _ in
            FeedbackProposer(
                tools: try options.strings("tools", default: ["keyword_search"]),
                from: try options.int("from", default: 3), terms: try options.int("terms", default: 8),
                limit: try options.int("limit", default: 10, in: 1...100))
        },
        "stop": { options, _ in StopProposer(after: try options.int("after", default: 3)) },
        "model": { options, _ in
            ModelProposer(
                instructions: try options.string("instructions", default: ModelProposer.standardInstructions),
                options: try sampling(&options, maxTokens: 1024))
        },
    ]

    static let standardKeepers: [String: Maker<any EvidenceKeeper>] = [
        "fusion": { options, _ in
            FusionKeeper(
                limit: try options.int("limit", default: 10, in: 1...1000),
                rankConstant: try options.double("rank_constant", default: 60, in: 0...10_000))
        }
    ]

}
