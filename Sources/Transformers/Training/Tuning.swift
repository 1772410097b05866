// SPDX-License-Identifier: Apache-2.0

import TensorMath

/// Which weights of a transformer learn.
public enum Tuning: Sendable, Hashable, CustomStringConvertible {
    /// All of them, word vectors too.
    case full
    /// The uppermost blocks; what lies below is computed once, by the fast pass, and can be kept.
    case top(Int)
    /// A product of two thin matrices added to each linear layer of the uppermost blocks: W + scale/rank · B A (Hu et
    /// al., arXiv 2106.09685). A starts random, B at zero, so that nothing changes at first.
    case lora(rank: Int, scale: Float, layers: Int)

    /// So many trained vectors in front of each block's input, for attention to look at; the encoder stays as it is (deep
    /// prompts: P-tuning v2, arXiv 2110.07602; DPTDR, arXiv 2208.11503).
    case prompt(Int)

    /// Reads `full`, `top:3`, `lora:8` (all blocks) or `lora:8:3` (the three uppermost), or `prompt:32`.
    public init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        let numbers = parts.dropFirst().map { Int($0) }
        guard numbers.allSatisfy({ ($0 ?? 0) > 0 }) else { return nil }
        switch (parts[0], numbers.count) {
        case ("full", 0): self = .full
        case ("top", 1): self = .top(numbers[0] ?? 1)
        case ("prompt", 1) where (numbers[0] ?? 0) <= Self.longestPrompt: self = .prompt(numbers[0] ?? 1)
        case ("lora", 1), ("lora", 2):
            let rank = numbers[0] ?? 8
            self = .lora(rank: rank, scale: Float(2 * rank), layers: numbers.count == 2 ? numbers[1] ?? 1 : .max)
        default: return nil
        }
    }

    /// The most vectors of a prompt.
    public static let longestPrompt = 256

    public var description: String {
        switch self {
        case .full: "full"
        case .top(let layers): "top:\(layers)"
        case .prompt(let length): "prompt:\(length)"
        case .lora(let rank, _, let layers): layers == .max ? "lora:\(rank)" : "lora:\(rank):\(layers)"
        }
    }

    /// The first block that learns, of so many.
    public func firstLayer(of count: Int) -> Int {
        switch self {
        case .full, .prompt: 0
        case .top(let layers), .lora(_, _, let layers): max(0, count - min(layers, count))
        }
    }
}

/// The weights of an encoder as one pass uses them: those that learn, as variables, before those that stay.
public struct TunedWeights {
    let tape: Tape
    let base: ParameterSet
    let parameters: ParameterSet
    let variables: ParameterVariables
    let tuning: Tuning

    /// The variable of a tensor of the encoder.
    func variable(_ name: String) -> Variable {
        if parameters.contains(name) { return variables[name] }
        let value = tape.constant(base[name])
        guard case .lora(let rank, let scale, _) = tuning, parameters.contains(LowRank.first(name)) else {
            return value
        }
        let product = variables[LowRank.second(name)].times(variables[LowRank.first(name)])
        return value + product * (scale / Float(rank))
    }
}

/// The names of the vectors in front of each block's input.
package enum DeepPrompt {
    package static func name(_ layer: Int) -> String { "prompt.\(layer)" }
}

/// The names of the two thin matrices of a tensor.
enum LowRank {
    static func first(_ name: String) -> String { "lora.a." + name }
    static func second(_ name: String) -> String { "lora.b." + name }

    /// The linear layers of a block that get them.
    static let layers = [
        "attention.self.query.weight", "attention.self.key.weight", "attention.self.value.weight",
        "attention.output.dense.weight", "intermediate.dense.weight", "output.dense.weight",
    ]
}
