// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Episodes
import Foundation
import LanguageModels
import OrderedCollections
import QualityMetrics
import Text
import Tools

/// One episode of the retrieval environment: an agent session whose policy is the client, with a reward at the end that
/// the server computes. The gold answers never leave it.
///
/// Without a policy's name the client proposes as well: an action is `{"tool": "keyword_search", "query": "…"}` (arguments
/// beside the tool, or under `arguments`), or `{"tool": "answer", "answer": "…"}`, which ends the episode with exact match
/// as the reward. After a reset with `policy`, observations list the `candidates` of that policy's proposers, and an action
/// is `{"choose": 0}`, with the client's `log_probability`, `value` and `probabilities` where it has them.
struct EnvironmentSession: Sendable {
    let episodeID: String
    let task: EnvironmentTask?
    let question: String
    /// The corpus that is searched; nil for the server's first.
    let corpus: String?
    private(set) var stepCount = 0
    private(set) var isDone = false
    private let session: AgentSession
    private let store: InMemoryEventStore
    /// Whether a policy's proposers make the candidates.
    private let offers: Bool
    /// The candidates that wait for a choice.
    private var candidates: [CandidateAction] = []

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
    /// - Parameter data: `seed`, `episode_id`, `policy`, `corpus`, and `question` or `task_id` to choose one; further members are
    ///   ignored.
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
        let searched = try service.corpus(named: corpus)
        let given = data["seed"]?.int.map { UInt64(bitPattern: Int64($0)) }
        (question, task) = try Self.question(data, seed: given, service)
        let strategy: Strategy
        if let name = data["policy"], !name.isNull {
            guard let name = name.string else {
                throw ServiceError(.invalid, "expected the name of a policy", location: ["policy"])
            }
            strategy = try service.strategy(named: name, over: corpus)
            offers = true
        } else {
            strategy = Self.clientsOwn
            offers = false
        }
        store = InMemoryEventStore()
        session = AgentSession(
            Question(question, id: task?.id ?? ""), strategy: strategy,
            environment: service.environment(searched), store: store, seed: given ?? 0,
            fenceSalt: given == nil ? UInt64.random(in: .min ... .max) : 0)
    }

    private static func question(
        _ data: JSONValue, seed: UInt64?, _ service: ForageService
    ) throws(ServiceError) -> (String, EnvironmentTask?) {
        if let text = data["question"]?.string {
            guard !text.isEmpty, !text.isLonger(than: service.limits.queryCharacters) else {
                throw ServiceError(
                    .invalid, "expected 1 to \(service.limits.queryCharacters) characters", location: ["question"])
            }
            return (text, nil)
        }
        if let id = data["task_id"]?.string {
            guard let found = service.tasks.first(where: { $0.id == id }) else {
                throw ServiceError(.invalid, "there is no task \"\(id.prefix(100))\"", location: ["task_id"])
            }
            return (found.question, found)
        }
        guard !service.tasks.isEmpty else {
            throw ServiceError(.invalid, "this server has no tasks: give a \"question\"", location: ["question"])
        }
        let seed = seed ?? UInt64.random(in: .min ... .max)
        let found = service.tasks[Int(XXH64.hash(String(seed)) % UInt64(service.tasks.count))]
        return (found.question, found)
    }

    /// The strategy of a client that proposes and chooses: it may try what it likes until its steps are used up.
    private static let clientsOwn = Strategy(
        name: "client", fingerprint: "client/1", proposers: [], policy: OrderedPolicy(), keeper: FusionKeeper(),
        answerer: ExtractiveAnswerer(), budget: Budget(steps: mostSteps, toolCalls: nil),
        rules: LoopRules(barrenSteps: mostSteps + 1, corrections: mostSteps + 1))

    /// What a client sees first.
    mutating func opening(_ service: ForageService) async throws -> Outcome {
        var members: JSONObject = [
            "episode_id": .string(episodeID), "question": .string(question), "text": .string(question),
            "tools": .array((service.tools.names + ["answer"]).map(JSONValue.string)),
        ]
        if let task { members["task_id"] = .string(task.id) }
        if offers {
            candidates = try await session.runToChoice() ?? []
            members["candidates"] = .array(candidates.map(\.json))
        }
        return Outcome(observation: members, reward: nil, done: false)
    }

    /// The state as clients read it.
    var state: JSONValue {
        ["episode_id": .string(episodeID), "step_count": .integer(stepCount), "done": .bool(isDone)]
    }

    /// The events of the session so far.
    func events() async throws -> [SessionEvent] { try await store.events(of: session.id) }

    /// Acts.
    /// - Throws: `ServiceError` with status 422 for an action that is none.
    mutating func step(_ action: JSONValue, service: ForageService) async throws -> Outcome {
        guard !isDone else { throw ServiceError(.invalid, "the episode is over: reset", location: ["action"]) }
        return offers ? try await choose(action) : try await act(action, service: service)
    }

    // MARK: A client that chooses

    private mutating func choose(_ action: JSONValue) async throws -> Outcome {
        guard let index = action["choose"]?.int, candidates.indices.contains(index) else {
            throw ServiceError(
                .invalid, "expected \"choose\" from 0 to \(candidates.count - 1)", location: ["action", "choose"])
        }
        let choice = PolicyChoice(
            index: index, logProbability: action["log_probability"]?.double ?? 0, value: action["value"]?.double,
            probabilities: (action["probabilities"]?.array ?? []).compactMap(\.double))
        stepCount += 1
        let before = try await events().count
        try await session.choose(choice)
        let next = try await session.runToChoice()
        candidates = next ?? []
        isDone = next == nil
        var outcome = try await seen(since: before)
        outcome.observation["candidates"] = .array(candidates.map(\.json))
        guard isDone else { return outcome }
        let answer = await session.state.answer
        if let answer { outcome.observation["answer"] = answer.json }
        let scores = task.map { AnswerBenchmark.hotpotQA.score(answer?.prediction ?? "", gold: $0.goldAnswers) }
        outcome.observation["metrics"] = Self.metrics(scores)
        outcome.reward = scores?.exactMatch
        return outcome
    }

    // MARK: A client that proposes and chooses

    private mutating func act(_ action: JSONValue, service: ForageService) async throws -> Outcome {
        guard let members = action.object, let tool = members["tool"]?.string else {
            throw ServiceError(.invalid, "expected an action with \"tool\"", location: ["action", "tool"])
        }
        var arguments = members
        arguments["tool"] = nil
        if let inner = members["arguments"] {
            guard let object = inner.object, arguments.count == 1 else {
                throw ServiceError(
                    .invalid, "give \"arguments\" as an object, and nothing beside", location: ["action"])
            }
            arguments = object
        }
        if tool == "answer" { return try await answer(arguments) }
        let name = tool == "search" ? service.retrieveMode.rawValue + "_search" : tool
        guard service.tools[name] != nil else {
            throw ServiceError(
                .invalid,
                "there is no tool \"\(tool.prefix(64))\"; there are \(service.tools.names.joined(separator: ", ")), answer",
                location: ["action", "tool"])
        }
        stepCount += 1
        let before = try await events().count
        try await take(.call(name, .object(arguments), proposer: "client"))
        isDone = try await !session.runToProposal() || stepCount >= Self.mostSteps
        return try await seen(since: before)
    }

    private mutating func answer(_ arguments: JSONObject) async throws -> Outcome {
        guard let text = arguments["answer"]?.string, arguments.count == 1 else {
            throw ServiceError(.invalid, "expected \"answer\", and nothing beside", location: ["action", "answer"])
        }
        stepCount += 1
        try await take(CandidateAction(.answer(text: text), proposer: "client"))
        _ = try await session.runToProposal()
        isDone = true
        let scores = task.map { AnswerBenchmark.hotpotQA.score(text, gold: $0.goldAnswers) }
        return Outcome(
            observation: [
                "text": "The episode is over.", "episode_id": .string(episodeID), "metrics": Self.metrics(scores),
            ], reward: scores?.exactMatch, done: true)
    }

    private func take(_ candidate: CandidateAction) async throws {
        guard try await session.runToProposal() else {
            throw ServiceError(.invalid, "the episode is over: reset", location: ["action"])
        }
        try await session.propose(Proposal([candidate]))
        try await session.choose(PolicyChoice(index: 0))
    }

    // MARK: What came of it

    private static func metrics(_ scores: AnswerScores?) -> JSONValue {
        scores.map { ["exact_match": .number($0.exactMatch), "f1": .number($0.f1)] } ?? nil
    }

    /// What the events from a number on show.
    private func seen(since first: Int) async throws -> Outcome {
        var texts: [String] = []
        var passages: [JSONValue] = []
        var failed = false
        for event in try await events().dropFirst(first) {
            switch event.kind {
            case .toolReturned(_, let output):
                texts.append(Fence.neutralised(output.text))
                failed = failed || output.isError
                passages += output.passages.map {
                    [
                        "id": .string(Fence.neutralised($0.passage.id)),
                        "title": .string(Fence.neutralised($0.passage.title)),
                        "text": .string(Fence.neutralised($0.passage.text)), "score": .number($0.score),
                    ]
                }
            case .corrected(_, let message):
                texts.append(message)
                failed = true
            default: break
            }
        }
        return Outcome(
            observation: [
                "text": .string(texts.joined(separator: "\n\n")), "episode_id": .string(episodeID),
                "is_error": .bool(failed), "passages": .array(passages),
            ], reward: task == nil ? nil : 0, done: isDone)
    }
}
