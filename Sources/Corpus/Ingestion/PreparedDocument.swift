// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// A document that is ready for the database: cut into passages, its metadata as JSON, its content hashed.
struct PreparedDocument: Sendable {
    var id: String
    var title: String
    var text: String
    var metadata: String
    var hash: UInt64
    var passages: [UInt8]
    var fieldNames: [String]

    /// The longest id, in UTF-8 bytes.
    static let idLimit = 512

    /// - Parameter metadata: values are text, numbers, booleans, lists of these, or objects of these.
    init(id: String, title: String, text: String, metadata: JSONObject, splitter: PassageSplitter) {
        self.id = id
        // SQLite's readers end a text at U+0000; its replacement character keeps all offsets in characters.
        let title = Self.withoutNul(title)
        let text = Self.withoutNul(text).withUnixLineEnds()
        self.title = title
        self.text = text
        let encoded = JSONValue.object(metadata).serialized()
        self.metadata = encoded
        fieldNames = Array(metadata.keys)
        var hash = XXH64.hash(title, seed: UInt64(splitter.options.size) << 32 | UInt64(splitter.options.overlap))
        hash = XXH64.hash(text, seed: hash)
        self.hash = XXH64.hash(encoded, seed: hash)
        let spans = splitter.passages(in: text)
        // Every document has a passage, so that a title alone can be found.
        passages = PassageCuts.encode(spans.isEmpty ? [TextSpan(utf8: 0..<0, characters: 0..<0, wordCount: 0)] : spans)
    }

    private static func withoutNul(_ text: String) -> String {
        guard text.holds(0) else { return text }
        var clean = String.UnicodeScalarView()
        clean.append(contentsOf: text.unicodeScalars.lazy.map { $0 == "\0" ? "\u{FFFD}" : $0 })
        return String(clean)
    }
}

/// Where a document is cut, as stored in its row: for each passage four varints: UTF-8 start and length, and start and
/// length in scalars, starts relative to the start of the passage before.
enum PassageCuts {
    struct Cut: Hashable {
        var utf8: Range<Int>
        var characters: Range<Int>
    }

    static func encode(_ spans: [TextSpan]) -> [UInt8] {
        var bytes: [UInt8] = []
        var last = (utf8: 0, characters: 0)
        for span in spans {
            append(span.utf8.lowerBound - last.utf8, to: &bytes)
            append(span.utf8.count, to: &bytes)
            append(span.characters.lowerBound - last.characters, to: &bytes)
            append(span.characters.count, to: &bytes)
            last = (span.utf8.lowerBound, span.characters.lowerBound)
        }
        return bytes
    }

    /// - Returns: nil when the bytes are no such list.
    static func decode(_ bytes: UnsafeRawBufferPointer) -> [Cut]? {
        var cuts: [Cut] = []
        var at = 0
        func next() -> Int? {
            var value = 0
            var shift = 0
            while at < bytes.count, shift < 56 {
                let byte = bytes[at]
                at += 1
                value |= Int(byte & 0x7F) << shift
                if byte < 0x80 { return value }
                shift += 7
            }
            return nil
        }
        var last = (utf8: 0, characters: 0)
        while at < bytes.count {
            guard let start = next(), let length = next(), let from = next(), let count = next() else { return nil }
            last = (last.utf8 + start, last.characters + from)
            cuts.append(
                Cut(utf8: last.utf8..<(last.utf8 + length), characters: last.characters..<(last.characters + count)))
        }
        return cuts
    }

    private static func append(_ value: Int, to bytes: inout [UInt8]) {
        var rest = UInt64(value)
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
