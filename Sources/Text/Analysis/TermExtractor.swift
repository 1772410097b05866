// SPDX-License-Identifier: Apache-2.0
import Base
import Foundation

/// The working part of an analyzer for one thread: a stemmer handle, the cache of words already seen, scratch memory.
///
/// Text repeats itself, so each distinct word is folded, checked and stemmed once; afterwards it costs one look-up.
///
/// `@unchecked Sendable`: an extractor may move between threads but must be used by one at a time, as libstemmer's
/// handles demand. ``TextAnalyzer`` hands each extractor to one caller only.
public final class TermExtractor: @unchecked Sendable {
    private let options: AnalyzerOptions
    private let stopWords: Set<String>
    /// nil when no stemming is asked for.
    private let stemmer: ScriptStemmers?
    /// Languages other than English need their accents for stemming; folding follows it.
    private let stemsBeforeFolding: Bool
    /// English spelling: "'s" is a possessive, other apostrophes join. Elsewhere an apostrophe separates ("l'avion").
    private let joinsApostrophes: Bool
    private var cache = TermCache()
    private var classes = CharacterClassTable()
    private let ascii = CharacterClassTable.ascii
    /// Where the syllables of the row being read begin, and its end.
    private var units: [Int] = []
    /// The word being read: its bytes with ASCII lower-cased.
    private let word: UnsafeMutablePointer<UInt8>
    private static let wordCapacity = 1024

    convenience init(_ options: AnalyzerOptions) throws(AnalyzerError) {
        if options.minimumLength > options.maximumLength || options.maximumLength < 1 {
            throw AnalyzerError.emptyLengthRange(minimum: options.minimumLength, maximum: options.maximumLength)
        }
        if let name = options.stemmer {
            guard ScriptStemmers(name) != nil else {
                throw AnalyzerError.unknownStemmer(name, known: TextAnalyzer.stemmerLanguages)
            }
        }
        self.init(validated: options)
    }

    /// - Precondition: an extractor was made from these options before, so that the stemmer is known to exist.
    init(validated options: AnalyzerOptions) {
        self.options = options
        stemmer = options.stemmer.flatMap { ScriptStemmers($0) }
        var english = options.stemmer.map { ["english", "en", "eng", "porter"].contains($0) } ?? true
        stemsBeforeFolding = !english
        if case .language = options.stopWords { english = false }
        joinsApostrophes = english
        switch options.stopWords {
        case .none: stopWords = []
        case .english: stopWords = Set(AnalyzerOptions.englishStopWords)
        case .language(let name): stopWords = Set(TextLanguage.named(name)?.functionWords ?? [])
        case .custom(let words):
            stopWords = Set(words.map { options.foldsUnicode ? TextFolding.fold($0) : $0 })
        }
        word = .allocate(capacity: Self.wordCapacity)
    }

    deinit {
        word.deallocate()
    }

    /// Calls `body` with each term and the byte range of its word; see ``TextAnalyzer/forEachTerm(inUTF8:_:)``.
    public func forEachTerm(
        inUTF8 bytes: UnsafeBufferPointer<UInt8>,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Void
    ) {
        scan(bytes, forIndex: false) { term, range, role in
            if role != .stopWord { body(term, range) }
        }
    }

    /// Calls `body` with every term under which an index holds the text; see ``TextAnalyzer/forEachIndexTerm(inUTF8:_:)``.
    public func forEachIndexTerm(
        inUTF8 bytes: UnsafeBufferPointer<UInt8>,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ role: TermRole) -> Void
    ) {
        scan(bytes, forIndex: true, body)
    }

    private func scan(
        _ bytes: UnsafeBufferPointer<UInt8>, forIndex: Bool,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ role: TermRole) -> Void
    ) {
        ascii.withUnsafeBufferPointer { ascii in
            var index = 0
            while index < bytes.count {
                let byte = bytes[index]
                if byte < 0x80 {
                    if ascii[Int(byte)] == 0 {
                        index += 1
                        continue
                    }
                } else {
                    let (value, length) = decodeScalar(bytes, at: index)
                    let kind = value.map { classes.classOf($0) } ?? .separator
                    if kind == .separator || kind == .mark {
                        index += length
                        continue
                    }
                    if kind.isRun {
                        readRun(bytes, from: &index, of: kind)
                        emitRun(bytes, kind, forIndex: forIndex, body)
                        continue
                    }
                }
                let start = index
                let word = readWord(bytes, from: &index, ascii: ascii)
                guard word.length > 0, let term = term(for: word) else { continue }
                if forIndex, term.isStopWord || word.hasPoint || word.suffixed > 0 {
                    emitForms(of: word, term, bytes, start..<index, body)
                } else {
                    body(term.bytes, start..<index, term.isStopWord ? .stopWord : .word)
                }
            }
        }
    }

    // MARK: Rows without spaces

    /// Reads a row of one class from `index`: where its syllables begin goes to `units`, its end last.
    private func readRun(_ bytes: UnsafeBufferPointer<UInt8>, from index: inout Int, of kind: CharacterClass) {
        units.removeAll(keepingCapacity: true)
        var previous: UInt32 = 0
        while index < bytes.count {
            let (value, length) = decodeScalar(bytes, at: index)
            guard let value else { break }
            let own = classes.classOf(value)
            guard own == kind || (own == .mark && !units.isEmpty) else { break }
            let joins =
                own == .mark
                || (kind == .unspaced && !units.isEmpty && CharacterClass.joinsPrevious(value, after: previous))
            // A syllable that never ends is cut, as a word is left out.
            if !joins || index - (units.last ?? index) > 48 { units.append(index) }
            previous = value
            index += length
        }
        units.append(index)
    }

    /// Gives the row's syllables; for an index pairs of them as well (Lucene's bigrams of CJK text), and for hiragana,
    /// which is mostly grammar, triples.
    private func emitRun(
        _ bytes: UnsafeBufferPointer<UInt8>, _ kind: CharacterClass, forIndex: Bool,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ role: TermRole) -> Void
    ) {
        let count = units.count - 1
        func emit(_ first: Int, _ length: Int, _ role: TermRole) {
            let range = units[first]..<units[first + length]
            if let term = runTerm(bytes, range) { body(term, range, role) }
        }
        guard forIndex else {
            // Words as they are read: Korean and katakana by spaces and change of script, the rest by the syllable.
            if kind == .hangul || kind == .katakana {
                emit(0, count, .word)
            } else {
                for unit in 0..<count { emit(unit, 1, .word) }
            }
            return
        }
        if count == 1 || kind == .pictograph {
            for unit in 0..<count { emit(unit, 1, kind == .hiragana ? .fragment : .word) }
            return
        }
        let single = kind == .ideograph ? TermRole.character : .variant
        for unit in 0..<count {
            if kind != .hiragana { emit(unit, 1, single) }
            if unit + 1 < count { emit(unit, 2, kind == .hiragana ? .fragment : .word) }
            if kind == .hiragana, unit + 2 < count { emit(unit, 3, .word) }
        }
    }

    /// The term of a piece of a row: folded, never stemmed.
    private func runTerm(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> UnsafeBufferPointer<UInt8>? {
        var key = Word()
        key.isRun = true
        var position = range.lowerBound
        while position < range.upperBound {
            let byte = bytes[position]
            if options.foldsUnicode, (0xE4...0xE9).contains(byte), let value = decodeScalar(bytes, at: position).value,
                value >= 0x4E00,
                value <= 0x9FFF
            {
                // The common Chinese characters are compared in their simplified forms, and need no other folding.
                let form = ChineseForms.simplified[Int(value - 0x4E00)]
                append(0xE0 | UInt8(form >> 12), to: &key)
                append(0x80 | UInt8(form >> 6 & 0x3F), to: &key)
                append(0x80 | UInt8(form & 0x3F), to: &key)
                position += 3
                continue
            }
            append(byte, to: &key)
            if byte >= 0xC0 { key.isWide = true }
            position += 1
        }
        return term(for: key)?.bytes
    }

    // MARK: Other forms

    /// Gives a word that has more than one form in an index: stop words written as names, numbers with points, C++.
    private func emitForms(
        of word: Word, _ term: TermCache.Term, _ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ role: TermRole) -> Void
    ) {
        body(term.bytes, range, term.isStopWord ? .stopWord : .word)
        if term.isStopWord {
            if isLabel(bytes, range) { body(UnsafeBufferPointer(rebasing: bytes[range]), range, .variant) }
            return
        }
        let written = UnsafeBufferPointer(start: self.word, count: word.length)
        if word.suffixed > 0, word.length > word.suffixed + 1 {
            var base = Word()
            for byte in written.dropLast(word.suffixed) { append(byte, to: &base) }
            if let plain = self.term(for: base) { body(plain.bytes, range, .variant) }
            return
        }
        guard word.hasPoint, written.allSatisfy({ $0 == 0x2E || ($0 >= 0x30 && $0 < 0x3A) }) else { return }
        var points: [Int] = []
        for (place, byte) in written.enumerated() where byte == 0x2E { points.append(place) }
        for point in points.prefix(4).reversed() {
            body(UnsafeBufferPointer(rebasing: written[..<point]), range, .variant)
        }
        // "1.299.000" may be grouped by points.
        let groups = zip(points, points.dropFirst() + [written.count])
        if points[0] <= 3, groups.allSatisfy({ $1 - $0 == 4 }) {
            let joined = written.filter { $0 != 0x2E }
            joined.withUnsafeBufferPointer { body($0, range, .variant) }
        }
    }

    /// Whether a frequent word stands as a name: "IT" and "vitamin A", but not the "A" that opens a sentence.
    private func isLabel(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        guard bytes[range].allSatisfy({ $0 &- 0x41 < 26 }) else { return false }
        if range.count > 1 { return true }
        var before = range.lowerBound - 1
        while before >= 0, bytes[before] == 0x20 { before -= 1 }
        guard before >= 0, before < range.lowerBound - 1 || bytes[before] == 0x2D else { return false }
        return bytes[before] < 0x80 && (ascii[Int(bytes[before])] != 0 || bytes[before] == 0x2C)
    }

    /// The terms of a query; see ``TextAnalyzer/queryTerms(in:)``.
    func queryTerms(inUTF8 bytes: UnsafeBufferPointer<UInt8>) -> [AnalyzedTerm] {
        var result: [AnalyzedTerm] = []
        var lastRange = 0..<0
        let isMixed = bytes.contains { $0 &- 0x61 < 26 }
        scan(bytes, forIndex: true) { term, range, role in
            let text = String(decoding: term, as: UTF8.self)
            let surface = String(decoding: bytes[range], as: UTF8.self)
            guard role == .variant else {
                result.append(AnalyzedTerm(text: text, role: role, surface: surface))
                lastRange = range
                return
            }
            guard let last = result.last, range == lastRange else { return }
            if last.role == .stopWord {
                // A label is searched as a word, unless the whole query is in capitals.
                if isMixed || range.count * 2 > bytes.count {
                    result.append(AnalyzedTerm(text: text, role: .word, surface: surface))
                }
            } else if last.text == text + "++" || last.text == text + "#" {
                result.append(AnalyzedTerm(text: text, role: .word, surface: surface))
            } else if last.text == text + ".00" {
                // An amount without hundredths is the whole number, which the index has for both.
                result[result.count - 1].text = text
            }
        }
        return result
    }

    private struct Word {
        var length = 0
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        /// Holds bytes of more than ASCII.
        var isWide = false
        /// A piece of a row without spaces.
        var isRun = false
        /// Holds a full stop between digits.
        var hasPoint = false
        /// How many bytes at its end are the signs of "C++" or "C#".
        var suffixed = 0
    }

    @inline(__always) private func append(_ byte: UInt8, to word: inout Word) {
        if word.length < Self.wordCapacity { self.word[word.length] = byte }
        word.length += 1
        word.hash = (word.hash ^ UInt64(byte)) &* 0x100_0000_01B3
    }

    /// Reads the word that starts at `index`, which stands on a letter, digit or ideograph, and moves past it.
    private func readWord(
        _ bytes: UnsafeBufferPointer<UInt8>, from index: inout Int, ascii: UnsafeBufferPointer<UInt8>
    ) -> Word {
        var result = Word()
        var last = CharacterClass.separator
        /// Letters since the last full stop while the word is still a row of single letters ("U.S"), else -1.
        var initials = 0
        var isArabicLetter = false

        @inline(__always) func append(_ byte: UInt8) { self.append(byte, to: &result) }
        func classAt(_ position: Int) -> CharacterClass {
            guard position < bytes.count else { return .separator }
            if bytes[position] < 0x80 { return CharacterClass(rawValue: ascii[Int(bytes[position])]) ?? .separator }
            return decodeScalar(bytes, at: position).value.map { classes.classOf($0) } ?? .separator
        }

        while index < bytes.count {
            let byte = bytes[index]
            if byte < 0x80 {
                let raw = ascii[Int(byte)]
                if raw != 0 {
                    append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
                    last = raw == 1 ? .letter : .digit
                    if initials >= 0 { initials = raw == 1 && initials == 0 ? 1 : -1 }
                    index += 1
                    continue
                }
                if byte == 0x2E {  // full stop
                    if last == .digit, classAt(index + 1) == .digit {
                        append(byte)
                        result.hasPoint = true
                        index += 1
                        continue
                    }
                    if initials == 1, classAt(index + 1) == .letter, bytes[index + 1] < 0x80,
                        classAt(index + 2) == .separator
                    {
                        initials = 0
                        index += 1
                        continue
                    }
                } else if byte == 0x2C {  // comma: only as a separator of thousands
                    if last == .digit, (1...3).allSatisfy({ classAt(index + $0) == .digit }),
                        classAt(index + 4) != .digit
                    {
                        index += 1
                        continue
                    }
                } else if byte == 0x27, skipsApostrophe(bytes, at: &index, length: 1, after: last, classAt) {
                    if isElided(result, bytes, before: index) { result = Word() }
                    continue
                }
                break
            }
            let (value, length) = decodeScalar(bytes, at: index)
            guard let value else { break }
            if value == 0x2019 || value == 0x2018,
                skipsApostrophe(bytes, at: &index, length: length, after: last, classAt)
            {
                if isElided(result, bytes, before: index) { result = Word() }
                continue
            }
            // Persian sets the endings of a word apart so, which scripts of India write within words.
            if value == 0x200C, isArabicLetter { break }
            if isThousandsSpace(value), last == .digit, groupsThousands(bytes, at: index + length, classAt) {
                index += length
                continue
            }
            let kind = classes.classOf(value)
            if kind == .separator || kind.isRun { break }
            for offset in 0..<length { append(bytes[index + offset]) }
            isArabicLetter = (0x0620...0x07FF).contains(value)
            result.isWide = true
            if kind != .mark { last = kind }
            initials = -1
            index += length
        }
        finishWord(&result, bytes, &index, last, classAt)
        return result
    }

    /// Takes the signs of "C++" and "C#" to a word, and the v from "v3.11".
    @inline(__always) private func finishWord(
        _ result: inout Word, _ bytes: UnsafeBufferPointer<UInt8>, _ index: inout Int, _ last: CharacterClass,
        _ classAt: (Int) -> CharacterClass
    ) {
        if result.hasPoint, result.length < Self.wordCapacity, word[0] == 0x76, word[1] &- 0x30 < 10 {
            var digits = Word()
            digits.hasPoint = true
            for place in 1..<result.length { append(word[place], to: &digits) }
            result = digits
        }
        guard index < bytes.count, last == .letter, bytes[index] == 0x2B || bytes[index] == 0x23 else { return }
        if bytes[index] == 0x2B {
            guard index + 1 < bytes.count, bytes[index + 1] == 0x2B, classAt(index + 2) != .letter else { return }
            append(0x2B, to: &result)
            append(0x2B, to: &result)
            result.suffixed = 2
            index += 2
        } else if classAt(index + 1) == .separator {
            append(0x23, to: &result)
            result.suffixed = 1
            index += 1
        }
    }

    private func isThousandsSpace(_ value: UInt32) -> Bool { value == 0x00A0 || value == 0x202F || value == 0x2009 }

    /// Whether exactly three digits follow.
    private func groupsThousands(
        _ bytes: UnsafeBufferPointer<UInt8>, at index: Int, _ classAt: (Int) -> CharacterClass
    ) -> Bool {
        (0..<3).allSatisfy { classAt(index + $0) == .digit } && classAt(index + 3) != .digit
    }

    /// Decides over an apostrophe within a word: moves past it and says true when the word goes on behind it (or
    /// past "'s", which ends it).
    private func skipsApostrophe(
        _ bytes: UnsafeBufferPointer<UInt8>, at index: inout Int, length: Int, after last: CharacterClass,
        _ classAt: (Int) -> CharacterClass
    ) -> Bool {
        let next = index + length
        guard joinsApostrophes, last == .letter || last == .digit, classAt(next) == .letter else { return false }
        if bytes[next] | 0x20 == 0x73, classAt(next + 1) == .separator {
            index = next + 1
        } else {
            index = next
        }
        return true
    }

    /// Articles and prepositions of Romance languages that lose their vowel before another: "l'école", "qu'il", "dell'arte".
    private static let elided: Set<String> = [
        "l", "d", "j", "m", "n", "c", "t", "s", "qu", "jusqu", "lorsqu", "puisqu", "quoiqu", "un", "all", "dall",
        "dell",
        "nell", "sull", "quell",
    ]

    /// Whether what was read before an apostrophe is such a word, so that the word proper begins behind it. In a corpus of
    /// one of these languages every apostrophe separates; elsewhere their words are found in the company of others.
    private func isElided(_ word: Word, _ bytes: UnsafeBufferPointer<UInt8>, before index: Int) -> Bool {
        guard word.length <= 7, !word.isWide, index < bytes.count else { return false }
        let goesOn = bytes[index] >= 0x80 || ascii[Int(bytes[index])] != 0
        return goesOn
            && Self.elided.contains(
                String(decoding: UnsafeBufferPointer(start: self.word, count: word.length), as: UTF8.self))
    }

    /// The term of a word, or nil when it is left out.
    private func term(for key: Word) -> TermCache.Term? {
        guard key.length <= Self.wordCapacity else { return nil }
        let bytes = UnsafeBufferPointer(start: word, count: key.length)
        if let known = cache.find(bytes, hash: key.hash) { return known.bytes.isEmpty ? nil : known }
        let (made, isStopWord) = makeTerm(bytes, key)
        let stored = cache.insert(bytes, hash: key.hash, term: made, isStopWord: isStopWord)
        return stored.bytes.isEmpty ? nil : stored
    }

    /// Folds, checks and stems; an empty result means that the word is left out. Stop words are not stemmed.
    private func makeTerm(_ bytes: UnsafeBufferPointer<UInt8>, _ key: Word) -> (term: [UInt8], isStopWord: Bool) {
        let raw = String(decoding: bytes, as: UTF8.self)
        var folded = raw
        if key.isWide, options.foldsUnicode {
            // Fractions and the like decompose into characters that are no part of a word.
            folded = String(
                String.UnicodeScalarView(
                    TextFolding.fold(raw).unicodeScalars.filter { scalar in
                        scalar == "." || CharacterClass(scalar) != .separator
                    }))
        }
        let isStopWord = stopWords.contains(folded)
        var term = folded
        if let stemmer, !key.isRun, !isStopWord, key.suffixed == 0 {
            if key.isWide, stemsBeforeFolding || stemmer.isForeign(raw) {
                term = stemmer.stem(raw.lowercased().precomposedStringWithCompatibilityMapping)
                if options.foldsUnicode { term = TextFolding.fold(term) }
            } else {
                term = stemmer.stem(folded)
            }
            term = stemmer.respelled(term)
        }
        let length = term.unicodeScalars.count
        guard length >= options.minimumLength, length <= options.maximumLength else { return ([], false) }
        return (Array(term.utf8), isStopWord)
    }
}
