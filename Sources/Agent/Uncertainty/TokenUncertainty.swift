// SPDX-License-Identifier: Apache-2.0

import Foundation
public import LanguageModels

/// White-box measures of one completion, from its tokens' log-probabilities; higher is less certain.
public enum TokenUncertainty: String, Sendable, Hashable, CaseIterable {
    /// Minus the mean log-probability.
    case meanLogProbability = "mean_logprob"
    /// Minus the smallest log-probability.
    case minimumLogProbability = "min_logprob"
    /// The mean entropy of the alternatives at each place, in nats, the rest of the mass as one more alternative.
    case entropy
    /// The largest rise of the entropy from one token to the next.
    case entropyDifference = "entropy_difference"

    /// The measure's value; nil when the completion carries no log-probabilities.
    public func value(of tokens: [TokenLogProbability]) -> Double? {
        guard !tokens.isEmpty else { return nil }
        switch self {
        case .meanLogProbability: return -tokens.reduce(0) { $0 + $1.logProbability } / Double(tokens.count)
        case .minimumLogProbability: return -(tokens.map(\.logProbability).min() ?? 0)
        case .entropy: return tokens.reduce(0) { $0 + Self.entropy(of: $1) } / Double(tokens.count)
        case .entropyDifference:
            let series = tokens.map(Self.entropy)
            return zip(series, series.dropFirst()).map { $1 - $0 }.max() ?? 0
        }
    }

    /// The entropy of a token's known alternatives; what they leave over counts as one alternative.
    static func entropy(of token: TokenLogProbability) -> Double {
        var logs = token.top.map(\.logProbability)
        if !token.top.contains(where: { $0.text == token.text }) { logs.append(token.logProbability) }
        var entropy = 0.0
        var mass = 0.0
        for value in logs where value > -80 {
            let probability = exp(value)
            entropy -= probability * value
            mass += probability
        }
        let rest = 1 - mass
        return rest > 1e-9 ? entropy - rest * log(rest) : entropy
    }
}

/// FLARE (Jiang et al., 2023): looks at the next sentence that the model would write, and retrieves when it is unsure
/// of any token; the query is the sentence without its unsure tokens.
public struct ForwardLooking: Sendable, Hashable {
    /// Retrieve when any token's probability is at most this. Default 0.8.
    public var threshold: Double
    /// Tokens of at most this probability are left out of the query. Default 0.4.
    public var maskBelow: Double

    public init(threshold: Double = 0.8, maskBelow: Double = 0.4) {
        self.threshold = threshold
        self.maskBelow = maskBelow
    }

    /// The tokens of the first sentence. Tokens are aligned by byte offset, never by splitting the text anew.
    public func firstSentence(of tokens: [TokenLogProbability], in text: String) -> [TokenLogProbability] {
        let bytes = Array(text.utf8)
        var end = bytes.count
        for index in bytes.indices
        where [UInt8(ascii: "."), UInt8(ascii: "!"), UInt8(ascii: "?"), 0x0A].contains(bytes[index]) {
            let next = index + 1
            // A point inside a number or an initial ends no sentence.
            if bytes[index] != 0x0A, next < bytes.count, bytes[next] != 0x20, bytes[next] != 0x0A { continue }
            if bytes[index] == UInt8(ascii: "."), index >= 1, index < 2 || bytes[index - 2] == 0x20,
                (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(bytes[index - 1])
            {
                continue
            }
            end = next
            break
        }
        return tokens.filter { $0.byteOffset < end }
    }

    /// Whether to retrieve before the sentence is kept.
    public func isTriggered(by tokens: [TokenLogProbability]) -> Bool {
        tokens.contains { exp($0.logProbability) <= threshold }
    }

    /// The sentence without its unsure tokens; nil when nothing is left to search for.
    public func query(from tokens: [TokenLogProbability]) -> String? {
        let text = tokens.filter { exp($0.logProbability) > maskBelow }.map(\.text).joined()
        let words = text.split(whereSeparator: \.isWhitespace)
        return words.contains { $0.contains { $0.isLetter || $0.isNumber } } ? words.joined(separator: " ") : nil
    }
}
