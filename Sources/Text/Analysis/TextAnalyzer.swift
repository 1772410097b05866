// SPDX-License-Identifier: Apache-2.0
import CStemmer
import Synchronization

/// Turns text into index terms: words are found, folded, stop words are left out, the rest is stemmed.
///
/// Words are runs of letters, digits and their marks. Inside a word a full stop between digits stays ("3.14"), a comma
/// that groups thousands goes ("1,000" is "1000"), initials join ("U.S." is "us"), and a possessive goes ("Arthur's"
/// is "arthur"). "C++" and "C#" are words, and so is an emoji. Chinese characters and hiragana are terms of one character
/// each, scripts without spaces (Thai, Lao, Khmer, Myanmar) of one syllable. Invalid UTF-8 separates words.
///
/// An index has more terms than words (``forEachIndexTerm(inUTF8:_:)``): pairs of characters where words are not spaced,
/// frequent words, which a query made of nothing else still needs, and the beginnings of versions and decimal numbers.
/// ``queryTerms(in:)`` says which of them a query looks up.
///
/// A value can be used from many threads at once. Each call borrows an extractor (stemmer handle, stem cache) from a
/// pool; code that analyses many texts on one thread keeps its own with ``makeExtractor()``.
public struct TextAnalyzer: Sendable {
    /// How this analyzer was made.
    public let options: AnalyzerOptions
    private let pool: ExtractorPool

    /// - Throws: ``AnalyzerError`` when the stemmer's language is unknown or the length limits are contradictory.
    public init(_ options: AnalyzerOptions = AnalyzerOptions()) throws(AnalyzerError) {
        self.options = options
        pool = ExtractorPool(first: try TermExtractor(options))
    }

    /// The languages that ``AnalyzerOptions/stemmer`` can name.
    public static let stemmerLanguages: [String] = {
        var names: [String] = []
        guard var next = sb_stemmer_list() else { return names }
        while let name = next.pointee {
            names.append(String(cString: name))
            next += 1
        }
        if !names.contains(PolishStemmer.name) { names.append(PolishStemmer.name) }
        return names
    }()

    /// The terms of `text`, in order.
    public func terms(in text: String) -> [String] {
        var terms: [String] = []
        var text = text
        text.withUTF8 { bytes in
            forEachTerm(inUTF8: bytes) { term, _ in
                terms.append(String(decoding: term, as: UTF8.self))
            }
        }
        return terms
    }

    /// Calls `body` with each term of `bytes` (UTF-8) and the byte range of the word that it stands for. The term's
    /// memory is valid only within the call. ASCII text needs no decoding.
    public func forEachTerm(
        inUTF8 bytes: UnsafeBufferPointer<UInt8>,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Void
    ) {
        let extractor = pool.take(options)
        extractor.forEachTerm(inUTF8: bytes, body)
        pool.give(extractor)
    }

    /// Calls `body` with each term under which an index holds `bytes` (UTF-8), the bytes that it stands for, and its role.
    /// The term's memory is valid only within the call.
    public func forEachIndexTerm(
        inUTF8 bytes: UnsafeBufferPointer<UInt8>,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ role: TermRole) -> Void
    ) {
        let extractor = pool.take(options)
        extractor.forEachIndexTerm(inUTF8: bytes, body)
        pool.give(extractor)
    }

    /// The terms of an index that `text` asks for, in order. Which of the stop words and fragments are looked up is for
    /// the index to say: it knows what else of the query it holds.
    public func queryTerms(in text: String) -> [AnalyzedTerm] {
        var text = text
        let extractor = pool.take(options)
        defer { pool.give(extractor) }
        return text.withUTF8 { extractor.queryTerms(inUTF8: $0) }
    }

    /// The terms under which an index holds `text`, with their roles, in order.
    public func indexTerms(in text: String) -> [(text: String, role: TermRole)] {
        var terms: [(text: String, role: TermRole)] = []
        var text = text
        text.withUTF8 { bytes in
            forEachIndexTerm(inUTF8: bytes) { term, _, role in
                terms.append((String(decoding: term, as: UTF8.self), role))
            }
        }
        return terms
    }

    /// An extractor of the caller's own, for one thread: the fast way to analyse many texts.
    public func makeExtractor() -> TermExtractor {
        pool.take(options)
    }
}

/// Extractors not in use. The pool hands each one to a single caller at a time.
private final class ExtractorPool: Sendable {
    private let idle: Mutex<[TermExtractor]>

    init(first: TermExtractor) {
        idle = Mutex([first])
    }

    func take(_ options: AnalyzerOptions) -> TermExtractor {
        if let extractor = idle.withLock({ $0.popLast() }) { return extractor }
        return TermExtractor(validated: options)
    }

    func give(_ extractor: TermExtractor) {
        idle.withLock { idle in
            if idle.count < 16 { idle.append(extractor) }
        }
    }
}
