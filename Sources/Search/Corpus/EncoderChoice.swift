// SPDX-License-Identifier: Apache-2.0

public import Encoders
import Foundation
import Net
import TensorMath
import Transformers

/// The encoder that a user names: a pulled model or a folder, with `+FILE` behind it for what `forage train encoder`
/// changed and `:int8` for 8-bit arithmetic, or an endpoint's URL with its model as `URL#model`.
public struct EncoderChoice: Sendable, Hashable {
    /// As the user wrote it; kept with the index.
    public var name: String

    public init(_ name: String) { self.name = name }

    /// Loads the encoder. A key for an endpoint comes from OPENAI_API_KEY.
    /// - Throws: `TextEncoderError` and others that say what is missing.
    public func load() async throws -> any TextEncoder {
        if name.hasPrefix("http://") || name.hasPrefix("https://") {
            let parts = name.split(separator: "#", maxSplits: 1)
            guard parts.count == 2 else {
                throw SearchIndexError.invalidOption("an encoder endpoint is named URL#model, found \(name)")
            }
            return try await EndpointEncoder(
                EndpointEncoder.Options(
                    baseURL: String(parts[0]), model: String(parts[1]),
                    apiKey: ProcessInfo.processInfo.environment["OPENAI_API_KEY"]))
        }
        let suffix = ":" + BERTEncoder.Precision.int8.rawValue
        let isShort = name.hasSuffix(suffix)
        let parts = (isShort ? String(name.dropLast(suffix.count)) : name).split(separator: "+", maxSplits: 1)
        let model = parts.first.map(String.init) ?? name
        guard let folder = ModelStore().resolve(model) else {
            throw SearchIndexError.missingIndex(
                "there is no model \(model): run `forage model pull \(model)` or give a folder")
        }
        let delta = parts.count > 1 ? try WeightDelta(file: SafetensorsFile(path: String(parts[1]))) : nil
        return try BERTEncoder(folder: folder, precision: isShort ? .int8 : .float32, delta: delta)
    }
}
