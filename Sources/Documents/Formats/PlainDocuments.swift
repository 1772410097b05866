// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads formats that are text with a little mark-up: reStructuredText and Org.
enum PlainDocuments {
    /// reStructuredText: the first section title is the title, a field list at the top (`:Author: …`) is fields;
    /// directives and comments that show nothing go.
    static func restructured(_ text: String, id: String, name: String) -> SourceDocument {
        let lines = text.textLines().map(String.init)
        var title: String?
        var fields = JSONObject()
        var kept: [String] = []
        var index = 0
        func isAdornment(_ line: String) -> Bool {
            let plain = line.trimmed()
            guard plain.utf8.count >= 3, let first = plain.utf8.first, "=-~`:'\"^_*+#<>.".utf8.contains(first) else {
                return false
            }
            return plain.utf8.allSatisfy { $0 == first }
        }
        while index < lines.count {
            let line = lines[index]
            let next = index + 1 < lines.count ? lines[index + 1] : ""
            if isAdornment(line), index + 2 < lines.count, isAdornment(lines[index + 2]), !next.trimmed().isEmpty {
                if title == nil { title = next.trimmed() } else { kept += ["", next.trimmed(), ""] }
                index += 3
                continue
            }
            if !line.trimmed().isEmpty, !line.hasPrefix(" "), isAdornment(next),
                next.trimmed().count >= line.trimmed().count / 2
            {
                if title == nil { title = line.trimmed() } else { kept += ["", line.trimmed(), ""] }
                index += 2
                continue
            }
            if let (field, value) = field(line, opening: ":"), kept.allSatisfy({ $0.trimmed().isEmpty }) {
                fields[field.lowercased()] = .string(value)
            } else if line.hasPrefix(".. "), !line.hasPrefix(".. code"), !line.hasPrefix(".. note"),
                !line.contains("::")
            {
                // A comment or a target, with what is indented under it.
                index += 1
                while index < lines.count, lines[index].hasPrefix(" ") { index += 1 }
                continue
            } else {
                kept.append(line)
            }
            index += 1
        }
        return SourceDocument(
            id: id, title: title ?? name, text: kept.joined(separator: "\n").trimmed(), metadata: fields)
    }

    /// Org: `#+TITLE:` and other keywords are fields, as are the properties of the file; stars of headings go.
    static func org(_ text: String, id: String, name: String) -> SourceDocument {
        var title: String?
        var heading: String?
        var fields = JSONObject()
        var kept: [String] = []
        var isDrawer = false
        for line in text.textLines() {
            let plain = line.trimmed()
            if plain == ":PROPERTIES:" || plain == ":LOGBOOK:" {
                isDrawer = true
                continue
            }
            if isDrawer {
                if plain == ":END:" { isDrawer = false }
                continue
            }
            if plain.hasPrefix("#+") {
                if let (key, value) = field(String(plain.dropFirst(2)), opening: "") {
                    switch key.lowercased() {
                    case "title": title = value
                    case "filetags":
                        fields["tags"] = .array(
                            value.split(separator: ":").map { .string($0.trimmed()) }.filter { $0 != .string("") })
                    case "author", "date", "email", "language", "description", "keywords":
                        fields[key.lowercased()] = .string(value)
                    default: break
                    }
                }
                continue
            }
            if plain.hasPrefix("# ") { continue }
            let stars = line.prefix { $0 == "*" }
            if !stars.isEmpty, line.dropFirst(stars.count).hasPrefix(" ") {
                let text = line.dropFirst(stars.count).trimmed()
                if heading == nil { heading = text }
                kept += ["", text, ""]
                continue
            }
            kept.append(String(line))
        }
        var body = kept.joined(separator: "\n").trimmed()
        if title == nil, let heading {
            title = heading
            if body.hasPrefix(heading) { body = String(body.dropFirst(heading.count)).trimmed() }
        }
        return SourceDocument(id: id, title: title ?? name, text: body, metadata: fields)
    }

    /// A line `:name: value` or `name: value`; nil for any other.
    private static func field(_ line: String, opening: String) -> (String, String)? {
        guard line.hasPrefix(opening) else { return nil }
        let rest = line.dropFirst(opening.count)
        guard let colon = rest.firstIndex(of: ":"), colon != rest.startIndex else { return nil }
        let name = rest[..<colon]
        guard name.utf8.count <= 64, !name.hasPrefix(" "),
            name.allSatisfy({ $0.isLetter || $0.isNumber || " -_".contains($0) })
        else { return nil }
        let value = rest[rest.index(after: colon)...].trimmed()
        return value.isEmpty ? nil : (String(name), value)
    }
}

/// Reads JSON and YAML values that are not records of a stream: one object, a list inside of one, a notebook.
enum ValueDocuments {
    /// The documents of a value. A list of objects gives records, as does an object that wraps one list of objects or is a
    /// dictionary of like objects; any other object is one document.
    static func read(
        _ value: JSONValue, id: String, name: String, fields: RecordFields, problems: inout [String]
    ) -> [SourceDocument] {
        if let cells = notebook(value, id: id, name: name) { return [cells] }
        if let records = records(in: value) {
            let stem = id.prefix(upTo: id.lastIndex(of: ".") ?? id.endIndex)
            let mapper = RecordMapper(fields, sample: records.prefix(100).map(\.1), fallbackID: { "\(stem):\($0)" })
            var documents: [SourceDocument] = []
            for (index, (key, record)) in records.enumerated() {
                var record = record
                if let key, record["id"] == nil, record["_id"] == nil {
                    record.updateValue(.string(key), forKey: "id", insertingAt: 0)
                }
                do throws(DocumentError) {
                    documents.append(try mapper.document(record, place: index + 1))
                } catch {
                    problems.append("record \(index + 1): \(error.message)")
                }
            }
            return documents
        }
        let text: String
        var metadata = JSONObject()
        var title = name
        switch value {
        case .object(let members):
            let mapper = RecordMapper(fields, sample: [members], fallbackID: { _ in id })
            if let document = try? mapper.document(members, place: 1) {
                return [
                    SourceDocument(
                        id: document.id, title: document.title.isEmpty ? name : document.title, text: document.text,
                        metadata: document.metadata)
                ]
            }
            text = RecordMapper.lines(members)
            metadata = [:]
            title = name
        default: text = RecordMapper.text(value)
        }
        return text.isEmpty ? [] : [SourceDocument(id: id, title: title, text: text, metadata: metadata)]
    }

    /// The records of a value, with the keys that name them in a dictionary; nil when it has none.
    private static func records(in value: JSONValue) -> [(String?, JSONObject)]? {
        switch value {
        case .array(let elements):
            let objects = elements.compactMap(\.object)
            return objects.count == elements.count && !objects.isEmpty ? objects.map { (nil, $0) } : nil
        case .object(let members):
            if RecordMapper.textNames.contains(where: { members[$0]?.string != nil }) { return nil }
            // The one list of objects that the object is there to carry.
            let lists = members.values.compactMap { list in list.array.map { $0.compactMap(\.object) } }.filter {
                $0.count >= 2
            }
            let others = members.values.count { $0.array == nil }
            if lists.count == 1, others <= 10 { return lists[0].map { (nil, $0) } }
            let objects = members.compactMap { name, value in value.object.map { (name, $0) } }
            guard objects.count == members.count, objects.count >= 3, let first = objects.first?.1 else { return nil }
            let alike = objects.count { Set($0.1.keys).intersection(first.keys).count * 2 > first.count }
            return alike * 10 >= objects.count * 9 ? objects.map { ($0.0, $0.1) } : nil
        default: return nil
        }
    }

    /// A Jupyter notebook: the sources of its cells and the text that they printed.
    private static func notebook(_ value: JSONValue, id: String, name: String) -> SourceDocument? {
        guard let cells = value["cells"]?.array, value["nbformat"] != nil else { return nil }
        func joined(_ value: JSONValue?) -> String {
            value?.string ?? value?.array?.compactMap(\.string).joined() ?? ""
        }
        var title: String?
        var parts: [String] = []
        for cell in cells {
            let source = joined(cell["source"]).withUnixLineEnds().trimmed()
            if title == nil, cell["cell_type"]?.string == "markdown", source.hasPrefix("#"),
                let heading = source.textLines().first
            {
                title = heading.drop { $0 == "#" }.trimmed()
            }
            if !source.isEmpty { parts.append(source) }
            for output in cell["outputs"]?.array ?? [] {
                let text = joined(output["text"] ?? output["data"]?["text/plain"]).trimmed()
                if !text.isEmpty { parts.append(String(text.prefix(10_000))) }
            }
        }
        return SourceDocument(id: id, title: title ?? name, text: parts.joined(separator: "\n\n"), metadata: [:])
    }
}
