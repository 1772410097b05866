// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads lists of literature as records: BibTeX, RIS, and what PubMed exports.
enum ReferenceRecords {
    // MARK: BibTeX

    static func bibTeX(_ text: String) -> [JSONObject] {
        let bytes = Array(text.utf8)
        var records: [JSONObject] = []
        var strings: [String: String] = [:]
        var at = 0
        while let mark = bytes[min(at, bytes.count)...].firstIndex(of: UInt8(ascii: "@")) {
            at = mark + 1
            let kind = word(bytes, &at).lowercased()
            skipSpace(bytes, &at)
            guard !kind.isEmpty, at < bytes.count, bytes[at] == UInt8(ascii: "{") || bytes[at] == UInt8(ascii: "(")
            else { continue }
            if kind == "comment" || kind == "preamble" {
                _ = group(bytes, &at)
                continue
            }
            at += 1
            var record = JSONObject()
            if kind != "string" {
                skipSpace(bytes, &at)
                let start = at
                while at < bytes.count, ![UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "\n")].contains(bytes[at])
                { at += 1 }
                let key = String(decoding: bytes[start..<at], as: UTF8.self).trimmed()
                if !key.isEmpty { record["id"] = .string(key) }
                record["type"] = .string(kind)
            }
            while at < bytes.count {
                while at < bytes.count, bytes[at] <= 32 || bytes[at] == UInt8(ascii: ",") { at += 1 }
                guard at < bytes.count, bytes[at] != UInt8(ascii: "}"), bytes[at] != UInt8(ascii: "@") else { break }
                let name = word(bytes, &at).lowercased()
                skipSpace(bytes, &at)
                guard !name.isEmpty, at < bytes.count, bytes[at] == UInt8(ascii: "=") else {
                    at += 1
                    break
                }
                at += 1
                let written = value(bytes, &at, strings)
                if kind == "string" {
                    strings[name] = written
                } else if record[name] == nil {
                    add(name, written, to: &record)
                }
            }
            if kind != "string", record.count > 1 { records.append(record) }
        }
        return records
    }

    private static func add(_ name: String, _ written: String, to record: inout JSONObject) {
        switch name {
        case "author", "editor":
            let names = written.collapsed().components(separatedBy: " and ").map { LaTeXText.plain($0) }
            record[name] = names.count == 1 ? .string(names[0]) : .array(names.map { .string($0) })
        case "keywords":
            record[name] = .array(
                written.split { $0 == "," || $0 == ";" }.map { .string(LaTeXText.plain(String($0))) })
        case "doi", "url": record[name] = .string(written.trimmed())
        case "file", "bdsk-url-1", "bdsk-file-1", "timestamp", "biburl", "bibsource": break
        default:
            let plain = LaTeXText.plain(written)
            if !plain.isEmpty { record[name] = .string(plain) }
        }
    }

    private static func skipSpace(_ bytes: [UInt8], _ at: inout Int) {
        while at < bytes.count, bytes[at] <= 32 { at += 1 }
    }

    private static func word(_ bytes: [UInt8], _ at: inout Int) -> String {
        skipSpace(bytes, &at)
        let start = at
        while at < bytes.count, bytes[at] > 32, !"{}(),=\"#@".utf8.contains(bytes[at]) { at += 1 }
        return String(decoding: bytes[start..<at], as: UTF8.self)
    }

    /// The inside of the braces at this place, passed over.
    private static func group(_ bytes: [UInt8], _ at: inout Int) -> String {
        let start = at + 1
        var depth = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "{") { depth += 1 }
            if bytes[at] == UInt8(ascii: "}") {
                depth -= 1
                if depth == 0 {
                    at += 1
                    return String(decoding: bytes[start..<(at - 1)], as: UTF8.self)
                }
            }
            at += 1
        }
        return String(decoding: bytes[min(start, bytes.count)...], as: UTF8.self)
    }

    /// Texts in braces or quotes, numbers and names of texts, joined by `#`.
    private static func value(_ bytes: [UInt8], _ at: inout Int, _ strings: [String: String]) -> String {
        var value = ""
        while true {
            skipSpace(bytes, &at)
            guard at < bytes.count else { return value }
            if bytes[at] == UInt8(ascii: "{") {
                value += group(bytes, &at)
            } else if bytes[at] == UInt8(ascii: "\"") {
                var depth = 0
                at += 1
                let start = at
                while at < bytes.count, bytes[at] != UInt8(ascii: "\"") || depth > 0 {
                    if bytes[at] == UInt8(ascii: "{") { depth += 1 }
                    if bytes[at] == UInt8(ascii: "}") { depth -= 1 }
                    at += 1
                }
                value += String(decoding: bytes[start..<at], as: UTF8.self)
                at = min(at + 1, bytes.count)
            } else {
                let name = word(bytes, &at)
                value += strings[name.lowercased()] ?? name
                if name.isEmpty { return value }
            }
            skipSpace(bytes, &at)
            guard at < bytes.count, bytes[at] == UInt8(ascii: "#") else { return value }
            at += 1
        }
    }

    // MARK: Tagged

    private static let risNames: [String: String] = [
        "TY": "type", "AU": "author", "A1": "author", "A2": "editor", "ED": "editor", "TI": "title", "T1": "title",
        "T2": "journal", "JO": "journal", "JF": "journal", "PY": "year", "Y1": "year", "AB": "abstract",
        "N2": "abstract",
        "DO": "doi", "UR": "url", "KW": "keywords", "VL": "volume", "IS": "issue", "SP": "first page",
        "EP": "last page",
        "PB": "publisher", "SN": "issn", "ID": "id", "LA": "language", "DA": "date", "CY": "place",
    ]
    private static let pubMedNames: [String: String] = [
        "PMID": "id", "TI": "title", "AB": "abstract", "FAU": "author", "DP": "date", "JT": "journal", "LID": "doi",
        "MH": "keywords", "OT": "keywords", "PT": "type", "VI": "volume", "IP": "issue", "PG": "pages",
        "LA": "language",
    ]
    private static let lists: Set<String> = ["author", "editor", "keywords"]

    static func ris(_ text: String) -> [JSONObject] {
        tagged(text, names: risNames, mark: "  - ", width: 2) { $0 == "ER" || $0 == "TY" }
    }

    static func pubMed(_ text: String) -> [JSONObject] {
        tagged(text, names: pubMedNames, mark: "- ", width: 4) { $0 == "PMID" }
    }

    private static func tagged(
        _ text: String, names: [String: String], mark: String, width: Int, begins: (String) -> Bool
    ) -> [JSONObject] {
        var records: [JSONObject] = []
        var record = JSONObject()
        var last: String?
        for line in text.textLines() {
            let tag = line.prefix(width).trimmed()
            guard line.dropFirst(width).hasPrefix(mark) || line.dropFirst(width) == mark.dropLast(), !tag.isEmpty,
                tag.allSatisfy({ $0.isUppercase || $0.isNumber })
            else {
                // A value goes on in an indented line, or in one without a tag.
                if let last, !line.trimmed().isEmpty { append(" " + line.trimmed(), to: last, of: &record) }
                continue
            }
            if begins(tag), !record.isEmpty {
                records.append(record)
                record = [:]
            }
            last = nil
            guard let name = names[tag] else { continue }
            var value = line.dropFirst(width + mark.count).trimmed()
            guard !value.isEmpty else { continue }
            if name == "year" { value = String(value.prefix { $0.isNumber }) }
            if tag == "LID" {
                guard value.hasSuffix("[doi]") else { continue }
                value = value.dropLast(5).trimmed()
            }
            last = name
            if lists.contains(name) {
                record[name] = .array((record[name]?.array ?? []) + [.string(value)])
            } else if record[name] == nil {
                record[name] = .string(value)
            } else {
                last = nil
            }
        }
        if !record.isEmpty { records.append(record) }
        return records
    }

    private static func append(_ text: String, to name: String, of record: inout JSONObject) {
        switch record[name] {
        case .string(let before): record[name] = .string(before + text)
        case .array(let values):
            record[name] = .array(values.dropLast() + [.string((values.last?.string ?? "") + text)])
        default: break
        }
    }
}

extension String {
    /// The parts between a separator.
    fileprivate func components(separatedBy separator: String) -> [String] {
        var parts: [String] = []
        var rest = self[...]
        while let found = rest.firstRange(of: separator) {
            parts.append(String(rest[..<found.lowerBound]))
            rest = rest[found.upperBound...]
        }
        return parts + [String(rest)]
    }
}
