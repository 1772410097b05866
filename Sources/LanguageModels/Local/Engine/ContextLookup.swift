// SPDX-License-Identifier: Apache-2.0

/// Guesses how a text goes on from what stands before it: an answer copies its passages, a tool call its schema. The
/// tokens that followed the latest earlier place that ends with the same three tokens, or two, are the guess (prompt
/// look-up decoding, Saxena 2023; an n-gram draft of speculative decoding, Leviathan et al. 2023).
///
/// A guess costs little: the weights pass through memory once for all of its tokens. How many are guessed follows what
/// became of the last ones, so that a text that copies nothing is left alone.
struct ContextLookup {
    /// The most tokens that are guessed at once: with the one before them as many as pass over a panel of weights as
    /// it is.
    static let most = 7
    private static let first = 3
    private static let longestPause = 64

    /// Where the tokens stand that followed the latest occurrence of two or three tokens.
    private var places: [UInt64: Int32] = [:]
    /// How many of the text's tokens have been entered.
    private var entered = 0
    private var limit = Self.first
    /// After guesses that were all wrong: how many tokens no guess is made for, and how many the last time.
    private var pause = 0
    private var lastPause = 4

    private static func key(_ tokens: ArraySlice<Int32>) -> UInt64 {
        // Vocabularies are below 2^21.
        tokens.reduce(UInt64(tokens.count)) { $0 << 21 ^ UInt64(UInt32(bitPattern: $1)) }
    }

    /// The tokens that probably follow.
    /// - Parameter most: how many at most.
    mutating func guess(after text: [Int32], most: Int) -> [Int32] {
        guard most > 0 else { return [] }
        guard pause == 0 else {
            pause -= 1
            return []
        }
        // The tokens up to the last one have a follower.
        while entered + 1 < text.count {
            for size in 2...3 where entered + 1 >= size {
                places[Self.key(text[entered + 1 - size...entered])] = Int32(entered + 1)
            }
            entered += 1
        }
        for size in [3, 2] where text.count >= size {
            guard let place = places[Self.key(text.suffix(size))] else { continue }
            var guess: [Int32] = []
            // Where the guess reaches the end of the text it goes on with its own beginning: repetitions are copies too.
            for offset in 0..<min(most, limit) {
                let at = Int(place) + offset
                guess.append(at < text.count ? text[at] : guess[at - text.count])
            }
            return guess
        }
        return []
    }

    /// Takes note of how many tokens of a guess were right.
    mutating func learn(guessed: Int, right: Int) {
        if right == guessed {
            limit = min(Self.most, limit + 2)
            lastPause = 4
        } else if right > 0 {
            limit = max(1, right)
            lastPause = 4
        } else if limit > 1 {
            limit /= 2
        } else {
            pause = lastPause
            lastPause = min(Self.longestPause, 2 * lastPause)
        }
    }
}
