// SPDX-License-Identifier: Apache-2.0

import Documents
import GRDB

/// What the ids of rows begin with that have none of their own (`orders:17`): the file's name without its ending, or as
/// it is where another file has that name already (`orders.csv` beside `orders.json`). A file keeps the name that it got.
struct RowNames {
    struct Entry: Hashable, Sendable {
        var name: String
        /// The row of the source.
        var source: Int64
        /// The name of the file below what the user named, in an archive with the way inside.
        var file: String
    }

    private var owners: [String: Entry] = [:]
    private var names: [Int64: [String: String]] = [:]

    /// The names that a corpus has given.
    init(_ db: Database) throws {
        for row in try Row.fetchAll(db, sql: "SELECT name, source, file FROM row_names") {
            note(Entry(name: row[0], source: row[1], file: row[2]))
        }
    }

    private mutating func note(_ entry: Entry) {
        owners[entry.name] = entry
        names[entry.source, default: [:]][entry.file] = entry.name
    }

    /// The name for a file's rows, and the entry to store when it is new.
    mutating func name(of file: String, path: String, source: Int64) -> (name: String, new: Entry?) {
        if let known = names[source]?[file] { return (known, nil) }
        var number = 2
        var candidates = [RecordSource.stem(of: file), file, path][...]
        while true {
            let name = candidates.popFirst() ?? "\(file) (\(number))"
            if owners[name] == nil {
                let entry = Entry(name: name, source: source, file: file)
                note(entry)
                return (name, entry)
            }
            if candidates.isEmpty { number += 1 }
        }
    }

    /// Stores names.
    static func store(_ db: Database, _ entries: [Entry]) throws {
        for entry in entries {
            try db.cachedStatement(sql: "INSERT OR REPLACE INTO row_names VALUES (?, ?, ?)")
                .execute(arguments: [entry.name, entry.source, entry.file])
        }
    }

    /// Stores the names that the documents of a corpus have, of the time before they were stored.
    static func remember(_ db: Database) throws {
        for source in try Row.fetchAll(db, sql: "SELECT id, path FROM sources ORDER BY id") {
            let id = try String.fetchOne(
                db, sql: "SELECT id FROM documents WHERE source = ? LIMIT 1", arguments: [source[0] as Int64])
            guard let id, let colon = id.lastIndex(of: ":"), Int(id[id.index(after: colon)...]) != nil else { continue }
            let name = String(id[..<colon])
            let path = DocumentReader.withoutPacking(source[1])
            let ending = path.dropFirst(RecordSource.stem(of: path).count)
            guard path == name + ending || path.hasSuffix("/" + name + ending) else { continue }
            try db.execute(
                sql: "INSERT OR IGNORE INTO row_names VALUES (?, ?, ?)",
                arguments: [name, source[0] as Int64, name + ending])
        }
    }
}
