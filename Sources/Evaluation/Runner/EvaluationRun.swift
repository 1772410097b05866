// SPDX-License-Identifier: Apache-2.0

public import Base
public import Datasets
import Foundation
import OrderedCollections
import QualityMetrics
import Text

/// The work of a run: question sets × policies × models × seeds.
public struct RunPlan: Sendable {
    public var sets: [QuestionSet]
    public var policies: [String]
    public var models: [String]
    public var seeds: [UInt64]
    /// How many questions run at the same time. Default 4.
    public var concurrency: Int
    /// The longest time of one question, in seconds; it ends what hangs. Default 300.
    public var deadline: Double
    /// The cut-offs of passage recall.
    public var cutoffs: [Int]

    public init(
        sets: [QuestionSet], policies: [String], models: [String], seeds: [UInt64] = [1], concurrency: Int = 4,
        deadline: Double = 300, cutoffs: [Int] = [2, 5, 10]
    ) {
        self.sets = sets
        self.policies = policies
        self.models = models
        self.seeds = seeds
        self.concurrency = concurrency
        self.deadline = deadline
        self.cutoffs = cutoffs
    }

    /// One unit of work.
    struct Unit: Sendable {
        var key: RunKey
        var question: EvalQuestion
        var scorer: Scorer
    }

    func units(_ scoring: RunScoring) -> [Unit] {
        var result: [Unit] = []
        for set in sets {
            let scorer = scoring.scorer(of: set.name)
            for policy in policies {
                for model in models {
                    for question in set.questions {
                        for seed in seeds {
                            let key = RunKey(
                                set: set.name, question: question.id, policy: policy, model: model, seed: seed)
                            result.append(Unit(key: key, question: question, scorer: scorer))
                        }
                    }
                }
            }
        }
        return result
    }

    /// Identifies the questions with their gold: a changed question set is another run.
    var questionsFingerprint: String {
        var hash = SHA256()
        for set in sets {
            for question in set.questions {
                var bytes: [UInt8] = Array(set.name.utf8) + [0]
                question.json.append(to: &bytes)
                bytes.withUnsafeBytes { hash.update($0) }
            }
        }
        return String(hash.finalizeHex().prefix(16))
    }
}

/// Runs a plan: concurrently, each result on disk before it counts, every failure kept to its question.
public struct EvaluationRun: Sendable {
    public var plan: RunPlan
    public var runner: any QuestionRunner
    /// Decides what is right where it is given; nil scores by exact match.
    public var judge: Judge?
    /// Whether questions that ended in an error are run again on resume. Default true.
    public var retriesErrors = true

    public init(plan: RunPlan, runner: any QuestionRunner, judge: Judge? = nil) {
        self.plan = plan
        self.runner = runner
        self.judge = judge
    }

    /// How the run is scored.
    public var scoring: RunScoring {
        RunScoring(
            benchmarks: Dictionary(plan.sets.map { ($0.name, $0.benchmark) }, uniquingKeysWith: { first, _ in first }),
            cutoffs: plan.cutoffs, usesJudge: judge != nil)
    }

    /// The fingerprint of the run: the runner's parts, the questions and the program.
    public func fingerprint() async throws -> RunFingerprint {
        var result = try await runner.fingerprint(policies: plan.policies, models: plan.models)
        result.parts["questions"] = plan.questionsFingerprint
        result.parts["deadline"] = "\(plan.deadline) s"
        result.parts["scoring"] = scoring.json.serialized()
        if let judge { result.parts["judge"] = judge.fingerprint }
        result.parts["code"] = RunFingerprint.program()
        return result
    }

    /// Runs everything that is not in the file yet.
    /// - Parameter onProgress: called after each record, one call at a time.
    /// - Returns: all records of the plan, in the order of their keys.
    /// - Throws: `RunFileError`; `CancellationError` when the task was cancelled, the file being whole and resumable.
    public func execute(
        file path: String, name: String, suite: JSONValue, resume: Bool,
        onProgress: @escaping @Sendable (RunProgress) -> Void = { _ in }
    ) async throws -> [RunRecord] {
        let (file, recorded) = try RunFile.open(
            path, name: name, fingerprint: try await fingerprint(), suite: suite, scoring: scoring, resume: resume)
        let units = plan.units(scoring)
        let wanted = Set(units.map(\.key))
        var records: [RunKey: RunRecord] = [:]
        for record in recorded where wanted.contains(record.key) {
            if retriesErrors, record.outcome.status == .error || record.outcome.status == .incomplete { continue }
            records[record.key] = record
        }
        let todo = units.filter { records[$0.key] == nil }
        let clock = ContinuousClock()
        let start = clock.now
        var progress = RunProgress(units.map(\.key.configuration), recorded: records.values)
        onProgress(progress)
        try await withThrowingTaskGroup(of: RunRecord.self) { group in
            var next = 0
            func startOne() {
                guard next < todo.count else { return }
                let unit = todo[next]
                next += 1
                progress.running += 1
                group.addTask { try await record(of: unit) }
            }
            for _ in 0..<max(1, plan.concurrency) { startOne() }
            while let record = try await group.next() {
                try file.append(record)
                records[record.key] = record
                progress.running -= 1
                progress.add(record)
                progress.seconds = seconds(clock.now - start)
                onProgress(progress)
                startOne()
            }
        }
        return records.values.sorted { $0.key < $1.key }
    }

    /// Runs and scores one unit; only cancellation of the whole run is thrown.
    private func record(of unit: RunPlan.Unit) async throws -> RunRecord {
        var question = unit.question
        question.answers = []
        question.supporting = []
        question.supportingFacts = []
        question.judgments = [:]
        question.extra = [:]
        // Whether it is answerable and of which type is gold too.
        question.isAnswerable = true
        question.type = ""
        question.hops = nil
        let asked = question
        let clock = ContinuousClock()
        let start = clock.now
        var outcome: RunOutcome
        do {
            let key = unit.key
            let result = try await firstOf(seconds: plan.deadline) {
                try await runner.run(asked, key: key)
            }
            outcome = result ?? RunOutcome(status: .limit, stop: "deadline")
        } catch {
            try Task.checkCancellation()
            outcome = RunOutcome(status: .error, stop: "failed", error: "\(error)")
        }
        if outcome.seconds == 0 { outcome.seconds = seconds(clock.now - start) }
        if let judge, outcome.status == .answered || outcome.status == .limit, unit.question.isAnswerable {
            do {
                let judged = outcome
                let verdict = try await firstOf(seconds: plan.deadline) {
                    try await judge.verdict(on: judged, of: unit.question)
                }
                outcome.verdict = verdict ?? nil
                outcome.entailed =
                    try await firstOf(seconds: plan.deadline) { try await judge.entailment(of: judged) } ?? nil
                if outcome.verdict == nil {
                    outcome.status = .incomplete
                    outcome.error = verdict == nil ? "the judge took too long" : "the judge gave no verdict"
                }
            } catch {
                try Task.checkCancellation()
                outcome.status = .incomplete
                outcome.error = "the judge failed: \(error)"
            }
        }
        return RunRecord(key: unit.key, question: unit.question, outcome: outcome, scorer: unit.scorer)
    }
}

func seconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}

/// Runs an operation for so long at most; nil when the time was over first. What does not answer its cancellation is left
/// behind, so that one hung question cannot hang the run.
func firstOf<Value: Sendable>(
    seconds: Double, _ operation: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    let (stream, continuation) = AsyncThrowingStream.makeStream(of: Value?.self)
    let work = Task {
        do {
            continuation.yield(try await operation())
            continuation.finish()
        } catch {
            continuation.finish(throwing: error)
        }
    }
    let timer = Task {
        try await Task.sleep(for: .seconds(seconds))
        continuation.yield(nil)
        continuation.finish()
    }
    return try await withTaskCancellationHandler {
        defer {
            work.cancel()
            timer.cancel()
        }
        for try await value in stream { return value }
        throw CancellationError()
    } onCancel: {
        work.cancel()
        timer.cancel()
        continuation.finish(throwing: CancellationError())
    }
}
