// SPDX-License-Identifier: Apache-2.0

import Foundation
import TextProcessing

/// "Which was started first, A or B?": compares two things that the question and the evidence's titles name, by the year
/// that each passage gives first.
struct YearComparison {
    /// One of the things compared.
    struct Side {
        var item: Int
        var sentence: String
        var year: Int
    }

    /// The thing that the question asks for, and the other.
    var chosen: Side
    var other: Side

    private static let earlier: Set<String> = ["first", "earlier", "earliest", "older", "oldest", "before"]
    private static let later: Set<String> = [
        "later", "latest", "newer", "newest", "younger", "youngest", "recently", "last",
    ]

    /// Nil when the question is no such comparison, or the evidence does not decide it.
    init?(question: String, items: [EvidenceItem]) {
        let key = " \(TitleNormalizer.key(for: question)) "
        let words = Set(key.split(separator: " ").map(String.init))
        let wantsEarlier = !words.isDisjoint(with: Self.earlier)
        guard words.contains("or"), wantsEarlier != !words.isDisjoint(with: Self.later) else { return nil }
        var sides: [(place: String.Index, title: String, side: Side)] = []
        for (index, item) in items.enumerated() {
            let title = TitleNormalizer.key(for: item.title)
            guard !title.isEmpty, !sides.contains(where: { $0.title == title }),
                let place = key.range(of: " \(title) ")?.lowerBound, let found = Self.firstYear(item)
            else { continue }
            sides.append((place, title, Side(item: index, sentence: found.sentence, year: found.year)))
        }
        // A title inside another ("Guitar" in "Guitar World") names nothing of its own.
        let titles = sides.map(\.title)
        sides.removeAll { side in titles.contains { $0 != side.title && $0.contains(side.title) } }
        guard sides.count == 2, sides[0].side.year != sides[1].side.year else { return nil }
        let firstIsEarlier = sides[0].side.year < sides[1].side.year
        (chosen, other) =
            firstIsEarlier == wantsEarlier ? (sides[0].side, sides[1].side) : (sides[1].side, sides[0].side)
    }

    private static func firstYear(_ item: EvidenceItem) -> (sentence: String, year: Int)? {
        for sentence in SentenceSplitter().split(item.text).prefix(32) {
            let numbers = sentence.split { !$0.isNumber }.filter { $0.utf8.count == 4 }.compactMap { Int($0) }
            if let year = numbers.first(where: { (1000...2100).contains($0) }) {
                return (sentence.trimmingCharacters(in: .whitespacesAndNewlines), year)
            }
        }
        return nil
    }
}
