// SPDX-License-Identifier: Apache-2.0

import Base
import Documents
import Foundation
import OrderedCollections
import Text

/// What a folder's `forage.yaml` says about the files in it.
///
///     leave_out: ["drafts/*", "*.log"]     # names and paths, with * and ?
///     types: {year: number, published: date}
///     encoding: windows-1252               # for all files, as id, title, text and format may be
///     files:
///       - match: "products/*.csv"
///         id: sku
///         title: name
///         text: [description, notes]
///         leave_out_fields: [internal]
///
/// The first entry of `files` that matches a file counts, over what is said for all.
struct FolderOptions: Sendable {
    static let fileName = "forage.yaml"

    struct Entry: Sendable {
        var match: String?
        var format: SourceFormat?
        var encoding: String?
        var fields = RecordFields()
    }

    private(set) var leftOut: [String] = []
    private(set) var types: [(name: String, type: FieldType)] = []
    private var all = Entry()
    private var files: [Entry] = []

    init() {}

    /// Reads the file in a folder, when there is one.
    /// - Throws: `CorpusError` `badArgument` that names what was not understood, or a link where none are followed.
    init(folder: String, followsLinks: Bool) throws {
        let path = folder + "/" + Self.fileName
        guard FileSystem.status(path) != nil else { return }
        guard followsLinks || !FolderFile.isLink(path) else {
            throw CorpusError(.badArgument, "\(path) is a link; say --follow-links to read it")
        }
        do {
            guard case .object(let members) = try YAMLReader.read(file: path) else {
                throw CorpusError(.badArgument, "\(path): expected names with values")
            }
            for (name, value) in members where !value.isNull {
                switch name {
                case "leave_out": leftOut = try Self.texts(value, name, path)
                case "types":
                    for (field, type) in value.object ?? [:] {
                        guard let known = type.string.flatMap({ FieldType(rawValue: $0) }) else {
                            throw CorpusError(
                                .badArgument,
                                "\(path): the type of \"\(field)\" must be one of \(FieldType.allCases.map(\.rawValue).joined(separator: ", "))"
                            )
                        }
                        types.append((field, known))
                    }
                case "files":
                    guard let list = value.array else {
                        throw CorpusError(.badArgument, "\(path): \"files\" must be a list")
                    }
                    for element in list {
                        guard let entry = element.object, let match = entry["match"]?.string else {
                            throw CorpusError(.badArgument, "\(path): each of \"files\" needs a \"match\"")
                        }
                        var made = Entry(match: match)
                        for (key, value) in entry where key != "match" { try Self.set(&made, key, value, path) }
                        files.append(made)
                    }
                default: try Self.set(&all, name, value, path)
                }
            }
        } catch let error as YAMLError {
            throw CorpusError(.badArgument, "\(error)")
        }
    }

    private static func set(_ entry: inout Entry, _ name: String, _ value: JSONValue, _ path: String) throws {
        switch name {
        case "format":
            guard let format = value.string.flatMap({ SourceFormat(rawValue: $0) }) else {
                throw CorpusError(
                    .badArgument,
                    "\(path): unknown format; the formats are \(SourceFormat.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            entry.format = format
        case "encoding": entry.encoding = try texts(value, name, path).first
        case "id": entry.fields.id = try texts(value, name, path).first
        case "title": entry.fields.title = try texts(value, name, path).first
        case "text": entry.fields.text = try texts(value, name, path)
        case "leave_out_fields": entry.fields.leftOut = Set(try texts(value, name, path))
        default:
            throw CorpusError(
                .badArgument,
                "\(path): \"\(name)\" is not known; known are leave_out, types, files, format, encoding, id, title, text, leave_out_fields"
            )
        }
    }

    private static func texts(_ value: JSONValue, _ name: String, _ path: String) throws -> [String] {
        if let text = value.string { return [text] }
        guard let list = value.array, list.allSatisfy({ $0.string != nil }) else {
            throw CorpusError(.badArgument, "\(path): \"\(name)\" must be a text or a list of texts")
        }
        return list.compactMap(\.string)
    }

    /// Whether a pattern matches a path below the folder: as a whole, or its last name when the pattern has no slash.
    private static func matches(_ pattern: String, _ path: String) -> Bool {
        let pattern = pattern.hasSuffix("/") ? pattern + "*" : pattern
        if fnmatch(pattern, path, 0) == 0 { return true }
        guard !pattern.contains("/"), let name = path.split(separator: "/").last else { return false }
        return fnmatch(pattern, String(name), 0) == 0
    }

    func leavesOut(_ path: String) -> Bool {
        path == Self.fileName || leftOut.contains { Self.matches($0, path) || Self.matches($0, path + "/") }
    }

    /// How a file is read.
    /// - Parameter path: below the folder.
    func entry(for path: String) -> Entry {
        guard let own = files.first(where: { $0.match.map { Self.matches($0, path) } ?? false }) else { return all }
        var entry = own
        entry.format = own.format ?? all.format
        entry.encoding = own.encoding ?? all.encoding
        entry.fields.id = own.fields.id ?? all.fields.id
        entry.fields.title = own.fields.title ?? all.fields.title
        entry.fields.text = own.fields.text ?? all.fields.text
        entry.fields.leftOut.formUnion(all.fields.leftOut)
        return entry
    }
}
