// SPDX-License-Identifier: Apache-2.0

import Base

/// The families of decoder models that run here.
public enum ModelArchitecture: String, Sendable, Hashable, CaseIterable {
    case llama, qwen2, qwen3, gemma3

    /// Whether rotary pairs are (2i, 2i+1), as GGUF's Llama files are written; otherwise (i, i + half).
    var interleavesRotation: Bool { self == .llama }
    var gatesWithGELU: Bool { self == .gemma3 }
}

/// The sizes of a decoder model.
public struct ModelConfiguration: Sendable, Hashable {
    public var architecture: ModelArchitecture
    public var layers: Int
    /// Width of the residual stream.
    public var width: Int
    /// Width of the gated feed-forward layer.
    public var hidden: Int
    public var heads: Int
    public var keyValueHeads: Int
    /// Entries of one head.
    public var headSize: Int
    /// Entries of a head that are rotated.
    public var rotary: Int
    public var vocabulary: Int
    /// The longest sequence that the model was trained for.
    public var contextLength: Int
    public var epsilon: Float
    public var ropeBase: Double
    /// Positions are divided by it.
    public var ropeScale: Double
    /// Layers with a sliding window: its length, the base of their rotation, and the period: the last layer of each
    /// period sees everything. Nil when all layers do.
    public var window: SlidingWindow?
    /// Pairs rotate (2i, 2i+1).
    public var interleavesRotation: Bool

    /// A sliding window over some layers.
    public struct SlidingWindow: Sendable, Hashable {
        public var length: Int
        public var ropeBase: Double
        public var period: Int
    }

    /// The number of parameters, near enough: the matrices, with the embeddings once.
    public var parameters: Int {
        let attention = 2 * width * heads * headSize + 2 * width * keyValueHeads * headSize
        return layers * (attention + 3 * width * hidden) + vocabulary * width
    }

    /// Whether a layer sees only its window.
    func hasWindow(_ layer: Int) -> Bool { window.map { (layer + 1) % $0.period != 0 } ?? false }

    /// Checks that the sizes can belong to a model.
    /// - Returns: nil when they can, or what is wrong.
    func fault() -> String? {
        let limits: [(String, Int, ClosedRange<Int>)] = [
            ("layers", layers, 1...1024), ("width", width, 1...65_536), ("feed-forward width", hidden, 1...1_048_576),
            ("heads", heads, 1...1024), ("key-value heads", keyValueHeads, 1...1024), ("head size", headSize, 8...1024),
            ("rotary size", rotary, 2...1024), ("vocabulary", vocabulary, 1...2_097_152),
            ("context length", contextLength, 1...16_777_216),
        ]
        for (name, value, range) in limits where !range.contains(value) { return "\(name) is \(value)" }
        if heads % keyValueHeads != 0 { return "\(heads) heads do not share \(keyValueHeads) key-value heads evenly" }
        if headSize % 8 != 0 { return "the head size \(headSize) is no multiple of 8" }
        if rotary > headSize || rotary % 2 != 0 { return "\(rotary) of \(headSize) entries cannot be rotated" }
        if !(epsilon > 0 && epsilon < 1) { return "the norm's epsilon is \(epsilon)" }
        if !(ropeBase >= 1 && ropeBase.isFinite && ropeScale > 0 && ropeScale.isFinite) {
            return "the rotation's base \(ropeBase) or scale \(ropeScale) is out of range"
        }
        if let window, window.length < 1 || window.period < 1 || !(window.ropeBase >= 1) {
            return "the sliding window is malformed"
        }
        return nil
    }
}

extension GGUFFile {
    /// The sizes in the metadata.
    /// - Throws: `GGUFError`.
    public func configuration() throws -> ModelConfiguration {
        guard let name = metadata["general.architecture"]?.string else {
            throw GGUFError.missing(path: path, what: "general.architecture is missing")
        }
        guard let architecture = ModelArchitecture(rawValue: name) else {
            let known = ModelArchitecture.allCases.map(\.rawValue).joined(separator: ", ")
            throw GGUFError.missing(path: path, what: "the architecture \"\(name)\" is not one of \(known)")
        }
        func int(_ key: String, default fallback: Int? = nil) throws -> Int {
            if let value = metadata["\(name).\(key)"]?.int ?? fallback { return value }
            throw GGUFError.missing(path: path, what: "\(name).\(key) is missing or no integer")
        }
        func number(_ key: String, default fallback: Double) -> Double {
            metadata["\(name).\(key)"]?.double ?? fallback
        }
        guard let embeddings = tensors["token_embd.weight"], embeddings.shape.count == 2 else {
            throw GGUFError.missing(path: path, what: "the tensor token_embd.weight is missing or no matrix")
        }
        let width = try int("embedding_length")
        let heads = try int("attention.head_count")
        let headSize = try int("attention.key_length", default: width / max(heads, 1))
        guard try int("attention.value_length", default: headSize) == headSize else {
            throw GGUFError.missing(path: path, what: "keys and values of different size are not supported")
        }
        var scale = 1.0
        if let scaling = metadata["\(name).rope.scaling.type"]?.string, scaling != "none" {
            guard scaling == "linear" else {
                throw GGUFError.missing(path: path, what: "rope scaling of type \"\(scaling)\" is not supported")
            }
            scale = number("rope.scaling.factor", default: 1)
        }
        var window: ModelConfiguration.SlidingWindow?
        if architecture == .gemma3 {
            window = .init(
                length: try int("attention.sliding_window"),
                ropeBase: number("rope.local.freq_base", default: 10_000),
                period: try int("attention.sliding_window_pattern", default: 6))
        }
        let configuration = ModelConfiguration(
            architecture: architecture, layers: try int("block_count"), width: width,
            hidden: try int("feed_forward_length"), heads: heads,
            keyValueHeads: try int("attention.head_count_kv", default: heads), headSize: headSize,
            rotary: architecture == .llama ? try int("rope.dimension_count", default: headSize) : headSize,
            vocabulary: embeddings.rows, contextLength: try int("context_length"),
            epsilon: Float(number("attention.layer_norm_rms_epsilon", default: 1e-5)),
            ropeBase: number("rope.freq_base", default: architecture == .gemma3 ? 1_000_000 : 10_000), ropeScale: scale,
            window: window, interleavesRotation: architecture.interleavesRotation)
        if let fault = configuration.fault() { throw GGUFError.missing(path: path, what: fault) }
        return configuration
    }
}
