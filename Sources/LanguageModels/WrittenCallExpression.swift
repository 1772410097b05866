// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import Text

/// Calls that a model wrote as Python expressions: `[keyword_search(query="clown", limit=3), read(ids=["a"])]`, as Llama 3.2
/// and 4 do, also within `print(…)` and `result = …`, as Gemma does. Arguments are by name; values are what JSON and Python
/// literals can say.
enum WrittenCallExpression {
    /// The calls; none where the text holds anything else.
    static func calls(in text: String, names: [String]) -> [ToolCall] {
        guard text.utf8.count <= 64 << 10, text.contains("(") else { return [] }
        var reader = Reader(bytes: Array(text.utf8), names: names)
        return reader.read() ?? []
    }

    private struct Reader {
        let bytes: [UInt8]
        let names: [String]
        var place = 0

        mutating func read() -> [ToolCall]? {
            var calls: [ToolCall] = []
            while true {
                skip { $0 <= 0x20 || "[],;`".utf8.contains($0) }
                if place >= bytes.count { return calls.isEmpty ? nil : calls }
                guard let found = call(depth: 0) else { return nil }
                calls += found
                guard calls.count <= 64 else { return nil }
            }
        }

        /// `name(key=value, …)`, `print(call)` or `variable = call`.
        private mutating func call(depth: Int) -> [ToolCall]? {
            guard depth < 4, let word = word() else { return nil }
            skipBlank()
            if take("=") {
                skipBlank()
                return call(depth: depth + 1)
            }
            guard take("(") else { return nil }
            if word == "print" {
                skipBlank()
                let inner = call(depth: depth + 1)
                skipBlank()
                return take(")") ? inner : nil
            }
            guard let name = ToolCall.tool(named: word, among: names) else { return nil }
            var arguments = JSONObject()
            while true {
                skipBlank()
                if take(")") { break }
                guard let key = self.word() else { return nil }
                skipBlank()
                guard take("=") else { return nil }
                guard let value = value() else { return nil }
                arguments[key] = value
                skipBlank()
                if take(",") { continue }
                guard take(")") else { return nil }
                break
            }
            return [ToolCall(id: "", name: name, arguments: JSONValue.object(arguments).serialized())]
        }

        /// A literal, up to the comma or bracket after it.
        private mutating func value() -> JSONValue? {
            skipBlank()
            let start = place
            var depth = 0
            var quote: UInt8?
            while place < bytes.count {
                let byte = bytes[place]
                if let open = quote {
                    if byte == UInt8(ascii: "\\") { place += 1 } else if byte == open { quote = nil }
                } else if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                    quote = byte
                } else if "([{".utf8.contains(byte) {
                    depth += 1
                } else if ")]}".utf8.contains(byte) {
                    if depth == 0 { break }
                    depth -= 1
                } else if byte == UInt8(ascii: ","), depth == 0 {
                    break
                }
                place += 1
            }
            guard place <= bytes.count, start < place else { return nil }
            // The lenient reader knows single quotes, True, False and None within a value.
            let text = "[" + String(decoding: bytes[start..<min(place, bytes.count)], as: UTF8.self) + "]"
            guard let list = LenientJSON.read(text)?.value.array, list.count == 1 else { return nil }
            return list[0]
        }

        private mutating func word() -> String? {
            let start = place
            skip { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A || (0x30...0x39).contains($0) || "_.-".utf8.contains($0) }
            return start == place ? nil : String(decoding: bytes[start..<place], as: UTF8.self)
        }

        private mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard place < bytes.count, bytes[place] == UInt8(ascii: character) else { return false }
            place += 1
            return true
        }

        private mutating func skipBlank() { skip { $0 <= 0x20 } }

        private mutating func skip(while matches: (UInt8) -> Bool) {
            while place < bytes.count, matches(bytes[place]) { place += 1 }
        }
    }
}
