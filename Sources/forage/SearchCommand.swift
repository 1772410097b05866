// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import Corpus
import Foundation
import OrderedCollections
import Search
import Text
import Tools

/// `forage search`: one search, without an agent.
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Search a corpus by words, by meaning, or by both (the default).",
        subcommands: [Keyword.self, Semantic.self, Hybrid.self], defaultSubcommand: Hybrid.self)

    struct Options: ParsableArguments {
        @Option(name: [.short, .long], help: "The corpus: a folder, or postgresql://….") var corpus: String
        @Option(name: [.customShort("k"), .long], help: "How many passages.") var limit = 10
        @Flag(name: [.short, .long], help: "Print one JSON object a passage.") var json = false
        @Argument(help: "The query; - reads it from standard input.", transform: { try inputText($0, name: "query") })
        var query: String

        func validate() throws {
            if limit < 1 || limit > 100_000 { throw ValidationError("--limit must be from 1 to 100000") }
            if query.allSatisfy(\.isWhitespace) { throw ValidationError("the query is empty") }
        }

        /// Searches and prints.
        func run(_ search: RankedSearch, in corpus: any RetrievalCorpus) async throws {
            let hits = try await search.search([query], in: corpus, limit: limit).first ?? []
            show(hits.map(\.score), try await corpus.passages(at: hits.map(\.ordinal)))
        }

        func show(_ scores: [Double], _ passages: [Passage]) {
            if passages.isEmpty, !json { note("Nothing was found.") }
            for (rank, (score, passage)) in zip(scores, passages).enumerated() {
                if json {
                    var members: JSONObject = [
                        "rank": .integer(rank + 1), "id": .string(passage.id), "score": .number(score),
                        "title": .string(passage.title), "text": .string(passage.text),
                    ]
                    if let pages = passage.pages {
                        members["page"] = .integer(pages.lowerBound)
                        if pages.count > 1 { members["last_page"] = .integer(pages.upperBound) }
                    }
                    print(JSONValue.object(members).serialized())
                } else {
                    let text = passage.text.textLines(omittingEmpty: true).joined(separator: " ")
                    let shown = String(format: "%.4f", score)
                    let page = passage.pages.map { " (page \($0.lowerBound))" } ?? ""
                    print(
                        "\(rank + 1). [\(shownID(passage.id))] \(shown)  \(printable(passage.title))\(page)\n   \(printable(String(text.prefix(200))))"
                    )
                }
            }
        }
    }

    /// What makes one ranking of what searches find, by name.
    struct Ranking: ParsableArguments {
        @Option(
            help: ArgumentHelp(
                "Search again with what the best passages say: \(StrategyParts.ranking.feedbacks.joined(separator: ", ")); options as {rm3: {original: 0.7}}.",
                valueName: "name"))
        var feedback: String?
        @Option(
            help: ArgumentHelp(
                "Re-rank the best 50 by a model that reads query and passage together: \((StrategyParts.ranking.rerankers + StrategyParts.ranking.rerankerForms).joined(separator: ", ")).",
                valueName: "name"))
        var rerank: String?

        func search(_ mode: RetrievalMode, fusion: String? = nil, isLate: Bool = false) throws -> RankedSearch {
            do {
                var search = try RankedSearch(
                    mode, fusion: try fusion.map(Self.named), feedback: try feedback.map(Self.named), reranker: rerank,
                    from: StrategyParts.ranking)
                search.isLate = isLate
                return search
            } catch let error as RankingError { throw ValidationError("\(error)") }
        }

        /// A name, or one with its options as YAML or JSON.
        private static func named(_ text: String) throws -> JSONValue {
            text.contains("{") ? try YAMLReader.read(text, name: "the option") : .string(text)
        }
    }

    struct Keyword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "By words (BM25).",
            discussion:
                "The query is text, whatever signs it holds. With --operators +word must be there, -word must not, \"some words\" must stand side by side, beg* begins a word."
        )
        @OptionGroup var options: Options
        @OptionGroup var ranking: Ranking
        @Flag(help: "Read +, -, quotes and * in the query as operators.") var operators = false
        @Option(help: "Words that a passage must hold.") var must: [String] = []
        @Option(help: "Words that a passage must not hold.") var mustNot: [String] = []
        @Option(help: "Words that a passage must hold side by side, in this order.") var phrase: [String] = []
        @Option(help: "Beginnings of words.") var prefix: [String] = []

        private var hasOperators: Bool { operators || !(must + mustNot + phrase + prefix).isEmpty }

        func validate() throws {
            if hasOperators, ranking.feedback != nil || ranking.rerank != nil {
                throw ValidationError("give operators, or --feedback and --rerank, not both")
            }
        }

        func run() async throws {
            let opened = try await CorpusOpening.open(options.corpus, loadsEncoder: ranking.feedback != nil)
            guard let corpus = opened as? LocalCorpus, ranking.feedback == nil, ranking.rerank == nil else {
                guard !hasOperators else {
                    throw ValidationError("operators work on corpora in folders; in a database use `forage filter`")
                }
                return try await options.run(try ranking.search(.keyword), in: opened)
            }
            var query = operators ? KeywordQuery(parsing: options.query) : KeywordQuery(options.query)
            query.must += must
            query.phrases += phrase
            query.mustNot += mustNot
            query.prefixes += prefix
            let hits = try corpus.keywordSearch(query, limit: options.limit)
            if let reading = corpus.keywords?.reading(of: query) {
                if !reading.ignored.isEmpty {
                    note("too frequent to search for: \(reading.ignored.joined(separator: " "))")
                }
                if !reading.unknown.isEmpty { note("in no passage: \(reading.unknown.joined(separator: " "))") }
            }
            options.show(hits.map { Double($0.score) }, try corpus.reader.passages(at: hits.map(\.ordinal)))
        }
    }

    struct Semantic: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "By meaning (cosine of sentence vectors).")
        @OptionGroup var options: Options
        @OptionGroup var ranking: Ranking

        func run() async throws {
            try await options.run(
                try ranking.search(.semantic), in: try await CorpusOpening.open(options.corpus))
        }
    }

    struct Hybrid: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "By both, fused by reciprocal rank.")
        @OptionGroup var options: Options
        @OptionGroup var ranking: Ranking
        @Flag(help: "Re-rank the best 100 by late interaction; the corpus needs token vectors.") var late = false
        @Option(
            help: ArgumentHelp(
                "How the two rankings become one: \(StrategyParts.ranking.fusions.joined(separator: ", ")); options as {interpolation: {normalization: z_score}}.",
                valueName: "name"))
        var fusion: String?

        func validate() throws {
            if late, ranking.rerank != nil { throw ValidationError("give --late or --rerank, not both") }
        }

        func run() async throws {
            try await options.run(
                try ranking.search(.hybrid, fusion: fusion, isLate: late),
                in: try await CorpusOpening.open(options.corpus))
        }
    }
}

/// An id or a path as one line, with what would move the cursor written as its code.
func shownID(_ id: String) -> String {
    TerminalText.safe(id).replacing("\n", with: "\\u{a}").replacing("\t", with: "\\u{9}")
}

/// Text of a corpus or a model without control characters, which could drive the terminal.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }))
}
