// SPDX-License-Identifier: Apache-2.0

public import Text

/// How a keyword index scores; kept with the index.
public struct KeywordIndexOptions: Sendable, Hashable {
    /// BM25's saturation of term frequencies. Default 0.9.
    public var k1: Double
    /// BM25's length normalisation, 0…1. Default 0.4.
    public var b: Double
    /// How often a word of the title counts for one of the text, in quarters up to 16. Default 1.
    public var titleWeight: Double
    /// How text becomes terms.
    public var analyzer: AnalyzerOptions

    public init(
        k1: Double = 0.9, b: Double = 0.4, titleWeight: Double = 1, analyzer: AnalyzerOptions = AnalyzerOptions()
    ) {
        self.k1 = k1
        self.b = b
        self.titleWeight = titleWeight
        self.analyzer = analyzer
    }

    /// - Throws: `SearchIndexError` for values out of range.
    func validate() throws {
        guard k1.isFinite, k1 > 0, k1 <= 100 else {
            throw SearchIndexError.invalidOption("k1 must be over 0 and at most 100")
        }
        guard b >= 0, b <= 1 else { throw SearchIndexError.invalidOption("b must be from 0 to 1") }
        guard titleWeight >= 0, titleWeight <= 16 else {
            throw SearchIndexError.invalidOption("the title's weight must be from 0 to 16")
        }
    }

    /// What a stored frequency of 1 stands for: 1 when the title's weight is a whole number, else a quarter.
    var unit: Float { titleWeight == titleWeight.rounded() ? 1 : 0.25 }
    /// The stored frequency of one occurrence in the text.
    var textUnits: UInt32 { unit == 1 ? 1 : 4 }
    /// The stored frequency of one occurrence in the title.
    var titleUnits: UInt32 { UInt32((titleWeight / Double(unit)).rounded()) }
}

/// Why an index cannot be built, opened or searched.
public enum SearchIndexError: Error, Sendable, Hashable, CustomStringConvertible {
    case invalidOption(String)
    /// The index file is not what it should be.
    case damaged(String)
    /// The corpus has no such index, and how to get one.
    case missingIndex(String)
    /// The index was made with another encoder, and what to do.
    case encoderMismatch(String)
    /// The index was made by another version, and what to do.
    case outdated(String)

    public var description: String {
        switch self {
        case .invalidOption(let text), .damaged(let text), .missingIndex(let text), .encoderMismatch(let text),
            .outdated(let text):
            return text
        }
    }
}
