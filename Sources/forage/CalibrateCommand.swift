// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Datasets
import Foundation
import LanguageModels
import QualityMetrics
import Text

/// Fits the threshold of a retrieval gate on questions with known answers.
struct CalibrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate", abstract: "Fit the threshold of a gate that decides when to retrieve.",
        discussion: """
            Answers each question without and with retrieval, measures the uncertainty before retrieval, and prints AUROC, \
            the area under the accuracy-rejection curve, the expected calibration error, and the curve of answer quality \
            against retrieval calls. The questions are in any format that `forage eval` reads.
            """)

    @OptionGroup var agent: AgentOptions

    @Option(help: "A file of questions with their answers.")
    var questions: String

    @Option(
        help:
            "The measure, such as degmat/jaccard, eigv/cosine, mean_logprob, flare or coverage; several, with commas, for a gate whose weights are fitted too."
    )
    var measure = "degmat/jaccard"

    @Option(help: "How many answers are sampled for a measure of agreement.")
    var samples = 10

    @Option(name: [.customShort("k"), .long], help: "The most questions.")
    var limit = 100

    @Option(help: "Writes the curve as a picture.")
    var svg: String?

    @Option(help: "Seeds every random choice.")
    var seed: UInt64 = 0

    @Flag(name: [.short, .long], help: "Print the curve as JSON lines.")
    var json = false

    private var measures: [String] {
        measure.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    }

    func validate() throws {
        for measure in measures where GateMeasure(name: measure) == nil {
            throw ValidationError(
                "there is no measure \(measure); there are \(GateMeasure.names.joined(separator: ", "))")
        }
        guard !measures.isEmpty else { throw ValidationError("--measure names no measure") }
        guard (2...100).contains(samples), limit > 0 else {
            throw ValidationError("--samples must be from 2 to 100 and --limit above 0")
        }
    }

    func run() async throws {
        let (environment, strategy) = try await agent.environment(quiet: true)
        // The gate's measures one after another; the answers without and with retrieval are those of the first.
        var rows: [[Double]] = []
        var observations: [GateObservation] = []
        for (index, question) in try readQuestions().enumerated() {
            var row: [Double] = []
            var first: (quality: Double, calls: Int, uncertainty: Double?)?
            for name in measures {
                guard let gateMeasure = GateMeasure(name: name, samples: samples) else { continue }
                // `coverage` measures evidence, so its "without" is one search; the others' is none.
                var without = strategy
                without.gate = ProbeGate(measure: gateMeasure, retrieves: gateMeasure.kind == .coverage)
                without.rules.isGated = true
                if gateMeasure.kind == .coverage { without.budget.steps = 1 }
                let probed = try await answer(question, without, environment, measure: name)
                guard let uncertainty = probed.uncertainty else {
                    throw ValidationError(
                        "\(name) cannot be measured with this model: it needs samples or log-probabilities")
                }
                row.append(uncertainty)
                if first == nil { first = probed }
            }
            let second = try await answer(question, strategy, environment, measure: measures[0])
            rows.append(row)
            observations.append(
                GateObservation(
                    questionID: question.id.isEmpty ? String(index + 1) : question.id, uncertainty: row[0],
                    without: first?.quality ?? 0, with: second.quality, calls: second.calls))
            FileHandle.standardError.write(Data("\(index + 1) questions\n".utf8))
        }
        var gate = "threshold: {measure: \(measure), "
        if measures.count > 1 {
            let fit = GateFitting(rows: rows, wrong: observations.map { $0.without < 0.5 })
            for index in observations.indices { observations[index].uncertainty = fit.probability(rows[index]) }
            let weights = fit.weights.map { String($0) }.joined(separator: ", ")
            gate =
                "learned: {measures: [\(measures.joined(separator: ", "))], weights: [\(weights)], bias: \(fit.bias), "
        }
        try report(observations, gate: gate)
    }

    /// Prints the curve and the gate that it gives.
    /// - Parameter gate: the gate's beginning, up to its threshold.
    private func report(_ observations: [GateObservation], gate: String) throws {
        let calibration = GateCalibration(measure: measure, observations: observations)
        if let svg { try Data(calibration.svg().utf8).write(to: URL(fileURLWithPath: svg), options: .atomic) }
        if json {
            for point in calibration.curve {
                let record: JSONValue = [
                    "threshold": .number(point.threshold), "quality": .number(point.quality),
                    "calls": .number(point.calls),
                ]
                SessionRunner.write(record.serialized())
            }
        } else {
            SessionRunner.write(calibration.table())
            if let best = calibration.bestThreshold() {
                SessionRunner.write("\ngate: {\(gate)value: \(best.threshold), samples: \(samples)}}")
            }
        }
    }

    private func answer(
        _ question: Question, _ strategy: Strategy, _ environment: AgentEnvironment, measure: String
    ) async throws -> (quality: Double, calls: Int, uncertainty: Double?) {
        let store = InMemoryEventStore()
        let session = AgentSession(
            question.withoutGold, strategy: strategy, environment: environment, store: store, seed: seed)
        let answer = try await session.run()
        let state = await session.state
        let quality = AnswerBenchmark.hotpotQA.score(answer.prediction, gold: question.goldAnswers).f1
        let measured = state.uncertainty?.uncertainty
        let words = Trajectory.coverage(of: state)
        return (quality, state.spent.toolCalls, measure == "coverage" ? words : measured)
    }

    private func readQuestions() throws -> [Question] {
        let set = try DatasetReader.read(questions)
        for line in set.refusals { note(line) }
        let found = set.questions.filter { !$0.answers.isEmpty }.prefix(limit)
        guard !found.isEmpty else { throw ValidationError("\(questions) holds no question with an answer") }
        return found.map { Question($0.text, id: $0.id, goldAnswers: $0.answers) }
    }
}
