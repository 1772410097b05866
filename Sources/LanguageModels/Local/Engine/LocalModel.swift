// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import Text
public import Transformers

/// A language model in this process: a GGUF file or a safetensors folder, run on the processor's cores.
///
/// All requests of one object share its threads, its weights and a cache of prefixes: samples of one prompt, turns of
/// one conversation and prompts with the same beginning compute their common part once. A completion does not depend,
/// bit for bit, on what ran beside it or on what the cache held.
public final class LocalModel: ContinuationScoring {
    /// How a model is opened.
    public struct Options: Sendable, Hashable {
        /// Worker threads. Default: the number of processors.
        public var threads: Int
        /// Bytes of the key-value cache, which running sequences and remembered prefixes share. Default 512 MiB.
        public var cacheBytes: Int
        /// The longest conversation in tokens; nil for the model's own.
        public var contextLength: Int?
        /// Whether the next tokens are guessed from the text before them, so that a copied answer takes fewer passes
        /// (speculative decoding by look-up). What is written is the same, token for token. Default true.
        public var guessesFromContext: Bool

        public init(
            threads: Int = ProcessInfo.processInfo.activeProcessorCount, cacheBytes: Int = 512 << 20,
            contextLength: Int? = nil, guessesFromContext: Bool = true
        ) {
            self.guessesFromContext = guessesFromContext
            self.threads = threads
            self.cacheBytes = cacheBytes
            self.contextLength = contextLength
        }
    }

    public let name: String
    public let fingerprint: String
    public let capabilities: ModelCapabilities
    /// The tokenizer that the model's file holds.
    public let tokenizer: SubwordTokenizer
    public let configuration: ModelConfiguration
    let template: ChatTemplate
    let engine: InferenceEngine
    let ends: Set<Int32>
    let bos: Int32?
    let addsBOS: Bool
    let vocabularyTrie: VocabularyTrie
    let weights: ModelWeights
    let constraints = ConstraintCache()
    let guessesFromContext: Bool

    /// Opens a model.
    /// - Parameters:
    ///   - path: a GGUF file, a folder that holds one, or a folder with safetensors, `config.json` and
    ///     `tokenizer.json`.
    ///   - adapter: what low-rank tuning added to it: a file or a folder (``LowRankAdapter``).
    ///   - name: what the model is called; by default the file's own name for it.
    /// - Throws: `GGUFError`, `SubwordTokenizerError`, `ChatTemplateError`, `LanguageModelError`, `LowRankAdapterError`.
    public convenience init(
        path: String, adapter: String? = nil, name: String? = nil, options: Options = Options()
    ) throws {
        let files = try ModelFiles.open(path)
        try self.init(files, adapter: adapter.map { try files.adapter($0) }, name: name, options: options)
    }

    /// Opens a model with an adapter that is in memory, such as one that is being trained.
    /// - Throws: as ``init(path:adapter:name:options:)``.
    public convenience init(
        path: String, adapting adapter: LowRankAdapter, name: String? = nil, options: Options = Options()
    ) throws {
        let files = try ModelFiles.open(path)
        try files.check(adapter, path: "that was given")
        try self.init(files, adapter: adapter, name: name, options: options)
    }

    init(_ files: ModelFiles, adapter: LowRankAdapter? = nil, name: String?, options: Options) throws {
        let weights = files.weights
        let configuration = weights.configuration
        tokenizer = files.tokenizer
        guard tokenizer.count <= configuration.vocabulary else {
            throw LanguageModelError.unavailable(
                "the tokenizer has \(tokenizer.count) tokens, the model \(configuration.vocabulary)")
        }
        self.weights = weights
        self.configuration = configuration
        self.name = name ?? files.name
        let packed = try adapter.map {
            PackedAdapter(
                $0, shape: try weights.decoderShape(), layers: weights.layers.count, quantises: weights.isQuantised)
        }
        fingerprint = files.fingerprint + (packed.map { "+" + $0.fingerprint } ?? "")
        template = try ChatTemplate(files.template ?? ChatTemplate.chatML)
        ends = files.ends
        bos = files.bos
        addsBOS = files.addsBOS
        vocabularyTrie = VocabularyTrie(tokenizer)
        guessesFromContext = options.guessesFromContext
        let context = min(options.contextLength ?? configuration.contextLength, configuration.contextLength)
        capabilities = ModelCapabilities(
            toolCalls: files.template?.contains("tools") ?? false, logProbabilities: true, constraints: true,
            needsRequiredCalls: true,
            contextLength: context, parameters: configuration.parameters)
        engine = InferenceEngine(
            pass: try ForwardPass(
                weights: weights, adapter: packed, threads: options.threads, cacheBytes: options.cacheBytes))
        try checkWhole()
    }

    /// Refuses what was computed from a file that became shorter meanwhile.
    func checkWhole() throws {
        guard !weights.isTorn else {
            throw LanguageModelError.unavailable("the model's file became shorter while it was in use")
        }
    }

    deinit { engine.stop() }

    /// Tells the model from others, whichever way its matrices are quantised: what an adapter names as its base.
    public var identity: String { weights.identity }

    /// The longest conversation in tokens.
    var contextLength: Int { capabilities.contextLength ?? configuration.contextLength }

    /// The exact tokens of a conversation, with the beginning of the model's turn.
    ///
    /// A conversation that ends with a message of the assistant's is one that the model goes on with: its turn begins with
    /// that text. One that is nothing but that message is a plain text, which is continued without a template.
    /// - Parameter opening: whether the model's turn is begun; without it the tokens end with the last message.
    /// - Throws: `ChatTemplateError`.
    public func promptTokens(
        for messages: [ChatMessage], tools: [ToolSpecification] = [], opening: Bool = true
    ) throws -> [Int] {
        let specials = tokenizer.controlNames
        var begun = ""
        var shown = messages
        if opening, let last = messages.last, last.role == .assistant, last.toolCalls.isEmpty {
            begun = ChatTemplate.split(last.content, specials)
            shown.removeLast()
        }
        var text = ""
        if !shown.isEmpty || begun.isEmpty {
            text = try template.render(
                messages: shown, tools: tools,
                bos: bos.map { tokenizer.decode([Int($0)], showingSpecials: true) } ?? "",
                eos: ends.sorted().first.map { tokenizer.decode([Int($0)], showingSpecials: true) } ?? "",
                specials: specials, opening: opening)
        }
        var ids = tokenizer.encode(text + begun, frame: true)
        if addsBOS, let bos, ids.first != Int(bos) { ids.insert(Int(bos), at: 0) }
        return ids
    }

    @concurrent
    public func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        let dialect = ToolDialect(request: request, templateHasTools: capabilities.toolCalls)
        let prompt = try promptTokens(for: dialect.messages, tools: dialect.templateTools)
        var options = request.options
        if let constraint = dialect.constraint { options.constraint = constraint }
        let generated = try await generate(prompt: prompt, options: options) { sample, text in
            if dialect.streamsText { onEvent(.content(sample: sample, text: text)) }
        }
        var completions: [Completion] = []
        for (index, sample) in generated.samples.enumerated() {
            let message = dialect.message(from: sample.text)
            if !dialect.streamsText {
                if !message.content.isEmpty { onEvent(.content(sample: index, text: message.content)) }
                for (call, tool) in message.toolCalls.enumerated() {
                    onEvent(.toolCallStarted(sample: index, index: call, name: tool.name))
                }
            }
            completions.append(
                Completion(
                    message: message, finishReason: message.toolCalls.isEmpty ? sample.finishReason : .toolCalls,
                    tokens: sample.tokens, promptTokenIDs: prompt, tokenIDs: sample.ids.map(Int.init)))
        }
        let usage = TokenUsage(
            promptTokens: prompt.count, completionTokens: generated.samples.reduce(0) { $0 + $1.ids.count },
            cachedTokens: generated.cached)
        return ModelResponse(completions: completions, usage: usage, model: name)
    }

    /// Continues exact tokens, without a template.
    /// - Parameter onText: receives what each sample writes, as it is written.
    /// - Throws: `LanguageModelError`, `CancellationError`, `ConstraintError`.
    @concurrent
    public func complete(
        prompt: [Int], options: SamplingOptions, onText: @Sendable (_ sample: Int, _ text: String) -> Void = { _, _ in }
    ) async throws -> [Completion] {
        try await generate(prompt: prompt, options: options, onText: onText).samples.map { sample in
            Completion(
                message: ChatMessage(role: .assistant, content: sample.text), finishReason: sample.finishReason,
                tokens: sample.tokens, promptTokenIDs: prompt, tokenIDs: sample.ids.map(Int.init))
        }
    }

    /// Whether a token ends the model's turn.
    public func endsTurn(_ token: Int) -> Bool { ends.contains(Int32(token)) }

    /// Forgets all remembered prefixes.
    public func clearCache() { engine.enqueue { $0.pass?.cache.clear() } }
}

extension SubwordTokenizer {
    /// The texts of the control tokens.
    var controlNames: [String] {
        (0..<count).filter { kinds[$0] == .control }.map { String(decoding: names[$0], as: UTF8.self) }
    }
}
