// SPDX-License-Identifier: Apache-2.0

import Foundation
package import Reading

/// A question with the table that it is about and its answer; nobody wrote down a program.
package struct TableQuestion: Sendable {
    package var id: String
    package var text: String
    /// The values of the answer, in the form of `AnswerMatch.normal`.
    package var gold: Set<String>
    /// Place in the list of tables.
    package var table: Int
    /// The rows that mention phrases of the question.
    package var mentions: [String: RowBits]
    /// How much it counts. Default 1.
    package var weight: Double

    package init(
        id: String, text: String, gold: Set<String>, table: Int, mentions: [String: RowBits] = [:], weight: Double = 1
    ) {
        self.id = id
        self.text = text
        self.gold = gold
        self.table = table
        self.mentions = mentions
        self.weight = weight
    }
}

/// Learns which programs questions mean from answers alone.
///
/// The marginal likelihood of the programs that run to the right answer is raised (Liang, Jordan and Klein 2011; Pasupat and
/// Liang 2015): of all programs that do, those weigh most that the scorer already finds likely. That is APOLLO's execution
/// consistency as a likelihood: programs that run to the same value are targets alike, whatever their form.
/// AdaGrad with a proximal L1 step, so that most weights end at zero.
package struct QuestionReaderTrainer: Sendable {
    /// What steers training.
    package struct Options: Sendable, Hashable {
        /// Rounds over the questions. Default 8.
        package var epochs = 8
        /// AdaGrad's step. Default 0.1.
        package var step = 0.1
        /// The pull of each weight towards zero, a question. Default 1e-4.
        package var shrinkage = 1e-4
        /// Features of fewer questions than this are left out. Default 3.
        package var rarest = 3
        /// Programs kept of each question that do not give the answer. Default 300.
        package var wrongPrograms = 300
        /// Programs kept of each question that do. Default 60.
        package var rightPrograms = 60
        package var seed: UInt64 = 1

        package init() {}
    }

    /// The programs of one question: features one after the other.
    struct Example: Sendable {
        var features: [UInt32] = []
        var starts: [Int] = [0]
        /// The first programs are right.
        var right = 0
        var weight: Float = 1
        var count: Int { starts.count - 1 }
    }

    package var options: Options
    /// Told after each round: the round, the mean log-likelihood.
    package var report: @Sendable (Int, Double) -> Void

    package init(options: Options = Options(), report: @escaping @Sendable (Int, Double) -> Void = { _, _ in }) {
        self.options = options
        self.report = report
    }

    /// Runs the programs of each question.
    /// - Returns: a question's programs each; nil where none of them gives the answer.
    func prepare(_ questions: [TableQuestion], tables: [TableIndex]) -> [Example?] {
        questions.enumerated().map { place, question in
            let reader = QuestionReader(index: tables[question.table])
            let programs = reader.candidates(question.text, mentions: question.mentions)
            return example(programs, question, tables[question.table].table, place)
        }
    }

    /// Fits weights to prepared questions.
    func train(_ prepared: [Example]) -> ProgramWeights {
        var examples = prepared
        prune(&examples)
        return ProgramWeights(scores: fit(examples))
    }

    private func example(
        _ programs: [ReadProgram], _ question: TableQuestion, _ table: DocumentTable, _ place: Int
    ) -> Example? {
        var right: [ReadProgram] = []
        var wrong: [ReadProgram] = []
        var known: [Denotation: Bool] = [:]
        for program in programs {
            let isRight =
                known[program.denotation] ?? AnswerMatch.isRight(program.denotation, question.gold, in: table)
            known[program.denotation] = isRight
            if isRight { right.append(program) } else { wrong.append(program) }
        }
        guard !right.isEmpty, !wrong.isEmpty else { return nil }
        right = sample(right, options.rightPrograms, place)
        wrong = sample(wrong, options.wrongPrograms, place &+ 7919)
        var example = Example()
        example.right = right.count
        example.weight = Float(question.weight)
        for program in right + wrong {
            example.features += program.features
            example.starts.append(example.features.count)
        }
        return example
    }

    /// Some of the elements, drawn by the seed.
    private func sample(_ programs: [ReadProgram], _ count: Int, _ place: Int) -> [ReadProgram] {
        guard programs.count > count else { return programs }
        let keyed = programs.indices.map { (mix(UInt64($0), UInt64(bitPattern: Int64(place))), $0) }.sorted { $0 < $1 }
        return keyed.prefix(count).map(\.1).sorted().map { programs[$0] }
    }

    private func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
        var hash = (a &+ 1) &* 0x9e37_79b9_7f4a_7c15 ^ (b &+ options.seed) &* 0xbf58_476d_1ce4_e5b9
        hash ^= hash >> 31
        hash = hash &* 0x94d0_49bb_1331_11eb
        return hash ^ hash >> 29
    }

    /// Leaves out what few questions have.
    private func prune(_ examples: inout [Example]) {
        var counts = [UInt16](repeating: 0, count: ProgramWeights.featureSpace)
        for example in examples {
            for feature in Set(example.features) { counts[Int(feature)] = min(.max - 1, counts[Int(feature)]) + 1 }
        }
        for place in examples.indices {
            let old = examples[place]
            var pruned = Example()
            pruned.right = old.right
            pruned.weight = old.weight
            pruned.features.reserveCapacity(old.features.count)
            for program in 0..<old.count {
                for feature in old.features[old.starts[program]..<old.starts[program + 1]]
                where Int(counts[Int(feature)]) >= options.rarest {
                    pruned.features.append(feature)
                }
                pruned.starts.append(pruned.features.count)
            }
            examples[place] = pruned
        }
    }

    private func fit(_ examples: [Example]) -> [Float] {
        let space = ProgramWeights.featureSpace
        var weights = [Float](repeating: 0, count: space)
        var squares = [Float](repeating: 1e-6, count: space)
        var gradient = [Float](repeating: 0, count: space)
        var touched: [UInt32] = []
        for epoch in 0..<options.epochs {
            var likelihood = 0.0
            let order = examples.indices.map { (mix(UInt64($0), UInt64(epoch) &+ 1_000_003), $0) }.sorted { $0 < $1 }
            for (_, place) in order {
                let example = examples[place]
                var scores = [Double](repeating: 0, count: example.count)
                for program in 0..<example.count {
                    var sum: Float = 0
                    for feature in example.features[example.starts[program]..<example.starts[program + 1]] {
                        sum += weights[Int(feature)]
                    }
                    scores[program] = Double(sum)
                }
                let most = scores.max() ?? 0
                let shares = scores.map { exp($0 - most) }
                let all = shares.reduce(0, +)
                let right = shares.prefix(example.right).reduce(0, +)
                likelihood += log(max(1e-12, right / all))
                for program in 0..<example.count {
                    let wanted = program < example.right ? shares[program] / max(1e-300, right) : 0
                    let difference = Float(wanted - shares[program] / all) * example.weight
                    guard abs(difference) > 1e-5 else { continue }
                    for feature in example.features[example.starts[program]..<example.starts[program + 1]] {
                        if gradient[Int(feature)] == 0 { touched.append(feature) }
                        gradient[Int(feature)] += difference
                    }
                }
                for feature in touched {
                    let at = Int(feature)
                    let slope = gradient[at]
                    gradient[at] = 0
                    guard slope != 0 else { continue }
                    squares[at] += slope * slope
                    let rate = Float(options.step) / squares[at].squareRoot()
                    let moved = weights[at] + rate * slope
                    let pull = rate * Float(options.shrinkage)
                    weights[at] = moved > pull ? moved - pull : moved < -pull ? moved + pull : 0
                }
                touched.removeAll(keepingCapacity: true)
            }
            report(epoch + 1, likelihood / Double(max(1, examples.count)))
        }
        return weights
    }
}
