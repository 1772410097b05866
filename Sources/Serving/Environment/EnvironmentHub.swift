// SPDX-License-Identifier: Apache-2.0

import Agent
import Corpus
import Foundation
import OrderedCollections
import QualityMetrics
import Synchronization
import Text
import Tools

/// The environment sessions: bounded in number, ended when nobody uses them.
final class EnvironmentHub: Sendable {
    private struct Entry {
        var session: EnvironmentSession
        var used = ContinuousClock.now
        var isBusy = false
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Connections that hold a session of their own.
        var connections = 0
    }

    let service: ForageService
    private let state = Mutex(State())
    /// The episode of clients that name none.
    private static let nameless = "http"

    init(service: ForageService) { self.service = service }

    var count: Int { state.withLock { $0.entries.count + $0.connections } }

    /// Takes a place for a connection with a session of its own; false when there is none.
    func takeConnection() -> Bool {
        reap()
        return state.withLock { state in
            guard state.entries.count + state.connections < service.limits.environmentSessions else { return false }
            state.connections += 1
            return true
        }
    }

    func giveConnectionBack() { state.withLock { $0.connections -= 1 } }

    /// Ends the sessions that nobody used for long.
    func reap() {
        let limit = Duration.seconds(service.limits.environmentIdleSeconds)
        let now = ContinuousClock.now
        state.withLock { state in
            state.entries = state.entries.filter { now - $0.value.used < limit || $0.value.isBusy }
        }
    }

    /// `POST /reset`.
    func reset(_ json: JSONValue) async throws -> JSONValue {
        var session = try EnvironmentSession(reset: json, service: service)
        let opening = try await session.opening(service)
        let begun = session
        let key = json["episode_id"]?.string ?? Self.nameless
        reap()
        return try state.withLock { state throws(ServiceError) in
            guard
                state.entries[key] != nil
                    || state.entries.count + state.connections < service.limits.environmentSessions
            else { throw ServiceError(.unavailable, "CAPACITY_REACHED: too many environment sessions", retryAfter: 10) }
            state.entries[key] = Entry(session: begun)
            if key == Self.nameless { state.entries[begun.episodeID] = Entry(session: begun) }
            return opening.json
        }
    }

    /// `POST /step`.
    func step(_ json: JSONValue) async throws -> JSONValue {
        let key = json["episode_id"]?.string ?? Self.nameless
        guard let action = json["action"] else {
            throw ServiceError(.invalid, "\"action\" is missing", location: ["action"])
        }
        var session = try state.withLock { state throws(ServiceError) in
            guard let entry = state.entries[key] else {
                throw ServiceError(.invalid, "there is no such episode: reset first", location: ["episode_id"])
            }
            guard !entry.isBusy else {
                throw ServiceError(.conflict, "a step of this episode runs", retryAfter: 1)
            }
            state.entries[key]?.isBusy = true
            return entry.session
        }
        defer {
            state.withLock { state in
                state.entries[key]?.isBusy = false
                state.entries[key]?.used = .now
            }
        }
        let outcome = try await session.step(action, service: service)
        let stepped = session
        state.withLock { $0.entries[key]?.session = stepped }
        return outcome.json
    }

    /// `GET /state`.
    func state(of episode: String?) throws(ServiceError) -> JSONValue {
        let key = episode ?? Self.nameless
        guard let entry = state.withLock({ $0.entries[key] }) else {
            throw ServiceError(.notFound, "there is no such episode")
        }
        return entry.session.state
    }

    /// `openenv/session/create` and `openenv/session/close` of `POST /mcp`.
    func answerMCP(_ message: JSONValue) async -> JSONValue {
        let id = message["id"] ?? nil
        do {
            if message["method"]?.string == "openenv/session/create" {
                let episode = AgentRuns.makeID()
                var data = message["params"]?.object ?? [:]
                data["episode_id"] = .string(episode)
                if service.tasks.isEmpty, data["question"] == nil { data["question"] = "-" }
                _ = try await reset(.object(data))
                return ["jsonrpc": "2.0", "id": id, "result": ["session_id": .string(episode)]]
            }
            let session = message["params"]?["session_id"]?.string ?? ""
            let existed = state.withLock { $0.entries.removeValue(forKey: session) != nil }
            guard existed else { throw ServiceError(.notFound, "there is no such session") }
            return ["jsonrpc": "2.0", "id": id, "result": ["session_id": .string(session), "closed": true]]
        } catch {
            return ["jsonrpc": "2.0", "id": id, "error": ["code": -32602, "message": .string("\(error)")]]
        }
    }

    /// `POST /get_observation`, as verl-tool asks: one action of Search-R1's tags a trajectory.
    func observe(_ json: JSONValue) async throws -> JSONValue {
        guard let ids = json["trajectory_ids"]?.array, let actions = json["actions"]?.array else {
            throw ServiceError(.invalid, "\"trajectory_ids\" and \"actions\" must be lists", location: ["actions"])
        }
        guard ids.count == actions.count, ids.count <= service.limits.batch else {
            throw ServiceError(
                .invalid, "\(ids.count) trajectory_ids but \(actions.count) actions (at most \(service.limits.batch))",
                location: ["actions"])
        }
        let extras = json["extra_fields"]?.array
        if let extras, extras.count != ids.count {
            throw ServiceError(
                .invalid, "\(extras.count) extra_fields for \(ids.count) actions", location: ["extra_fields"])
        }
        var observations: [JSONValue] = []
        var dones: [JSONValue] = []
        var valids: [JSONValue] = []
        for (index, action) in actions.enumerated() {
            let finish = extras?[index]["finish"]?.bool ?? false
            let seen = try await observe(action.string ?? "", finish: finish)
            observations.append(.string(seen.text))
            dones.append(.bool(seen.done))
            valids.append(.bool(seen.valid))
        }
        return ["observations": .array(observations), "dones": .array(dones), "valids": .array(valids)]
    }

    private func observe(_ action: String, finish: Bool) async throws -> (text: String, done: Bool, valid: Bool) {
        // verl-tool counts the end of a trajectory as a valid action.
        if finish { return ("", true, true) }
        if AnswerExtraction.lastAnswerTag(in: action) != nil { return ("", true, true) }
        guard let close = action.range(of: "</search>", options: .backwards),
            let open = action[..<close.lowerBound].range(of: "<search>", options: .backwards)
        else {
            return (
                "\nMy previous action is invalid. To search, I put the query between <search> and </search>. To answer, I put the answer between <answer> and </answer>. I try again.\n",
                false, false
            )
        }
        let query = String(action[open.upperBound..<close.lowerBound].prefix(service.limits.queryCharacters))
        let corpus = service.corpora[0].corpus
        let hits = try await corpus.search(
            service.retrieveMode, query: query, limit: service.retrieveCount, within: nil)
        let passages = try await corpus.passages(at: hits.map(\.ordinal))
        let lines = passages.enumerated().map { number, passage in
            "Doc \(number + 1)(Title: \(Fence.neutralised(passage.title))) \(Fence.neutralised(passage.text))\n"
        }
        return ("\n\n<information>\(lines.joined())</information>\n\n", false, true)
    }
}
