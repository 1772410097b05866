// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Foundation
import OrderedCollections
import Search
import Text

/// `forage search`: one search, without an agent.
struct SearchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "search", abstract: "Search a corpus by words, by meaning, or by both.",
        subcommands: [Keyword.self, Semantic.self, Hybrid.self])

    struct Options: ParsableArguments {
        @Option(name: [.short, .long], help: "The corpus folder.") var corpus: String
        @Option(name: [.customShort("k"), .long], help: "How many passages.") var limit = 10
        @Flag(help: "Print one JSON object a passage.") var json = false
        @Argument(help: "The query.") var query: String

        func validate() throws {
            if limit < 1 || limit > 100_000 { throw ValidationError("--limit must be from 1 to 100000") }
        }

        func show(_ hits: [ScoredPassage], from corpus: LocalCorpus) throws {
            let passages = try corpus.reader.passages(at: hits.map(\.ordinal))
            for (rank, (hit, passage)) in zip(hits, passages).enumerated() {
                if json {
                    let value: JSONValue = [
                        "rank": .integer(rank + 1), "id": .string(passage.id), "score": .number(Double(hit.score)),
                        "title": .string(passage.title), "text": .string(passage.text),
                    ]
                    print(value.serialized())
                } else {
                    let text = passage.text.split(whereSeparator: \.isNewline).joined(separator: " ")
                    let score = String(format: "%.4f", Double(hit.score))
                    print(
                        "\(rank + 1). [\(passage.id)] \(score)  \(printable(passage.title))\n   \(printable(String(text.prefix(200))))"
                    )
                }
            }
        }
    }

    struct Keyword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "By words (BM25).",
            discussion:
                "In the query +word must be there, -word must not, \"some words\" must stand side by side, beg* begins a word."
        )
        @OptionGroup var options: Options
        @Option(help: "Words that a passage must hold.") var must: [String] = []
        @Option(help: "Words that a passage must not hold.") var mustNot: [String] = []
        @Option(help: "Words that a passage must hold side by side, in this order.") var phrase: [String] = []
        @Option(help: "Beginnings of words.") var prefix: [String] = []

        func run() async throws {
            let corpus = try await LocalCorpus(path: options.corpus, loadsEncoder: false)
            var query = KeywordQuery(parsing: options.query)
            query.must += must
            query.phrases += phrase
            query.mustNot += mustNot
            query.prefixes += prefix
            try options.show(try corpus.keywordSearch(query, limit: options.limit), from: corpus)
        }
    }

    struct Semantic: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "By meaning (cosine of sentence vectors).")
        @OptionGroup var options: Options

        func run() async throws {
            let corpus = try await LocalCorpus(path: options.corpus)
            try options.show(try await corpus.semanticSearch(options.query, limit: options.limit), from: corpus)
        }
    }

    struct Hybrid: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "By both, fused by reciprocal rank.")
        @OptionGroup var options: Options
        @Flag(help: "Re-rank the best 100 by late interaction; the corpus needs token vectors.") var late = false

        func run() async throws {
            let corpus = try await LocalCorpus(path: options.corpus)
            var hits = try await corpus.hybridSearch(
                options.query, limit: late ? max(100, options.limit) : options.limit)
            if late { hits = try await corpus.rerank(hits.map(\.ordinal), by: options.query, limit: options.limit) }
            try options.show(hits, from: corpus)
        }
    }
}

/// Text of a corpus or a model without control characters, which could drive the terminal.
func printable(_ text: String) -> String {
    String(
        String.UnicodeScalarView(text.unicodeScalars.filter { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) }))
}
