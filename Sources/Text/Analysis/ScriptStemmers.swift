// SPDX-License-Identifier: Apache-2.0

import CStemmer

/// The stemmer of an analyzer's language, and for words of other scripts the stemmer of the language that most often
/// writes them. Used by one thread at a time.
final class ScriptStemmers {
    private enum Script: Int, CaseIterable {
        case latin, arabic, greek, cyrillic, devanagari, tamil, armenian, hebrew

        /// The script of a word, by its first letter.
        init?(_ word: String) {
            guard let value = word.unicodeScalars.first?.value else { return nil }
            switch value {
            case 0..<0x0250, 0x1E00...0x1EFF: self = .latin
            case 0x0370...0x03FF, 0x1F00...0x1FFF: self = .greek
            case 0x0400...0x052F: self = .cyrillic
            case 0x0530...0x058F: self = .armenian
            case 0x0590...0x05FF: self = .hebrew
            case 0x0600...0x077F, 0x08A0...0x08FF, 0xFB50...0xFDFF, 0xFE70...0xFEFF: self = .arabic
            case 0x0900...0x097F: self = .devanagari
            case 0x0B80...0x0BFF: self = .tamil
            default: return nil
            }
        }

        /// The language that is taken where the analyzer's own is of another script; nil for none.
        var language: String? {
            switch self {
            case .latin: "english"
            case .arabic: "arabic"
            case .greek: "greek"
            case .cyrillic: "russian"
            case .devanagari: "hindi"
            case .tamil: "tamil"
            case .armenian: "armenian"
            case .hebrew: nil
            }
        }

        init(language: String) {
            switch language {
            case "arabic", "ar", "ara": self = .arabic
            case "greek", "el", "ell", "gre": self = .greek
            case "russian", "ru", "rus", "serbian", "sr", "srp": self = .cyrillic
            case "hindi", "hi", "hin", "nepali", "ne", "nep": self = .devanagari
            case "tamil", "ta", "tam": self = .tamil
            case "armenian", "hy", "hye", "arm": self = .armenian
            case "yiddish", "yi", "yid": self = .hebrew
            default: self = .latin
            }
        }
    }

    /// Snowball's; nil for a language that has its stemmer here.
    private let own: OpaquePointer?
    private let ownScript: Script
    private let isPolish: Bool
    private let isGerman: Bool
    private let isHindi: Bool
    /// By script; made when first needed.
    private var others: [OpaquePointer?] = Array(repeating: nil, count: Script.allCases.count)

    init?(_ language: String) {
        isPolish = language == PolishStemmer.name
        own = isPolish ? nil : sb_stemmer_new(language, "UTF_8")
        guard isPolish || own != nil else { return nil }
        ownScript = Script(language: language)
        isGerman = ["german", "german2", "de", "deu", "ger"].contains(language)
        isHindi = ownScript != .devanagari || ["hindi", "hi", "hin"].contains(language)
    }

    deinit {
        if let own { sb_stemmer_delete(own) }
        for other in others { if let other { sb_stemmer_delete(other) } }
    }

    /// Whether a word is of another script than the analyzer's language, but for Latin letters.
    func isForeign(_ word: String) -> Bool {
        guard let script = Script(word), script != .latin else { return false }
        return script != ownScript
    }

    func stem(_ word: String) -> String {
        let script = Script(word)
        if isPolish, script == .latin { return PolishStemmer.stem(word) }
        let spelled = script == .arabic ? Spelling.arabic(word) : word
        guard let handle = stemmer(of: script) else { return spelled }
        let bytes = Array(spelled.utf8)
        guard let stemmed = sb_stemmer_stem(handle, bytes, Int32(bytes.count)) else { return spelled }
        let count = Int(sb_stemmer_length(handle))
        let stem = String(decoding: UnsafeBufferPointer(start: stemmed, count: count), as: UTF8.self)
        return script == .devanagari && isHindi ? Spelling.hindi(stem) : stem
    }

    /// What is done to a stem after it was folded.
    func respelled(_ stem: String) -> String { isGerman ? Spelling.german(stem) : stem }

    private func stemmer(of script: Script?) -> OpaquePointer? {
        guard let script, script != ownScript else { return own }
        if let known = others[script.rawValue] { return known }
        guard let language = script.language, let made = sb_stemmer_new(language, "UTF_8") else { return nil }
        others[script.rawValue] = made
        return made
    }
}
