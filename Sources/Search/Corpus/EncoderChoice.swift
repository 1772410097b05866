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

    /// Who named the encoder.
    public enum Source: Sendable, Hashable {
        /// The user, in a command or a setting.
        case user
        /// A corpus, which may come from anyone.
        case corpus
    }

    /// Loads the encoder. A key for an endpoint comes from the user's settings (`EndpointKey`). An endpoint that a corpus
    /// names is used only where the user's own settings name the same server.
    /// - Throws: `TextEncoderError` and others that say what is missing.
    public func load(namedBy source: Source = .user) async throws -> any TextEncoder {
        if name.hasPrefix("http://") || name.hasPrefix("https://") {
            let parts = name.split(separator: "#", maxSplits: 1)
            guard parts.count == 2 else {
                throw SearchIndexError.invalidOption("an encoder endpoint is named URL#model, found \(name)")
            }
            let settings = ProcessInfo.processInfo.environment
            let url = String(parts[0])
            guard source == .user || EndpointKey.isConfigured(url, settings) else {
                throw SearchIndexError.missingIndex(
                    "the corpus names the server \(HTTPOrigin(url)?.description ?? "of its encoder") for its encoder, and a corpus does not decide where queries and keys go: set OPENAI_BASE_URL to that server if you trust it"
                )
            }
            return try await EndpointEncoder(
                EndpointEncoder.Options(
                    baseURL: url, model: String(parts[1]), apiKey: EndpointKey.find(for: url, settings)))
        }
        let suffix = ":" + BERTEncoder.Precision.int8.rawValue
        let isShort = name.hasSuffix(suffix)
        let parts = (isShort ? String(name.dropLast(suffix.count)) : name).split(separator: "+", maxSplits: 1)
        let model = parts.first.map(String.init) ?? name
        guard let folder = ModelStore().resolve(model) else {
            throw SearchIndexError.missingIndex(
                "there is no model \(model): run `forage model pull \(model)` or give a folder")
        }
        let precision = isShort ? BERTEncoder.Precision.int8 : .float32
        guard parts.count > 1 else { return try BERTEncoder(folder: folder, precision: precision) }
        let file = try SafetensorsFile(path: String(parts[1]))
        if let own = file.metadata["encoder"], own != (try BERTEncoder.weightsFingerprint(folder: folder)) {
            throw TextEncoderError.badModel(
                path: file.path, reason: "it was tuned from the encoder \(own), which \(model) is not")
        }
        let delta = try WeightDelta(file: file)
        let isQuerySide = file.metadata["side"] == "query"
        return try BERTEncoder(
            folder: folder, precision: precision, delta: isQuerySide ? nil : delta,
            queryDelta: isQuerySide ? delta : nil)
    }
}
