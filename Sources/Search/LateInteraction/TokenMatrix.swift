// SPDX-License-Identifier: Apache-2.0
public import Encoders

/// Token vectors of a text, compressed: unit vectors as signed bytes with one scale a token.
public struct TokenMatrix: Sendable, Hashable {
    /// The length of a vector.
    public let dimension: Int
    /// Tokens.
    public var count: Int { scales.count }
    /// Row-major, `count * dimension` numbers in -127...127.
    public private(set) var codes: [Int8] = []
    /// What a token's codes are multiplied by.
    public private(set) var scales: [Float] = []

    public init(dimension: Int) {
        precondition(dimension > 0, "vectors need a length")
        self.dimension = dimension
    }

    /// Compresses the vectors of a text's tokens, without special tokens: they stand for no word of it.
    public init(_ tokens: TokenEmbeddings) {
        self.init(dimension: tokens.vectors.dimension)
        for row in 0..<tokens.vectors.count where !tokens.offsets[row].isEmpty { append(tokens.vectors[row]) }
    }

    /// Adds tokens that are compressed already.
    mutating func append(codes: UnsafeBufferPointer<Int8>, scales: UnsafeBufferPointer<Float>) {
        self.codes += codes
        self.scales += scales
    }

    /// Adds a token, scaled to unit length. A vector of zeros, or with a number that is not finite, matches nothing.
    public mutating func append(_ vector: some Collection<Float>) {
        precondition(vector.count == dimension, "a vector of another length")
        var square: Float = 0
        var largest: Float = 0
        for value in vector {
            square += value * value
            largest = max(largest, abs(value))
        }
        guard square > 0, square.isFinite else {
            codes.append(contentsOf: repeatElement(0, count: dimension))
            scales.append(0)
            return
        }
        let factor = 127 / largest
        for value in vector { codes.append(Int8((value * factor).rounded())) }
        scales.append(largest / 127 / square.squareRoot())
    }
}

/// A query for late interaction: the vectors of its tokens and, for a later hop, of the condensed context.
public struct LateInteractionQuery: Sendable, Hashable {
    public var question: TokenMatrix
    /// What was found so far, condensed; nil for the first hop.
    public var context: TokenMatrix?
    /// Question tokens that count, the best matching ones; nil for all (plain MaxSim). Focused: 32.
    public var questionTokens: Int?
    /// Context tokens that count, the best matching ones. Default: 8.
    public var contextTokens: Int

    /// Plain MaxSim (Khattab and Zaharia 2020): the sum over all question tokens.
    public init(_ question: TokenMatrix) {
        self.question = question
        questionTokens = nil
        contextTokens = 8
    }

    /// Focused late interaction (Baleen, Khattab et al. 2021): the sum of the best `questionTokens` matches of the
    /// question and, where the context has at least `contextTokens` tokens, of its best `contextTokens` matches. A
    /// passage of a second hop need not match all that led to it.
    public init(question: TokenMatrix, context: TokenMatrix, questionTokens: Int = 32, contextTokens: Int = 8) {
        precondition(question.dimension == context.dimension, "question and context from different encoders")
        self.question = question
        self.context = context
        self.questionTokens = questionTokens
        self.contextTokens = contextTokens
    }
}
