import Base
import Foundation
// SPDX-License-Identifier: Apache-2.0
public import Net
import OrderedCollections
import Text

/// An encoder behind an OpenAI-compatible `/v1/embeddings` endpoint.
public struct EndpointEncoder: TextEncoder {
    /// How to reach it.
    public struct Options: Sendable {
        /// The address up to and including "/v1".
        public var baseURL: String
        public var model: String
        /// Sent as a bearer token; never part of an error or the fingerprint.
        public var apiKey: String?
        /// Asks for shorter vectors, where the model can ("dimensions").
        public var dimensions: Int?
        /// Texts in one request. Default: 64.
        public var batchSize: Int
        /// Seconds for one request. Default: 60.
        public var timeout: Double
        /// Further tries after a 408, 429, 5xx or a broken connection. Default: 4.
        public var retries: Int
        /// Requests under way at once. Default: 4.
        public var concurrency: Int

        public init(
            baseURL: String, model: String, apiKey: String? = nil, dimensions: Int? = nil, batchSize: Int = 64,
            timeout: Double = 60, retries: Int = 4, concurrency: Int = 4
        ) {
            self.baseURL = baseURL
            self.model = model
            self.apiKey = apiKey
            self.dimensions = dimensions
            self.batchSize = max(batchSize, 1)
            self.timeout = timeout
            self.retries = max(retries, 0)
            self.concurrency = max(concurrency, 1)
        }
    }

    public let options: Options
    public let dimension: Int
    /// Of address, model and length of the vectors: all that can be known of a model elsewhere.
    public let fingerprint: String
    private let client: HTTPClient

    /// Asks the endpoint for one vector to learn their length.
    /// - Throws: ``TextEncoderError`` or `HTTPError`.
    public init(_ options: Options, client: HTTPClient = .shared) async throws {
        self.options = options
        self.client = client
        let probe = try await Self.request(["dimension"], options, client)
        dimension = probe[0].count
        let identity = "\(options.model) \(dimension)"
        let digits = String(XXH64.hash(identity), radix: 16)
        fingerprint = "endpoint-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    @concurrent
    public func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        let batches = stride(from: 0, to: texts.count, by: options.batchSize).map {
            $0..<min($0 + options.batchSize, texts.count)
        }
        var values = [Float](repeating: 0, count: texts.count * dimension)
        try await withThrowingTaskGroup(of: (Range<Int>, [[Float]]).self) { group in
            var next = 0
            func start() {
                guard next < batches.count else { return }
                let range = batches[next]
                next += 1
                group.addTask { [options, client] in
                    (range, try await Self.request(Array(texts[range]), options, client))
                }
            }
            for _ in 0..<options.concurrency { start() }
            while let (range, vectors) = try await group.next() {
                for (row, vector) in zip(range, vectors) {
                    guard vector.count == dimension else {
                        throw TextEncoderError.badReply(
                            url: options.baseURL, reason: "a vector of \(vector.count) numbers, expected \(dimension)")
                    }
                    values.replaceSubrange((row * dimension)..<((row + 1) * dimension), with: vector)
                }
                start()
            }
        }
        return EmbeddingMatrix(dimension: dimension, values: values)
    }

    // MARK: One request

    private static func request(_ texts: [String], _ options: Options, _ client: HTTPClient) async throws -> [[Float]] {
        var object: JSONObject = [
            "model": .string(options.model),
            // Many servers refuse an empty input.
            "input": .array(texts.map { .string($0.isEmpty ? " " : $0) }),
            "encoding_format": "float",
        ]
        if let dimensions = options.dimensions { object["dimensions"] = .integer(dimensions) }
        var headers = [(name: "Content-Type", value: "application/json")]
        if let key = options.apiKey { headers.append((name: "Authorization", value: "Bearer " + key)) }
        var base = options.baseURL
        while base.hasSuffix("/") { base.removeLast() }
        let request = HTTPRequest(
            method: "POST", url: base + "/embeddings", headers: headers,
            body: Array(JSONValue.object(object).serialized().utf8), timeout: options.timeout)
        let response = try await send(request, options, client)
        return try vectors(response.body, count: texts.count, url: request.url)
    }

    /// Sends, and tries again what may pass: after the time that the server names, else 0.5 s doubled each time.
    private static func send(
        _ request: HTTPRequest, _ options: Options, _ client: HTTPClient
    ) async throws -> HTTPResponse {
        var attempt = 0
        while true {
            var wait = 0.5 * Double(1 << min(attempt, 6))
            do {
                let response = try await client.send(request)
                if response.status == 200 { return response }
                let passes = response.status == 408 || response.status == 429 || response.status >= 500
                guard passes, attempt < options.retries else {
                    throw TextEncoderError.refused(
                        url: request.url, status: response.status,
                        message: EndpointKey.hiding([options.apiKey].compactMap { $0 }, in: message(response.body)))
                }
                if let named = response.headers["retry-after"].flatMap(Double.init), named >= 0 {
                    wait = min(named, 60)
                }
            } catch let error as HTTPError {
                guard error.mayPass, attempt < options.retries else { throw error }
            }
            attempt += 1
            try await Task.sleep(for: .seconds(wait))
        }
    }

    private static func message(_ body: [UInt8]) -> String {
        let value = try? JSONValue(parsing: body, limits: .served)
        let text = value?["error"]?["message"]?.string ?? value?["error"]?.string ?? value?["detail"]?.string
        return String((text ?? String(decoding: body.prefix(200), as: UTF8.self)).prefix(300))
    }

    /// The vectors of a reply, by index, scaled to unit length.
    static func vectors(_ body: [UInt8], count: Int, url: String) throws -> [[Float]] {
        func bad(_ reason: String) -> TextEncoderError { .badReply(url: url, reason: reason) }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: body, limits: .served)
        } catch {
            throw bad("the reply is no JSON: \(error.description)")
        }
        guard let data = value["data"]?.array else { throw bad("no list \"data\"") }
        guard data.count == count else { throw bad("\(data.count) vectors for \(count) texts") }
        var result = [[Float]](repeating: [], count: count)
        for (position, item) in data.enumerated() {
            let index = item["index"]?.int ?? position
            guard result.indices.contains(index), result[index].isEmpty else { throw bad("index \(index) is wrong") }
            guard let numbers = item["embedding"]?.array, !numbers.isEmpty else { throw bad("no list \"embedding\"") }
            var square = 0.0
            var vector: [Float] = []
            vector.reserveCapacity(numbers.count)
            for number in numbers {
                // Larger ones have no length as a float, and the vector would be none.
                guard let number = number.double, abs(number) < 1e18 else { throw bad("a vector holds no number") }
                vector.append(Float(number))
                square += number * number
            }
            if square > 0 {
                let scale = Float(1 / square.squareRoot())
                for index in vector.indices { vector[index] *= scale }
            }
            result[index] = vector
        }
        return result
    }
}
