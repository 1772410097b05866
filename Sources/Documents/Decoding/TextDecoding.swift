// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// The character encoding of a text file, and how it was found.
package struct TextEncoding: Sendable, Hashable {
    /// The name, as iconv knows it: `UTF-8`, `UTF-16LE`, `WINDOWS-1252` …
    package var name: String
    /// The bytes of the byte order mark before the text.
    package var markLength = 0

    package var isUTF8: Bool { name == "UTF-8" }

    package init(name: String, markLength: Int = 0) {
        self.name = name
        self.markLength = markLength
    }

    /// The encoding that a byte order mark says; nil without one.
    static func marked(_ bytes: UnsafeBufferPointer<UInt8>) -> TextEncoding? {
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { return TextEncoding(name: "UTF-8", markLength: 3) }
        if bytes.starts(with: [0xFF, 0xFE, 0, 0]) { return TextEncoding(name: "UTF-32LE", markLength: 4) }
        if bytes.starts(with: [0, 0, 0xFE, 0xFF]) { return TextEncoding(name: "UTF-32BE", markLength: 4) }
        if bytes.starts(with: [0xFF, 0xFE]) { return TextEncoding(name: "UTF-16LE", markLength: 2) }
        if bytes.starts(with: [0xFE, 0xFF]) { return TextEncoding(name: "UTF-16BE", markLength: 2) }
        return nil
    }

    /// Finds the encoding of a text from its beginning: a byte order mark, else UTF-8 where the bytes are valid, else
    /// UTF-16 without a mark, else the most likely of the encodings before Unicode; Latin-1 is read as Windows-1252, as
    /// everywhere. Nil when the bytes are no text.
    /// - Parameter isWhole: whether `bytes` is the whole text, not only its beginning.
    package static func detect(_ bytes: UnsafeBufferPointer<UInt8>, isWhole: Bool) -> TextEncoding? {
        if let marked = marked(bytes) { return marked }
        let head = UnsafeBufferPointer(rebasing: bytes.prefix(1 << 16))
        let hasFewControls = hasFewControls(head)
        if head.contains(0) || !hasFewControls, let wide = WideText.encoding(head) { return TextEncoding(name: wide) }
        guard hasFewControls else { return nil }
        // A zero here and there is a slip of a program.
        let zeros = head.reduce(0) { $0 + ($1 == 0 ? 1 : 0) }
        if zeros > 0 {
            guard zeros <= max(2, head.count / 100), isMostlyLetters(head), BinaryKind.name(head) == BinaryKind.unknown
            else { return nil }
        }
        if let shifting = shifting(head) { return TextEncoding(name: shifting) }
        if isUTF8(zeros > 0 ? head : bytes, isWhole: zeros == 0 && isWhole) || BrokenUTF8.isMostly(head) {
            return TextEncoding(name: "UTF-8")
        }
        return TextEncoding(name: LegacyEncoding.best(bytes))
    }

    /// The encoding of a text in seven bits that says by escapes what its bytes are; nil without them.
    private static func shifting(_ head: UnsafeBufferPointer<UInt8>) -> String? {
        guard let first = head.firstIndex(of: 27, from: 0), !head.contains(where: { $0 >= 0x80 }) else { return nil }
        let escape = head[(first + 1)...].prefix(3)
        if escape.starts(with: Array("$)C".utf8)) { return "ISO-2022-KR" }
        let japanese = ["$B", "$@", "(J", "(I", "$(D"]
        return japanese.contains { escape.starts(with: Array($0.utf8)) } ? "ISO-2022-JP-2" : nil
    }

    /// Whether bytes are UTF-8; a beginning may end within a character.
    static func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>, isWhole: Bool) -> Bool {
        if isWhole { return String(validating: bytes, as: UTF8.self) != nil }
        for cut in 0...3 where bytes.count >= cut {
            if String(validating: bytes.dropLast(cut), as: UTF8.self) != nil { return true }
        }
        return false
    }

    /// Whether hardly any characters are ones that no text has. In a short text one or two are a slip: the end mark of DOS.
    private static func hasFewControls(_ head: UnsafeBufferPointer<UInt8>) -> Bool {
        // Tab to carriage return, and escape, which colours logs, are in texts.
        let controls = head.reduce(0) { $0 + ($1 < 32 && !(9...13).contains($1) && $1 != 27 ? 1 : 0) }
        return controls * 20 < head.count || (controls <= 2 && isMostlyLetters(head))
    }

    private static func isMostlyLetters(_ head: UnsafeBufferPointer<UInt8>) -> Bool {
        let plain = head.reduce(0) { $0 + ($1 >= 32 && $1 < 127 || (9...13).contains($1) ? 1 : 0) }
        return plain * 4 >= head.count * 3
    }
}

/// Turns bytes of any encoding into text.
package enum TextDecoding {
    /// The encoding that a user named; nil when there is no such encoding.
    package static func encoding(named name: String) -> TextEncoding? {
        switch name.uppercased().replacingOccurrences(of: "_", with: "-") {
        case "UTF-8", "UTF8": return TextEncoding(name: "UTF-8")
        case "LATIN-1", "LATIN1", "ISO-8859-1", "CP1252": return TextEncoding(name: "WINDOWS-1252")
        case "UTF-16", "UTF16": return TextEncoding(name: "UTF-16LE")
        default:
            guard let converter = CharacterConverter(from: name) else { return nil }
            _ = converter
            return TextEncoding(name: name)
        }
    }

    /// The text of bytes, without a byte order mark and with "\n" at the ends of its lines.
    /// - Parameter encoding: nil finds it.
    /// - Throws: `DocumentError` when the bytes are no text.
    package static func text(
        _ bytes: UnsafeBufferPointer<UInt8>, encoding: TextEncoding? = nil
    ) throws(DocumentError) -> (text: String, encoding: TextEncoding) {
        guard var found = encoding ?? TextEncoding.detect(bytes, isWhole: true) else {
            throw DocumentError("it is no text: \(BinaryKind.name(bytes))")
        }
        if let marked = TextEncoding.marked(bytes), encoding == nil || marked.name == found.name { found = marked }
        let body = UnsafeBufferPointer(rebasing: bytes.dropFirst(found.markLength))
        let text: String
        if found.isUTF8 {
            text = String(validating: body, as: UTF8.self) ?? BrokenUTF8.mended(body)
        } else {
            text = try transcoded(body, from: found)
        }
        return (withoutStrays(text).withUnixLineEnds(), found)
    }

    /// A text without the zeros that programs leave in it, and without the end mark of DOS.
    static func withoutStrays(_ text: String) -> String {
        guard text.holds(0) || text.utf8.last == 0x1A else { return text }
        var scalars = text.unicodeScalars.filter { $0.value != 0 }
        while scalars.last?.value == 0x1A { scalars.removeLast() }
        return String(String.UnicodeScalarView(scalars))
    }

    /// Bytes of an encoding as text; what the encoding does not know becomes U+FFFD.
    static func transcoded(
        _ bytes: UnsafeBufferPointer<UInt8>, from encoding: TextEncoding
    ) throws(DocumentError) -> String {
        if encoding.isUTF8 { return String(decoding: bytes, as: UTF8.self) }
        guard let converter = CharacterConverter(from: encoding.name) else {
            throw DocumentError("there is no character encoding \"\(encoding.name)\"")
        }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 4)
        _ = converter.convert(bytes, isLast: true, into: &output)
        return String(decoding: output, as: UTF8.self)
    }

    /// The text of a few bytes that are UTF-8, perhaps with a few that are not, or else Windows-1252.
    package static func lenient(_ bytes: some Collection<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        let copy = Array(bytes)
        return copy.withUnsafeBufferPointer { buffer in
            if BrokenUTF8.isMostly(buffer) { return BrokenUTF8.mended(buffer) }
            return (try? transcoded(buffer, from: TextEncoding(name: "WINDOWS-1252")))
                ?? String(decoding: copy, as: UTF8.self)
        }
    }
}

/// A conversion to UTF-8 by iconv.
final class CharacterConverter {
    private let descriptor: iconv_t

    /// Nil when iconv knows no such encoding.
    init?(from name: String) {
        guard let opened = iconv_open("UTF-8", name), Int(bitPattern: opened) != -1 else { return nil }
        descriptor = opened
    }

    deinit { iconv_close(descriptor) }

    /// Appends the UTF-8 of the bytes; a byte that cannot be read becomes U+FFFD.
    /// - Returns: how many bytes were used; less than all when they end within a character that goes on in the next.
    func convert(_ bytes: UnsafeBufferPointer<UInt8>, isLast: Bool, into output: inout [UInt8]) -> Int {
        guard let base = bytes.baseAddress, !bytes.isEmpty else {
            if isLast { flush(into: &output) }
            return 0
        }
        var input: UnsafeMutablePointer<CChar>? = UnsafeMutableRawPointer(mutating: base).assumingMemoryBound(
            to: CChar.self)
        var left = bytes.count
        var piece = [CChar](repeating: 0, count: min(max(64, bytes.count * 2), 1 << 16))
        while left > 0 {
            var room = piece.count
            let (result, failure) = piece.withUnsafeMutableBufferPointer { buffer -> (Int, Int32) in
                var out = buffer.baseAddress
                errno = 0
                let result = iconv(descriptor, &input, &left, &out, &room)
                return (result, errno)
            }
            let made = piece.count - room
            output.append(contentsOf: piece[..<made].lazy.map { UInt8(bitPattern: $0) })
            guard result == -1 else { continue }
            switch failure {
            case E2BIG: continue
            case EINVAL where !isLast: return bytes.count - left
            default:
                output.append(contentsOf: [0xEF, 0xBF, 0xBD])
                input = input?.advanced(by: 1)
                left -= 1
            }
        }
        if isLast { flush(into: &output) }
        return bytes.count
    }

    /// Writes the character that the conversion holds back: some encodings wait for an accent that may follow.
    private func flush(into output: inout [UInt8]) {
        var piece = [CChar](repeating: 0, count: 64)
        let made = piece.withUnsafeMutableBufferPointer { buffer -> Int in
            var out = buffer.baseAddress
            var room = buffer.count
            _ = iconv(descriptor, nil, nil, &out, &room)
            return buffer.count - room
        }
        output.append(contentsOf: piece[..<made].lazy.map { UInt8(bitPattern: $0) })
    }
}
