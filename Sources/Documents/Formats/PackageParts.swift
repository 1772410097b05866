// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// The parts of a document that is a ZIP package (Office Open XML, OpenDocument, EPUB), read in one pass.
struct PackageParts {
    private var parts: [String: [UInt8]] = [:]

    /// - Parameter isWanted: whether a part is kept; pictures and films are not.
    /// - Throws: `DocumentError` for a damaged or encrypted package, or parts beyond the limits.
    init(_ archive: Archive, limits: ReadingLimits, isWanted: (String) -> Bool) throws {
        var total = 0
        while let member = try archive.next() {
            guard isWanted(member.path) else { continue }
            guard !member.isEncrypted else { throw DocumentError("it is encrypted") }
            let bytes = try archive.content(limit: 4 * limits.documentBytes)
            total += bytes.count
            guard total <= 8 * limits.documentBytes else {
                throw DocumentError("it unpacks to more than \(8 * limits.documentBytes) bytes")
            }
            parts[member.path] = bytes
        }
    }

    /// A part by its path; nil when there is none.
    func bytes(_ path: String) -> [UInt8]? { parts[path] }

    /// The paths that begin with a prefix, with numbers in their order.
    func paths(_ prefix: String) -> [String] {
        parts.keys.filter { $0.hasPrefix(prefix) }.sorted {
            let (a, b) = (Self.number($0), Self.number($1))
            return a == b ? $0 < $1 : a < b
        }
    }

    private static func number(_ path: String) -> Int {
        Int(path.reversed().drop { !$0.isNumber }.prefix { $0.isNumber }.reversed().map { String($0) }.joined()) ?? 0
    }

    func reader(_ path: String) throws(DocumentError) -> XMLPull? {
        guard let bytes = parts[path] else { return nil }
        return try XMLPull(bytes)
    }

    /// The targets of a part's relations by their ids, as paths in the package.
    func relations(of path: String) throws(DocumentError) -> [String: String] {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        let name = path.split(separator: "/").last ?? ""
        guard let reader = try reader("\(folder)/_rels/\(name).rels") else { return [:] }
        var targets: [String: String] = [:]
        while let event = reader.next() {
            guard case .start("Relationship", _) = event, let id = reader.attribute("Id"),
                let target = reader.attribute("Target")
            else { continue }
            targets[id] = Self.resolve(target, in: folder)
        }
        return targets
    }

    /// A path relative to a folder of the package.
    static func resolve(_ target: String, in folder: String) -> String {
        var parts = target.hasPrefix("/") ? [] : folder.split(separator: "/").map(String.init)
        for part in target.split(separator: "/") {
            if part == ".." { _ = parts.popLast() } else if part != "." { parts.append(String(part)) }
        }
        return parts.joined(separator: "/")
    }

    /// What the package says of itself in Dublin Core: title, author, subject, keywords, dates.
    func properties(_ path: String) throws(DocumentError) -> JSONObject {
        guard let reader = try reader(path) else { return [:] }
        return Self.properties(reader)
    }

    /// - Parameter end: the element at whose end reading stops.
    static func properties(_ reader: XMLPull, until end: String? = nil) -> JSONObject {
        var properties = JSONObject()
        let names = [
            "title": "title", "creator": "author", "initial-creator": "author", "subject": "subject",
            "keywords": "keywords", "keyword": "keywords", "created": "created", "creation-date": "created",
            "modified": "modified", "date": "modified", "description": "description", "category": "category",
            "publisher": "publisher", "language": "language",
        ]
        while let event = reader.next() {
            if case .end(let name) = event, name == end { break }
            guard case .start(let name, let isEmpty) = event, !isEmpty, let field = names[name] else { continue }
            let value = reader.content()
            if !value.isEmpty, properties[field] == nil { properties[field] = .string(value) }
        }
        return properties
    }
}
