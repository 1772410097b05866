// SPDX-License-Identifier: Apache-2.0

import Base

/// What stands in the margins of most pages (of two or three: of all) and is no part of the text: the name of the book, the
/// number of the page.
///
/// Only the position tells such a line from content: it is in the upper or lower margin, the outermost of its page, with
/// a gap to the text, and at the same height with the same words on other pages. A number there is a page's number when it
/// goes up by one with the pages; any other line whose numbers differ is content. One copy of each line stays, the first
/// page's, and no page is left empty.
struct RunningHeads {
    /// For each page the pieces to take away, by their places among its segments.
    private(set) var repeated: [Set<Int>]
    /// The same with the copies that stay.
    private(set) var all: [Set<Int>]

    /// The part of a page's height that is margin, at either end.
    private static let margin = 0.125
    /// Pages that must have a line before it counts as repeated.
    private static let leastPages = 3

    /// A piece of text at a height.
    private struct Place: Hashable {
        let text: String
        let height: Int
    }

    /// How the number of a page is written, and what it is ahead of the page's place in the file.
    private struct Count: Hashable {
        let isRoman: Bool
        let ahead: Int
    }

    init(_ pages: [PageLayout?]) {
        repeated = Array(repeating: [], count: pages.count)
        all = repeated
        guard pages.count > 1 else { return }
        // On two or three pages all of them must have the line.
        let isShort = pages.count <= Self.leastPages
        let leastCounted = min(Self.leastPages, pages.count)
        var places: [Place: Int] = [:]
        var counts: [Count: Int] = [:]
        for (page, layout) in pages.enumerated() {
            guard let layout else { continue }
            var seen: Set<Place> = []
            var counted: Set<Count> = []
            for segment in layout.segments where Self.isInMargin(segment, layout) {
                // A glyph's height differs by its font: lines within a step of each other are at one height.
                let step = Self.step(segment)
                let text = Self.key(segment.text, page)
                for height in (step - 1)...(step + 1) { seen.insert(Place(text: text, height: height)) }
                if let count = Self.count(segment.text, page) { counted.insert(count) }
            }
            for place in seen { places[place, default: 0] += 1 }
            for count in counted { counts[count, default: 0] += 1 }
        }
        // Left and right pages have heads of their own.
        let least = isShort ? pages.count : max(Self.leastPages, (pages.count * 2 + 4) / 5)
        func isCounted(_ text: String, _ page: Int) -> Bool {
            Self.count(text, page).map { counts[$0, default: 0] >= leastCounted && (!isShort || $0.ahead == 1) }
                ?? false
        }
        var kept: Set<String> = []
        for (page, layout) in pages.enumerated() {
            guard let layout else { continue }
            let found = Self.heads(layout) { segment in
                isCounted(segment.text, page)
                    || places[Place(text: Self.key(segment.text, page), height: Self.step(segment)), default: 0]
                        >= least
            }
            let isEmptied = layout.segments.indices.allSatisfy {
                found.contains($0) || !Self.hasWords(layout.segments[$0])
            }
            guard !isEmptied else { continue }
            all[page] = found
            repeated[page] = found.filter { index in
                let text = layout.segments[index].text
                return isCounted(text, page) || !kept.insert(Self.key(text, page)).inserted
            }
        }
    }

    /// The pieces of a page that head or foot it, from the outermost row inwards.
    private static func heads(_ layout: PageLayout, _ isUsual: (PageLayout.Segment) -> Bool) -> Set<Int> {
        let rows = layout.rows()
        var found: Set<Int> = []
        for order in [Array(rows), rows.reversed()] {
            var taken: [PageLayout.Row] = []
            for row in order {
                guard row.members.allSatisfy({ isInMargin(layout.segments[$0], layout) }) else { break }
                let usual = row.members.filter { isUsual(layout.segments[$0]) }
                if usual.count < row.members.count {
                    // Beside the number of the page may stand the name of the chapter.
                    if isApart(row, order, taken.count, layout) { found.formUnion(usual) }
                    break
                }
                taken.append(row)
            }
            // A head is apart from the text; the row of names above the columns of a table is not.
            while let last = taken.last, !isApart(last, order, taken.count - 1, layout) { taken.removeLast() }
            for row in taken { found.formUnion(row.members) }
        }
        return found
    }

    /// Whether a row has a gap to the next one inwards, and no columns that go on there.
    private static func isApart(
        _ row: PageLayout.Row, _ order: [PageLayout.Row], _ place: Int, _ layout: PageLayout
    ) -> Bool {
        guard place + 1 < order.count else { return true }
        let next = order[place + 1]
        let gap = max(next.y1 - row.y2, row.y1 - next.y2)
        guard gap > 0.8 * max(row.y2 - row.y1, 1) else { return false }
        guard row.members.count >= 3, next.members.count >= 2 else { return true }
        let shared = row.members.count { member in
            let head = layout.segments[member]
            return next.members.contains { cell in
                let cell = layout.segments[cell]
                return abs(cell.x1 - head.x1) < 2 || abs(cell.x2 - head.x2) < 2
                    || abs(cell.x1 + cell.x2 - head.x1 - head.x2) < 4
            }
        }
        return shared < 2 || gap > 4 * max(row.y2 - row.y1, 1)
    }

    private static func isInMargin(_ segment: PageLayout.Segment, _ layout: PageLayout) -> Bool {
        guard layout.height > 0, segment.height > 0, segment.text.utf8.count <= 300 else { return false }
        // Below short pages of a large margin the number of the page stands farther in.
        let margin = count(segment.text, 0) == nil ? margin : 0.2
        return segment.y2 <= margin * layout.height || segment.y1 >= (1 - margin) * layout.height
    }

    private static func step(_ segment: PageLayout.Segment) -> Int {
        Int((max(-1e6, min(1e6, segment.middle)) / 3).rounded())
    }

    private static func hasWords(_ segment: PageLayout.Segment) -> Bool {
        segment.text.unicodeScalars.contains { $0.properties.isAlphabetic || $0.properties.numericType != nil }
    }

    // MARK: Numbers of pages

    private static let pageWords: Set<String> = [
        "page", "pages", "pg", "p", "pp", "seite", "s", "página", "pagina", "pág", "pag", "strona", "str", "sida",
        "side",
        "sivu", "страница", "стр", "с", "sayfa", "halaman", "trang", "ページ", "頁", "页", "第", "쪽", "صفحة",
    ]
    private static let ofWords: Set<String> = ["of", "von", "de", "di", "sur", "z", "av", "af", "из", "共"]

    /// A text with what it says of the page's number in a form that is the same on every page: "Minutes, page 7 of 20".
    private static func key(_ text: String, _ page: Int) -> String {
        guard text.utf8.contains(where: { $0 >= 48 && $0 < 58 }) else { return text }
        let words = text.lowercased().split { !$0.isLetter && !$0.isNumber }
        for (place, word) in words.enumerated() {
            guard let value = Int(word), value < 100_000 else { continue }
            let isNamed = place > 0 && words[place - 1].count > 1 && pageWords.contains(String(words[place - 1]))
            let isOfAll =
                place + 2 < words.count && ofWords.contains(String(words[place + 1]))
                && Int(words[place + 2]).map { $0 >= value } == true
            guard isNamed || isOfAll else { continue }
            var parts = words.map(String.init)
            parts[place] = "#\(value - page)"
            return parts.joined(separator: " ")
        }
        return text
    }

    /// What a text counts when it is nothing but the number of a page: "7", "- 7 -", "Page 7 of 20", "vii".
    private static func count(_ text: String, _ page: Int) -> Count? {
        guard text.utf8.count <= 40 else { return nil }
        var words: [String] = []
        var isDigit: Bool?
        for scalar in text.lowercased().unicodeScalars {
            guard scalar.properties.isAlphabetic || scalar.properties.numericType == .decimal else {
                guard " .·•|/-–—[]()<>:,".unicodeScalars.contains(scalar) || scalar.properties.isWhitespace else {
                    return nil
                }
                isDigit = nil
                continue
            }
            let digit = scalar.properties.numericType == .decimal
            if isDigit != digit { words.append("") }
            isDigit = digit
            words[words.count - 1].unicodeScalars.append(scalar)
        }
        var numbers: [(value: Int, isRoman: Bool)] = []
        for word in words {
            if let value = Int(TextNumber.ascii(word)) {
                numbers.append((value, false))
            } else if words.count == 1, let value = roman(word) {
                numbers.append((value, true))
            } else if !pageWords.contains(word), !ofWords.contains(word) {
                return nil
            }
        }
        // "7 of 20", "7/20"; more than that is a date.
        guard let first = numbers.first, numbers.count <= 2, numbers.count == 1 || first.value <= numbers[1].value
        else {
            return nil
        }
        guard first.value < 100_000 else { return nil }
        return Count(isRoman: first.isRoman, ahead: first.value - page)
    }

    /// The value of a small Roman number.
    private static func roman(_ word: String) -> Int? {
        let values: [Character: Int] = ["i": 1, "v": 5, "x": 10, "l": 50, "c": 100]
        var total = 0
        var last = 0
        for letter in word.reversed() {
            guard let value = values[letter] else { return nil }
            total += value < last ? -value : value
            last = max(last, value)
        }
        return total > 0 ? total : nil
    }
}

/// Digits of any script as those of ASCII.
enum TextNumber {
    static func ascii(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    guard scalar.properties.numericType == .decimal, let value = scalar.properties.numericValue,
                        let digit = Unicode.Scalar(UInt32(48 + Int(value)))
                    else { return scalar }
                    return digit
                }))
    }
}
