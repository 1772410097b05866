// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import Synchronization
import Text
import Tools

/// What clients of MCP come back to: the results under their handles, and the requests that run. Ids are random and open
/// to the token that began the session alone.
///
/// Sessions of a handshake and those that a single call began are counted apart, so that calls without a session never
/// push out a client that holds one. Half an hour without use ends a session; where there are too many, or they hold too
/// many results, the one unused for longest goes.
final class MCPSessions: Sendable {
    /// How a session began.
    enum Kind: Sendable, Hashable, CaseIterable {
        case handshake
        case singleCall
    }

    private struct Session {
        var kind: Kind
        var owner: Int?
        /// The version of a handshake.
        var version = ""
        /// The results by the fingerprint of their corpus: ordinals of another generation are other passages.
        var sets: [String: [String: ResultSet]] = [:]
        /// The handles with their corpora and sizes, oldest first.
        var order: [(corpus: String, handle: String, size: Int)] = []
        var begun = 0
        var used = ContinuousClock.now
    }

    private struct State {
        var sessions: [String: Session] = [:]
        var tasks: [TaskKey: Task<JSONObject, any Error>] = [:]
        /// What all results together hold.
        var size = 0
    }

    private struct TaskKey: Hashable {
        var session: String
        var request: JSONValue
    }

    /// The most sessions of a kind.
    static let most = 1024
    private static let lifetime = Duration.seconds(1800)
    /// The results that one session keeps.
    private static let mostSets = 200
    /// The bytes that the results of all sessions may hold.
    private let mostBytes: Int
    private let state = Mutex(State())

    init(mostBytes: Int = 128 << 20) { self.mostBytes = mostBytes }

    /// Begins a session.
    func make(_ kind: Kind, owner: Int?) -> String {
        let id = AgentRuns.makeID()
        state.withLock { state in
            let same = state.sessions.filter { $0.value.kind == kind }
            if same.count >= Self.most {
                let now = ContinuousClock.now
                let stale = same.filter { now - $0.value.used >= Self.lifetime }.keys
                if stale.isEmpty, let oldest = same.min(by: { $0.value.used < $1.value.used }) {
                    Self.remove(oldest.key, &state)
                }
                for id in stale { Self.remove(id, &state) }
            }
            state.sessions[id] = Session(kind: kind, owner: owner)
        }
        return id
    }

    private static func remove(_ id: String, _ state: inout State) {
        guard let session = state.sessions.removeValue(forKey: id) else { return }
        state.size -= session.order.reduce(0) { $0 + $1.size }
    }

    /// Whether there is a session of that id for its owner; being asked for counts as use.
    func exists(_ id: String, owner: Int?) -> Bool {
        state.withLock { state in
            guard let session = state.sessions[id], session.owner == owner else { return false }
            guard ContinuousClock.now - session.used < Self.lifetime else {
                Self.remove(id, &state)
                return false
            }
            state.sessions[id]?.used = .now
            return true
        }
    }

    /// Ends a session; false when the owner has none of that id.
    func end(_ id: String, owner: Int?) -> Bool {
        state.withLock { state in
            guard let session = state.sessions[id], session.owner == owner else { return false }
            Self.remove(id, &state)
            return true
        }
    }

    /// The version of the protocol that a handshake agreed on.
    func agree(on version: String, in id: String) { state.withLock { $0.sessions[id]?.version = version } }

    func version(of id: String?) -> String? { id.flatMap { id in state.withLock { $0.sessions[id]?.version } } }

    /// The handle for a call's result, and the results so far over that corpus.
    func begin(_ id: String, corpus: String) -> (handle: String, sets: [String: ResultSet]) {
        state.withLock { state in
            guard var session = state.sessions[id] else { return ("r1", [:]) }
            session.begun += 1
            session.used = .now
            state.sessions[id] = session
            return ("r\(session.begun)", session.sets[corpus] ?? [:])
        }
    }

    func keep(_ set: ResultSet, corpus: String, in id: String) {
        let size = set.heldBytes
        state.withLock { state in
            guard state.sessions[id] != nil, size <= mostBytes / 4 else { return }
            state.sessions[id]?.sets[corpus, default: [:]][set.handle] = set
            state.sessions[id]?.order.append((corpus, set.handle, size))
            state.size += size
            if let count = state.sessions[id]?.order.count, count > Self.mostSets { Self.dropOldest(of: id, &state) }
            while state.size > mostBytes,
                let fullest = state.sessions.filter({ !$0.value.order.isEmpty }).min(by: {
                    $0.value.used < $1.value.used
                })
            {
                Self.dropOldest(of: fullest.key, &state)
            }
        }
    }

    private static func dropOldest(of id: String, _ state: inout State) {
        guard let oldest = state.sessions[id]?.order.first else { return }
        state.sessions[id]?.order.removeFirst()
        state.sessions[id]?.sets[oldest.corpus]?[oldest.handle] = nil
        state.size -= oldest.size
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

extension ResultSet {
    /// About what it holds in memory, in bytes.
    var heldBytes: Int {
        switch content {
        case .passages(let passages): return 256 + passages.count * 64
        case .documents(let set): return 256 + set.count * 4
        case .table(let table): return 256 + table.rows.count * max(1, table.columns.count) * 48
        }
    }
}
