// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Encoders
import Foundation
import OrderedCollections
import Postgres
import PostgresCorpus
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
        @Argument(help: "The query.") var query: String

        func validate() throws {
            if limit < 1 || limit > 100_000 { throw ValidationError("--limit must be from 1 to 100000") }
        }

        func show(_ hits: [Search.ScoredPassage], from corpus: LocalCorpus) throws {
            show(
                hits.map { Double($0.score) }, try corpus.reader.passages(at: hits.map(\.ordinal)))
        }

        /// Searches a corpus that is no folder; false where it is one.
        func searchDatabase(_ mode: RetrievalMode) async throws -> Bool {
            guard PostgresAddress.isAddress(corpus) else { return false }
            let opened = try await PostgresCorpus(PostgresAddress(corpus), loadsEncoder: mode != .keyword)
            let hits = try await opened.search(mode, query: query, limit: limit, within: nil)
            show(hits.map(\.score), try await opened.passages(at: hits.map(\.ordinal)))
            return true
        }

        private func show(_ scores: [Double], _ passages: [Passage]) {
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
                        "\(rank + 1). [\(passage.id)] \(shown)  \(printable(passage.title))\(page)\n   \(printable(String(text.prefix(200))))"
                    )
                }
            }
        }
    }

    struct Keyword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "By words (BM25).",
            discussion:
                "The query is text, whatever signs it holds. With --operators +word must be there, -word must not, \"some words\" must stand side by side, beg* begins a word."
        )
        @OptionGroup var options: Options
        @Flag(help: "Read +, -, quotes and * in the query as operators.") var operators = false
        @Option(help: "Words that a passage must hold.") var must: [String] = []
        @Option(help: "Words that a passage must not hold.") var mustNot: [String] = []
        @Option(help: "Words that a passage must hold side by side, in this order.") var phrase: [String] = []
        @Option(help: "Beginnings of words.") var prefix: [String] = []

        func run() async throws {
            if PostgresAddress.isAddress(options.corpus), operators || !(must + mustNot + phrase + prefix).isEmpty {
                throw ValidationError("operators work on corpora in folders; in a database use `forage filter`")
            }
            if try await options.searchDatabase(.keyword) { return }
            let corpus = try await LocalCorpus(path: options.corpus, loadsEncoder: false)
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
            try options.show(hits, from: corpus)
        }
    }

    struct Semantic: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "By meaning (cosine of sentence vectors).")
        @OptionGroup var options: Options

        func run() async throws {
            if try await options.searchDatabase(.semantic) { return }
            let corpus = try await LocalCorpus(path: options.corpus)
            try options.show(try await corpus.semanticSearch(options.query, limit: options.limit), from: corpus)
        }
    }

    struct Hybrid: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "By both, fused by reciprocal rank.")
        @OptionGroup var options: Options
        @Flag(help: "Re-rank the best 100 by late interaction; the corpus needs token vectors.") var late = false
        @Option(
            help: ArgumentHelp(
                "Re-rank the best 50 by a model that reads query and passage together: reader.",
                valueName: "name"))
        var rerank: String?

        func validate() throws {
            if late, rerank != nil { throw ValidationError("give --late or --rerank, not both") }
        }

        func run() async throws {
            if !late, try await options.searchDatabase(.hybrid) { return }
            let corpus = try await LocalCorpus(path: options.corpus)
            if let rerank { return try options.show(try await reranked(by: rerank, corpus), from: corpus) }
            var hits = try await corpus.hybridSearch(
                options.query, limit: late ? max(100, options.limit) : options.limit)
            if late { hits = try await corpus.rerank(hits.map(\.ordinal), by: options.query, limit: options.limit) }
            try options.show(hits, from: corpus)
        }

        /// The best of the fused search in the order that a reranker gives them, with its scores.
        private func reranked(by name: String, _ corpus: LocalCorpus) async throws -> [Search.ScoredPassage] {
            guard let reranker = try AnswererDefaults.rerankers.reranker(name) else {
                throw ValidationError(
                    "--rerank \(name): there is no such reranker, or what it needs is not at hand "
                        + "(known: \(AnswererDefaults.rerankers.names.joined(separator: ", ")); `forage model pull minilm`)"
                )
            }
            let hits = try await corpus.hybridSearch(options.query, limit: max(50, options.limit))
            let passages = try corpus.reader.passages(at: hits.map(\.ordinal))
            let scores = try await reranker.scores(
                query: options.query, passages: passages.map { (title: $0.title, text: $0.text) })
            return reranker.mixture.order(scores).prefix(options.limit).map {
                Search.ScoredPassage(ordinal: hits[$0].ordinal, score: scores[$0])
            }
        }
    }
}

/// Text of a corpus or a model without control characters, which could drive the terminal.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }))
}
