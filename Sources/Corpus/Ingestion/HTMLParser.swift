// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Reads the visible text of an HTML page, however malformed: one pass, no tree.
///
/// Tags go; block elements break lines; `script`, `style`, `template`, `noscript` and `svg` go with their content; the
/// title is `<title>`, else the first `<h1>`; `<meta name=… content=…>` of author, date, description and keywords is
/// metadata. Entities are decoded.
struct HTMLParser {
    private let bytes: [UInt8]
    private var at = 0
    private var output: [UInt8] = []
    private var pageTitle: String?
    private var heading: String?
    private var metadata = JSONObject()
    private var depthOfPre = 0

    private init(_ text: String) { bytes = Array(text.utf8) }

    static func parse(_ text: String, id: String, name: String) -> RawDocument {
        var parser = HTMLParser(text)
        parser.run()
        let body = String(decoding: parser.output, as: UTF8.self)
        let title = [parser.pageTitle, parser.heading].compactMap { $0 }.first { !$0.isEmpty } ?? name
        return RawDocument(id: id, title: title, text: body.trimmed(), metadata: parser.metadata)
    }

    private static let blocks: Set<String> = [
        "address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt", "fieldset", "figcaption",
        "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav",
        "ol",
        "option", "p", "pre", "section", "table", "tbody", "td", "th", "thead", "title", "tr", "ul",
    ]
    private static let paragraphs: Set<String> = [
        "p", "h1", "h2", "h3", "h4", "h5", "h6", "article", "section", "table", "ul", "ol", "pre", "blockquote",
    ]
    private static let dropped: Set<String> = ["script", "style", "template", "noscript", "svg", "iframe", "textarea"]

    private mutating func run() {
        var headingStart: Int?
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "<") {
                if skipDeclaration() { continue }
                guard let tag = readTag() else {
                    append(byte)
                    at += 1
                    continue
                }
                if !tag.isClosing, Self.dropped.contains(tag.name) {
                    _ = contentUpToClosing(tag.name)
                    continue
                }
                if tag.name == "title", !tag.isClosing, pageTitle == nil {
                    pageTitle = Self.collapsed(Self.decodingEntities(contentUpToClosing("title")))
                    continue
                }
                if tag.name == "meta", !tag.isClosing { addMetadata(tag.attributes) }
                if tag.name == "pre" { depthOfPre = max(0, depthOfPre + (tag.isClosing ? -1 : 1)) }
                if tag.name == "h1", heading == nil {
                    if tag.isClosing, let start = headingStart, start <= output.count {
                        heading = Self.collapsed(String(decoding: output[start...], as: UTF8.self))
                    } else if !tag.isClosing {
                        headingStart = output.count
                    }
                }
                if Self.paragraphs.contains(tag.name) {
                    breakLine(2)
                } else if Self.blocks.contains(tag.name) {
                    breakLine(1)
                }
            } else if byte == UInt8(ascii: "&") {
                let (scalar, length) = Self.entity(bytes[at...])
                if let scalar { for byte in String(scalar).utf8 { append(byte) } } else { append(byte) }
                at += max(1, length)
            } else {
                append(byte)
                at += 1
            }
        }
    }

    /// Adds a byte of text; white space collapses outside of `pre`.
    private mutating func append(_ byte: UInt8) {
        let isSpace = byte == 32 || (byte >= 9 && byte <= 13)
        if isSpace, depthOfPre == 0 {
            if let last = output.last, last != 32, last != 10 { output.append(32) }
        } else {
            output.append(byte)
        }
    }

    private mutating func breakLine(_ count: Int) {
        while output.last == 32 { output.removeLast() }
        guard !output.isEmpty else { return }
        let have = output.reversed().prefix { $0 == 10 }.count
        if have < count { output.append(contentsOf: repeatElement(10, count: count - have)) }
    }

    /// Passes over comments, doctype and processing instructions.
    private mutating func skipDeclaration() -> Bool {
        guard at + 1 < bytes.count, bytes[at + 1] == UInt8(ascii: "!") || bytes[at + 1] == UInt8(ascii: "?") else {
            return false
        }
        if bytes[at...].starts(with: Array("<!--".utf8)) {
            var end = at + 4
            while end + 2 < bytes.count, !(bytes[end] == 45 && bytes[end + 1] == 45 && bytes[end + 2] == 62) {
                end += 1
            }
            at = min(bytes.count, end + 3)
        } else {
            while at < bytes.count, bytes[at] != UInt8(ascii: ">") { at += 1 }
            at = min(bytes.count, at + 1)
        }
        return true
    }

    private struct Tag {
        var name: String
        var isClosing: Bool
        var attributes: [String: String]
    }

    /// Reads a tag at `<`; nil, with nothing consumed, when it is a plain less-than sign.
    private mutating func readTag() -> Tag? {
        var position = at + 1
        var isClosing = false
        if position < bytes.count, bytes[position] == UInt8(ascii: "/") {
            isClosing = true
            position += 1
        }
        let start = position
        while position < bytes.count, Self.isNameByte(bytes[position]) { position += 1 }
        guard position > start, bytes[start] | 32 >= 97, bytes[start] | 32 <= 122 else { return nil }
        let name = String(decoding: bytes[start..<position], as: UTF8.self).lowercased()
        var attributes: [String: String] = [:]
        while position < bytes.count, bytes[position] != UInt8(ascii: ">") {
            let from = position
            while position < bytes.count, Self.isNameByte(bytes[position]) { position += 1 }
            guard position > from else {
                position += 1
                continue
            }
            let key = String(decoding: bytes[from..<position], as: UTF8.self).lowercased()
            while position < bytes.count, bytes[position] == 32 { position += 1 }
            guard position < bytes.count, bytes[position] == UInt8(ascii: "=") else {
                attributes[key] = ""
                continue
            }
            position += 1
            while position < bytes.count, bytes[position] == 32 { position += 1 }
            guard position < bytes.count else { break }
            let quote = bytes[position]
            if quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") {
                let begin = position + 1
                position = begin
                while position < bytes.count, bytes[position] != quote { position += 1 }
                attributes[key] = String(decoding: bytes[begin..<position], as: UTF8.self)
                position = min(bytes.count, position + 1)
            } else {
                let begin = position
                while position < bytes.count, bytes[position] > 32, bytes[position] != UInt8(ascii: ">") {
                    position += 1
                }
                attributes[key] = String(decoding: bytes[begin..<position], as: UTF8.self)
            }
        }
        at = min(bytes.count, position + 1)
        return Tag(name: name, isClosing: isClosing, attributes: attributes)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (byte | 32 >= 97 && byte | 32 <= 122) || (byte >= 48 && byte < 58) || byte == 45 || byte == 58 || byte == 95
    }

    /// The raw text up to the closing tag of that name, which is passed over too.
    private mutating func contentUpToClosing(_ name: String) -> String {
        let start = at
        let closing = Array("</\(name)".utf8)
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "<"), at + closing.count <= bytes.count,
                zip(bytes[at..<(at + closing.count)], closing).allSatisfy({ $0 == $1 || $0 | 32 == $1 })
            {
                let content = String(decoding: bytes[start..<at], as: UTF8.self)
                while at < bytes.count, bytes[at] != UInt8(ascii: ">") { at += 1 }
                at = min(bytes.count, at + 1)
                return content
            }
            at += 1
        }
        return String(decoding: bytes[start...], as: UTF8.self)
    }

    private mutating func addMetadata(_ attributes: [String: String]) {
        guard let name = (attributes["name"] ?? attributes["property"])?.lowercased(),
            let content = attributes["content"], !content.isEmpty
        else { return }
        let value = Self.collapsed(Self.decodingEntities(content))
        switch name {
        case "author", "description", "date", "keywords": metadata[name] = .string(value)
        case "article:published_time": if metadata["date"] == nil { metadata["date"] = .string(value) }
        default: break
        }
    }

    private static func collapsed(_ text: String) -> String {
        text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    static func decodingEntities(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard bytes.contains(UInt8(ascii: "&")) else { return text }
        var output: [UInt8] = []
        var at = 0
        while at < bytes.count {
            if bytes[at] == UInt8(ascii: "&") {
                let (scalar, length) = entity(bytes[at...])
                if let scalar {
                    output.append(contentsOf: String(scalar).utf8)
                    at += length
                    continue
                }
            }
            output.append(bytes[at])
            at += 1
        }
        return String(decoding: output, as: UTF8.self)
    }

    /// The character that an entity at the start stands for, and its length; nil when it is a plain ampersand.
    private static func entity(_ bytes: ArraySlice<UInt8>) -> (Character?, Int) {
        let head = Array(bytes.prefix(12))
        guard let end = head.firstIndex(of: UInt8(ascii: ";")), end > 1 else { return (nil, 1) }
        let name = String(decoding: head[1..<end], as: UTF8.self)
        if name.hasPrefix("#") {
            let digits = name.dropFirst()
            let value =
                digits.first == "x" || digits.first == "X" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            guard let value else { return (nil, 1) }
            return (Character(Unicode.Scalar(value == 0 ? 0xFFFD : value) ?? "\u{FFFD}"), end + 1)
        }
        guard let scalar = names[name] else { return (nil, 1) }
        return (Character(scalar), end + 1)
    }

    private static let names: [String: Unicode.Scalar] = [
        "amp": "&", "lt": "<", "gt": ">", "quot": "\"", "apos": "'", "nbsp": " ", "ndash": "–", "mdash": "—",
        "lsquo": "‘",
        "rsquo": "’", "ldquo": "“", "rdquo": "”", "hellip": "…", "copy": "©", "reg": "®", "trade": "™", "deg": "°",
        "plusmn": "±", "times": "×", "divide": "÷", "frac12": "½", "frac14": "¼", "euro": "€", "pound": "£", "yen": "¥",
        "cent": "¢", "sect": "§", "para": "¶", "middot": "·", "bull": "•", "laquo": "«", "raquo": "»", "iexcl": "¡",
        "iquest": "¿", "agrave": "à", "aacute": "á", "acirc": "â", "atilde": "ã", "auml": "ä", "aring": "å",
        "aelig": "æ",
        "ccedil": "ç", "egrave": "è", "eacute": "é", "ecirc": "ê", "euml": "ë", "igrave": "ì", "iacute": "í",
        "icirc": "î",
        "iuml": "ï", "ntilde": "ñ", "ograve": "ò", "oacute": "ó", "ocirc": "ô", "otilde": "õ", "ouml": "ö",
        "oslash": "ø",
        "ugrave": "ù", "uacute": "ú", "ucirc": "û", "uuml": "ü", "yacute": "ý", "szlig": "ß", "Agrave": "À",
        "Aacute": "Á",
        "Auml": "Ä", "Aring": "Å", "AElig": "Æ", "Ccedil": "Ç", "Eacute": "É", "Egrave": "È", "Ntilde": "Ñ",
        "Ouml": "Ö",
        "Oslash": "Ø", "Uuml": "Ü", "thinsp": " ", "ensp": " ", "emsp": " ", "shy": "\u{AD}", "larr": "←", "rarr": "→",
        "uarr": "↑", "darr": "↓", "minus": "−", "le": "≤", "ge": "≥", "ne": "≠", "micro": "µ", "alpha": "α",
        "beta": "β",
        "gamma": "γ", "delta": "δ", "pi": "π", "sigma": "σ", "omega": "ω", "infin": "∞",
    ]
}
