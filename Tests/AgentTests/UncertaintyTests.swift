// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import LanguageModels
import TensorMath
import Testing
import Text

@Suite struct UncertaintyMeasureTests {
    /// Samples of c groups: identical inside, disjoint across.
    static func groups(_ sizes: [Int]) -> [String] {
        sizes.enumerated().flatMap { group, size in Array(repeating: "word\(group) other\(group)", count: size) }
    }

    static func values(_ samples: [String]) -> [UncertaintyMeasure: Double] {
        let similarity = SampleSimilarity.jaccard(samples)
        var values: [UncertaintyMeasure: Double] = [:]
        for measure in UncertaintyMeasure.allCases { values[measure] = measure.value(of: similarity, samples: samples) }
        return values
    }

    @Test(arguments: [2, 3, 10]) func equalSamplesAreCertain(_ m: Int) {
        let values = Self.values(Self.groups([m]))
        #expect(abs((values[.eigv] ?? 0) - 1) < 1e-9)
        #expect(abs(values[.degmat] ?? 1) < 1e-12)
        #expect(abs(values[.eccentricity] ?? 1) < 1e-6)
        #expect(values[.semanticSets] == 1)
        #expect(abs(values[.semanticEntropy] ?? 1) < 1e-12)
        #expect(abs((values[.lexicalSimilarity] ?? 0) + 1) < 1e-12)
    }

    @Test(arguments: [2, 3, 10]) func disjointSamplesAreUncertain(_ m: Int) {
        let values = Self.values(Self.groups(Array(repeating: 1, count: m)))
        let count = Double(m)
        #expect(abs((values[.eigv] ?? 0) - count) < 1e-9)
        #expect(abs((values[.degmat] ?? 0) - (1 - 1 / count)) < 1e-12)
        #expect(abs((values[.eccentricity] ?? 0) - (count - 1).squareRoot()) < 1e-6)
        #expect(values[.semanticSets] == count)
        #expect(abs((values[.semanticEntropy] ?? 0) - log(count)) < 1e-9)
        #expect(abs(values[.lexicalSimilarity] ?? 1) < 1e-12)
    }

    @Test(arguments: [[5, 5], [7, 3], [4, 3, 3], [1, 2, 3, 4], [9, 1]])
    func groupsHaveClosedForms(_ sizes: [Int]) {
        let values = Self.values(Self.groups(sizes))
        let m = Double(sizes.reduce(0, +))
        let c = Double(sizes.count)
        #expect(abs((values[.eigv] ?? 0) - c) < 1e-9)
        #expect(values[.semanticSets] == c)
        #expect(abs((values[.eccentricity] ?? 0) - (c - 1).squareRoot()) < 1e-6)
        let expected = 1 - sizes.reduce(0) { $0 + (Double($1) / m) * (Double($1) / m) }
        #expect(abs((values[.degmat] ?? 0) - expected) < 1e-12)
    }

    @Test func valuesDoNotDependOnTheOrderOfTheSamples() {
        var random = SplitMix64(seed: 5)
        var samples = ["paris", "the city of paris", "london", "paris france", "", "berlin city", "london"]
        let first = Self.values(samples)
        for _ in 0..<10 {
            random.shuffle(&samples)
            for (measure, value) in Self.values(samples) { #expect(abs(value - (first[measure] ?? .nan)) < 1e-8) }
        }
    }

    @Test func matricesWithRubbishDoNotTrap() {
        let similarity = SampleSimilarity(count: 2, values: [1, .nan, .nan, 1])
        for measure in UncertaintyMeasure.allCases { _ = measure.value(of: similarity, samples: ["a", "b"]) }
        _ = Self.values([])
    }

    @Test func tokenMeasuresReadLogProbabilities() {
        let tokens = [
            TokenLogProbability(
                text: "a", logProbability: log(0.5), byteOffset: 0,
                top: [.init(text: "a", logProbability: log(0.5)), .init(text: "b", logProbability: log(0.5))]),
            TokenLogProbability(
                text: "c", logProbability: 0, byteOffset: 1, top: [.init(text: "c", logProbability: 0)]),
        ]
        #expect(abs((TokenUncertainty.entropy.value(of: tokens) ?? 0) - log(2) / 2) < 1e-12)
        #expect(abs((TokenUncertainty.meanLogProbability.value(of: tokens) ?? 0) - log(2) / 2) < 1e-12)
        #expect(abs((TokenUncertainty.minimumLogProbability.value(of: tokens) ?? 0) - log(2)) < 1e-12)
        #expect(abs((TokenUncertainty.entropyDifference.value(of: tokens) ?? 0) + log(2)) < 1e-12)
        #expect(TokenUncertainty.entropy.value(of: []) == nil)
    }

    @Test func flareMasksUnsureTokens() {
        let words: [(String, Double)] = [
            ("Joe", 0.99), (" Biden", 0.95), (" attended", 0.3), (" Penn", 0.2), (".", 0.9), (" Next", 0.1),
        ]
        var offset = 0
        let tokens = words.map { word, probability -> TokenLogProbability in
            defer { offset += word.utf8.count }
            return TokenLogProbability(text: word, logProbability: log(probability), byteOffset: offset)
        }
        let rule = ForwardLooking()
        let sentence = rule.firstSentence(of: tokens, in: words.map(\.0).joined())
        #expect(sentence.count == 5)
        #expect(rule.isTriggered(by: sentence))
        #expect(rule.query(from: sentence) == "Joe Biden.")
        #expect(!ForwardLooking(threshold: 0.1).isTriggered(by: sentence))
        #expect(rule.query(from: [tokens[3]]) == nil)
        let initials = "J. K. Rowling wrote. More."
        #expect(
            rule.firstSentence(
                of: [
                    TokenLogProbability(text: "x", logProbability: 0, byteOffset: 19),
                    TokenLogProbability(text: "y", logProbability: 0, byteOffset: 21),
                ],
                in: initials
            ).count == 1)
    }
}

@Suite struct GateTests {
    static func script(_ samples: [String]) -> String {
        """
        select: call
        turns:
          - {content: x, samples: [\(samples.joined(separator: ", "))]}
          - {content: "Germany [hamburg].\\nAnswer: Germany"}
        """
    }

    static func policy(_ value: Double) throws -> Strategy {
        try PolicyFile(
            yaml: """
                name: gated
                proposers: [question]
                gate: {threshold: {measure: degmat, value: \(value), samples: 4}}
                budget: {steps: 1}
                """, source: "gated"
        ).strategy()
    }

    @Test func agreementSavesRetrieval() async throws {
        let model = try World.model(Self.script(["Germany", "Germany", "Germany", "Germany"]))
        let events = try await World.run(
            "Where is Hamburg?", strategy: Self.policy(0.4), environment: World.environment(model: model)
        ).events
        #expect(events.stop == .confident)
        #expect(events.spent?.toolCalls == 0)
    }

    @Test func disagreementRetrieves() async throws {
        let model = try World.model(Self.script(["Germany", "France", "Spain", "Italy"]))
        let (answer, events) = try await World.run(
            "Where is Hamburg?", strategy: Self.policy(0.4), environment: World.environment(model: model))
        #expect((events.spent?.toolCalls ?? 0) > 0)
        #expect(answer.short == "Germany")
        let decision = try Trajectory(events: events).final.uncertainty
        #expect(decision?.uncertainty == 0.75)
    }

    @Test func calibrationFindsTheThreshold() throws {
        let observations = (0..<20).map { index in
            GateObservation(
                questionID: String(index), uncertainty: Double(index) / 20, without: index < 10 ? 1 : 0, with: 0.9,
                calls: 2)
        }
        let calibration = GateCalibration(measure: "degmat", observations: observations)
        #expect(calibration.areaUnderROC == 1)
        let best = try #require(calibration.bestThreshold())
        #expect(best.threshold == 0.45)
        #expect(abs(best.quality - 0.95) < 1e-12)
        #expect(best.calls == 1)
        #expect(calibration.curve.first?.calls == 2)
        #expect(calibration.curve.last?.calls == 0)
        #expect(calibration.svg().contains("<polyline"))
        #expect(calibration.table().contains("AUROC 1.0000"))
        #expect(GateCalibration(measure: "m", observations: []).bestThreshold() == nil)
    }
}
