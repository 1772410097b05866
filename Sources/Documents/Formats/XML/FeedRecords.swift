// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads feeds (RSS 0.9 to 2, Atom) as a record for each entry.
enum FeedRecords {
    /// The entries of a feed; nil for other XML.
    static func records(root: String, _ value: JSONValue) -> [JSONObject]? {
        let channel = value["channel"] ?? value
        let entries: JSONValue?
        switch root {
        case "rss": entries = channel["item"]
        case "RDF": entries = value["item"]
        case "feed": entries = value["entry"]
        default: return nil
        }
        guard let entries else { return nil }
        let feed = text(channel["title"])
        return (entries.array ?? [entries]).compactMap(\.object).map { record($0, feed: feed) }
    }

    private static func record(_ entry: JSONObject, feed: String) -> JSONObject {
        var record = JSONObject()
        func set(_ name: String, _ value: String) {
            if !value.isEmpty, record[name] == nil { record[name] = .string(value) }
        }
        set("title", text(entry["title"]).collapsed())
        let bodies = ["encoded", "content", "description", "summary"].map { text(entry[$0]) }
        set("text", bodies.first { !$0.isEmpty } ?? "")
        let date = ["pubDate", "published", "date", "updated"].map { text(entry[$0]) }.first { !$0.isEmpty } ?? ""
        set("date", MessageDate.iso(date) ?? date)
        set("link", link(entry["link"]))
        let authors = (entry["author"]?.array ?? entry["author"].map { [$0] } ?? []).map { text($0["name"] ?? $0) }
        let creators = (entry["creator"]?.array ?? entry["creator"].map { [$0] } ?? []).map { text($0) }
        add("author", authors + creators, to: &record)
        let categories = (entry["category"]?.array ?? entry["category"].map { [$0] } ?? []).map {
            text($0["term"] ?? $0["label"] ?? $0)
        }
        add("category", categories, to: &record)
        set("guid", text(entry["guid"] ?? entry["id"]))
        set("feed", feed)
        let known: Set<String> = [
            "title", "encoded", "content", "description", "summary", "pubDate", "published", "date", "updated", "link",
            "author", "creator", "category", "guid", "id",
        ]
        for (name, value) in entry where !known.contains(name) && record[name] == nil { record[name] = value }
        return record
    }

    private static func add(_ name: String, _ values: [String], to record: inout JSONObject) {
        let values = values.filter { !$0.isEmpty }
        if !values.isEmpty {
            record[name] = values.count == 1 ? .string(values[0]) : .array(values.map { .string($0) })
        }
    }

    private static func link(_ value: JSONValue?) -> String {
        if let links = value?.array {
            let own = links.first { ($0["rel"]?.string ?? "alternate") == "alternate" } ?? links.first
            return link(own)
        }
        return value?["href"]?.string ?? text(value)
    }

    /// The text of an element, without its markup.
    private static func text(_ value: JSONValue?) -> String {
        switch value {
        case .string(let text): return withoutMarkup(text)
        case .object(let members)?:
            if let text = members["text"]?.string { return withoutMarkup(text) }
            // XHTML in Atom stands as elements.
            return members["type"]?.string == "xhtml"
                ? RecordMapper.text(.object(members.filter { $0.key == "div" })) : ""
        case .array(let values)?: return values.first.map { text($0) } ?? ""
        default: return ""
        }
    }

    private static func withoutMarkup(_ text: String) -> String {
        guard text.contains("<") || text.contains("&"), let page = try? HTMLDocument.read(text, id: "", name: ""),
            !page.text.isEmpty
        else { return text }
        return page.text
    }
}

/// Dates as messages and feeds write them.
enum MessageDate {
    /// `Tue, 05 Mar 2024 10:00:00 +0100` (RFC 5322) as ISO 8601; nil for any other text.
    static func iso(_ text: String) -> String? {
        var words = text.split(whereSeparator: { $0 == " " || $0 == "," }).map(String.init)
        if let first = words.first, Int(first) == nil { words.removeFirst() }
        guard words.count >= 3, let day = Int(words[0]), (1...31).contains(day), let year = Int(words[2]), year > 0
        else { return nil }
        let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
        guard let month = months.firstIndex(of: words[1].prefix(3).lowercased()) else { return nil }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let full = year < 50 ? 2000 + year : year < 100 ? 1900 + year : year
        let date = "\(full)-\(two(month + 1))-\(two(day))"
        guard words.count > 3 else { return date }
        let clock = words[3].split(separator: ":").compactMap { Int($0) }
        guard clock.count >= 2, clock.allSatisfy({ (0...60).contains($0) }) else { return date }
        let time = "\(two(clock[0])):\(two(clock[1])):\(two(clock.count > 2 ? clock[2] : 0))"
        let zone = words.count > 4 ? words[4] : "Z"
        let digits = zone.dropFirst()
        let isOffset = (zone.hasPrefix("+") || zone.hasPrefix("-")) && digits.count == 4 && Int(digits) != nil
        return "\(date)T\(time)\(isOffset ? "\(zone.prefix(3)):\(zone.suffix(2))" : "Z")"
    }
}

/// Reads what MediaWiki exports: a record for each page, its text without mark-up.
enum WikiDump {
    static func records(_ bytes: [UInt8]) throws(DocumentError) -> [JSONObject] {
        let reader = try XMLPull(bytes, encoding: nil)
        var records: [JSONObject] = []
        var page: JSONObject?
        var inRevision = false
        while let event = reader.next() {
            switch event {
            case .start("page", false):
                page = [:]
                inRevision = false
            case .start("revision", _): inRevision = true
            case .start("redirect", _): page?["redirect"] = .string(reader.attribute("title") ?? "")
            case .start("title", false) where page != nil: page?["title"] = .string(reader.content())
            case .start("id", false) where page != nil && !inRevision && page?["id"] == nil:
                page?["id"] = .string(reader.content())
            case .start("ns", false) where page != nil: page?["namespace"] = .string(reader.content())
            case .start("timestamp", false) where page != nil: page?["date"] = .string(reader.content())
            case .start("text", false) where page != nil:
                let document = WikiText.read(reader.content(keepingSpace: true), id: "", name: "")
                page?["text"] = .string(
                    document.title.isEmpty ? document.text : document.title + "\n\n" + document.text)
                if let categories = document.metadata["categories"] { page?["categories"] = categories }
            case .end("page"):
                if let done = page, done["redirect"] == nil, done["text"] != nil { records.append(done) }
                page = nil
            default: break
            }
        }
        return records
    }
}
