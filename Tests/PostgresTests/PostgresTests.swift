// SPDX-License-Identifier: Apache-2.0

import Foundation
import Postgres
import PostgresTestServer
import Testing

@Suite struct AddressTests {
    @Test func secretsAreNotShown() throws {
        let address = try PostgresAddress(
            "postgresql://ann:s%40cret@db.example:5433/things?corpus=news&sslmode=require")
        #expect(address.description == "postgresql://ann@db.example:5433/things?corpus=news")
        #expect(address.parameters["corpus"] == "news")
        #expect(try PostgresAddress("postgres://h/d?password=x").description == "postgres://h/d")
        #expect(throws: PostgresError.self) { try PostgresAddress("mysql://h/d") }
        #expect(!PostgresAddress.isAddress("postgresql.forage"))
    }

    @Test func anErrorOfTheLibraryHoldsNoPassword() async throws {
        let pool = PostgresPool(try PostgresAddress("postgresql://ann:hunter2@127.0.0.1:1/none?password=hunter2"))
        do {
            try await pool.query("SELECT 1")
            Issue.record("a port without a server answered")
        } catch let error as PostgresError {
            #expect(error.isConnectionLoss)
            #expect(!"\(error)".contains("hunter2") && "\(error)".contains("127.0.0.1"))
        }
    }
}

@Suite struct PoolTests {
    static func pool(_ change: (inout PostgresPool.Options) -> Void = { _ in }) throws -> PostgresPool {
        var options = PostgresPool.Options()
        change(&options)
        return PostgresPool(try PostgresAddress(TestServer.address()), options: options)
    }

    @Test func valuesComeBackAsTheyWent() async throws {
        let pool = try Self.pool()
        let values: [PostgresValue] = [
            .text("a'; DROP TABLE x; --"), .integer(-3), .number(0.1), .boolean(true), .bytes([0, 1, 255]),
            .ordinals([0, 7, .max]), .texts(["", "ü\"{}", "NULL"]), .numbers([1e300]), .integers([.min]), .null,
            .text(""),
        ]
        let rows = try await pool.query("SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text, $11", values)
        #expect(try rows.text(0, 0) == "a'; DROP TABLE x; --")
        #expect(try rows.integer(0, 1) == -3)
        #expect(try rows.number(0, 2) == 0.1)
        #expect(try rows.optionalBoolean(0, 3) == true)
        #expect(try rows.bytes(0, 4) == [0, 1, 255])
        #expect(try rows.ordinals(0, 5) == [0, 7, .max])
        #expect(try rows.texts(0, 6) == ["", "ü\"{}", "NULL"])
        #expect(try rows.numbers(0, 7) == [1e300])
        #expect(try rows.longs(0, 8) == [.min])
        #expect(try rows.isNull(0, 9))
        #expect(try rows.text(0, 10) == "")
        #expect(throws: PostgresError.self) { try rows.text(1, 0) }
        #expect(throws: PostgresError.self) { try rows.integer(0, 0) }
    }

    @Test func aTransactionIsWholeOrNothing() async throws {
        let pool = try Self.pool()
        try await pool.query("CREATE TABLE whole (n int)")
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await pool.withConnection { connection in
                try await connection.transaction { connection in
                    try await connection.query("INSERT INTO whole VALUES (1)")
                    throw Stop()
                }
            }
        }
        let count = try await pool.withConnection { connection in
            try await connection.copy("COPY whole FROM STDIN (FORMAT binary)", columns: 1) { rows, send in
                for number in 0..<100_000 {
                    rows.beginRow()
                    rows.integer(Int32(number))
                    try send(&rows)
                }
            }
        }
        #expect(count == 100_000)
        #expect(try await pool.query("SELECT count(*), max(n) FROM whole").integer(0, 0) == 100_000)
        // Rows whose making fails leave nothing.
        await #expect(throws: Stop.self) {
            try await pool.withConnection { connection in
                try await connection.copy("COPY whole FROM STDIN (FORMAT binary)", columns: 1) { rows, _ in
                    rows.beginRow()
                    rows.integer(7)
                    throw Stop()
                }
            }
        }
        #expect(try await pool.query("SELECT count(*) FROM whole").integer(0, 0) == 100_000)
    }

    @Test func cancellationAndTimeLimitsEndStatements() async throws {
        let pool = try Self.pool { $0.statementLimit = .seconds(60) }
        let start = ContinuousClock.now
        let task = Task { try await pool.query("SELECT pg_sleep(30)") }
        try await Task.sleep(for: .milliseconds(300))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        await #expect(throws: PostgresError.self) {
            try await pool.withConnection { try await $0.query("SELECT pg_sleep(30)", within: .milliseconds(200)) }
        }
        #expect(ContinuousClock.now - start < .seconds(20))
        // The server is told as well, and the pool goes on.
        try await Task.sleep(for: .milliseconds(500))
        let left = try await pool.query(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'")
        #expect(try left.integer(0, 0) == 0)
    }

    @Test func connectionsAreNeverMoreThanTheLimit() async throws {
        let pool = try Self.pool { $0.connections = 3 }
        let most = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<24 {
                group.addTask {
                    try await pool.query(
                        "SELECT count(*), pg_sleep(0.01) FROM pg_stat_activity WHERE application_name = 'forage' AND state = 'active'"
                    ).integer(0, 0)
                }
            }
            return try await group.reduce(0) { max($0, $1) }
        }
        #expect(most >= 1)
        let hurried = try Self.pool {
            $0.connections = 1
            $0.waitLimit = .milliseconds(200)
        }
        try await hurried.withConnection { _ -> Void in
            _ = await #expect(throws: PostgresError.self) { try await hurried.query("SELECT 1") }
        }
        #expect(try await hurried.query("SELECT 1").integer(0, 0) == 1)
    }
}
