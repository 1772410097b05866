// SPDX-License-Identifier: Apache-2.0

/// How a benchmark's official script rewrites an answer before it compares it.
///
/// The rewriting works on Unicode scalars and the comparison on bytes, as the scripts do in Python: Swift's own string
/// equality would take a composed and a decomposed "é" for the same text, and the scores would differ from published ones.
public enum AnswerNormalization: String, Sendable, Hashable, CaseIterable {
    /// SQuAD v1.1 (Rajpurkar et al. 2016), taken over by HotpotQA, 2WikiMultihopQA, MuSiQue, Search-R1, FlashRAG and
    /// instruct-qa: lower-case, delete ASCII punctuation, delete the words a, an and the, collapse white space.
    case squad
    /// MultiHop-RAG (`qa_evaluate.py`): lower-case, split at white space, nothing deleted.
    case multiHopRAG
    /// GlobalQA: commas become spaces, split at white space, case kept.
    case globalQA

    /// The normalised text: tokens joined by single spaces.
    public func normalize(_ text: String) -> String {
        let scalars = normalizedScalars(text)
        var result = String.UnicodeScalarView()
        result.append(contentsOf: scalars)
        return String(result)
    }

    /// The tokens of the normalised text, in order.
    public func tokens(of text: String) -> [String] {
        byteTokens(of: text).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The tokens as UTF-8 bytes: what the measures compare.
    func byteTokens(of text: String) -> [[UInt8]] {
        var tokens: [[UInt8]] = []
        var current: [UInt8] = []
        for scalar in normalizedScalars(text) {
            if scalar == " " {
                tokens.append(current)
                current.removeAll(keepingCapacity: true)
            } else {
                current.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? [])
            }
        }
        if !current.isEmpty { tokens.append(current) }
        return tokens
    }

    /// The normalised text as UTF-8 bytes.
    func bytes(of text: String) -> [UInt8] { Array(normalize(text).utf8) }

    private func normalizedScalars(_ text: String) -> [Unicode.Scalar] {
        switch self {
        case .squad:
            let kept = PythonText.lowercased(text).filter { !PythonText.isPunctuation($0) }
            return PythonText.collapsed(PythonText.withoutArticles(kept))
        case .multiHopRAG:
            return PythonText.collapsed(PythonText.lowercased(text))
        case .globalQA:
            return PythonText.collapsed(text.unicodeScalars.map { $0 == "," ? " " : $0 })
        }
    }
}

/// The text functions of Python that the official scripts call, with Python's own definitions of letter and space.
enum PythonText {
    /// `str.lower()`, with the final form of sigma at the end of a word.
    static func lowercased(_ text: String) -> [Unicode.Scalar] {
        let scalars = Array(text.unicodeScalars)
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(scalars.count)
        for (index, scalar) in scalars.enumerated() {
            if scalar.value < 0x80 {
                let upper = scalar.value >= 0x41 && scalar.value <= 0x5A
                result.append(upper ? Unicode.Scalar(UInt8(scalar.value + 32)) : scalar)
            } else if scalar == "\u{03A3}" {
                result.append(isFinalSigma(scalars, at: index) ? "\u{03C2}" : "\u{03C3}")
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
            }
        }
        return result
    }

    /// Whether a capital sigma stands at the end of a word: a cased letter before it and none after it.
    private static func isFinalSigma(_ scalars: [Unicode.Scalar], at index: Int) -> Bool {
        var before = index - 1
        while before >= 0, scalars[before].properties.isCaseIgnorable { before -= 1 }
        guard before >= 0, scalars[before].properties.isCased else { return false }
        var after = index + 1
        while after < scalars.count, scalars[after].properties.isCaseIgnorable { after += 1 }
        return after == scalars.count || !scalars[after].properties.isCased
    }

    /// Whether `string.punctuation` holds the scalar: the 32 ASCII signs.
    static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: return true
        default: return false
        }
    }

    /// Whether `str.split()` splits at the scalar.
    static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000:
            return true
        default: return false
        }
    }

    /// Whether `\w` of the `re` module matches the scalar: a letter, a numeral or the underscore, but no combining mark.
    static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x80 {
            switch scalar.value {
            case 0x30...0x39, 0x41...0x5A, 0x5F, 0x61...0x7A: return true
            default: return false
            }
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
        default: return scalar.properties.numericType != nil
        }
    }

    /// Replaces each whole word a, an and the by a space: `re.sub(r"\b(a|an|the)\b", " ", text)` of lower-cased text.
    static func withoutArticles(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(scalars.count)
        var index = 0
        while index < scalars.count {
            guard isWord(scalars[index]) else {
                result.append(scalars[index])
                index += 1
                continue
            }
            var end = index
            while end < scalars.count, isWord(scalars[end]) { end += 1 }
            let word = scalars[index..<end]
            if word.elementsEqual(["a"]) || word.elementsEqual(["a", "n"]) || word.elementsEqual(["t", "h", "e"]) {
                result.append(" ")
            } else {
                result.append(contentsOf: word)
            }
            index = end
        }
        return result
    }

    /// `" ".join(text.split())`.
    static func collapsed(_ scalars: [Unicode.Scalar]) -> [Unicode.Scalar] {
        var result: [Unicode.Scalar] = []
        result.reserveCapacity(scalars.count)
        var pending = false
        for scalar in scalars {
            if isSpace(scalar) {
                pending = !result.isEmpty
            } else {
                if pending { result.append(" ") }
                pending = false
                result.append(scalar)
            }
        }
        return result
    }
}

/// Whether `needle` occurs in `haystack`, byte for byte; an empty needle occurs everywhere, as in Python's `in`.
func containsBytes(_ needle: [UInt8], in haystack: [UInt8]) -> Bool {
    guard let first = needle.first else { return true }
    guard needle.count <= haystack.count else { return false }
    for start in 0...(haystack.count - needle.count) where haystack[start] == first {
        if haystack[start..<start + needle.count].elementsEqual(needle) { return true }
    }
    return false
}

/// The size of the multiset intersection of two token lists.
func multisetOverlap(_ left: [[UInt8]], _ right: [[UInt8]]) -> Int {
    var counts: [[UInt8]: Int] = [:]
    for token in left { counts[token, default: 0] += 1 }
    var common = 0
    for token in right {
        if let count = counts[token], count > 0 {
            counts[token] = count - 1
            common += 1
        }
    }
    return common
}
