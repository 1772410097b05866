// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Datasets
import Text

/// Where the pairs of a query and its passage come from that an encoder learns by. One entry, one method: `--pairs` names
/// them. All but `questions` need nothing but the passages.
public struct PairSource: Sendable {
    public let name: String
    /// Makes about so many items; `passages` may grow by those that were cut from others.
    let make:
        @Sendable (
            _ set: ReaderMaterial, _ count: Int, _ passages: inout [ReaderPassage], _ generator: inout SplitMix64
        ) -> [ReaderMaterial.Item]

    /// The sources that can be named.
    public static let all: [PairSource] = [questions, cloze, crops, spans, titles, links]

    /// The source of a name.
    public static func named(_ name: String) -> PairSource? { all.first { $0.name == name } }

    /// The set's own questions with their gold passages.
    static let questions = PairSource(name: "questions") { set, _, _, _ in set.items }

    /// A sentence of a passage with the passage around it, from which the sentence is taken out nine times of ten (the
    /// inverse cloze task, Lee et al., arXiv 1906.00300).
    static let cloze = PairSource(name: "cloze") { set, count, passages, generator in
        drawn(set, count, &generator) { number, generator in
            let passage = set.passages[number]
            let sentences = SentenceSplitter().split(passage.text)
            guard sentences.count > 1 else { return nil }
            let place = generator.integer(below: sentences.count)
            let words = sentences[place].split(whereSeparator: \.isWhitespace)
            guard words.count >= 4 else { return nil }
            guard generator.uniform() < 0.9 else { return item(sentences[place], number, of: number) }
            let rest = sentences.indices.filter { $0 != place }.map { sentences[$0] }.joined(separator: " ")
            passages.append(ReaderPassage(title: passage.title, text: rest))
            return item(sentences[place], passages.count - 1, of: number)
        }
    }

    /// Two runs of words cut from one passage (Contriever's independent cropping, arXiv 2112.09118).
    static let crops = PairSource(name: "crops") { set, count, passages, generator in
        drawn(set, count, &generator) { number, generator in
            let words = set.passages[number].text.split(whereSeparator: \.isWhitespace)
            guard words.count >= 12 else { return nil }
            func crop(_ generator: inout SplitMix64) -> String {
                let share = 0.1 + 0.4 * generator.uniform()
                let length = max(5, Int(share * Double(words.count)))
                let start = generator.integer(below: max(1, words.count - length + 1))
                return words[start..<min(words.count, start + length)].joined(separator: " ")
            }
            let query = crop(&generator)
            passages.append(ReaderPassage(title: "", text: crop(&generator)))
            return item(query, passages.count - 1, of: number)
        }
    }

    /// A window around a run of words that another passage holds as well, with that passage; every other time the run is
    /// taken out of the window (Spider's recurring spans, arXiv 2112.07708).
    static let spans = PairSource(name: "spans") { set, count, passages, generator in
        let recurring = recurringSpans(set.passages)
        guard !recurring.isEmpty else { return [] }
        return drawn(set, count, &generator) { _, generator in
            let found = recurring[generator.integer(below: recurring.count)]
            var pair = found.passages
            generator.shuffle(&pair)
            let words = set.passages[pair[0]].text.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let start = place(of: found.words, in: words) else { return nil }
            let before = words[max(0, start - 12)..<start]
            let end = start + found.words.count
            let own = generator.uniform() < 0.5 ? words[start..<end] : []
            let query = (before + own + words[end..<min(words.count, end + 12)]).joined(separator: " ")
            return item(query, pair[1], of: pair[0])
        }
    }

    /// A passage's title with its text.
    static let titles = PairSource(name: "titles") { set, count, passages, generator in
        drawn(set, count, &generator) { number, _ in
            let passage = set.passages[number]
            guard !passage.title.isEmpty else { return nil }
            passages.append(ReaderPassage(title: "", text: passage.text))
            return item(passage.title, passages.count - 1, of: number)
        }
    }

    /// A sentence that names another passage's title, with that passage.
    static let links = PairSource(name: "links") { set, count, _, generator in
        var byTitle: [String: Int] = [:]
        for (number, passage) in set.passages.enumerated() {
            let key = TitleNormalizer.key(for: TitleNormalizer.withoutDisambiguation(passage.title))
            if key.utf8.count >= 4, byTitle[key] == nil { byTitle[key] = number }
        }
        return drawn(set, count, &generator) { number, generator in
            var sentences = SentenceSplitter().split(set.passages[number].text)
            generator.shuffle(&sentences)
            for sentence in sentences {
                let words = TitleNormalizer.key(for: sentence).split(separator: " ").map(String.init)
                for length in stride(from: min(5, words.count), through: 1, by: -1) {
                    for start in 0...(words.count - length) {
                        let key = words[start..<(start + length)].joined(separator: " ")
                        if let other = byTitle[key], other != number { return item(sentence, other, of: number) }
                    }
                }
            }
            return nil
        }
    }

    // MARK: Parts

    private static func item(_ query: String, _ passage: Int, of origin: Int) -> ReaderMaterial.Item {
        ReaderMaterial.Item(
            question: query, answers: [], gold: [passage], context: [], isAnswerable: true,
            origins: origin == passage ? [] : [origin])
    }

    /// Tries passages at random until there are so many items, or the tries are used up.
    private static func drawn(
        _ set: ReaderMaterial, _ count: Int, _ generator: inout SplitMix64,
        _ make: (_ passage: Int, _ generator: inout SplitMix64) -> ReaderMaterial.Item?
    ) -> [ReaderMaterial.Item] {
        var items: [ReaderMaterial.Item] = []
        guard !set.passages.isEmpty else { return [] }
        for _ in 0..<(4 * count) where items.count < count {
            if let made = make(generator.integer(below: set.passages.count), &generator) { items.append(made) }
        }
        return items
    }

    /// Runs of three to five words, a capital or a digit among them, that stand in two passages or more, in few of them.
    static func recurringSpans(_ passages: [ReaderPassage]) -> [(words: [String], passages: [Int])] {
        var found: [[String]: [Int]] = [:]
        for (number, passage) in passages.prefix(20_000).enumerated() {
            let words = passage.text.split(whereSeparator: \.isWhitespace).map(String.init)
            guard words.count >= 3 else { continue }
            var own = Set<[String]>()
            for start in 0...(words.count - 3) {
                let run = Array(words[start..<(start + 3)])
                guard run.allSatisfy({ $0.first.map { $0.isUppercase || $0.isNumber } ?? false }) else { continue }
                if own.insert(run).inserted { found[run, default: []].append(number) }
            }
        }
        return found.filter { (2...8).contains($0.value.count) }
            .sorted { $0.key.joined(separator: " ") < $1.key.joined(separator: " ") }
            .map { (words: $0.key, passages: $0.value) }
    }

    private static func place(of run: [String], in words: [String]) -> Int? {
        guard words.count >= run.count else { return nil }
        return (0...(words.count - run.count)).first { words[$0..<($0 + run.count)].elementsEqual(run) }
    }
}

extension ReaderMaterial {
    /// The same passages with other pairs to learn from: about so many.
    public func pairs(_ source: PairSource, count: Int, seed: UInt64) -> ReaderMaterial {
        var generator = SplitMix64(seed: seed, stream: 0xAA12)
        var made = self
        var all = passages
        made.items = source.make(self, count, &all, &generator)
        made.passages = all
        return made
    }
}
