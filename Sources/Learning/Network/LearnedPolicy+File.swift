// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath
import Text

// The weights file of a policy: `Policies/name.safetensors`.
extension LearnedPolicy {
    /// Identifies the features that this version computes: their names in order.
    static var featureFingerprint: String { fingerprint(of: ActionFeatures.names) }

    private static func fingerprint(of names: [String]) -> String {
        String(SHA256.hex(names.joined(separator: ",")).prefix(16))
    }

    /// Reads a policy that chooses among the passages of a `RetrievalWorld`.
    init(worldWeights path: String) throws {
        try self.init(weights: path, features: EvidenceState.featureNames)
    }

    /// Reads a policy from a weights file.
    ///
    /// - Throws: `SafetensorsError`, or `PolicyFileError` where the file was made for other features or by an unknown
    ///   architecture.
    public init(weights path: String) throws {
        try self.init(weights: path, features: ActionFeatures.names)
    }

    private init(weights path: String, features: [String]) throws {
        let file = try SafetensorsFile(path: path)
        guard let architecture = file.metadata["architecture"] else {
            throw PolicyFileError.malformed(path: path, reason: "the header names no architecture")
        }
        guard file.metadata["features"] == Self.fingerprint(of: features) else {
            throw PolicyFileError.otherFeatures(path: path)
        }
        var policy = try LearnedPolicy(architecture: architecture, seed: 0, features: features.count)
        policy.parameters = try policy.parameters.loaded(from: file)
        guard policy.parameters.isFinite else {
            throw PolicyFileError.malformed(path: path, reason: "a weight is not finite")
        }
        self = policy
    }

    /// Writes the weights file.
    ///
    /// - Parameter notes: Free text for the header: the command, the data, the seed.
    /// - Throws: `SafetensorsError`.
    public func write(to path: String, notes: [String: String] = [:]) throws {
        var writer = SafetensorsWriter(metadata: notes)
        writer.metadata["architecture"] = architecture
        writer.metadata["features"] = Self.featureFingerprint
        parameters.add(to: &writer)
        try writer.write(to: path)
    }

    /// Identifies the weights, so that a resumed session can refuse others.
    public var fingerprint: String {
        var hash = SHA256()
        for value in parameters.values { value.elements.withUnsafeBytes { hash.update($0) } }
        return "\(architecture)/\(hash.finalizeHex().prefix(16))"
    }
}
