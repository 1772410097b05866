// SPDX-License-Identifier: Apache-2.0

import Base

/// A context-free grammar over bytes.
struct Grammar: Sendable {
    enum Symbol: Hashable, Sendable {
        /// One byte of a set of 256 bits.
        case bytes(ByteSet)
        case rule(Int)
    }

    /// A set of bytes.
    struct ByteSet: Hashable, Sendable {
        private var words: SIMD4<UInt64> = .zero
        init() {}
        init(_ range: ClosedRange<UInt8>) { for byte in range { insert(byte) } }
        mutating func insert(_ byte: UInt8) { words[Int(byte) / 64] |= 1 << UInt64(byte % 64) }
        func contains(_ byte: UInt8) -> Bool { words[Int(byte) / 64] >> UInt64(byte % 64) & 1 == 1 }
    }

    /// The alternatives of each rule; rule 0 is the root.
    var rules: [[[Symbol]]] = [[]]
    static let mostRules = 20_000

    /// Adds a rule.
    /// - Throws: `ConstraintError` when there are too many.
    mutating func add(_ alternatives: [[Symbol]]) throws(ConstraintError) -> Symbol {
        guard rules.count < Self.mostRules else {
            throw .malformed("the grammar has more than \(Self.mostRules) rules")
        }
        rules.append(alternatives)
        return .rule(rules.count - 1)
    }

    static func literal(_ text: String) -> [Symbol] { text.utf8.map { .bytes(ByteSet($0...$0)) } }

    /// `symbols` between `low` and `high` times; nil for no upper limit.
    mutating func repeated(_ symbols: [Symbol], _ low: Int, _ high: Int?) throws(ConstraintError) -> [Symbol] {
        guard low >= 0, low <= 4096, high.map({ $0 >= low && $0 <= 4096 }) ?? true else {
            throw .malformed("a repetition of \(low) to \(high.map(String.init) ?? "any number of") times")
        }
        var out: [Symbol] = []
        for _ in 0..<low { out += symbols }
        guard let high else {
            let place = rules.count
            _ = try add([])
            rules[place] = [[], symbols + [.rule(place)]]
            return out + [.rule(place)]
        }
        // x? (x? (x? …)): from the inside out, so that each rule names the one made before it.
        var rest: [Symbol] = []
        for _ in 0..<(high - low) { rest = [try add([[], symbols + rest])] }
        return out + rest
    }

    /// The characters of a class as alternatives of bytes; `negated`: all others.
    static func characters(_ ranges: [ClosedRange<UInt32>], negated: Bool) -> [[Symbol]] {
        var ranges = ranges.sorted { $0.lowerBound < $1.lowerBound }
        if negated {
            var others: [ClosedRange<UInt32>] = []
            var from: UInt32 = 0
            for range in ranges {
                if range.lowerBound > from { others.append(from...range.lowerBound - 1) }
                from = max(from, range.upperBound + 1)
            }
            if from <= 0x10FFFF { others.append(from...0x10FFFF) }
            ranges = others
        }
        var alternatives: [[Symbol]] = []
        var single = ByteSet()
        var hasSingle = false
        for range in ranges {
            for (low, high) in [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]
                as [(UInt32, UInt32)]
            {
                let from = max(range.lowerBound, low)
                let to = min(range.upperBound, high)
                guard from <= to else { continue }
                if high == 0x7F {
                    for byte in from...to { single.insert(UInt8(byte)) }
                    hasSingle = true
                } else {
                    split(encode(from), encode(to), into: &alternatives)
                }
            }
        }
        if hasSingle { alternatives.insert([.bytes(single)], at: 0) }
        return alternatives
    }

    private static func encode(_ code: UInt32) -> [UInt8] {
        if code < 0x800 { return [UInt8(0xC0 | code >> 6), UInt8(0x80 | code & 63)] }
        if code < 0x10000 { return [UInt8(0xE0 | code >> 12), UInt8(0x80 | code >> 6 & 63), UInt8(0x80 | code & 63)] }
        return [
            UInt8(0xF0 | code >> 18), UInt8(0x80 | code >> 12 & 63), UInt8(0x80 | code >> 6 & 63),
            UInt8(0x80 | code & 63),
        ]
    }

    /// The byte sequences between two encodings of equal length.
    private static func split(_ low: [UInt8], _ high: [UInt8], into out: inout [[Symbol]], prefix: [Symbol] = []) {
        if low.count == 1 {
            out.append(prefix + [.bytes(ByteSet(low[0]...high[0]))])
            return
        }
        let restLow = Array(low.dropFirst())
        let restHigh = Array(high.dropFirst())
        let least = [UInt8](repeating: 0x80, count: restLow.count)
        let most = [UInt8](repeating: 0xBF, count: restLow.count)
        if low[0] == high[0] {
            split(restLow, restHigh, into: &out, prefix: prefix + [.bytes(ByteSet(low[0]...low[0]))])
            return
        }
        var from = low[0]
        var to = high[0]
        if restLow != least {
            split(restLow, most, into: &out, prefix: prefix + [.bytes(ByteSet(from...from))])
            from += 1
        }
        if restHigh != most {
            split(least, restHigh, into: &out, prefix: prefix + [.bytes(ByteSet(to...to))])
            to -= 1
        }
        if from <= to { split(least, most, into: &out, prefix: prefix + [.bytes(ByteSet(from...to))]) }
    }
}

/// Runs a grammar as a pushdown automaton whose sets of stacks are states, made as they are needed and kept.
final class GrammarAutomaton: ByteAutomaton {
    /// A stack: its top symbol and the stack below; 0 is the empty stack.
    private struct Stack: Hashable {
        var symbol: Grammar.Symbol
        var below: Int
    }

    private let grammar: Grammar
    /// The fewest bytes of each rule.
    private let shortest: [Int]
    private var stacks: [Stack?] = [nil]
    private var stackBytes: [Int] = [0]
    private var stackIDs: [Stack: Int] = [:]
    private var states: [[Int]] = []
    private var stateIDs: [[Int]: Int] = [:]
    private var transitions: [[Int32]] = []
    private(set) var start = 0
    /// Stacks of one state, and levels of rules that hold no byte, past which a grammar is refused.
    private static let mostStacks = 4096

    /// - Throws: `ConstraintError` when the root allows no text, or a rule begins with itself.
    init(_ grammar: Grammar) throws(ConstraintError) {
        self.grammar = grammar
        shortest = Self.shortestBytes(grammar)
        guard shortest[0] < Int.max / 4 else { throw .malformed("the grammar allows no finite text") }
        try Self.refuseLeftRecursion(grammar, shortest)
        start = intern(expand([push(.rule(0), on: 0)]))
    }

    private static func shortestBytes(_ grammar: Grammar) -> [Int] {
        var shortest = [Int](repeating: Int.max / 4, count: grammar.rules.count)
        var changed = true
        while changed {
            changed = false
            for index in grammar.rules.indices.reversed() {
                for alternative in grammar.rules[index] {
                    var sum = 0
                    for symbol in alternative {
                        switch symbol {
                        case .bytes: sum = min(sum + 1, Int.max / 4)
                        case .rule(let rule): sum = min(sum + shortest[rule], Int.max / 4)
                        }
                    }
                    if sum < shortest[index] {
                        shortest[index] = sum
                        changed = true
                    }
                }
            }
        }
        return shortest
    }

    /// A rule that can begin with itself would make endless stacks.
    private static func refuseLeftRecursion(_ grammar: Grammar, _ shortest: [Int]) throws(ConstraintError) {
        var mark = [UInt8](repeating: 0, count: grammar.rules.count)
        func leading(_ rule: Int) -> [Int] {
            var rules: [Int] = []
            for alternative in grammar.rules[rule] {
                scan: for symbol in alternative {
                    guard case .rule(let next) = symbol else { break scan }
                    rules.append(next)
                    if shortest[next] > 0 { break scan }
                }
            }
            return rules
        }
        for root in grammar.rules.indices where mark[root] == 0 {
            var stack: [(rule: Int, rest: [Int])] = [(root, leading(root))]
            mark[root] = 1
            while let top = stack.last {
                guard let next = top.rest.last else {
                    mark[top.rule] = 2
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].rest.removeLast()
                if mark[next] == 1 { throw .malformed("a rule of the grammar begins with itself") }
                if mark[next] == 0 {
                    mark[next] = 1
                    stack.append((next, leading(next)))
                }
            }
        }
    }

    private func push(_ symbol: Grammar.Symbol, on below: Int) -> Int {
        let stack = Stack(symbol: symbol, below: below)
        if let id = stackIDs[stack] { return id }
        stacks.append(stack)
        let own: Int
        switch symbol {
        case .bytes: own = 1
        case .rule(let rule): own = shortest[rule]
        }
        stackBytes.append(min(stackBytes[below] + own, Int.max / 2))
        stackIDs[stack] = stacks.count - 1
        return stacks.count - 1
    }

    /// Replaces rules on top by their alternatives until bytes, or nothing, are on top.
    private func expand(_ from: [Int]) -> [Int] {
        var seen = Set<Int>()
        var work = from
        var out = Set<Int>()
        while let stack = work.popLast(), out.count < Self.mostStacks {
            guard seen.insert(stack).inserted else { continue }
            guard let top = stacks[stack], case .rule(let rule) = top.symbol else {
                out.insert(stack)
                continue
            }
            for alternative in grammar.rules[rule] {
                var below = top.below
                for symbol in alternative.reversed() { below = push(symbol, on: below) }
                work.append(below)
            }
        }
        return out.sorted()
    }

    private func intern(_ stacks: [Int]) -> Int {
        if let id = stateIDs[stacks] { return id }
        states.append(stacks)
        transitions.append([Int32](repeating: -2, count: 256))
        stateIDs[stacks] = states.count - 1
        return states.count - 1
    }

    func next(_ state: Int, _ byte: UInt8) -> Int? {
        let known = transitions[state][Int(byte)]
        if known >= -1 { return known >= 0 ? Int(known) : nil }
        var moved: [Int] = []
        for stack in states[state] {
            if let top = stacks[stack], case .bytes(let set) = top.symbol, set.contains(byte) {
                moved.append(top.below)
            }
        }
        let to = moved.isEmpty ? -1 : intern(expand(moved))
        transitions[state][Int(byte)] = Int32(to)
        return to >= 0 ? to : nil
    }

    func accepts(_ state: Int) -> Bool { states[state].contains(0) }
    func bytesToEnd(_ state: Int) -> Int { states[state].map { stackBytes[$0] }.min() ?? Int.max / 2 }
    func continues(_ state: Int) -> Bool { states[state].contains { $0 != 0 } }
}
