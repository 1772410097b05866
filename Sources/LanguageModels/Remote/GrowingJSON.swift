// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// A JSON text that arrives in pieces, and whether it is one whole value by now. Each byte is looked at once, however many
/// pieces there are, and the value is parsed once, when its last bracket or quote has come.
struct GrowingJSON {
    private(set) var text = ""
    private var depth = 0
    private var isInString = false
    private var isEscaped = false
    /// Whether the value was whole at its end; nil before.
    private var ended: Bool?

    init(_ text: String) { append(text) }

    mutating func append(_ piece: String) {
        text += piece
        guard ended != false else { return }
        let hadEnded = ended != nil
        for byte in piece.utf8 {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                    if depth == 0 { ended = true }
                }
                continue
            }
            if byte == 0x20 || (0x09...0x0D).contains(byte) { continue }
            // Something follows the value: it is none.
            if ended != nil {
                ended = false
                return
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth <= 0 { ended = depth == 0 }
            default: break
            }
        }
        if ended == true, !hadEnded { ended = (try? JSONValue(parsing: text)) != nil }
    }

    /// Whether the text is one whole JSON value. A number or a word is, when it can be read; it may still grow.
    var isWhole: Bool {
        ended
            ?? (depth == 0 && !isInString && !text.isEmpty && text.utf8.count <= 64
                && (try? JSONValue(parsing: text)) != nil)
    }
}
