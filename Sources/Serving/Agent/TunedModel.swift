// SPDX-License-Identifier: Apache-2.0

import LanguageModels

/// A model that samples as a client wants it, whatever the policy says.
struct TunedModel: LanguageModel {
    /// What the client wants; nil leaves it to the policy.
    struct Sampling: Sendable, Hashable {
        var temperature: Double?
        var topP: Double?
        /// The most tokens of a completion.
        var maxTokens: Int?
    }

    let model: any LanguageModel
    let sampling: Sampling

    var name: String { model.name }
    var fingerprint: String { model.fingerprint }
    var capabilities: ModelCapabilities { model.capabilities }

    func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        var request = request
        if let temperature = sampling.temperature { request.options.temperature = temperature }
        if let topP = sampling.topP { request.options.topP = topP }
        if let maxTokens = sampling.maxTokens { request.options.maxTokens = min(request.options.maxTokens, maxTokens) }
        return try await model.respond(to: request, onEvent: onEvent)
    }
}
