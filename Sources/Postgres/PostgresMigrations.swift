// SPDX-License-Identifier: Apache-2.0

/// The steps by which the tables of one part of the program came to be in the schema `forage`. A later version adds steps to
/// the end; which were taken is kept in the database.
package struct PostgresMigrations: Sendable {
    private let part: String
    private let steps: [String]

    /// - Parameters:
    ///   - part: what the tables are for: a plain word.
    ///   - steps: statements of our own, oldest first.
    package init(part: String, steps: [String]) {
        self.part = part
        self.steps = steps
    }

    /// The key of the lock under which migrations run: "forage" in ASCII.
    private static let lockKey: Int64 = 0x666F_7261_6765

    /// Brings the tables up to date; several processes may do so at once.
    /// - Throws: `PostgresError`, also where a later version made the tables.
    package func apply(on connection: PostgresConnection) async throws {
        try await connection.transaction { connection in
            try await connection.query("SELECT pg_advisory_xact_lock($1)", [.integer(Self.lockKey)])
            let known = try await connection.query("SELECT to_regclass('forage.migrations') IS NOT NULL")
            if try known.optionalBoolean(0, 0) != true {
                try await connection.script(
                    """
                    CREATE SCHEMA IF NOT EXISTS forage;
                    CREATE TABLE forage.migrations (
                        part text NOT NULL, version integer NOT NULL, applied timestamptz NOT NULL DEFAULT now(),
                        PRIMARY KEY (part, version));
                    """)
            }
            let done = try await version(on: connection)
            for (index, step) in steps.enumerated() where index >= done {
                try await connection.script(step)
                try await connection.query(
                    "INSERT INTO forage.migrations (part, version) VALUES ($1, $2)",
                    [.text(part), .integer(Int64(index + 1))])
            }
        }
    }

    /// The version that the database has, which must be one that this program knows.
    @discardableResult package func version(on connection: PostgresConnection) async throws -> Int {
        let rows = try await connection.query(
            "SELECT coalesce(max(version), 0)::int4 FROM forage.migrations WHERE part = $1", [.text(part)])
        let version = try rows.integer(0, 0)
        guard version <= steps.count else {
            throw PostgresError(
                .unexpected,
                "the database's tables for \(part) have version \(version); this program knows \(steps.count): use a newer one"
            )
        }
        return version
    }
}
