// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Synchronization
import Text
import Tools

/// What clients of MCP come back to: the results under their handles, and the requests that run. Ids are random; a
/// session that is not used for half an hour is forgotten, and the oldest one when there are too many.
final class MCPSessions: Sendable {
    private struct Session {
        var sets: [String: ResultSet] = [:]
        var begun = 0
        var used = ContinuousClock.now
    }

    private struct State {
        var sessions: [String: Session] = [:]
        var tasks: [TaskKey: Task<JSONObject, any Error>] = [:]
    }

    private struct TaskKey: Hashable {
        var session: String
        var request: JSONValue
    }

    private static let most = 1024
    private static let lifetime = Duration.seconds(1800)
    /// The results that one session keeps.
    private static let mostSets = 200

    private let state = Mutex(State())

    /// Begins a session.
    func make() -> String {
        let id = AgentRuns.makeID()
        state.withLock { state in
            if state.sessions.count >= Self.most {
                let now = ContinuousClock.now
                state.sessions = state.sessions.filter { now - $0.value.used < Self.lifetime }
                if state.sessions.count >= Self.most,
                    let oldest = state.sessions.min(by: { $0.value.used < $1.value.used })
                {
                    state.sessions[oldest.key] = nil
                }
            }
            state.sessions[id] = Session()
        }
        return id
    }

    func exists(_ id: String) -> Bool {
        state.withLock { state in
            guard let session = state.sessions[id] else { return false }
            guard ContinuousClock.now - session.used < Self.lifetime else {
                state.sessions[id] = nil
                return false
            }
            state.sessions[id]?.used = .now
            return true
        }
    }

    /// Ends a session; false when there is none.
    func end(_ id: String) -> Bool { state.withLock { $0.sessions.removeValue(forKey: id) != nil } }

    /// The handle for a call's result, and the results so far.
    func begin(_ id: String) -> (handle: String, sets: [String: ResultSet]) {
        state.withLock { state in
            var session = state.sessions[id] ?? Session()
            session.begun += 1
            session.used = .now
            state.sessions[id] = session
            return ("r\(session.begun)", session.sets)
        }
    }

    func keep(_ set: ResultSet, in id: String) {
        state.withLock { state in
            guard state.sessions[id] != nil else { return }
            state.sessions[id]?.sets[set.handle] = set
            if let sets = state.sessions[id]?.sets, sets.count > Self.mostSets,
                let oldest = sets.keys.min(by: { ($0.utf8.count, $0) < ($1.utf8.count, $1) })
            {
                state.sessions[id]?.sets[oldest] = nil
            }
        }
    }

    /// Runs a request so that a notification of its session can cancel it.
    func tracking(
        _ request: JSONValue, in session: String?, _ body: @escaping @Sendable () async throws -> JSONObject
    ) async throws -> JSONObject {
        guard let session else { return try await body() }
        let key = TaskKey(session: session, request: request)
        let task = Task { try await body() }
        state.withLock { $0.tasks[key] = task }
        defer { state.withLock { _ = $0.tasks.removeValue(forKey: key) } }
        return try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            task.cancel()
        }
    }

    func cancel(_ request: JSONValue, in session: String?) {
        guard let session else { return }
        state.withLock { $0.tasks[TaskKey(session: session, request: request)] }?.cancel()
    }
}
