// SPDX-License-Identifier: Apache-2.0

/// Which words of a question a program accounts for. A word that names neither a field, a value, a measure nor what the
/// records are is a condition that the program passes over: "How many organic wines are sold out?" is not answered by a
/// count of the organic ones.
struct QuestionCoverage {
    private let best: ReadProgram
    private let links: QuestionLinks
    private let generator: ProgramGenerator
    private var tokens: [QuestionToken] { links.tokens }
    private var table: DocumentTable { generator.index.table }

    init(_ best: ReadProgram, links: QuestionLinks, generator: ProgramGenerator) {
        self.best = best
        self.links = links
        self.generator = generator
    }

    /// Words that say nothing about which records are meant.
    private static let light = WordList(
        """
        have has had having use used using made make makes making take took taken taking go went gone going come came coming
        done doing see saw seen seeing keep kept want wanted need needed know known think happen happened occur occurred
        exist exists contain contains contained include includes included including involve involved involving relate
        related regarding concerning there here now today currently actually really exactly precisely still already yet
        just too please thanks sort way ways thing things whole entire overall combined together corpus data dataset table
        lists listed collection database archive catalogue catalog log logged register registered recorded mentioned noted
        stored available given found present different distinct unique separate individual single various several own
        say says said according called named whose tell us figure amount amounts value values sum numbers counts counted
        recording entry entries record records row rows document documents item items file files page pages answer question
        people person someone anyone somebody everyone ones guest guests customer customers client clients user users
        visitor visitors traveller travellers traveler travelers member members reader readers buyer buyers belong belongs belonging go goes quite many much altogether
        that's what's who's it's place year month day date time times period
        """)
    /// Words for measures: of these a record has so many, and counting records does not count them.
    private static let measures = WordList(
        """
        calories kcal downloads installs likes views viewers votes points goals seats beds rooms bedrooms miles kilometres
        kilometers km metres meters litres liters tons tonnes kilos kilograms grams hours minutes seconds euros dollars pounds
        pence cents inhabitants residents population money floors storeys stars percent
        """)
    /// Units, which go with any number.
    private static let units = WordList(
        """
        hours minutes seconds days weeks months years euros euro dollars dollar pounds pound pence cents eur usd gbp km kilometres
        kilometers miles metres meters m cm mm kg grams kilograms tons tonnes litres liters percent degrees points
        """)
    /// Words for the most or the fewest that go with a number of records.
    private static let degrees = WordList(
        """
        most least more less fewest fewer first last top bottom best worst maximum minimum max min highest lowest largest
        biggest greatest smallest busiest commonest common frequent frequently often popular prolific usual usually typical
        main major primarily mostly majority
        """)

    /// The word that the program must not pass over; nil where there is none.
    var gap: String? { unsaid.decisive }

    /// The stems of all words that the program does not account for, verbs aside: what texts rather than fields may say. What is
    /// asked for is among them where the program gives the values of another field, or only that there is something.
    var stems: [String] {
        unsaid.words.filter { !Self.isVerbForm($0) }.map { WordForms.stem($0) } + unnamed
    }

    /// The stems of what is asked for, where the program gives the values of a field that is called otherwise, or only says that
    /// there is something.
    private var unnamed: [String] {
        guard best.candidate.operation == .values || best.candidate.operation == .exists else { return [] }
        return heads().sorted().filter { at in
            best.candidate.mask & (at..<(at + 1)).mask == 0 && !Self.light.contains(tokens[at].text)
                && !WordForms.function.contains(tokens[at].text) && !names(tokens[at], at)
        }.map { WordForms.stem(tokens[$0].text) }
    }

    private var unsaid: (decisive: String?, words: [String]) {
        let candidate = best.candidate
        let heads = heads()
        var gaps: [String] = []
        var weight = 0.0
        for at in tokens.indices where candidate.mask & (at..<(at + 1)).mask == 0 {
            let token = tokens[at]
            if WordForms.function.contains(token.text) || token.number != nil || Self.light.contains(token.text) {
                continue
            }
            if heads.contains(at) {
                if isMeasured(at) { return (token.text, [token.text]) }
                continue
            }
            if isDegree(token.text) {
                if missesOrder(token.text, at) { return (token.text, [token.text]) }
                continue
            }
            if names(token, at) { continue }
            gaps.append(token.text)
            // Verbs often only say again what the records are of: "guests who stayed", "reviews that were written".
            weight += Self.isVerbForm(token.text) ? 0.5 : 1
        }
        // One word may be a paraphrase; of two, one at least is a condition.
        return (weight >= Self.mostUnsaid ? gaps[0] : nil, gaps)
    }

    private static let mostUnsaid = 1.5

    private static func isVerbForm(_ word: String) -> Bool {
        (word.hasSuffix("ed") && word.utf8.count > 4) || (word.hasSuffix("ing") && word.utf8.count > 5)
            || verbs.contains(word)
    }

    private static let verbs = WordList(
        """
        wrote written write writes stay stays bought buy buys sold sell sells paid pay pays spent spend spends went sent send
        sends met meet meets ran run runs began begin begins left leave leaves lived live lives held hold holds led lead leads
        built build builds gave give gives brought bring brings wore wear wears ate eat eats drank drink drinks flew fly flies
        won win wins lost lose losses fell fall falls grew grow grows drove drive drives chose choose chooses
        """)

    /// The columns that the program looks at.
    private var columns: Set<Int> {
        let candidate = best.candidate
        var all = Set([candidate.target, candidate.order].filter { $0 >= 0 })
        for place in candidate.clauses {
            for condition in generator.clauses[place].conditions { all.insert(condition.column) }
        }
        return all
    }

    /// Whether a word is one for a column that the program looks at, for its unit, or for what the records are.
    private func names(_ token: QuestionToken, _ at: Int) -> Bool {
        if table.recordNouns.contains(token.stem) { return true }
        let columns = columns
        if links.fields.contains(where: { columns.contains($0.column) && $0.span.contains(at) }) { return true }
        let isNumeric = columns.contains { table.columns[$0].kind == .number }
        return isNumeric && Self.units.contains(token.text)
    }

    /// The nouns that the question asks for or ranks by, which may be what the records are called: the last of a run of
    /// words behind "how many", "which", "list" or "the most".
    private func heads() -> Set<Int> {
        let asking = WordList(
            "many which what list show name find give count any most fewest least more fewer every all")
        var heads = Set<Int>()
        for at in tokens.indices where asking.contains(tokens[at].text) || at == 0 {
            var end = at == 0 && !asking.contains(tokens[0].text) ? 0 : at + 1
            var last: Int?
            while end < tokens.count, end <= at + 4 {
                let text = tokens[end].text
                let isDegree = isDegree(text)
                if WordForms.function.contains(text) && last != nil && text != "of" { break }
                if text == "of", last != nil { break }
                if !WordForms.function.contains(text), !isDegree, tokens[end].number == nil {
                    if last != nil, tokens[end].followsComma { break }
                    last = end
                }
                end += 1
            }
            if let last { heads.insert(last) }
        }
        return heads
    }

    /// Whether a noun that is asked for is a measure which the program does not take.
    private func isMeasured(_ at: Int) -> Bool {
        guard Self.measures.contains(tokens[at].text), !table.recordNouns.contains(tokens[at].stem) else {
            return false
        }
        let candidate = best.candidate
        let columns = columns
        let isLinked = links.fields.contains { columns.contains($0.column) && $0.span.contains(at) }
        switch candidate.operation {
        case .count, .exists, .groupCount, .distinct, .groupsWhere, .groupsWhereCount, .differenceOfCounts,
            .sumOfCounts,
            .compareCounts:
            return !isLinked
        default:
            return false
        }
    }

    private func isDegree(_ word: String) -> Bool {
        Self.degrees.contains(word) || (word.hasSuffix("est") && word.utf8.count > 4)
            || ["recently", "latest", "newest", "earlier", "later"].contains(word)
            || (WordForms.positive(word) != nil && word.hasSuffix("er") && generator.cues.words.contains("than"))
            || (WordForms.positive(word) != nil && word.hasSuffix("er") && generator.cues.words.contains("or"))
    }

    /// Whether a word wants an order that the program does not have: "the oldest" is not the most frequent.
    private func missesOrder(_ word: String, _ at: Int) -> Bool {
        guard !Self.degrees.contains(word) else { return false }
        switch best.candidate.operation {
        case .groupCount, .groupDistinct, .count, .distinct, .compareCounts, .differenceOfCounts, .groupsWhere:
            let columns = columns
            return !links.fields.contains { columns.contains($0.column) && $0.span.contains(at) }
        case .values: return best.candidate.clauses.isEmpty
        default: return false
        }
    }
}
