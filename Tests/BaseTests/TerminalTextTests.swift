// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@Suite struct TerminalTextTests {
    @Test(arguments: [
        "\u{1B}[2J", "\u{9B}31m", "\u{7}", "\u{8}", "\r", "\u{202E}txt.exe", "\u{2066}", "\u{2069}", "\u{200F}",
        "\u{2028}",
        "\u{61C}", "\u{0}", "\u{7F}", "\u{85}",
    ])
    func controlsAreShownAsCodes(_ text: String) throws {
        for shown in [TerminalText.safe("a" + text), TerminalText.safeWithStyle("a" + text)] {
            #expect(!shown.unicodeScalars.contains { TerminalText.isUnsafe($0) })
            #expect(shown.hasPrefix("a\\u{"))
        }
        // As JSON it is the same text again, without a control on the way.
        let json = JSONValue.string("a" + text).serialized()
        #expect(!json.unicodeScalars.contains { TerminalText.isUnsafe($0) })
        #expect(try JSONValue(parsing: json) == .string("a" + text))
    }

    @Test func textStaysAsItIs() throws {
        for text in ["plain\n\ttext", "é 中文 🙂 \u{2014} \u{A0}", "\u{2065}\u{2070}\u{C0}"] {
            #expect(TerminalText.safe(text) == text)
            #expect(JSONValue.string(text).serialized().contains("\\u") == false)
            #expect(try JSONValue(parsing: JSONValue.string(text).serialized()) == .string(text))
        }
        let styled = "\u{1B}[1mbold\u{1B}[0m"
        #expect(TerminalText.safeWithStyle(styled) == styled)
    }

    @Test func valuesAreCounted() {
        let text = "[" + String(repeating: "0,", count: 100) + "0]"
        #expect(throws: JSONError.self) { try JSONValue(parsing: text, limits: JSONLimits(values: 100)) }
        #expect(throws: Never.self) { try JSONValue(parsing: text, limits: JSONLimits(values: 102)) }
    }
}
