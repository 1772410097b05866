// SPDX-License-Identifier: Apache-2.0

public import Base
import Datasets
import OrderedCollections
public import QualityMetrics
import Text

/// How the records of a run are scored: kept in the run's header, so that scoring again needs nothing else.
public struct RunScoring: Sendable, Hashable, JSONRepresentable {
    /// How answers are compared, by the question set's name; a set that is not here is told by its name.
    public var benchmarks: [String: AnswerBenchmark]
    /// The cut-offs of passage recall.
    public var cutoffs: [Int]
    /// Whether a judge's verdict decides what is right.
    public var usesJudge: Bool

    public init(benchmarks: [String: AnswerBenchmark], cutoffs: [Int] = [2, 5, 10], usesJudge: Bool = false) {
        self.benchmarks = benchmarks
        self.cutoffs = cutoffs
        self.usesJudge = usesJudge
    }

    /// The scorer of a question set.
    public func scorer(of set: String) -> Scorer {
        Scorer(
            benchmark: benchmarks[set] ?? DatasetFormat.benchmark(named: set), cutoffs: cutoffs, usesJudge: usesJudge)
    }

    public init(json: JSONValue) throws {
        benchmarks = [:]
        for (set, name) in json["benchmarks"]?.object ?? [:] {
            guard let text = name.string, let benchmark = AnswerBenchmark(rawValue: text) else {
                throw JSONError(message: "unknown benchmark \(name.serialized())")
            }
            benchmarks[set] = benchmark
        }
        cutoffs = (json["cutoffs"]?.array ?? []).compactMap(\.int)
        usesJudge = json["judge"]?.bool ?? false
    }

    public var json: JSONValue {
        [
            "benchmarks": .object(
                JSONObject(
                    uniqueKeysWithValues: benchmarks.sorted { $0.key < $1.key }.map {
                        ($0.key, JSONValue.string($0.value.rawValue))
                    })),
            "cutoffs": .array(cutoffs.map { JSONValue.integer($0) }), "judge": .bool(usesJudge),
        ]
    }
}
