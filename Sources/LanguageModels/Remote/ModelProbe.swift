// SPDX-License-Identifier: Apache-2.0

import Base
public import Net
import OrderedCollections
import Synchronization
import Text

/// Finds out what a model server can and cannot do, with a handful of small requests.
public struct ModelProbe: Sendable {
    /// One thing that was looked at.
    public struct Finding: Sendable, Hashable {
        /// What was looked at: `streams`, `tool calls` …
        public var ability: String
        /// Whether the server can; nil when it could not be told.
        public var can: Bool?
        /// What was seen, in a few words.
        public var detail: String
        /// The answer in a word: `yes`, `no`, or `?` where it could not be told.
        public var mark: String { can.map { $0 ? "yes" : "no" } ?? "?" }

        public init(_ ability: String, _ can: Bool?, _ detail: String = "") {
            self.ability = ability
            self.can = can
            self.detail = detail
        }
    }

    private let configuration: OpenAICompatibleModel.Configuration
    private let client: HTTPClient

    /// - Parameter configuration: where the server is; an empty model name takes the first that the server lists.
    public init(_ configuration: OpenAICompatibleModel.Configuration, client: HTTPClient = .shared) {
        self.configuration = configuration
        self.client = client
    }

    /// Asks the server.
    /// - Parameter onFinding: receives each finding as it is made.
    /// - Returns: what the server departs from, as was learned on the way, one sentence each.
    /// - Throws: `LanguageModelError` when the server does not answer a plain question; `CancellationError`.
    public func run(onFinding: (Finding) -> Void) async throws -> [String] {
        var configuration = configuration
        let listing = try OpenAICompatibleModel(configuration, client: client)
        let models = await models(at: listing.base)
        onFinding(
            Finding(
                "lists its models", models.isEmpty ? false : true, models.prefix(12).map(\.name).joined(separator: ", ")
            ))
        if configuration.model.isEmpty { configuration.model = models.first?.name ?? "default" }
        onFinding(Finding("model", true, configuration.model))
        if let known = models.first(where: { $0.name == configuration.model })?.context {
            onFinding(Finding("context length", true, "\(known) tokens, by its own word"))
        }
        let model = try OpenAICompatibleModel(configuration, client: client)
        try await plain(model, onFinding)
        let stages: [(OpenAICompatibleModel, (Finding) -> Void) async throws -> Void] = [
            tools, requiredTool, schema, logProbabilities, samples, seed,
        ]
        for stage in stages { try await stage(model, onFinding) }
        return model.departures
    }

    // MARK: Stages

    private func models(at base: String) async -> [(name: String, context: Int?)] {
        var headers: [(name: String, value: String)] = []
        if let key = configuration.apiKey, !key.isEmpty { headers.append(("Authorization", "Bearer \(key)")) }
        let request = HTTPRequest(url: base + "/models", headers: headers, timeout: 20, maxResponseBytes: 4 << 20)
        guard let response = try? await client.send(request), response.status == 200,
            let json = try? JSONValue(parsing: response.body, limits: .served)
        else { return [] }
        return (json["data"]?.array ?? json["models"]?.array ?? []).compactMap { entry in
            guard let name = entry["id"]?.string ?? entry["name"]?.string else { return nil }
            let context =
                entry["max_model_len"]?.int ?? entry["context_length"]?.int ?? entry["context_window"]?.int
                ?? entry["meta"]?["n_ctx"]?.int ?? entry["meta"]?["n_ctx_train"]?.int
            return (name, context)
        }
    }

    private static func request(
        _ text: String, tools: [ToolSpecification] = [], choice: ToolChoice = .automatic, maxTokens: Int = 128,
        _ change: (inout SamplingOptions) -> Void = { _ in }
    ) -> ModelRequest {
        var options = SamplingOptions(temperature: 0, maxTokens: maxTokens, timeout: 120)
        change(&options)
        return ModelRequest(
            messages: [ChatMessage(role: .system, content: "You are brief."), ChatMessage(role: .user, content: text)],
            tools: tools, toolChoice: choice, options: options)
    }

    private func plain(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        let start = ContinuousClock.now
        let seen = Mutex<(first: Duration?, pieces: Int)>((nil, 0))
        let response = try await model.respond(to: Self.request("Name three colours.")) { event in
            switch event {
            case .content, .reasoning:
                seen.withLock { seen in
                    seen.first = seen.first ?? (ContinuousClock.now - start)
                    seen.pieces += 1
                }
            default: break
            }
        }
        let seconds = (ContinuousClock.now - start).seconds
        let (first, pieces) = seen.withLock { $0 }
        let completion = response.completions.first
        let text =
            completion?.message.content.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(60) ?? ""
        onFinding(Finding("answers", !text.isEmpty, "\"\(text)\""))
        onFinding(
            Finding(
                "streams", pieces > 1,
                pieces > 1
                    ? "\(pieces) pieces, the first after \(Self.text(first?.seconds ?? 0)) s"
                    : "the answer came in one piece"))
        let tokens = response.usage.completionTokens
        onFinding(
            Finding(
                "counts tokens", response.usage != TokenUsage(),
                tokens > 0
                    ? "\(response.usage.promptTokens) + \(tokens), \(Self.text(Double(tokens) / max(seconds, 0.001))) a second"
                    : "costs are estimated"))
        onFinding(
            Finding(
                "keeps reasoning apart", completion?.message.reasoning.isEmpty == false ? true : nil,
                completion?.message.reasoning.isEmpty == false ? "" : "it gave none"))
    }

    private static let lookup = ToolSpecification(
        name: "look_up", description: "Looks a word up in the dictionary.",
        parameters: [
            "type": "object", "properties": ["word": ["type": "string", "description": "The word."]],
            "required": ["word"],
            "additionalProperties": false,
        ])

    private func tools(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        try await look("tool calls", onFinding) {
            let request = Self.request(
                "Look up the words \"clown\" and \"circus\" with the tool, both at once.", tools: [Self.lookup])
            let calls = try await model.respond(to: request) { _ in }.completions.first?.message.toolCalls ?? []
            onFinding(
                Finding(
                    "calls tools", !calls.isEmpty,
                    calls.isEmpty ? "it answered without a call" : "\(calls[0].name) \(calls[0].arguments.prefix(60))"))
            return Finding("calls several tools at once", calls.count > 1, "\(calls.count) calls")
        }
    }

    private func requiredTool(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        try await look("must call when told to", onFinding) {
            let request = Self.request("Hello.", tools: [Self.lookup], choice: .required)
            let calls = try await model.respond(to: request) { _ in }.completions.first?.message.toolCalls ?? []
            return Finding("must call when told to", !calls.isEmpty)
        }
    }

    private func schema(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        try await look("JSON Schema", onFinding) {
            let schema: JSONValue = [
                "type": "object", "properties": ["colour": ["type": "string"], "warm": ["type": "boolean"]],
                "required": ["colour", "warm"], "additionalProperties": false,
            ]
            let request = Self.request("Describe the colour red.") { $0.constraint = .jsonSchema(schema) }
            let text = try await model.respond(to: request) { _ in }.completions.first?.message.content ?? ""
            let value = LenientJSON.read(text)?.value
            return Finding(
                "JSON Schema", value?["colour"]?.string != nil && value?["warm"]?.bool != nil, String(text.prefix(60)))
        }
    }

    private func logProbabilities(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        try await look("log-probabilities", onFinding) {
            let request = Self.request("Say yes.", maxTokens: 8) { $0.topLogProbabilities = 2 }
            let tokens = try await model.respond(to: request) { _ in }.completions.first?.tokens ?? []
            return Finding(
                "log-probabilities", !tokens.isEmpty,
                tokens.first.map { "\($0.top.count) alternatives a token" } ?? "none came")
        }
    }

    private func samples(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        try await look("several samples a request", onFinding) {
            let request = Self.request("Name an animal.", maxTokens: 8) {
                $0.samples = 2
                $0.temperature = 1
            }
            _ = try await model.respond(to: request) { _ in }
            return Finding(
                "several samples a request", !model.profile.samplesApart,
                model.profile.samplesApart ? "they are asked for one by one" : "")
        }
    }

    private func seed(_ model: OpenAICompatibleModel, _ onFinding: (Finding) -> Void) async throws {
        try await look("heeds a seed", onFinding) {
            let request = Self.request("Invent a name for a boat.", maxTokens: 16) {
                $0.seed = 11
                $0.temperature = 1
            }
            let first = try await model.respond(to: request) { _ in }.completions.first?.message.content
            let second = try await model.respond(to: request) { _ in }.completions.first?.message.content
            guard !model.profile.dropped.contains("seed") else {
                return Finding("heeds a seed", false, "it takes none")
            }
            return Finding("heeds a seed", first == second)
        }
    }

    /// Makes a finding of what a stage sees, or of how it fails.
    private func look(_ ability: String, _ onFinding: (Finding) -> Void, _ body: () async throws -> Finding)
        async throws
    {
        do {
            onFinding(try await body())
        } catch let error as LanguageModelError {
            // No answer in time says nothing of what the server can.
            var can: Bool? = false
            if case .timedOut = error { can = nil }
            if case .exhaustedRetries = error { can = nil }
            onFinding(Finding(ability, can, "\(error)"))
        }
    }

    private static func text(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
