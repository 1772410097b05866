// SPDX-License-Identifier: Apache-2.0

import Text

/// What a question's words are linked against: the names and values of a table, indexed by their words. Made once a table.
package struct TableIndex: Sendable {
    /// What a column is like, in terms that hold for any table.
    struct Profile: Sendable {
        var nameTokens: [QuestionToken]
        /// Distinct values by rows with a value.
        var distinctShare: Double
        var filledRows: Int
        /// Texts that look like people's names: two to four capitalised words without digits.
        var looksLikePeople: Bool
        /// Addresses, hashes, paths: nothing that people say.
        var isOpaque: Bool
        var meanWords: Double
        /// Every row its own value: what rows are called.
        var isKey: Bool
        /// Few values that recur: what rows are grouped by.
        var isCategory: Bool
    }

    struct Place: Sendable, Hashable {
        var column: Int
        var code: UInt32
    }

    package let table: DocumentTable
    let profiles: [Profile]
    /// Values by all of their words.
    private let exact: [String: [Place]]
    /// Values by one of their words.
    private let postings: [String: [Place]]
    /// Words in each value: `wordCounts[column][code - 1]`.
    private let wordCounts: [[UInt8]]
    /// Words of recurring values, for misspellings, by length.
    private let vocabulary: [Int: [String]]
    /// Values by the initials of their words.
    private let initials: [String: [Place]]
    /// The years that occur in each date column, ascending.
    let years: [[Int]]

    package init(_ table: DocumentTable) {
        self.table = table
        var exact: [String: [Place]] = [:]
        var postings: [String: [Place]] = [:]
        var initials: [String: [Place]] = [:]
        var profiles: [Profile] = []
        var wordCounts: [[UInt8]] = []
        var vocabulary: Set<String> = []
        var years: [[Int]] = []
        for (index, column) in table.columns.enumerated() {
            var tokens = column.texts.map { text in text.utf8.count <= 400 ? WordForms.tokens(text) : [] }
            var profile = Self.profile(column, tokens)
            if profile.isOpaque { tokens = tokens.map { _ in [] } }
            wordCounts.append(tokens.map { UInt8(min(255, $0.count)) })
            let isDate = column.kind == .date
            years.append(
                isDate ? Set(column.numbers.filter { !$0.isNaN }.map(DatePhrase.year(ofSeconds:))).sorted() : [])
            profile.nameTokens = WordForms.nameTokens(column.name)
            profiles.append(profile)
            // Dates are found by what they mean, long texts by search.
            guard !isDate, column.kind != .boolean, profile.meanWords <= 40 else { continue }
            for (offset, words) in tokens.enumerated() where !words.isEmpty {
                let place = Place(column: index, code: UInt32(offset + 1))
                exact[words.map(\.stem).joined(separator: " "), default: []].append(place)
                guard column.kind == .text else { continue }
                for stem in Set(words.map(\.stem)) where !WordForms.function.contains(stem) {
                    postings[stem, default: []].append(place)
                    if profile.isCategory || table.rowCount <= 200, stem.utf8.count >= 5 { vocabulary.insert(stem) }
                }
                if (2...6).contains(words.count) {
                    let letters = words.compactMap { $0.text.first }.filter(\.isLetter)
                    initials[String(letters), default: []].append(place)
                }
            }
        }
        self.exact = exact
        self.postings = postings
        self.initials = initials
        self.profiles = profiles
        self.wordCounts = wordCounts
        self.vocabulary = Dictionary(grouping: vocabulary.sorted(), by: \.utf8.count)
        self.years = years
    }

    private static func profile(_ column: DocumentTable.Column, _ tokens: [[QuestionToken]]) -> Profile {
        let filled = column.codes.reduce(0) { $0 + ($1 == 0 ? 0 : 1) }
        let count = column.texts.count
        var people = 0
        var opaque = 0
        var words = 0
        let sample = max(1, count / 400)
        var looked = 0
        for index in stride(from: 0, to: count, by: sample) {
            looked += 1
            words += tokens[index].count
            let text = column.texts[index]
            if (2...4).contains(tokens[index].count), !text.contains(where: \.isNumber),
                tokens[index].allSatisfy({ $0.isCapitalised || $0.text.count <= 2 })
            {
                people += 1
            }
            let hasDigits = text.contains(where: \.isNumber)
            if text.contains("://") || text.contains("@")
                || (!text.contains(" ") && text.count >= 16 && (hasDigits || text.contains("/")))
            {
                opaque += 1
            }
        }
        let share = filled == 0 ? 0 : Double(count) / Double(filled)
        return Profile(
            nameTokens: [], distinctShare: share, filledRows: filled,
            looksLikePeople: column.kind == .text && looked > 0 && people * 10 >= looked * 6,
            isOpaque: column.kind == .text && looked > 0 && opaque * 2 > looked,
            meanWords: looked == 0 ? 0 : Double(words) / Double(looked),
            isKey: column.isTitle || (column.kind == .text && share > 0.9 && filled * 10 >= column.codes.count * 9),
            isCategory: column.kind == .text && (share <= 0.7 || count <= 8) && count <= 5000)
    }

    // MARK: Links

    /// Values whose words are exactly these.
    func exactValues(_ stems: ArraySlice<String>) -> [Place] { exact[stems.joined(separator: " ")] ?? [] }

    /// Values that hold all of these words, by column, with the largest share of a value's words that they are.
    func partialValues(_ stems: some Collection<String>) -> [(column: Int, codes: [UInt32], share: Double)] {
        guard let first = stems.first, var places = postings[first] else { return [] }
        for stem in stems.dropFirst() {
            guard let others = postings[stem] else { return [] }
            let set = Set(others)
            places = places.filter { set.contains($0) }
        }
        var found: [(column: Int, codes: [UInt32], share: Double)] = []
        for (column, places) in Dictionary(grouping: places, by: \.column).sorted(by: { $0.key < $1.key }) {
            let codes = places.map(\.code).sorted()
            let fewest = codes.map { Int(wordCounts[column][Int($0) - 1]) }.min() ?? 1
            found.append((column, codes, Double(stems.count) / Double(max(1, fewest))))
        }
        return found
    }

    func values(withInitials letters: String) -> [Place] { initials[letters] ?? [] }

    /// A word of the values that differs by a letter or two.
    func nearestWord(_ stem: String) -> String? {
        guard stem.utf8.count >= 5, postings[stem] == nil else { return nil }
        let most = stem.utf8.count >= 8 ? 2 : 1
        var best: (word: String, distance: Int)?
        for length in (stem.utf8.count - most)...(stem.utf8.count + most) {
            for word in vocabulary[length] ?? [] {
                if let distance = EditDistance.within(most, stem, word), distance < (best?.distance ?? .max) {
                    best = (word, distance)
                }
            }
        }
        return best?.word
    }
}

/// The number of letters to change, with a bound.
enum EditDistance {
    /// The Levenshtein distance of two words when it is at most `bound`.
    static func within(_ bound: Int, _ a: String, _ b: String) -> Int? {
        let a = Array(a.utf8)
        let b = Array(b.utf8)
        guard abs(a.count - b.count) <= bound, a.first == b.first || bound > 1 else { return nil }
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            var least = row[0]
            for j in 0..<b.count {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
                least = min(least, row[j + 1])
            }
            if least > bound { return nil }
        }
        return row[b.count] <= bound ? row[b.count] : nil
    }
}
