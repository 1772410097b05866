// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Foundation
import OrderedCollections
import QualityMetrics
import Text
import Tools

/// One episode of the retrieval environment: a question, tools, and at the end a reward that the server computes. The
/// gold answers never leave it.
///
/// An action is `{"tool": "keyword_search", "query": "…"}` (arguments beside the tool, or under `arguments`), or
/// `{"tool": "answer", "answer": "…"}`, which ends the episode with exact match as the reward.
struct EnvironmentSession: Sendable {
    let episodeID: String
    let task: EnvironmentTask?
    let question: String
    /// The corpus that is searched; nil for the server's first.
    let corpus: String?
    private(set) var stepCount = 0
    private(set) var isDone = false
    private var sets: [String: ResultSet] = [:]
    private var handles = 0

    /// The steps after which an episode ends without a reward.
    static let mostSteps = 64

    /// An outcome as clients read it: `{"observation", "reward", "done"}`.
    struct Outcome: Sendable {
        var observation: JSONObject
        var reward: Double?
        var done: Bool

        var json: JSONValue {
            [
                "observation": .object(observation), "reward": reward.map(JSONValue.number) ?? nil, "done": .bool(done),
            ]
        }
    }

    /// Begins an episode.
    /// - Parameter data: `seed`, `episode_id`, and `question` or `task_id` to choose one; further members are ignored.
    init(reset data: JSONValue, service: ForageService) throws(ServiceError) {
        if let id = data["episode_id"], !id.isNull {
            guard let text = id.string, (1...128).contains(text.utf8.count) else {
                throw ServiceError(.invalid, "expected a string of 1 to 128 bytes", location: ["episode_id"])
            }
            episodeID = text
        } else {
            episodeID = AgentRuns.makeID()
        }
        if let seed = data["seed"], !seed.isNull, seed.int == nil {
            throw ServiceError(.invalid, "expected a whole number", location: ["seed"])
        }
        corpus = data["corpus"]?.string
        _ = try service.corpus(named: corpus)
        if let text = data["question"]?.string {
            guard (1...service.limits.queryCharacters).contains(text.count) else {
                throw ServiceError(
                    .invalid, "expected 1 to \(service.limits.queryCharacters) characters", location: ["question"])
            }
            task = nil
            question = text
        } else if let id = data["task_id"]?.string {
            guard let found = service.tasks.first(where: { $0.id == id }) else {
                throw ServiceError(.invalid, "there is no task \"\(id.prefix(100))\"", location: ["task_id"])
            }
            task = found
            question = found.question
        } else {
            guard !service.tasks.isEmpty else {
                throw ServiceError(.invalid, "this server has no tasks: give a \"question\"", location: ["question"])
            }
            let seed = data["seed"]?.int.map { UInt64(bitPattern: Int64($0)) } ?? UInt64.random(in: .min ... .max)
            let found = service.tasks[Int(XXH64.hash(String(seed)) % UInt64(service.tasks.count))]
            task = found
            question = found.question
        }
    }

    /// What a client sees first.
    func opening(_ service: ForageService) -> Outcome {
        var members: JSONObject = [
            "episode_id": .string(episodeID), "question": .string(question), "text": .string(question),
            "tools": .array((service.tools.names + ["answer"]).map(JSONValue.string)),
        ]
        if let task { members["task_id"] = .string(task.id) }
        return Outcome(observation: members, reward: nil, done: false)
    }

    /// The state as clients read it.
    var state: JSONValue {
        ["episode_id": .string(episodeID), "step_count": .integer(stepCount), "done": .bool(isDone)]
    }

    /// Acts.
    /// - Throws: `ServiceError` with status 422 for an action that is none.
    mutating func step(_ action: JSONValue, service: ForageService) async throws -> Outcome {
        guard let members = action.object, let tool = members["tool"]?.string else {
            throw ServiceError(.invalid, "expected an action with \"tool\"", location: ["action", "tool"])
        }
        guard !isDone else { throw ServiceError(.invalid, "the episode is over: reset", location: ["action"]) }
        var arguments = members
        arguments["tool"] = nil
        if let inner = members["arguments"] {
            guard let object = inner.object, arguments.count == 1 else {
                throw ServiceError(
                    .invalid, "give \"arguments\" as an object, and nothing beside", location: ["action"])
            }
            arguments = object
        }
        stepCount += 1
        if tool == "answer" {
            guard let text = arguments["answer"]?.string, arguments.count == 1 else {
                throw ServiceError(.invalid, "expected \"answer\", and nothing beside", location: ["action", "answer"])
            }
            isDone = true
            let scores = task.map { AnswerBenchmark.hotpotQA.score(text, gold: $0.goldAnswers) }
            return Outcome(
                observation: [
                    "text": "The episode is over.", "episode_id": .string(episodeID),
                    "metrics": scores.map { ["exact_match": .number($0.exactMatch), "f1": .number($0.f1)] } ?? nil,
                ], reward: scores?.exactMatch, done: true)
        }
        let name = tool == "search" ? service.retrieveMode.rawValue + "_search" : tool
        guard service.tools[name] != nil else {
            throw ServiceError(
                .invalid,
                "there is no tool \"\(tool.prefix(64))\"; there are \(service.tools.names.joined(separator: ", ")), answer",
                location: ["action", "tool"])
        }
        handles += 1
        let output = try await service.tools.run(
            name, .object(arguments),
            in: ToolContext(corpus: service.corpus(named: corpus), resultSets: sets, handle: "r\(handles)"))
        if let set = output.resultSet { sets[set.handle] = set }
        isDone = stepCount >= Self.mostSteps
        return Outcome(
            observation: [
                "text": .string(Fence.neutralised(output.text)), "episode_id": .string(episodeID),
                "is_error": .bool(output.isError),
                "passages": .array(
                    output.passages.map {
                        [
                            "id": .string(Fence.neutralised($0.passage.id)),
                            "title": .string(Fence.neutralised($0.passage.title)),
                            "text": .string(Fence.neutralised($0.passage.text)), "score": .number($0.score),
                        ]
                    }),
            ], reward: task == nil ? nil : 0, done: isDone)
    }
}
