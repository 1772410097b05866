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

    @Option(help: "The measure, such as degmat/jaccard, eigv/cosine, mean_logprob, flare or coverage.")
    var measure = "degmat/jaccard"

    @Option(help: "How many answers are sampled for a measure of agreement.")
    var samples = 10

    @Option(help: "The most questions.")
    var limit = 100

    @Option(help: "Writes the curve as a picture.")
    var svg: String?

    @Option(help: "Seeds every random choice.")
    var seed: UInt64 = 0

    @Flag(help: "Print the curve as JSON lines.")
    var json = false

    func validate() throws {
        guard GateMeasure(name: measure) != nil else {
            throw ValidationError(
                "there is no measure \(measure); there are \(GateMeasure.names.joined(separator: ", "))")
        }
        guard (2...100).contains(samples), limit > 0 else {
            throw ValidationError("--samples must be from 2 to 100 and --limit above 0")
        }
    }

    func run() async throws {
        let (environment, strategy) = try await agent.environment(quiet: true)
        guard let gateMeasure = GateMeasure(name: measure, samples: samples) else { return }
        // `coverage` measures evidence, so its "without" is one search; the others' is none.
        var without = strategy
        without.gate = ProbeGate(measure: gateMeasure, retrieves: gateMeasure.kind == .coverage)
        without.rules.isGated = true
        if gateMeasure.kind == .coverage { without.budget.steps = 1 }
        var observations: [GateObservation] = []
        for (index, question) in try readQuestions().enumerated() {
            let first = try await answer(question, without, environment)
            let second = try await answer(question, strategy, environment)
            guard let uncertainty = first.uncertainty else {
                throw ValidationError(
                    "\(measure) cannot be measured with this model: it needs samples or log-probabilities")
            }
            observations.append(
                GateObservation(
                    questionID: question.id.isEmpty ? String(index + 1) : question.id, uncertainty: uncertainty,
                    without: first.quality, with: second.quality, calls: second.calls))
            FileHandle.standardError.write(Data("\(index + 1) questions\n".utf8))
        }
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
                SessionRunner.write(
                    "\ngate: {threshold: {measure: \(measure), value: \(best.threshold), samples: \(samples)}}")
            }
        }
    }

    private func answer(
        _ question: Question, _ strategy: Strategy, _ environment: AgentEnvironment
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
