// SPDX-License-Identifier: Apache-2.0

import Base
import Net
import Text

/// Reads the body of a reply as it arrives: an event stream, JSON lines, one JSON object, a web page, or the text of an error.
struct ReplyStream {
    private enum Form { case events, json, page }

    /// An error that came with status 200.
    struct InnerRefusal: Error {
        var refusal: ServerRefusal
    }

    private let samples: Int
    private let model: String
    private let secrets: [String]
    private var events = ServerSentEventParser()
    private var reply: ChatCompletionReply
    private(set) var plain: [UInt8] = []
    private var form: Form?
    /// How many bytes of `plain` are known to say nothing of the form.
    private var blank = 0

    /// - Parameter secrets: what errors must not repeat.
    init(samples: Int, model: String, toolNames: [String], maxTokens: Int, secrets: [String] = []) {
        self.secrets = secrets
        self.samples = samples
        self.model = model
        reply = ChatCompletionReply(toolNames: toolNames, maxTokens: maxTokens, samples: samples)
    }

    var reasoningName: String? { reply.reasoningName }
    /// Whether more was written than was asked for, so that nothing else of the reply is read.
    var isFull: Bool { reply.isFull }
    /// How long the connection may stay open now that the reply is whole, in seconds; nil while more of it may come. After
    /// `[DONE]` nothing follows; after the last choice's reason for its end the tokens' count may.
    var secondsToEnd: Double? { reply.isDone ? 0.25 : reply.isFinished(samples: samples) ? 2 : nil }
    /// Whether a web page came instead of a reply.
    var isPage: Bool { form == .page }

    /// The most bytes without a letter before a reply.
    private static let blankLimit = 1 << 20

    mutating func push(_ bytes: [UInt8], status: Int) throws -> [ModelStreamEvent] {
        guard status == 200 else {
            if plain.count < 64 << 10 { plain.append(contentsOf: bytes) }
            return []
        }
        if form == nil {
            plain.append(contentsOf: bytes)
            guard let place = plain[blank...].firstIndex(where: { $0 > 0x20 && $0 < 0x80 }) else {
                blank = plain.count
                guard blank <= Self.blankLimit else {
                    throw LanguageModelError.malformedReply("the reply begins with \(blank) bytes of nothing")
                }
                return []
            }
            switch plain[place] {
            // A server that does not stream answers with the object itself.
            case UInt8(ascii: "{"), UInt8(ascii: "["): form = .json
            case UInt8(ascii: "<"): form = .page
            default: form = .events
            }
            guard form == .events else { return [] }
            let kept = plain
            plain = []
            return try readEvents(kept)
        }
        if form == .events { return try readEvents(bytes) }
        if plain.count < 64 << 20 { plain.append(contentsOf: bytes) }
        return []
    }

    private mutating func readEvents(_ bytes: [UInt8]) throws -> [ModelStreamEvent] {
        var result: [ModelStreamEvent] = []
        for data in try events.push(bytes) { result += try read(data) }
        return result
    }

    private mutating func read(_ data: String) throws -> [ModelStreamEvent] {
        guard !reply.isDone, !isFull else { return [] }
        let text = data.drop(while: \.isWhitespace)
        if text.hasPrefix("[DONE]") || text.hasPrefix("[done]") {
            reply.isDone = true
            return []
        }
        // A heartbeat is no event of the reply.
        guard text.hasPrefix("{") || text.hasPrefix("[") else { return [] }
        do {
            return try take(JSONValue(parsing: data, limits: .served))
        } catch let error as JSONError {
            throw LanguageModelError.malformedReply("an event of the stream is not JSON: \(error)")
        }
    }

    private mutating func take(_ json: JSONValue) throws -> [ModelStreamEvent] {
        // Some put each object, or all of a stream, into a list.
        if let list = json.array {
            guard !list.isEmpty else { return [] }
            return try list.flatMap { element in element.array == nil ? try take(element) : [] }
        }
        do {
            return try reply.read(json)
        } catch {
            guard case .refused(let status, _) = error else { throw error }
            let inner = ServerRefusal(
                status: (400..<600).contains(status) ? status : 400, body: Array(json.serialized().utf8),
                secrets: secrets)
            throw InnerRefusal(refusal: inner)
        }
    }

    mutating func finish() throws -> [ModelStreamEvent] {
        switch form {
        case .events:
            guard let last = events.finish() else { return [] }
            return try read(last)
        case .page, nil: return []
        case .json:
            do {
                return try take(JSONValue(parsing: plain, limits: .served))
            } catch let error as JSONError {
                return try readLines(error)
            }
        }
    }

    /// A stream of objects, one a line.
    private mutating func readLines(_ whole: JSONError) throws -> [ModelStreamEvent] {
        var result: [ModelStreamEvent] = []
        var count = 0
        for line in plain.lazy.split(separator: 10) where line.contains(where: { $0 > 0x20 }) {
            guard !isFull else { break }
            guard let json = try? JSONValue(parsing: Array(line), limits: .served) else {
                throw LanguageModelError.malformedReply("the reply is not JSON: \(whole)")
            }
            count += 1
            result += try take(json)
            if json["done"] == true { reply.isDone = true }
        }
        guard count > 1 else { throw LanguageModelError.malformedReply("the reply is not JSON: \(whole)") }
        return result
    }

    func response() throws(LanguageModelError) -> ModelResponse {
        try reply.response(samples: samples, requestedModel: model, isStream: form == .events)
    }
}
