// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Corpus
import Datasets
import Encoders
import Evaluation
import Foundation
import Learning
import Net
import OrderedCollections
import QualityMetrics

/// `forage train confidence`: fits how sure the reader's answers may be, and when it says "not in this corpus", on finished
/// evaluation runs.
struct TrainConfidenceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "confidence",
        abstract: "Fit how sure answers may be, and when nothing is answered, on runs of `forage eval run`.",
        discussion: """
            The runs hold what the reader saw of its evidence beside whether its answer was right. A suite whose questions \
            have `withhold: 0.5` runs half of them without their gold passages: from these is learned what missing evidence \
            looks like. The questions should be none that the reader was trained on.
            """)

    @Argument(help: "Runs to learn from: folders, or their records.jsonl.")
    var runs: [String]

    @Option(name: .long, help: "A run to judge by; may be repeated.")
    var judge: [String] = []

    @Option(
        name: .long,
        help: "The reader whose file takes the confidence; where it is not there, a copy of the shipped one.")
    var reader = "Policies/reader.safetensors"

    @Option(name: .long, help: "The encoder of the corpora of the runs: a name in the model folder, or a path.")
    var encoder = "minilm"

    @Option(name: .long, help: "The share of the answerable questions that may be refused.")
    var refusals = 0.08

    @Flag(name: .long, help: "Fits and judges, and leaves the file as it is.")
    var dryRun = false

    func validate() throws {
        guard (0..<1).contains(refusals) else { throw ValidationError("--refusals must be a share from 0 to 1") }
    }

    func run() async throws {
        let sets = try runs.map { try Self.observations($0) }
        var confidence = ReaderConfidence(sets.flatMap { $0 }, refusals: refusals)
        guard let folder = ModelStore().resolve(encoder) else {
            throw ValidationError("there is no encoder '\(encoder)': run `forage model pull \(encoder)`")
        }
        confidence.probe = try await BERTEncoder(folder: folder).encode(ReaderConfidence.probeText)
        print(confidence.description)
        print(
            "run\tanswerable\twithout evidence\tAUROC answerable\tanswered without\trefused with\tAUROC right\tAURC\tECE"
        )
        for (path, seen) in try zip(runs, sets) + judge.map({ ($0, try Self.observations($0)) }) {
            print("\((path as NSString).lastPathComponent)\t\(ConfidenceScores(confidence, seen))")
        }
        guard !dryRun else { return }
        let isThere = FileManager.default.fileExists(atPath: reader)
        let source = isThere ? reader : PolicyFile.locate(SpanReader.standardName)
        try FileManager.default.createDirectory(
            atPath: (reader as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try SpanReader.write(confidence, into: reader, of: source)
        print("wrote the confidence into \(reader)")
    }

    /// What the answers of a run saw; those of another answerer than the reader have no signs and are left out.
    static func observations(_ path: String) throws -> [ReaderConfidence.Observation] {
        let records = try RunFile.read(EvalOpening.recordsPath(path)).records
        let seen = records.filter { $0.isScored && !$0.outcome.signs.isEmpty }.map { record in
            ReaderConfidence.Observation(
                signs: record.outcome.signs, isAnswerable: record.isAnswerable,
                isRight: record.isAnswerable && (record.scores["f1"] ?? 0) >= 0.5)
        }
        guard !seen.isEmpty else {
            throw ValidationError(
                "\(path): no answer of the span reader; run the suite with a policy that answers with it")
        }
        return seen
    }
}

/// How well a confidence tells questions with evidence from those without, and right answers from wrong ones.
struct ConfidenceScores: CustomStringConvertible {
    let description: String
    /// AUROC, what is answered without evidence and what is refused with it, as a row of a card.
    let row: String

    init(_ confidence: ReaderConfidence, _ seen: [ReaderConfidence.Observation]) {
        let judged = seen.map { confidence.probabilities($0.signs) }
        let held = judged.map(\.answerable)
        let refused = seen.map { !confidence.holds($0.signs) }
        let with = zip(seen, refused).filter { $0.0.isAnswerable }
        let without = zip(seen, refused).filter { !$0.0.isAnswerable }
        let right = seen.map { $0.isAnswerable && $0.isRight }
        let sure = judged.map(\.correct)
        func share(_ part: Int, _ whole: Int) -> String {
            whole == 0 ? "–" : String(format: "%.3f", Double(part) / Double(whole))
        }
        func figure(_ value: Double?) -> String { value.map { String(format: "%.3f", $0) } ?? "–" }
        let told = [
            figure(CalibrationMetrics.areaUnderROC(confidence: held, correct: seen.map(\.isAnswerable))),
            share(without.count { !$0.1 }, without.count), share(with.count { $0.1 }, with.count),
        ]
        row = told.joined(separator: " | ")
        description =
            ([String(with.count), String(without.count)] + told + [
                figure(CalibrationMetrics.areaUnderROC(confidence: sure, correct: right)),
                figure(CalibrationMetrics.areaUnderRiskCoverage(confidence: sure, correct: right)),
                figure(CalibrationMetrics.expectedCalibrationError(confidence: sure, correct: right)),
            ]).joined(separator: "\t")
    }
}
