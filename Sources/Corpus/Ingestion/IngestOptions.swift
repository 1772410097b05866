// SPDX-License-Identifier: Apache-2.0

/// The formats of source files.
public enum SourceFormat: String, Sendable, Hashable, CaseIterable {
    /// One JSON object a line: `id`, `title`, `text`, `metadata`, or `contents` with the title as its first line.
    case jsonl
    /// Comma-separated values (RFC 4180) with a header line.
    case csv
    /// Tab-separated values with a header line.
    case tsv
    /// Markdown, one document a file: the first heading is the title, front matter is metadata.
    case markdown
    /// Plain text, one document a file: the file's name is the title.
    case text
    /// HTML, one document a file.
    case html

    /// The format that a file's name says; nil when it says none.
    public init?(path: String) {
        guard let dot = path.utf8.lastIndex(of: UInt8(ascii: ".")) else { return nil }
        switch path[path.utf8.index(after: dot)...].lowercased() {
        case "jsonl", "ndjson", "json": self = .jsonl
        case "csv": self = .csv
        case "tsv", "tab": self = .tsv
        case "md", "markdown": self = .markdown
        case "txt", "text": self = .text
        case "html", "htm", "xhtml": self = .html
        default: return nil
        }
    }

    /// Whether a file holds many documents, one a line or record.
    var isLined: Bool { self == .jsonl || self == .csv || self == .tsv }
}

/// How sources are read.
public struct IngestOptions: Sendable, Hashable {
    /// The format of every source; nil goes by the name of each file, and takes standard input as JSON lines.
    public var format: SourceFormat?
    /// Counts bad lines and files and goes on, instead of ending at the first. Default: false.
    public var skipsBad: Bool
    /// The longest line, record or whole-file document, in bytes. Default: 64 MiB.
    public var lineLimit: Int
    /// The member or column that holds the id. Default: `id`, `_id` or `docid`.
    public var idField: String?
    /// The member or column that holds the title. Default: `title`.
    public var titleField: String?
    /// The member or column that holds the text. Default: `text`, `contents`, `content` or `body`.
    public var textField: String?
    /// Documents in a transaction at most. Default: 4096.
    public var batchSize: Int

    public init(
        format: SourceFormat? = nil, skipsBad: Bool = false, lineLimit: Int = 64 << 20, idField: String? = nil,
        titleField: String? = nil, textField: String? = nil, batchSize: Int = 4096
    ) {
        self.format = format
        self.skipsBad = skipsBad
        self.lineLimit = lineLimit
        self.idField = idField
        self.titleField = titleField
        self.textField = textField
        self.batchSize = max(1, batchSize)
    }

    /// A short text that changes when a source would be read differently.
    var fingerprint: String {
        "\(format?.rawValue ?? "") \(idField ?? "") \(titleField ?? "") \(textField ?? "") \(skipsBad)"
    }
}

/// What an ingestion did.
public struct IngestSummary: Sendable, Hashable {
    /// Sources that were read.
    public var sourcesRead = 0
    /// Sources that were passed over because they have not changed.
    public var sourcesUnchanged = 0
    /// Files in folders whose names say no known format.
    public var filesIgnored = 0
    /// Documents that are new.
    public var added = 0
    /// Documents whose content changed.
    public var replaced = 0
    /// Documents that were read and found unchanged.
    public var unchanged = 0
    /// Documents deleted because their source has them no more, or is gone from its folder.
    public var deleted = 0
    /// Bad lines, records or files that were skipped.
    public var bad = 0
    /// The messages of the first bad ones, at most 20.
    public var badMessages: [String] = []
    /// The bytes that were read.
    public var bytes = 0
    /// Whether the ingestion was cancelled before its end; the next one goes on from there.
    public var wasCancelled = false

    public init() {}

    /// Whether anything in the corpus changed.
    public var changed: Bool { added + replaced + deleted > 0 }
}

/// How far an ingestion is.
public struct IngestProgress: Sendable, Hashable {
    /// Documents read so far.
    public var documents: Int
    /// Bytes read so far, of `bytesTotal`.
    public var bytes: Int
    /// The bytes of all sources; nil when standard input is among them.
    public var bytesTotal: Int?
    /// Seconds since the start.
    public var seconds: Double
    /// Documents a second.
    public var rate: Double { seconds > 0 ? Double(documents) / seconds : 0 }
    /// Seconds left, from the bytes; nil while unknown.
    public var secondsLeft: Double? {
        guard let bytesTotal, bytes > 0, seconds > 0 else { return nil }
        return seconds * Double(max(0, bytesTotal - bytes)) / Double(bytes)
    }
}
