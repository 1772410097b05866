// SPDX-License-Identifier: Apache-2.0

import Base
import Synchronization
import Text

/// The vocabulary as a trie over the bytes that tokens write, laid out flat: children follow one another.
final class VocabularyTrie: Sendable {
    struct Node: Sendable {
        var byte: UInt8
        var firstChild: Int32 = -1
        var sibling: Int32 = -1
        /// The first token that ends here, as an index into `tokens`, and how many do.
        var firstToken: Int32 = 0
        var tokenCount: Int32 = 0
    }
    let nodes: [Node]
    let tokens: [Int32]
    let tokenBytes: [[UInt8]]
    let vocabulary: Int

    /// Ordinary tokens only: no constraint lets a control token into a text.
    init(_ tokenizer: SubwordTokenizer) {
        vocabulary = tokenizer.count
        tokenBytes = tokenizer.bytes
        let order = (0..<tokenizer.count)
            .filter { !tokenizer.isControl($0) && !tokenizer.bytes[$0].isEmpty }
            .sorted { a, b in
                let x = tokenizer.bytes[a]
                let y = tokenizer.bytes[b]
                return x == y ? a < b : x.lexicographicallyPrecedes(y)
            }
        var nodes = [Node(byte: 0)]
        var tokens: [Int32] = []
        var path: [Int] = [0]
        var previous: [UInt8] = []
        for token in order {
            let bytes = tokenizer.bytes[token]
            let common = zip(bytes, previous).prefix { $0 == $1 }.count
            path.removeLast(path.count - 1 - common)
            for byte in bytes[common...] {
                nodes.append(Node(byte: byte))
                let parent = path[path.count - 1]
                let new = Int32(nodes.count - 1)
                if nodes[parent].firstChild < 0 {
                    nodes[parent].firstChild = new
                } else {
                    // The last child of the parent is the one that the previous token made; it is found by walking.
                    var child = Int(nodes[parent].firstChild)
                    while nodes[child].sibling >= 0 { child = Int(nodes[child].sibling) }
                    nodes[child].sibling = new
                }
                path.append(nodes.count - 1)
            }
            let end = path[path.count - 1]
            if nodes[end].tokenCount == 0 { nodes[end].firstToken = Int32(tokens.count) }
            nodes[end].tokenCount += 1
            tokens.append(Int32(token))
            previous = bytes
        }
        self.nodes = nodes
        self.tokens = tokens
    }
}

/// The tokens that each state of an automaton allows, found once per state. Used by the engine's thread only.
///
/// `@unchecked Sendable`: made by a request's task, then touched by the engine's thread alone, whatever request uses
/// it; the hand-over is the engine's queue.
final class ConstraintMasks: @unchecked Sendable {
    /// The tokens that one state allows, and how far from an end they leave the text.
    private struct Allowed {
        var bits: [UInt64]
        /// The fewest and the most bytes from any of the tokens to an end.
        var least = Int.max
        var most = 0
        /// The distance that most tokens leave, and the tokens that leave a longer one: within a string nearly all
        /// letters leave the same.
        var common = 0
        var farther: [(token: Int32, bytes: Int)] = []
    }

    let automaton: any ByteAutomaton
    private let trie: VocabularyTrie
    private var known: [Int: Allowed] = [:]
    /// The most states whose tokens are kept: some tens of MiB for the largest vocabularies.
    private static let mostStates = 2048

    init(automaton: any ByteAutomaton, trie: VocabularyTrie) {
        self.automaton = automaton
        self.trie = trie
    }

    /// The tokens that may follow.
    func mask(_ state: Int) -> [UInt64] { allowed(state).bits }

    /// The tokens that may follow and after which the text can still end within `bytes` bytes.
    func mask(_ state: Int, endingWithin bytes: Int) -> [UInt64] {
        let allowed = allowed(state)
        if bytes >= allowed.most { return allowed.bits }
        var mask = allowed.bits
        if bytes >= allowed.common {
            for (token, distance) in allowed.farther where distance > bytes {
                mask[Int(token) / 64] &= ~(1 << UInt64(token % 64))
            }
        } else {
            mask = [UInt64](repeating: 0, count: mask.count)
            guard bytes >= allowed.least else { return mask }
            eachToken(after: state) { token, to in
                if automaton.bytesToEnd(to) <= bytes { mask[token / 64] |= 1 << UInt64(token % 64) }
            }
        }
        return mask
    }

    private func allowed(_ state: Int) -> Allowed {
        if let found = known[state] { return found }
        var allowed = Allowed(bits: [UInt64](repeating: 0, count: (trie.vocabulary + 63) / 64))
        var distances: [(token: Int32, bytes: Int)] = []
        var counts: [Int: Int] = [:]
        eachToken(after: state) { token, to in
            allowed.bits[token / 64] |= 1 << UInt64(token % 64)
            let bytes = automaton.bytesToEnd(to)
            distances.append((Int32(token), bytes))
            counts[bytes, default: 0] += 1
            allowed.least = min(allowed.least, bytes)
            allowed.most = max(allowed.most, bytes)
        }
        allowed.common = counts.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key ?? 0
        allowed.farther = distances.filter { $0.bytes > allowed.common }
        if known.count >= Self.mostStates { known = [:] }
        known[state] = allowed
        return allowed
    }

    /// Visits the tokens that may follow, each with the state that it leads to.
    private func eachToken(after state: Int, _ visit: (_ token: Int, _ to: Int) -> Void) {
        var stack: [(node: Int32, state: Int)] = []
        var child = trie.nodes[0].firstChild
        while true {
            while child >= 0 {
                let node = trie.nodes[Int(child)]
                if let to = automaton.next(stack.last?.state ?? state, node.byte) {
                    for i in node.firstToken..<node.firstToken + node.tokenCount { visit(Int(trie.tokens[Int(i)]), to) }
                    if node.firstChild >= 0 {
                        stack.append((child, to))
                        child = node.firstChild
                        continue
                    }
                }
                child = node.sibling
            }
            guard let (node, _) = stack.popLast() else { return }
            child = trie.nodes[Int(node)].sibling
        }
    }

    /// The state after a token's bytes.
    func next(_ state: Int, token: Int32) -> Int? {
        var state = state
        for byte in trie.tokenBytes[Int(token)] {
            guard let to = automaton.next(state, byte) else { return nil }
            state = to
        }
        return state
    }
}

/// The masks of the constraints that were used last: an agent's turns share their tools, and so their masks.
final class ConstraintCache: Sendable {
    private static let capacity = 8
    private let entries = Mutex<[(constraint: OutputConstraint, masks: ConstraintMasks)]>([])

    /// - Throws: `ConstraintError`.
    func masks(of constraint: OutputConstraint, trie: VocabularyTrie) throws(ConstraintError) -> ConstraintMasks {
        let known = entries.withLock { entries -> ConstraintMasks? in
            guard let index = entries.firstIndex(where: { $0.constraint == constraint }) else { return nil }
            let entry = entries.remove(at: index)
            entries.append(entry)
            return entry.masks
        }
        if let known { return known }
        let made = try ConstraintMasks(automaton: ByteAutomata.make(constraint), trie: trie)
        entries.withLock { entries in
            entries.append((constraint, made))
            if entries.count > Self.capacity { entries.removeFirst() }
        }
        return made
    }
}

/// Where one output stands in its constraint.
struct ConstraintState {
    private let masks: ConstraintMasks
    private var state: Int

    init(_ masks: ConstraintMasks) {
        self.masks = masks
        state = masks.automaton.start
    }

    var mayEnd: Bool { masks.automaton.accepts(state) }
    /// The text may end and nothing may follow.
    var isFinished: Bool { mayEnd && !masks.automaton.continues(state) }

    /// The tokens that may come next; the ends of a turn among them where the text may end. When few tokens are left,
    /// only those with which the text can still be brought to an end: an output that is long enough is always whole. A
    /// limit below the shortest output is no reason to say nothing; that output is cut off.
    func mask(tokensLeft: Int, ends: Set<Int32>) -> [UInt64] {
        // Each token writes a byte at least, so as many tokens as bytes are always enough.
        let close = masks.automaton.bytesToEnd(state)
        let isClosing = close <= tokensLeft && tokensLeft <= close + 24
        var mask = isClosing ? masks.mask(state, endingWithin: tokensLeft - 1) : masks.mask(state)
        if mayEnd { for end in ends where Int(end) / 64 < mask.count { mask[Int(end) / 64] |= 1 << UInt64(end % 64) } }
        return mask
    }

    /// The bytes that must follow, up to the first place where there is a choice or an end.
    func fixedBytes(most: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var at = state
        while bytes.count < most, !masks.automaton.accepts(at) {
            var only: (byte: UInt8, to: Int)?
            for byte in UInt8.min...UInt8.max {
                guard let to = masks.automaton.next(at, byte) else { continue }
                if only != nil { return bytes }
                only = (byte, to)
            }
            guard let only else { break }
            bytes.append(only.byte)
            at = only.to
        }
        return bytes
    }

    mutating func advance(_ token: Int32) {
        if let next = masks.next(state, token: token) { state = next }
    }
}
