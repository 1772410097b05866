// SPDX-License-Identifier: Apache-2.0

public import Base
import OrderedCollections
import Text

/// Writes runs in the formats of other tools, so that others can read them.
public enum RunExport {
    /// FlashRAG's `intermediate_data.json`: an array of the questions with what was predicted and retrieved.
    ///
    /// - Parameter texts: gives the title and text of a passage id; ids that it does not know are written without contents.
    public static func flashRAG(_ records: [RunRecord], texts: (String) -> (title: String, text: String)?) -> JSONValue
    {
        .array(
            records.map { record in
                let retrieved = record.outcome.kept.enumerated().map { index, id -> JSONValue in
                    let known = texts(id)
                    let text =
                        known?.text ?? (index < record.outcome.keptTexts.count ? record.outcome.keptTexts[index] : "")
                    return ["id": .string(id), "contents": .string("\"\(known?.title ?? "")\"\n\(text)")]
                }
                var scores: JSONObject = [:]
                for (name, value) in record.scores {
                    // FlashRAG calls substring match "acc".
                    scores[name == "contains" ? "acc" : name] = .number(value)
                }
                return [
                    "id": .string(record.key.question), "question": .string(record.question),
                    "golden_answers": .array(record.gold.map(JSONValue.string)),
                    "metadata": [
                        "type": .string(record.type), "policy": .string(record.key.policy),
                        "model": .string(record.key.model), "seed": .integer(Int(truncatingIfNeeded: record.key.seed)),
                    ],
                    "output": [
                        "pred": .string(record.outcome.answer), "retrieval_result": .array(retrieved),
                        "metric_score": .object(scores),
                    ],
                ]
            })
    }

    /// FlashRAG's `metric_score.txt`: one line a measure.
    public static func flashRAGScores(_ summary: RunSummary) -> String {
        summary.means.map { "\($0.key == "contains" ? "acc" : $0.key): \($0.value.mean)\n" }.joined()
    }

    /// The file name of a log. `inspect view` lists only names of the form `<time>_<task>_<id>.json`.
    public static func inspectFileName(_ name: String, _ number: Int, created: String) -> String {
        let task = String(name.map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "-" })
        return "\(created.replacing(":", with: "-"))_\(task)_\(number).json"
    }

    /// The tool calls of a session as `inspect view` shows them: an assistant's message for each, then the tool's.
    private static func toolMessages(_ events: [JSONValue]) -> [JSONValue] {
        var tools: [String: String] = [:]
        return events.compactMap { event in
            guard let id = event["id"]?.string else { return nil }
            switch event["event"]?.string {
            case "tool_called":
                let tool = event["invocation"]?["tool"]?.string ?? ""
                tools[id] = tool
                let text = event["invocation"]?["arguments"]?.string ?? "{}"
                let arguments = (try? JSONValue(parsing: text)) ?? ["unreadable": .string(text)]
                return [
                    "role": "assistant", "content": "",
                    "tool_calls": [
                        ["id": .string(id), "function": .string(tool), "arguments": arguments, "type": "function"]
                    ],
                ]
            case "tool_returned":
                return [
                    "role": "tool", "content": event["output"]?["text"] ?? "", "tool_call_id": .string(id),
                    "function": .string(tools[id] ?? ""),
                ]
            default: return nil
            }
        }
    }

    /// A log of `inspect view` for one configuration, with its keys in the order in which that program reads them.
    /// - Parameters:
    ///   - created: when the run was made, ISO 8601.
    ///   - trace: gives the events of a session as JSON, for its tool calls; empty where none were kept.
    public static func inspect(
        _ summary: RunSummary, records: [RunRecord], name: String, created: String,
        trace: (RunKey) -> [JSONValue] = { _ in [] }
    ) -> JSONValue {
        let own = records.filter { $0.configuration == summary.configuration }
        let epochs = Dictionary(grouping: own, by: \.key.question).mapValues { group in
            Dictionary(
                group.map(\.key.seed).sorted().enumerated().map { ($0.element, $0.offset + 1) },
                uniquingKeysWith: { a, _ in a })
        }
        let samples = own.map { record in
            sample(record, epoch: epochs[record.key.question]?[record.key.seed] ?? 1, trace: trace(record.key))
        }
        // One a configuration: logs with one id count as one.
        let id = String(XXH64.hash("\(name)\n\(created)\n\(summary.configuration)"), radix: 16)
        let model = summary.configuration.model.isEmpty ? "none/none" : summary.configuration.model
        let metrics = summary.means.map { measure, mean -> JSONValue in
            [
                "name": .string(measure), "scorer": .string(measure), "params": [:],
                "metrics": ["mean": ["name": "mean", "value": .number(mean.mean), "params": [:]]],
            ]
        }
        return [
            "version": 2, "status": "success",
            "eval": [
                "eval_id": .string(id), "run_id": .string(name), "created": .string(created),
                "task": .string("\(summary.configuration.set)/\(summary.configuration.policy)"),
                "task_id": .string(id),
                "task_version": 0, "task_file": "", "task_attribs": [:], "task_args": [:],
                "dataset": [
                    "name": .string(summary.configuration.set), "samples": .integer(summary.questions),
                    "sample_ids": .array(
                        OrderedSet(own.map(\.key.question)).map(JSONValue.string)),
                ],
                "model": .string(model), "model_args": [:],
                "config": ["epochs": .integer(max(1, summary.runs / max(1, summary.questions)))],
            ],
            "plan": ["name": "plan", "steps": [], "config": [:]],
            "results": [
                "total_samples": .integer(summary.runs),
                "completed_samples": .integer(own.count(where: \.isScored)), "scores": .array(metrics),
            ],
            "stats": ["started_at": .string(created), "completed_at": .string(created), "model_usage": [:]],
            "samples": .array(samples),
        ]
    }

    /// One sample of such a log.
    private static func sample(_ record: RunRecord, epoch: Int, trace: [JSONValue]) -> JSONValue {
        var scores: JSONObject = [:]
        for (measure, value) in record.scores {
            scores[measure] = ["value": .number(value), "answer": .string(record.outcome.answer)]
        }
        var members: JSONObject = [
            "id": .string(record.key.question),
            "epoch": .integer(epoch),
            "input": .string(record.question), "target": .array(record.gold.map(JSONValue.string)),
            "messages": .array(
                [["role": "user", "content": .string(record.question)]] + toolMessages(trace) + [
                    ["role": "assistant", "content": .string(record.outcome.answer)]
                ]),
            "output": [
                "model": .string(record.key.model),
                "choices": [
                    [
                        "message": ["role": "assistant", "content": .string(record.outcome.answer)],
                        "stop_reason": "stop",
                    ]
                ],
            ],
            "scores": .object(scores),
            "metadata": [
                "type": .string(record.type), "cited": .array(record.outcome.cited.map(JSONValue.string)),
                "kept": .array(record.outcome.kept.map(JSONValue.string)), "blame": .string(record.blame.rawValue),
            ],
            "events": [],
        ]
        if record.outcome.status == .limit {
            let isTime = record.outcome.stop == "deadline" || record.outcome.stop.contains("seconds")
            members["limit"] = [
                "type": isTime ? "time" : "custom", "limit": 0, "reason": .string(record.outcome.stop),
            ]
        }
        if !record.isScored {
            // The reader wants all three; there is no stack to show.
            members["error"] = [
                "message": .string("\(record.outcome.status.rawValue): \(record.outcome.error)"), "traceback": "",
                "traceback_ansi": "",
            ]
        }
        members["total_time"] = .number(record.outcome.seconds)
        return .object(members)
    }
}
