// SPDX-License-Identifier: Apache-2.0

public import Base
public import OrderedCollections
public import QualityMetrics
import Text

/// A policy with a model on a question set: what a table has one row of.
public struct RunConfiguration: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var set: String
    public var policy: String
    public var model: String

    public init(set: String, policy: String, model: String) {
        self.set = set
        self.policy = policy
        self.model = model
    }

    public static func < (left: RunConfiguration, right: RunConfiguration) -> Bool {
        (left.set, left.policy, left.model) < (right.set, right.policy, right.model)
    }

    public var description: String { "\(set) · \(policy)" + (model.isEmpty || model == "none" ? "" : " · \(model)") }
}

extension RunKey {
    /// The configuration that the unit of work belongs to.
    public var configuration: RunConfiguration { RunConfiguration(set: set, policy: policy, model: model) }
}

extension RunRecord {
    /// The configuration that the record belongs to.
    public var configuration: RunConfiguration { key.configuration }
}

/// What one configuration of a run came to.
public struct RunSummary: Sendable {
    public var configuration: RunConfiguration
    /// Records, over all seeds.
    public var runs: Int
    /// Distinct questions.
    public var questions: Int
    /// Records by how they ended. Wrong is `answered` or `limit` with a wrong answer, and is counted in `wrong`.
    public var statuses: OrderedDictionary<RunStatus, Int>
    /// Scored records whose answer is not right.
    public var wrong: Int
    /// Scored records with an answer that nothing which was found supports.
    public var unsupported: Int
    /// Each measure's mean over questions, the seeds of a question averaged first, with its interval. Unscored records are
    /// left out: a crash is not a wrong answer; `statuses` says how many there are.
    public var means: OrderedDictionary<String, MeanInterval>
    public var refusals: RefusalRates
    public var blame: OrderedDictionary<Blame, Int>
    public var seconds: Distribution
    public var toolCalls: Distribution
    public var modelCalls: Distribution
    public var tokens: Distribution
    public var cost: Distribution
    /// Confidence and whether the answer was right, for records that state a confidence.
    public var confidence: [Double]
    public var correct: [Bool]

    /// Sums up the records of one configuration.
    public init(
        _ configuration: RunConfiguration, records: [RunRecord], resamples: Int = Bootstrap.defaultResamples,
        seed: UInt64 = 1
    ) {
        self.configuration = configuration
        runs = records.count
        questions = Set(records.map(\.key.question)).count
        statuses = [:]
        for status in RunStatus.allCases { statuses[status] = records.count { $0.outcome.status == status } }
        let scored = records.filter(\.isScored)
        wrong = scored.count { !$0.isRight }
        unsupported = scored.count { $0.outcome.unsupported && !$0.outcome.refused }
        means = [:]
        for measure in RunSummary.measures(of: records) {
            let values = RunSummary.byQuestion(scored, measure).values.elements
            means[measure] = Bootstrap.mean(Array(values), resamples: resamples, seed: seed)
        }
        if let sets = RunSummary.consistency(scored) {
            means["contrast_consistency"] = Bootstrap.mean(sets, resamples: resamples, seed: seed)
        }
        refusals = RefusalRates()
        blame = [:]
        for record in scored {
            refusals.add(
                answerable: record.isAnswerable,
                refused: record.outcome.refused || RefusalWording.isRefusal(record.outcome.answer))
            blame[record.blame, default: 0] += 1
        }
        seconds = Distribution(scored.map(\.outcome.seconds))
        toolCalls = Distribution(scored.map { Double($0.outcome.toolCalls) })
        modelCalls = Distribution(scored.map { Double($0.outcome.modelCalls) })
        tokens = Distribution(scored.map { Double($0.outcome.promptTokens + $0.outcome.completionTokens) })
        cost = Distribution(scored.map(\.outcome.cost))
        let confident = scored.filter { $0.outcome.confidence != nil }
        confidence = confident.compactMap(\.outcome.confidence)
        // A confidence is that of an answer: where none was given, none was right.
        correct = confident.map { $0.isRight && !$0.outcome.refused }
    }

    /// For each contrast set (and seed) of at least two questions 1 when all of them are right, else 0; nil without any.
    /// An agent that reads what a minimal edit changes gets both; one that answers by resemblance gets one at most.
    static func consistency(_ records: [RunRecord]) -> [Double]? {
        let sets = Dictionary(grouping: records.filter { !$0.contrast.isEmpty }) { "\($0.contrast)\u{0}\($0.key.seed)" }
            .filter { Set($0.value.map(\.key.question)).count >= 2 }
        guard !sets.isEmpty else { return nil }
        return sets.sorted { $0.key < $1.key }.map { $0.value.allSatisfy(\.isRight) ? 1 : 0 }
    }

    /// The summaries of all configurations, in their order.
    public static func all(_ records: [RunRecord], resamples: Int = Bootstrap.defaultResamples) -> [RunSummary] {
        Dictionary(grouping: records, by: \.configuration).sorted { $0.key < $1.key }.map {
            RunSummary($0.key, records: $0.value.sorted { $0.key < $1.key }, resamples: resamples)
        }
    }

    /// The means of a measure by a property of the questions, such as type or hops.
    public static func breakdown(
        _ records: [RunRecord], _ measure: String, by property: (RunRecord) -> String,
        resamples: Int = Bootstrap.defaultResamples
    ) -> OrderedDictionary<String, MeanInterval> {
        var result: OrderedDictionary<String, MeanInterval> = [:]
        for (name, group) in Dictionary(grouping: records.filter(\.isScored), by: property).sorted(by: {
            $0.key < $1.key
        }) {
            result[name] = Bootstrap.mean(Array(byQuestion(group, measure).values), resamples: resamples)
        }
        return result
    }

    /// The measures that occur, in the order in which the scorer writes them.
    static func measures(of records: [RunRecord]) -> [String] {
        var names: OrderedSet<String> = []
        for record in records { names.formUnion(record.scores.keys) }
        return Array(names)
    }

    /// A measure by question, averaged over seeds; questions without the measure are left out.
    static func byQuestion(_ records: [RunRecord], _ measure: String) -> OrderedDictionary<String, Double> {
        var sums: OrderedDictionary<String, (sum: Double, count: Int)> = [:]
        for record in records {
            guard let value = record.scores[measure] else { continue }
            sums[record.key.question, default: (0, 0)].sum += value
            sums[record.key.question, default: (0, 0)].count += 1
        }
        return sums.mapValues { $0.sum / Double($0.count) }
    }

    /// The summary for machines.
    public var json: JSONValue {
        func spread(_ values: Distribution) -> JSONValue {
            [
                "mean": .number(values.mean), "p50": .number(values.quantile(0.5)),
                "p90": .number(values.quantile(0.9)), "p99": .number(values.quantile(0.99)),
                "sum": .number(values.sum),
            ]
        }
        var members: JSONObject = [
            "set": .string(configuration.set), "policy": .string(configuration.policy),
            "model": .string(configuration.model), "runs": .integer(runs), "questions": .integer(questions),
            "statuses": .object(
                JSONObject(uniqueKeysWithValues: statuses.map { ($0.key.rawValue, JSONValue.integer($0.value)) })),
            "wrong": .integer(wrong), "unsupported": .integer(unsupported),
        ]
        var measures: JSONObject = [:]
        for (name, mean) in means {
            measures[name] = [
                "mean": .number(mean.mean), "lower": .number(mean.lower), "upper": .number(mean.upper),
                "n": .integer(mean.count),
            ]
        }
        members["measures"] = .object(measures)
        var refusal: JSONObject = [:]
        for (name, value) in [
            ("recall", refusals.refusalRecall), ("precision", refusals.refusalPrecision),
            ("false_rate", refusals.falseRefusalRate), ("hallucination_rate", refusals.hallucinationRate),
        ] { if let value { refusal[name] = .number(value) } }
        members["refusal"] = .object(refusal)
        members["blame"] = .object(
            JSONObject(
                uniqueKeysWithValues: Blame.allCases.compactMap { one in
                    blame[one].map { (one.rawValue, JSONValue.integer($0)) }
                }))
        members["seconds"] = spread(seconds)
        members["tool_calls"] = spread(toolCalls)
        members["model_calls"] = spread(modelCalls)
        members["tokens"] = spread(tokens)
        members["cost"] = spread(cost)
        if !confidence.isEmpty {
            var calibration: JSONObject = [
                "n": .integer(confidence.count),
                "ece": .number(CalibrationMetrics.expectedCalibrationError(confidence: confidence, correct: correct)),
                "brier": .number(CalibrationMetrics.brierScore(confidence: confidence, correct: correct)),
            ]
            if let area = CalibrationMetrics.areaUnderROC(confidence: confidence, correct: correct) {
                calibration["auroc"] = .number(area)
            }
            if let area = CalibrationMetrics.areaUnderRiskCoverage(confidence: confidence, correct: correct) {
                calibration["aurc"] = .number(area)
            }
            members["calibration"] = .object(calibration)
        }
        return .object(members)
    }
}

extension RunRecord {
    /// Whether the answer counts as right: the judge's verdict, a right refusal, or exact match.
    public var isRight: Bool { (scores["verdict"] ?? scores["refusal"] ?? scores["em"] ?? 0) == 1 }
}
