// SPDX-License-Identifier: Apache-2.0

/// What the scorer sees of a program beside its question: which words the operation goes with, how its fields and values were
/// named, what is left unexplained, and what comes out. None of it names a field, a value or a table, so that weights hold
/// for tables that were never seen.
struct ProgramFeatures {
    /// Features are hashed into this many places.
    static let space = 1 << 19

    let links: QuestionLinks
    let index: TableIndex
    let clauses: [ClauseCandidate]
    private let words: [UInt64]
    /// Words that may carry meaning of the table: no function words.
    private let content: UInt64
    /// Words of values that were linked whole, and of any link.
    private let wholeValues: UInt64
    private let anyValues: UInt64
    private let wholeFields: UInt64
    private let numbers: UInt64
    private let dates: UInt64
    private let question: UInt64
    private let questionPlace: Int
    private let isPlural: Bool
    private let questionStems: Set<String>
    private let orderedColumns: Int
    /// The first word after "how many", "which" or "list" that says what is asked for.
    private let headPlace: Int
    /// The best link that a column has with that word.
    private let headMatch: UInt64
    /// The word that says which end of an order is meant.
    private let degreePlace: Int?

    init(links: QuestionLinks, index: TableIndex, clauses: [ClauseCandidate]) {
        self.links = links
        self.index = index
        self.clauses = clauses
        let tokens = links.tokens
        words = tokens.map { Self.hash(of: $0.stem) }
        var content: UInt64 = 0
        for (at, token) in tokens.enumerated() where !WordForms.function.contains(token.text) && at < 64 {
            content |= 1 << UInt64(at)
        }
        self.content = content
        wholeValues = links.values.filter { $0.match == .whole }.reduce(0) { $0 | $1.span.mask }
        anyValues = links.values.filter { $0.match.rawValue >= QuestionLinks.ValueMatch.most.rawValue }
            .reduce(0) { $0 | $1.span.mask }
        wholeFields = links.fields.filter { $0.match == .whole }.reduce(0) { $0 | $1.span.mask }
        numbers = links.numbers.reduce(0) { $0 | $1.span.mask }
        dates = links.dates.reduce(0) { $0 | $1.span.mask }
        let asking = ["who", "whom", "whose", "when", "where", "which", "what", "how"]
        questionPlace = tokens.firstIndex { asking.contains($0.text) } ?? 0
        question = Self.kind(of: tokens, at: questionPlace)
        let after = tokens.dropFirst(questionPlace + 1).prefix(4)
        isPlural =
            after.contains { $0.text.hasSuffix("s") && $0.text != $0.stem && $0.text.count > 3 }
            || after.contains { ["were", "are"].contains($0.text) }
        questionStems = Set(tokens.map(\.stem))
        orderedColumns = index.table.columns.count { $0.isOrdered }
        headPlace = Self.head(of: tokens, after: questionPlace)
        let head = headPlace
        headMatch = UInt64(links.fields.filter { $0.span.contains(head) }.map(\.match.rawValue).max() ?? 0)
        degreePlace = tokens.firstIndex { Self.isDegree($0.text) }
    }

    /// What sort of answer is asked for.
    private static func kind(of tokens: [QuestionToken], at place: Int) -> UInt64 {
        guard tokens.indices.contains(place) else { return 0 }
        let word = tokens[place].text
        let next = tokens.indices.contains(place + 1) ? tokens[place + 1].text : ""
        switch word {
        case "who", "whom": return 1
        case "when": return 2
        case "where": return 3
        case "which": return 4
        case "what": return ["is", "was", "are", "were"].contains(next) ? 5 : 6
        case "whose": return 7
        case "how":
            switch next {
            case "many": return 8
            case "much": return 9
            case "long", "old", "far", "tall", "big", "large", "high": return 10
            default: return 11
            }
        default: break
        }
        if QuestionCues.opensYesNo(tokens) { return 12 }
        return ["name", "list", "give", "show", "tell", "find"].contains(tokens[0].text) ? 13 : 14
    }

    private static let degrees = WordList(
        """
        most least more less fewest fewer first last top bottom best worst maximum minimum max min recent recently
        earlier later initial final
        """)

    private static func isDegree(_ word: String) -> Bool {
        degrees.contains(word) || (word.hasSuffix("est") && word.utf8.count > 4)
    }

    private static let modifiers = WordList(
        "different distinct various unique separate individual other single common frequent whole number")

    /// The place of the noun that a question asks for: no function word, no number, no superlative.
    private static func head(of tokens: [QuestionToken], after place: Int) -> Int {
        for at in tokens.indices where at >= place {
            let token = tokens[at]
            if WordForms.function.contains(token.text) || token.number != nil || isDegree(token.text) { continue }
            if modifiers.contains(token.text) || (at == 0 && token.text == "count") { continue }
            return at
        }
        return place
    }

    static func hash(of text: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return hash
    }

    @inline(__always)
    private static func feature(_ template: UInt64, _ a: UInt64 = 0, _ b: UInt64 = 0, _ c: UInt64 = 0) -> UInt32 {
        var hash = template &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ a) &* 0xbf58_476d_1ce4_e5b9
        hash ^= hash >> 29
        hash = (hash ^ b) &* 0x94d0_49bb_1331_11eb
        hash ^= hash >> 32
        hash = (hash ^ c) &* 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 31
        return UInt32(truncatingIfNeeded: hash & UInt64(space - 1))
    }

    /// Questions about records are not put as those about tables are: beside its common weight, each feature has one of its
    /// own there (Daumé 2007, "Frustratingly Easy Domain Adaptation").
    private func adapted(_ features: [UInt32]) -> [UInt32] {
        guard !index.table.rowsAreOrdered else { return features }
        return features + features.map { Self.feature(90, UInt64($0)) }
    }

    private func columnClass(_ column: Int) -> UInt64 {
        guard column >= 0 else { return 0 }
        let values = index.table.columns[column]
        let profile = index.profiles[column]
        switch values.kind {
        case .date: return 1
        case .number: return 2
        case .boolean: return 3
        case .text: break
        }
        if values.isTitle { return 4 }
        if values.isOrdered { return 5 }
        if profile.looksLikePeople { return profile.isKey ? 6 : 7 }
        if profile.isKey { return 8 }
        return profile.isCategory ? 9 : 10
    }

    private static func bucket(_ count: Int) -> UInt64 { UInt64(min(count, count > 5 ? 6 : 5)) }

    /// How many of the bounds a distance has reached.
    private static func step(_ distance: Int, _ bounds: [Int]) -> UInt64 {
        UInt64(bounds.count { distance >= $0 })
    }

    private static func sort(of number: Double) -> UInt64 {
        if number == 0 { return 0 }
        if number == 1 { return 1 }
        if number < 0 { return 2 }
        return number == number.rounded() ? 3 : 4
    }

    // MARK: Before it runs

    /// The features that need no running.
    func features(of candidate: ProgramCandidate) -> [UInt32] {
        var found: [UInt32] = []
        found.reserveCapacity(96)
        let operation = UInt64(candidate.operation.rawValue)
        let order = columnClass(candidate.order)
        let direction: UInt64 = candidate.isDescending ? 1 : 0
        let signature = operation << 8 | order << 2 | direction << 1 | (candidate.count > 1 ? 1 : 0)
        var valueMask: UInt64 = 0
        for place in candidate.clauses { valueMask |= clauses[place].span.mask }
        found.append(Self.feature(1, operation))
        found.append(Self.feature(2, signature))
        found.append(Self.feature(3, operation, question))
        found.append(Self.feature(4, signature, question))
        // Words that name no value go with operations.
        let named = valueMask | wholeValues & content
        for at in words.indices where named & (1 << UInt64(at)) == 0 {
            found.append(Self.feature(5, operation, words[at]))
            found.append(Self.feature(6, signature, words[at]))
            if at + 1 < words.count, named & (1 << UInt64(at + 1)) == 0 {
                found.append(Self.feature(7, signature, words[at], words[at + 1]))
            }
        }
        if words.count > 1 { found.append(Self.feature(8, operation, words[0], words[1])) }
        coverage(candidate, operation, &found)
        conditions(candidate, operation, &found)
        shown(candidate, operation, &found)
        ordering(candidate, operation, direction, &found)
        if candidate.count > 1 {
            found.append(Self.feature(60, operation, candidate.count == 50 ? 1 : 2))
        } else if candidate.count == 1, numbers & ~candidate.mask != 0 {
            found.append(Self.feature(61, operation))
        }
        asked(candidate, operation, direction, &found)
        return adapted(found)
    }

    /// Whether the program gives what the question's noun asks for, at the end of the order that its words say.
    private func asked(
        _ candidate: ProgramCandidate, _ operation: UInt64, _ direction: UInt64, _ found: inout [UInt32]
    ) {
        var match: UInt64 = 0
        if candidate.target >= 0 {
            for link in links.fields where link.column == candidate.target && link.span.contains(headPlace) {
                match = max(match, UInt64(link.match.rawValue))
            }
        }
        let isTarget: UInt64 = candidate.target >= 0 ? 1 : 0
        found.append(Self.feature(62, operation, match << 1 | isTarget, headMatch))
        found.append(Self.feature(63, match << 1 | isTarget, headMatch, question))
        let sort = columnClass(candidate.target)
        found.append(Self.feature(64, match, headMatch, sort))
        if headPlace < words.count, headMatch == 0 { found.append(Self.feature(65, words[headPlace], sort)) }
        let hasOrder =
            candidate.order >= 0 || candidate.isDescending || candidate.operation == .groupCount
            || candidate.operation == .groupPeriods
        guard hasOrder, let degreePlace else { return }
        let measured = columnClass(candidate.order)
        found.append(Self.feature(66, words[degreePlace], direction))
        found.append(Self.feature(67, words[degreePlace], direction, measured))
        if degreePlace + 1 < words.count {
            found.append(Self.feature(68, words[degreePlace], words[degreePlace + 1], measured << 1 | direction))
        }
    }

    private func coverage(_ candidate: ProgramCandidate, _ operation: UInt64, _ found: inout [UInt32]) {
        let free = content & ~candidate.mask
        found.append(Self.feature(10, Self.bucket(free.nonzeroBitCount)))
        for step in 0..<min(6, free.nonzeroBitCount) { found.append(Self.feature(11, UInt64(step))) }
        for step in 0..<min(4, (free & wholeValues).nonzeroBitCount) { found.append(Self.feature(12, UInt64(step))) }
        for step in 0..<min(4, (free & anyValues & ~wholeValues).nonzeroBitCount) {
            found.append(Self.feature(13, UInt64(step)))
        }
        for step in 0..<min(4, (free & wholeFields).nonzeroBitCount) {
            found.append(Self.feature(14, UInt64(step)))
            found.append(Self.feature(15, UInt64(step), operation))
        }
        for step in 0..<min(3, (numbers & ~candidate.mask).nonzeroBitCount) {
            found.append(Self.feature(16, UInt64(step)))
        }
        for step in 0..<min(3, (dates & ~candidate.mask).nonzeroBitCount) {
            found.append(Self.feature(17, UInt64(step)))
        }
    }

    private func conditions(_ candidate: ProgramCandidate, _ operation: UInt64, _ found: inout [UInt32]) {
        found.append(Self.feature(20, operation, UInt64(candidate.clauses.count)))
        var columns: [Int] = []
        for place in candidate.clauses {
            let clause = clauses[place]
            let kind = UInt64(clause.kind.rawValue) << 1 | (clause.isNegated ? 1 : 0)
            found.append(Self.feature(21, kind))
            found.append(Self.feature(22, kind, operation))
            found.append(Self.feature(23, kind, clause.namesField ? 1 : 0))
            let column = clause.conditions.first?.column ?? -1
            let sort = clause.kind == .mention ? 15 : columnClass(column)
            found.append(Self.feature(24, kind, sort))
            found.append(Self.feature(25, kind, Self.bucket(clause.span.count)))
            let before = clause.span.lowerBound - 1
            if before >= 0 {
                found.append(Self.feature(26, sort, words[before]))
                found.append(Self.feature(27, kind, words[before]))
            }
            if clause.kind != .mention {
                if columns.contains(column) { found.append(Self.feature(28, operation)) }
                columns.append(column)
                if column == candidate.target { found.append(Self.feature(29, operation, kind)) }
                if column == candidate.order { found.append(Self.feature(30, operation, kind)) }
                if let condition = clause.conditions.first, case .isIn(let codes) = condition.test {
                    found.append(Self.feature(31, kind, Self.bucket(codes.count)))
                }
                // Another column has the same words: which one is meant?
                let others = links.values.contains {
                    $0.column != column && $0.span == clause.span && $0.match == .whole
                }
                if others { found.append(Self.feature(32, sort, clause.namesField ? 1 : 0)) }
            }
        }
        if candidate.clauses.isEmpty, !links.values.isEmpty { found.append(Self.feature(33, operation)) }
    }

    private func shown(_ candidate: ProgramCandidate, _ operation: UInt64, _ found: inout [UInt32]) {
        let column = candidate.target
        guard column >= 0 else { return }
        let sort = columnClass(column)
        found.append(Self.feature(40, sort, question))
        found.append(Self.feature(41, operation, sort))
        found.append(Self.feature(42, operation, sort, question))
        let firstKey = index.profiles.indices.first { index.profiles[$0].isKey && !index.profiles[$0].isOpaque } ?? -1
        let position = column == firstKey ? 1 : UInt64(min(column, 2) + 2)
        let link = links.field(column, near: questionPlace)
        let match = UInt64(link?.match.rawValue ?? 0)
        found.append(Self.feature(43, match))
        found.append(Self.feature(44, match, operation))
        found.append(Self.feature(45, match, position, operation))
        found.append(Self.feature(46, match, question))
        if let link {
            let distance = link.span.lowerBound - questionPlace
            let place = Self.step(distance, [0, 1, 2, 3, 6])
            found.append(Self.feature(47, match, place))
            found.append(Self.feature(48, place, operation))
            // The same word names another column better.
            if links.fields.contains(where: { $0.column != column && $0.span == link.span && $0.match > link.match }) {
                found.append(Self.feature(49, match))
            }
            if candidate.clauses.contains(where: { clauses[$0].span.mask & link.span.mask != 0 }) {
                found.append(Self.feature(39, match, operation))
            }
            let inside = content & link.span.mask
            found.append(Self.feature(38, match, UInt64(inside.nonzeroBitCount)))
        } else {
            found.append(Self.feature(36, position, sort, question))
            // The word after "which" is unexplained, and this column is what it may mean.
            let head = questionPlace + 1
            if head < words.count, content & (1 << UInt64(head)) != 0 {
                let isFree = candidate.mask & (1 << UInt64(head)) == 0
                found.append(Self.feature(37, sort, operation, isFree ? 1 : 0))
            }
        }
        if column == candidate.order { found.append(Self.feature(35, operation)) }
    }

    private func ordering(
        _ candidate: ProgramCandidate, _ operation: UInt64, _ direction: UInt64, _ found: inout [UInt32]
    ) {
        let column = candidate.order
        guard column >= 0 else { return }
        let sort = columnClass(column)
        let cue = links.tokens.firstIndex { token in
            ["most", "least", "more", "less", "fewest", "first", "last", "top"].contains(token.text)
                || (token.text.hasSuffix("est") && token.text.count > 4)
        }
        let link = links.field(column, near: cue)
        let match = UInt64(link?.match.rawValue ?? 0)
        found.append(Self.feature(50, match, operation))
        found.append(Self.feature(51, match, sort))
        found.append(Self.feature(52, UInt64(min(orderedColumns, 3)), match, operation))
        if let link {
            if let cue {
                let distance = link.span.lowerBound - cue
                let place = Self.step(distance, [-2, 0, 1, 3, 5])
                found.append(Self.feature(53, match, place))
            }
            if links.fields.contains(where: { $0.column != column && $0.span == link.span && $0.match > link.match }) {
                found.append(Self.feature(54, match))
            }
        }
        if let cue {
            found.append(Self.feature(55, words[cue], sort << 1 | direction, operation))
            found.append(Self.feature(56, words[cue], sort << 1 | direction, match))
            if cue + 1 < words.count {
                found.append(Self.feature(57, words[cue + 1], sort << 1 | direction, words[cue]))
            }
        }
        if candidate.clauses.contains(where: { clauses[$0].conditions.first?.column == column }) {
            found.append(Self.feature(58, operation))
        }
        if column == 0 { found.append(Self.feature(59, operation, match)) }
    }

    // MARK: After it ran

    /// The features of what a program gives.
    func features(of denotation: Denotation, by candidate: ProgramCandidate) -> [UInt32] {
        var found: [UInt32] = []
        let operation = UInt64(candidate.operation.rawValue)
        switch denotation {
        case .values(let column, let codes):
            let size = Self.bucket(codes.count)
            found.append(Self.feature(70, operation, size))
            found.append(Self.feature(71, size, question, isPlural ? 1 : 0))
            found.append(Self.feature(72, question, columnClass(column)))
            if codes.count <= 4 {
                let values = index.table.columns[column]
                let repeats = codes.contains { code in
                    let stems = WordForms.tokens(values.texts[Int(code) - 1]).map(\.stem)
                    return !stems.isEmpty && stems.allSatisfy(questionStems.contains)
                }
                if repeats { found.append(Self.feature(73, operation)) }
            }
        case .number(let number):
            if !number.isFinite {
                found.append(Self.feature(74, operation))
                break
            }
            let sort = Self.sort(of: number)
            found.append(Self.feature(75, operation, sort))
            found.append(Self.feature(76, question, sort))
            if links.numbers.contains(where: { $0.value == number }) { found.append(Self.feature(77, operation)) }
            if Int(exactly: number) == index.table.rowCount { found.append(Self.feature(78, operation)) }
        case .truth(let truth): found.append(Self.feature(79, operation, truth ? 1 : 0))
        case .texts(let texts):
            found.append(Self.feature(80, operation, Self.bucket(texts.count)))
        }
        if denotation.isEmpty { found.append(Self.feature(81, operation)) }
        return adapted(found)
    }
}
