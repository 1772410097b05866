// SPDX-License-Identifier: Apache-2.0

/// Turns texts into vectors whose inner product is their similarity.
///
/// Contract: `encode` gives one row a text, in their order, each of length `dimension` and of unit length (an encoder
/// that has nothing to say about a text may give zeros); the same text gives the same vector whatever it is batched
/// with, up to rounding; any text is accepted, also an empty one; work stops soon after the task is cancelled, by
/// throwing `CancellationError`.
public protocol TextEncoder: Sendable {
    /// The length of a vector.
    var dimension: Int { get }
    /// Identifies what makes the vectors: a hash of configuration and weights. An index keeps it and refuses others.
    var fingerprint: String { get }
    /// What stands before queries and passages; callers add it, by ``encodeQueries(_:)`` and ``encodePassages(_:)``.
    var prompts: EncoderPrompts { get }
    /// Encodes texts as they are. Never blocks the cooperative pool for long: the work is done on threads of the encoder's own.
    func encode(_ texts: [String]) async throws -> EmbeddingMatrix
    /// Encodes queries as the encoder was trained to read them. Default: as other texts, behind their prompt.
    func encodeQueries(_ texts: [String]) async throws -> EmbeddingMatrix
}

extension TextEncoder {
    public var prompts: EncoderPrompts { .none }

    public func encodeQueries(_ texts: [String]) async throws -> EmbeddingMatrix {
        try await encode(prompts.query.isEmpty ? texts : texts.map { prompts.query + $0 })
    }

    /// Encodes passages as the encoder was trained to read them.
    public func encodePassages(_ texts: [String]) async throws -> EmbeddingMatrix {
        try await encode(prompts.passage.isEmpty ? texts : texts.map { prompts.passage + $0 })
    }

    /// Encodes one text.
    public func encode(_ text: String) async throws -> [Float] {
        try await encode([text]).values
    }
}

/// Vectors as the rows of a matrix.
public struct EmbeddingMatrix: Sendable, Hashable {
    /// Rows.
    public let count: Int
    /// Columns.
    public let dimension: Int
    /// Row-major, `count * dimension` numbers.
    public var values: [Float]

    /// - Precondition: `values` holds a whole number of rows.
    public init(dimension: Int, values: [Float]) {
        precondition(dimension > 0 && values.count % dimension == 0, "a matrix needs whole rows")
        self.dimension = dimension
        self.values = values
        count = values.count / dimension
    }

    /// A row.
    public subscript(row: Int) -> ArraySlice<Float> {
        values[(row * dimension)..<((row + 1) * dimension)]
    }
}

/// The vectors of a text's tokens, for late interaction and for reading answer spans.
public struct TokenEmbeddings: Sendable, Hashable {
    /// One row a token, special tokens included, as the encoder gives them (not normalised).
    public var vectors: EmbeddingMatrix
    /// The ids of the tokens.
    public var ids: [Int32]
    /// The UTF-8 byte range of the text that each token stands for; empty for special tokens.
    public var offsets: [Range<Int>]

    public init(vectors: EmbeddingMatrix, ids: [Int32], offsets: [Range<Int>]) {
        self.vectors = vectors
        self.ids = ids
        self.offsets = offsets
    }
}

/// Why texts could not be encoded or an encoder not be opened.
public enum TextEncoderError: Error, Equatable, Sendable, CustomStringConvertible {
    /// A model folder lacks a file or holds something else than was expected.
    case badModel(path: String, reason: String)
    /// An endpoint answered something that is no embedding.
    case badReply(url: String, reason: String)
    /// An endpoint refused.
    case refused(url: String, status: Int, message: String)

    public var description: String {
        switch self {
        case .badModel(let path, let reason): "\(path): \(reason)"
        case .badReply(let url, let reason): "\(url): no usable embeddings: \(reason)"
        case .refused(let url, let status, let message): "\(url): HTTP \(status): \(message)"
        }
    }
}
