// SPDX-License-Identifier: Apache-2.0

/// A clause of a filter that a question's words may mean.
struct ClauseCandidate: Sendable, Hashable {
    /// What it was made from.
    enum Kind: Int, Sendable, CaseIterable {
        case wholeValue, mostValue, partValue, initials, fuzzy, equalNumber, comparedNumber, numberRange, date,
            comparedDate,
            dateRange, boolean, missing, mention, alternatives
    }

    var conditions: [ProgramCondition]
    var kind: Kind
    /// The words that it explains, a bit each.
    var mask: UInt64
    var span: Range<Int>
    var quality: Double
    var isNegated = false
    /// Whether the field was named beside the value.
    var namesField = false
}

/// Finds the clauses of a question: values, comparisons, dates, negations and alternatives.
struct ConditionFinder {
    let links: QuestionLinks
    let index: TableIndex
    let mentions: Set<String>

    var tokens: [QuestionToken] { links.tokens }
    var columns: [DocumentTable.Column] { index.table.columns }

    func word(_ at: Int) -> String { tokens.indices.contains(at) ? tokens[at].text : "" }

    /// The clauses, best first, at most `limit`.
    func clauses(limit: Int = 24) -> [ClauseCandidate] {
        var found: [ClauseCandidate] = []
        for link in links.values { found += valueClauses(link) }
        for number in links.numbers { found += numberClauses(number) }
        found += numberRanges() + decades()
        found += dateClauses()
        found += booleanClauses() + missingClauses() + mentionClauses()
        found = found.map(nearField)
        found.sort(by: Self.isBetter)
        var kept = Array(found.prefix(limit))
        kept += alternatives(kept)
        kept.sort(by: Self.isBetter)
        return Array(kept.prefix(limit))
    }

    private static func isBetter(_ a: ClauseCandidate, _ b: ClauseCandidate) -> Bool {
        if a.quality != b.quality { return a.quality > b.quality }
        if a.span.lowerBound != b.span.lowerBound { return a.span.lowerBound < b.span.lowerBound }
        if a.kind != b.kind { return a.kind.rawValue < b.kind.rawValue }
        if let x = a.conditions.first, let y = b.conditions.first, x.column != y.column { return x.column < y.column }
        return "\(a.conditions)" < "\(b.conditions)"
    }

    /// A condition whose field stands beside it is meant rather than another.
    private func nearField(_ clause: ClauseCandidate) -> ClauseCandidate {
        guard clause.kind != .mention, let column = clause.conditions.first?.column else { return clause }
        var clause = clause
        for link in links.fields where link.column == column && link.match >= .part {
            let gap = max(link.span.lowerBound - clause.span.upperBound, clause.span.lowerBound - link.span.upperBound)
            if gap <= 4 {
                clause.namesField = true
                clause.mask |= link.span.mask
                clause.quality += link.match == .whole ? 0.8 : 0.4
                break
            }
        }
        return clause
    }

    // MARK: Negation

    private static let negations = WordList(
        """
        not no without except excluding besides non never neither nor didn doesn don isn wasn aren weren
        hasn haven cannot minus outside excluded nobody none arent isnt wasnt werent dont didnt doesnt hasnt
        havent hadnt wont cant neither unlike
        """)

    /// The place of a negation before a span, near enough to bear on it.
    private func negation(before span: Range<Int>) -> Int? {
        var at = span.lowerBound - 1
        var steps = 0
        while at >= 0, steps < 6 {
            let text = word(at)
            // "Isn't there any …?" asks whether there is one.
            let opens = at == 0 && QuestionCues.auxiliaries.contains(text)
            if Self.negations.contains(text), !opens { return at }
            if text == "than", word(at - 1) == "other" || word(at - 1) == "rather" { return at - 1 }
            if text == "from", word(at - 1) == "apart" || word(at - 1) == "aside" { return at - 1 }
            if tokens[at].followsComma && steps > 3 { return nil }
            at -= 1
            steps += 1
        }
        return nil
    }

    /// The clause, and where a negation stands before it its opposite.
    func bothWays(_ clause: ClauseCandidate) -> [ClauseCandidate] {
        guard let place = negation(before: clause.span), clause.conditions.count == 1 else { return [clause] }
        var opposite = clause
        opposite.conditions[0].isNegated.toggle()
        opposite.isNegated = true
        opposite.mask |= (place..<(place + 1)).mask
        opposite.quality += 0.3
        return [clause, opposite]
    }

    // MARK: Values

    private func valueClauses(_ link: QuestionLinks.ValueLink) -> [ClauseCandidate] {
        let column = columns[link.column]
        // Values of numbers and booleans are found as numbers; years of dates as dates.
        guard column.kind == .text else { return [] }
        let kind: ClauseCandidate.Kind
        switch link.match {
        case .whole: kind = .wholeValue
        case .most: kind = .mostValue
        case .part: kind = .partValue
        case .initials: kind = .initials
        case .fuzzy: kind = .fuzzy
        }
        var quality = link.quality
        if tokens[link.span.lowerBound].quotation != nil { quality += 1 }
        return bothWays(
            ClauseCandidate(
                conditions: [ProgramCondition(column: link.column, test: .isIn(link.codes))], kind: kind,
                mask: link.span.mask, span: link.span, quality: quality))
    }

    // MARK: Numbers

    private static let more = WordList("more greater higher larger bigger longer later older taller over")
    private static let less = WordList("less fewer lower smaller shorter earlier younger cheaper")

    /// The comparison that the words around a number say, and the words themselves.
    func comparison(around span: Range<Int>) -> (CorpusProgram.Comparison, UInt64)? {
        // "after the year 2000"
        var start = span.lowerBound
        while start > 0, start > span.lowerBound - 2, ["year", "the"].contains(word(start - 1)) { start -= 1 }
        let before = [word(start - 3), word(start - 2), word(start - 1)]
        func mask(_ count: Int) -> UInt64 { (max(0, start - count)..<span.lowerBound).mask }
        if before[2] == "than" {
            if before[0] == "no" || before[0] == "not" {
                if Self.more.contains(before[1]) { return (.lessOrEqual, mask(3)) }
                if Self.less.contains(before[1]) { return (.greaterOrEqual, mask(3)) }
            }
            if Self.more.contains(before[1]) { return (.greater, mask(2)) }
            if Self.less.contains(before[1]) { return (.less, mask(2)) }
            if before[1].hasSuffix("er") { return (.greater, mask(2)) }
        }
        if before[1] == "at", before[2] == "least" { return (.greaterOrEqual, mask(2)) }
        if before[1] == "at", before[2] == "most" { return (.lessOrEqual, mask(2)) }
        if before[1] == "up", before[2] == "to" { return (.lessOrEqual, mask(2)) }
        switch before[2] {
        case "over", "above", "exceeding", "exceeds", "beyond", "after", "past", "exceed", "exceeded", "topping":
            return (.greater, mask(1))
        case "under", "below", "before", "beneath": return (.less, mask(1))
        case "since", "from", "minimum": return (.greaterOrEqual, mask(1))
        case "until", "till", "by", "through", "maximum": return (.lessOrEqual, mask(1))
        case "exactly": return (.equal, mask(1))
        default: break
        }
        let end = span.upperBound
        // "20 points or more"
        for at in end...(end + 2) where word(at) == "or" || word(at) == "and" {
            let words = (at..<(at + 2)).mask
            switch word(at + 1) {
            case "more", "higher", "above", "over", "greater", "later", "up", "longer", "older", "better", "larger":
                return (.greaterOrEqual, words)
            case "less", "fewer", "lower", "below", "under", "earlier", "shorter", "younger", "smaller":
                return (.lessOrEqual, words)
            default: break
            }
        }
        return nil
    }

    private func dateClauses() -> [ClauseCandidate] {
        let dateColumns = columns.indices.filter { columns[$0].kind == .date }
        guard !dateColumns.isEmpty else { return [] }
        var found: [ClauseCandidate] = []
        for (place, phrase) in links.dates.enumerated() {
            for column in dateColumns {
                for year in standardYears(phrase, column) {
                    guard let (start, end) = phrase.interval(inYear: year) else { continue }
                    let (test, words, isCompared) = dateTest(phrase, start, end)
                    let specificity = Double(
                        [phrase.year, phrase.month, phrase.day, phrase.quarter].compactMap { $0 }.count)
                    found += bothWays(
                        ClauseCandidate(
                            conditions: [ProgramCondition(column: column, test: test)],
                            kind: isCompared ? .comparedDate : .date, mask: phrase.span.mask | words, span: phrase.span,
                            quality: 1.4 + 0.3 * specificity))
                    guard place + 1 < links.dates.count else { continue }
                    let next = links.dates[place + 1]
                    let joint = word(phrase.span.upperBound)
                    guard next.span.lowerBound - phrase.span.upperBound <= 2,
                        ["and", "to", "through", "until", "till"].contains(joint)
                            || next.span.lowerBound == phrase.span.upperBound,
                        ["between", "from"].contains(word(phrase.span.lowerBound - 1))
                            || ["to", "through", "until"].contains(joint)
                    else { continue }
                    var first = phrase
                    if first.year == nil { first.year = next.year }
                    guard let (start, _) = first.interval(inYear: year), let (_, end) = next.interval(inYear: year),
                        start < end
                    else { continue }
                    let span = phrase.span.lowerBound..<next.span.upperBound
                    found.append(
                        ClauseCandidate(
                            conditions: [
                                ProgramCondition(
                                    column: column,
                                    test: .range(low: start, includesLow: true, high: end, includesHigh: false))
                            ], kind: .dateRange, mask: (max(0, span.lowerBound - 1)..<span.upperBound).mask, span: span,
                            quality: 2.6))
                }
            }
        }
        return found
    }

    /// The years that a date without one may mean: the last ones in which the column has it.
    private func standardYears(_ phrase: DatePhrase, _ column: Int) -> [Int] {
        if let year = phrase.year { return [year] }
        let numbers = columns[column].numbers
        let matching = index.years[column].reversed().filter { year in
            guard let (start, end) = phrase.interval(inYear: year) else { return false }
            return numbers.contains { $0 >= start && $0 < end }
        }
        return matching.isEmpty ? index.years[column].suffix(1) : Array(matching.prefix(2))
    }

    private func dateTest(
        _ phrase: DatePhrase, _ start: Double, _ end: Double
    ) -> (ProgramCondition.Test, UInt64, Bool) {
        let at = phrase.span.lowerBound
        var cue = word(at - 1)
        var words = (max(0, at - 1)..<at).mask
        if cue == "the" { (cue, words) = (word(at - 2), (max(0, at - 2)..<at).mask) }
        let further = word(at - 2)
        if cue == "than" {
            words = (max(0, at - 2)..<at).mask
            if ["later", "newer", "recent"].contains(further) { cue = "after" }
            if ["earlier", "older"].contains(further) {
                cue = further == "earlier" || further == "older" ? "before" : cue
            }
            if word(at - 3) == "no" || word(at - 3) == "not" { cue = cue == "after" ? "until" : "since" }
        }
        if word(at - 3) == "on", further == "or", cue == "after" || cue == "before" {
            cue = cue == "after" ? "since" : "until"
            words = (max(0, at - 3)..<at).mask
        }
        switch cue {
        case "before": return (.range(low: nil, includesLow: false, high: start, includesHigh: false), words, true)
        case "after", "following", "past":
            return (.range(low: end, includesLow: true, high: nil, includesHigh: false), words, true)
        case "since": return (.range(low: start, includesLow: true, high: nil, includesHigh: false), words, true)
        case "from" where ["on", "onward", "onwards"].contains(word(phrase.span.upperBound)):
            return (.range(low: start, includesLow: true, high: nil, includesHigh: false), words, true)
        case "until", "till", "by", "through", "to":
            return (.range(low: nil, includesLow: false, high: end, includesHigh: false), words, true)
        default:
            let isOpener = ["in", "on", "during", "of", "from", "within", "for"].contains(cue)
            return (
                .range(low: start, includesLow: true, high: end, includesHigh: false), isOpener ? words : 0, false
            )
        }
    }

    // MARK: Others

    /// "unpaid" says that "paid" is not so; words of opposite sense do as well.
    private func oppositeClauses() -> [ClauseCandidate] {
        tokens.indices.flatMap { at -> [ClauseCandidate] in
            let text = tokens[at].text
            return columns.indices.filter { columns[$0].kind == .boolean }.flatMap { column -> [ClauseCandidate] in
                let names = Set(index.profiles[column].nameTokens.map(\.stem))
                let stripped = ["un", "non", "in", "dis"].filter {
                    text.hasPrefix($0) && text.utf8.count > $0.utf8.count + 2
                }
                .map { WordForms.stem(String(text.dropFirst($0.utf8.count))) }
                let pair = Self.opposites.first { $0.contains(tokens[at].stem) }
                guard !names.contains(tokens[at].stem),
                    stripped.contains(where: names.contains) || pair.map({ !$0.isDisjoint(with: names) }) ?? false
                else { return [] }
                let values = columns[column].numbers
                let span = at..<(at + 1)
                return bothWays(
                    ClauseCandidate(
                        conditions: [
                            ProgramCondition(
                                column: column,
                                test: .isIn(values.indices.filter { values[$0] == 0 }.map { UInt32($0 + 1) }))
                        ], kind: .boolean, mask: span.mask, span: span, quality: 1.2, isNegated: true))
            }
        }
    }

    private static let opposites: [Set<String>] = [
        "passed failed", "won lost", "available unavailable", "public private", "public confidential", "open closed",
        "read unread",
        "enabled disabled", "accepted rejected", "approved rejected", "included excluded", "free paid", "new used",
        "indoor outdoor", "alive dead", "internal external", "visible hidden", "full empty", "remote onsite",
    ].map { Set($0.split(separator: " ").map { WordForms.stem(String($0)) }) }

    private func booleanClauses() -> [ClauseCandidate] {
        oppositeClauses()
            + links.fields.filter { columns[$0.column].kind == .boolean && $0.match >= .prefix }.flatMap { link in
                let values = columns[link.column]
                return [1.0, 0.0].flatMap { wanted -> [ClauseCandidate] in
                    let codes = values.numbers.indices.filter { values.numbers[$0] == wanted }.map { UInt32($0 + 1) }
                    let isNegated = negation(before: link.span) != nil
                    guard !codes.isEmpty, (wanted == 1) != isNegated || (wanted == 1) else { return [] }
                    return [
                        ClauseCandidate(
                            conditions: [ProgramCondition(column: link.column, test: .isIn(codes))], kind: .boolean,
                            mask: link.span.mask, span: link.span, quality: 1.2, isNegated: wanted == 0)
                    ]
                }
            }
    }

    private static let lacks = WordList(
        """
        without no missing lack lacks lacking unknown empty unnamed any not never nobody dont doesnt didnt isnt arent
        hasnt havent wasnt werent
        """)

    /// "without an author", "with no author": rows that have no value.
    private func missingClauses() -> [ClauseCandidate] {
        links.fields.compactMap { link in
            guard link.match >= .part, index.profiles[link.column].filledRows < index.table.rowCount else { return nil }
            let from = max(0, link.span.lowerBound - 3)
            guard let cue = (from..<link.span.lowerBound).last(where: { Self.lacks.contains(word($0)) }) else {
                return nil
            }
            return ClauseCandidate(
                conditions: [ProgramCondition(column: link.column, test: .exists, isNegated: true)], kind: .missing,
                mask: link.span.mask | (cue..<(cue + 1)).mask, span: link.span, quality: 1, isNegated: true)
        }
    }

    /// Words that the text mentions, where whoever asks has looked them up.
    private func mentionClauses() -> [ClauseCandidate] {
        TextMention.find(in: tokens).filter { mentions.contains($0.phrase) }.flatMap { mention in
            bothWays(
                ClauseCandidate(
                    conditions: [ProgramCondition(column: 0, test: .mentions(mention.phrase))], kind: .mention,
                    mask: mention.mask, span: mention.span, quality: mention.isQuoted ? 1.9 : 0.8))
        }
    }

    /// Neighbouring clauses joined by "or" (or by "and" where one row cannot meet both).
    private func alternatives(_ clauses: [ClauseCandidate]) -> [ClauseCandidate] {
        var joined: [ClauseCandidate] = []
        var pairs: [ClauseCandidate] = []
        for left in clauses {
            for right in clauses where left.span.upperBound <= right.span.lowerBound {
                guard let joint = joint(left, right) else { continue }
                var both = left
                if let a = left.conditions.first, let b = right.conditions.first, a.column == b.column,
                    left.conditions.count == 1, right.conditions.count == 1, a.isNegated == b.isNegated,
                    case .isIn(let x) = a.test, case .isIn(let y) = b.test
                {
                    both.conditions = [
                        ProgramCondition(
                            column: a.column, test: .isIn(Set(x).union(y).sorted()), isNegated: a.isNegated)
                    ]
                } else {
                    guard joint.isOr, left.isNegated == right.isNegated || joint.isOr else { continue }
                    both.conditions = left.conditions + right.conditions
                }
                both.kind = .alternatives
                both.mask |= right.mask | joint.mask
                both.span = left.span.lowerBound..<right.span.upperBound
                both.quality = left.quality + right.quality + (joint.isOr ? 0.2 : 0)
                pairs.append(both)
            }
        }
        joined += pairs
        // Three and more: a pair and a further one of the same column.
        for pair in pairs.prefix(12) {
            for right in clauses where pair.span.upperBound <= right.span.lowerBound {
                guard let joint = joint(pair, right), pair.conditions.count == 1, right.conditions.count == 1,
                    let a = pair.conditions.first, let b = right.conditions.first, a.column == b.column,
                    a.isNegated == b.isNegated, case .isIn(let x) = a.test, case .isIn(let y) = b.test
                else { continue }
                var all = pair
                all.conditions[0].test = .isIn(Set(x).union(y).sorted())
                all.mask |= right.mask | joint.mask
                all.span = pair.span.lowerBound..<right.span.upperBound
                all.quality += right.quality
                joined.append(all)
            }
        }
        return joined
    }

    private func joint(_ left: ClauseCandidate, _ right: ClauseCandidate) -> (isOr: Bool, mask: UInt64)? {
        let gap = left.span.upperBound..<right.span.lowerBound
        let isSameColumn = left.conditions.first?.column == right.conditions.first?.column
        guard gap.count <= (isSameColumn ? 5 : 9) else { return nil }
        if let place = gap.first(where: { word($0) == "or" || word($0) == "nor" }) {
            return (true, (place..<(place + 1)).mask)
        }
        guard isSameColumn else { return nil }
        if let place = gap.first(where: { ["and", "versus", "vs"].contains(word($0)) }), gap.count <= 3 {
            return (false, (place..<(place + 1)).mask)
        }
        if gap.isEmpty, tokens[right.span.lowerBound].followsComma { return (false, 0) }
        return nil
    }
}
