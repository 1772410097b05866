// SPDX-License-Identifier: Apache-2.0

public import Documents

/// How sources are read. A folder's `forage.yaml` says the same for the files in it, and more; what is given here wins.
public struct IngestOptions: Sendable, Hashable {
    /// The format of every source; nil goes by the content and the name of each file.
    public var format: SourceFormat?
    /// The longest record, or document that is held in memory, in bytes. Default: 64 MiB.
    public var lineLimit: Int
    /// The member or column that holds the id. Default: `id`, `_id`, `docid` and the like.
    public var idField: String?
    /// The member or column that holds the title. Default: `title`; in records without a text of their own, `name` too.
    public var titleField: String?
    /// The member or column that holds the text. Default: `text`, `contents`, `content`, `body`, `passage` or
    /// `page_content`; records without one become lines `name: value`.
    public var textField: String?
    /// The character encoding of texts, as iconv names it; nil finds it for each file.
    public var encoding: String?
    /// Reads files and folders that links in a folder point to. Default: false.
    public var followsLinks: Bool
    /// Documents in a transaction at most. Default: 4096.
    public var batchSize: Int
    /// A program and its first arguments that reads one PDF in a process of its own, so that a file which crashes or hangs
    /// the PDF library takes nothing with it. Nil reads PDF in this process.
    package var pdfHelper: [String]?

    public init(
        format: SourceFormat? = nil, lineLimit: Int = 64 << 20, idField: String? = nil, titleField: String? = nil,
        textField: String? = nil, encoding: String? = nil, followsLinks: Bool = false, batchSize: Int = 4096
    ) {
        self.format = format
        self.lineLimit = lineLimit
        self.idField = idField
        self.titleField = titleField
        self.textField = textField
        self.encoding = encoding
        self.followsLinks = followsLinks
        self.batchSize = max(1, batchSize)
    }
}

/// What an ingestion did.
public struct IngestSummary: Sendable, Hashable {
    /// What the files of one kind gave.
    public struct Kind: Sendable, Hashable {
        /// Files of which something was read, those in archives and mailboxes counted each.
        public var files = 0
        /// Documents that were read.
        public var documents = 0
    }

    /// A file or a record that could not be read.
    public struct SetAside: Sendable, Hashable, CustomStringConvertible {
        /// The file as the user named it, with the line or the place inside.
        public var place: String
        /// Why: what was found and what was expected.
        public var reason: String

        public var description: String { "\(place): \(reason)" }
    }

    /// Sources that were read.
    public var sourcesRead = 0
    /// Sources that were passed over because they have not changed.
    public var sourcesUnchanged = 0
    /// How many files and folders were left out: hidden ones, links, what `forage.yaml` leaves out.
    public var filesIgnored = 0
    /// The first of them with the reason, at most 1000.
    public var leftOut: [SetAside] = []
    /// Documents that are new.
    public var added = 0
    /// Documents whose content changed.
    public var replaced = 0
    /// Documents that were read and found unchanged.
    public var unchanged = 0
    /// Documents that were given more than once with the same id and content, by one file or several, and are kept once.
    public var repeated = 0
    /// Documents deleted because their source has them no more, or is gone from its folder.
    public var deleted = 0
    /// Files and records that were set aside.
    public var bad = 0
    /// The first of them, at most 1000.
    public var setAside: [SetAside] = []
    /// What was read, by the kind of file.
    public var kinds: [SourceFormat: Kind] = [:]
    /// What people should know of files that were read, at most 200: how the text was found, which encoding was guessed.
    public var notes: [SetAside] = []
    /// How many notes there were in all.
    public var noteCount = 0
    /// The bytes that were read.
    public var bytes = 0
    /// Whether the ingestion was cancelled before its end; the next one goes on from there.
    public var wasCancelled = false

    public init() {}

    /// Whether anything in the corpus changed.
    public var changed: Bool { added + replaced + deleted > 0 }

    /// Why hidden files, what programs leave behind and code of others is left out.
    public static let leftOutByName = "files and folders of that name are left out"
    /// The most that `setAside` and `notes` hold.
    static let setAsideLimit = 1000
    static let notesLimit = 200

    mutating func setAside(_ place: String, _ reason: String) {
        bad += 1
        if setAside.count < Self.setAsideLimit { setAside.append(SetAside(place: place, reason: reason)) }
    }

    mutating func note(_ place: String, _ text: String) {
        let note = SetAside(place: place, reason: text)
        // What is true of many records of a file is said once.
        guard notes.last(where: { $0.place == place })?.reason != text else { return }
        noteCount += 1
        if notes.count < Self.notesLimit { notes.append(note) }
    }
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
