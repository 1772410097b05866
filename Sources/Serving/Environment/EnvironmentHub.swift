// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Corpus
import Foundation
import OrderedCollections
import QualityMetrics
import Synchronization
import Text
import Tools

/// Where a request comes from that names no episode: such a client plays the episode that it reset on its connection.
struct EnvironmentClient: Sendable {
    /// The connection; nil where the routes were added to another application.
    var connection: Connection?
    /// The token and the address.
    var peer: String

    init(_ call: Call) {
        connection = call.connection
        peer = "\(call.caller.token ?? -1) \(call.connection?.peer ?? "local")"
    }
}

/// The environment sessions: bounded in number, ended when nobody uses them.
final class EnvironmentHub: Sendable {
    private struct Entry {
        var session: EnvironmentSession
        var used = ContinuousClock.now
        var isBusy = false
        /// Whose it is when the client named none.
        var client: EnvironmentClient?
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// Connections that hold a session of their own.
        var connections = 0
    }

    let service: ForageService
    private let state = Mutex(State())

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

    /// The key of the episode that a request means: the one it names, else the one that was reset on its connection, else
    /// the only one that a client at its address reset without a name and whose connection has ended.
    private func episodeKey(_ named: String?, _ client: EnvironmentClient?, _ state: State) throws(ServiceError)
        -> String
    {
        if let named { return named }
        let nameless = state.entries.filter { $0.value.client != nil }
        if let connection = client?.connection {
            let own = nameless.filter { $0.value.client?.connection === connection }
            if let newest = own.max(by: { $0.value.used < $1.value.used }) { return newest.key }
        }
        let left = nameless.filter { entry in
            entry.value.client?.peer == client?.peer && !entry.value.session.isDone
                && entry.value.client?.connection?.isGone != false
        }
        guard let only = left.first, left.count == 1 else {
            throw ServiceError(
                .invalid,
                left.isEmpty
                    ? "there is no such episode: reset first"
                    : "several episodes were begun without a name: give the \"episode_id\" that /reset answered",
                location: ["episode_id"])
        }
        return only.key
    }

    /// `POST /reset`.
    func reset(_ json: JSONValue, client: EnvironmentClient? = nil) async throws -> JSONValue {
        var begun = try EnvironmentSession(reset: json, service: service)
        let opening = try await begun.opening(service)
        let session = begun
        let named = json["episode_id"]?.string
        reap()
        return try state.withLock { state throws(ServiceError) in
            if named == nil, let connection = client?.connection {
                // A client plays one nameless episode at a time.
                state.entries = state.entries.filter { $0.value.client?.connection !== connection || $0.value.isBusy }
            }
            guard
                state.entries[session.episodeID] != nil
                    || state.entries.count + state.connections < service.limits.environmentSessions
            else { throw ServiceError(.unavailable, "CAPACITY_REACHED: too many environment sessions", retryAfter: 10) }
            state.entries[session.episodeID] = Entry(session: session, client: named == nil ? client : nil)
            return opening.json
        }
    }

    /// `POST /step`.
    func step(_ json: JSONValue, client: EnvironmentClient? = nil) async throws -> JSONValue {
        guard let action = json["action"] else {
            throw ServiceError(.invalid, "\"action\" is missing", location: ["action"])
        }
        let (key, found) = try state.withLock { state throws(ServiceError) -> (String, EnvironmentSession) in
            let key = try episodeKey(json["episode_id"]?.string, client, state)
            guard let entry = state.entries[key] else {
                throw ServiceError(.invalid, "there is no such episode: reset first", location: ["episode_id"])
            }
            guard !entry.isBusy else {
                throw ServiceError(.conflict, "a step of this episode runs", retryAfter: 1)
            }
            state.entries[key]?.isBusy = true
            return (key, entry.session)
        }
        defer {
            state.withLock { state in
                state.entries[key]?.isBusy = false
                state.entries[key]?.used = .now
            }
        }
        var session = found
        let outcome = try await session.step(action, service: service)
        let stepped = session
        state.withLock { $0.entries[key]?.session = stepped }
        return outcome.json
    }

    /// `GET /state`.
    func state(of episode: String?, client: EnvironmentClient? = nil) throws(ServiceError) -> JSONValue {
        try state.withLock { state throws(ServiceError) in
            guard let entry = state.entries[try episodeKey(episode, client, state)] else {
                throw ServiceError(.notFound, "there is no such episode")
            }
            return entry.session.state
        }
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
            let corpus = try service.corpus(named: extras?[index]["corpus"]?.string)
            let seen = try await observe(action.string ?? "", in: corpus, finish: finish)
            observations.append(.string(seen.text))
            dones.append(.bool(seen.done))
            valids.append(.bool(seen.valid))
        }
        return ["observations": .array(observations), "dones": .array(dones), "valids": .array(valids)]
    }

    private func observe(
        _ action: String, in corpus: any RetrievalCorpus, finish: Bool
    ) async throws -> (text: String, done: Bool, valid: Bool) {
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
        let query = action[open.upperBound..<close.lowerBound].head(service.limits.queryCharacters)
        let hits = try await corpus.search(
            service.retrieveMode, query: query, limit: service.retrieveCount, within: nil)
        let passages = try await corpus.passages(at: hits.map(\.ordinal))
        let lines = passages.enumerated().map { number, passage in
            "Doc \(number + 1)(Title: \(Fence.neutralised(passage.title))) \(Fence.neutralised(passage.text))\n"
        }
        return ("\n\n<information>\(lines.joined())</information>\n\n", false, true)
    }
}
