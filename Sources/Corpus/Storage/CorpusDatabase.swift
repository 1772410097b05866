// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import GRDB
import Text

/// The SQLite file of a corpus: documents, texts, sources, settings and the manifest of generations.
///
/// Documents are never changed in place: a changed document is deleted and inserted again, so that row ids grow with
/// the time of insertion and one row always stands for one text.
enum CorpusDatabase {
    static let fileName = "corpus.sqlite"
    static let formatVersion = 1

    /// Opens the database for the one writer; creates it when `creating`.
    static func openForWriting(folder: String, creating: Bool) throws -> DatabaseQueue {
        let path = folder + "/" + fileName
        try refuseLinks(folder)
        if !creating, FileSystem.status(path) == nil {
            throw CorpusError(.notACorpus, "\(folder) is no corpus: it has no \(fileName)")
        }
        var configuration = Configuration()
        configuration.label = "corpus"
        // Readers hold locks for moments only: wait rather than fail.
        configuration.busyMode = .timeout(30)
        configuration.prepareDatabase { db in
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            try db.execute(sql: "PRAGMA synchronous = FULL")
            try db.execute(sql: "PRAGMA secure_delete = OFF")
            try db.execute(sql: "PRAGMA cache_size = -65536")
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 8192")
        }
        return try translating(folder) {
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.write { try migrate($0, folder: folder) }
            return queue
        }
    }

    /// Opens the database for reading, also in a folder or on a medium that cannot be written.
    static func openForReading(folder: String) throws -> DatabaseQueue {
        let path = folder + "/" + fileName
        guard FileSystem.status(path) != nil else {
            if FileSystem.status(folder) == nil { throw CorpusError(.notACorpus, "there is no corpus at \(folder)") }
            throw CorpusError(.notACorpus, "\(folder) is no corpus: it has no \(fileName)")
        }
        try refuseLinks(folder)
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(30)
        return try translating(folder) {
            do {
                let queue = try DatabaseQueue(path: path, configuration: configuration)
                try queue.read { try check($0, folder: folder) }
                return queue
            } catch let error as DatabaseError
                where error.resultCode == .SQLITE_CANTOPEN || error.resultCode == .SQLITE_READONLY
            {
                // WAL needs a folder that can be written; where nobody can write, the file is a constant.
                guard access(folder, W_OK) != 0, let uri = immutableURI(path) else { throw error }
                let queue = try DatabaseQueue(path: uri, configuration: configuration)
                try queue.read { try check($0, folder: folder) }
                return queue
            }
        }
    }

    /// Checks that a database is a corpus's and nothing else.
    private static func check(_ db: Database, folder: String) throws {
        try checkVersion(db, folder: folder)
        if let entry = try SQLiteSchema.foreignEntry(in: db, of: tables + ownershipTables) {
            throw CorpusError(.damaged, "\(folder)/\(fileName) is not as Forage makes it: no corpus has the \(entry)")
        }
    }

    /// SQLite follows links: a database that leads out of its folder is none of this corpus.
    private static func refuseLinks(_ folder: String) throws {
        for suffix in ["", "-wal", "-shm", "-journal"] where FolderFile.isLink(folder + "/" + fileName + suffix) {
            throw CorpusError(
                .damaged, "\(folder)/\(fileName)\(suffix) is a link; links are not followed in a corpus")
        }
    }

    private static func immutableURI(_ path: String) -> String? {
        let absolute = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        return absolute.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed).map { "file://\($0)?immutable=1" }
    }

    /// Runs a body that touches the database and turns SQLite's errors into ones that name the corpus.
    static func translating<Result>(_ folder: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch let error as DatabaseError {
            let detail = error.message ?? "\(error.resultCode)"
            switch error.resultCode {
            case .SQLITE_FULL:
                throw CorpusError(.system, "\(folder): the disk is full; what was committed before is intact")
            case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
                throw CorpusError(.system, "\(folder) cannot be written or opened: \(detail)")
            case .SQLITE_NOTADB, .SQLITE_CORRUPT:
                throw CorpusError(.damaged, "\(folder)/\(fileName) is damaged: \(detail)")
            case .SQLITE_IOERR:
                throw CorpusError(.system, "\(folder): reading or writing failed (is the disk full?): \(detail)")
            default:
                throw CorpusError(.system, "\(folder)/\(fileName): \(detail)")
            }
        }
    }

    private static func checkVersion(_ db: Database, folder: String) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        guard version > 0 else {
            throw CorpusError(.notACorpus, "\(folder)/\(fileName) is no corpus database, or it was never finished")
        }
        guard version <= formatVersion else {
            throw CorpusError(
                .unsupportedVersion,
                "\(folder) has format \(version); this version of Forage reads up to \(formatVersion)")
        }
    }

    private static func migrate(_ db: Database, folder: String) throws {
        let version = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
        if version != 0 {
            try check(db, folder: folder)
            return try addOwnership(db)
        }
        guard try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master") == 0 else {
            throw CorpusError(.notACorpus, "\(folder)/\(fileName) is a database of another program")
        }
        for statement in tables { try db.execute(sql: statement) }
        try db.execute(sql: "PRAGMA user_version = \(formatVersion)")
        try addOwnership(db)
    }

    private static let tables = [
        "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """
        CREATE TABLE sources (
            id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, modified INTEGER NOT NULL,
            hash INTEGER, options TEXT NOT NULL, run INTEGER NOT NULL, complete INTEGER NOT NULL,
            position INTEGER NOT NULL, line INTEGER NOT NULL)
        """,
        """
        CREATE TABLE documents (
            row INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, source INTEGER NOT NULL,
            run INTEGER NOT NULL, hash INTEGER NOT NULL, metadata TEXT NOT NULL, passages BLOB NOT NULL)
        """,
        "CREATE INDEX documents_by_source ON documents (source)",
        "CREATE TABLE texts (row INTEGER PRIMARY KEY, title TEXT NOT NULL, text TEXT NOT NULL)",
        "CREATE TABLE fields (name TEXT PRIMARY KEY, declared TEXT) WITHOUT ROWID",
        """
        CREATE TABLE generations (
            number INTEGER PRIMARY KEY AUTOINCREMENT, changes INTEGER NOT NULL, documents INTEGER NOT NULL,
            passages INTEGER NOT NULL, published INTEGER NOT NULL)
        """,
        """
        CREATE TABLE files (
            generation INTEGER NOT NULL, role TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL,
            checksum INTEGER NOT NULL, parameters TEXT NOT NULL, PRIMARY KEY (generation, role)) WITHOUT ROWID
        """,
    ]

    /// The tables of who else gave a document (`DocumentClaims`), and of what rows of files are named after (`RowNames`).
    private static let ownershipTables = [
        """
        CREATE TABLE claims (
            id TEXT NOT NULL, source INTEGER NOT NULL, run INTEGER NOT NULL, hash INTEGER NOT NULL,
            PRIMARY KEY (id, source)) WITHOUT ROWID
        """,
        "CREATE INDEX claims_by_source ON claims (source)",
        """
        CREATE TABLE row_names (
            name TEXT PRIMARY KEY, source INTEGER NOT NULL, file TEXT NOT NULL) WITHOUT ROWID
        """,
    ]

    /// Corpora made before there were these tables get them here.
    private static func addOwnership(_ db: Database) throws {
        guard try !db.tableExists("claims") else { return }
        for statement in ownershipTables { try db.execute(sql: statement) }
        try RowNames.remember(db)
    }
}

extension Database {
    /// A setting's text.
    func setting(_ name: String) throws -> String? {
        try String.fetchOne(self, sql: "SELECT value FROM settings WHERE name = ?", arguments: [name])
    }

    /// Stores a setting.
    func set(_ name: String, to value: String) throws {
        try execute(sql: "INSERT OR REPLACE INTO settings VALUES (?, ?)", arguments: [name, value])
    }

    /// The number of committed changes to documents, which says whether the live generation is up to date.
    func changeCount() throws -> Int { Int(try setting("changes") ?? "0") ?? 0 }

    /// Notes that this transaction changes documents.
    func countChange() throws { try set("changes", to: String(changeCount() + 1)) }
}
