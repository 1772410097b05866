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
        let isMessage = bytes.withUnsafeBytes { buffer -> Bool in
            guard let base = buffer.baseAddress else { return false }
            return forage_mail_read(
                base, buffer.count,
                { context, name, value in
                    guard let context else { return }
                    let message = Unmanaged<Message>.fromOpaque(context).takeUnretainedValue()
                    guard message.headers.count < 1000 else { return }
                    message.headers.append((String(cString: name).lowercased(), String(cString: value).collapsed()))
                },
                { context, kind, type, name, bytes, count, alternative in
                    guard let context else { return 0 }
                    let message = Unmanaged<Message>.fromOpaque(context).takeUnretainedValue()
                    message.left -= count
                    guard message.left >= 0 else { return 0 }
                    let content = UnsafeRawBufferPointer(start: bytes, count: count)
                    switch kind {
                    case FORAGE_MAIL_PLAIN:
                        message.plain.append(String(decoding: content, as: UTF8.self).withUnixLineEnds())
                    case FORAGE_MAIL_HTML:
                        // The same as the plain text that came before it.
                        if alternative == 0 || message.plain.allSatisfy({ $0.trimmed().isEmpty }) {
                            message.pages.append(String(decoding: content, as: UTF8.self).withUnixLineEnds())
                        }
                    default:
                        let type = String(cString: type).lowercased()
                        message.files.append((name.map { String(cString: $0) } ?? "", type, Array(content)))
                    }
                    return 1
                }, Unmanaged.passUnretained(message).toOpaque()) != 0
        }
        let known: Set<String> = [
            "from", "to", "subject", "date", "message-id", "received", "mime-version", "content-type",
        ]
        guard isMessage, message.headers.contains(where: { known.contains($0.name) }) else {
            throw DocumentError("it is no e-mail message: it has none of a message's headers")
        }
        var metadata = JSONObject()
        func first(_ name: String) -> String? {
            message.headers.first { $0.name == name && !$0.value.isEmpty }?.value
        }
        for (field, header) in [
            ("from", "from"), ("date", "date"), ("message_id", "message-id"), ("in_reply_to", "in-reply-to"),
        ] {
            if let value = first(header) { metadata[field] = .string(value) }
        }
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
