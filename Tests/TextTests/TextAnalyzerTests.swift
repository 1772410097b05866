// SPDX-License-Identifier: Apache-2.0
import Testing
import Text

@Suite struct TextAnalyzerTests {
    @Test func findsFoldsAndStems() throws {
        let analyzer = try TextAnalyzer()
        #expect(analyzer.terms(in: "The Running of the Bulls") == ["run", "bull"])
        #expect(analyzer.terms(in: "Arthur's Magazine, 1844–1846") == ["arthur", "magazin", "1844", "1846"])
        #expect(analyzer.terms(in: "Ångström NAÏVE Straße ﬁne") == ["angstrom", "naiv", "strass", "fine"])
        #expect(
            analyzer.terms(in: "1,000 km at 3.14 in the U.S. by J.R.R. Tolkien") == [
                "1000", "km", "3.14", "us", "jrr", "tolkien",
            ])
        #expect(analyzer.terms(in: "") == [])
        #expect(analyzer.terms(in: "!!! --- ...") == [])
    }

    @Test func plainKeepsEveryWord() throws {
        let analyzer = try TextAnalyzer(.plain)
        #expect(
            analyzer.terms(in: "The don't O’Brien's x_y 1,2 1,234,567 12,34 a.b U.K.") == [
                "the", "dont", "obrien", "x", "y", "1", "2", "1234567", "12", "34", "ab", "uk",
            ])
        #expect(analyzer.terms(in: "東京タワー 한국어") == ["东", "京", "タワー", "한국어".decomposed])
        #expect(analyzer.terms(in: "が") == analyzer.terms(in: "か\u{3099}"))
        #expect(analyzer.terms(in: "cafe\u{301} café CAFÉ") == ["cafe", "cafe", "cafe"])
    }

    @Test func otherLanguagesStemBeforeFolding() throws {
        let german = try TextAnalyzer(AnalyzerOptions(stopWords: .none, stemmer: "german"))
        #expect(german.terms(in: "Häuser") == german.terms(in: "Haus".uppercased()))
        let french = try TextAnalyzer(AnalyzerOptions(stopWords: .custom(["L"]), stemmer: "french"))
        #expect(french.terms(in: "l'avion") == ["avion"])
    }

    @Test func limitsAndErrors() throws {
        let analyzer = try TextAnalyzer(
            AnalyzerOptions(stopWords: .none, stemmer: nil, minimumLength: 2, maximumLength: 4))
        #expect(analyzer.terms(in: "a bb cccc ddddd") == ["bb", "cccc"])
        #expect(throws: AnalyzerError.unknownStemmer("klingon", known: TextAnalyzer.stemmerLanguages)) {
            try TextAnalyzer(AnalyzerOptions(stemmer: "klingon"))
        }
        #expect(throws: AnalyzerError.emptyLengthRange(minimum: 5, maximum: 4)) {
            try TextAnalyzer(AnalyzerOptions(minimumLength: 5, maximumLength: 4))
        }
    }

    @Test func rangesCoverTheWords() throws {
        let text = "  Müller’s  U.S. 3.5 x"
        let analyzer = try TextAnalyzer(AnalyzerOptions(stopWords: .none))
        var words: [String] = []
        Array(text.utf8).withUnsafeBufferPointer { bytes in
            analyzer.forEachTerm(inUTF8: bytes) { _, range in
                words.append(String(decoding: bytes[range], as: UTF8.self))
            }
        }
        #expect(words == ["Müller’s", "U.S", "3.5", "x"])
    }

    @Test func malformedBytesSeparate() throws {
        let analyzer = try TextAnalyzer(.plain)
        let bytes: [UInt8] = [0x61, 0xFF, 0x62, 0xC3, 0x63, 0xE2, 0x82, 0x64, 0xF0, 0x9F, 0x98]
        var terms: [String] = []
        bytes.withUnsafeBufferPointer { buffer in
            analyzer.forEachTerm(inUTF8: buffer) { term, _ in terms.append(String(decoding: term, as: UTF8.self)) }
        }
        #expect(terms == ["a", "b", "c", "d"])
    }

    /// The cache must not change results, also when it overflows and starts afresh.
    @Test func cachedTermsEqualFreshOnes() throws {
        let analyzer = try TextAnalyzer()
        let words = (0..<90_000).map { "word\($0 &* 7919 % 100_003)ing" }
        let text = words.joined(separator: " ")
        let once = analyzer.terms(in: text)
        #expect(once == analyzer.terms(in: text))
        let sample = stride(from: 0, to: words.count, by: 997)
        for index in sample {
            let fresh = try TextAnalyzer()
            #expect(fresh.terms(in: words[index]) == [once[index]])
        }
    }

    @Test func foldingIsIdempotent() {
        for text in ["İSTANBUL", "ΑΣ", "ẞß", "Ⅷ ½ ①", "ｆｕｌｌ", "Łódź Þór Æsir", "№5", "が한"] {
            let once = TextFolding.fold(text)
            #expect(TextFolding.fold(once) == once)
        }
        #expect(TextFolding.fold("Łódź Þór Æsir") == "lodz thor aesir")
    }
}

extension String {
    fileprivate var decomposed: String { TextFolding.fold(self) }
}
