// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath
import Text

// The weights file of a policy: `Policies/name.safetensors`.
extension LearnedPolicy {
    /// Identifies the features that this version computes: their names in order.
    static var featureFingerprint: String {
        String(SHA256.hex(ActionFeatures.names.joined(separator: ",")).prefix(16))
    }

    /// Reads a policy from a weights file.
    ///
    /// - Throws: `SafetensorsError`, or `PolicyFileError` where the file was made for other features or by an unknown
    ///   architecture.
    public init(weights path: String) throws {
        let file = try SafetensorsFile(path: path)
        guard let architecture = file.metadata["architecture"] else {
            throw PolicyFileError.malformed(path: path, reason: "the header names no architecture")
        }
        guard file.metadata["features"] == Self.featureFingerprint else {
            throw PolicyFileError.otherFeatures(path: path)
        }
        var policy = try LearnedPolicy(architecture: architecture, seed: 0)
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
