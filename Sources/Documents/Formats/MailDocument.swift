// SPDX-License-Identifier: Apache-2.0

import Base
import CMail
import Foundation
import OrderedCollections

/// Reads one e-mail message through GMime: headers are fields, the readable part is the text, attachments are files.
struct MailDocument {
    private(set) var document: SourceDocument
    /// Attached files and forwarded messages.
    private(set) var attachments: [(name: String, type: String, bytes: [UInt8])] = []
    /// Whether parts of it were left out, because they are too many or nested too deep.
    private(set) var isCut = false

    private final class Message {
        var headers: [(name: String, value: String)] = []
        var plain: [String] = []
        var pages: [String] = []
        var files: [(name: String, type: String, bytes: [UInt8])] = []
        var left: Int
        init(limit: Int) { left = limit }
    }

    /// - Throws: `DocumentError` when GMime is not installed, or the bytes are no message.
    init(_ bytes: [UInt8], id: String, name: String, limits: ReadingLimits) throws(DocumentError) {
        guard forage_mail_load() != 0 else {
            throw DocumentError("mail needs GMime, which is not installed (Debian: libgmime-3.0-0)")
        }
        let message = Message(limit: limits.documentBytes)
        let bytes = Self.cleaned(bytes)
        let most = Int(FORAGE_MAIL_PARTS)
        let end = bytes.withUnsafeBufferPointer { MailParts.end(ofFirst: most, in: $0) }
        let outcome = bytes.withUnsafeBytes { buffer -> Int32 in
            guard let base = buffer.baseAddress else { return 0 }
            return forage_mail_read(
                base, end ?? buffer.count,
                { context, name, value in
                    guard let context else { return }
                    let message = Unmanaged<Message>.fromOpaque(context).takeUnretainedValue()
                    guard message.headers.count < 1000 else { return }
                    message.headers.append((String(cString: name).lowercased(), String(cString: value).collapsed()))
                },
                { context, kind, type, charset, name, bytes, count, alternative in
                    guard let context else { return 0 }
                    let message = Unmanaged<Message>.fromOpaque(context).takeUnretainedValue()
                    message.left -= count
                    guard message.left >= 0 else { return 0 }
                    let content = UnsafeRawBufferPointer(start: bytes, count: count)
                    let charset = charset.map { String(cString: $0) }
                    switch kind {
                    case FORAGE_MAIL_PLAIN: message.plain.append(MailText.decoded(content, charset: charset))
                    case FORAGE_MAIL_HTML:
                        // The same as the plain text that came before it.
                        if alternative == 0 || message.plain.allSatisfy({ $0.trimmed().isEmpty }) {
                            message.pages.append(MailText.decoded(content, charset: charset))
                        }
                    default:
                        let type = String(cString: type).lowercased()
                        message.files.append((name.map { String(cString: $0) } ?? "", type, Array(content)))
                    }
                    return 1
                }, Unmanaged.passUnretained(message).toOpaque())
        }
        isCut = end != nil || outcome == 2
        let known: Set<String> = [
            "from", "to", "subject", "date", "message-id", "received", "mime-version", "content-type",
        ]
        guard outcome != 0, message.headers.contains(where: { known.contains($0.name) }) else {
            throw DocumentError("it is no e-mail message: it has none of a message's headers")
        }
        var metadata = JSONObject()
        func first(_ name: String) -> String? {
            message.headers.first { $0.name == name && !$0.value.isEmpty }?.value
        }
        for (field, header) in [
            ("from", "from"), ("message_id", "message-id"), ("in_reply_to", "in-reply-to"),
        ] {
            if let value = first(header) { metadata[field] = .string(value) }
        }
        if let date = first("date") { metadata["date"] = .string(Self.date(date) ?? date) }
        for field in ["to", "cc"] {
            guard let value = first(field) else { continue }
            let people = Self.addresses(value)
            metadata[field] = people.count == 1 ? .string(people[0]) : .array(people.map { .string($0) })
        }
        var parts = message.plain.map { $0.trimmed() }
        for page in message.pages {
            parts.append(try HTMLDocument.read(page, id: id, name: "").text)
        }
        let subject = first("subject")
        document = SourceDocument(
            id: id, title: subject ?? name, text: parts.filter { !$0.isEmpty }.joined(separator: "\n\n"),
            metadata: metadata)
        for (index, file) in message.files.enumerated() {
            let fallback = file.type == "message/rfc822" ? "message \(index + 1).eml" : "attachment \(index + 1)"
            let name = Archive.harmless(file.name)
            attachments.append((name.isEmpty ? fallback : name, file.type, file.bytes))
        }
        if !attachments.isEmpty {
            document.metadata["attachments"] = .array(attachments.map { .string($0.name) })
        }
    }

    /// A date of a header as ISO 8601; nil for what is none.
    private static func date(_ text: String) -> String? {
        // A name of a time zone behind the offset says the same once more.
        let plain = text.prefix { $0 != "(" }.trimmed()
        guard plain.utf8.count <= 100, plain.utf8.contains(where: { $0 >= 48 && $0 < 58 }),
            let made = forage_mail_date(plain)
        else { return nil }
        defer { free(made) }
        return String(cString: made)
    }

    /// A message without the mark before it and with line ends that its parser knows.
    private static func cleaned(_ bytes: [UInt8]) -> [UInt8] {
        let body = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
        // "\r\r\n": lines of a file that was taken for text once too often.
        guard let end = body.firstIndex(of: 10), end >= 2, body[end - 1] == 13, body[end - 2] == 13 else { return body }
        var cleaned: [UInt8] = []
        cleaned.reserveCapacity(body.count)
        for (place, byte) in body.enumerated() {
            if byte == 13, place + 2 < body.count, body[place + 1] == 13, body[place + 2] == 10 { continue }
            cleaned.append(byte)
        }
        return cleaned
    }

    /// The addresses of a list, at the commas outside of quotes and brackets.
    private static func addresses(_ text: String) -> [String] {
        var people: [String] = []
        var current = ""
        var isQuoted = false
        var depth = 0
        for character in text {
            switch character {
            case "\"": isQuoted.toggle()
            case "<" where !isQuoted: depth += 1
            case ">" where !isQuoted: depth -= 1
            case "," where !isQuoted && depth <= 0:
                people.append(current.trimmed())
                current = ""
                continue
            default: break
            }
            current.append(character)
        }
        people.append(current.trimmed())
        return people.filter { !$0.isEmpty }.prefix(1000).map { $0 }
    }
}

/// The text of a part of a message, by what the part says of its characters and by what they are.
enum MailText {
    static func decoded(_ content: UnsafeRawBufferPointer, charset: String?) -> String {
        let bytes = Array(content)
        return bytes.withUnsafeBufferPointer { buffer in
            let declared = charset.flatMap(encoding)
            if let declared, fits(buffer, declared),
                let text = try? TextDecoding.text(buffer, encoding: declared).text, !text.contains("\u{FFFD}")
            {
                return text
            }
            if let found = try? TextDecoding.text(buffer).text { return found }
            // Bytes that are no text of any encoding: as they were declared, with marks for what is wrong.
            if let declared, let text = try? TextDecoding.text(buffer, encoding: declared).text { return text }
            return TextDecoding.lenient(buffer).withUnixLineEnds()
        }
    }

    /// The encoding that a name means in mail; nil for one that says nothing: ASCII with other bytes is a lie, and unknown
    /// names are of no help.
    private static func encoding(_ charset: String) -> TextEncoding? {
        switch charset.lowercased() {
        case "us-ascii", "ascii", "ansi_x3.4-1968", "unknown-8bit", "x-unknown", "binary", "default", "": return nil
        // The names of small sets stand for the larger ones that programs write.
        case "gb2312", "gb_2312-80", "gbk", "x-gbk": return TextEncoding(name: "GB18030")
        case "ks_c_5601-1987", "ks_c_5601", "euc-kr", "ksc5601": return TextEncoding(name: "CP949")
        case "shift_jis", "shift-jis", "sjis", "x-sjis": return TextEncoding(name: "CP932")
        case "big5": return TextEncoding(name: "BIG5-HKSCS")
        case "iso-8859-8-i": return TextEncoding(name: "ISO-8859-8")
        default: return TextDecoding.encoding(named: charset)
        }
    }

    /// Whether bytes may be what they are said to be: UTF-8 under the name of an alphabet of single bytes is not.
    private static func fits(_ bytes: UnsafeBufferPointer<UInt8>, _ declared: TextEncoding) -> Bool {
        let isSingle = ["WINDOWS-125", "ISO-8859-", "CP125", "KOI8"].contains {
            declared.name.uppercased().hasPrefix($0)
        }
        guard isSingle, bytes.contains(where: { $0 >= 0x80 }) else { return true }
        return !TextEncoding.isUTF8(bytes, isWhole: true)
    }
}
