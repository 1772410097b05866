// SPDX-License-Identifier: Apache-2.0

import Base
import CUchardet
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
    /// UTF-16 by where its zero bytes stand, else what libuchardet is sure of, else Windows-1252, which Latin-1 is read as
    /// everywhere. Nil when the bytes are no text.
    /// - Parameter isWhole: whether `bytes` is the whole text, not only its beginning.
    package static func detect(_ bytes: UnsafeBufferPointer<UInt8>, isWhole: Bool) -> TextEncoding? {
        if let marked = marked(bytes) { return marked }
        let head = UnsafeBufferPointer(rebasing: bytes.prefix(1 << 16))
        if head.contains(0) { return wide(head) }
        guard hasFewControls(head) else { return nil }
        if isUTF8(bytes, isWhole: isWhole) || BrokenUTF8.isMostly(head) { return TextEncoding(name: "UTF-8") }
        return TextEncoding(name: guessed(head))
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

    /// UTF-16 without a mark: in Latin script every other byte is zero. Or a text with a zero here and there.
    private static func wide(_ head: UnsafeBufferPointer<UInt8>) -> TextEncoding? {
        var zeros = [0, 0]
        for index in head.indices where head[index] == 0 { zeros[index & 1] += 1 }
        let half = max(1, head.count / 2)
        if zeros[1] * 10 > half * 6, zeros[0] * 20 < half { return TextEncoding(name: "UTF-16LE") }
        if zeros[0] * 10 > half * 6, zeros[1] * 20 < half { return TextEncoding(name: "UTF-16BE") }
        guard zeros[0] + zeros[1] <= max(2, head.count / 100), hasFewControls(head), isMostlyLetters(head),
            BinaryKind.name(head) == BinaryKind.unknown
        else { return nil }
        return TextEncoding(name: isUTF8(head, isWhole: false) || BrokenUTF8.isMostly(head) ? "UTF-8" : guessed(head))
    }

    /// What libuchardet takes the bytes for. Its guesses among the Latin encodings of Europe are no better than a coin on
    /// the few letters that differ: they count as Windows-1252.
    private static func guessed(_ head: UnsafeBufferPointer<UInt8>) -> String {
        let western = "WINDOWS-1252"
        guard let detector = uchardet_new() else { return western }
        defer { uchardet_delete(detector) }
        head.withMemoryRebound(to: CChar.self) { _ = uchardet_handle_data(detector, $0.baseAddress, $0.count) }
        uchardet_data_end(detector)
        let name = String(cString: uchardet_get_charset(detector)).uppercased()
        let high = head.reduce(0) { $0 + ($1 >= 0x80 ? 1 : 0) }
        let letters = head.reduce(0) { $0 + (($1 | 32) >= 97 && ($1 | 32) <= 122 ? 1 : 0) }
        switch name {
        case "SHIFT_JIS", "EUC-JP", "EUC-KR", "UHC", "BIG5", "GB18030", "EUC-TW", "ISO-2022-JP":
            return name == "UHC" ? "CP949" : name
        case "WINDOWS-1251", "KOI8-R", "ISO-8859-5", "IBM866", "IBM855", "MAC-CYRILLIC", "WINDOWS-1253", "ISO-8859-7",
            "WINDOWS-1255", "ISO-8859-8", "WINDOWS-1256", "ISO-8859-6", "TIS-620", "WINDOWS-874":
            // A script of its own fills its texts; a few odd bytes among Latin letters are accents.
            return high > letters / 2 ? name : western
        default:
            // Its guesses among the encodings of Europe are worth little: Polish has been taken for Baltic, and for Western.
            return EuropeanEncoding.best(head) ?? western
        }
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
