// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A question that holds two things against each other by a number: "Which has more beds, Ward 9 or Ward 4?", "Is the Tern
/// heavier than the Skua?". Each side has a question of its own, whose answers are numbers. English only.
public struct ComparedQuantities: Sendable, Hashable {
    /// The two things, as the question writes them.
    public let options: [String]
    /// The question for the number of each.
    public let questions: [String]
    /// Whether the one with the larger number is asked for.
    public let wantsMore: Bool
    /// Whether it asks if the first is above the second.
    public let isYesNo: Bool
    /// Words of which a sentence must have one for its number to be of this measure: how long a thing is says nothing of how tall
    /// it is. Empty where any number may be.
    public let measureWords: Set<String>
    /// The number that the first thing is held against where there is no second: "Has the list more than 20 names?".
    public let threshold: Double?

    /// Comparatives with the question for one side, and whether they ask for the larger number. Age is left to years.
    private static let comparatives: [String: (ask: String, more: Bool)] = [
        "bigger": ("How big is", true), "larger": ("How large is", true), "smaller": ("How large is", false),
        "longer": ("How long is", true), "shorter": ("How long is", false), "taller": ("How tall is", true),
        "higher": ("How high is", true), "lower": ("How high is", false), "heavier": ("How heavy is", true),
        "lighter": ("How heavy is", false), "dearer": ("How much does it cost:", true),
        "costlier": ("How much does it cost:", true), "pricier": ("How much does it cost:", true),
        "cheaper": ("How much does it cost:", false), "faster": ("How fast is", true), "quicker": ("How fast is", true),
        "slower": ("How fast is", false), "deeper": ("How deep is", true), "wider": ("How wide is", true),
        "broader": ("How wide is", true), "narrower": ("How wide is", false), "thicker": ("How thick is", true),
        "thinner": ("How thick is", false), "stronger": ("How strong is", true), "weaker": ("How strong is", false),
        "hotter": ("How hot is", true), "warmer": ("How warm is", true), "colder": ("How warm is", false),
        "farther": ("How far is", true), "further": ("How far is", true), "nearer": ("How far is", false),
        "closer": ("How far is", false),
    ]
    private static let adjectives: [String: String] = [
        "expensive": "How much does it cost:", "costly": "How much does it cost:", "powerful": "How powerful is",
        "populous": "How many people live in",
    ]
    private static let superlatives: [String: String] = [
        "biggest": "bigger", "largest": "larger", "smallest": "smaller", "longest": "longer", "shortest": "shorter",
        "tallest": "taller", "highest": "higher", "lowest": "lower", "heaviest": "heavier", "lightest": "lighter",
        "dearest": "dearer", "cheapest": "cheaper", "fastest": "faster", "slowest": "slower", "deepest": "deeper",
        "widest": "wider", "strongest": "stronger", "hottest": "hotter", "coldest": "colder",
    ]
    private static let words: [String: Set<String>] = [
        "How long is": [
            "long", "length", "lasts", "last", "lasted", "takes", "take", "took", "duration", "runs", "hours",
            "minutes",
        ],
        "How tall is": ["tall", "height", "high", "rises", "stands"],
        "How heavy is": ["heavy", "weighs", "weigh", "weighed", "weight", "mass", "kg", "tonnes", "tons", "pounds"],
        "How deep is": ["deep", "depth"], "How wide is": ["wide", "width", "broad", "across", "beam", "diameter"],
        "How thick is": ["thick", "thickness"],
        "How fast is": ["fast", "speed", "kmh", "mph", "knots", "hour", "seconds"],
    ]
    private static let light: Set<String> = [
        "who", "which", "what", "whose", "of", "the", "two", "is", "are", "was", "were", "do", "does", "did", "has",
        "have",
        "had", "there", "one", "will", "would",
    ]
    private static let openings: Set<String> = ["is", "are", "was", "were", "does", "do", "did", "has", "have", "had"]

    /// Takes a question apart; nil where it compares no two numbers.
    public init?(_ question: String) {
        let words = question.split(whereSeparator: \.isWhitespace).map(String.init)
        let plain = words.map { $0.lowercased().filter { $0.isLetter || $0.isNumber || "'’-".contains($0) } }
        guard words.count > 4, words.count <= 40 else { return nil }
        func clean(_ words: some Sequence<String>) -> String {
            words.joined(separator: " ").trimmingCharacters(in: CharacterSet(charactersIn: "?.,;: "))
        }
        // The measure: "more beds", "bigger", "more expensive".
        guard let (measure, ask, more) = Self.measure(plain) else { return nil }
        measureWords = Self.words[ask] ?? []
        var (sides, rest): ([String], [Int]) = ([], [])
        if let than = plain.lastIndex(of: "than"), let first = plain.first, Self.openings.contains(first),
            than > measure.lowerBound,
            !plain.contains("or")
        {
            // "Is the Tern heavier than the Skua?", "Does Ward 4 have more beds than Ward 9?"
            guard than + 1 < words.count else { return nil }
            var end = measure.lowerBound
            if end > 1, ["have", "has", "had", "cost", "get", "gets", "got"].contains(plain[end - 1]) { end -= 1 }
            guard end > 1 else { return nil }
            if let number = Self.number(words[than + 1]) {
                // "more than 20 names": the noun behind the number is what is counted.
                let counted = clean(words[(than + 2)...])
                let subject = clean(words[1..<end])
                let isPlain = ["more", "less", "fewer"].contains(plain[measure.lowerBound])
                options = [subject]
                questions = [isPlain ? "How many \(counted) has \(subject)?" : "\(ask) \(subject)?"]
                (wantsMore, isYesNo, threshold) = (more, true, number)
                return
            }
            sides = [clean(words[1..<end]), clean(words[(than + 1)...])]
            rest = Array(end..<than).filter { !measure.contains($0) }
            isYesNo = true
        } else {
            guard let joint = plain.lastIndex(of: "or"), joint + 1 < words.count, joint > measure.lowerBound else {
                return nil
            }
            let right = Array(words[(joint + 1)...])
            // The left side begins behind a comma, at the preposition that the right one has too, or with as many words.
            var start: Int
            if let comma = (measure.upperBound - 1..<joint).last(where: {
                words[$0].last.map { ",:;".contains($0) } ?? false
            }) {
                start = comma + 1
            } else if let preposition = plain[(joint + 1)...].first,
                ["in", "on", "at", "for", "with", "by"].contains(preposition),
                let same = plain[..<joint].lastIndex(of: preposition), same >= measure.upperBound
            {
                start = same
            } else {
                start = max(measure.upperBound, joint - right.count)
            }
            if start < joint, plain[start] == "between" { start += 1 }
            guard start < joint else { return nil }
            sides = [clean(words[start..<joint]), clean(right)]
            rest = Array(0..<start).filter { !measure.contains($0) }
            isYesNo = false
        }
        let trimmed = sides.map { side in
            ["in the ", "in ", "on the ", "on ", "at the ", "at ", "for ", "by "].first {
                side.lowercased().hasPrefix($0)
            }
            .map { String(side.dropFirst($0.count)) } ?? side
        }
        guard trimmed.allSatisfy({ !$0.isEmpty }), trimmed[0].lowercased() != trimmed[1].lowercased() else {
            return nil
        }
        options = trimmed
        threshold = nil
        wantsMore = more
        let said = clean(rest.filter { !Self.light.contains(plain[$0]) }.map { words[$0] })
        questions = sides.map { [ask, said, $0].filter { !$0.isEmpty }.joined(separator: " ") + "?" }
    }

    /// The words that say what is compared, the question for one side, and whether more is wanted.
    private static func measure(_ plain: [String]) -> (Range<Int>, String, Bool)? {
        for (place, word) in plain.enumerated() {
            if let found = comparatives[superlatives[word] ?? word] {
                return (place..<(place + 1), found.ask, found.more)
            }
            guard ["more", "fewer", "less", "most", "fewest", "least"].contains(word), place + 1 < plain.count else {
                continue
            }
            let more = word == "more" || word == "most"
            let next = plain[place + 1]
            if let ask = adjectives[next] { return (place..<(place + 2), ask, more) }
            if next == "than" { return (place..<(place + 1), "How much", more) }
            if ["on", "in", "for", "often"].contains(next) {
                return next == "often" ? nil : (place..<(place + 1), "How much", more)
            }
            // "more than", "more recent": an adjective that is not known compares no numbers here.
            guard !["recent", "recently", "likely", "important", "of", "about"].contains(next), !next.hasSuffix("ly")
            else {
                return nil
            }
            return (place..<(place + 2), "How many \(next)", more)
        }
        return nil
    }

    /// A number in digits, with the signs that group thousands and a currency before it; a comma before other than three digits
    /// begins the decimals: "1,250" is 1250, "12,50" is 12.5.
    public static func number(_ word: String) -> Double? {
        var digits = word.trimmingCharacters(in: CharacterSet(charactersIn: "?.,;:€$£¥%()"))
        guard digits.first?.isNumber == true || digits.first == "-" else { return nil }
        if let comma = digits.lastIndex(of: ","), digits[comma...].count != 4, !digits[comma...].contains(".") {
            digits = digits[..<comma].filter { $0 != "." && $0 != "," } + "." + digits[digits.index(after: comma)...]
        }
        return Double(digits.replacing(",", with: "")).flatMap { $0.isFinite ? $0 : nil }
    }
}
