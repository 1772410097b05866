// SPDX-License-Identifier: Apache-2.0

import Text

/// A word of a question or of a value.
struct QuestionToken: Sendable, Hashable {
    /// Folded.
    var text: String
    var stem: String
    var isCapitalised = false
    var number: Double?
    /// Which quotation it stands in; nil outside of quotation marks.
    var quotation: Int?
    /// Whether a comma, a semicolon or the like stands before it.
    var followsComma = false
    /// Whether it is a number with a currency: "£15", "15 euros".
    var isMoney = false
}

/// Words as they are compared: folded, split at everything that is no letter or digit, inflection cut off.
package enum WordForms {
    /// The words of a text; thousands are grouped away ("1,000" is 1000), decimals stay whole.
    static func tokens(_ text: String) -> [QuestionToken] {
        var tokens: [QuestionToken] = []
        var quotation = 0
        var inQuotes = false
        var comma = false
        var currency = false
        var current = ""
        let characters = Array(text)
        func flush() {
            guard !current.isEmpty else { return }
            let folded = TextFolding.fold(current)
            if !folded.isEmpty {
                tokens.append(
                    QuestionToken(
                        text: folded, stem: stem(folded), isCapitalised: current.first?.isUppercase ?? false,
                        number: number(ofWord: folded), quotation: inQuotes ? quotation : nil, followsComma: comma))
                comma = false
                let last = tokens.count - 1
                if tokens[last].number != nil {
                    tokens[last].isMoney = currency
                } else if last > 0, tokens[last - 1].number != nil, moneyWords.contains(folded) {
                    tokens[last - 1].isMoney = true
                }
                currency = false
            }
            current = ""
        }
        for (index, character) in characters.enumerated() {
            let previous = index > 0 ? characters[index - 1] : " "
            let next = index + 1 < characters.count ? characters[index + 1] : " "
            if character.isLetter || character.isNumber {
                current.append(character)
            } else if character == ",", previous.isNumber, groupsThousands(characters, after: index) {
                continue
            } else if character == ".", previous.isNumber, next.isNumber, !current.contains(".") {
                current.append(character)
            } else if character == "'" || character == "’", previous.isLetter {
                // A possessive, a contraction or a name: the mark goes, "s" alone goes with it.
                if next == "s", index + 2 >= characters.count || !characters[index + 2].isLetter { flush() }
            } else {
                flush()
                if ",;:(".contains(character) { comma = true }
                if "£$€¥".contains(character) {
                    currency = true
                    if let last = tokens.indices.last, tokens[last].number != nil, !next.isNumber {
                        (tokens[last].isMoney, currency) = (true, false)
                    }
                }
                if character == "\"" {
                    inQuotes.toggle()
                    quotation += 1
                } else if "“„«".contains(character), !inQuotes {
                    inQuotes = true
                    quotation += 1
                } else if "”“»".contains(character), inQuotes {
                    inQuotes = false
                    quotation += 1
                }
            }
        }
        flush()
        return tokens.filter { $0.text != "s" || $0.quotation != nil }
    }

    private static func groupsThousands(_ characters: [Character], after comma: Int) -> Bool {
        guard comma + 3 < characters.count, (1...3).allSatisfy({ characters[comma + $0].isNumber }) else {
            return false
        }
        return comma + 4 >= characters.count || !characters[comma + 4].isNumber
    }

    private static let moneyWords = WordList(
        "pound pounds euro euros dollar dollars eur usd gbp chf yen francs quid bucks cents pence")

    private static let numerals: [String: Double] = [
        "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
        "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17,
        "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "hundred": 100,
        "thousand": 1000, "once": 1, "twice": 2, "dozen": 12, "single": 1, "couple": 2, "million": 1_000_000,
    ]

    /// The number that a word in lower case says, in digits or as a numeral; nil for other words.
    package static func number(ofWord word: String) -> Double? {
        if let first = word.utf8.first, first >= 48, first < 58 {
            return Double(word).flatMap { $0.isFinite ? $0 : nil }
        }
        return numerals[word]
    }

    /// "first" is 1, "3rd" is 3.
    static func ordinal(_ word: String) -> Int? {
        let words = [
            "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
            "twelfth",
        ]
        if let place = words.firstIndex(of: word) { return place + 1 }
        for ending in ["st", "nd", "rd", "th"] where word.hasSuffix(ending) {
            if let number = Int(word.dropLast(2)), number > 0 { return number }
        }
        return nil
    }

    /// A light English stem: inflections only. Words of other languages and numbers stay as they are.
    static func stem(_ word: String) -> String {
        guard word.utf8.count > 3, word.utf8.allSatisfy({ $0 >= 97 && $0 <= 122 }) else { return word }
        func cut(_ ending: String, _ more: String = "", least: Int = 3) -> String? {
            guard word.hasSuffix(ending), word.utf8.count - ending.utf8.count >= least else { return nil }
            return String(word.dropLast(ending.utf8.count)) + more
        }
        func undouble(_ text: String) -> String {
            let letters = Array(text.utf8)
            guard letters.count > 3, letters[letters.count - 1] == letters[letters.count - 2],
                ![UInt8(ascii: "l"), UInt8(ascii: "s"), UInt8(ascii: "z")].contains(letters[letters.count - 1])
            else { return text }
            return String(text.dropLast())
        }
        func trimmed(_ text: String) -> String {
            text.utf8.count > 3 && text.hasSuffix("e") ? String(text.dropLast()) : text
        }
        if irregular[word] != nil { return irregular[word] ?? word }
        if let stem = cut("ies", "y") ?? cut("ied", "y") { return stem }
        if let stem = cut("ing") { return trimmed(undouble(stem)) }
        if let stem = cut("ed") { return trimmed(undouble(stem)) }
        for ending in ["sses", "shes", "ches", "xes"] where word.hasSuffix(ending) { return String(word.dropLast(2)) }
        if !word.hasSuffix("ss"), !word.hasSuffix("us"), !word.hasSuffix("is"), let stem = cut("s") {
            return trimmed(stem)
        }
        return trimmed(word)
    }

    private static let irregular: [String: String] = [
        "wrote": "writ", "written": "writ", "won": "win", "winner": "win", "winning": "win", "winners": "win",
        "cost": "cost", "costs": "cost", "people": "person", "persons": "person", "children": "child", "men": "man",
        "women": "woman", "came": "come", "bought": "buy", "sold": "sell", "made": "mak", "held": "hold", "lost": "los",
        "led": "lead", "ran": "run", "paid": "pay", "began": "begin", "begun": "begin", "left": "left", "born": "born",
        "died": "die", "death": "die", "built": "build", "sent": "send", "took": "tak", "taken": "tak", "gave": "giv",
        "given": "giv", "countries": "country", "cities": "city", "series": "series", "species": "species",
    ]

    /// The base of a comparative or superlative: "longest" is "long", "heavier" is "heavy"; nil for other words.
    static func positive(_ word: String) -> String? {
        for ending in ["est", "er"] where word.hasSuffix(ending) && word.utf8.count > ending.utf8.count + 2 {
            var base = String(word.dropLast(ending.utf8.count))
            if base.hasSuffix("i") { return String(base.dropLast()) + "y" }
            let letters = Array(base)
            if letters.count > 2, letters[letters.count - 1] == letters[letters.count - 2], letters.last != "l" {
                base.removeLast()
            }
            return base
        }
        return nil
    }

    /// Words that say nothing about which field or value is meant.
    static let function = WordList(
        """
        a an the of in on at by for to from with and or is are was were be been being do does did has have
        had it its this that these those there their they them he she his her him i we you me us my our your
        as than which what who whom whose when where why how many much not no nor but if so all any each
        every some most more least less other one only also just between before after over under into out up
        down about per during while until since then both either neither can could will would should may
        might same such very too t didn doesn isn wasn aren weren please give tell list name show find
        number total average count first last next previous top ever else anybody anyone everything get got
        among off without within whole entire altogether arent isnt wasnt werent dont didnt doesnt hasnt
        havent hadnt wont cant
        """)

    /// The words of a field's name: split at everything that is no letter or digit, and where a capital follows a small
    /// letter.
    static func nameTokens(_ name: String) -> [QuestionToken] {
        var spaced = ""
        var previous: Character = " "
        for character in name {
            if character.isUppercase, previous.isLowercase { spaced.append(" ") }
            spaced.append(character)
            previous = character
        }
        return tokens(spaced)
    }
}

/// A set of words, written as a text.
struct WordList: Sendable {
    private let words: Set<String>

    init(_ text: String) { words = Set(text.split { $0 == " " || $0 == "\n" }.map(String.init)) }

    func contains(_ word: String) -> Bool { words.contains(word) }
}
