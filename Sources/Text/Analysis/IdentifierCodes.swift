// SPDX-License-Identifier: Apache-2.0

/// Names that are made of letters and digits, as programs and registries give them: `FT-315`, `INV-5090`, `E417`, `T1101`.
public enum IdentifierCodes {
    /// The codes of a text in lower case, each once, in their order.
    public static func all(in text: String) -> [String] {
        var codes: [String] = []
        for part in text.lowercased().split(whereSeparator: {
            !($0.isASCII && ($0.isLetter || $0.isNumber)) && $0 != "-" && $0 != "_" && $0 != "/"
        }) {
            let code = part.trimmingPrefix { !$0.isLetter }
            guard code.count == part.count, code.count <= 24, family(of: String(code)) != nil else { continue }
            if !codes.contains(String(code)) { codes.append(String(code)) }
        }
        return codes
    }

    /// What a code has before its number, such as `ft-` of `ft-315`; nil for what is no code. Short words with a digit that
    /// people count with (`1st`, `b2b`) are none.
    public static func family(of code: String) -> String? {
        let letters = code.prefix { $0.isLetter }
        guard (1...6).contains(letters.count) else { return nil }
        let rest = code.dropFirst(letters.count)
        let digits = rest.drop { "-_/".contains($0) }
        let run = digits.prefix { $0.isNumber }
        guard !run.isEmpty, digits.dropFirst(run.count).allSatisfy({ $0.isNumber || "-_/".contains($0) }) else {
            return nil
        }
        guard run.count >= 2 || rest.count > digits.count else { return nil }
        return String(code.dropLast(digits.count))
    }
}
