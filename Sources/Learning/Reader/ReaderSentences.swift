// SPDX-License-Identifier: Apache-2.0

import Foundation
import Reading
import Text

/// A sentence of the passages beside a question: what answers "why" and "how", and what a yes or no rests on.
struct ReaderSentence {
    var passage: Int
    /// Its bytes in the passage's text, the title before it.
    var utf8: Range<Int>
    var text: String
    /// The weighted share of the question's terms that it and its passage's title hold, 0 to 1.
    var cover: Float
    /// The question's terms that neither holds.
    var missing: Set<String>
    var isNegated: Bool
}

extension ReaderLayout {
    private static let causes: Set<String> = [
        "because", "since", "due", "therefore", "thus", "hence", "reason", "reasons", "cause", "caused", "owing",
        "result",
        "so", "as", "after", "order",
    ]
    /// Words that a question for yes or no may have without asking for them.
    private static let light: Set<String> = [
        "still", "ever", "already", "really", "actually", "currently", "anybody", "anyone", "anything", "any", "yet",
        "now",
        "there", "today", "indeed", "also",
    ]

    func isNegation(_ word: String) -> Bool {
        guard let polar = asked.polar else { return false }
        return polar.negations.contains(TextFolding.fold(word)) || word.hasSuffix("n't") || word.hasSuffix("n’t")
    }

    /// How much each term counts: the rarer the sentences that hold it, the more.
    private func rarities(of terms: [String]) -> [Float] {
        var frequency: [String: Int] = [:]
        var total = 0
        for text in analysed {
            var seen: Set<String> = []
            var sentence = 0
            for word in text.words {
                if word.sentence != sentence {
                    (seen, sentence) = ([], word.sentence)
                }
                if asked.terms.contains(word.stem), seen.insert(word.stem).inserted {
                    frequency[word.stem, default: 0] += 1
                }
            }
            total += text.sentenceCount
        }
        return terms.map { log(1 + Float(total + 1) / Float((frequency[$0] ?? 0) + 1)) }
    }

    /// The sentence that holds most of the question; for "why" one that names a cause is preferred.
    func bestSentence() -> ReaderSentence? {
        var terms = asked.terms.sorted()
        if isYesNo {
            let light = Set(asked.text.words.filter { Self.light.contains($0.lower) }.map(\.stem))
            let heavy = terms.filter { !light.contains($0) }
            if !heavy.isEmpty { terms = heavy }
        }
        guard !terms.isEmpty else { return nil }
        let weights = rarities(of: terms)
        let all = max(1e-6, weights.reduce(0, +))
        let asksWhy = asked.text.words.first?.lower == "why"
        // Names and numbers of the question: where a passage has them anywhere, its sentences speak of them without saying so.
        let names = Set(
            asked.text.words.enumerated().filter { place, word in
                word.isContent && (word.hasDigit || (word.isCapitalised && place > 0))
            }.map(\.element.stem))
        let polarity = PolarTerms(asked)
        let asksNumber = asked.text.words.contains(where: \.hasDigit)
        var best: (sentence: ReaderSentence, value: Float)?
        for (passage, text) in analysed.enumerated() {
            let title = Set(ReaderText(titles[passage], language: asked.language).words.map(\.stem))
            let namesHere = names.intersection(text.words.map(\.stem))
            let titleBytes = titles[passage].isEmpty ? 0 : titles[passage].utf8.count + 2
            var before: Set<String> = []
            for (_, words) in Dictionary(grouping: text.words, by: \.sentence).sorted(by: { $0.key < $1.key }) {
                let own = words.filter { $0.utf8.lowerBound >= titleBytes }
                guard let first = own.first, let last = own.last else { continue }
                // "It was built in 1998" speaks of what the sentence before it speaks of.
                let referred = Self.references.contains(first.lower) ? before : []
                before = Set(own.map(\.stem)).union(referred)
                let stems = Set(own.map(\.stem)).union(title)
                var cover: Float = 0
                var missing: Set<String> = []
                var isTurned = false
                for (term, weight) in zip(terms, weights) {
                    if stems.contains(term) {
                        cover += weight
                    } else if let meeting = polarity?.meeting(
                        of: term, in: own, stems,
                        spoken: {
                            String(decoding: text.bytes[first.utf8.lowerBound..<last.utf8.upperBound], as: UTF8.self)
                        })
                    {
                        // Two opposites say nothing: "closed on Tuesdays" does not open it on Mondays.
                        if meeting == .opposite, isTurned {
                            missing.insert(term)
                            continue
                        }
                        cover += weight
                        if meeting == .opposite { isTurned = true }
                    } else if isYesNo, namesHere.contains(term) || referred.contains(term) {
                        cover += Self.impliedShare * weight
                    } else {
                        missing.insert(term)
                    }
                }
                cover /= all
                let lowers = own.map(\.lower)
                let isNegated = own.indices.contains { place in
                    isNegation(own[place].lower)
                        && Self.bears(
                            place, on: own, terms: asked.terms, text: text,
                            onlyBehind: asked.polar?.exclusions.contains(TextFolding.fold(own[place].lower)) ?? false)
                }
                var bonus: Float = asksWhy && lowers.contains(where: Self.causes.contains) ? 0.2 : 0
                // Of two that say as much with their title's help the one that says it itself, and that has a number where one
                // is asked about.
                let ownStems = Set(own.map(\.stem))
                bonus +=
                    Self.ownShare * zip(terms, weights).reduce(0) { ownStems.contains($1.0) ? $0 + $1.1 : $0 } / all
                if isYesNo, asksNumber, own.contains(where: \.hasDigit) { bonus += Self.ownShare }
                guard cover > 0, cover + bonus > best?.value ?? 0 else { continue }
                let utf8 = first.utf8.lowerBound..<last.utf8.upperBound
                let spoken = String(decoding: text.bytes[utf8], as: UTF8.self)
                best = (
                    ReaderSentence(
                        passage: passage, utf8: utf8, text: spoken + Self.end(of: text, behind: utf8.upperBound),
                        cover: cover, missing: missing, isNegated: isNegated != isTurned),
                    cover + bonus
                )
            }
        }
        return best?.sentence
    }

    /// First words of sentences that take up what the one before speaks of.
    private static let references: Set<String> = [
        "it", "he", "she", "they", "its", "his", "her", "their", "this", "these", "both",
    ]

    /// What it counts for that a sentence says something without its title.
    private static let ownShare: Float = 0.05

    /// What a name counts for in a sentence whose passage has it elsewhere.
    private static let impliedShare: Float = 0.8

    /// How many words a negation may stand before what it denies, or behind it.
    private static let reach = 4

    /// Whether a negation has to do with what the question asks: it stands among its words or shortly before them, with no
    /// sign between that begins something else.
    private static func bears(
        _ place: Int, on words: [ReaderText.Word], terms: Set<String>, text: ReaderText, onlyBehind: Bool
    ) -> Bool {
        func isCut(_ range: Range<Int>) -> Bool {
            range.contains { index in
                index + 1 < words.count
                    && text.bytes[words[index].utf8.upperBound..<words[index + 1].utf8.lowerBound].contains {
                        [UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "\n"), UInt8(ascii: "(")].contains($0)
                    }
            }
        }
        let last = min(words.count - 1, place + reach)
        for other in place...last where terms.contains(words[other].stem) && !isCut(place..<other) { return true }
        // "Can be frozen without the cream" denies the cream.
        guard !onlyBehind else { return false }
        for other in max(0, place - reach)..<place where terms.contains(words[other].stem) && !isCut(other..<place) {
            return true
        }
        return false
    }

    /// The full stop behind a sentence's last word.
    private static func end(of text: ReaderText, behind place: Int) -> String {
        guard place < text.bytes.count, [0x2E, 0x21, 0x3F, 0x29].contains(text.bytes[place]) else { return "" }
        return String(decoding: [text.bytes[place]], as: UTF8.self)
    }

    /// Whether the question counts what several of the passages are about, and none of them says how many there are: the number
    /// of them is in no passage, whatever other numbers are.
    func countsPassages() -> Bool {
        guard let noun = asked.counted.first else { return false }
        var holders = 0
        for (passage, text) in analysed.enumerated() {
            let words = text.words
            let places = words.indices.filter { words[$0].stem == noun }
            if !places.isEmpty || ReaderText(titles[passage]).words.contains(where: { $0.stem == noun }) {
                holders += 1
            }
            for place in places {
                let before = words[max(0, place - 4)..<place]
                let numerals = AnswerCandidate.numerals
                if before.contains(where: {
                    $0.sentence == words[place].sentence && ($0.hasDigit || numerals.contains($0.lower))
                }) {
                    return false
                }
            }
        }
        return holders >= 3
    }

    /// Whether the passages say nothing of what the question says of the things that it names: no word of it beside names.
    func saysNothing(_ sentence: ReaderSentence?) -> Bool {
        guard let sentence else { return true }
        let words = asked.text.words.enumerated().filter { place, word in
            word.isContent && !word.hasDigit && !(word.isCapitalised && place > 0)
        }.map(\.element.stem)
        return !words.isEmpty && words.allSatisfy(sentence.missing.contains)
    }

    func place(_ sentence: ReaderSentence) -> Place {
        Place(
            passage: sentence.passage, utf8: sentence.utf8, key: TitleNormalizer.key(for: sentence.text),
            sentenceCover: sentence.cover, passageCover: sentence.cover, tokens: 0..<0, context: 0..<0)
    }
}
