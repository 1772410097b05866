// SPDX-License-Identifier: Apache-2.0

/// What speaks against a program, whatever its score: parts of the question that it leaves aside, and answers of a kind that
/// was not asked for. A program that passes over "in 2021" or "not" computes something, completely, that nobody asked.
struct ProgramCheck {
    private(set) var objection: String?
    private(set) var sides: (first: String, second: String)?
    /// The stems of the words that the program passes over without an objection.
    private(set) var passedOver: [String] = []

    private static let negations = WordList(
        "not never without except excluding nobody nothing cannot wont isnt arent wasnt werent doesnt dont didnt hasnt havent"
    )
    private static let smaller: Set<String> = [
        "fewer", "less", "fewest", "least", "lower", "smaller", "cheaper", "shorter", "earlier", "older", "lighter",
    ]
    /// Fields that questions name without asking for them.
    private static let common: Set<String> = ["name", "title", "id", "type", "kind", "text", "source", "number"]
    /// Words of a condition that a yes or no may leave aside: they name what is asked about, not what is said of it.
    private static let light = WordList("there any anyone anybody anything ever actually really still already also")

    init(_ best: ReadProgram, links: QuestionLinks, generator: ProgramGenerator) {
        let (candidate, cues, table) = (best.candidate, generator.cues, generator.index.table)
        let tokens = links.tokens
        func isFree(_ at: Int) -> Bool { candidate.mask & (at..<(at + 1)).mask == 0 }
        let free = tokens.indices.filter { isFree($0) && !WordForms.function.contains(tokens[$0].text) }
        for at in tokens.indices where isFree(at) {
            let token = tokens[at]
            if token.text.utf8.contains(where: { $0 >= 48 && $0 < 58 }), !Self.names(token, among: candidate, best) {
                objection = "\(token.text) is left aside"
            } else if at > 0, token.isCapitalised, token.number == nil, !WordForms.function.contains(token.text) {
                objection = "\(token.text) is left aside"
            } else if candidate.operation == .values || candidate.operation == .exists,
                let field = links.fields.first(where: { $0.span.contains(at) && $0.match == .whole }),
                field.column != candidate.target,
                !Self.common.contains(table.columns[field.column].name.lowercased())
            {
                objection = "\(token.text) is left aside"
            } else if at > 0, Self.negations.contains(token.text), !Self.isNegated(best, generator) {
                objection = "\(token.text) is left aside"
            }
        }
        if candidate.operation == .exists {
            // That there is a row of a name says nothing of what is asked about it.
            let onlyNames = candidate.clauses.allSatisfy { place in
                generator.clauses[place].conditions.allSatisfy {
                    // A field of some records alone may name them as a title does.
                    table.columns[$0.column].isTitle || generator.index.profiles[$0.column].isKey
                        || generator.index.profiles[$0.column].distinctShare > 0.9
                }
            }
            let open = free.filter {
                !Self.light.contains(tokens[$0].text)
                    && (onlyNames || !table.recordNouns.contains(tokens[$0].stem))
            }
            if open.count > (onlyNames ? 0 : 1) { objection = objection ?? "\(tokens[open[0]].text) is left aside" }
        }
        // A text that mentions a thing may say that it is not there.
        if candidate.operation == .exists,
            candidate.clauses.contains(where: { generator.clauses[$0].kind == .mention })
        {
            objection = objection ?? "a mention is no yes"
        }
        objection = objection ?? Self.kindObjection(best, cues, tokens, table)
        if objection == nil {
            let coverage = QuestionCoverage(best, links: links, generator: generator)
            passedOver = coverage.stems
            if let gap = coverage.gap { objection = "\(gap) is left aside" }
        }
        if cues.words.contains("or"), candidate.operation == .compareCounts || candidate.operation == .compareValues {
            sides = Self.sides(best, generator)
            if sides == nil { objection = objection ?? "it chooses between two things" }
        }
    }

    /// Whether the program holds the number itself, as how many are wanted or as what is compared with.
    private static func names(_ token: QuestionToken, among candidate: ProgramCandidate, _ best: ReadProgram) -> Bool {
        guard let number = token.number else { return false }
        if Double(candidate.count) == number { return true }
        switch best.program {
        case .compare(_, _, .constant(let value)), .groupsWhere(_, _, _, _, let value, _): return value == number
        default: return false
        }
    }

    private static func isNegated(_ best: ReadProgram, _ generator: ProgramGenerator) -> Bool {
        if case .shared(_, _, _, let isNegated, _) = best.program, isNegated { return true }
        return best.candidate.clauses.contains { place in
            generator.clauses[place].isNegated || generator.clauses[place].conditions.contains(where: \.isNegated)
        }
    }

    /// Whether the answer is of a kind that the question's first words rule out.
    private static func kindObjection(
        _ best: ReadProgram, _ cues: QuestionCues, _ tokens: [QuestionToken], _ table: DocumentTable
    ) -> String? {
        let texts = tokens.map(\.text)
        func opens(_ words: String...) -> Bool {
            words.contains { texts.starts(with: $0.split(separator: " ").map(String.init)) }
        }
        switch best.denotation {
        case .number:
            let isMany =
                opens("how many", "how much", "number of") || cues.asksNumber || cues.asksTotal || cues.asksMean
                || cues.asksPercent || cues.asksRatio || cues.asksDifference || cues.hasSuperlative
            if opens("who", "whom", "whose", "where", "when", "why") { return "a number is no answer" }
            if opens("which"), best.candidate.operation != .minimum, best.candidate.operation != .maximum {
                return "a number is no answer"
            }
            let counts: Set<ProgramCandidate.Operator> = [
                .count, .distinct, .distinctPeriods, .groupsWhereCount, .differenceOfCounts, .sumOfCounts,
            ]
            if counts.contains(best.candidate.operation), Self.asksHowMuch(texts) { return "how much is no count" }
            if counts.contains(best.candidate.operation), Self.asksForANumber(texts) { return "a number is no count" }
            let isStatistic = [.sum, .mean, .minimum, .maximum, .range].contains(best.candidate.operation)
            return isMany || (!isStatistic && best.candidate.operation != .count) ? nil : "no number was asked for"
        case .values(let column, _):
            let kind = table.columns[column].kind
            if opens("who", "whom", "whose"), kind != .text { return "no person" }
            if opens("when", "what year", "which year", "what date"), kind == .boolean { return "no time" }
            if opens("how many"), kind != .number { return "no number" }
            return nil
        case .truth: return opens("who", "what", "which", "when", "where", "why", "how") ? "yes is no answer" : nil
        case .texts: return opens("who", "whom", "whose", "where") ? "no person or place" : nil
        }
    }

    /// "The phone number", "what number": one that stands somewhere, and not how many there are.
    private static func asksForANumber(_ texts: [String]) -> Bool {
        guard let place = texts.firstIndex(of: "number"), !texts.contains("many") else { return false }
        return place + 1 >= texts.count || texts[place + 1] != "of"
    }

    /// "How much", other than "how much more often".
    private static func asksHowMuch(_ texts: [String]) -> Bool {
        texts.indices.dropLast().contains { texts[$0] == "how" && texts[$0 + 1] == "much" }
    }

    /// The values of the two clauses that a comparison holds against each other, in the order in which it compares them.
    private static func sides(
        _ best: ReadProgram, _ generator: ProgramGenerator
    ) -> (first: String, second: String)? {
        guard case .compare(_, .greater, _) = best.program else { return nil }
        let texts = best.candidate.clauses.suffix(2).compactMap { place -> String? in
            guard let condition = generator.clauses[place].conditions.first,
                !generator.index.table.columns[condition.column].isHidden, case .isIn(let codes) = condition.test,
                let code = codes.first, codes.count == 1
            else { return nil }
            return generator.index.table.columns[condition.column].texts[Int(code) - 1]
        }
        guard texts.count == 2 else { return nil }
        // What is asked for may be the smaller one.
        let isSmaller = !generator.cues.words.isDisjoint(with: smaller)
        return isSmaller ? (texts[1], texts[0]) : (texts[0], texts[1])
    }
}
