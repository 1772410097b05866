// SPDX-License-Identifier: Apache-2.0

extension StringProtocol {
    /// The text as the content of an HTML element or of a quoted attribute: `&`, `<`, `>` and both quotes as references,
    /// control characters other than line ends and tabs as U+FFFD.
    package var htmlEscaped: String {
        var result = ""
        result.reserveCapacity(utf8.count)
        for scalar in unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            case "\0"..<" ", "\u{7F}"..."\u{9F}": result += "\u{FFFD}"
            // What turns the order of reading around, or hides words, is shown as its code.
            case _ where TerminalText.isUnsafe(scalar):
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
