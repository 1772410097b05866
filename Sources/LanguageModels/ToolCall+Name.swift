// SPDX-License-Identifier: Apache-2.0

import Foundation

extension ToolCall {
    /// The tool that a name as a model or a server wrote it stands for: `functions.search`, `search:0`,
    /// ` Search `, `search<|channel|>commentary`, `commentary to=functions.search`, `searchsearch`.
    /// - Parameter names: the tools that there are.
    /// - Returns: nil when no tool, or more than one, can be meant.
    package static func tool(named written: String, among names: [String]) -> String? {
        if names.contains(written) { return written }
        guard written.utf8.count <= 512 else { return nil }
        let text = withoutTokens(written)
        let key = folded(text)
        guard !key.isEmpty else { return nil }
        let same = names.filter { folded($0) == key }
        if same.count == 1 { return same[0] }
        // Known names that stand in the text as words of their own; of one within another the longer counts.
        let inside = names.filter { holds(key, folded($0)) }
        let longest = inside.filter { name in !inside.contains { $0 != name && holds(folded($0), folded(name)) } }
        if longest.count == 1 { return longest[0] }
        // A name that a server repeats in every fragment.
        return names.first { name in
            let once = folded(name)
            let flat = key.replacing("_", with: "")
            let unit = once.replacing("_", with: "")
            return !unit.isEmpty && flat.count > unit.count && flat.count % unit.count == 0
                && flat == String(repeating: unit, count: flat.count / unit.count)
        }
    }

    /// The text without control tokens (`<|channel|>`) and what follows one within the name.
    private static func withoutTokens(_ text: String) -> String {
        var result = ""
        var rest = text[...]
        while let open = rest.range(of: "<|") {
            result += rest[..<open.lowerBound] + " "
            guard let close = rest[open.upperBound...].range(of: "|>") else {
                rest = ""
                break
            }
            rest = rest[close.upperBound...]
        }
        result += rest
        // Arguments that slipped into the name are not part of it.
        if let bracket = result.firstIndex(where: { $0 == "(" || $0 == "{" }) { result = String(result[..<bracket]) }
        return result
    }

    /// Lower case, with one underscore for whatever is no letter or digit, and none at the ends.
    private static func folded(_ text: String) -> String {
        var result = ""
        for character in text.lowercased() {
            if character.isLetter || character.isNumber {
                result.append(character)
            } else if !result.isEmpty, result.last != "_" {
                result.append("_")
            }
        }
        if result.last == "_" { result.removeLast() }
        return result
    }

    /// Whether a folded name stands in a folded text between underscores or ends.
    private static func holds(_ text: String, _ name: String) -> Bool {
        !name.isEmpty && ("_" + text + "_").contains("_" + name + "_")
    }
}
