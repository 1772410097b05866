// SPDX-License-Identifier: Apache-2.0

import Base
import Reading
import Text

/// A span of a passage that could be a short answer.
struct AnswerCandidate: Sendable, Hashable {
    /// What the span looks like.
    enum Kind: Int, Sendable, CaseIterable { case name, quoted, date, year, number, phrase, word }

    /// The words of the passage's text.
    var words: Range<Int>
    var kind: Kind

    private static let months = Set(CalendarCycle.months.names)
    static let numerals: Set<String> = [
        "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty",
        "thirty", "forty", "fifty", "hundred", "thousand", "million", "billion",
    ]

    /// The most words of an answer.
    private static let longest = 12

    /// Returns every span of a text that could be an answer: names, titles in quotation marks, dates, years and ranges of
    /// them, numbers with what they count, and phrases between function words.
    static func all(in text: ReaderText) -> [AnswerCandidate] {
        var found: [AnswerCandidate] = []
        var seen = Set<Range<Int>>()
        func add(_ range: Range<Int>, _ kind: Kind) {
            let range = whole(range, in: text)
            guard !range.isEmpty, range.count <= longest, seen.insert(range).inserted else { return }
            found.append(AnswerCandidate(words: range, kind: kind))
        }
        addDates(text, add)
        addNames(text, add)
        addPhrases(text, add)
        return found
    }

    /// A range that does not cut a time or a number in two: "22:00", "12,50", "1.250,00", "3/4".
    private static func whole(_ range: Range<Int>, in text: ReaderText) -> Range<Int> {
        guard !range.isEmpty else { return range }
        var (start, end) = (range.lowerBound, range.upperBound)
        while start > 0, isOneNumber(text, start - 1) { start -= 1 }
        while end < text.words.count, isOneNumber(text, end - 1) { end += 1 }
        return start..<end
    }

    /// Whether a word and the next are parts of one time or number.
    private static func isOneNumber(_ text: ReaderText, _ index: Int) -> Bool {
        let (left, right) = (text.words[index], text.words[index + 1])
        guard left.hasDigit, right.hasDigit, right.utf8.lowerBound == left.utf8.upperBound + 1 else { return false }
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return [UInt8(ascii: ":"), UInt8(ascii: ","), UInt8(ascii: "."), UInt8(ascii: "/")].contains(
            text.bytes[left.utf8.upperBound])
            && digits.contains(text.bytes[right.utf8.lowerBound])
    }

    static func isYear(_ word: ReaderText.Word) -> Bool {
        word.utf8.count == 4 && Int(word.lower).map { (1000...2100).contains($0) } == true
    }

    /// Whether a year is the beginning of a date as computers write it: `2024-04-21`.
    static func isWholeDate(_ words: [ReaderText.Word], from index: Int) -> Bool {
        guard index + 2 < words.count, isYear(words[index]) else { return false }
        return words[(index + 1)...(index + 2)].allSatisfy {
            $0.followsDirectly && $0.utf8.count == 2 && Int($0.lower) != nil
        }
    }

    private static func addDates(_ text: ReaderText, _ add: (Range<Int>, Kind) -> Void) {
        let words = text.words
        func isDay(_ index: Int) -> Bool {
            words.indices.contains(index) && words[index].utf8.count <= 2
                && Int(words[index].lower).map { (1...31).contains($0) } == true
        }
        for (index, word) in words.enumerated() {
            if months.contains(word.lower), word.isCapitalised {
                let start = isDay(index - 1) ? index - 1 : index
                var end = index + 1
                if start == index, isDay(end) { end += 1 }
                let hasYear = words.indices.contains(end) && isYear(words[end])
                if hasYear { add(start..<(end + 1), .date) }
                if start < index || end > index + 1 || hasYear { add(start..<end, .date) }
            } else if isYear(word) {
                add(index..<(index + 1), .year)
                if isWholeDate(words, from: index) { add(index..<(index + 3), .date) }
                // A range of years, alone and with the word before it: "1986 to 2013", "from 1986 to 2013".
                let last = index + 1 < words.count && isYear(words[index + 1]) ? index + 1 : index + 2
                if last < words.count, isYear(words[last]),
                    last == index + 1 || ["to", "until", "and", "through"].contains(words[index + 1].lower)
                {
                    add(index..<(last + 1), .date)
                    if index > 0, ["from", "between"].contains(words[index - 1].lower) {
                        add((index - 1)..<(last + 1), .date)
                    }
                }
            } else if word.hasDigit || numerals.contains(word.lower) {
                add(index..<(index + 1), .number)
                var end = index + 1
                while end < words.count, end < index + 3, words[end].followsDirectly, words[end].isContent {
                    end += 1
                    add(index..<end, .number)
                }
            }
        }
    }

    private static func addNames(_ text: ReaderText, _ add: (Range<Int>, Kind) -> Void) {
        var before: Range<Int>?
        for name in NameSpotter().names(in: text.text) {
            guard let range = text.words(in: name.utf8) else { continue }
            add(range, name.kind == .quoted ? .quoted : .name)
            if range.count > 1, text.words[range.lowerBound].lower == "the" {
                add((range.lowerBound + 1)..<range.upperBound, .name)
            }
            // A place within a place: "Dirleton, East Lothian".
            if let before, before.upperBound == range.lowerBound,
                text.bytes[
                    text.words[before.upperBound - 1].utf8.upperBound..<text.words[range.lowerBound].utf8.lowerBound
                ]
                .elementsEqual([0x2C, 0x20])
            {
                add(before.lowerBound..<range.upperBound, .name)
            }
            // What a longer name is made of: "Duke of York" holds "York", "London and Paris" both.
            var start = range.lowerBound
            for index in range where text.words[index].isContent == false || index == range.upperBound - 1 {
                let end = text.words[index].isContent ? index + 1 : index
                if start < end, start..<end != range { add(start..<end, .name) }
                start = index + 1
            }
            before = range
        }
    }

    private static func addPhrases(_ text: ReaderText, _ add: (Range<Int>, Kind) -> Void) {
        let words = text.words
        var runs: [Range<Int>] = []
        var start = 0
        while start < words.count {
            guard words[start].isContent else {
                start += 1
                continue
            }
            var end = start + 1
            while end < words.count, words[end].isContent, words[end].followsDirectly { end += 1 }
            runs.append(start..<end)
            start = end
        }
        for (index, run) in runs.enumerated() {
            if run.count <= 6 { add(run, run.count == 1 ? .word : .phrase) }
            for count in 1...3 where count < run.count {
                add((run.upperBound - count)..<run.upperBound, count == 1 ? .word : .phrase)
                add(run.lowerBound..<(run.lowerBound + count), count == 1 ? .word : .phrase)
            }
            // "president of the company", "rock and roll"
            guard index + 1 < runs.count, runs[index + 1].upperBound - run.lowerBound <= 7 else { continue }
            let between = run.upperBound..<runs[index + 1].lowerBound
            if (1...2).contains(between.count), ["of", "and"].contains(words[between.lowerBound].lower),
                between.allSatisfy({ words[$0].followsDirectly }), words[between.upperBound].followsDirectly
            {
                add(run.lowerBound..<runs[index + 1].upperBound, .phrase)
            }
        }
    }
}
