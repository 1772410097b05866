// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import OrderedCollections
public import QualityMetrics
import Search
import Text

/// Finds, after the fact, the passages that support an answer, whoever wrote it.
///
/// A short answer is supported by a passage that holds it word for word, best where the words of the question are near; a
/// sentence by a passage that holds most of its informative words, of several the one that holds the longest run of them
/// word for word; yes and no, and one of two things compared, by the
/// passages about what the question names. An answer that nothing of this holds for is left without a citation and marked
/// as unsupported (``Answer/isSupported``).
struct Attribution {
    /// How much of a sentence's words a passage must hold.
    static let sentenceShare = 0.6
    /// How many words in a row tell where a sentence was taken from.
    static let copiedWords = 5
    /// The most citations that are added.
    static let most = 3

    private struct Source {
        var id: String
        var title: String
        var text: String
        /// The words of title and text, folded, one space around each.
        var words: String
        var terms: Set<String>
    }

    private let sources: [Source]
    private let question: Set<String>

    /// - Parameter state: what was kept comes before what was only seen.
    init(state: AgentState) {
        var sources: OrderedDictionary<String, Source> = [:]
        func add(_ id: String, _ title: String, _ text: String) {
            guard sources[id] == nil else { return }
            sources[id] = Source(
                id: id, title: title, text: text, words: Self.words(title + " " + text),
                terms: EvidenceWords.terms(title + " " + text))
        }
        for item in state.evidence.ranking { add(item.passageID, item.title, item.text) }
        for (id, found) in state.retrieved where sources.count < 60 { add(id, found.passage.title, found.passage.text) }
        self.sources = Array(sources.values)
        question = EvidenceWords.terms(state.question.text)
    }

    /// The answer with the citations that support it. Those that its writer gave stay, first.
    func attributed(_ answer: Answer) -> Answer {
        guard answer.label != .none, answer.label != .aggregate else { return answer }
        var answer = answer
        let prediction = answer.prediction
        let isCited = answer.citations.contains { holds(prediction, $0.passageID) || $0.support >= Self.sentenceShare }
        if isCited { return answer }
        let found = support(of: prediction, text: answer.text)
        if found.isEmpty {
            answer.isSupported = false
            return answer
        }
        let known = Set(answer.citations.map(\.passageID))
        answer.citations += found.filter { !known.contains($0.passageID) }
        return answer
    }

    /// Whether something that was found supports the answer.
    func supports(_ answer: Answer) -> Bool {
        !support(of: answer.prediction, text: answer.text).isEmpty
    }

    private func support(of prediction: String, text: String) -> [Citation] {
        let folded = Self.words(prediction)
        if folded == " yes " || folded == " no " || folded.count <= 1 { return aboutTheQuestion() }
        // Word for word: the passages that share most with the question first.
        if prediction.count <= 200 {
            let holding = sources.filter { $0.words.contains(folded) }
            if !holding.isEmpty {
                let ranked = holding.indices.sorted {
                    let (left, right) = (near(holding[$0]), near(holding[$1]))
                    return left != right ? left > right : $0 < $1
                }
                return ranked.prefix(2).map { citation(holding[$0], of: prediction, support: 1) }
            }
        }
        return sentences(of: text.isEmpty ? prediction : text)
    }

    /// Whether a passage holds a text word for word.
    private func holds(_ text: String, _ id: String) -> Bool {
        let folded = Self.words(text)
        guard folded.count > 2, folded != " yes ", folded != " no " else { return false }
        return sources.first { $0.id == id }?.words.contains(folded) ?? false
    }

    private func near(_ source: Source) -> Int { source.terms.intersection(question).count }

    /// Each sentence's best passage, where it holds enough of the sentence.
    private func sentences(of text: String) -> [Citation] {
        var cited: OrderedDictionary<String, Citation> = [:]
        // Where words stand in the same order somewhere, they were taken from there.
        let strings = try? SubstringIndex(
            fingerprint: "",
            passages: sources.enumerated().map { (ordinal: PassageOrdinal($0), title: String?.none, text: $1.text) })
        for sentence in SentenceSplitter().split(text).prefix(12) {
            // What the question says already proves nothing.
            let all = EvidenceWords.terms(sentence)
            let wanted = all.subtracting(question)
            guard wanted.count >= 2 else { continue }
            var copied: [Int: Int] = [:]
            for span in strings?.spans(of: sentence, minimum: Self.copiedWords) ?? [] {
                for place in span.passages { copied[Int(place)] = max(copied[Int(place)] ?? 0, span.wordCount) }
            }
            var best: (source: Source, share: Double, run: Int)?
            for (place, source) in sources.enumerated() {
                let share = Double(wanted.intersection(source.terms).count) / Double(wanted.count)
                let run = copied[place] ?? 0
                if share >= Self.sentenceShare, (run, share) > (best?.run ?? 0, best?.share ?? 0) {
                    best = (source, share, run)
                }
            }
            if let best, cited[best.source.id] == nil {
                cited[best.source.id] = citation(best.source, of: sentence, support: best.share)
            }
        }
        return Array(cited.values.prefix(Self.most))
    }

    /// The passages about what the question names: all that can stand behind yes and no.
    private func aboutTheQuestion() -> [Citation] {
        let titled = sources.filter { source in
            let title = EvidenceWords.terms(TitleNormalizer.withoutDisambiguation(source.title))
            return !title.isEmpty && title.isSubset(of: question)
        }
        if !titled.isEmpty {
            return titled.prefix(Self.most).map { citation($0, of: $0.title, support: 0.5) }
        }
        guard let best = sources.max(by: { near($0) < near($1) }), !question.isEmpty,
            Double(near(best)) >= 0.5 * Double(question.count)
        else { return [] }
        return [citation(best, of: best.title, support: 0.5)]
    }

    private func citation(_ source: Source, of text: String, support: Double) -> Citation {
        let (quote, _) = CitationResolver.support(of: text, in: source.text)
        return Citation(passageID: source.id, title: source.title, quote: quote, support: support)
    }

    /// The words of a text, in lower case, with one space before and after each.
    private static func words(_ text: String) -> String {
        " " + text.lowercased().split { !$0.isLetter && !$0.isNumber }.joined(separator: " ") + " "
    }
}

extension Answer {
    /// A marker `[id]` in an answer's text.
    public struct Marker: Sendable, Hashable {
        /// The citation's place among ``Answer/citations``.
        public var citation: Int
        /// Where the marker stands in the text, in Unicode scalars.
        public var range: Range<Int>

        public init(citation: Int, range: Range<Int>) {
            self.citation = citation
            self.range = range
        }
    }

    /// The text with a marker `[id]` for each citation, and where they stand: those that the writer put stay where they
    /// are, the others follow the sentence that shares most words with what they quote.
    public func marked() -> (text: String, markers: [Marker]) {
        var text = text
        for citation in citations where !text.contains(Self.marker(citation)) {
            // Markers within one bracket, as `[a, b]`, count as written.
            if text.firstMatch(of: /\[[^\]]*\]/.dotMatchesNewlines()) != nil, isBracketed(citation.passageID, in: text)
            {
                continue
            }
            text = Self.inserting(Self.marker(citation), for: citation, in: text)
        }
        var markers: [Marker] = []
        for (index, citation) in citations.enumerated() {
            guard let range = text.firstRange(of: Self.marker(citation)) else { continue }
            let scalars = text.unicodeScalars
            let start = scalars.distance(from: scalars.startIndex, to: range.lowerBound)
            markers.append(
                Marker(citation: index, range: start..<start + Self.marker(citation).unicodeScalars.count))
        }
        return (text, markers.sorted { $0.range.lowerBound < $1.range.lowerBound })
    }

    /// The sentences of the answer with what each cites: by markers in the text, else the sentence that shares most words
    /// with what is quoted. Markers are no part of a sentence.
    /// - Parameter name: what a cited passage is called.
    public func statements(naming name: (String) -> String) -> [CitationMetrics.Statement] {
        // Markers behind a full stop belong to the sentence that it ends.
        let moved = text.replacing(/([.!?])((?:\s*\[[^\]]*\])+)/) { "\($0.2)\($0.1)" }
        let sentences = SentenceSplitter().split(moved).map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
        guard label != .none, !sentences.isEmpty else { return [] }
        var cited = [[String]](repeating: [], count: sentences.count)
        for citation in citations {
            var places = sentences.indices.filter { isBracketed(citation.passageID, in: sentences[$0]) }
            if places.isEmpty {
                let wanted = EvidenceWords.terms(citation.quote)
                let shared = sentences.map { wanted.intersection(EvidenceWords.terms($0)).count }
                places = [shared.indices.max { (shared[$0], $0) < (shared[$1], $1) } ?? 0]
            }
            for place in places where !cited[place].contains(name(citation.passageID)) {
                cited[place].append(name(citation.passageID))
            }
        }
        return sentences.indices.compactMap { index in
            let plain = sentences[index].replacing(/\s*\[[^\]]*\]/, with: "").trimmingCharacters(in: .whitespaces)
            guard plain.contains(where: { $0.isLetter || $0.isNumber }) else { return nil }
            return .init(text: plain, citations: cited[index])
        }
    }

    private static func marker(_ citation: Citation) -> String { "[" + citation.passageID + "]" }

    private func isBracketed(_ id: String, in text: String) -> Bool {
        for match in text.matches(of: /\[([^\]]*)\]/) {
            let names = match.1.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
            if names.contains(id) { return true }
        }
        return false
    }

    private static func inserting(_ marker: String, for citation: Citation, in text: String) -> String {
        let sentences = SentenceSplitter().split(text)
        guard sentences.count > 1 else { return text + " " + marker }
        let wanted = EvidenceWords.terms(citation.quote)
        var best = (index: sentences.count - 1, shared: 0)
        for (index, sentence) in sentences.enumerated() {
            let shared = wanted.intersection(EvidenceWords.terms(sentence)).count
            if shared > best.shared { best = (index, shared) }
        }
        let sentence = sentences[best.index].trimmingCharacters(in: .whitespacesAndNewlines)
        guard let range = text.range(of: sentence) else { return text + " " + marker }
        var result = text
        result.insert(contentsOf: " " + marker, at: range.upperBound)
        return result
    }
}
