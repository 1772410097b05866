// SPDX-License-Identifier: Apache-2.0
import CStemmer
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
    private let stemmer: OpaquePointer?
    /// Languages other than English need their accents for stemming; folding follows it.
    private let stemsBeforeFolding: Bool
    /// English spelling: "'s" is a possessive, other apostrophes join. Elsewhere an apostrophe separates ("l'avion").
    private let joinsApostrophes: Bool
    private var cache = TermCache()
    private var classes = CharacterClassTable()
    private let ascii = CharacterClassTable.ascii
    /// The word being read: its bytes with ASCII lower-cased.
    private let word: UnsafeMutablePointer<UInt8>
    private static let wordCapacity = 1024

    convenience init(_ options: AnalyzerOptions) throws(AnalyzerError) {
        if options.minimumLength > options.maximumLength || options.maximumLength < 1 {
            throw AnalyzerError.emptyLengthRange(minimum: options.minimumLength, maximum: options.maximumLength)
        }
        if let name = options.stemmer {
            guard let handle = sb_stemmer_new(name, "UTF_8") else {
                throw AnalyzerError.unknownStemmer(name, known: TextAnalyzer.stemmerLanguages)
            }
            sb_stemmer_delete(handle)
        }
        self.init(validated: options)
    }

    /// - Precondition: an extractor was made from these options before, so that the stemmer is known to exist.
    init(validated options: AnalyzerOptions) {
        self.options = options
        stemmer = options.stemmer.flatMap { sb_stemmer_new($0, "UTF_8") }
        let english = options.stemmer.map { ["english", "en", "eng", "porter"].contains($0) } ?? true
        stemsBeforeFolding = !english
        joinsApostrophes = english
        switch options.stopWords {
        case .none: stopWords = []
        case .english: stopWords = Set(AnalyzerOptions.englishStopWords)
        case .custom(let words):
            stopWords = Set(words.map { options.foldsUnicode ? TextFolding.fold($0) : $0 })
        }
        word = .allocate(capacity: Self.wordCapacity)
    }

    deinit {
        if let stemmer { sb_stemmer_delete(stemmer) }
        word.deallocate()
    }

    /// Calls `body` with each term and the byte range of its word; see ``TextAnalyzer/forEachTerm(inUTF8:_:)``.
    public func forEachTerm(
        inUTF8 bytes: UnsafeBufferPointer<UInt8>,
        _ body: (_ term: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Void
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
                }
                let start = index
                let word = readWord(bytes, from: &index, ascii: ascii)
                if word.length > 0, let term = term(for: word) { body(term, start..<index) }
            }
        }
    }

    private struct Word {
        var length = 0
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        /// Holds bytes of more than ASCII.
        var isWide = false
    }

    /// Reads the word that starts at `index`, which stands on a letter, digit or ideograph, and moves past it.
    private func readWord(
        _ bytes: UnsafeBufferPointer<UInt8>, from index: inout Int, ascii: UnsafeBufferPointer<UInt8>
    ) -> Word {
        var result = Word()
        var last = CharacterClass.separator
        /// Letters since the last full stop while the word is still a row of single letters ("U.S"), else -1.
        var initials = 0

        @inline(__always) func append(_ byte: UInt8) {
            if result.length < Self.wordCapacity { word[result.length] = byte }
            result.length += 1
            result.hash = (result.hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
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
                    if last == .ideograph { break }
                    append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
                    last = raw == 1 ? .letter : .digit
                    if initials >= 0 { initials = raw == 1 && initials == 0 ? 1 : -1 }
                    index += 1
                    continue
                }
                if byte == 0x2E {  // full stop
                    if last == .digit, classAt(index + 1) == .digit {
                        append(byte)
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
                    continue
                }
                break
            }
            let (value, length) = decodeScalar(bytes, at: index)
            guard let value else { break }
            if value == 0x2019, skipsApostrophe(bytes, at: &index, length: length, after: last, classAt) { continue }
            let kind = classes.classOf(value)
            if kind == .separator { break }
            if kind == .ideograph || last == .ideograph {
                if last != .separator, kind != .mark { break }
            }
            for offset in 0..<length { append(bytes[index + offset]) }
            result.isWide = true
            if kind != .mark { last = kind }
            initials = -1
            index += length
        }
        return result
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

    /// The term of a word, or nil when it is left out.
    private func term(for key: Word) -> UnsafeBufferPointer<UInt8>? {
        guard key.length <= Self.wordCapacity else { return nil }
        let bytes = UnsafeBufferPointer(start: word, count: key.length)
        if let known = cache.find(bytes, hash: key.hash) { return known.isEmpty ? nil : known }
        let made = makeTerm(bytes, isWide: key.isWide)
        let stored = cache.insert(bytes, hash: key.hash, term: made)
        return stored.isEmpty ? nil : stored
    }

    /// Folds, checks and stems; an empty result means that the word is left out.
    private func makeTerm(_ bytes: UnsafeBufferPointer<UInt8>, isWide: Bool) -> [UInt8] {
        let raw = String(decoding: bytes, as: UTF8.self)
        var folded = raw
        if isWide, options.foldsUnicode {
            // Fractions and the like decompose into characters that are no part of a word.
            folded = String(
                String.UnicodeScalarView(
                    TextFolding.fold(raw).unicodeScalars.filter { scalar in
                        scalar == "." || CharacterClass(scalar) != .separator
                    }))
        }
        if stopWords.contains(folded) { return [] }
        var term = folded
        if let stemmer {
            if stemsBeforeFolding, isWide {
                term = Self.stem(raw.lowercased().precomposedStringWithCompatibilityMapping, stemmer)
                if options.foldsUnicode { term = TextFolding.fold(term) }
            } else {
                term = Self.stem(folded, stemmer)
            }
        }
        let length = term.unicodeScalars.count
        guard length >= options.minimumLength, length <= options.maximumLength else { return [] }
        return Array(term.utf8)
    }

    private static func stem(_ word: String, _ stemmer: OpaquePointer) -> String {
        let bytes = Array(word.utf8)
        guard let stemmed = sb_stemmer_stem(stemmer, bytes, Int32(bytes.count)) else { return word }
        let count = Int(sb_stemmer_length(stemmer))
        return String(decoding: UnsafeBufferPointer(start: stemmed, count: count), as: UTF8.self)
    }
}
