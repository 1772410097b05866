// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Text

/// The shapes in which published question sets wrap their records, and the places where they name gold.
enum QuestionShapes {
    /// Records that hold questions inside: SQuAD's articles and paragraphs, rows of the Hugging Face viewer, LlamaIndex's
    /// data sets, promptfoo's tests, and any set under one list.
    static func unfolded(_ records: [FileRecord]) -> [FileRecord] {
        let rows = records.map { record -> FileRecord in
            // A row of the viewer, also one a line.
            guard let row = record.value["row"], row.object != nil else { return record }
            return FileRecord(line: record.line, value: row)
        }
        guard rows.count == 1, let record = rows.first, let members = record.value.object,
            !PlainQuestions.isQuestion(members)
        else { return rows }
        if let pairs = embeddingPairs(members, line: record.line) { return pairs }
        let names = ["data", "questions", "examples", "items", "rows", "tests"]
        guard let list = PlainQuestions.member(names, of: members)?.array else { return rows }
        var found: [FileRecord] = []
        for element in list {
            let element = element["row"]?.object != nil ? element["row"] ?? element : element
            guard let paragraphs = element["paragraphs"]?.array, element["question"] == nil else {
                found.append(FileRecord(line: record.line, value: test(element) ?? element))
                continue
            }
            for paragraph in paragraphs {
                for asked in paragraph["qas"]?.array ?? [] {
                    guard var question = asked.object else { continue }
                    if question["is_impossible"]?.bool == true {
                        question["answerable"] = false
                        question["answers"] = []
                    }
                    question["context"] = paragraph["context"]
                    question["title"] = element["title"]
                    found.append(FileRecord(line: record.line, value: .object(question)))
                }
            }
        }
        return found
    }

    /// LlamaIndex's `EmbeddingQAFinetuneDataset`: queries, nodes and which nodes answer a query, each by id.
    private static func embeddingPairs(_ members: JSONObject, line: Int) -> [FileRecord]? {
        guard let queries = members["queries"]?.object, let relevant = members["relevant_docs"]?.object else {
            return nil
        }
        return queries.map { id, text in
            FileRecord(
                line: line,
                value: ["id": .string(id), "question": text, "relevant_docs": relevant[id] ?? .array([])])
        }
    }

    /// The passages that such a set brings, by id.
    static func nodes(_ records: [FileRecord]) -> [EvalPassage] {
        guard records.count == 1, let members = records.first?.value.object, members["relevant_docs"]?.object != nil
        else { return [] }
        return (members["corpus"]?.object ?? [:]).compactMap { id, text in
            text.string.map { EvalPassage(id: id, title: "", text: $0) }
        }
    }

    /// promptfoo's test: the question among its variables, the answer in what is asserted.
    private static func test(_ element: JSONValue) -> JSONValue? {
        guard var record = element["vars"]?.object else { return nil }
        let kinds: Set = ["equals", "contains", "icontains", "contains-any", "icontains-any", "similar", "factuality"]
        let values = (element["assert"]?.array ?? []).filter { kinds.contains($0["type"]?.string ?? "") }
            .compactMap { $0["value"] }
        if !values.isEmpty, record["answers"] == nil { record["answers"] = .array(values) }
        return .object(record)
    }

    // MARK: Gold

    /// Passages whose texts a record holds, and whether they are gold.
    static func contexts(_ record: JSONObject) -> [(title: String, text: String, isGold: Bool)] {
        if let context = record["context"]?.string, !context.isEmpty {
            return [(record["title"]?.string ?? "", context, true)]
        }
        // Ragas, LlamaIndex's LabelledRagDataset, deepeval. What was retrieved is no gold.
        for name in ["reference_contexts", "reference_context", "ground_truth_context", "context"] {
            guard let value = record[name], !value.isNull else { continue }
            let texts = texts(value)
            if !texts.isEmpty { return texts.map { ("", $0, true) } }
        }
        return judgedPassages(record)
    }

    /// MS MARCO's passages with their `is_selected`, as columns or as a list.
    private static func judgedPassages(_ record: JSONObject) -> [(title: String, text: String, isGold: Bool)] {
        guard let passages = record["passages"] else { return [] }
        func isSelected(_ value: JSONValue?) -> Bool { value?.int == 1 || value?.bool == true }
        if let texts = passages["passage_text"]?.array {
            let marks = passages["is_selected"]?.array ?? []
            return texts.enumerated().compactMap { index, text in
                text.string.map { ("", $0, isSelected(index < marks.count ? marks[index] : nil)) }
            }
        }
        return (passages.array ?? []).compactMap { passage in
            guard let text = passage["passage_text"]?.string, passage["is_selected"] != nil else { return nil }
            return ("", text, isSelected(passage["is_selected"]))
        }
    }

    /// Titles of gold pages: KILT's provenance, TriviaQA's entity pages, the Wikipedia links of FRAMES.
    static func titles(_ record: JSONObject) -> [String] {
        var titles: OrderedSet<String> = []
        for output in record["output"]?.array ?? [] {
            for place in output["provenance"]?.array ?? [] {
                if let title = place["title"]?.string { titles.append(title) }
            }
        }
        if let pages = PlainQuestions.member(["entity_pages", "entitypages"], of: record) {
            for title in pages["title"]?.array ?? [] { if let title = title.string { titles.append(title) } }
            for page in pages.array ?? [] {
                if let title = page["Title"]?.string ?? page["title"]?.string { titles.append(title) }
            }
        }
        var links = record["wiki_links"].map(texts) ?? []
        for (name, value) in record where name.lowercased().hasPrefix("wikipedia_link") {
            if let link = value.string { links.append(link) }
        }
        for link in links {
            guard let place = link.range(of: "/wiki/") else { continue }
            let page = String(link[place.upperBound...].prefix { $0 != "#" && $0 != "?" }.replacing("_", with: " "))
            if !page.isEmpty { titles.append(page.removingPercentEncoding ?? page) }
        }
        return Array(titles)
    }

    /// The texts of a list, also one that a text holds as JSON or Python writes it.
    private static func texts(_ value: JSONValue) -> [String] {
        if let text = value.string {
            if text.hasPrefix("["), let list = LenientJSON.read(text)?.value.array { return list.compactMap(\.string) }
            return text.isEmpty ? [] : [text]
        }
        return (value.array ?? []).compactMap { $0.string ?? $0["content"]?.string ?? $0["text"]?.string }
    }

    // MARK: Topics

    /// TREC's topics, or lines of an id, a tab and a query: questions whose judgments stand in another file. Nil for others.
    static func topics(_ file: RecordFile) -> [FileRecord]? {
        let first = file.bytes.prefix(1024).first { $0 > 32 && ![0xEF, 0xBB, 0xBF].contains($0) }
        guard first != UInt8(ascii: "{"), first != UInt8(ascii: "["), let lines = try? file.textLines() else {
            return nil
        }
        if lines.first(where: { !$0.text.allSatisfy(\.isWhitespace) })?.text.trimmingCharacters(in: .whitespaces)
            .lowercased().hasPrefix("<top>")
            == true
        {
            return marked(lines)
        }
        let rows = lines.map {
            ($0.line, $0.text.split(separator: "\t", omittingEmptySubsequences: false).map(String.init))
        }
        guard !rows.isEmpty,
            rows.allSatisfy({ _, fields in
                fields.count == 2 && !fields[0].isEmpty && !fields[0].contains(" ")
                    && fields[1].contains(where: \.isLetter)
                    && !fields[1].hasPrefix("[")
            }), rows.contains(where: { $0.1[1].contains(" ") })
        else { return nil }
        let heads: Set = ["id", "_id", "qid", "query_id", "topic", "topic_id", "number", "num"]
        let hasHeader = heads.contains(rows[0].1[0].lowercased())
        // Whose first column is a question has answers in the second.
        guard hasHeader || rows.allSatisfy({ $0.1[0].contains(where: \.isNumber) }) else { return nil }
        return rows.dropFirst(hasHeader ? 1 : 0).map { line, fields in
            FileRecord(line: line, value: ["id": .string(fields[0]), "question": .string(fields[1])])
        }
    }

    /// Topics between `<top>` and `</top>`: number and title; the description where there is no title.
    private static func marked(_ lines: [(line: Int, text: String)]) -> [FileRecord] {
        var records: [FileRecord] = []
        var fields: [String: String] = [:]
        var (name, start) = ("", 1)
        func finish() {
            func value(_ name: String, _ label: String) -> String {
                var text = Self.collapsed(fields[name] ?? "")
                if text.lowercased().hasPrefix(label) { text = Self.collapsed(String(text.dropFirst(label.count))) }
                return text
            }
            let title = value("title", "topic:")
            let question = title.isEmpty ? value("desc", "description:") : title
            if !fields.isEmpty {
                records.append(
                    FileRecord(
                        line: start, value: ["id": .string(value("num", "number:")), "question": .string(question)]))
            }
            fields = [:]
            name = ""
        }
        for (line, text) in lines {
            var rest = text[...]
            while let open = rest.firstIndex(of: "<"), let close = rest[open...].firstIndex(of: ">") {
                let tag = rest[rest.index(after: open)..<close].lowercased()
                let known = ["top", "/top", "num", "title", "desc", "narr", "/num", "/title", "/desc", "/narr"]
                guard known.contains(tag) else { break }
                fields[name, default: ""] += rest[..<open]
                if tag == "top" {
                    fields = [:]
                    start = line
                }
                if tag == "/top" { finish() } else { name = tag.hasPrefix("/") || tag == "top" ? "" : tag }
                rest = rest[rest.index(after: close)...]
            }
            if !name.isEmpty { fields[name, default: ""] += rest + " " }
            fields[""] = nil
        }
        finish()
        return records
    }

    /// A text with one space where it has several or breaks off a line.
    private static func collapsed(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
