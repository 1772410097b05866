// SPDX-License-Identifier: Apache-2.0

import Base
import Encoders
import Foundation
public import Net
import OrderedCollections
import Synchronization
import TensorMath
import Text

/// A model behind an OpenAI-compatible `/v1/chat/completions` endpoint (OpenAI, vLLM, llama.cpp's server, SGLang …).
///
/// Replies are streamed. 408, 409, 429 and 5xx, and transport failures before the first text, are retried with jittered
/// exponential back-off and the server's `Retry-After`; everything else is reported at once. One deadline owns the whole
/// call. Cancelling the task closes the socket.
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
        /// The longest silence within a stream, in seconds. Default 60.
        public var idleTimeout: Double
        /// Whether replies are streamed. Default true.
        public var streams: Bool
        /// The longest conversation in tokens, when known.
        public var contextLength: Int?

        public init(
            baseURL: String, model: String, apiKey: String? = nil, retries: Int = 4, firstPause: Double = 0.5,
            idleTimeout: Double = 60, streams: Bool = true, contextLength: Int? = nil
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
    private let configuration: Configuration
    private let client: HTTPClient
    private let endpoint: String

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
        if url.path.isEmpty || url.path == "/" { base += "/v1" }
        endpoint = base + "/chat/completions"
        name = configuration.model
        fingerprint = "openai-compatible:\(base):\(configuration.model)"
        capabilities = ModelCapabilities(
            toolCalls: true, logProbabilities: true, constraints: false, contextLength: configuration.contextLength)
        self.configuration = configuration
        self.client = client
    }

    public func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        let body = Array(try Self.body(for: request, configuration).serialized().utf8)
        let deadline = ContinuousClock.now + .seconds(request.options.timeout)
        var attempt = 0
        var jitter = SplitMix64(seed: request.options.seed ?? UInt64(bitPattern: Int64(body.count)))
        while true {
            let left = (deadline - ContinuousClock.now).seconds
            guard left > 0 else { throw LanguageModelError.timedOut(seconds: request.options.timeout) }
            do {
                return try await exchange(body, request, attempt: attempt, seconds: left, onEvent)
            } catch let failure as RetryableFailure {
                attempt += 1
                guard attempt <= configuration.retries else {
                    throw LanguageModelError.exhaustedRetries(attempts: attempt, last: failure.reason)
                }
                let backOff = min(20, configuration.firstPause * Double(1 << min(attempt - 1, 16)))
                let pause = failure.retryAfter ?? backOff * Double.random(in: 0.5...1, using: &jitter)
                guard pause < (deadline - ContinuousClock.now).seconds else {
                    throw LanguageModelError.exhaustedRetries(attempts: attempt, last: failure.reason)
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
    }

    private func exchange(
        _ body: [UInt8], _ request: ModelRequest, attempt: Int, seconds: Double,
        _ onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        var headers: [(name: String, value: String)] = [("Content-Type", "application/json")]
        headers.append(("Accept", configuration.streams ? "text/event-stream" : "application/json"))
        // Proxies that record calls recognise retries by it, as OpenAI's own clients send it.
        headers.append(("X-Stainless-Retry-Count", String(attempt)))
        if let key = configuration.apiKey, !key.isEmpty { headers.append(("Authorization", "Bearer \(key)")) }
        let http = HTTPRequest(
            method: "POST", url: endpoint, headers: headers, body: body, timeout: seconds,
            idleTimeout: min(configuration.idleTimeout, seconds))
        // Chunks arrive on the client's thread and are read here, in the caller's task, so that `onEvent` need not escape.
        let (chunks, sink) = AsyncStream.makeStream(of: (status: Int, bytes: [UInt8]).self)
        let client = client
        let transfer = Task {
            defer { sink.finish() }
            return try await client.send(http) { status, bytes in sink.yield((status, bytes)) }
        }
        var reader = StreamReader(samples: max(1, request.options.samples), model: configuration.model)
        return try await withTaskCancellationHandler {
            do {
                for await chunk in chunks {
                    for event in try reader.push(chunk.bytes, status: chunk.status) { onEvent(event) }
                }
                let response = try await transfer.value
                try Task.checkCancellation()
                return try finish(response, &reader, onEvent)
            } catch let error as HTTPError {
                throw try translate(error, reader, request)
            } catch {
                transfer.cancel()
                throw error
            }
        } onCancel: {
            transfer.cancel()
        }
    }

    private func finish(
        _ response: HTTPResponse, _ reader: inout StreamReader, _ onEvent: (ModelStreamEvent) -> Void
    ) throws -> ModelResponse {
        if response.status == 200 {
            for event in try reader.finish() { onEvent(event) }
            do {
                return try reader.response()
            } catch  where !reader.hasContent {
                throw RetryableFailure(reason: "\(error)")
            }
        }
        let message = reader.errorMessage()
        switch response.status {
        case 408, 409, 429, 500...599:
            throw RetryableFailure(
                reason: "status \(response.status): \(message)",
                retryAfter: response.headers["retry-after"].flatMap(Self.seconds(retryAfter:)))
        case 400 where message.contains("context length") || message.contains("context_length"):
            throw LanguageModelError.contextOverflow(tokens: 0, limit: configuration.contextLength ?? 0)
        default:
            throw LanguageModelError.refused(status: response.status, message: message)
        }
    }

    private func translate(
        _ error: HTTPError, _ reader: StreamReader, _ request: ModelRequest
    ) throws -> any Error {
        switch error {
        case .transport(let reason):
            // Text that was shown cannot be taken back, so a stream that broke in the middle is not repeated.
            if reader.hasContent { return LanguageModelError.malformedReply("the stream was cut off: \(reason)") }
            return RetryableFailure(reason: reason)
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

extension Duration {
    fileprivate var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}

/// Reads the body of a reply as it arrives: an event stream, one JSON object, or the text of an error.
private struct StreamReader {
    let samples: Int
    let model: String
    private var events = ServerSentEventParser()
    private var reply = ChatCompletionReply()
    private var plain: [UInt8] = []
    private var isStream: Bool?
    private var isDone = false

    init(samples: Int, model: String) {
        self.samples = samples
        self.model = model
    }

    var hasContent: Bool { reply.hasContent }

    mutating func push(_ bytes: [UInt8], status: Int) throws -> [ModelStreamEvent] {
        guard status == 200 else {
            if plain.count < 64 << 10 { plain.append(contentsOf: bytes) }
            return []
        }
        if isStream == nil {
            plain.append(contentsOf: bytes)
            guard let first = plain.first(where: { $0 > 0x20 }) else { return [] }
            // A server that does not stream answers with the object itself.
            isStream = first != UInt8(ascii: "{")
            guard isStream == true else { return [] }
            let kept = plain
            plain = []
            return try readEvents(kept)
        }
        if isStream == true { return try readEvents(bytes) }
        plain.append(contentsOf: bytes)
        return []
    }

    private mutating func readEvents(_ bytes: [UInt8]) throws -> [ModelStreamEvent] {
        var result: [ModelStreamEvent] = []
        for data in try events.push(bytes) { result += try read(data) }
        return result
    }

    private mutating func read(_ data: String) throws -> [ModelStreamEvent] {
        guard !isDone else { return [] }
        if data.hasPrefix("[DONE]") {
            isDone = true
            return []
        }
        do {
            return try reply.read(JSONValue(parsing: data))
        } catch let error as JSONError {
            throw LanguageModelError.malformedReply("an event of the stream is not JSON: \(error)")
        }
    }

    mutating func finish() throws -> [ModelStreamEvent] {
        if isStream == true {
            guard let last = events.finish() else { return [] }
            return try read(last)
        }
        do {
            return try reply.read(JSONValue(parsing: plain))
        } catch let error as JSONError {
            throw LanguageModelError.malformedReply("the reply is not JSON: \(error)")
        }
    }

    func response() throws -> ModelResponse { try reply.response(samples: samples, requestedModel: model) }

    /// What an error body says, in one line of at most 300 characters.
    func errorMessage() -> String {
        let json = try? JSONValue(parsing: plain)
        let text =
            json?["error"]?["message"]?.string ?? json?["message"]?.string ?? json?["detail"]?.string
            ?? String(decoding: plain, as: UTF8.self)
        return String(text.split(whereSeparator: \.isNewline).joined(separator: " ").prefix(300))
    }
}
