// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections

/// Reads address books (vCard, RFC 6350 and the forms before it) and calendars (iCalendar, RFC 5545) as records.
enum CardRecords {
    private struct Property {
        var name: String
        var parameters: [String: String]
        var value: String
    }

    static func contacts(_ text: String) -> [JSONObject] {
        var records: [JSONObject] = []
        var record = JSONObject()
        for property in properties(text) {
            switch property.name {
            case "BEGIN" where property.value.uppercased() == "VCARD": record = [:]
            case "END" where property.value.uppercased() == "VCARD": if !record.isEmpty { records.append(record) }
            case "FN": set("name", plain(property.value), in: &record)
            case "N":
                let parts = split(property.value)
                let name = [3, 1, 2, 0, 4].compactMap { $0 < parts.count ? parts[$0] : nil }.filter { !$0.isEmpty }
                if record["name"] == nil { set("name", name.joined(separator: " "), in: &record) }
            case "ORG":
                set("organization", split(property.value).filter { !$0.isEmpty }.joined(separator: ", "), in: &record)
            case "ADR":
                append("address", split(property.value).filter { !$0.isEmpty }.joined(separator: ", "), to: &record)
            case "TEL": append("phone", plain(property.value), to: &record)
            case "EMAIL": append("email", plain(property.value), to: &record)
            case "URL": append("url", property.value, to: &record)
            case "TITLE", "ROLE": set("position", plain(property.value), in: &record)
            case "NOTE": set("note", plain(property.value), in: &record)
            case "BDAY": set("birthday", date(property.value) ?? property.value, in: &record)
            case "NICKNAME": set("nickname", plain(property.value), in: &record)
            case "CATEGORIES":
                for part in property.value.split(separator: ",") {
                    append("categories", plain(String(part)), to: &record)
                }
            default: break
            }
        }
        return records
    }

    static func events(_ text: String) -> [JSONObject] {
        var records: [JSONObject] = []
        var record: JSONObject?
        var calendar: String?
        // Alarms and the like inside of an event.
        var inner = 0
        for property in properties(text) {
            let kind = property.value.uppercased()
            if property.name == "BEGIN" {
                if record != nil {
                    inner += 1
                } else if ["VEVENT", "VTODO", "VJOURNAL"].contains(kind) {
                    record = calendar.map { ["calendar": .string($0)] } ?? [:]
                    if kind != "VEVENT" { record?["kind"] = .string(kind == "VTODO" ? "task" : "journal") }
                }
                continue
            }
            if property.name == "END" {
                if inner > 0 {
                    inner -= 1
                } else if let done = record {
                    records.append(done)
                    record = nil
                }
                continue
            }
            if property.name == "X-WR-CALNAME" { calendar = plain(property.value) }
            guard inner == 0, var own = record else { continue }
            switch property.name {
            case "SUMMARY": set("title", plain(property.value), in: &own)
            case "DTSTART": set("start", date(property.value) ?? property.value, in: &own)
            case "DTEND": set("end", date(property.value) ?? property.value, in: &own)
            case "DUE": set("due", date(property.value) ?? property.value, in: &own)
            case "LOCATION": set("location", plain(property.value), in: &own)
            case "DESCRIPTION": set("description", plain(property.value), in: &own)
            case "STATUS": set("status", plain(property.value).lowercased(), in: &own)
            case "ORGANIZER": set("organizer", person(property), in: &own)
            case "ATTENDEE": append("attendees", person(property), to: &own)
            case "CATEGORIES":
                for part in property.value.split(separator: ",") { append("categories", plain(String(part)), to: &own) }
            case "RRULE": set("repeats", property.value, in: &own)
            case "URL": set("url", property.value, in: &own)
            default: break
            }
            record = own
        }
        return records
    }

    private static func set(_ name: String, _ value: String, in record: inout JSONObject) {
        if !value.isEmpty, record[name] == nil { record[name] = .string(value) }
    }

    private static func append(_ name: String, _ value: String, to record: inout JSONObject) {
        if !value.isEmpty { record[name] = .array((record[name]?.array ?? []) + [.string(value)]) }
    }

    private static func person(_ property: Property) -> String {
        let address =
            property.value.lowercased().hasPrefix("mailto:") ? String(property.value.dropFirst(7)) : property.value
        return property.parameters["CN"].map { $0.isEmpty ? address : $0 } ?? address
    }

    /// The lines, with what goes on in the next one, as properties.
    private static func properties(_ text: String) -> [Property] {
        var lines: [String] = []
        var isQuoted = false
        for line in text.textLines() {
            if isQuoted, !lines.isEmpty {
                lines[lines.count - 1] = String(lines[lines.count - 1].dropLast()) + line
            } else if let first = line.first, first == " " || first == "\t", !lines.isEmpty {
                lines[lines.count - 1] += line.dropFirst()
            } else {
                lines.append(String(line))
            }
            isQuoted =
                lines[lines.count - 1].hasSuffix("=")
                && lines[lines.count - 1].uppercased().contains("QUOTED-PRINTABLE")
        }
        return lines.compactMap { property($0) }
    }

    private static func property(_ line: String) -> Property? {
        var isQuoted = false
        guard
            let colon = line.indices.first(where: { index in
                if line[index] == "\"" { isQuoted.toggle() }
                return line[index] == ":" && !isQuoted
            })
        else { return nil }
        let head = line[..<colon].split(separator: ";")
        guard let first = head.first else { return nil }
        // Groups stand before the name: item1.EMAIL.
        let name = first.split(separator: ".").last.map { $0.uppercased() } ?? ""
        var parameters: [String: String] = [:]
        for part in head.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1)
            let value = pair.count > 1 ? pair[1].filter { $0 != "\"" } : String(pair[0])
            parameters[pair.count > 1 ? pair[0].uppercased() : value.uppercased()] = String(value)
        }
        var value = String(line[line.index(after: colon)...])
        let encoding = parameters["ENCODING"]?.uppercased()
        if encoding == "QUOTED-PRINTABLE" || parameters["QUOTED-PRINTABLE"] != nil {
            value = quotedPrintable(value, charset: parameters["CHARSET"])
        }
        if encoding == "B" || encoding == "BASE64" || value.hasPrefix("data:") { return nil }
        return Property(name: name, parameters: parameters, value: value)
    }

    private static func quotedPrintable(_ value: String, charset: String?) -> String {
        var bytes: [UInt8] = []
        let given = Array(value.utf8)
        var at = 0
        while at < given.count {
            if given[at] == UInt8(ascii: "="), at + 2 < given.count,
                let byte = UInt8(String(decoding: given[(at + 1)...(at + 2)], as: UTF8.self), radix: 16)
            {
                bytes.append(byte)
                at += 3
            } else {
                bytes.append(given[at])
                at += 1
            }
        }
        let named = charset.flatMap { TextDecoding.encoding(named: $0) }
        return bytes.withUnsafeBufferPointer { buffer in
            (try? TextDecoding.text(buffer, encoding: named).text) ?? TextDecoding.lenient(bytes)
        }
    }

    /// A value without the backslashes before commas, semicolons and line ends.
    private static func plain(_ value: String) -> String {
        guard value.contains("\\") else { return value.trimmed() }
        var output = ""
        var isEscaped = false
        for character in value {
            if isEscaped {
                output.append(character == "n" || character == "N" ? "\n" : character)
                isEscaped = false
            } else if character == "\\" {
                isEscaped = true
            } else {
                output.append(character)
            }
        }
        return output.trimmed()
    }

    /// The parts of a value between semicolons that no backslash stands before.
    private static func split(_ value: String) -> [String] {
        var parts = [""]
        var last: Character?
        for character in value {
            if character == ";", last != "\\" { parts.append("") } else { parts[parts.count - 1].append(character) }
            last = character
        }
        return parts.map { plain($0) }
    }

    /// `20240305T100000Z` as ISO 8601; nil for any other text.
    private static func date(_ value: String) -> String? {
        let digits = value.filter { $0 != "-" && $0 != ":" }
        guard digits.prefix(8).count == 8, digits.prefix(8).allSatisfy({ $0.isASCII && $0.isNumber }) else {
            return nil
        }
        let all = Array(digits)
        let day = "\(String(all[0..<4]))-\(String(all[4..<6]))-\(String(all[6..<8]))"
        guard all.count >= 15, all[8] == "T", all[9..<15].allSatisfy({ $0.isASCII && $0.isNumber }) else { return day }
        let time = "\(String(all[9..<11])):\(String(all[11..<13])):\(String(all[13..<15]))"
        return "\(day)T\(time)\(all.last == "Z" ? "Z" : "")"
    }
}

/// Reads subtitles (SubRip, WebVTT) as running text, with the time once a minute.
enum SubtitleText {
    static func read(_ text: String, id: String, name: String) -> SourceDocument {
        var lines: [String] = []
        var spoken: [String] = []
        var minute = -1
        var isCue = false
        for line in text.textLines() {
            let own = line.trimmed()
            if own.isEmpty {
                isCue = false
            } else if own.contains("-->") {
                isCue = true
                let clock = own.prefix { $0 != "," && $0 != "." && $0 != " " }.split(separator: ":").compactMap {
                    Int($0)
                }
                let seconds = clock.suffix(3).reduce(0) { $0 * 60 + $1 }
                if seconds / 60 > minute || minute < 0 {
                    minute = seconds / 60
                    lines.append("[\(two(seconds / 3600)):\(two(seconds / 60 % 60)):\(two(seconds % 60))]")
                }
            } else if isCue {
                let shown = WikiText.withoutTags(withoutVoice(own)).collapsed()
                // Captions that roll up say a line again.
                guard !shown.isEmpty, !spoken.suffix(3).contains(shown) else { continue }
                spoken.append(shown)
                lines.append(shown)
            }
        }
        return SourceDocument(id: id, title: name, text: lines.joined(separator: "\n"))
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// `<v Ann>Hello` as `Ann: Hello`, and without times and the marks of SubStation.
    private static func withoutVoice(_ line: String) -> String {
        var text = line
        if text.hasPrefix("<v "), let end = text.firstIndex(of: ">") {
            text = text[text.index(text.startIndex, offsetBy: 3)..<end] + ": " + text[text.index(after: end)...]
        }
        var output = ""
        var rest = text[...]
        while let open = rest.firstIndex(where: { $0 == "<" || $0 == "{" }) {
            let close: Character = rest[open] == "<" ? ">" : "}"
            let inner = rest[rest.index(after: open)...]
            let isTime = close == ">" ? inner.first?.isNumber == true : inner.first == "\\"
            guard isTime, let end = inner.firstIndex(of: close) else {
                output += rest[...open]
                rest = inner
                continue
            }
            output += rest[..<open]
            rest = inner[inner.index(after: end)...]
        }
        return output + rest
    }
}
