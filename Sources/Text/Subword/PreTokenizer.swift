// SPDX-License-Identifier: Apache-2.0

/// How byte-level tokenizers cut text into pieces that are merged each for itself. The patterns are the published
/// regular expressions of the families, written out as scanners.
public enum PreTokenizer: String, Sendable, CaseIterable {
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// Each digit for itself, then GPT-2's pattern between them (SmolLM, StarCoder).
    case smollm
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    case llama3
    /// Llama 3's pattern with single digits.
    case qwen2

    /// The pre-tokenizer that GGUF files call so (`tokenizer.ggml.pre`).
    public init?(ggufName: String) {
        switch ggufName {
        case "gpt-2", "default", "phi-2", "jina-es", "jina-de", "mpt", "olmo": self = .gpt2
        case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone": self = .smollm
        case "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1": self = .llama3
        case "qwen2", "deepseek-r1-qwen", "kormo", "megrez": self = .qwen2
        default: return nil
        }
    }

    private enum Class: UInt8 { case letter, number, space, other }

    private static func classify(_ scalar: Unicode.Scalar) -> Class {
        if scalar.isASCII {
            switch scalar.value {
            case 65...90, 97...122: return .letter
            case 48...57: return .number
            case 9...13, 32: return .space
            default: return .other
            }
        }
        let properties = scalar.properties
        if properties.isWhitespace { return .space }
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        default: return .other
        }
    }

    /// A decoded character: its class, code and the byte after it.
    private struct Item {
        var code: UInt32
        var kind: Class
        var end: Int
    }

    /// The byte ranges of the pieces of a UTF-8 text, in order; together they are the text.
    func pieces(of text: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        var items: [Item] = []
        items.reserveCapacity(text.count)
        var decoder = UTF8()
        var bytes = text.makeIterator()
        var at = 0
        decoding: while true {
            switch decoder.decode(&bytes) {
            case .scalarValue(let scalar):
                at += UTF8.width(scalar)
                items.append(Item(code: scalar.value, kind: Self.classify(scalar), end: at))
            case .error:
                // Not reached for a Swift String; a stray byte is a piece of its own kind.
                at += 1
                items.append(Item(code: 0xFFFD, kind: .other, end: min(at, text.count)))
            case .emptyInput: break decoding
            }
        }
        var pieces: [Range<Int>] = []
        var i = 0
        var start = 0
        while i < items.count {
            let next: Int
            switch self {
            case .gpt2: next = Self.gpt2(items, i, items.count)
            case .smollm:
                if items[i].kind == .number {
                    next = i + 1
                } else {
                    var stop = i
                    while stop < items.count, items[stop].kind != .number { stop += 1 }
                    next = Self.gpt2(items, i, stop)
                }
            case .llama3: next = Self.llama3(items, i, digits: 3)
            case .qwen2: next = Self.llama3(items, i, digits: 1)
            }
            let end = items[next - 1].end
            pieces.append(start..<end)
            start = end
            i = next
        }
        return pieces
    }

    /// The end of an English contraction that starts at an apostrophe.
    private static func contraction(_ items: [Item], _ i: Int, _ stop: Int, ignoringCase: Bool) -> Int? {
        guard items[i].code == 39, i + 1 < stop else { return nil }
        func letter(_ k: Int) -> UInt32 {
            guard k < stop else { return 0 }
            let code = items[k].code
            return ignoringCase && (65...90).contains(code) ? code + 32 : code
        }
        let first = letter(i + 1)
        let second = letter(i + 2)
        switch first {
        case 115, 116, 109, 100: return i + 2  // s t m d
        case 114 where second == 101, 118 where second == 101, 108 where second == 108: return i + 3  // re ve ll
        default: return nil
        }
    }

    private static func run(_ items: [Item], _ from: Int, _ stop: Int, _ kind: Class) -> Int {
        var k = from
        while k < stop, items[k].kind == kind { k += 1 }
        return k
    }

    /// `\s+(?!\S)|\s+` at a space.
    private static func spaces(_ items: [Item], _ i: Int, _ stop: Int) -> Int {
        let end = run(items, i, stop, .space)
        return end < stop && end - i > 1 ? end - 1 : end
    }

    private static func gpt2(_ items: [Item], _ i: Int, _ stop: Int) -> Int {
        if let end = contraction(items, i, stop, ignoringCase: false) { return end }
        let body = items[i].code == 32 && i + 1 < stop ? i + 1 : i
        let kind = items[body].kind
        if kind != .space { return run(items, body, stop, kind) }
        return spaces(items, i, stop)
    }

    private static func llama3(_ items: [Item], _ i: Int, digits: Int) -> Int {
        let stop = items.count
        if let end = contraction(items, i, stop, ignoringCase: true) { return end }
        func isBreak(_ k: Int) -> Bool { items[k].code == 13 || items[k].code == 10 }
        if items[i].kind == .letter { return run(items, i, stop, .letter) }
        if items[i].kind != .number, !isBreak(i), i + 1 < stop, items[i + 1].kind == .letter {
            return run(items, i + 1, stop, .letter)
        }
        if items[i].kind == .number { return min(run(items, i, stop, .number), i + digits) }
        let body = items[i].code == 32 && i + 1 < stop ? i + 1 : i
        if items[body].kind == .other {
            var end = run(items, body, stop, .other)
            while end < stop, isBreak(end) { end += 1 }
            return end
        }
        let end = run(items, i, stop, .space)
        var last = end
        while last > i, !isBreak(last - 1) { last -= 1 }
        if last > i { return last }
        return spaces(items, i, stop)
    }
}
