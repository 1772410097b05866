// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Text

/// Answers with the best-supported sentence of the evidence, word for word, and labels it as such: what is always
/// possible, without any model. Of two things whose years the question compares it names the one (``YearComparison``).
///
/// A sentence is worth the share of the question's informative words that it holds (rare words of the evidence weigh
/// more), what the words around it add, and how good its passage is. The passages of other documents that share the
/// sentence's words stand behind it as further citations.
public struct ExtractiveAnswerer: Answerer {
    /// How many passages an answer cites at most. Default 3.
    public var citations: Int
    /// The language of the texts; nil reads them as English.
    public var language: TextLanguage?

    public var name: String { "extractive" }

    public init(citations: Int = 3) {
        self.citations = citations
    }

    public func answer(
        _ question: Question, from evidence: Evidence, using context: StepContext
    ) async throws -> Answer {
        extract(question, from: evidence)
    }

    /// The best-supported sentence; an answer with the label `none` when there is no evidence.
    public func extract(_ question: Question, from evidence: Evidence) -> Answer {
        let ranking = evidence.ranking
        if let compared = comparison(question, from: evidence) { return compared }
        let words = EvidenceWords(question: question.text, items: ranking, language: language)
        // A sentence that holds no word of the question is only what the search put first.
        guard let best = words.bestSentence(), best.coverage > 0 else {
            return Answer(
                text: Answer.nothingFound, label: .none, answerer: name)
        }
        let item = ranking[best.item]
        var cited = [
            Citation(passageID: item.passageID, title: item.title, quote: best.text, support: best.coverage)
        ]
        for other in words.supporters(of: best).prefix(max(0, citations - 1)) {
            let item = ranking[other.item]
            cited.append(
                Citation(passageID: item.passageID, title: item.title, quote: other.text, support: other.coverage))
        }
        return Answer(
            text: best.text, label: .extractive, answerer: name, citations: cited, confidence: best.coverage)
    }

    /// The answer to a comparison of two things by their years, which is computed where a reader can only copy; nil for
    /// other questions, and where the evidence does not name both years.
    package func comparison(_ question: Question, from evidence: Evidence) -> Answer? {
        let ranking = evidence.ranking
        guard let comparison = YearComparison(question: question.text, items: ranking) else { return nil }
        let chosen = ranking[comparison.chosen.item]
        let sides = [comparison.chosen, comparison.other]
        let cited =
            sides.map { side in
                Citation(
                    passageID: ranking[side.source].passageID, title: ranking[side.source].title,
                    quote: side.sentence, support: comparison.isDecided ? 1 : 0.5)
            }
            + sides.filter { $0.item != $0.source }.map { side in
                let item = ranking[side.item]
                return Citation(
                    passageID: item.passageID, title: item.title,
                    quote: SentenceSplitter().split(item.text).first?.trimmingCharacters(
                        in: .whitespacesAndNewlines)
                        ?? item.title, support: 1)
            }
        return Answer(
            text: TitleNormalizer.withoutDisambiguation(chosen.title), label: .extractive, answerer: name,
            citations: cited, confidence: comparison.isDecided ? nil : 0.5)
    }
}

/// The words of a question and of the sentences of its evidence, weighed by how rare they are in the evidence.
struct EvidenceWords {
    /// A sentence with how much of the question it covers.
    struct Sentence {
        var item: Int
        var text: String
        var terms: Set<String>
        /// The weighted share of the question's terms that it and its title hold, 0 to 1.
        var coverage: Double
        var value: Double
    }

    private(set) var sentences: [Sentence] = []
    private let questionTerms: Set<String>

    static let analyzer = try? TextAnalyzer(AnalyzerOptions())

    static func terms(_ text: String) -> Set<String> {
        Set(analyzer?.terms(in: text) ?? text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
    }

    /// - Parameter facts: sentences that are known, which the others should be about as well. A fact among the items'
    ///   sentences is judged by the question and the other facts, never by itself.
    init(question: String, facts: [String] = [], items: [EvidenceItem], language: TextLanguage? = nil) {
        let own = language.flatMap { $0 == .english ? nil : try? TextAnalyzer(AnalyzerOptions(language: $0)) }
        func terms(_ text: String) -> Set<String> { own.map { Set($0.terms(in: text)) } ?? EvidenceWords.terms(text) }
        let asked = terms(question)
        var known: [String: Int] = [:]
        for fact in facts { for term in terms(fact) { known[term, default: 0] += 1 } }
        let factTexts = Set(facts)
        questionTerms = asked.union(known.keys)
        let splitter = SentenceSplitter(abbreviations: own == nil ? .english : .german)
        var frequency: [String: Int] = [:]
        var titles: [Set<String>] = []
        for (index, item) in items.enumerated() {
            titles.append(terms(item.title))
            let texts = item.sentences.isEmpty ? splitter.split(item.text) : item.sentences
            for text in texts.prefix(64) {
                let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
                guard trimmed.utf8.count > 3 else { continue }
                let own = terms(trimmed)
                for term in own { frequency[term, default: 0] += 1 }
                sentences.append(Sentence(item: index, text: trimmed, terms: own, coverage: 0, value: 0))
            }
        }
        let count = Double(max(1, sentences.count))
        func weight(_ term: String) -> Double { Foundation.log(1 + count / Double(frequency[term] ?? 1)) }
        func total(_ terms: Set<String>) -> Double { terms.sorted().reduce(0) { $0 + weight($1) } }
        let whole = total(questionTerms)
        let top = items.first?.score ?? 1
        let bottom = items.last?.score ?? 0
        for index in sentences.indices {
            let sentence = sentences[index]
            let isFact = factTexts.contains(sentence.text)
            let wanted =
                isFact
                ? asked.union(known.keys.filter { known[$0, default: 0] > (sentence.terms.contains($0) ? 1 : 0) })
                : questionTerms
            let all = isFact ? total(wanted) : whole
            let held = total(wanted.intersection(sentence.terms))
            let title = total(wanted.intersection(titles[sentence.item]).subtracting(sentence.terms))
            sentences[index].coverage = all > 0 ? min(1, (held + title) / all) : 0
            let score = items[sentence.item].score
            let standing = top > bottom ? (score - bottom) / (top - bottom) : 1
            let news = sentence.terms.subtracting(wanted).count
            // A sentence that only repeats the question answers nothing; a very long one says too much.
            let length = news == 0 ? 0.5 : 1 / (1 + max(0, Double(sentence.terms.count - 40)) / 40)
            sentences[index].value = (sentences[index].coverage + 0.35 * standing) * length
        }
    }

    func bestSentence() -> Sentence? {
        var best: Sentence?
        for sentence in sentences where sentence.value > (best?.value ?? 0) { best = sentence }
        return best
    }

    /// The best sentence of each other passage that shares words with `sentence`, best first.
    func supporters(of sentence: Sentence) -> [Sentence] {
        var byItem: [Int: Sentence] = [:]
        for other in sentences where other.item != sentence.item {
            let shared = other.terms.intersection(sentence.terms.union(questionTerms)).count
            guard shared >= 2, other.value > (byItem[other.item]?.value ?? 0) else { continue }
            byItem[other.item] = other
        }
        return byItem.values.sorted { ($0.value, $1.item) > ($1.value, $0.item) }
    }
}
