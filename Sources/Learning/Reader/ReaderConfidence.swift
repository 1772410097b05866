// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath

/// How sure the reader may be, fitted on questions that it was not trained on: whether the passages hold the answer at
/// all, and whether the answer that it found is right. Two logistic models over a few signs (Platt's scaling with more
/// than one input; Kamath et al. 2020 for abstention under another field's questions).
public struct ReaderConfidence: Sendable, Hashable {
    /// Weights for the signs, the first of which is always 1.
    var answerable: [Float]
    var correct: [Float]
    /// Below this probability that the passages hold the answer, nothing is answered.
    public var threshold: Float

    /// The signs, in order.
    static let signs = [
        "one", "not none", "relevance", "score", "coverage", "second", "yes or no", "sentence", "passage", "names",
    ]

    static func signs(
        _ reading: Reading, _ layout: ReaderLayout, _ best: (text: String, place: ReaderLayout.Place?, score: Double)
    ) -> [Float] {
        func logit(_ p: Float) -> Float {
            let p = min(max(p, 1e-4), 1 - 1e-4)
            return log(p / (1 - p))
        }
        let relevance = reading.relevance.sorted(by: >)
        let top = relevance.first ?? -6
        return [
            1, logit(1 - reading.none), min(max(top, -6), 6), logit(Float(best.score)), 4 * layout.coverage - 2,
            min(max(relevance.count > 1 ? relevance[1] : top, -6), 6), layout.isYesNo ? 1 : 0,
            4 * (best.place?.sentenceCover ?? 0.5) - 2, 4 * (best.place?.passageCover ?? 0.5) - 2,
            4 * layout.nameCoverage - 2,
        ]
    }

    /// The probability that the passages hold the answer, and that the answer is right.
    func probabilities(_ signs: [Float]) -> (answerable: Double, correct: Double) {
        func value(_ weights: [Float]) -> Double {
            let sum = zip(weights, signs).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            return 1 / (1 + exp(-Double(sum)))
        }
        return (value(answerable), value(correct))
    }

    /// What was seen on one held-out question.
    public struct Observation: Sendable {
        var signs: [Float]
        /// Whether the passages hold the answer.
        public var isAnswerable: Bool
        /// Whether the answer that was found is right.
        public var isRight: Bool
    }

    /// Fits both models; the threshold is the highest that refuses at most a share of the answerable questions.
    ///
    /// - Parameter refusals: That share. Default: 0.08.
    public init(_ observations: [Observation], refusals: Double = 0.08) {
        answerable = Self.fit(observations.map { ($0.signs, $0.isAnswerable) })
        correct = Self.fit(observations.map { ($0.signs, $0.isAnswerable && $0.isRight) })
        threshold = 0
        let kept = observations.filter(\.isAnswerable).map { probabilities($0.signs).answerable }.sorted()
        if !kept.isEmpty { threshold = Float(kept[min(kept.count - 1, Int(refusals * Double(kept.count)))]) }
    }

    /// Logistic regression by gradient descent, with a small squared penalty.
    private static func fit(_ rows: [(signs: [Float], isTrue: Bool)]) -> [Float] {
        var weights = [Float](repeating: 0, count: signs.count)
        guard !rows.isEmpty else { return weights }
        var memory = weights
        for _ in 0..<2000 {
            var gradient = weights.map { 1e-3 * $0 }
            for (signs, isTrue) in rows {
                let sum = zip(weights, signs).reduce(Float(0)) { $0 + $1.0 * $1.1 }
                let error = (1 / (1 + exp(-sum)) - (isTrue ? 1 : 0)) / Float(rows.count)
                for index in signs.indices { gradient[index] += error * signs[index] }
            }
            for index in weights.indices {
                memory[index] = 0.9 * memory[index] + gradient[index]
                weights[index] -= 0.05 * memory[index]
            }
        }
        return weights
    }

    // MARK: - Files

    /// Adds the fitted numbers to a reader's file.
    func add(to writer: inout SafetensorsWriter) {
        writer.add("confidence.answerable", shape: [answerable.count], answerable)
        writer.add("confidence.correct", shape: [correct.count], correct)
        writer.add("confidence.threshold", shape: [1], [threshold])
    }

    /// Reads them; nil where the file has none.
    ///
    /// - Throws: `SafetensorsError`.
    init?(file: SafetensorsFile) throws {
        guard file.contains("confidence.threshold") else { return nil }
        answerable = try file.floats(named: "confidence.answerable")
        correct = try file.floats(named: "confidence.correct")
        let stored = try file.floats(named: "confidence.threshold")
        guard answerable.count == Self.signs.count, correct.count == Self.signs.count, stored.count == 1,
            (answerable + correct + stored).allSatisfy(\.isFinite)
        else {
            throw SafetensorsError.mismatch(
                path: file.path, name: "confidence", reason: "expected \(Self.signs.count) finite numbers")
        }
        threshold = stored[0]
    }
}

extension SpanReader {
    /// What the reader sees on held-out examples, for fitting its confidence and for measuring it.
    ///
    /// - Throws: `CancellationError`, or what the encoder throws.
    public func observations(
        _ examples: [ReaderExample], isRight: (_ answer: String, _ accepted: [String]) -> Bool
    ) async throws -> [ReaderConfidence.Observation] {
        var result: [ReaderConfidence.Observation] = []
        for example in examples {
            try Task.checkCancellation()
            let passages = example.passages.map { (title: $0.title, text: $0.text) }
            guard let (reading, layout) = try await read(example.question, passages) else { continue }
            let best = Self.best(reading, layout)
            result.append(
                .init(
                    signs: ReaderConfidence.signs(reading, layout, best),
                    isAnswerable: example.isAnswerable, isRight: isRight(best.text, example.answers)))
        }
        return result
    }

    /// The calibrated probabilities of an observation: that the passages hold the answer, and that the answer is right.
    public func probabilities(_ observation: ReaderConfidence.Observation) -> (answerable: Double, correct: Double)? {
        confidence?.probabilities(observation.signs)
    }

    /// Writes a copy of a reader's file with a fitted confidence in it.
    ///
    /// - Throws: `SafetensorsError`.
    public static func write(_ confidence: ReaderConfidence, into path: String) throws {
        let file = try SafetensorsFile(path: path)
        var writer = SafetensorsWriter(metadata: file.metadata)
        for name in file.names where !name.hasPrefix("confidence.") {
            let tensor = try file.tensor(named: name)
            if tensor.element == .int8 {
                writer.add(
                    name, shape: tensor.shape,
                    integers: try file.withUnsafeBytes(named: name) { $0.map { Int8(bitPattern: $0) } })
            } else {
                writer.add(name, shape: tensor.shape, try file.floats(named: name))
            }
        }
        confidence.add(to: &writer)
        try writer.write(to: path)
    }
}
