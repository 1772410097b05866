// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Text

/// Passages as a model reads them: `[id] title`, then the text, as many as fit.
struct PassageText {
    let limits: ToolLimits
    private(set) var text: String
    private(set) var shown: [ShownPassage] = []
    private var characters: Int

    /// Room that stays free for the note at the end.
    private static let reserve = 240

    init(header: String, limits: ToolLimits) {
        self.limits = limits
        text = header
        characters = header.count
    }

    /// Adds a passage when it fits. The first one always fits: its text is cut.
    /// - Parameters:
    ///   - rank: its number in the list; nil for none.
    ///   - most: the most characters of its text.
    /// - Returns: whether it was added.
    mutating func append(_ scored: ShownPassage, rank: Int?, most: Int, showsScore: Bool) -> Bool {
        let passage = scored.passage
        var head = "\n" + (rank.map { "\($0). " } ?? "") + "[\(passage.id)]"
        if !passage.title.isEmpty { head += " " + oneLine(passage.title, most: 200) }
        if showsScore { head += " (score \(shortNumber(scored.score)))" }
        let room = limits.outputCharacters - Self.reserve - characters - head.count - 1
        guard shown.isEmpty || room >= min(most, passage.text.count) else { return false }
        var body = passage.text
        let allowed = max(200, min(most, room))
        if body.count > allowed { body = String(body.prefix(allowed)) + " … [cut; read \(passage.id) for the rest]" }
        let added = head + "\n" + body
        text += added
        characters += added.count
        shown.append(scored)
        return true
    }

    mutating func note(_ line: String) {
        text += "\n" + line
        characters += line.count + 1
    }
}

/// The text without line breaks, and cut with an ellipsis when it is longer.
func oneLine(_ text: String, most: Int) -> String {
    let joined = text.textLines(omittingEmpty: true).joined(separator: " ")
    return joined.count > most ? String(joined.prefix(most - 1)) + "…" : joined
}

/// A number with at most four significant digits after its integer part: `12.35`, `0.8312`, `3`.
func shortNumber(_ value: Double) -> String {
    if let whole = Int(exactly: value) { return String(whole) }
    guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
    let scale = abs(value) >= 10 ? 100.0 : 10_000.0
    let rounded = (value * scale).rounded() / scale
    return Int(exactly: rounded).map(String.init) ?? "\(rounded)"
}

/// `1 passage`, `2 passages`.
func counted(_ count: Int, _ noun: String) -> String { count == 1 ? "1 \(noun)" : "\(count) \(noun)s" }
