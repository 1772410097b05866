// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// "Which was started first, A or B?": compares two things that the question and the evidence's titles name, by the year
/// that each passage gives first; people also by the year of their death or by how long they lived.
///
/// "Which film has the director who was born later, A or B?" compares who stands behind each: the passage of the evidence
/// whose title the thing's own passage names, next to the relation that is asked for.
public struct YearComparison {
    /// One of the things compared.
    struct Side {
        /// The passage about it.
        var item: Int
        /// The passage that gives the number, and the sentence in which it stands.
        var source: Int
        var sentence: String
        /// A year, or years of life.
        var value: Int
    }

    /// The thing that the question asks for, and the other.
    let chosen: Side
    let other: Side
    /// Whether what the question asks for was compared; else only the years that the two passages give, which go the same way
    /// more often than not: an earlier film mostly has a director who was born earlier.
    let isDecided: Bool

    /// Nil when the question is no such comparison, or the evidence does not decide it.
    init?(question: String, items: [EvidenceItem]) {
        guard let asked = Asked(question) else { return nil }
        let named = asked.sides(items)
        var sides = named.compactMap { asked.side($0, of: items, among: named) }
        isDecided = sides.count == 2
        if !isDecided, named.count == 2 { sides = named.compactMap { asked.ownYear($0, of: items) } }
        guard sides.count == 2, sides[0].value != sides[1].value else { return nil }
        let firstIsLess = sides[0].value < sides[1].value
        chosen = firstIsLess == asked.wantsLess ? sides[0] : sides[1]
        other = firstIsLess == asked.wantsLess ? sides[1] : sides[0]
    }

    /// Whether the evidence is about both things that the question compares, but not yet about who stands behind them.
    public static func isOpen(_ question: String, _ evidence: Evidence) -> Bool {
        guard let asked = Asked(question), asked.relation != nil else { return false }
        let items = evidence.ranking
        let sides = asked.sides(items)
        return sides.count == 2 && !sides.allSatisfy { asked.side($0, of: items, among: sides) != nil }
    }

    /// What a question compares.
    private struct Asked {
        enum Measure { case firstYear, death, life }

        let key: String
        let measure: Measure
        /// Whether the smaller number wins.
        let wantsLess: Bool
        /// Who stands behind a thing, as the beginnings of the words that a text says it with; nil for the thing itself.
        let relation: [String]?

        private static let earlier: Set<String> = ["first", "earlier", "earliest", "older", "oldest", "before"]
        private static let later: Set<String> = [
            "later", "latest", "newer", "newest", "younger", "youngest", "recently", "last",
        ]
        private static let ofPeople: Set<String> = [
            "born", "birth", "older", "oldest", "younger", "youngest", "died", "die", "death", "lived",
        ]
        private static let relations: [(word: String, beginnings: [String])] = [
            ("director", ["direct"]), ("composer", ["compos", "music by", "score"]),
            ("author", ["writ", "wrote", "author"]),
            ("writer", ["writ", "wrote", "author"]), ("performer", ["perform", "sung", "record", "by "]),
            ("singer", ["sung", "record", "sing"]), ("producer", ["produc"]), ("founder", ["found"]),
            ("creator", ["creat"]), ("designer", ["design"]), ("painter", ["paint"]),
            ("husband", ["husband", "marri"]),
            ("wife", ["wife", "marri"]), ("spouse", ["marri"]), ("father", ["son of", "daughter of", "father"]),
            ("mother", ["son of", "daughter of", "mother"]),
        ]

        init?(_ question: String) {
            let key = " \(TitleNormalizer.key(for: question)) "
            let words = Set(key.split(separator: " ").map(String.init))
            guard words.contains("or") || key.contains(" out of ") else { return nil }
            let livedLonger = words.contains("lived") && words.contains("longer")
            let wantsEarlier = !words.isDisjoint(with: Self.earlier)
            let wantsLater = !words.isDisjoint(with: Self.later) || livedLonger
            guard wantsEarlier != wantsLater else { return nil }
            self.key = key
            wantsLess = wantsEarlier
            measure = livedLonger ? .life : words.isDisjoint(with: ["died", "die", "death"]) ? .firstYear : .death
            relation =
                words.isDisjoint(with: Self.ofPeople)
                ? nil : Self.relations.first { words.contains($0.word) || words.contains($0.word + "s") }?.beginnings
        }

        /// The passages about the two things; fewer or more where the evidence does not tell.
        func sides(_ items: [EvidenceItem]) -> [Int] {
            var found: [(item: Int, title: String)] = []
            for (index, item) in items.enumerated() {
                let names = [item.title, TitleNormalizer.withoutDisambiguation(item.title)].map {
                    TitleNormalizer.key(for: $0)
                }
                guard let title = names.first(where: { !$0.isEmpty && key.contains(" \($0) ") }),
                    !found.contains(where: { $0.title == title })
                else { continue }
                found.append((index, title))
            }
            // A title inside another ("Guitar" in "Guitar World") names nothing of its own.
            let titles = found.map(\.title)
            return found.filter { side in !titles.contains { $0 != side.title && $0.contains(side.title) } }.map(\.item)
        }

        /// The number of one thing; nil where the evidence does not give it.
        func side(_ item: Int, of items: [EvidenceItem], among sides: [Int]) -> Side? {
            guard let source = relation == nil ? item : behind(item, items, sides),
                let found = value(of: items[source], measure)
            else { return nil }
            return Side(item: item, source: source, sentence: found.sentence, value: found.value)
        }

        /// The year that a thing's own passage gives first; nil where nothing follows from it.
        func ownYear(_ item: Int, of items: [EvidenceItem]) -> Side? {
            guard measure != .life, let found = value(of: items[item], .firstYear) else { return nil }
            return Side(item: item, source: item, sentence: found.sentence, value: found.value)
        }

        /// The passage about who stands behind a thing: named in its passage, soonest after the relation.
        private func behind(_ item: Int, _ items: [EvidenceItem], _ sides: [Int]) -> Int? {
            let text = " " + TitleNormalizer.key(for: items[item].text) + " "
            guard let start = (relation ?? []).compactMap({ text.range(of: " " + $0)?.lowerBound }).min() else {
                return nil
            }
            var best: (place: String.Index, item: Int)?
            for (index, other) in items.enumerated() where !sides.contains(index) {
                let name = TitleNormalizer.key(for: TitleNormalizer.withoutDisambiguation(other.title))
                guard name.count >= 4, let place = text.range(of: " \(name) ", range: start..<text.endIndex)?.lowerBound
                else { continue }
                if best.map({ place < $0.place }) ?? true { best = (place, index) }
            }
            return best?.item
        }

        private func value(of item: EvidenceItem, _ measure: Measure) -> (sentence: String, value: Int)? {
            let sentences = SentenceSplitter().split(item.text).prefix(32).map {
                $0.trimmingCharacters(in: .whitespacesAndNewlines)
            }
            guard let first = sentences.lazy.compactMap({ text in Self.years(text).first.map { (text, $0) } }).first
            else { return nil }
            guard measure != .firstYear else { return first }
            guard let death = Self.death(sentences, birth: first) else { return nil }
            return measure == .death ? death : death.value > first.1 ? (death.sentence, death.value - first.1) : nil
        }

        /// The second year within the first brackets, or the year with which a sentence says that somebody died.
        private static func death(
            _ sentences: [String], birth: (sentence: String, value: Int)
        ) -> (sentence: String, value: Int)? {
            if let open = birth.sentence.firstIndex(of: "("),
                let close = birth.sentence[open...].firstIndex(of: ")")
            {
                let inside = years(String(birth.sentence[open..<close]))
                if inside.count > 1, let last = inside.last { return (birth.sentence, last) }
            }
            for sentence in sentences {
                guard let place = sentence.range(of: " died ")?.upperBound,
                    let year = years(String(sentence[place...])).first
                else { continue }
                return (sentence, year)
            }
            return nil
        }

        private static func years(_ text: String) -> [Int] {
            text.split { !$0.isNumber }.filter { $0.utf8.count == 4 }.compactMap { Int($0) }.filter {
                (1000...2100).contains($0)
            }
        }
    }
}
