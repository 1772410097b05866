// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads JSON and YAML values that are not records of a stream: one object, a list inside of one, a notebook.
enum ValueDocuments {
    /// The documents of a value. A list of objects gives records, as does an object that wraps one list of objects or is a
    /// dictionary of like objects; any other object is one document.
    /// - Parameter rowName: what ids of records begin with that have none; nil for the id without its ending.
    static func read(
        _ value: JSONValue, id: String, name: String, rowName: String? = nil, fields: RecordFields,
        problems: inout [String]
    ) -> [SourceDocument] {
        if let cells = notebook(value, id: id, name: name) { return [cells] }
        if let records = records(in: value) {
            let stem = rowName ?? String(id.prefix(upTo: id.lastIndex(of: ".") ?? id.endIndex))
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
        if let table = TabularJSON.records(of: value) { return table.map { (nil, $0) } }
        switch value {
        case .array(let elements):
            let objects = elements.compactMap(\.object)
            if objects.count == elements.count, !objects.isEmpty { return objects.map { (nil, $0) } }
            // A list of passages.
            let texts = elements.compactMap(\.string)
            guard texts.count == elements.count, texts.count >= 2 else { return nil }
            return texts.filter { !$0.isEmpty }.map { (nil, ["text": .string($0)]) }
        case .object(let members):
            if RecordMapper.textNames.contains(where: { members[$0]?.string != nil }) { return nil }
            if let wrapped = wrapped(in: members, depth: 0) { return wrapped.map { (nil, $0) } }
            let objects = members.compactMap { name, value in value.object.map { (name, $0) } }
            guard objects.count == members.count, objects.count >= 3, let first = objects.first?.1 else { return nil }
            let alike = objects.count { Set($0.1.keys).intersection(first.keys).count * 2 > first.count }
            return alike * 10 >= objects.count * 9 ? objects.map { ($0.0, $0.1) } : nil
        default: return nil
        }
    }

    /// What an answer of a program says of the list in it, and not of what is listed.
    private static let envelopeNames: Set<String> = [
        "count", "total", "page", "pages", "per_page", "page_size", "limit", "offset", "next", "previous", "prev",
        "status",
        "success", "ok", "error", "code", "version", "type", "took", "timed_out", "generated_at", "$schema", "schema",
        "meta", "links", "_links", "_meta", "pagination", "paging", "cursor", "has_more", "crs", "bbox", "_shards",
        "max_score",
    ]

    /// The records of the one list that an object is there to carry, perhaps some levels down. What else the object says
    /// is said of each record: the customer of an invoice of its lines.
    private static func wrapped(in members: JSONObject, depth: Int) -> [JSONObject]? {
        guard depth < 4, members.count <= 30 else { return nil }
        let lists = members.compactMap { name, list in
            list.array.map { (name: name, objects: $0.compactMap(\.object), count: $0.count) }
        }.filter { !$0.objects.isEmpty && $0.objects.count == $0.count }
        let others = members.filter { name, value in
            !envelopeNames.contains(name.lowercased()) && value.array == nil && !value.isNull
        }
        let long = lists.filter { $0.objects.count >= 2 }
        if long.count == 1 || (long.isEmpty && lists.count == 1 && others.isEmpty) {
            guard others.count <= 10, let list = long.first ?? lists.first else { return nil }
            // Other lists are said of all records as well; long ones once, in a record of their own.
            let rest = members.filter { name, value in
                !envelopeNames.contains(name.lowercased()) && name != list.name && value.array?.isEmpty == false
            }
            let isShort = JSONValue.object(rest).serialized().utf8.count <= 2000
            let shared = isShort ? others.merging(rest) { first, _ in first } : others
            let records = list.objects.map { record in
                var record = record
                for (name, value) in shared where record[name] == nil { record[name] = value }
                return record
            }
            return isShort ? records : records + [others.merging(rest) { first, _ in first }]
        }
        // An object with nothing in it but another one.
        let inner = members.filter { $0.value.object != nil && !envelopeNames.contains($0.key.lowercased()) }
        guard lists.isEmpty, others.count == inner.count, inner.count == 1, let next = inner.values.first?.object else {
            return nil
        }
        return wrapped(in: next, depth: depth + 1)
    }

    /// A Jupyter notebook: the sources of its cells and the text that they printed.
    private static func notebook(_ value: JSONValue, id: String, name: String) -> SourceDocument? {
        // Before version 4 the cells were in sheets.
        let sheets = value["worksheets"]?.array?.flatMap { $0["cells"]?.array ?? [] }
        guard let cells = value["cells"]?.array ?? sheets, value["nbformat"] != nil else { return nil }
        func joined(_ value: JSONValue?) -> String {
            value?.string ?? value?.array?.compactMap(\.string).joined() ?? ""
        }
        var title: String?
        var parts: [String] = []
        for cell in cells {
            let source = joined(cell["source"] ?? cell["input"]).withUnixLineEnds().trimmed()
            if title == nil, cell["cell_type"]?.string == "heading" { title = source }
            if title == nil, cell["cell_type"]?.string == "markdown", source.hasPrefix("#"),
                let heading = source.textLines().first
            {
                title = heading.drop { $0 == "#" }.trimmed()
            }
            if !source.isEmpty { parts.append(source) }
            for output in cell["outputs"]?.array ?? [] {
                let text = joined(output["text"] ?? output["data"]?["text/plain"]).trimmed()
                if !text.isEmpty { parts.append(TerminalText.withoutCodes(String(text.prefix(10_000)))) }
                if let name = output["ename"]?.string {
                    parts.append("\(name): \(TerminalText.withoutCodes(joined(output["evalue"])))")
                }
            }
        }
        return SourceDocument(id: id, title: title ?? name, text: parts.joined(separator: "\n\n"), metadata: [:])
    }
}
