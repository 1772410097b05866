// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import Net
import OrderedCollections
import Synchronization
import TensorMath
import Text

/// A model behind an OpenAI-compatible `/v1/chat/completions` endpoint (OpenAI, vLLM, llama.cpp's server, SGLang, Ollama …).
///
/// Replies are streamed. 408, 409, 429 and 5xx, transport failures and replies that were cut off are retried with jittered
/// exponential back-off and the server's `Retry-After`; an address where nothing has ever answered is tried once more; quotas, sign-in pages and everything else are reported at once. A
/// server that refuses a part of the protocol is asked in another form, and asked so from then on (`ServerProfile`). One
/// deadline owns the whole call. Cancelling the task closes the socket.
public final class OpenAICompatibleModel: LanguageModel {
    /// Where the model is and how it is reached.
    public struct Configuration: Sendable {
        /// The base URL, with or without `/v1`: `http://127.0.0.1:8080/v1`.
        public var baseURL: String
        /// The model's name on the server.
        public var model: String
        /// The key, which is sent as a bearer token and appears nowhere else.
        public var apiKey: String?
        /// How often a failed call is tried again. Default 4.
        public var retries: Int
        /// The first pause before a retry, in seconds; it doubles each time, up to 20. Default 0.5.
        public var firstPause: Double
        /// The longest silence within a stream, in seconds. Default 300: a long prompt on a slow processor takes minutes.
        public var idleTimeout: Double
        /// Whether replies are streamed. Default true.
        public var streams: Bool
        /// The longest conversation in tokens, when known.
        public var contextLength: Int?

        public init(
            baseURL: String, model: String, apiKey: String? = nil, retries: Int = 4, firstPause: Double = 0.5,
            idleTimeout: Double = 300, streams: Bool = true, contextLength: Int? = nil
        ) {
            self.baseURL = baseURL
            self.model = model
            self.apiKey = apiKey
            self.retries = retries
            self.firstPause = firstPause
            self.idleTimeout = idleTimeout
            self.streams = streams
            self.contextLength = contextLength
        }
    }

    public let name: String
    public let fingerprint: String
    public let capabilities: ModelCapabilities
    let configuration: Configuration
    let client: HTTPClient
    /// The base with its version, without a slash at the end.
    let base: String
    private let learned = Mutex(ServerProfile())
    /// A failure that another call at once would only repeat, with the time until which it is believed.
    private let recentFailure = Mutex<(error: LanguageModelError, until: ContinuousClock.Instant)?>(nil)

    /// Whether the server has ever answered anything.
    private let hasAnswered = Atomic<Bool>(false)

    /// How long a refusal of every request (a used-up quota, a wrong key, a sign-in page) is believed, in seconds.
    private static let failureMemory = 10.0
    /// The most forms in which one request is tried.
    private static let formLimit = 12
    /// How often a reply that cannot be read is asked for again.
    private static let malformedRetries = 2

    /// - Throws: `LanguageModelError.unavailable` when the base URL is not an http or https URL.
    public init(_ configuration: Configuration, client: HTTPClient = .shared) throws(LanguageModelError) {
        guard let url = URLComponents(string: configuration.baseURL), let host = url.host, !host.isEmpty,
            url.scheme == "http" || url.scheme == "https", url.query == nil, url.user == nil
        else {
            throw .unavailable(
                "the model's base URL must look like http://127.0.0.1:8080/v1, found \"\(configuration.baseURL.prefix(200))\""
            )
        }
        var base = configuration.baseURL
        while base.hasSuffix("/") { base.removeLast() }
        // People paste the whole address of the endpoint.
        if base.hasSuffix("/chat/completions") { base.removeLast("/chat/completions".count) }
        if url.path.isEmpty || url.path == "/" { base += "/v1" }
        self.base = base
        name = configuration.model
        fingerprint = "openai-compatible:\(base):\(configuration.model)"
        capabilities = ModelCapabilities(
            toolCalls: true, logProbabilities: true, constraints: false, contextLength: configuration.contextLength)
        self.configuration = configuration
        self.client = client
    }

    /// What has been learned of the server so far, one sentence each.
    public var departures: [String] { learned.withLock { $0.departures } }

    /// What has been learned of the server so far.
    package var profile: ServerProfile { learned.withLock { $0 } }

    public func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        if let failure = rememberedFailure() { throw failure }
        let samples = max(1, request.options.samples)
        let deadline = ContinuousClock.now + .seconds(request.options.timeout)
        guard samples > 1 else { return try await respondOnce(to: request, deadline: deadline, onEvent) }
        var response = ModelResponse(completions: [], usage: TokenUsage(), model: name)
        if !profile.samplesApart {
            response = try await respondOnce(to: request, deadline: deadline, onEvent)
            guard response.completions.count < samples else { return response }
            learned.withLock { profile in
                profile.samplesApart = true
                profile.note("gives one sample a request")
            }
        }
        // What is missing is asked for one by one, each with a seed of its own.
        while response.completions.count < samples {
            let number = response.completions.count
            var single = request
            single.options.samples = 1
            single.options.seed = request.options.seed.map { $0 &+ UInt64(number) }
            let next = try await respondOnce(to: single, deadline: deadline) { event in
                onEvent(event.of(sample: number))
            }
            guard let completion = next.completions.first else { break }
            response.completions.append(completion)
            response.usage = response.usage + next.usage
            response.model = next.model
        }
        return response
    }

    /// Asks until there is an answer, the server has refused for good, or the time is over.
    private func respondOnce(
        to request: ModelRequest, deadline: ContinuousClock.Instant, _ onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        let estimate = Self.estimatedTokens(of: request)
        try refuseWhatCannotFit(estimate, request)
        var attempt = 0
        var forms = 0
        var limit: Int?
        var jitter = SplitMix64(seed: request.options.seed ?? UInt64(estimate))
        while true {
            let left = (deadline - ContinuousClock.now).seconds
            guard left > 0 else { throw LanguageModelError.timedOut(seconds: request.options.timeout) }
            let prepared = try PreparedRequest(request, configuration, profile, limit: limit)
            do {
                return try await exchange(prepared, request, attempt: attempt, seconds: left, onEvent)
            } catch let failure as Refusal {
                forms += 1
                guard forms <= Self.formLimit else { throw failure.error }
                if let overflow = failure.refusal.overflow(estimate: estimate) {
                    learn(overflow, estimate)
                    let wanted = limit ?? request.options.maxTokens
                    limit = try room(in: failure.refusal, overflow, wanted: wanted)
                    onEvent(
                        .retrying(
                            attempt: attempt, after: 0, reason: "only \(limit ?? 0) tokens are left for the completion")
                    )
                    continue
                }
                let departure = learned.withLock { $0.learn(from: failure.refusal, of: prepared.body) }
                guard let departure else { throw remember(failure.error) }
                onEvent(.retrying(attempt: attempt, after: 0, reason: "the server \(departure)"))
            } catch let failure as RetryableFailure {
                attempt += 1
                // A server that answered before may be starting again; one that never did is not there.
                let isAbsent = failure.isUnreachable && !hasAnswered.load(ordering: .relaxed)
                let tries = isAbsent ? 1 : failure.isMalformed ? Self.malformedRetries : configuration.retries
                guard attempt <= min(tries, configuration.retries) else {
                    if failure.isMalformed { throw LanguageModelError.malformedReply(failure.reason) }
                    throw remember(
                        .exhaustedRetries(attempts: attempt, last: failure.reason), isTransport: failure.isTransport)
                }
                let backOff = min(20, configuration.firstPause * Double(1 << min(attempt - 1, 16)))
                let pause = failure.retryAfter ?? backOff * Double.random(in: 0.5...1, using: &jitter)
                guard pause < (deadline - ContinuousClock.now).seconds else {
                    let wait = failure.retryAfter.map {
                        "; it asks for a pause of \(Int(min($0, 3600).rounded(.up))) s"
                    }
                    throw LanguageModelError.exhaustedRetries(attempts: attempt, last: failure.reason + (wait ?? ""))
                }
                onEvent(.retrying(attempt: attempt, after: pause, reason: failure.reason))
                try await Task.sleep(for: .seconds(pause))
            }
        }
    }

    /// A failure that another try may mend.
    private struct RetryableFailure: Error {
        var reason: String
        var retryAfter: Double?
        var isTransport = false
        /// An answer came that is no reply: another try seldom brings a better one.
        var isMalformed = false
        /// Nothing answers at the address.
        var isUnreachable = false
    }

    /// A refusal that another form of the request may avoid.
    private struct Refusal: Error {
        var refusal: ServerRefusal
        var error: LanguageModelError
    }

    // MARK: What is remembered

    private func rememberedFailure() -> LanguageModelError? {
        recentFailure.withLock { recent in
            guard let known = recent, known.until > .now else {
                recent = nil
                return nil
            }
            return known.error
        }
    }

    /// Remembers a failure that every request would meet, and returns it.
    private func remember(_ error: LanguageModelError, isTransport: Bool = false) -> LanguageModelError {
        let isForAll: Bool
        switch error {
        case .unavailable: isForAll = true
        case .refused(let status, _): isForAll = [401, 402, 403, 429].contains(status)
        case .exhaustedRetries: isForAll = isTransport
        default: isForAll = false
        }
        if isForAll { recentFailure.withLock { $0 = (error, .now + .seconds(Self.failureMemory)) } }
        return error
    }

    /// Tokens of a request by estimate: four bytes each, as English text has.
    static func estimatedTokens(of request: ModelRequest) -> Int {
        var bytes = 0
        for message in request.messages {
            bytes += message.content.utf8.count + 16
            for call in message.toolCalls { bytes += call.name.utf8.count + call.arguments.utf8.count + 16 }
        }
        for tool in request.tools {
            bytes += tool.name.utf8.count + tool.description.utf8.count + tool.parameters.serialized().utf8.count
        }
        return bytes / 4 + 1
    }

    private func learn(_ overflow: (tokens: Int, limit: Int), _ estimate: Int) {
        guard overflow.limit > 0 else { return }
        learned.withLock { profile in
            profile.contextLength = overflow.limit
            profile.note("reads at most \(overflow.limit) tokens")
            if overflow.tokens > overflow.limit {
                profile.tokensPerEstimate = Double(overflow.tokens) / Double(max(estimate, 1))
            }
        }
    }

    /// Refuses without asking what the server, by what it said before, would refuse.
    private func refuseWhatCannotFit(_ estimate: Int, _ request: ModelRequest) throws(LanguageModelError) {
        let profile = profile
        guard let length = profile.contextLength, let ratio = profile.tokensPerEstimate else { return }
        let tokens = Double(estimate) * ratio
        if tokens > Double(length) * 1.1 { throw .contextOverflow(tokens: Int(min(tokens, 1e15)), limit: length) }
    }

    /// The tokens of a completion that still fit, where the prompt alone does.
    /// - Throws: `contextOverflow` where it does not.
    private func room(
        in refusal: ServerRefusal, _ overflow: (tokens: Int, limit: Int), wanted: Int
    ) throws(LanguageModelError) -> Int {
        let limit = overflow.limit
        let prompts = refusal.numbers.filter { $0 < limit && $0 + wanted > limit && $0 != wanted }
        guard limit > 0, let prompt = prompts.max(), limit - prompt >= min(wanted, 128), limit - prompt < wanted else {
            throw .contextOverflow(tokens: overflow.tokens, limit: limit > 0 ? limit : configuration.contextLength ?? 0)
        }
        return limit - prompt
    }

    // MARK: One exchange

    /// What no error repeats.
    private var secrets: [String] { [configuration.apiKey].compactMap { $0 } }

    private func exchange(
        _ prepared: PreparedRequest, _ request: ModelRequest, attempt: Int, seconds: Double,
        _ onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        let streams = prepared.body["stream"] == true
        var headers: [(name: String, value: String)] = [("Content-Type", "application/json")]
        headers.append(("Accept", streams ? "text/event-stream, application/json" : "application/json"))
        // Proxies that record calls recognise retries by it, as OpenAI's own clients send it.
        headers.append(("X-Stainless-Retry-Count", String(attempt)))
        if let key = configuration.apiKey, !key.isEmpty { headers.append(("Authorization", "Bearer \(key)")) }
        let http = HTTPRequest(
            method: "POST", url: base + "/chat/completions", headers: headers,
            body: Array(JSONValue.object(prepared.body).serialized().utf8), timeout: seconds,
            idleTimeout: min(configuration.idleTimeout, seconds))
        // Chunks arrive on the client's thread and are read here, in the caller's task, so that `onEvent` need not escape.
        let (chunks, sink) = AsyncStream.makeStream(of: (status: Int, bytes: [UInt8]).self)
        let client = client
        let transfer = Task {
            defer { sink.finish() }
            return try await client.send(http) { status, bytes in sink.yield((status, bytes)) }
        }
        var reader = ReplyStream(
            samples: prepared.body["n"]?.int ?? 1, model: configuration.model, toolNames: request.tools.map(\.name),
            maxTokens: request.options.maxTokens, secrets: secrets)
        let hasText = prepared.dialect == nil
        return try await withTaskCancellationHandler {
            do {
                let end = ContinuousClock.now + .seconds(seconds)
                var response: HTTPResponse?
                var closing: (seconds: Double, timer: Task<Void, Never>)?
                defer { closing?.timer.cancel() }
                for await chunk in chunks {
                    for event in try reader.push(chunk.bytes, status: chunk.status) where hasText || !event.isContent {
                        onEvent(event)
                    }
                    // What comes faster than it is read does not outlive the deadline.
                    guard ContinuousClock.now < end else {
                        throw LanguageModelError.timedOut(seconds: request.options.timeout)
                    }
                    if reader.isFull {
                        response = HTTPResponse(status: chunk.status, headers: [:], body: [])
                        break
                    }
                    // Some leave the connection open when all has been said.
                    if let pause = reader.secondsToEnd, pause < closing?.seconds ?? .infinity {
                        closing?.timer.cancel()
                        let timer = Task {
                            try? await Task.sleep(for: .seconds(pause))
                            if !Task.isCancelled { sink.finish() }
                        }
                        closing = (pause, timer)
                    }
                }
                if response == nil, closing != nil { response = HTTPResponse(status: 200, headers: [:], body: []) }
                if response == nil { response = try await transfer.value } else { transfer.cancel() }
                guard let response else { throw CancellationError() }
                hasAnswered.store(true, ordering: .relaxed)
                try Task.checkCancellation()
                var answer = try finish(response, &reader, shows: hasText, onEvent)
                if let dialect = prepared.dialect {
                    answer = Self.read(answer, onEvent) { dialect.message(from: $0) }
                } else if Self.holdsWrittenCalls(answer, of: request) {
                    // A server without a parser for this model's calls hands them on as text.
                    onEvent(.retrying(attempt: attempt, after: 0, reason: "calls were written as text"))
                    let names = request.tools.map(\.name)
                    answer = Self.read(answer, onEvent) { text in
                        let read = WrittenToolCalls.read(text, names: names)
                        return ChatMessage(role: .assistant, content: read.content, toolCalls: read.calls)
                    }
                }
                return answer
            } catch let error as HTTPError {
                throw try translate(error, request)
            } catch {
                transfer.cancel()
                if let inner = error as? ReplyStream.InnerRefusal {
                    throw refused(inner.refusal, retryAfter: inner.refusal.pause)
                }
                if case LanguageModelError.malformedReply(let reason) = error {
                    throw RetryableFailure(reason: reason, isMalformed: true)
                }
                throw error
            }
        } onCancel: {
            transfer.cancel()
        }
    }

    private static func holdsWrittenCalls(_ response: ModelResponse, of request: ModelRequest) -> Bool {
        guard !request.tools.isEmpty, request.toolChoice != .none else { return false }
        let names = request.tools.map(\.name)
        return response.completions.contains { completion in
            completion.message.toolCalls.isEmpty
                && !WrittenToolCalls.read(completion.message.content, names: names).calls.isEmpty
        }
    }

    /// Takes the calls out of the texts.
    private static func read(
        _ response: ModelResponse, _ onEvent: (ModelStreamEvent) -> Void, by message: (String) -> ChatMessage
    ) -> ModelResponse {
        var response = response
        for index in response.completions.indices {
            var read = message(response.completions[index].message.content)
            read.reasoning = response.completions[index].message.reasoning
            if read.toolCalls.isEmpty { read.toolCalls = response.completions[index].message.toolCalls }
            response.completions[index].message = read
            if !read.reasoning.isEmpty { onEvent(.reasoning(sample: index, text: read.reasoning)) }
            if !read.content.isEmpty { onEvent(.content(sample: index, text: read.content)) }
            for (number, call) in read.toolCalls.enumerated() {
                onEvent(.toolCallStarted(sample: index, index: number, name: call.name))
            }
            if !read.toolCalls.isEmpty { response.completions[index].finishReason = .toolCalls }
        }
        return response
    }

    private func finish(
        _ response: HTTPResponse, _ reader: inout ReplyStream, shows: Bool, _ onEvent: (ModelStreamEvent) -> Void
    ) throws -> ModelResponse {
        let type = response.headers["content-type"]
        if response.status == 200, reader.isPage || ServerRefusal.isPage(reader.plain, contentType: type) {
            let page = EndpointKey.hiding(
                secrets, in: ServerRefusal.visible(String(decoding: reader.plain.prefix(4096), as: UTF8.self)))
            let words = page.split(whereSeparator: \.isWhitespace).joined(separator: " ").prefix(80)
            throw remember(
                .unavailable("\(base)/chat/completions answers with a web page (\"\(words)\"), not as a model does"))
        }
        if response.status == 200 {
            for event in try reader.finish() where shows || !event.isContent { onEvent(event) }
            let answer = try reader.response()
            if let name = reader.reasoningName { learnReasoning(name) }
            return answer
        }
        if (300..<400).contains(response.status) {
            let place =
                response.headers["location"].map { " to \(EndpointKey.hiding(secrets, in: $0).prefix(200))" } ?? ""
            throw remember(.unavailable("\(base)/chat/completions is elsewhere: status \(response.status)\(place)"))
        }
        if (200..<300).contains(response.status) {
            throw LanguageModelError.malformedReply("status \(response.status) came without a reply")
        }
        let refusal = ServerRefusal(status: response.status, body: reader.plain, secrets: secrets)
        if let text = refusal.failedGeneration {
            // The server could not read the call that the model wrote; here more can be read.
            if shows { onEvent(.content(sample: 0, text: text)) }
            let message = ChatMessage(role: .assistant, content: text)
            return ModelResponse(
                completions: [Completion(message: message, finishReason: .stop)], usage: TokenUsage(), model: name)
        }
        let milliseconds = response.headers["retry-after-ms"].flatMap { Double($0) }.map { $0 / 1000 }
        throw refused(
            refusal,
            retryAfter: milliseconds.flatMap { $0 >= 0 ? min($0, 3600) : nil }
                ?? response.headers["retry-after"].flatMap(Self.seconds(retryAfter:)) ?? refusal.pause)
    }

    /// What a refusal means: another form of the request, another try, or none.
    private func refused(_ refusal: ServerRefusal, retryAfter: Double?) -> any Error {
        let error = LanguageModelError.refused(status: refusal.status, message: refusal.message)
        if refusal.isQuota(retryAfter: retryAfter) { return remember(error) }
        if refusal.isUnluckySample { return RetryableFailure(reason: refusal.message, retryAfter: retryAfter) }
        if refusal.overflow(estimate: 0) != nil || refusal.mayConcernForm {
            return Refusal(refusal: refusal, error: error)
        }
        switch refusal.status {
        case 408, 409, 429, 500...599:
            return RetryableFailure(reason: "status \(refusal.status): \(refusal.message)", retryAfter: retryAfter)
        default: return remember(error)
        }
    }

    private func learnReasoning(_ name: String) {
        learned.withLock { profile in
            guard profile.reasoningName == nil, !profile.dropped.contains("reasoning_content") else { return }
            profile.reasoningName = name
        }
    }

    private func translate(_ error: HTTPError, _ request: ModelRequest) throws -> any Error {
        switch error {
        case .transport(let reason): return RetryableFailure(reason: reason, isTransport: true)
        case .unreachable(let reason):
            return RetryableFailure(reason: reason, isTransport: true, isUnreachable: true)
        case .timedOut: return LanguageModelError.timedOut(seconds: request.options.timeout)
        case .tooLarge, .invalidRequest, .addressRefused: return LanguageModelError.malformedReply("\(error)")
        }
    }

    /// The pause of a `Retry-After` header: seconds, or an HTTP date; at most an hour.
    static func seconds(retryAfter value: String) -> Double? {
        if let seconds = Double(value), seconds >= 0 { return min(seconds, 3600) }
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(secondsFromGMT: 0)
        formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
        return formatter.date(from: value).map { min(max(0, $0.timeIntervalSinceNow), 3600) }
    }
}

extension ModelStreamEvent {
    /// Whether it is visible text.
    var isContent: Bool {
        if case .content = self { return true }
        return false
    }

    /// The event as one of another completion.
    func of(sample: Int) -> ModelStreamEvent {
        switch self {
        case .content(_, let text): return .content(sample: sample, text: text)
        case .reasoning(_, let text): return .reasoning(sample: sample, text: text)
        case .toolCallStarted(_, let index, let name): return .toolCallStarted(sample: sample, index: index, name: name)
        case .retrying: return self
        }
    }
}

extension Duration {
    var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
