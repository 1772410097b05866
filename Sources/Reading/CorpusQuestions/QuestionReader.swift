// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Weights of the scorer: a number a feature, and the gate that tells questions about the whole from others.
package struct ProgramWeights: Sendable {
    /// `ProgramFeatures.space` numbers.
    package var scores: [Float]
    /// Bias first, then the features of `QuestionReading.gateFeatures`; empty accepts everything.
    package var gate: [Float]

    package init(scores: [Float] = [], gate: [Float] = []) {
        self.scores = scores.count == ProgramFeatures.space ? scores : Array(repeating: 0, count: ProgramFeatures.space)
        self.gate = gate
    }

    package static var featureSpace: Int { ProgramFeatures.space }
    /// Changes whenever features do.
    package static let version = "2"
}

/// A program that a question may mean, run and scored.
package struct ReadProgram: Sendable {
    package var program: CorpusProgram
    package var denotation: Denotation
    package var score: Double
    /// The features that fired.
    package var features: [UInt32]
    let candidate: ProgramCandidate
}

/// What a question may mean, best first.
package struct QuestionReading: Sendable {
    package var programs: [ReadProgram]
    /// The share of the probability that programs with the best one's answer have.
    package var agreement: Double
    /// What the gate looks at; bias not included.
    package var gateFeatures: [Double]
    /// The probability that the question is about the whole and the best program answers it; nil without a gate.
    package var confidence: Double?
    /// The stems of the question's words that the best program does not explain, such as what is counted. Without a trace of
    /// these in the corpus the program answers another question.
    package var unexplained: [String] = []
    /// The stems of the words that the best program passes over: where only a few texts have one, they say what is asked.
    package var passedOver: [String] = []
    /// Why the best program answers another question than this one; nil where nothing speaks against it.
    package var objection: String?
    /// The two things that a comparison with "or" chooses between, the first one first; nil for other programs.
    package var sides: (first: String, second: String)?
}

/// Reads questions against a table: links words, makes programs, runs and ranks them.
package struct QuestionReader: Sendable {
    package let index: TableIndex
    package var weights: ProgramWeights
    /// How many of the programs, by the features that need no running, are run. Default 250.
    package var runs = 250

    package init(index: TableIndex, weights: ProgramWeights = ProgramWeights()) {
        self.index = index
        self.weights = weights
    }

    /// - Parameters:
    ///   - mentions: the rows whose texts mention phrases that `TextMention.phrases(in:)` found.
    ///   - isAccepted: which programs are wanted, such as those that the tools can run. Default all.
    package func read(
        _ question: String, mentions: [String: RowBits] = [:], isAccepted: (CorpusProgram) -> Bool = { _ in true }
    ) -> QuestionReading {
        let links = QuestionLinks(question, in: index)
        let generator = ProgramGenerator(links: links, index: index, mentions: Set(mentions.keys))
        let extractor = ProgramFeatures(links: links, index: index, clauses: generator.clauses)
        var executor = ProgramExecutor(table: index.table, mentions: mentions)
        var scored = generator.candidates.filter { isAccepted($0.program) }.map { candidate in
            let features = extractor.features(of: candidate)
            return (candidate: candidate, features: features, score: score(features))
        }
        if scored.count > runs {
            let order = scored.indices.sorted {
                scored[$0].score != scored[$1].score ? scored[$0].score > scored[$1].score : $0 < $1
            }
            scored = order.prefix(runs).map { scored[$0] }
        }
        var programs = scored.map { entry in
            let denotation = executor.run(entry.candidate.program)
            let features = entry.features + extractor.features(of: denotation, by: entry.candidate)
            return ReadProgram(
                program: entry.candidate.program, denotation: denotation, score: score(features), features: features,
                candidate: entry.candidate)
        }.filter { !$0.denotation.isEmpty }
        let order = programs.indices.sorted {
            programs[$0].score != programs[$1].score ? programs[$0].score > programs[$1].score : $0 < $1
        }
        programs = Self.withWholeDates(order.map { programs[$0] }, generator.cues)
        // The best program that nothing speaks against, among those that are nearly as good as the best of all.
        var checks: [ProgramCheck] = []
        for program in programs.prefix(Self.alternatives) where program.score > programs[0].score - Self.tolerance {
            checks.append(ProgramCheck(program, links: links, generator: generator))
            if checks.last?.objection == nil { break }
        }
        let chosen = checks.last?.objection == nil ? checks.count - 1 : 0
        if chosen > 0 { programs.insert(programs.remove(at: chosen), at: 0) }
        var reading = reading(programs, links)
        reading.objection = checks.isEmpty ? nil : checks[chosen].objection
        reading.sides = checks.isEmpty ? nil : checks[chosen].sides
        reading.passedOver = checks.isEmpty ? [] : checks[chosen].passedOver
        return reading
    }

    /// All programs that give something, with their features, unscored: what training needs.
    package func candidates(
        _ question: String, mentions: [String: RowBits] = [:]
    ) -> [ReadProgram] {
        let links = QuestionLinks(question, in: index)
        let generator = ProgramGenerator(links: links, index: index, mentions: Set(mentions.keys))
        let extractor = ProgramFeatures(links: links, index: index, clauses: generator.clauses)
        var executor = ProgramExecutor(table: index.table, mentions: mentions)
        return generator.candidates.compactMap { candidate in
            let denotation = executor.run(candidate.program)
            guard !denotation.isEmpty else { return nil }
            let features = extractor.features(of: candidate) + extractor.features(of: denotation, by: candidate)
            return ReadProgram(
                program: candidate.program, denotation: denotation, score: 0, features: features, candidate: candidate)
        }
    }

    @inline(__always)
    private func score(_ features: [UInt32]) -> Double {
        weights.scores.withUnsafeBufferPointer { scores in
            var sum: Float = 0
            for feature in features { sum += scores[Int(feature)] }
            return Double(sum)
        }
    }

    private func reading(_ programs: [ReadProgram], _ links: QuestionLinks) -> QuestionReading {
        guard let best = programs.first else {
            return QuestionReading(
                programs: [], agreement: 0, gateFeatures: [], confidence: weights.gate.isEmpty ? nil : 0)
        }
        let total = programs.reduce(0) { $0 + exp($1.score - best.score) }
        let agreeing = programs.reduce(0) { $0 + ($1.denotation == best.denotation ? exp($1.score - best.score) : 0) }
        let agreement = agreeing / total
        let features = gateFeatures(best, agreement, links)
        var confidence: Double?
        if weights.gate.count == features.count + 1 {
            let sum = zip(weights.gate.dropFirst(), features).reduce(Double(weights.gate[0])) {
                $0 + Double($1.0) * $1.1
            }
            confidence = 1 / (1 + exp(-sum))
        }
        return QuestionReading(
            programs: programs, agreement: agreement, gateFeatures: features, confidence: confidence,
            unexplained: unexplained(best, links))
    }

    /// What any collection's documents may be called.
    private static let anything = WordList(
        "document documents record records row rows entry entries item items file files thing things page pages")

    /// How many programs are looked at when something speaks against the best, and how far below its score.
    private static let alternatives = 16
    private static let tolerance = 6.0

    /// "When" wants the day where the column has it: a program that cuts it to the year or the month gives way to the same
    /// without the cut, unless the question names the period.
    private static func withWholeDates(_ programs: [ReadProgram], _ cues: QuestionCues) -> [ReadProgram] {
        guard let best = programs.first, case .periods(let rows, let column, let period) = best.program,
            !cues.periods.contains(period),
            let whole = programs.firstIndex(where: { $0.program == .values(rows, column) })
        else { return programs }
        var programs = programs
        var chosen = programs.remove(at: whole)
        // The gate looks at the score, which says how well the rows and the column fit.
        chosen.score = best.score
        programs.insert(chosen, at: 0)
        return programs
    }

    private static let copulas = WordList(
        "is are was were be been being not still already currently isnt arent wasnt werent")

    /// With a clause or a column the question has been led to a part of the table, and other words of it may paraphrase
    /// that; what the question ends in after "are" or "was" narrows them down all the same ("How many are cancelled?").
    private func unexplained(_ best: ReadProgram, _ links: QuestionLinks) -> [String] {
        let tokens = links.tokens
        let isLed = !best.candidate.clauses.isEmpty || best.candidate.target >= 0
        return tokens.indices.filter { at in
            let token = tokens[at]
            guard !WordForms.function.contains(token.text), best.candidate.mask & (at..<(at + 1)).mask == 0,
                token.number == nil, !Self.anything.contains(token.text)
            else { return false }
            return !isLed || (at > 0 && at == tokens.count - 1 && Self.copulas.contains(tokens[at - 1].text))
        }.map { WordForms.stem(tokens[$0].text) }
    }

    /// How sure the best program is, and how much of the question it explains.
    private func gateFeatures(_ best: ReadProgram, _ agreement: Double, _ links: QuestionLinks) -> [Double] {
        let tokens = links.tokens
        let free = tokens.indices.filter {
            !WordForms.function.contains(tokens[$0].text) && best.candidate.mask & ($0..<($0 + 1)).mask == 0
        }
        let contentCount = tokens.count { !WordForms.function.contains($0.text) }
        let names = free.filter { $0 > 0 && tokens[$0].isCapitalised }
        let operation = best.candidate.operation
        let isLookup = operation == .values || operation == .exists
        let weak = best.candidate.clauses.isEmpty && best.candidate.target < 0 ? 1.0 : 0
        let target = best.candidate.target >= 0 ? links.field(best.candidate.target)?.match.rawValue ?? 0 : 0
        let counts = [.count, .distinct, .groupsWhereCount].contains(operation)
        return [
            log(max(1e-6, agreement)), Double(min(8, free.count)), Double(free.count) / Double(max(1, contentCount)),
            Double(min(4, names.count)), isLookup ? 1 : 0, weak, Double(target) / 4, counts ? 1 : 0,
            Double(min(30, tokens.count)) / 10, best.score / 20,
            Double(best.candidate.clauses.count),
        ]
    }
}

extension QuestionReader {
    /// The stems of a name's words.
    package static func stems(_ name: some StringProtocol) -> Set<String> {
        Set(WordForms.nameTokens(String(name)).map(\.stem))
    }

    /// The rows of a set.
    package func rows(_ set: RowSet, mentions: [String: RowBits] = [:]) -> [Int] {
        var executor = ProgramExecutor(table: index.table, mentions: mentions)
        return executor.rows(set)
    }

    /// Whether a question's function words ask for a number, an extreme, an order, or what is true of all: without reading a
    /// table. Most questions about a whole corpus have such words; of those about single passages some have.
    package static func asksOfMany(_ question: String) -> Bool {
        let cues = QuestionCues(Array(WordForms.tokens(question).prefix(62)))
        return cues.asksNumber || cues.asksTotal || cues.asksMean || cues.asksDifference || cues.asksPercent
            || cues.asksRatio || cues.asksOrder || cues.hasSuperlative || cues.asksShared
    }
}
