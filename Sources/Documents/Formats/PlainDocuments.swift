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
                    case "date": fields["date"] = .string(stamp(value) ?? value)
                    case "author", "email", "language", "description", "keywords":
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

    /// What an Org time stamp says (`<2024-01-02 Tue 10:15>`, `[2024-01-02]`) as ISO 8601; nil for any other text.
    private static func stamp(_ text: String) -> String? {
        guard let first = text.first, let last = text.last, first == "<" && last == ">" || first == "[" && last == "]"
        else { return nil }
        let words = text.dropFirst().dropLast().split(separator: " ")
        func isShaped(_ word: Substring, _ shape: String) -> Bool {
            word.count == shape.count
                && zip(word, shape).allSatisfy { $1 == "0" ? $0.isASCII && $0.isNumber : $0 == $1 }
        }
        guard let day = words.first, isShaped(day, "0000-00-00") else { return nil }
        guard let time = words.dropFirst().first(where: { isShaped($0, "00:00") || isShaped($0, "0:00") }) else {
            return String(day)
        }
        return "\(day)T\(time.count == 4 ? "0" : "")\(time)"
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
