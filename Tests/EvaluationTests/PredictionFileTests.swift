// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Evaluation
import Foundation
import OrderedCollections
import QualityMetrics
import Testing
import Text

/// The prediction files whose official scores are in QualityMetricsTests' fixture, written in their benchmarks' own forms
/// and scored as `forage eval score` scores them.
@Suite struct PredictionFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// The form of a benchmark's files.
    private struct Form {
        /// The gold file and the prediction files of some items.
        var files: ([JSONValue]) -> (gold: String, predictions: [String])
        /// Our name of each measure of the script.
        var measures: [String: String]
        var scale = 1.0
        var tolerance = 1e-9
    }

    @Test func filesScoreAsTheirScriptsScoreThem() throws {
        let path =
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "QualityMetricsTests/Fixtures/answer_files.jsonl")
        let rows = try String(decoding: Data(contentsOf: path), as: UTF8.self).split(separator: "\n").map {
            try JSONValue(parsing: String($0))
        }
        let support = ["em", "f1", "prec", "recall"].flatMap { [$0, "sp_" + $0, "joint_" + $0] }
        let evidence = support + ["evi_em", "evi_f1", "evi_prec", "evi_recall"]
        func same(_ names: [String]) -> [String: String] { Dictionary(uniqueKeysWithValues: names.map { ($0, $0) }) }
        let forms: [String: Form] = [
            "hotpotQA": Form(files: Self.hotpot, measures: same(support)),
            // That script rounds percentages to two decimals.
            "twoWikiMultihopQA": Form(
                files: Self.hotpot, measures: same(evidence), scale: 100, tolerance: 0.005_000_1),
            "musique": Form(
                files: Self.musique, measures: ["em": "answer_em", "f1": "answer_f1", "support_f1": "support_f1"]),
            "flashRAG": Form(
                files: Self.flashRAG,
                measures: ["em": "em", "f1": "f1", "precision": "precision", "recall": "recall", "contains": "acc"]),
            "multiHopRAG": Form(
                files: Self.multiHopRAG, measures: same(["accuracy", "Hits@10", "Hits@4", "MAP@10", "MRR@10"])),
        ]
        var compared: [String: Int] = [:]
        for (number, row) in rows.enumerated() {
            let name = try row.requiredString("benchmark")
            guard let form = forms[name] else { continue }
            let (gold, predictions) = form.files(try row.requiredArray("items"))
            let set = try DatasetReader.read(folder.write("\(name)-\(number).json", gold))
            #expect(set.benchmark.rawValue == name)
            var means: OrderedDictionary<String, Double> = [:]
            for (part, text) in predictions.enumerated() {
                let file = try folder.write("\(name)-\(number)-\(part)-predictions.json", text)
                means.merge(try PredictionSet.read(file).scores(set).means) { first, _ in first }
            }
            for (theirs, ours) in form.measures {
                guard let wanted = row["scores"]?[theirs]?.double else { continue }
                // A file in which nothing was predicted has no such measure; its script gives 0.
                let mean = (means[ours] ?? 0) * form.scale
                #expect(
                    abs(mean - wanted) <= form.tolerance, "file \(number) (\(name)), \(ours): \(mean), script \(wanted)"
                )
                compared[name, default: 0] += 1
            }
        }
        #expect(Set(compared.keys) == Set(forms.keys) && compared.values.reduce(0, +) > 3000, "\(compared)")
    }

    private static func lines(_ values: [JSONValue]) -> String {
        values.map { $0.serialized() }.joined(separator: "\n") + "\n"
    }

    /// A member that is there and not null.
    private static func given(_ item: JSONValue, _ name: String) -> JSONValue? {
        item[name].flatMap { $0.isNull ? nil : $0 }
    }

    private static func hotpot(_ items: [JSONValue]) -> (gold: String, predictions: [String]) {
        var gold: [JSONValue] = []
        var parts: [String: JSONObject] = ["answer": [:], "sp": [:]]
        for (index, item) in items.enumerated() {
            let id = "q\(index)"
            var question: JSONObject = [
                "_id": .string(id), "question": .string("Question \(index)?"), "answer": item["gold"] ?? [],
                "supporting_facts": item["gold_sp"] ?? [], "context": [], "type": "bridge",
            ]
            if let triples = item["gold_evidence"] { question["evidences"] = triples }
            gold.append(.object(question))
            parts["answer"]?[id] = given(item, "prediction")
            parts["sp"]?[id] = given(item, "sp")
            if let triples = given(item, "evidence") { parts["evidence", default: [:]][id] = triples }
        }
        return (
            JSONValue.array(gold).serialized(),
            [
                JSONValue.object(
                    JSONObject(
                        uniqueKeysWithValues: parts.sorted { $0.key < $1.key }.map { ($0.key, .object($0.value)) })
                ).serialized()
            ]
        )
    }

    private static func musique(_ items: [JSONValue]) -> (gold: String, predictions: [String]) {
        var gold: [JSONValue] = []
        var predictions: [JSONValue] = []
        for (index, item) in items.enumerated() {
            let supporting = (item["gold_support"]?.array ?? []).compactMap(\.int)
            let answers = item["gold"]?.array ?? []
            gold.append([
                "id": .string("2hop__\(index)"), "question": .string("Question \(index)?"),
                "answer": answers.first ?? "",
                "answer_aliases": .array(Array(answers.dropFirst())), "answerable": true,
                "paragraphs": .array(
                    (0..<20).map { place in
                        [
                            "idx": .integer(place), "title": .string("\(index) \(place)"), "paragraph_text": "text",
                            "is_supporting": .bool(supporting.contains(place)),
                        ]
                    }),
            ])
            predictions.append([
                "id": .string("2hop__\(index)"), "predicted_answer": item["prediction"] ?? "",
                "predicted_support_idxs": item["support"] ?? [], "predicted_answerable": true,
            ])
        }
        return (lines(gold), [lines(predictions)])
    }

    private static func flashRAG(_ items: [JSONValue]) -> (gold: String, predictions: [String]) {
        let gold = items.enumerated().map { index, item -> JSONValue in
            [
                "id": .string("test_\(index)"), "question": .string("Question \(index)?"),
                "golden_answers": item["gold"] ?? [],
            ]
        }
        let predictions = items.enumerated().map { index, item -> JSONValue in
            [
                "id": .string("test_\(index)"), "question": .string("Question \(index)?"),
                "golden_answers": item["gold"] ?? [], "output": ["pred": item["prediction"] ?? ""],
            ]
        }
        return (lines(gold), [JSONValue.array(predictions).serialized()])
    }

    private static func multiHopRAG(_ items: [JSONValue]) -> (gold: String, predictions: [String]) {
        let gold = items.enumerated().map { index, item -> JSONValue in
            [
                "query": .string("Question \(index)?"), "answer": item["gold"] ?? [],
                "question_type": "inference_query",
                "evidence_list": .array(
                    (item["facts"]?.array ?? []).enumerated().map { place, fact in
                        ["url": .string("u\(place)"), "fact": fact]
                    }),
            ]
        }
        let answers = items.enumerated().map { index, item -> JSONValue in
            ["query": .string("Question \(index)?"), "model_answer": item["prediction"] ?? ""]
        }
        let retrieved = items.enumerated().map { index, item -> JSONValue in
            [
                "query": .string("Question \(index)?"), "answer": "not the system's own",
                "retrieval_list": .array((item["texts"]?.array ?? []).map { ["text": $0, "score": 1] }),
            ]
        }
        return (
            JSONValue.array(gold).serialized(),
            [JSONValue.array(answers).serialized(), JSONValue.array(retrieved).serialized()]
        )
    }
}
