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
                "3 \(format?.rawValue ?? "") \(reading.encoding ?? "") \(names.joined(separator: " ")) \(fields.leftOut.sorted().joined(separator: ","))"
        }
    }

    private(set) var sources: [Source] = []
    /// Folders that were searched, with a closing slash: sources below them that were not found are gone.
    private(set) var folders: [String] = []
    /// Types that folders declare for fields.
    private(set) var types: [(name: String, type: FieldType)] = []
    private(set) var ignored = 0
    /// Files and folders that a `forage.yaml` leaves out; folders with a closing slash.
    private(set) var leftOut: [String] = []
    private var seen: Set<String> = []
    /// Folders on the way, by device and number, so that links cannot lead in circles.
    private var visited: Set<[UInt64]> = []
    private let options: IngestOptions

    /// - Throws: `CorpusError` `badInput` for a path that is not there, `badArgument` for a `forage.yaml` that is not right.
    init(_ inputs: [String], options: IngestOptions) throws {
        self.options = options
        for input in inputs {
            if input == "-" {
                sources.append(
                    source(FilePlace("-"), name: "stdin", FolderOptions.Entry(), size: 0, modified: 0))
                continue
            }
            guard let status = FileSystem.status(input) else { throw CorpusError.system("read", input) }
            if status.st_mode & S_IFMT == S_IFDIR {
                let root = input == "/" || !input.hasSuffix("/") ? input : String(input.dropLast())
                folders.append(root + "/")
                let name = root.split(separator: "/").last.map(String.init) ?? root
                let folder = try FolderOptions(folder: root, followsLinks: options.followsLinks)
                types += folder.types
                try addFolder(
                    root, of: root, prefix: name == "." || name == ".." ? "" : name + "/", below: "", folder, depth: 0)
            } else if status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFIFO {
                add(
                    FilePlace(input), name: input.split(separator: "/").last.map(String.init) ?? input,
                    FolderOptions.Entry(),
                    status)
            } else {
                throw CorpusError(.badInput, "\(input) is neither a file nor a folder")
            }
        }
    }

    private mutating func addFolder(
        _ folder: String, of root: String, prefix: String, below: String, _ rules: FolderOptions, depth: Int
    ) throws {
        guard depth < 64 else {
            ignored += 1
            return
        }
        if options.followsLinks, let status = FileSystem.status(folder),
            !visited.insert([UInt64(status.st_dev), UInt64(status.st_ino)]).inserted
        {
            return
        }
        guard let names = try? FileSystem.names(in: folder) else {
            // A folder that may not be looked into is one that was left out, not the end of the run.
            ignored += 1
            return
        }
        for name in names {
            let path = folder + "/" + name
            guard !SourceNames.isLeftOut(name), !rules.leavesOut(below + name) else {
                if name != FolderOptions.fileName {
                    ignored += 1
                    if rules.leavesOut(below + name) { leftOut += [path, path + "/"] }
                }
                continue
            }
            guard options.followsLinks || !FolderFile.isLink(path), let status = FileSystem.status(path) else {
                ignored += 1
                continue
            }
            if status.st_mode & S_IFMT == S_IFDIR {
                // A corpus inside the folder is no source.
                guard !name.hasSuffix(".forage") else { continue }
                try addFolder(
                    path, of: root, prefix: prefix + name + "/", below: below + name + "/", rules, depth: depth + 1)
            } else if status.st_mode & S_IFMT == S_IFREG {
                // What is a file now may be a link when it is opened.
                let place = options.followsLinks ? FilePlace(path) : FilePlace(below + name, beneath: root)
                add(place, name: prefix + name, rules.entry(for: below + name), status)
            } else {
                ignored += 1
            }
        }
    }

    private mutating func add(_ place: FilePlace, name: String, _ entry: FolderOptions.Entry, _ status: stat) {
        guard seen.insert(place.path).inserted else { return }
        sources.append(
            source(
                place, name: name, entry, size: Int(status.st_size),
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
        return Source(
            path: place.path, place: place, name: name, format: options.format ?? entry.format, reading: reading,
            size: size,
            modified: modified)
    }
}
