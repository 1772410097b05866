// SPDX-License-Identifier: Apache-2.0

import Corpus
import Datasets
import Foundation
public import OrderedCollections
import Search
import TensorMath

/// How sure the reader may be, fitted on questions that it was not trained on: whether the passages hold the answer at
/// all, and whether the answer that it found is right. Two logistic models over named signs (Platt's scaling with more
/// than one input; Kamath et al. 2020 for abstention under another field's questions).
///
/// Each sign is measured from its mean in steps of its spread, so that one that is missing counts as the mean.
public struct ReaderConfidence: Sendable, Hashable, CustomStringConvertible {
    /// The signs, by name, with their mean and their spread where it was fitted.
    let names: [String]
    let means: [Float]
    let spreads: [Float]
    /// The constant and the weight of each sign.
    var answerable: [Float]
    var correct: [Float]
    /// Below this probability that the passages hold the answer, nothing is answered.
    public var threshold: Float
    /// The same fitted without the signs that need vectors, for corpora that have none or those of another encoder; at most one.
    private var withoutVectors: [ReaderConfidence] = []
    /// The vector that the encoder of the fitted sessions gives ``probeText``: how near is near differs from encoder to encoder.
    /// Empty where that is not known.
    public var probe: [Float] = []
    /// The text whose vector tells whether a corpus has the encoder that the confidence was fitted with.
    public static let probeText = "Which river flows through the town?"

    /// The weight of each sign for "the passages hold the answer" and for "the answer is right", one a line.
    public var description: String {
        zip(names, zip(answerable.dropFirst(), correct.dropFirst())).map { name, weights in
            String(format: "%+.2f %+.2f  ", weights.0, weights.1) + name
        }.joined(separator: "\n")
    }

    /// What a reading says of itself.
    static func signs(
        _ reading: Reading, _ layout: ReaderLayout, _ best: (text: String, place: ReaderLayout.Place?, score: Double)
    ) -> OrderedDictionary<String, Double> {
        func logit(_ p: Float) -> Double {
            let p = Double(min(max(p, 1e-4), 1 - 1e-4))
            return log(p / (1 - p))
        }
        func bounded(_ value: Float?) -> Double { Double(min(max(value ?? -6, -6), 6)) }
        let relevance = reading.relevance.sorted(by: >)
        return [
            "not none": logit(1 - reading.none), "relevance": bounded(relevance.first),
            "second relevance": bounded(relevance.count > 1 ? relevance[1] : relevance.first),
            "score": logit(Float(best.score)), "coverage": Double(layout.coverage),
            "yes or no": layout.isYesNo ? 1 : 0, "sentence": Double(best.place?.sentenceCover ?? 0.5),
            "passage": Double(best.place?.passageCover ?? 0.5), "names": Double(layout.nameCoverage),
            "titled names": Double(layout.titledNames), "words": log(Double(max(1, layout.wordCount))),
            "name count": Double(min(6, layout.nameCount)),
        ]
    }

    /// The signs with their products: what a share of the question's words is worth depends on how many these are, and a
    /// whole is more than nearly all.
    private static func expanded(_ signs: OrderedDictionary<String, Double>) -> OrderedDictionary<String, Double> {
        var result = signs
        if let words = signs["words"] {
            for name in ["coverage", "near", "second near", "sentence", "passage", "names", "titled names"] {
                if let value = signs[name] { result["words × " + name] = (words - 2.6) * value }
            }
        }
        for name in ["coverage", "near"] { result[name + "²"] = signs[name].map { $0 * $0 } }
        for (name, other) in [("names", "coverage"), ("titled names", "names")] {
            if let value = signs[name], let factor = signs[other] { result[name + " × " + other] = value * factor }
        }
        for name in ["names", "titled names", "coverage"] {
            result["all " + name] = signs[name].map { $0 >= 0.99 ? 1 : 0 }
        }
        return result
    }

    /// The probability that the passages hold the answer, and that the answer is right.
    public func probabilities(_ signs: OrderedDictionary<String, Double>) -> (answerable: Double, correct: Double) {
        if let other = other(for: signs) { return other.probabilities(signs) }
        let signs = Self.expanded(signs)
        let values = names.indices.map { index in
            signs[names[index]].map { Self.step(Float($0), means[index], spreads[index]) } ?? 0
        }
        return (Self.probability(answerable, values), Self.probability(correct, values))
    }

    /// Whether the passages are held to have the answer.
    public func holds(_ signs: OrderedDictionary<String, Double>) -> Bool {
        probabilities(signs).answerable >= Double((other(for: signs) ?? self).threshold)
    }

    /// The fit without vectors where an answer has none of their signs.
    private func other(for signs: OrderedDictionary<String, Double>) -> ReaderConfidence? {
        signs["near"] == nil ? withoutVectors.first : nil
    }

    private static func step(_ value: Float, _ mean: Float, _ spread: Float) -> Float {
        min(max((value - mean) / spread, -4), 4)
    }

    private static func probability(_ weights: [Float], _ values: [Float]) -> Double {
        let sum = zip(weights.dropFirst(), values).reduce(weights[0]) { $0 + $1.0 * $1.1 }
        return 1 / (1 + exp(-Double(sum)))
    }

    /// What was seen on one held-out question.
    public struct Observation: Sendable {
        public var signs: OrderedDictionary<String, Double>
        /// Whether the passages hold the answer.
        public var isAnswerable: Bool
        /// Whether the answer that was found is right.
        public var isRight: Bool

        public init(signs: OrderedDictionary<String, Double>, isAnswerable: Bool, isRight: Bool) {
            self.signs = signs
            self.isAnswerable = isAnswerable
            self.isRight = isRight
        }
    }

    /// Fits both models; the threshold is the highest that refuses at most a share of the answerable questions.
    ///
    /// - Parameter refusals: That share. Default: 0.08.
    public init(_ observations: [Observation], refusals: Double = 0.08) {
        let signs = observations.map { Self.expanded($0.signs) }
        let names = Array(signs.reduce(into: OrderedSet<String>()) { $0.formUnion($1.keys) })
        var (means, spreads): ([Float], [Float]) = ([], [])
        for name in names {
            let values = signs.compactMap { $0[name] }
            let mean = values.reduce(0, +) / Double(max(1, values.count))
            let square = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, values.count))
            means.append(Float(mean))
            spreads.append(Float(max(square.squareRoot(), 1e-3)))
        }
        let rows = signs.map { seen in
            names.indices.map { index in
                seen[names[index]].map { Self.step(Float($0), means[index], spreads[index]) } ?? 0
            }
        }
        self.names = names
        self.means = means
        self.spreads = spreads
        let right = observations.map { $0.isAnswerable && $0.isRight }
        // To refuse a right answer costs more than to refuse a wrong one: these count as much as six others.
        answerable = Self.fit(
            rows, observations.map(\.isAnswerable), weights: right.map { $0 ? 6 : 1 }, count: names.count)
        correct = Self.fit(rows, right, weights: right.map { _ in 1 }, count: names.count)
        threshold = 0
        let kept = observations.filter(\.isAnswerable).map { probabilities($0.signs).answerable }.sorted()
        // Rounded down: an answer at the threshold is given.
        if !kept.isEmpty { threshold = Float(kept[min(kept.count - 1, Int(refusals * Double(kept.count)))]).nextDown }
        guard names.contains("near") else { return }
        let stripped = observations.map { seen in
            Observation(
                signs: seen.signs.filter { !["near", "second near"].contains($0.key) },
                isAnswerable: seen.isAnswerable, isRight: seen.isRight)
        }
        withoutVectors = [ReaderConfidence(stripped, refusals: refusals)]
    }

    /// Logistic regression by gradient descent with momentum and a small squared penalty.
    private static func fit(_ rows: [[Float]], _ isTrue: [Bool], weights parts: [Float], count: Int) -> [Float] {
        var weights = [Float](repeating: 0, count: count + 1)
        guard !rows.isEmpty else { return weights }
        let total = parts.reduce(0, +)
        var memory = weights
        for _ in 0..<1000 {
            var gradient = weights.map { 2e-3 * $0 }
            for (index, values) in rows.enumerated() {
                let error =
                    (Float(probability(weights, values)) - (isTrue[index] ? 1 : 0)) * parts[index] / total
                gradient[0] += error
                for place in values.indices { gradient[place + 1] += error * values[place] }
            }
            for index in weights.indices {
                memory[index] = 0.9 * memory[index] + gradient[index]
                weights[index] -= 0.1 * memory[index]
            }
        }
        return weights
    }

    // MARK: - Files

    /// Adds the fitted numbers to a reader's file.
    func add(to writer: inout SafetensorsWriter) {
        add(to: &writer, prefix: "confidence.")
        for other in withoutVectors { other.add(to: &writer, prefix: "confidence.without_vectors.") }
        if !probe.isEmpty { writer.add("confidence.probe", shape: [probe.count], probe) }
    }

    private func add(to writer: inout SafetensorsWriter, prefix: String) {
        writer.metadata[prefix + "signs"] = names.joined(separator: "\n")
        writer.add(prefix + "means", shape: [means.count], means)
        writer.add(prefix + "spreads", shape: [spreads.count], spreads)
        writer.add(prefix + "answerable", shape: [answerable.count], answerable)
        writer.add(prefix + "correct", shape: [correct.count], correct)
        writer.add(prefix + "threshold", shape: [1], [threshold])
    }

    /// Reads them; nil where the file has none.
    ///
    /// - Throws: `SafetensorsError`.
    init?(file: SafetensorsFile) throws {
        guard let read = try ReaderConfidence(file: file, prefix: "confidence.") else { return nil }
        self = read
        withoutVectors = try [ReaderConfidence(file: file, prefix: "confidence.without_vectors.")].compactMap { $0 }
        if file.contains("confidence.probe") { probe = try file.floats(named: "confidence.probe") }
    }

    private init?(file: SafetensorsFile, prefix: String) throws {
        guard file.contains(prefix + "threshold"), let listed = file.metadata[prefix + "signs"] else { return nil }
        names = listed.split(separator: "\n").map(String.init)
        means = try file.floats(named: prefix + "means")
        spreads = try file.floats(named: prefix + "spreads")
        answerable = try file.floats(named: prefix + "answerable")
        correct = try file.floats(named: prefix + "correct")
        let stored = try file.floats(named: prefix + "threshold")
        guard means.count == names.count, spreads.count == names.count, answerable.count == names.count + 1,
            correct.count == names.count + 1, stored.count == 1, spreads.allSatisfy({ $0 > 0 }),
            (means + spreads + answerable + correct + stored).allSatisfy(\.isFinite)
        else {
            throw SafetensorsError.mismatch(
                path: file.path, name: prefix, reason: "expected finite numbers for \(names.count) signs")
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

    /// Writes a fitted confidence into a reader's file.
    ///
    /// - Parameter rerankShare: The share that the reader may have in a ranking; nil leaves the file's own.
    /// - Throws: `SafetensorsError`.
    public static func write(
        _ confidence: ReaderConfidence, rerankShare: Float? = nil, into path: String, of source: String? = nil
    )
        throws
    {
        let file = try SafetensorsFile(path: source ?? path)
        var writer = SafetensorsWriter(metadata: file.metadata)
        for key in file.metadata.keys where key.hasPrefix("confidence") { writer.metadata[key] = nil }
        if let rerankShare { writer.metadata["rerank_share"] = String(rerankShare) }
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
