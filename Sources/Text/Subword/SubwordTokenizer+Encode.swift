// SPDX-License-Identifier: Apache-2.0

import Foundation

extension SubwordTokenizer {
    /// Splits special tokens that ordinary text contains, within a frame: it hinders their match and is then taken out.
    public static let mark = String(decoding: [0xEF, 0xB7, 0x90] as [UInt8], as: UTF8.self)

    /// The tokens of a text.
    /// - Parameter frame: whether the text is the frame of a conversation, in which special tokens may stand. Ordinary
    ///   text never gives a control token.
    public func encode(_ text: String, frame: Bool = false) -> [Int] {
        var source = normalizes ? text.precomposedStringWithCanonicalMapping : text
        var ids: [Int32] = []
        source.withUTF8 { utf8 in
            let trie = frame ? specials : userDefined
            var start = 0
            func append(_ part: UnsafeBufferPointer<UInt8>) {
                guard frame, part.contains(0xEF) else { return self.append(part, first: ids.isEmpty, to: &ids) }
                let clean = Self.withoutMarks(part)
                clean.withUnsafeBufferPointer { self.append($0, first: ids.isEmpty, to: &ids) }
            }
            if !trie.isEmpty {
                var at = 0
                while at < utf8.count {
                    if let (id, end) = trie.longest(in: utf8, at: at) {
                        append(UnsafeBufferPointer(rebasing: utf8[start..<at]))
                        ids.append(id)
                        at = end
                        start = end
                    } else {
                        at += 1
                    }
                }
            }
            append(UnsafeBufferPointer(rebasing: utf8[start...]))
        }
        return ids.map(Int.init)
    }

    private static func withoutMarks(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(text.count)
        var at = 0
        while at < text.count {
            if at + 2 < text.count, text[at] == 0xEF, text[at + 1] == 0xB7, text[at + 2] == 0x90 {
                at += 3
            } else {
                out.append(text[at])
                at += 1
            }
        }
        return out
    }

    private func append(_ text: UnsafeBufferPointer<UInt8>, first: Bool, to ids: inout [Int32]) {
        guard !text.isEmpty else { return }
        switch algorithm {
        case .byteLevel(let pre, let wholePieces):
            for range in pre.pieces(of: text) {
                let piece = UnsafeBufferPointer(rebasing: text[range])
                if wholePieces, let id = self.ids[piece.flatMap { ByteAlphabet.encode($0) }] {
                    ids.append(id)
                    continue
                }
                var merger = Merger(
                    symbols: piece.indices.map { Merger.Symbol(start: $0, end: $0 + 1, id: byteTokens[Int(piece[$0])]) }
                )
                merger.merge { left, right in merges.ranked(left.id, right.id) }
                for symbol in merger.result {
                    if symbol.id >= 0 { ids.append(symbol.id) } else if let unknown { ids.append(unknown) }
                }
            }
        case .sentencePiece(let prefix):
            appendPieces(Self.marked(text, prefix: prefix && first), to: &ids)
        }
    }

    /// The text with spaces written as U+2581.
    private static func marked(_ text: UnsafeBufferPointer<UInt8>, prefix: Bool) -> [UInt8] {
        let marker: [UInt8] = [0xE2, 0x96, 0x81]
        var out: [UInt8] = prefix ? marker : []
        out.reserveCapacity(text.count + 16)
        for byte in text { if byte == 0x20 { out += marker } else { out.append(byte) } }
        return out
    }

    private func appendPieces(_ text: [UInt8], to ids: inout [Int32]) {
        var symbols: [Merger.Symbol] = []
        var at = 0
        while at < text.count {
            var end = at + 1
            while end < text.count, text[end] & 0xC0 == 0x80 { end += 1 }
            symbols.append(Merger.Symbol(start: at, end: end, id: self.ids[Array(text[at..<end])] ?? -1))
            at = end
        }
        var merger = Merger(symbols: symbols)
        switch merges {
        case .ranked: merger.merge { left, right in merges.ranked(left.id, right.id) }
        case .scored(let scores):
            merger.merge { left, right in
                guard let id = self.ids[Array(text[left.start..<right.end])] else { return nil }
                return (Double(-scores[Int(id)]), id)
            }
        }
        for symbol in merger.result {
            if symbol.id >= 0 {
                ids.append(symbol.id)
                continue
            }
            for byte in text[symbol.start..<symbol.end] {
                let id = byteTokens[Int(byte)]
                if id >= 0 { ids.append(id) } else if let unknown { ids.append(unknown) }
            }
        }
    }

    /// The bytes that tokens write. Control tokens write nothing unless `showingSpecials`.
    public func decodeBytes(_ ids: [Int], showingSpecials: Bool = false) -> [UInt8] {
        var out: [UInt8] = []
        for id in ids where bytes.indices.contains(id) {
            if showingSpecials || !isControl(id) { out += bytes[id] }
        }
        return out
    }

    /// The text that tokens write; bytes that are no UTF-8 become U+FFFD.
    public func decode(_ ids: [Int], showingSpecials: Bool = false) -> String {
        String(decoding: decodeBytes(ids, showingSpecials: showingSpecials), as: UTF8.self)
    }
}

/// Which neighbours may be merged, and in which order.
enum MergeTable: Sendable {
    struct Merge: Sendable {
        var rank: Int32
        var id: Int32
    }
    case ranked([UInt64: Merge])
    case scored([Float])

    static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    func ranked(_ left: Int32, _ right: Int32) -> (Double, Int32)? {
        guard left >= 0, right >= 0, case .ranked(let table) = self, let merge = table[Self.key(left, right)] else {
            return nil
        }
        return (Double(merge.rank), merge.id)
    }
}

/// Merges neighbouring symbols, the best pair first, the leftmost of equals: O(n log n) with a heap of pairs.
struct Merger {
    struct Symbol {
        var start: Int
        var end: Int
        var id: Int32
        var previous = -1
        var next = -1
    }

    private struct Candidate {
        var order: Double
        var left: Int
        var right: Int
        /// The extent when the pair was seen: a pair whose symbols have grown since is stale.
        var start: Int
        var end: Int
        var id: Int32

        static func < (a: Candidate, b: Candidate) -> Bool { a.order != b.order ? a.order < b.order : a.left < b.left }
    }

    private var symbols: [Symbol]
    private var heap: [Candidate] = []

    init(symbols: [Symbol]) {
        self.symbols = symbols
        for i in symbols.indices {
            self.symbols[i].previous = i - 1
            self.symbols[i].next = i + 1 < symbols.count ? i + 1 : -1
        }
    }

    /// The symbols that are left, in order.
    var result: [Symbol] {
        var out: [Symbol] = []
        var at = symbols.isEmpty ? -1 : 0
        while at >= 0 {
            out.append(symbols[at])
            at = symbols[at].next
        }
        return out
    }

    /// - Parameter pair: the order (smallest first) and the token of two neighbours, or nil when they do not merge.
    mutating func merge(_ pair: (Symbol, Symbol) -> (Double, Int32)?) {
        for i in symbols.indices.dropLast() { consider(i, pair) }
        while let best = pop() {
            let left = symbols[best.left]
            guard left.start == best.start, left.next == best.right, left.end > left.start,
                symbols[best.right].end == best.end
            else { continue }
            symbols[best.left].end = best.end
            symbols[best.left].id = best.id
            let after = symbols[best.right].next
            symbols[best.left].next = after
            symbols[best.right].end = symbols[best.right].start
            if after >= 0 { symbols[after].previous = best.left }
            if symbols[best.left].previous >= 0 { consider(symbols[best.left].previous, pair) }
            if after >= 0 { consider(best.left, pair) }
        }
    }

    private mutating func consider(_ left: Int, _ pair: (Symbol, Symbol) -> (Double, Int32)?) {
        let right = symbols[left].next
        guard right >= 0, let (order, id) = pair(symbols[left], symbols[right]) else { return }
        heap.append(
            Candidate(
                order: order, left: left, right: right, start: symbols[left].start, end: symbols[right].end, id: id))
        var child = heap.count - 1
        while child > 0, heap[child] < heap[(child - 1) / 2] {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() -> Candidate? {
        guard let top = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return top }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            if least == parent { return top }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}
