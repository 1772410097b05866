// SPDX-License-Identifier: Apache-2.0

package import GRDB

/// What a database is made of, against what its program makes: a database from elsewhere is a program, too. A view in place of
/// a table, a trigger, a generated column or an index over an expression runs whatever it says, without end or limit, when
/// its table is read or written.
package enum SQLiteSchema {
    /// The first entry of a database's schema that none of the statements makes, such as `view files`; nil when there is none.
    /// - Parameter statements: `CREATE TABLE` and `CREATE INDEX` statements.
    package static func foreignEntry(in db: Database, of statements: [String]) throws -> String? {
        // SQLite makes these by itself.
        let own = [
            "CREATE TABLE sqlite_sequence(name,seq)", "CREATE TABLE sqlite_stat1(tbl,idx,stat)",
            "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)",
        ]
        let known = Set((statements + own).map(normalised))
        for row in try Row.fetchAll(db, sql: "SELECT type, name, sql FROM sqlite_master") {
            let type: String = row[0] ?? ""
            let text: String? = row[2]
            if let text, ["table", "index"].contains(type), known.contains(normalised(text)) { continue }
            // The index of a primary key or of what is unique.
            if text == nil, type == "index" { continue }
            return "\(type) \((row[1] as String?) ?? "")"
        }
        return nil
    }

    /// A statement as SQLite keeps it, but for white space.
    private static func normalised(_ statement: String) -> String {
        let words = statement.split { $0.isWhitespace || $0 == ";" }.joined(separator: " ")
        return words.replacing(" IF NOT EXISTS ", with: " ")
    }
}
