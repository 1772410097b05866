// SPDX-License-Identifier: Apache-2.0

/// Clauses that numbers make: values, comparisons, ranges and decades.
extension ConditionFinder {
    /// The columns that a number can be of where it says so: of an amount of money those that hold money; nil for all.
    private func meant(by number: QuestionLinks.NumberLink) -> Set<Int>? {
        let isMoney = number.span.contains { tokens[$0].isMoney }
        let isCost = (max(0, number.span.lowerBound - 4)..<number.span.lowerBound).contains {
            ["cost", "costs", "priced", "costing"].contains(word($0))
        }
        let isWeight = tokens.contains {
            ["weigh", "weighs", "weighed", "weight", "heavier", "lighter"].contains($0.text)
        }
        guard !isWeight, isMoney || isCost else { return nil }
        let money = columns.indices.filter { column in
            columns[column].kind == .number
                && index.profiles[column].nameTokens.contains { name in
                    Self.moneyNames.contains {
                        FieldLexicon.areRelated(name.stem, WordForms.stem($0)) || name.text == $0
                    }
                        && !["quantity", "count", "number", "units", "stock", "duration"].contains(name.text)
                }
        }
        return money.isEmpty ? nil : Set(money)
    }

    private static let moneyNames = ["price", "salary", "revenue", "budget", "profit", "balance", "eur", "gbp", "usd"]

    func numberClauses(_ number: QuestionLinks.NumberLink) -> [ClauseCandidate] {
        let compared = comparison(around: number.span)
        var found: [ClauseCandidate] = []
        let meant = meant(by: number)
        for (column, values) in columns.enumerated()
        where values.isOrdered && values.kind != .date && meant?.contains(column) != false {
            let isLinked = links.fields.contains { $0.column == column && $0.match >= .prefix }
            if let (comparison, words) = compared, comparison != .equal {
                found += bothWays(
                    ClauseCandidate(
                        conditions: [ProgramCondition(column: column, test: Self.range(comparison, number.value))],
                        kind: .comparedNumber, mask: number.span.mask | words, span: number.span,
                        quality: isLinked ? 1.6 : 0.9))
            }
            let codes = values.numbers.indices.filter { values.numbers[$0] == number.value }.map { UInt32($0 + 1) }
            if !codes.isEmpty {
                let isYear = number.value >= 1000 && number.value < 2999
                found += bothWays(
                    ClauseCandidate(
                        conditions: [ProgramCondition(column: column, test: .isIn(codes))], kind: .equalNumber,
                        mask: number.span.mask, span: number.span, quality: isYear ? 1.5 : isLinked ? 1.1 : 0.5))
            }
        }
        return found
    }

    static func range(_ comparison: CorpusProgram.Comparison, _ value: Double) -> ProgramCondition.Test {
        switch comparison {
        case .less: return .range(low: nil, includesLow: false, high: value, includesHigh: false)
        case .lessOrEqual: return .range(low: nil, includesLow: false, high: value, includesHigh: true)
        case .greater: return .range(low: value, includesLow: false, high: nil, includesHigh: false)
        case .greaterOrEqual: return .range(low: value, includesLow: true, high: nil, includesHigh: false)
        case .equal: return .range(low: value, includesLow: true, high: value, includesHigh: true)
        }
    }

    /// "between 3 and 8", "from 1990 to 1999".
    func numberRanges() -> [ClauseCandidate] {
        var found: [ClauseCandidate] = []
        for (first, second) in zip(links.numbers, links.numbers.dropFirst()) {
            guard first.value < second.value, (1...2).contains(second.span.lowerBound - first.span.upperBound),
                ["and", "to", "through", "until"].contains(word(first.span.upperBound))
                    || second.span.lowerBound == first.span.upperBound
            else { continue }
            let opener = word(first.span.lowerBound - 1)
            guard ["between", "from", "of", "in", "during", "the", "years"].contains(opener) else { continue }
            let span = first.span.lowerBound..<second.span.upperBound
            let meant = meant(by: first) ?? meant(by: second)
            for (column, values) in columns.enumerated()
            where values.isOrdered && values.kind != .date && meant?.contains(column) != false {
                found.append(
                    ClauseCandidate(
                        conditions: [
                            ProgramCondition(
                                column: column,
                                test: .range(
                                    low: first.value, includesLow: true, high: second.value, includesHigh: true))
                        ], kind: .numberRange, mask: (max(0, span.lowerBound - 1)..<span.upperBound).mask, span: span,
                        quality: 1.8))
            }
        }
        return found
    }

    /// "the 1950s", where years are numbers.
    func decades() -> [ClauseCandidate] {
        links.dates.filter(\.isDecade).flatMap { phrase -> [ClauseCandidate] in
            guard let year = phrase.year.map(Double.init) else { return [] }
            return columns.indices.filter { columns[$0].kind == .number && columns[$0].isOrdered }.flatMap { column in
                bothWays(
                    ClauseCandidate(
                        conditions: [
                            ProgramCondition(
                                column: column,
                                test: .range(low: year, includesLow: true, high: year + 10, includesHigh: false))
                        ], kind: .numberRange, mask: phrase.span.mask, span: phrase.span, quality: 1.6))
            }
        }
    }

    // MARK: Dates
}
