// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Corpus
import Encoders
import Foundation
import Net
import Search
import Text

/// How indexes are built, for the commands that build them. What is not given stays as the corpus has it.
struct IndexingOptions: ParsableArguments {
    @Option(
        help:
            "The encoder: a pulled model or a folder (with :int8 behind it twice as fast and nearly the same), URL#model, or none. Default: the corpus's own, else minilm if present."
    )
    var encoder: String?

    @Option(help: "A folder of vectors that outlasts the run and serves other corpora: a text is encoded once.")
    var embeddingCache: String?

    @Option(
        help:
            "How vectors are kept: float32; float16, half the room; int8, searched a byte a number and scored again with 4 bytes. Default: as the corpus has it, else float32.",
        transform: { text in
            guard let format = IndexBuilder.VectorFormat(rawValue: text) else {
                throw ValidationError("--vector-format is float32, float16 or int8, found \(text)")
            }
            return format
        })
    var vectorFormat: IndexBuilder.VectorFormat?

    @Option(
        help:
            "A graph over the vectors, for fast approximate search: on, off, or auto: as the corpus has it, else from 100,000 passages on.",
        transform: { text in
            guard let choice = IndexBuilder.GraphChoice(rawValue: text) else {
                throw ValidationError("--graph is on, off or auto, found \(text)")
            }
            return choice
        })
    var graph = IndexBuilder.GraphChoice.automatic

    @Flag(
        inversion: .prefixedNo,
        help:
            "Token vectors, for re-ranking by late interaction (about 40 KB a passage). Default: as the corpus has it.")
    var lateInteraction: Bool?

    @Option(help: "BM25's k1. Default: 0.9.")
    var k1: Double?

    @Option(help: "BM25's b. Default: 0.4.")
    var b: Double?

    @Option(help: "The weight of a title's words. Default: 1.")
    var titleWeight: Double?

    @Option(
        help:
            "The language of the texts, by name or code (german, de): its stemmer and stop words. Default: as the corpus has it, else detected, else english."
    )
    var language: String?

    @Option(help: "The Snowball stemmer, or none. Default: the language's.")
    var stemmer: String?

    @Option(help: "Stop words: a language or none. Default: the language's.")
    var stopWords: String?

    func validate() throws {
        if let language, TextLanguage.named(language) == nil {
            throw ValidationError(
                "--language is one of \(TextLanguage.all.map(\.name).joined(separator: ", ")), found \(language)")
        }
        if let stopWords, stopWords != "none", TextLanguage.named(stopWords) == nil {
            throw ValidationError("--stop-words is a language such as english, or none; found \(stopWords)")
        }
    }

    /// Opens the encoder that was named, so that one that is not there is told before anything is read.
    func check() async throws {
        if let encoder, encoder != "none" { _ = try await EncoderChoice(encoder).load() }
    }

    /// Builds what is missing or out of date and publishes it; nothing when all is up to date.
    func publish(_ writer: CorpusWriter) async throws -> CorpusReader {
        let line = ProgressLine()
        defer { line.clear() }
        do {
            let generation = try writer.beginGeneration(isCancelled: { Interruption.isRequested })
            var builder = try await builder(after: generation.previous, line)
            let started = Date()
            builder.onProgress = { progress in
                let seconds = Date().timeIntervalSince(started)
                let share = Double(progress.done) / Double(max(progress.total, 1))
                line.show(
                    ProgressLine.bar(
                        share: share, note: "\(progress.stage): \(progress.done) of \(progress.total) passages",
                        secondsLeft: share > 0.02 && progress.stage == "vectors" ? seconds / share - seconds : nil))
            }
            builder.isCancelled = { Interruption.isRequested }
            if let previous = generation.previous, builder.isUpToDate(generation) { return previous }
            try await builder.build(generation)
            return try generation.publish()
        } catch let error as CorpusError where error.code == .cancelled {
            line.clear()
            try await publishAfterInterruption(writer)
            note("Interrupted while indexing; the same command goes on from there.")
            throw Interruption.exitCode
        }
    }

    /// Gives a corpus that has no generation yet one without vectors, so that it opens; another one keeps what it has.
    func publishAfterInterruption(_ writer: CorpusWriter) async throws {
        guard (try? CorpusReader(path: writer.path)) == nil, try writer.committedDocumentCount > 0 else { return }
        let generation = try writer.beginGeneration()
        var builder = IndexBuilder(encoder: nil)
        builder.keywords = try keywordOptions(after: nil)
        builder.detectsLanguage = !saysLanguage
        try await builder.build(generation)
        try generation.publish()
    }

    private func builder(after previous: CorpusReader?, _ line: ProgressLine) async throws -> IndexBuilder {
        // What was chosen when the corpus was indexed holds until something else is said; "none" is a choice.
        let own =
            previous?.manifest.files[IndexRole.vectors]?.parameters["encoder"]?.string
            ?? previous?.manifest.files[IndexRole.keyword]?.parameters["encoder"]?.string
        var builder: IndexBuilder
        if let name = encoder ?? own {
            let source = encoder == nil ? EncoderChoice.Source.corpus : .user
            builder = IndexBuilder(
                encoder: name == "none" ? nil : try await EncoderChoice(name).load(namedBy: source), encoderName: name)
        } else if ModelStore().resolve("minilm") != nil {
            builder = IndexBuilder(encoder: try await EncoderChoice("minilm").load(), encoderName: "minilm")
        } else {
            note(
                "There is no encoder: the corpus is indexed for keyword search only. For semantic search run `forage model pull minilm`, then index again."
            )
            builder = IndexBuilder(encoder: nil)
        }
        for warning in (builder.encoder as? BERTEncoder)?.warnings ?? [] {
            note("\(builder.encoderName): \(warning)")
        }
        builder.keywords = try keywordOptions(after: previous)
        builder.detectsLanguage = !saysLanguage
        let isNew = previous?.path(ofRole: IndexRole.keyword) == nil
        builder.onLanguage = { language in
            line.clear()
            let name = language.name.capitalized
            note(
                isNew
                    ? "The texts are in \(name): indexed so. Say --language for another one."
                    : "Most texts are in \(name) now: the words of all are indexed anew so. Say --language for another one."
            )
        }
        builder.embeddingCache = embeddingCache
        builder.vectorFormat = vectorFormat
        builder.graph = graph
        builder.graphBuilder.isCancelled = { Interruption.isRequested }
        builder.tokens = lateInteraction
        return builder
    }

    private var saysLanguage: Bool { language != nil || stemmer != nil || stopWords != nil }

    private func keywordOptions(after previous: CorpusReader?) throws -> KeywordIndexOptions {
        var options = KeywordIndexOptions()
        // An index that cannot be read is built anew, with the options of a new one.
        if let path = previous?.path(ofRole: IndexRole.keyword), let known = try? KeywordIndex.options(path: path) {
            options = known
        }
        if let language = language.flatMap(TextLanguage.named) {
            options.analyzer = AnalyzerOptions(language: language)
        }
        if let k1 { options.k1 = k1 }
        if let b { options.b = b }
        if let titleWeight { options.titleWeight = titleWeight }
        if let stemmer { options.analyzer.stemmer = stemmer == "none" ? nil : stemmer }
        if let language = stopWords.flatMap(TextLanguage.named) {
            options.analyzer.stopWords = AnalyzerOptions(language: language).stopWords
        } else if stopWords == "none" {
            options.analyzer.stopWords = .none
        }
        return options
    }
}
