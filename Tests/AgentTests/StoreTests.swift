// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
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
