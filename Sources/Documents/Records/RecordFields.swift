// SPDX-License-Identifier: Apache-2.0

package import Base
import OrderedCollections

/// How the members of a record become a document.
package struct RecordFields: Sendable, Hashable {
    /// The member that holds the id; nil tries `id`, `_id`, `docid` and `doc_id`.
    package var id: String?
    /// The member that holds the title; nil tries `title`, and in records without a text of their own `name` and the like.
    package var title: String?
    /// The members that hold the text, in the order in which they are put together; nil guesses.
    package var text: [String]?
    /// Members that are left out altogether.
    package var leftOut: Set<String> = []

    package init(id: String? = nil, title: String? = nil, text: [String]? = nil, leftOut: Set<String> = []) {
        self.id = id
        self.title = title
        self.text = text
        self.leftOut = leftOut
    }
}

/// Turns records (rows of a table, JSON objects) into documents: text that an agent can read, and typed fields.
///
/// A record with a text of its own (`text`, `contents`, `content`, `body`, `passage`, `page_content`) is that text, below
/// lines with its short members, which are fields as well; members of a `metadata` object are fields alone. In other records every member is a line `name: value` of the text, and a field too; a
/// member with sentences in it comes first, without its name.
package struct RecordMapper: Sendable {
    static let idNames = ["id", "_id", "docid", "doc_id", "document_id"]
    static let textNames = ["text", "contents", "content", "body", "passage", "page_content"]
    static let proseNames = ["description", "abstract", "summary", "review", "comment", "message", "answer", "notes"]
    static let titleNames = ["title", "name", "headline", "subject", "label", "question"]

    private let fields: RecordFields
    private let fallbackID: @Sendable (Int) -> String
    /// The member with sentences in it, as the first records show; nil when there is none.
    package let prose: String?

    /// - Parameters:
    ///   - sample: records from the beginning of the source.
    ///   - fallbackID: the id of a record that has none, from its place in the source.
    package init(_ fields: RecordFields, sample: [JSONObject], fallbackID: @escaping @Sendable (Int) -> String) {
        self.fields = fields
        self.fallbackID = fallbackID
        prose = Self.prose(in: sample, fields)
    }

    /// How the text was found, for people: nil where the records say it themselves or the user did.
    package var note: String? {
        guard fields.text == nil else { return nil }
        if let prose { return "text from \"\(prose)\" and the other columns" }
        return nil
    }

    /// The member that has sentences in it in most records: by its name, else by its length.
    private static func prose(in sample: [JSONObject], _ fields: RecordFields) -> String? {
        guard fields.text == nil, !sample.isEmpty else { return nil }
        if sample.contains(where: { record in textNames.contains { own($0, in: record) != nil } }) { return nil }
        var lengths: [String: Int] = [:]
        var words: [String: Int] = [:]
        for record in sample {
            for (name, value) in record {
                guard let text = value.string, !text.hasPrefix("http") else { continue }
                lengths[name, default: 0] += text.utf8.count
                words[name, default: 0] += text.utf8.count { $0 == 32 }
            }
        }
        func isProse(_ name: String) -> Bool { words[name, default: 0] >= 3 * sample.count }
        for name in proseNames {
            if let found = lengths.keys.sorted().first(where: { $0.lowercased() == name }), isProse(found) {
                return found
            }
        }
        let longest = lengths.keys.sorted().max { lengths[$0, default: 0] < lengths[$1, default: 0] }
        guard let longest, lengths[longest, default: 0] >= 60 * sample.count,
            words[longest, default: 0] >= 8 * sample.count
        else { return nil }
        return longest
    }

    /// The name of a record's member that has the given name in any case, and a value.
    private static func own(_ name: String, in record: JSONObject) -> String? {
        if let value = record[name] { return value.isNull ? nil : name }
        return record.keys.first {
            $0.utf8.count == name.utf8.count && $0.lowercased() == name && record[$0]?.isNull == false
        }
    }

    /// The document of a record.
    /// - Parameter place: its line or number in the source.
    /// - Throws: `DocumentError` that names the member and what was expected.
    package func document(_ record: JSONObject, place: Int) throws(DocumentError) -> SourceDocument {
        let record = ExportedText.plain(ExportedRecord.plain(record))
        let idName =
            fields.id ?? Self.idNames.first { Self.own($0, in: record) != nil }.flatMap { Self.own($0, in: record) }
        var id = fallbackID(place)
        if let idName, let value = record[idName], !value.isNull {
            guard let given = Self.scalar(value) else {
                throw DocumentError("\"\(idName)\" must be a text or a number, found \(value.typeName)")
            }
            guard !given.isEmpty else { throw DocumentError("a document's id is empty") }
            id = given
        }
        if let names = fields.text {
            let present = names.filter { record[$0].map { !$0.isNull } ?? false }
            guard !present.isEmpty else {
                let wanted = names.map { "\"\($0)\"" }.joined(separator: " or ")
                throw DocumentError("expected \(wanted); the record has \(Self.list(record.keys))")
            }
            var document = SourceDocument(id: id, title: "", text: "")
            document.text = present.map { Self.text(record[$0] ?? .null) }.joined(separator: "\n\n")
            document.title = title(record, isOwnText: true)
            document.metadata = metadata(record, without: [idName, titleName(record, isOwnText: true)] + names)
            return document
        }
        if let textName = Self.textNames.lazy.compactMap({ Self.own($0, in: record) }).first {
            return ownText(record, textName, id: id, idName: idName)
        }
        let titleName = titleName(record, isOwnText: false)
        let lines: JSONObject = record.filter {
            $0.key != prose && $0.key != "metadata" && !fields.leftOut.contains($0.key)
        }
        let more = record["metadata"]?.object ?? [:]
        let text =
            ([prose.flatMap { record[$0] }.map { Self.text($0) }] + [Self.lines(lines), Self.lines(more)])
            .compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: "\n\n")
        guard !text.isEmpty else { throw DocumentError("the record is empty") }
        return SourceDocument(
            id: id, title: title(record, isOwnText: false), text: text,
            metadata: metadata(record, without: [idName, prose] + (titleName.map { isBuiltIn($0) ? [$0] : [] } ?? [])))
    }

    private func ownText(_ record: JSONObject, _ textName: String, id: String, idName: String?) -> SourceDocument {
        var text = Self.text(record[textName] ?? .null)
        let titleName = titleName(record, isOwnText: true)
        var title = title(record, isOwnText: true)
        if textName == "contents", titleName == nil, let end = text.utf8.firstIndex(of: 10) {
            // As other tools write it: the first line is the title.
            title = String(text[..<end]).trimmed()
            text = String(text[text.utf8.index(after: end)...])
        }
        let header = header(of: record, without: [idName, titleName, textName], text: title + "\n" + text)
        // What others say of it belongs to the text: comments, answers, replies.
        let said = record.filter {
            $0.key != textName && !fields.leftOut.contains($0.key) && Self.holdsSentences($0.value)
        }
        if !said.isEmpty { text += "\n\n" + Self.lines(said) }
        return SourceDocument(
            id: id, title: title, text: header.isEmpty ? text : header + "\n\n" + text,
            metadata: metadata(record, without: [idName, titleName.flatMap { isBuiltIn($0) ? $0 : nil }, textName]))
    }

    /// Members that say nothing of what a record is about.
    private static let technical: Set<String> = [
        "lang", "language", "url", "uri", "link", "href", "hash", "md5", "sha1", "sha256", "checksum", "embedding",
        "vector",
        "split", "dataset", "metadata", "encoding", "format", "version", "offset", "chunk", "token_count", "tokens",
    ]

    /// The short members beside a text as lines: what a review is of and who wrote it stands in no sentence of it.
    private func header(of record: JSONObject, without names: [String?], text: String) -> String {
        var lines = JSONObject()
        var bytes = 0
        for (name, value) in record where !names.contains(name) && !fields.leftOut.contains(name) {
            guard lines.count < 16, !Self.technical.contains(name.lowercased()), value.array == nil else { continue }
            let line = Self.lines([name: value])
            let shown = value.string ?? ""
            guard !line.isEmpty, line.utf8.count <= 160, bytes + line.utf8.count <= 600,
                !shown.contains("://"), shown.isEmpty || !text.contains(shown)
            else { continue }
            bytes += line.utf8.count
            lines[name] = value
        }
        return Self.lines(lines)
    }

    /// Whether a value is a list of objects with sentences in them.
    private static func holdsSentences(_ value: JSONValue) -> Bool {
        value.array?.contains { element in
            element.object?.contains { name, value in
                guard let text = value.string else { return false }
                return text.utf8.count { $0 == 32 } >= 3 || textNames.contains(name) || proseNames.contains(name)
            } ?? false
        } ?? false
    }

    /// Whether filters know a title under the name that its column has. A column `name` or `subject` is a field as well.
    private func isBuiltIn(_ name: String) -> Bool { name == "title" }

    private func titleName(_ record: JSONObject, isOwnText: Bool) -> String? {
        if let given = fields.title { return given }
        let names = isOwnText ? ["title", "name", "headline", "subject"] : Self.titleNames
        return names.lazy.compactMap { Self.own($0, in: record) }.first
    }

    private func title(_ record: JSONObject, isOwnText: Bool) -> String {
        guard let name = titleName(record, isOwnText: isOwnText), let value = record[name], !value.isNull else {
            return fields.title == nil ? Self.innerTitle(record, depth: 0) ?? "" : ""
        }
        return (Self.scalar(value) ?? Self.text(value)).collapsed()
    }

    /// The title that an object inside the record has, as the article in an entry of PubMed; the outermost one.
    private static func innerTitle(_ record: JSONObject, depth: Int) -> String? {
        guard depth < 3, record.count <= 64 else { return nil }
        let objects = record.compactMap { $0.value.object }
        for inner in objects {
            for (name, value) in inner
            where ["articletitle", "article-title", "article_title"].contains(name.lowercased()) {
                if let text = value.string ?? value["text"]?.string, !text.isEmpty { return text.collapsed() }
            }
        }
        return objects.lazy.compactMap { innerTitle($0, depth: depth + 1) }.first
    }

    private func metadata(_ record: JSONObject, without names: [String?]) -> JSONObject {
        var metadata = JSONObject()
        for (name, value) in record where !names.contains(name) && !fields.leftOut.contains(name) && !value.isNull {
            if name == "metadata", case .object(let members) = value {
                for (field, inner) in members where !inner.isNull && !fields.leftOut.contains(field) {
                    metadata[field] = Self.field(inner)
                }
            } else if case .string(let text) = value, text.isEmpty {
                continue
            } else {
                metadata[name] = Self.field(value)
            }
        }
        return metadata
    }

    /// A value as a field: objects in lists become lists by path, so that `reviews.stars` is a field.
    package static func field(_ value: JSONValue) -> JSONValue {
        switch value {
        case .object(let members):
            var kept = JSONObject()
            for (name, member) in members where !member.isNull { kept[name] = field(member) }
            return .object(kept)
        case .array(let elements) where elements.contains(where: { $0.object != nil }):
            var columns = JSONObject()
            for element in elements {
                guard case .object(let members) = field(element) else { continue }
                for (name, member) in members { gather(member, under: name, into: &columns) }
            }
            return .object(columns)
        case .array(let elements): return .array(elements.flatMap { $0.array ?? [$0] }.filter { !$0.isNull })
        default: return value
        }
    }

    private static func gather(_ value: JSONValue, under name: String, into columns: inout JSONObject) {
        switch value {
        case .object(let members):
            var inner = columns[name]?.object ?? [:]
            for (key, member) in members { gather(member, under: key, into: &inner) }
            columns[name] = .object(inner)
        // An empty list takes nothing away from what others have there.
        case .array(let elements) where elements.isEmpty: if columns[name] == nil { columns[name] = value }
        case .array(let elements): columns[name] = .array((columns[name]?.array ?? []) + elements)
        default: columns[name] = .array((columns[name]?.array ?? []) + [value])
        }
    }

    /// A text, number or boolean as text; a whole number without its fraction.
    static func scalar(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): return text.trimmed()
        case .integer(let number): return String(number)
        case .number(let number): return Int(exactly: number).map { String($0) } ?? "\(number)"
        case .bool(let flag): return flag ? "true" : "false"
        default: return nil
        }
    }

    /// The text of a member: its own, or that of its parts, one a line.
    static func text(_ value: JSONValue) -> String {
        switch value {
        case .string(let text): return text.withUnixLineEnds()
        case .array(let elements):
            return elements.map { $0.object.map { lines($0) } ?? text($0) }.filter { !$0.isEmpty }.joined(
                separator: "\n")
        case .object(let members): return lines(members)
        case .null: return ""
        default: return scalar(value) ?? ""
        }
    }

    /// The members as lines `name: value`; those of objects inside as `outer.inner: value`.
    package static func lines(_ record: JSONObject, prefix: String = "") -> String {
        var lines: [String] = []
        for (name, value) in record {
            switch value {
            case .object(let members): lines.append(Self.lines(members, prefix: prefix + name + "."))
            case .array(let elements):
                let objects = elements.compactMap(\.object)
                let scalars = elements.compactMap { scalar($0) }.filter { !$0.isEmpty }
                if !scalars.isEmpty { lines.append("\(prefix)\(name): \(scalars.joined(separator: ", "))") }
                for object in objects {
                    let inner = object.compactMap { key, value in
                        let text = Self.text(value).textLines().joined(separator: " ")
                        return text.isEmpty ? nil : "\(key): \(text)"
                    }
                    if !inner.isEmpty { lines.append("\(prefix)\(name): \(inner.joined(separator: "; "))") }
                }
            default:
                let text = Self.text(value).trimmed()
                if !text.isEmpty { lines.append("\(prefix)\(name): \(text)") }
            }
        }
        return lines.filter { !$0.isEmpty }.joined(separator: "\n")
    }

    /// Names for a message, at most twelve.
    package static func list(_ names: some Collection<String>) -> String {
        if names.isEmpty { return "no members" }
        let shown = names.prefix(12).map { "\"\($0)\"" }.joined(separator: ", ")
        return names.count > 12 ? shown + " …" : shown
    }
}
