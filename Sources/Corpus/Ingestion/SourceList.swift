// SPDX-License-Identifier: Apache-2.0

import Base
import Documents
import Foundation

/// The files that an ingestion reads, found from what the user named.
struct SourceList {
    /// One file, or standard input.
    struct Source: Sendable {
        /// The path as the user wrote it, with the rest of the way below a folder; `-` for standard input.
        var path: String
        /// How it is opened.
        var place: FilePlace
        /// The name below what the user named: what ids of documents are made of.
        var name: String
        /// The format that the user or `forage.yaml` says.
        var format: SourceFormat?
        var reading: ReadingOptions
        var size: Int
        /// The time of the last change, in nanoseconds since 1970.
        var modified: Int64

        var isStandardInput: Bool { path == "-" }

        /// A short text that changes when the source would be read differently. Its number goes up when the readers change.
        var fingerprint: String {
            let fields = reading.fields
            let names = [fields.id ?? "", fields.title ?? "", fields.text?.joined(separator: ",") ?? ""]
            return
                "4 \(format?.rawValue ?? "") \(reading.encoding ?? "") \(names.joined(separator: " ")) \(fields.leftOut.sorted().joined(separator: ","))"
        }
    }

    private(set) var sources: [Source] = []
    /// Folders that were searched, with a closing slash: sources below them that were not found are gone.
    private(set) var folders: [String] = []
    /// Types that folders declare for fields.
    private(set) var types: [(name: String, type: FieldType)] = []
    /// What was passed over, and why.
    private(set) var passedOver: [IngestSummary.SetAside] = []
    /// Files and folders that a `forage.yaml` leaves out; folders with a closing slash.
    private(set) var leftOut: [String] = []
    private var seen: Set<String> = []
    /// Folders on the way, by device and number, so that links cannot lead in circles.
    private var visited: Set<[UInt64]> = []
    private let options: IngestOptions
    private let isCancelled: @Sendable () -> Bool

    /// - Parameter isCancelled: asked while a file is read.
    /// - Throws: `CorpusError` `badInput` for a path that is not there, `badArgument` for a `forage.yaml` that is not right.
    init(
        _ inputs: [String], options: IngestOptions, isCancelled: @escaping @Sendable () -> Bool = { false }
    ) throws {
        self.options = options
        self.isCancelled = isCancelled
        for input in inputs {
            if input == "-" {
                sources.append(
                    source(FilePlace("-"), name: "stdin", FolderOptions.Entry(), size: 0, modified: 0))
                continue
            }
            let given = FileSystem.status(input) == nil ? SystemName.restored(input) : nil
            guard let status = FileSystem.status(given ?? SystemName(input)) else {
                throw CorpusError.system("read", input)
            }
            if status.st_mode & S_IFMT == S_IFDIR, given == nil {
                let root = input == "/" || !input.hasSuffix("/") ? input : String(input.dropLast())
                folders.append(root + "/")
                let name = root.split(separator: "/").last.map(String.init) ?? root
                let folder = try FolderOptions(folder: root, followsLinks: options.followsLinks)
                types += folder.types
                try addFolder(
                    SystemName(root), of: root, prefix: name == "." || name == ".." ? "" : name + "/",
                    below: SystemName(""), folder, depth: 0)
            } else if status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFIFO {
                let shown = given?.shown ?? input
                add(
                    given.map { FilePlace(bytes: $0.bytes, shown: $0.shown) } ?? FilePlace(input),
                    name: shown.split(separator: "/").last.map(String.init) ?? shown, FolderOptions.Entry(), status)
            } else {
                throw CorpusError(.badInput, "\(input) is neither a file nor a folder")
            }
        }
    }

    private mutating func passOver(_ path: SystemName, _ reason: String) {
        passedOver.append(IngestSummary.SetAside(place: path.shown, reason: reason))
    }

    private mutating func addFolder(
        _ folder: SystemName, of root: String, prefix: String, below: SystemName, _ rules: FolderOptions, depth: Int
    ) throws {
        guard depth < 64 else { return passOver(folder, "it is nested deeper than 64 folders") }
        if options.followsLinks, let status = FileSystem.status(folder),
            !visited.insert([UInt64(status.st_dev), UInt64(status.st_ino)]).inserted
        {
            return
        }
        guard let names = try? FileSystem.names(in: folder) else {
            // A folder that may not be looked into is one that was left out, not the end of the run.
            return passOver(folder, "it may not be looked into")
        }
        for name in names {
            let path = folder / name
            let below = below / name
            if SourceNames.isLeftOut(name.shown) {
                if name.shown != FolderOptions.fileName { passOver(path, IngestSummary.leftOutByName) }
                if rules.leavesOut(below.shown) { leftOut += [path.shown, path.shown + "/"] }
                continue
            }
            guard !rules.leavesOut(below.shown) else {
                if name.shown != FolderOptions.fileName {
                    passOver(path, "\(FolderOptions.fileName) leaves it out")
                    leftOut += [path.shown, path.shown + "/"]
                }
                continue
            }
            guard options.followsLinks || !FileSystem.isLink(path) else {
                passOver(path, "it is a link; --follow-links follows it")
                continue
            }
            guard let status = FileSystem.status(path) else {
                passOver(path, FileSystem.isLink(path) ? "it is a link to nothing" : String(cString: strerror(errno)))
                continue
            }
            if status.st_mode & S_IFMT == S_IFDIR {
                // A corpus inside the folder is no source.
                guard !name.shown.hasSuffix(".forage") else { continue }
                try addFolder(path, of: root, prefix: prefix + name.shown + "/", below: below, rules, depth: depth + 1)
            } else if status.st_mode & S_IFMT == S_IFREG {
                // What is a file now may be a link when it is opened.
                let place =
                    options.followsLinks
                    ? FilePlace(bytes: path.bytes, shown: path.shown)
                    : FilePlace(bytes: below.bytes, shown: below.shown, beneath: root)
                add(place, name: prefix + name.shown, rules.entry(for: below.shown), status)
            } else {
                passOver(path, "it is no regular file: a pipe, a socket or a device")
            }
        }
    }

    private mutating func add(_ place: FilePlace, name: String, _ entry: FolderOptions.Entry, _ status: stat) {
        guard seen.insert(place.path).inserted else { return }
        let size = Int(status.st_size)
        // A file of a few bytes can say that it is terabytes of zeros. File systems that pack do not pack so well.
        let stored = Int(status.st_blocks) * 512
        guard size <= 1 << 30 || stored >= size / 256 else {
            passOver(SystemName(place.path), "it is sparse: \(size) bytes, of which \(stored) are on the disk")
            return
        }
        sources.append(
            source(
                place, name: name, entry, size: size,
                modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)))
    }

    private func source(
        _ place: FilePlace, name: String, _ entry: FolderOptions.Entry, size: Int, modified: Int64
    ) -> Source {
        var reading = ReadingOptions()
        reading.encoding = options.encoding ?? entry.encoding
        reading.fields = entry.fields
        if let id = options.idField { reading.fields.id = id }
        if let title = options.titleField { reading.fields.title = title }
        if let text = options.textField { reading.fields.text = [text] }
        reading.limits.documentBytes = options.lineLimit
        reading.helper = options.pdfHelper
        // What is read from a pipe has no size.
        reading.budget =
            size > 0
            ? SourceBudget(size: size, isCancelled: isCancelled) : .ofUnknownSize(isCancelled: isCancelled)
        return Source(
            path: place.path, place: place, name: name, format: options.format ?? entry.format, reading: reading,
            size: size,
            modified: modified)
    }
}
