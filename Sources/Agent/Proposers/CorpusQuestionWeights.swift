// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Reading
import Search
import Synchronization
import TensorMath
import Text

/// The trained scorer of programs, as `forage train corpus-questions` writes it.
public struct CorpusQuestionWeights: Sendable {
    let values: ProgramWeights
    /// The least confidence at which running the program served training's left-out questions best; 0.5 where the file says
    /// none.
    public let threshold: Double
    /// Identifies the weights.
    public let fingerprint: String

    /// - Throws: `SafetensorsError` where the file cannot be read or holds something else.
    public init(path: String) throws {
        let file = try SafetensorsFile(path: path)
        let places = try file.floats(named: "places")
        let scores = try file.floats(named: "scores")
        var dense = [Float](repeating: 0, count: ProgramWeights.featureSpace)
        guard places.count == scores.count, file.metadata["features"] == ProgramWeights.version else {
            throw SafetensorsError.malformed(
                path: path, reason: "these are no weights of questions about a corpus in form \(ProgramWeights.version)"
            )
        }
        for (place, score) in zip(places, scores) {
            guard let at = Int(exactly: place), dense.indices.contains(at), score.isFinite else {
                throw SafetensorsError.malformed(path: path, reason: "a weight stands at \(place)")
            }
            dense[at] = score
        }
        values = ProgramWeights(scores: dense, gate: try file.floats(named: "gate"))
        let written = file.metadata["threshold"].flatMap { Double($0) } ?? 0.5
        guard (0...1).contains(written) else {
            throw SafetensorsError.malformed(path: path, reason: "the threshold is \(written), expected 0 to 1")
        }
        threshold = written
        var hash = SHA256()
        for list in [places, scores, values.gate] { list.withUnsafeBytes { hash.update($0) } }
        fingerprint = "corpus-questions/" + hash.finalizeHex().prefix(16)
    }

    /// The name of the standard weights beside the policies.
    public static let standardName = "corpus-questions.safetensors"

    private static let opened = Mutex<[String: CorpusQuestionWeights]>([:])

    /// The weights of that name in the folder of a policy file or in one of the standard folders; nil where there are none.
    /// - Throws: as `init(path:)` does, for a file that is there.
    static func find(_ name: String, beside directory: String) throws -> CorpusQuestionWeights? {
        guard let path = PolicyFile.locate(name, beside: directory) else { return nil }
        if let known = opened.withLock({ $0[path] }) { return known }
        let weights = try CorpusQuestionWeights(path: path)
        opened.withLock { $0[path] = weights }
        return weights
    }
}
