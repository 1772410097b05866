// SPDX-License-Identifier: Apache-2.0

/// What an analyzer does to text. An index stores these options, so that queries are analysed as its passages were.
public struct AnalyzerOptions: Codable, Hashable, Sendable {
    /// Which frequent words are left out.
    public enum StopWords: Codable, Hashable, Sendable {
        /// Every word is a term.
        case none
        /// The short English list that most search engines share (33 words).
        case english
        /// The function words of a language that ``TextLanguage`` knows, by its name.
        case language(String)
        /// These words, compared after folding.
        case custom([String])
    }

    /// Compares text after compatibility decomposition (NFKD), lower-casing and without accents.
    /// When false only ASCII letters are lower-cased. Default: true.
    public var foldsUnicode: Bool
    /// Default: `.english`.
    public var stopWords: StopWords
    /// The Snowball language ("english", "german", "porter" …), "polish", or nil for no stemming. Default: "english". Words of
    /// another script are stemmed in the language that most often writes it: Arabic, Greek, Hindi, Russian, Tamil.
    public var stemmer: String?
    /// Terms with fewer characters (Unicode scalars, after stemming) are left out. Default: 1.
    public var minimumLength: Int
    /// Terms with more characters are left out: base64 blobs and the like. Default: 100.
    public var maximumLength: Int

    public init(
        foldsUnicode: Bool = true, stopWords: StopWords = .english, stemmer: String? = "english",
        minimumLength: Int = 1, maximumLength: Int = 100
    ) {
        self.foldsUnicode = foldsUnicode
        self.stopWords = stopWords
        self.stemmer = stemmer
        self.minimumLength = minimumLength
        self.maximumLength = maximumLength
    }

    /// What a language needs: its stemmer, where there is one, and its function words.
    public init(language: TextLanguage) {
        self.init(
            stopWords: language == .english ? .english : .language(language.name), stemmer: language.stemmer)
    }

    /// Counts changes of what an analyzer makes of a text. An index of another version has other terms than its queries,
    /// so it must be built anew.
    public static let analysisVersion = 3

    /// Folded words as they stand: no stop words, no stemming.
    public static let plain = AnalyzerOptions(stopWords: .none, stemmer: nil)

    /// The words of `.english`.
    public static let englishStopWords: [String] = [
        "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no", "not",
        "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to", "was",
        "will", "with",
    ]
}

/// Why an analyzer could not be made.
public enum AnalyzerError: Error, Equatable, Sendable, CustomStringConvertible {
    /// libstemmer has no such language.
    case unknownStemmer(String, known: [String])
    /// The lengths exclude every term.
    case emptyLengthRange(minimum: Int, maximum: Int)

    public var description: String {
        switch self {
        case .unknownStemmer(let name, let known):
            "no stemmer named \"\(name)\"; known: \(known.joined(separator: ", "))"
        case .emptyLengthRange(let minimum, let maximum):
            "no term can have at least \(minimum) and at most \(maximum) characters"
        }
    }
}
