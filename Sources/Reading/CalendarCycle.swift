// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What comes round again under its own name: the days of a week, the months of a year.
public enum CalendarCycle: Sendable, Hashable, CaseIterable {
    case weekdays, months

    /// The English names in their order, in lower case.
    public var names: [String] {
        switch self {
        case .weekdays: ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        case .months:
            [
                "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
                "november", "december",
            ]
        }
    }

    /// The place in the cycle, from 0 (Monday, January), that a word in lower case names: in full, in the plural, or as a
    /// stemmer leaves it.
    public func place(of word: String) -> Int? {
        names.firstIndex { name in
            name == word || name + "s" == word || (word.count >= 5 && name.hasPrefix(word))
                || (word.hasSuffix("i") && name.hasSuffix("y") && name.dropLast() + "i" == word)
        }
    }

    /// The places that a text speaks of: single ones, spans ("Monday to Friday", "Tue–Sat", "1 June until 30 September",
    /// round the turn of the year), "daily", "weekdays", "weekends"; less those behind "except".
    public func places(in text: String) -> Set<Int> {
        let tokens = Self.tokens(text)
        var (found, excepted): (Set<Int>, Set<Int>) = ([], [])
        var isExcepted = false
        var index = 0
        while index < tokens.count {
            let word = tokens[index].lowercased()
            if ["except", "excluding", "but", "unless"].contains(word) { isExcepted = true }
            var places: Set<Int> = []
            if let first = name(tokens[index]) {
                places = [first]
                if let (last, end) = spanEnd(tokens, from: index) {
                    places = span(first, last)
                    index = end
                }
            } else if self == .weekdays {
                places = Self.days(word, before: index > 0 ? tokens[index - 1].lowercased() : "")
            } else if word == "year", index > 0, ["all", "whole", "every"].contains(tokens[index - 1].lowercased()) {
                places = Set(0..<12)
            }
            if isExcepted { excepted.formUnion(places) } else { found.formUnion(places) }
            index += 1
        }
        return found.subtracting(excepted)
    }

    /// Words, numbers, and the dashes between them.
    private static func tokens(_ text: String) -> [String] {
        var tokens: [String] = []
        var word = ""
        func end() {
            if !word.isEmpty { tokens.append(word) }
            word = ""
        }
        for character in text {
            if character.isLetter || character.isNumber {
                word.append(character)
            } else {
                end()
                if "-–—".contains(character) { tokens.append("-") }
            }
        }
        end()
        return tokens
    }

    /// A word as a name. What is cut short, and the months that are other words as well, need their capital.
    private func name(_ token: String) -> Int? {
        let word = token.lowercased()
        let isCapital = token.first?.isUppercase == true
        if let place = place(of: word) {
            return isCapital || !["may", "march", "august"].contains(word) ? place : nil
        }
        guard isCapital, (3...5).contains(word.count), word != "mars", word != "marc", word != "sunn" else {
            return nil
        }
        return names.firstIndex { $0.hasPrefix(word) }
    }

    /// Where the span that begins with a name ends, and the place of its last token.
    private func spanEnd(_ tokens: [String], from index: Int) -> (place: Int, end: Int)? {
        func skipsNumbers(_ start: Int) -> Int {
            var place = start
            while place < tokens.count, tokens[place].first?.isNumber == true || ["the", "of"].contains(tokens[place]) {
                place += 1
            }
            return place
        }
        let middle = skipsNumbers(index + 1)
        guard middle < tokens.count,
            ["to", "till", "until", "through", "thru", "-"].contains(tokens[middle].lowercased())
        else { return nil }
        let last = skipsNumbers(middle + 1)
        guard last < tokens.count, let place = name(tokens[last]) else { return nil }
        return (place, last)
    }

    private func span(_ first: Int, _ last: Int) -> Set<Int> {
        var places: Set<Int> = [last]
        var place = first
        while place != last {
            places.insert(place)
            place = (place + 1) % names.count
        }
        return places
    }

    private static func days(_ word: String, before: String) -> Set<Int> {
        switch word {
        case "daily", "everyday": Set(0...6)
        case "day" where ["every", "each"].contains(before), "days" where ["seven", "7", "all"].contains(before):
            Set(0...6)
        case "weekday", "weekdays", "workdays": Set(0...4)
        case "weekend", "weekends": [5, 6]
        default: []
        }
    }
}
