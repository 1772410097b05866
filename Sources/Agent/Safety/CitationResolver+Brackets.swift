// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Which brackets of a text are citations. Only those whose whole content is an id, a title or a handle that was shown, or has
/// the form of one where a citation stands, are read as such; every other bracket (code, intervals, links, JSON, words put
/// into a quotation) is text and stays.
extension CitationResolver {
    /// The longest content of a bracket that may be a citation, in bytes.
    static let longestCitation = 600

    /// Resolves `[a]` and `[a, b]` in a text: known ids stay, repaired ones are written right; ids that name nothing go.
    func replaceBrackets(in text: String, citations: inout [Citation]) -> String {
        guard text.contains(where: { $0 == "[" || $0 == "【" }) else { return text }
        let code = Self.codeSpans(of: text)
        var result = ""
        var place = text.startIndex
        while let open = text[place...].firstIndex(where: { $0 == "[" || $0 == "【" }) {
            result += text[place..<open]
            guard let close = closing(of: open, in: text) else {
                result.append(text[open])
                place = text.index(after: open)
                continue
            }
            let isCode = code.contains { $0.contains(open) }
            let written = text[open...close]
            let read = read(text, open, close)
            citations += read.citations
            if isCode || !read.isCitation {
                result += written
            } else if !read.names.isEmpty {
                result += "[" + read.names.joined(separator: ", ") + "]"
            }
            place = text.index(after: close)
        }
        result += text[place...]
        return result
    }

    /// Where the bracket that opens at a place closes: before another opens, or around others where the whole is an id. Nil
    /// where it is a bracket of its own, or too far away.
    private func closing(of open: String.Index, in text: String) -> String.Index? {
        let end: Character = text[open] == "[" ? "]" : "】"
        let inside = text[text.index(after: open)...]
        var depth = 0
        var bytes = 0
        var isNested = false
        for index in inside.indices {
            let character = inside[index]
            bytes += character.utf8.count
            guard bytes <= Self.longestCitation, character != "\n" else { return nil }
            if character == text[open] {
                depth += 1
                isNested = true
            } else if character == end {
                if depth == 0 {
                    let whole = String(inside[..<index])
                    if isNested, resolve(whole) == .unknown { return nil }
                    return index
                }
                depth -= 1
            }
        }
        return nil
    }

    private struct Reading {
        /// The ids that it cites, as they are written.
        var names: [String] = []
        var citations: [Citation] = []
        /// Whether the bracket is nothing but a citation, so that it is written anew, or left out where it names nothing.
        var isCitation = false
    }

    private func read(_ text: String, _ open: String.Index, _ close: String.Index) -> Reading {
        let inner = text[text.index(after: open)..<close]
        // An id may hold a comma or a semicolon: the whole is tried first.
        let whole = String(inner)
        let parts =
            resolve(whole) == .unknown
            ? inner.split { $0 == "," || $0 == ";" || $0 == "|" }.map { $0.trimmingCharacters(in: .whitespaces) }
            : [whole]
        var reading = Reading()
        var unknown: [String] = []
        for part in parts where !part.isEmpty {
            switch resolve(part) {
            case .exact(let id):
                reading.names.append(id)
                reading.citations.append(Citation(passageID: id))
            case .repaired(let id):
                reading.names.append(id)
                reading.citations.append(
                    Citation(passageID: id, repairedFrom: part.trimmingCharacters(in: .whitespaces)))
            case .unknown: unknown.append(part)
            }
        }
        let before = open > text.startIndex ? text[text.index(before: open)] : nil
        let after = text.index(after: close)
        // A list of JSON texts, the text of a link and what a link refers to are more than a citation.
        let isQuoted = inner.drop(while: \.isWhitespace).first.map { "\"'“".contains($0) } ?? false
        let isLinked = after < text.endIndex && (text[after] == "(" || text[after] == ":")
        guard !isQuoted, !isLinked, !parts.allSatisfy(\.isEmpty) else { return reading }
        if unknown.isEmpty {
            reading.isCitation = true
        } else if !reading.names.isEmpty {
            reading.isCitation = unknown.allSatisfy { hasIDForm($0) || isShort($0) }
        } else {
            reading.isCitation = stands(asCitation: after, after: before, in: text) && unknown.allSatisfy(hasIDForm)
        }
        return reading
    }

    /// A word alone, beside ids that are known.
    private func isShort(_ text: String) -> Bool {
        text.utf8.count <= 64 && !text.contains(where: \.isWhitespace)
    }

    /// Whether a text has the form of an id or a handle: one word of letters with digits or joining signs in it, a number of
    /// the list of passages, or, where the ids themselves are plain words, a word.
    private func hasIDForm(_ text: String) -> Bool {
        guard (1...128).contains(text.utf8.count), !text.contains(where: \.isWhitespace) else { return false }
        guard text.allSatisfy({ $0.isLetter || $0.isNumber || "-_.:#/†".contains($0) }) else { return false }
        if text.allSatisfy(\.isNumber) { return Int(text).map { (1...max(1, retrievedCount)).contains($0) } ?? false }
        guard let first = text.first, first.isLetter || first.isNumber else { return false }
        let hasSign = text.contains { $0.isNumber || "-_.:#/†".contains($0) }
        if hasSign { return text.contains(where: \.isLetter) && text.count >= 2 }
        return text.count >= 5 && text.allSatisfy(\.isLowercase) && hasPlainIDs
    }

    /// Whether a bracket stands where a citation does: after a word and a blank, a stop or another citation, and at the end of
    /// a clause.
    private func stands(asCitation after: String.Index, after before: Character?, in text: String) -> Bool {
        if let before, !before.isWhitespace, !".!?,;:]】)\"”»。".contains(before) { return false }
        let rest = text[after...].drop { $0 == " " }
        guard let next = rest.first else { return true }
        return ".!?,;:\n\r[【)。，；".contains(next)
    }

    /// The spans of code in a Markdown text: fenced blocks, and what stands between backquotes in a line.
    private static func codeSpans(of text: String) -> [Range<String.Index>] {
        guard text.contains("`") else { return [] }
        var spans: [Range<String.Index>] = []
        var place = text.startIndex
        while let open = text[place...].firstIndex(of: "`"), spans.count < 256 {
            let ticks = text[open...].prefix { $0 == "`" }
            let inside = text[ticks.endIndex...]
            guard let close = inside.firstRange(of: String(ticks)) else {
                // A block that is never closed reaches to the end; a single sign is one.
                if ticks.count >= 3 { spans.append(open..<text.endIndex) }
                break
            }
            if ticks.count >= 3 || !inside[..<close.lowerBound].contains("\n") {
                spans.append(open..<close.upperBound)
                place = close.upperBound
            } else {
                place = ticks.endIndex
            }
        }
        return spans
    }
}
