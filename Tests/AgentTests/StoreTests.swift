// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
import Postgres
import PostgresTestServer
import Synchronization
import Testing
import Text

@Suite struct StoreTests {
    static func temporaryFolder() -> String {
        NSTemporaryDirectory() + "forage-sessions-" + UUID().uuidString
    }

    /// The contract of `EventStore`, run over both stores.
    static func check(_ store: any EventStore) async throws {
        let whole = try await World.run(
            World.magazines, strategy: World.strategy("react"),
            environment: World.environment(model: World.model(World.script))
        ).events
        for event in whole.dropLast().reversed() where event.sequence > 0 {
            if event.sequence == 1 { try await store.append(whole[0], to: "one") }
            if event.sequence <= 1 { try await store.append(event, to: "one") }
        }
        for event in whole where event.sequence > 1 { try await store.append(event, to: "one") }
        #expect(try await store.events(of: "one").lines == whole.lines)
        #expect(try await store.events(of: "one").map(\.time) == whole.map(\.time))
        await #expect(throws: SessionError.self) { try await store.append(whole[3], to: "one") }
        try await store.append(whole[0], to: "two")
        let sessions = try await store.sessions()
        #expect(sessions.map(\.id).sorted() == ["one", "two"])
        #expect(sessions.first { $0.id == "one" }?.stop == .answered)
        #expect(sessions.first { $0.id == "two" }?.stop == nil)
        #expect(sessions.first { $0.id == "two" }?.question == World.magazines)
        try await store.delete("two")
        await #expect(throws: SessionError.notFound("two")) { try await store.delete("two") }
        #expect(try await store.events(of: "two").isEmpty)
    }

    @Test func inMemory() async throws {
        try await Self.check(InMemoryEventStore())
    }

    @Test func inSQLite() async throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await Self.check(SQLiteEventStore(path: folder + "/sessions.sqlite"))
    }

    /// A disk that is full after so many events.
    private final class FullStore: EventStore {
        private let inner = InMemoryEventStore()
        private let left: Mutex<Int>

        init(events: Int) { left = Mutex(events) }

        func fill(_ events: Int) { left.withLock { $0 = events } }

        func append(_ event: SessionEvent, to session: String) async throws {
            let fits = left.withLock { left in
                left -= 1
                return left >= 0
            }
            guard fits else { throw SessionError.notWritable("disk full") }
            try await inner.append(event, to: session)
        }

        func events(of session: String) async throws -> [SessionEvent] { try await inner.events(of: session) }
        func sessions() async throws -> [SessionSummary] { try await inner.sessions() }
        func delete(_ session: String) async throws { try await inner.delete(session) }
    }

    @Test func whatFallsBackKeepsThePromises() async throws {
        try await Self.check(FallbackEventStore(InMemoryEventStore()))
        try await Self.check(FallbackEventStore(unopened: "no folder"))
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await Self.check(FallbackEventStore(SQLiteEventStore(path: folder + "/sessions.sqlite")))
    }

    private static func isFinished(_ events: [SessionEvent]) -> Bool {
        if case .finished? = events.last?.kind { true } else { false }
    }

    /// The answer comes, whenever the disk is full, and one line says that it is not stored.
    @Test(arguments: [0, 1, 3, 7]) func aFullDiskCostsTheRecordAlone(_ events: Int) async throws {
        let disk = FullStore(events: events)
        let told = Mutex<[String]>([])
        let store = FallbackEventStore(disk) { reason in told.withLock { $0.append(reason) } }
        for name in ["one", "two"] {
            let session = try AgentSession(
                Question(World.magazines), strategy: World.strategy("react"),
                environment: World.environment(model: World.model(World.script)), store: store, id: name)
            let answer = try await session.run()
            #expect(!answer.text.isEmpty)
            let kept = try await store.events(of: name)
            #expect(kept.map(\.sequence) == Array(0..<kept.count))
            #expect(Self.isFinished(kept))
        }
        #expect(store.failure == "disk full")
        #expect(told.withLock { $0 } == ["disk full"])
        #expect(try await store.sessions().count >= 1)
        // There is room again: the next session is stored.
        disk.fill(1000)
        let session = try AgentSession(
            Question(World.magazines), strategy: World.strategy("react"),
            environment: World.environment(model: World.model(World.script)), store: store, id: "three")
        _ = try await session.run()
        #expect(store.failure == nil)
        #expect(try await disk.events(of: "three").count == store.events(of: "three").count)
    }

    @Test func aStoreThatCannotBeMadeSaysSo() {
        let file = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: file) }
        _ = FileManager.default.createFile(atPath: file, contents: Data("no folder".utf8))
        #expect {
            try SQLiteEventStore(path: file + "/sessions.sqlite")
        } throws: { error in
            if case SessionError.notWritable? = error as? SessionError { true } else { false }
        }
        // What is no store is another mistake.
        #expect {
            try SQLiteEventStore(path: file)
        } throws: { error in
            if case SessionError.store? = error as? SessionError { true } else { false }
        }
    }

    @Test func inPostgres() async throws {
        try await Self.check(PostgresEventStore(PostgresAddress(TestServer.address())))
    }

    /// Of two servers one runs a session; the other may when the first was not heard of for the lease's time.
    @Test func aSessionRunsOnOneServer() async throws {
        let address = try PostgresAddress(TestServer.address())
        let first = try await PostgresEventStore(address, leaseDuration: .seconds(2))
        let second = try await PostgresEventStore(address, leaseDuration: .seconds(2))
        let events = try await World.run(
            World.magazines, strategy: World.strategy("react"),
            environment: World.environment(model: World.model(World.script))
        ).events
        try await first.append(events[0], to: "shared")
        #expect(try await second.events(of: "shared").lines == [events[0]].lines)
        await #expect(throws: SessionError.self) { try await second.append(events[1], to: "shared") }
        // The lease of what runs is renewed for as long as its server lives.
        try await Task.sleep(for: .seconds(3))
        await #expect(throws: SessionError.self) { try await second.append(events[1], to: "shared") }
        try await first.append(events[1], to: "shared")
        // A server that is gone: its store is let go, and with it what renews.
        let pool = PostgresPool(address)
        try await pool.query("UPDATE forage.sessions SET owner = 'a dead server' WHERE id = 'shared'")
        try await Task.sleep(for: .seconds(3))
        try await second.append(events[2], to: "shared")
        await #expect(throws: SessionError.self) { try await first.append(events[3], to: "shared") }
        let fences = try await pool.query("SELECT fence FROM forage.events WHERE session = 'shared' ORDER BY sequence")
        #expect(try (0..<3).map { try fences.integer($0, 0) } == [1, 1, 2])
        try await second.delete("shared")
    }

    @Test func filesArePrivate() async throws {
        let folder = Self.temporaryFolder()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let store = try SQLiteEventStore(path: folder + "/deep/sessions.sqlite")
        let event = SessionEvent(sequence: 0, time: 0, kind: .interrupted)
        try await store.append(event, to: "x")
        func mode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode(folder + "/deep") == 0o700)
        for name in try FileManager.default.contentsOfDirectory(atPath: folder + "/deep") {
            #expect(try mode(folder + "/deep/" + name) == 0o600, "\(name)")
        }
    }

    @Test func damageIsReported() async throws {
        #expect(throws: SessionError.self) { try SQLiteEventStore(path: "/dev/null/x/sessions.sqlite") }
        #expect(throws: JSONError.self) { try SessionEvent(json: ["sequence": 0, "event": "strange"]) }
        #expect(throws: SessionError.self) { try Trajectory(events: []) }
    }
}
