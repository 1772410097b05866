// SPDX-License-Identifier: Apache-2.0

import GRDB

/// Who gives a document beside the source that it is stored for.
///
/// Copies, backups and overlapping exports give the same documents. One source owns each; the others have a claim, with
/// the content that they gave. When the owner gives a document no more, it passes to a source with the same content; a
/// source that gave another content is read again.
enum DocumentClaims {
    /// Notes that a source gives a document of which another is the owner.
    static func add(_ db: Database, id: String, source: Int64, run: Int64, hash: Int64) throws {
        try db.cachedStatement(sql: "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)")
            .execute(arguments: [id, source, run, hash])
    }

    /// Takes back the claim of a source that owns the document now.
    static func remove(_ db: Database, id: String, source: Int64) throws {
        try db.cachedStatement(sql: "DELETE FROM claims WHERE id = ? AND source = ?").execute(arguments: [id, source])
    }

    /// A document's content changed: sources that gave it with another content than the new one are read again.
    static func contentChanged(_ db: Database, id: String, hash: Int64) throws {
        let find = try db.cachedStatement(sql: "SELECT source FROM claims WHERE id = ? AND hash <> ?")
        for source in try Int64.fetchAll(find, arguments: [id, hash]) {
            try readAgain(db, source: source)
            try remove(db, id: id, source: source)
        }
    }

    /// Deletes the documents of a source, and passes on those that others give too.
    /// - Parameter run: keeps what the source gave in this run; nil keeps nothing.
    /// - Returns: how many were deleted, and how many have another owner now.
    static func release(_ db: Database, source: Int64, keeping run: Int64?) throws -> (deleted: Int, passedOn: Int) {
        let run = run ?? -1
        try db.execute(sql: "DELETE FROM claims WHERE source = ? AND run <> ?", arguments: [source, run])
        let heirs = """
            FROM claims c WHERE c.id = documents.id AND c.hash = documents.hash AND c.source <> documents.source
            """
        try db.execute(
            sql: """
                UPDATE documents SET (source, run) = (SELECT c.source, c.run \(heirs) ORDER BY c.source LIMIT 1)
                WHERE source = ? AND run <> ? AND EXISTS (SELECT 1 \(heirs))
                """, arguments: [source, run])
        let passedOn = db.changesCount
        if passedOn > 0 {
            try db.execute(
                sql: """
                    DELETE FROM claims
                    WHERE EXISTS (SELECT 1 FROM documents d WHERE d.id = claims.id AND d.source = claims.source)
                    """)
        }
        let others = """
            FROM documents d JOIN claims c ON c.id = d.id WHERE d.source = ? AND d.run <> ? AND c.source <> d.source
            """
        for other in try Int64.fetchAll(db, sql: "SELECT DISTINCT c.source \(others)", arguments: [source, run]) {
            try readAgain(db, source: other)
        }
        try db.execute(
            sql: "DELETE FROM claims WHERE id IN (SELECT id FROM documents WHERE source = ? AND run <> ?)",
            arguments: [source, run])
        try db.execute(
            sql: "DELETE FROM texts WHERE row IN (SELECT row FROM documents WHERE source = ? AND run <> ?)",
            arguments: [source, run])
        try db.execute(sql: "DELETE FROM documents WHERE source = ? AND run <> ?", arguments: [source, run])
        return (db.changesCount, passedOn)
    }

    /// Has a source read again, as if it had changed.
    private static func readAgain(_ db: Database, source: Int64) throws {
        try db.cachedStatement(
            sql: "UPDATE sources SET complete = 0, position = 0, line = 0, hash = NULL, options = '' WHERE id = ?"
        ).execute(arguments: [source])
    }

    /// The paths of sources that are to be read again.
    static func pathsToReadAgain(_ db: Database) throws -> Set<String> {
        try Set(String.fetchAll(db, sql: "SELECT path FROM sources WHERE options = '' AND run > 0"))
    }
}
