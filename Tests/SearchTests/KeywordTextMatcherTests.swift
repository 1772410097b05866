// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import TensorMath
import Testing
import Text

@testable import Search

@Suite struct KeywordTextMatcherTests {
    static let vocabulary = [
        "run", "running", "runs", "Café", "cafe", "the", "of", "Trial", "trials", "who", "a", "news", "new", "newer",
    ]

    static func words(_ count: Int, _ generator: inout SplitMix64) -> String {
        (0..<count).map { _ in vocabulary[generator.integer(below: vocabulary.count)] }.joined(separator: " ")
    }

    @Test func findsWhatAScanFinds() async throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/c.forage"
        var generator = SplitMix64(seed: 4)
        let writer = try CorpusWriter.open(creatingAt: path)
        try writer.add(
            (0..<200).map { Document(id: "d\($0)", title: Self.words(2, &generator), text: Self.words(6, &generator)) })
        let generation = try writer.beginGeneration()
        try await IndexBuilder(encoder: nil, encoderName: "none").build(generation)
        try generation.publish()
        let corpus = try await LocalCorpus(path: path)
        let index = try #require(corpus.keywords)
        let matcher = try KeywordTextMatcher(index: index, reader: corpus.reader)
        let scan = try ScanningTextMatcher(reader: corpus.reader)
        var matches = 0
        for _ in 0..<120 {
            var query = Self.words(1 + generator.integer(below: 3), &generator)
            if generator.integer(below: 5) == 0 { query = String(query.dropLast()) }
            for mode in [FilterExpression.MatchMode.all, .any, .phrase, .prefix] {
                for field in [nil, "title", "text"] {
                    let found = try matcher.passages(matching: query, mode: mode, field: field)
                    let expected = try scan.passages(matching: query, mode: mode, field: field)
                    #expect(found == expected, "\(query) \(mode) \(field ?? "-")")
                    matches += expected.count
                }
            }
        }
        #expect(matches > 1000)
        #expect(try matcher.passages(matching: "", mode: .all, field: nil).isEmpty)
    }
}
