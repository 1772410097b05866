// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Search
import Text
import Tools

extension StrategyRegistry {
    /// - Parameter ranking: the feedbacks that `feedback` can name.
    static func proposers(_ ranking: RankingRegistry) -> [String: Maker<any ActionProposer>] {
        var proposers = plainProposers
        proposers["feedback"] = { options, _ in
            FeedbackProposer(
                tools: try tools(&options, ["keyword_search"]), from: try options.int("from", default: 3),
                terms: try options.int("terms", default: 8), limit: try limit(&options, 10),
                feedback: try part(&options, "method", default: "tf-idf", ranking.feedback))
        }
        return proposers
    }

    /// What a fusion or feedback is called in a policy: a name, or one name with its options.
    private static func part<Part>(
        _ options: inout PolicyReader, _ key: String, default standard: String,
        _ make: (JSONValue) throws(RankingError) -> Part
    ) throws -> Part {
        do {
            return try make(options.value(key) ?? .string(standard))
        } catch { throw options.error(key, error.description) }
    }

    private static let plainProposers: [String: Maker<any ActionProposer>] = [
        "question": { options, _ in
            QuestionProposer(tools: try tools(&options), limit: try limit(&options, 10))
        },
        "names": { options, _ in
            NamesProposer(
                tool: try tool(&options), limit: try limit(&options, 5), names: try options.int("names", default: 4))
        },
        "entities": { options, _ in
            EntitiesProposer(
                tool: try tool(&options), limit: try limit(&options, 5), from: try options.int("from", default: 3),
                names: try options.int("names", default: 4))
        },
        "links": { options, _ in
            LinksProposer(
                from: try options.int("from", default: 3), limit: try limit(&options, 5),
                names: try options.bool("names", default: false))
        },
        "stop": { options, _ in StopProposer(after: try options.int("after", default: 3)) },
        "model": { options, _ in
            var proposer = ModelProposer(
                instructions: try options.string("instructions", default: ModelProposer.standardInstructions),
                options: try sampling(&options, maxTokens: 1024),
                proposesCallsApart: try options.bool("apart", default: false),
                detail: PromptDetail(
                    rawValue: try options.choice(
                        "prompt", default: "auto", of: ["auto"] + PromptDetail.allCases.map(\.rawValue))))
            var menu = try options.object("menu")
            proposer.menu.limit = try menu.int("limit", default: proposer.menu.limit, in: 1...100)
            proposer.menu.shown = try menu.int("shown", default: proposer.menu.shown, in: 1...20)
            proposer.menu.characters = try menu.int("characters", default: proposer.menu.characters, in: 50...10_000)
            proposer.menu.links = try menu.int("links", default: proposer.menu.links, in: 0...50)
            proposer.menu.found = try menu.int("found", default: proposer.menu.found, in: 0...50)
            try menu.finish()
            return proposer
        },
        "tags": { options, _ in
            let name = try options.choice("dialect", default: "search-r1", of: TagDialect.all.map(\.name))
            let instructions = try options.string("instructions", default: "")
            return TagProposer(
                dialect: TagDialect.all.first { $0.name == name } ?? .searchR1,
                tool: try tool(&options, "semantic_search"), limit: try limit(&options, 3),
                instructions: instructions.isEmpty ? nil : instructions,
                options: try sampling(&options, maxTokens: 500),
                isConstrained: try options.bool("constrained", default: false),
                resultCharacters: try options.int("result_characters", default: 2000, in: 100...1_000_000))
        },
        "chain": { options, _ in
            ChainOfThoughtProposer(
                tool: try tool(&options), limit: try limit(&options, 4),
                sentences: try options.int("sentences", default: 10), options: try sampling(&options, maxTokens: 96))
        },
        "lookahead": { options, _ in
            let query = try options.choice(
                "query", default: "masked", of: LookAheadProposer.Query.allCases.map(\.rawValue))
            return LookAheadProposer(
                toolNames: try tools(&options), limit: try limit(&options, 5),
                sentences: try options.int("sentences", default: 8, in: 1...100),
                rule: ForwardLooking(
                    threshold: try options.double("threshold", default: 0.8, in: 0...1),
                    maskBelow: try options.double("mask_below", default: 0.4, in: 0...1)),
                query: LookAheadProposer.Query(rawValue: query) ?? .masked,
                options: try sampling(&options, maxTokens: 64))
        },
        "prepared": { options, file in
            let path = try options.string("file", default: "")
            guard !path.isEmpty else {
                throw options.error("file", "name the file that `forage corpus questions` wrote")
            }
            let whole = path.hasPrefix("/") || file.directory.isEmpty ? path : file.directory + "/" + path
            return KnownQuestionProposer(
                space: try QuestionSpace(file: whole), limit: try limit(&options, 5),
                likeness: try options.double("likeness", default: 0.85, in: 0...2))
        },
        "walk": { options, _ in
            CorpusWalkProposer(
                simulations: try options.int("simulations", default: 8, in: 1...1000),
                width: try options.int("width", default: 2, in: 1...8),
                tokens: try options.int("tokens", default: 8, in: 2...64),
                depth: try options.int("depth", default: 6, in: 1...32),
                exploration: try options.double("exploration", default: 0.5, in: 0...100),
                lines: try options.int("lines", default: 3, in: 1...10),
                temperature: try options.double("temperature", default: 0.7, in: 0...10))
        },
        "query": { options, _ in
            QueryGenerationProposer(
                tools: try tools(&options, ["keyword_search"]), limit: try limit(&options, 10),
                options: try sampling(&options, maxTokens: 48))
        },
        "passage": { options, _ in
            HypotheticalPassageProposer(
                tool: try tool(&options, "semantic_search"), limit: try limit(&options, 10),
                passages: try options.int("passages", default: 4, in: 1...32),
                averages: try options.bool("average", default: true),
                options: try sampling(&options, maxTokens: 160, temperature: 0.7))
        },
        "rewrite": { options, _ in
            RewriteProposer(
                tools: try tools(&options), limit: try limit(&options, 10),
                rewrites: try options.int("rewrites", default: 3, in: 1...16),
                withQuestion: try options.bool("question", default: false),
                options: try sampling(&options, maxTokens: 128))
        },
        "decompose": { options, _ in
            DecompositionProposer(
                tools: try tools(&options), limit: try limit(&options, 5),
                most: try options.int("most", default: 6, in: 1...32), options: try sampling(&options, maxTokens: 256))
        },
        "clues": { options, _ in
            ClueProposer(
                tools: try tools(&options, ["semantic_search"]), limit: try limit(&options, 20),
                most: try options.int("most", default: 6, in: 1...32), options: try sampling(&options, maxTokens: 256))
        },
        "jargon": { options, file in
            var dictionary: OrderedDictionary<String, JargonProposer.Senses> = [:]
            let path = try options.string("dictionary", default: "")
            if !path.isEmpty {
                let whole = path.hasPrefix("/") || file.directory.isEmpty ? path : file.directory + "/" + path
                dictionary = try JargonProposer.dictionary(file: whole)
            }
            for (term, meaning) in options.value("terms")?.object ?? [:] {
                guard let senses = JargonProposer.senses(meaning) else {
                    throw options.error("terms.\(term)", "expected a text, or texts by context")
                }
                dictionary[term] = senses
            }
            return JargonProposer(
                dictionary: dictionary, toolNames: try tools(&options), limit: try limit(&options, 10),
                looksUp: try options.bool("look_up", default: false))
        },
        "corpus": { options, file in
            let name = try options.string("weights", default: CorpusQuestionWeights.standardName)
            let weights = try CorpusQuestionWeights.find(name, beside: file.directory)
            return CorpusQuestionProposer(
                options: try sampling(&options, maxTokens: 400), weights: weights,
                confidence: try options.double("confidence", default: weights?.threshold ?? 0.5, in: 0...1),
                searches: try options.bool("searches", default: true),
                asksModel: try options.bool("by_model", default: true))
        },
        "tree": { options, _ in
            TreeSearchProposer(
                tool: try tool(&options), limit: try limit(&options, 8),
                simulations: try options.int("simulations", default: 32, in: 1...10_000),
                depth: try options.int("depth", default: 3, in: 1...10),
                exploration: try options.double("exploration", default: 0.5, in: 0...100),
                price: try options.double("price", default: 0.02, in: 0...1))
        },
    ]

    /// - Parameter ranking: the fusions and rerankers that `fusion` can name.
    static func keepers(_ ranking: RankingRegistry) -> [String: Maker<any EvidenceKeeper>] {
        var keepers = plainKeepers
        keepers["fusion"] = { options, _ in
            var fusion = try part(&options, "by", default: "reciprocal_rank", ranking.fusion)
            if let k = try options.optionalDouble("rank_constant", in: 0...10_000) { fusion = ReciprocalRank(k: k) }
            let reranker = try options.value("rerank").map { name in
                do { return try ranking.reranker(name.string ?? name.serialized()) } catch {
                    throw options.error("rerank", "\(error)")
                }
            }
            return FusionKeeper(
                limit: try limit(&options, 10, most: 1000), fusion: fusion, reranker: reranker,
                relevance: try options.double("relevance", default: 1, in: 0...1),
                bothEnds: try options.bool("both_ends", default: false))
        }
        keepers["useful"] = { options, _ in
            let reader = try options.value("rerank").map { name in
                do { return try ranking.reranker(name.string ?? name.serialized()) } catch {
                    throw options.error("rerank", "\(error)")
                }
            }
            return UtilityKeeper(
                limit: try limit(&options, 10), candidates: try options.int("candidates", default: 16, in: 1...100),
                least: try options.int("least", default: 3, in: 0...100),
                // Where the reader is at hand it judges in sessions without a model.
                reranker: reader ?? (try? ranking.reranker("reader")),
                margin: try options.double("margin", default: 4, in: 0...1000),
                characters: try options.int("characters", default: 600, in: 50...10_000))
        }
        return keepers
    }

    private static let plainKeepers: [String: Maker<any EvidenceKeeper>] = [
        "set": { options, _ in WholeSetKeeper(limit: try limit(&options, 100, most: 10_000)) },
        "rerank": { options, _ in
            RerankKeeper(
                limit: try limit(&options, 10, most: 1000), fusion: try options.double("fusion", default: 1),
                similarity: try options.double("similarity", default: 1),
                title: try options.double("title", default: 0.5), bridge: try options.double("bridge", default: 0.35),
                opened: try options.double("opened", default: 0))
        },
        "late": { options, _ in
            LateInteractionKeeper(
                limit: try limit(&options, 10, most: 1000), isFocused: try options.bool("focused", default: true),
                fusion: try options.double("fusion", default: 0.5, in: 0...1))
        },
        "interpolate": { options, _ in
            InterpolationKeeper(
                limit: try limit(&options, 10, most: 1000),
                lambda: try options.double("lambda", default: 0.5, in: 0...1),
                interpolation: ScoreInterpolation(try normalization(&options)),
                rocchio: try options.double("rocchio", default: 0, in: 0...10),
                from: try options.int("from", default: 3, in: 1...100))
        },
        "marginal": { options, _ in
            MarginalKeeper(
                limit: try limit(&options, 10), passages: try options.int("passages", default: 3, in: 1...20))
        },
        "compress": { options, _ in
            CompressionKeeper(
                limit: try limit(&options, 10), share: try options.double("share", default: 0.5, in: 0...1),
                questions: try options.int("questions", default: 2, in: 0...16),
                sentences: try options.int("sentences", default: 60, in: 1...1000))
        },
        "sentences": { options, _ in
            SentenceKeeper(
                candidates: try options.int("candidates", default: 9, in: 1...200),
                facts: try options.int("facts", default: 5, in: 1...200),
                limit: try limit(&options, 10, most: 1000), weight: try options.double("weight", default: 0.3))
        },
    ]

    private static func tools(
        _ options: inout PolicyReader, _ standard: [String] = ["keyword_search", "semantic_search"]
    ) throws -> [String] { try options.strings("tools", default: standard) }

    private static func tool(_ options: inout PolicyReader, _ standard: String = "keyword_search") throws -> String {
        try options.string("tool", default: standard)
    }

    private static func normalization(
        _ options: inout PolicyReader
    ) throws -> ScoreInterpolation.Normalization {
        let known = ScoreInterpolation.Normalization.allCases.map(\.rawValue)
        let name = try options.choice("normalization", default: "min_max", of: known)
        return ScoreInterpolation.Normalization(rawValue: name) ?? .minMax
    }

    private static func limit(_ options: inout PolicyReader, _ standard: Int, most: Int = 100) throws -> Int {
        try options.int("limit", default: standard, in: 1...most)
    }
}
