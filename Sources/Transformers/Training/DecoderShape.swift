// SPDX-License-Identifier: Apache-2.0

/// The sizes of the blocks of a Llama-family decoder: grouped heads, rotated positions, root-mean-square norms, a gated
/// feed-forward layer (Touvron et al., arXiv 2302.13971; Ainslie et al., arXiv 2305.13245).
public struct DecoderShape: Sendable, Hashable {
    /// Numbers of a token's vector.
    public var width: Int
    /// Units of the gated feed-forward layer.
    public var hidden: Int
    /// Heads of queries.
    public var heads: Int
    /// Heads of keys and values; they divide `heads`.
    public var keyValueHeads: Int
    /// Numbers of one head.
    public var headSize: Int
    /// Added to the mean square where rows are normalised.
    public var epsilon: Float
    /// The angle by which each pair of a head turns from one position to the next; half as many as numbers rotate.
    public var frequencies: [Double]
    /// Whether pairs are the numbers (2i, 2i + 1), as GGUF files of Llama have it; else (i, i + half).
    public var interleavesRotation: Bool

    public init(
        width: Int, hidden: Int, heads: Int, keyValueHeads: Int, headSize: Int, epsilon: Float, frequencies: [Double],
        interleavesRotation: Bool
    ) {
        precondition(keyValueHeads > 0 && heads % keyValueHeads == 0, "key-value heads must divide the heads")
        precondition(2 * frequencies.count <= headSize, "more numbers rotate than a head has")
        self.width = width
        self.hidden = hidden
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headSize = headSize
        self.epsilon = epsilon
        self.frequencies = frequencies
        self.interleavesRotation = interleavesRotation
    }

    /// Numbers of all queries of a token.
    var queries: Int { heads * headSize }
    /// Numbers of all keys of a token, and of all values.
    var shared: Int { keyValueHeads * headSize }
    /// Numbers of queries, keys and values of a token together.
    var attention: Int { queries + 2 * shared }
}

/// The matrices of a decoder's block, in the order in which a pass uses them.
public enum DecoderProjection: String, Sendable, Hashable, CaseIterable, Comparable {
    case query = "q_proj"
    case key = "k_proj"
    case value = "v_proj"
    case output = "o_proj"
    case gate = "gate_proj"
    case up = "up_proj"
    case down = "down_proj"

    /// The name within a block, as the Transformers library has it.
    public var name: String {
        switch self {
        case .query, .key, .value, .output: "self_attn." + rawValue
        case .gate, .up, .down: "mlp." + rawValue
        }
    }

    /// Whether a bias may follow it (Qwen2).
    var mayHaveBias: Bool { self == .query || self == .key || self == .value }

    /// Rows and columns.
    public func size(_ shape: DecoderShape) -> (outputs: Int, inputs: Int) {
        switch self {
        case .query: (shape.queries, shape.width)
        case .key, .value: (shape.shared, shape.width)
        case .output: (shape.width, shape.queries)
        case .gate, .up: (shape.hidden, shape.width)
        case .down: (shape.width, shape.hidden)
        }
    }

    public static func < (left: Self, right: Self) -> Bool { left.place < right.place }

    var place: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Token ids of several sequences one behind the other, without padding, and which of them are to be predicted.
public struct DecoderBatch: Sendable, Hashable {
    /// The ids of all tokens.
    public private(set) var ids: [Int32] = []
    /// Where each sequence starts; one more entry holds the number of tokens.
    public private(set) var starts: [Int] = [0]
    /// The tokens after which one is predicted, and the tokens that are.
    public private(set) var rows: [Int] = []
    public private(set) var targets: [Int32] = []

    public init() {}

    /// Adds a sequence.
    ///
    /// - Parameter learned: For each token whether it is predicted from those before it; the first never is.
    /// - Precondition: one entry of `learned` for each token.
    public mutating func append(_ ids: [Int32], learned: [Bool]) {
        precondition(ids.count == learned.count, "one entry for each token")
        for place in ids.indices.dropFirst() where learned[place] {
            rows.append(count + place - 1)
            targets.append(ids[place])
        }
        self.ids += ids
        starts.append(self.ids.count)
    }

    /// Tokens.
    public var count: Int { ids.count }

    /// The position of each token within its sequence.
    var positions: [Int] {
        zip(starts, starts.dropFirst()).flatMap { start, end in Array(0..<(end - start)) }
    }
}
