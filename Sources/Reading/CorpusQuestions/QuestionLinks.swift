// SPDX-License-Identifier: Apache-2.0

import Text

/// What of a table a question's words may mean: fields, values, numbers and dates, each with where it stands.
struct QuestionLinks: Sendable {
    /// How a field was named.
    enum FieldMatch: Int, Sendable, Comparable {
        /// By a related word ("outlet" for source).
        case related = 1
        /// By the beginning of a word ("publisher" for published_at).
        case prefix
        /// By some words of its name.
        case part
        /// By its whole name.
        case whole

        static func < (left: FieldMatch, right: FieldMatch) -> Bool { left.rawValue < right.rawValue }
    }

    struct FieldLink: Sendable {
        var column: Int
        var span: Range<Int>
        var match: FieldMatch
    }

    /// How values were named.
    enum ValueMatch: Int, Sendable { case fuzzy, initials, part, most, whole }

    struct ValueLink: Sendable {
        var column: Int
        var span: Range<Int>
        var codes: [UInt32]
        var match: ValueMatch
        var share: Double
    }

    struct NumberLink: Sendable {
        var span: Range<Int>
        var value: Double
    }

    let tokens: [QuestionToken]
    var fields: [FieldLink] = []
    var values: [ValueLink] = []
    var numbers: [NumberLink] = []
    var dates: [DatePhrase] = []

    /// - Parameter index: the table.
    init(_ question: String, in index: TableIndex) {
        // Longer questions are read by their beginning: masks have 64 places.
        let tokens = Array(WordForms.tokens(question).prefix(62))
        self.tokens = tokens
        dates = DatePhrase.find(in: tokens)
        linkNumbers()
        linkFields(index)
        linkValues(index)
    }

    private mutating func linkNumbers() {
        var at = 0
        while at < tokens.count {
            defer { at += 1 }
            guard var value = tokens[at].number, value.isFinite else { continue }
            var end = at + 1
            if end < tokens.count, let scale = tokens[end].number, scale >= 1000,
                tokens[end].text.first?.isLetter == true
            {
                value *= scale
                end += 1
            }
            numbers.append(NumberLink(span: at..<end, value: value))
        }
    }

    private mutating func linkFields(_ index: TableIndex) {
        let stems = tokens.map(\.stem)
        for (column, profile) in index.profiles.enumerated() {
            let name = profile.nameTokens.map(\.stem)
            let content = name.filter { !WordForms.function.contains($0) }
            guard !name.isEmpty else { continue }
            var isWhole = false
            for at in tokens.indices where at + name.count <= tokens.count {
                if Array(stems[at..<(at + name.count)]) == name {
                    fields.append(FieldLink(column: column, span: at..<(at + name.count), match: .whole))
                    isWhole = true
                }
            }
            if isWhole, name.count == 1 { continue }
            for at in tokens.indices {
                let stem = stems[at]
                if content.contains(stem) {
                    if content.count == 1 && name.count == 1 { continue }
                    fields.append(
                        FieldLink(column: column, span: at..<(at + 1), match: content.count == 1 ? .whole : .part))
                } else if WordForms.function.contains(tokens[at].text), tokens[at].text != "who",
                    tokens[at].text != "when", tokens[at].text != "where"
                {
                    continue
                } else if content.contains(where: { Self.shareBeginning($0, stem) }) {
                    fields.append(FieldLink(column: column, span: at..<(at + 1), match: .prefix))
                } else {
                    let base = WordForms.positive(tokens[at].text)
                    if content.contains(where: { FieldLexicon.areRelated($0, stem) })
                        || (base.map { base in
                            content.contains { FieldLexicon.areRelated($0, base) || $0 == base }
                        } ?? false)
                    {
                        fields.append(FieldLink(column: column, span: at..<(at + 1), match: .related))
                    }
                }
            }
        }
    }

    private static func shareBeginning(_ a: String, _ b: String) -> Bool {
        let common = zip(a.utf8, b.utf8).prefix { $0 == $1 }.count
        let shorter = min(a.utf8.count, b.utf8.count)
        return common >= 5 || (common >= 4 && common == shorter && abs(a.utf8.count - b.utf8.count) <= 3)
    }

    private mutating func linkValues(_ index: TableIndex) {
        let stems = tokens.map(\.stem)
        var exactly = Set<Int>()
        // Whole values, longest first; a shorter one inside of a longer one of the same column is not meant.
        for length in stride(from: min(12, tokens.count), through: 1, by: -1) {
            for at in 0...(tokens.count - length) {
                let span = at..<(at + length)
                if length == 1, WordForms.function.contains(tokens[at].text), tokens[at].quotation == nil { continue }
                for (column, places) in Dictionary(grouping: index.exactValues(stems[span]), by: \.column) {
                    guard
                        !values.contains(where: {
                            $0.column == column && $0.match == .whole && $0.span.lowerBound <= at
                                && $0.span.upperBound >= span.upperBound
                        })
                    else { continue }
                    values.append(
                        ValueLink(
                            column: column, span: span, codes: places.map(\.code).sorted(), match: .whole, share: 1))
                    exactly.formUnion(span)
                }
            }
        }
        // Values that hold the words: runs of two and more, and single words that are no function words.
        for length in stride(from: min(5, tokens.count), through: 1, by: -1) {
            for at in 0...(tokens.count - length) {
                let span = at..<(at + length)
                let content = span.filter { !WordForms.function.contains(tokens[$0].text) }
                guard let first = content.first, let last = content.last, first == at, last == span.upperBound - 1
                else {
                    continue
                }
                if length == 1, tokens[at].text.utf8.count < 3, !tokens[at].isCapitalised { continue }
                for (column, codes, share) in index.partialValues(content.map { stems[$0] }) {
                    let isInside = values.contains {
                        $0.column == column && $0.span.lowerBound <= at && $0.span.upperBound >= span.upperBound
                            && ($0.match == .whole || $0.codes == codes)
                    }
                    if isInside { continue }
                    // A word that half of all values hold says little about which is meant.
                    if codes.count > 3, codes.count * 2 > index.table.columns[column].texts.count { continue }
                    values.append(
                        ValueLink(
                            column: column, span: span, codes: codes, match: share >= 0.6 ? .most : .part, share: share)
                    )
                }
            }
        }
        linkDemonyms(index, exactly)
        linkUnknownWords(index, exactly)
        values.sort { a, b in
            if a.quality != b.quality { return a.quality > b.quality }
            if a.span.lowerBound != b.span.lowerBound { return a.span.lowerBound < b.span.lowerBound }
            return a.column < b.column
        }
    }

    /// "Spanish" for the value Spain, where no value is called Spanish.
    private mutating func linkDemonyms(_ index: TableIndex, _ exactly: Set<Int>) {
        for at in tokens.indices where !exactly.contains(at) {
            var codes: [Int: Set<UInt32>] = [:]
            for country in Demonyms.countries(tokens[at].text) {
                let stems = WordForms.tokens(country).map(\.stem)
                for place in index.exactValues(stems[...]) { codes[place.column, default: []].insert(place.code) }
            }
            for (column, codes) in codes.sorted(by: { $0.key < $1.key }) {
                values.append(
                    ValueLink(column: column, span: at..<(at + 1), codes: codes.sorted(), match: .most, share: 1))
            }
        }
    }

    private mutating func linkUnknownWords(_ index: TableIndex, _ exactly: Set<Int>) {
        for at in tokens.indices where !exactly.contains(at) {
            let token = tokens[at]
            if token.isCapitalised, (2...5).contains(token.text.count), token.text.allSatisfy(\.isLetter) {
                for (column, places) in Dictionary(grouping: index.values(withInitials: token.text), by: \.column) {
                    values.append(
                        ValueLink(
                            column: column, span: at..<(at + 1), codes: places.map(\.code).sorted(), match: .initials,
                            share: 1))
                }
            }
            guard !WordForms.function.contains(token.text), !fields.contains(where: { $0.span.contains(at) }),
                !values.contains(where: { $0.span.contains(at) }), let word = index.nearestWord(token.stem)
            else { continue }
            for (column, codes, share) in index.partialValues([word]) {
                values.append(
                    ValueLink(column: column, span: at..<(at + 1), codes: codes, match: .fuzzy, share: share))
            }
        }
    }

    /// The best link of a column, and the nearest of the best to a place.
    func field(_ column: Int, near place: Int? = nil) -> FieldLink? {
        var best: FieldLink?
        for link in fields where link.column == column {
            guard let current = best else {
                best = link
                continue
            }
            if link.match > current.match {
                best = link
            } else if link.match == current.match, let place,
                abs(link.span.lowerBound - place) < abs(current.span.lowerBound - place)
            {
                best = link
            }
        }
        return best
    }
}

extension QuestionLinks.ValueLink {
    /// How much it says: whole values before parts, longer before shorter.
    var quality: Double {
        let base: Double
        switch match {
        case .whole: base = 2
        case .most: base = 1.2
        case .part: base = 0.5 + 0.4 * share
        case .initials: base = 0.9
        case .fuzzy: base = 0.6
        }
        return base + 0.35 * Double(span.count - 1)
    }
}

extension Range<Int> {
    /// A bit for each place.
    var mask: UInt64 { reduce(0) { $1 < 64 ? $0 | (1 << UInt64($1)) : $0 } }
}
