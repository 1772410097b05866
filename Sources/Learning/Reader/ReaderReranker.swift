// SPDX-License-Identifier: Apache-2.0

public import Encoders

/// The reader's trunk as a cross-encoder: the relevance that it learned beside reading orders passages.
public struct ReaderReranker: Reranker {
    private let reader: SpanReader

    public init(_ reader: SpanReader) { self.reader = reader }

    public var name: String { "reader" }
    public var fingerprint: String { reader.fingerprint }

    public func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
        var scores: [Float] = []
        // In pieces, so that a cancelled request stops soon.
        for start in stride(from: 0, to: passages.count, by: 16) {
            try Task.checkCancellation()
            scores += try await reader.relevance(
                question: query, passages: Array(passages[start..<min(passages.count, start + 16)]))
        }
        return scores
    }
}

extension RerankerRegistry {
    /// Adds the reranker `reader`, where its weights and the encoder that it was tuned from are at hand.
    public func registerReader(_ open: @escaping @Sendable () throws -> SpanReader?) {
        register("reader") { try open().map { ReaderReranker($0) } }
    }
}
