// SPDX-License-Identifier: Apache-2.0
import CStemmer
import Synchronization

/// Turns text into index terms: words are found, folded, stop words are left out, the rest is stemmed.
///
/// Words are runs of letters, digits and their marks. Inside a word a full stop between digits stays ("3.14"), a comma
/// that groups thousands goes ("1,000" is "1000"), initials join ("U.S." is "us"), and a possessive goes ("Arthur's"
/// is "arthur"). Chinese characters and hiragana are terms of one character each. Invalid UTF-8 separates words.
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
