// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The files that an ingestion reads, found from what the user named.
struct SourceList {
    /// One file, or standard input.
    struct Source: Sendable {
        /// The path as the user wrote it, with the rest of the way below a folder; `-` for standard input.
        var path: String
        var format: SourceFormat
        /// What the ids of documents without one begin with.
        var idPrefix: String
        var size: Int
        /// The time of the last change, in nanoseconds since 1970.
        var modified: Int64

        var isStandardInput: Bool { path == "-" }
    }

    private(set) var sources: [Source] = []
    /// Folders that were searched, with a closing slash: sources below them that were not found are gone.
    private(set) var folders: [String] = []
    private(set) var ignored = 0
    private var seen: Set<String> = []

    /// - Throws: `CorpusError` `badInput` for a path that is not there or whose format is unknown.
    init(_ inputs: [String], options: IngestOptions) throws {
        for input in inputs {
            if input == "-" {
                sources.append(
                    Source(path: "-", format: options.format ?? .jsonl, idPrefix: "stdin", size: 0, modified: 0))
                continue
            }
            guard let status = FileSystem.status(input) else { throw CorpusError.system("read", input) }
            if status.st_mode & S_IFMT == S_IFDIR {
                let root = input == "/" || !input.hasSuffix("/") ? input : String(input.dropLast())
                folders.append(root + "/")
                let name = root.split(separator: "/").last.map(String.init) ?? root
                try addFolder(root, prefix: name == "." || name == ".." ? "" : name + "/", options, depth: 0)
            } else if status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFIFO {
                guard let format = options.format ?? SourceFormat(path: input) else {
                    throw CorpusError(
                        .badInput,
                        "\(input): the name says no known format (.jsonl, .csv, .tsv, .md, .txt, .html); say it with the format option"
                    )
                }
                add(input, name: input.split(separator: "/").last.map(String.init) ?? input, format, status)
            } else {
                throw CorpusError(.badInput, "\(input) is neither a file nor a folder")
            }
        }
    }

    private mutating func addFolder(_ folder: String, prefix: String, _ options: IngestOptions, depth: Int) throws {
        guard depth < 64 else { throw CorpusError(.badInput, "\(folder): folders are nested deeper than 64 levels") }
        for name in try FileSystem.names(in: folder) where !name.hasPrefix(".") {
            let path = folder + "/" + name
            guard let status = FileSystem.status(path) else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                // A corpus inside the folder is no source, and a link may lead back up.
                guard !name.hasSuffix(".forage"), !Self.isLink(path) else { continue }
                try addFolder(path, prefix: prefix + name + "/", options, depth: depth + 1)
            } else if status.st_mode & S_IFMT == S_IFREG {
                // In a folder the names decide, so that a stray picture is not read as text.
                if let format = SourceFormat(path: path) {
                    add(path, name: prefix + name, format, status)
                } else {
                    ignored += 1
                }
            }
        }
    }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    private mutating func add(_ path: String, name: String, _ format: SourceFormat, _ status: stat) {
        guard seen.insert(path).inserted else { return }
        let prefix = format.isLined ? String(name.prefix(upTo: name.lastIndex(of: ".") ?? name.endIndex)) : name
        sources.append(
            Source(
                path: path, format: format, idPrefix: prefix, size: Int(status.st_size),
                modified: Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)))
    }
}
