// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import TensorMath

/// A network with its weights: what decides.
public struct LearnedPolicy: Sendable {
    /// The architecture.
    public let network: any PolicyNetwork
    /// The weights.
    public var parameters: ParameterSet

    /// Joins a network and its weights.
    public init(network: any PolicyNetwork, parameters: ParameterSet) {
        self.network = network
        self.parameters = parameters
    }

    /// Makes a policy of an architecture with fresh weights.
    ///
    /// - Throws: `PolicyFileError.unknownArchitecture`.
    public init(architecture: String, seed: UInt64) throws {
        guard let type = PolicyNetworks.all[architecture] else {
            throw PolicyFileError.unknownArchitecture(architecture, known: PolicyNetworks.all.keys.sorted())
        }
        network = type.init(features: ActionFeatures.count)
        parameters = network.initialParameters(seed: seed)
    }

    /// The name of the architecture.
    public var architecture: String { type(of: network).architecture }

    /// Returns the logit of every choice, and the value of the state.
    public func logits(_ decision: Decision) -> (logits: [Float], value: Float) {
        let tape = Tape(records: false)
        var noise: SplitMix64?
        let (logits, values) = network.apply(DecisionBatch([decision]), parameters.variables(on: tape), noise: &noise)
        return (logits.value.elements, values.scalar)
    }
}

/// What is wrong with a policy file.
public enum PolicyFileError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file names an architecture that does not exist.
    case unknownArchitecture(String, known: [String])
    /// The weights were made for other features.
    case otherFeatures(path: String)
    /// A field of the file is wrong; where and what was expected.
    case malformed(path: String, reason: String)

    public var description: String {
        switch self {
        case .unknownArchitecture(let name, let known):
            "unknown architecture '\(name)'; there are \(known.joined(separator: ", "))"
        case .otherFeatures(let path): "\(path): the policy was trained on other features than this version computes"
        case .malformed(let path, let reason): "\(path): \(reason)"
        }
    }
}
