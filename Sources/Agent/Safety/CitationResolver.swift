// SPDX-License-Identifier: Apache-2.0

import Corpus
import Foundation
import OrderedCollections
import Text

/// Resolves what an answer cites against what this session has retrieved: unknown ids are refused, near misses repaired
/// and the repair recorded.
public struct CitationResolver: Sendable {
    /// How alike an id must be to be taken for a damaged one: 1 minus the edit distance over the longer length.
    public static let repairSimilarity = 0.75

    private let retrieved: [String: (title: String, text: String)]
    private let ids: [String]
    private let evidence: Evidence
    /// The one passage of a result set that holds one, by the set's handle.
    private let handles: [String: String]
    /// Whether an id is a plain word.
    let hasPlainIDs: Bool
    /// Whether the answer is to be JSON of a form that the asker gave.
    private let isShaped: Bool
    /// How many passages were shown.
    var retrievedCount: Int { ids.count }

    public init(state: AgentState) {
        var retrieved: [String: (title: String, text: String)] = [:]
        var ids: [String] = []
        for (id, found) in state.retrieved {
            retrieved[id] = (found.passage.title, found.passage.text)
            ids.append(id)
        }
        // What earlier answers of the conversation cited may be cited again.
        for item in state.question.dialogue.evidence where retrieved[item.passageID] == nil {
            retrieved[item.passageID] = (item.title, item.text)
            ids.append(item.passageID)
        }
        var found: [String: [String]] = [:]
        for (id, passage) in state.retrieved { found["r" + passage.callID.dropFirst(), default: []].append(id) }
        handles = found.compactMapValues { $0.count == 1 ? $0[0] : nil }
        hasPlainIDs = ids.contains { $0.allSatisfy(\.isLetter) }
        isShaped = state.question.dialogue.format != nil
        self.retrieved = retrieved
        self.ids = ids
        evidence = state.evidence
    }

    /// What a cited id means.
    public enum Resolution: Sendable, Hashable {
        case exact(String)
        case repaired(String)
        case unknown
    }

    /// Resolves one id, or a title, as a model wrote it.
    public func resolve(_ written: String) -> Resolution {
        var text = written.trimmingCharacters(in: .whitespacesAndNewlines.union(CharacterSet(charactersIn: "\"'`")))
        guard !text.isEmpty, text.utf8.count <= 512 else { return .unknown }
        if retrieved[text] != nil { return .exact(text) }
        for noun in ["passage", "id", "document", "doc", "source", "ref", "cite"] {
            guard text.lowercased().hasPrefix(noun) else { continue }
            let rest = text.dropFirst(noun.count)
            guard let sign = rest.first, sign == ":" || sign == "=" || sign.isWhitespace else { continue }
            text = rest.dropFirst().trimmingCharacters(in: .whitespacesAndNewlines.union(.init(charactersIn: "\"'`")))
            break
        }
        guard !text.isEmpty else { return .unknown }
        if retrieved[text] != nil { return .exact(text) }
        if let id = handles[text] { return .repaired(id) }
        // A document's id, or a title, that stands for exactly one passage.
        let wholes = ids.filter { $0.hasPrefix(text + "#") }
        if wholes.count == 1 { return .repaired(wholes[0]) }
        let key = TitleNormalizer.key(for: text)
        let titled = key.isEmpty ? [] : ids.filter { TitleNormalizer.key(for: retrieved[$0]?.title ?? "") == key }
        if titled.count == 1 { return .repaired(titled[0]) }
        guard text.utf8.count >= 4 else { return .unknown }
        var best: (id: String, similarity: Double)?
        var isTied = false
        for id in ids {
            let similarity = EditDistance.similarity(text, id, atLeast: Self.repairSimilarity)
            guard similarity >= Self.repairSimilarity else { continue }
            if similarity > best?.similarity ?? 0 {
                best = (id, similarity)
                isTied = false
            } else if similarity == best?.similarity {
                isTied = true
            }
        }
        guard let best, !isTied else { return .unknown }
        return .repaired(best.id)
    }

    /// The answer that a model wrote itself: its citations `[id]` resolved, its short form found.
    public func answer(fromDraft draft: String, model: String, label: Answer.Label = .model) -> Answer {
        var (text, short) = AnswerText.split(isShaped ? draft : AnswerText.told(draft))
        var citations: [Citation] = []
        text = replaceBrackets(in: text, citations: &citations)
        if let written = short {
            short = replaceBrackets(in: written, citations: &citations).trimmingCharacters(in: .whitespacesAndNewlines)
        }
        if text.allSatisfy(\.isWhitespace) { text = short ?? "" }
        var answer = Answer(
            text: text.trimmingCharacters(in: .whitespacesAndNewlines), short: short, label: label, answerer: model,
            citations: citations)
        if citations.isEmpty {
            // What was computed rests on the rows of its set, not on texts in which the same number stands.
            answer.citations =
                label == .aggregate
                ? evidence.ranking.prefix(3).map { Citation(passageID: $0.passageID, title: $0.title) }
                : grounds(for: answer.prediction)
        }
        return resolved(answer)
    }

    /// The answer with only citations of what was retrieved, each once, with titles, and with their support measured.
    public func resolved(_ answer: Answer) -> Answer {
        var answer = answer
        var seen: Set<String> = []
        answer.citations = answer.citations.compactMap { citation in
            var citation = citation
            switch resolve(citation.passageID) {
            case .exact: break
            case .repaired(let id):
                citation.repairedFrom = citation.repairedFrom ?? citation.passageID
                citation.passageID = id
            case .unknown:
                guard evidence.contains(citation.passageID) else { return nil }
            }
            guard seen.insert(citation.passageID).inserted else { return nil }
            let item = evidence[citation.passageID]
            let source = retrieved[citation.passageID] ?? item.map { ($0.title, $0.text) }
            if citation.title.isEmpty { citation.title = source?.title ?? "" }
            if citation.support == 0, let text = source?.text {
                (citation.quote, citation.support) = Self.support(of: answer.prediction, in: text)
            }
            return citation
        }
        return answer
    }

    /// Passages that hold the short answer word for word, for an answer that cites nothing; evidence first.
    private func grounds(for prediction: String) -> [Citation] {
        let words = EvidenceWords.terms(prediction)
        guard !words.isEmpty, prediction.count <= 200 else { return [] }
        let folded = prediction.lowercased().trimmingCharacters(
            in: .whitespacesAndNewlines.union(.punctuationCharacters))
        guard folded.count >= 2, folded != "yes", folded != "no" else { return [] }
        return evidence.ranking.filter { ($0.title + "\n" + $0.text).lowercased().contains(folded) }.prefix(2).map {
            Citation(passageID: $0.passageID, title: $0.title)
        }
    }

    /// The sentence that shares most words with a text, and the share of the text's words in the whole passage.
    static func support(of text: String, in passage: String) -> (quote: String, support: Double) {
        let wanted = EvidenceWords.terms(text)
        guard !wanted.isEmpty else { return ("", 0) }
        var best = (quote: "", shared: 0)
        for sentence in SentenceSplitter().split(passage).prefix(64) {
            let shared = wanted.intersection(EvidenceWords.terms(sentence)).count
            if shared > best.shared { best = (sentence.trimmingCharacters(in: .whitespacesAndNewlines), shared) }
        }
        let inside = wanted.intersection(EvidenceWords.terms(passage)).count
        return (best.quote, Double(inside) / Double(wanted.count))
    }

    /// The text with its citations resolved, and whether it has any: for text that is still being written.
    func resolvedBrackets(in text: String) -> (text: String, cites: Bool) {
        var citations: [Citation] = []
        let resolved = replaceBrackets(in: text, citations: &citations)
        return (resolved, !citations.isEmpty)
    }
}

/// The edit distance (insertions, deletions, replacements) of short texts.
enum EditDistance {
    /// 1 minus the distance over the longer length; 0 when it cannot reach `floor`.
    static func similarity(_ left: String, _ right: String, atLeast floor: Double) -> Double {
        let a = Array(left.utf8)
        let b = Array(right.utf8)
        let longer = max(a.count, b.count)
        guard longer > 0 else { return 1 }
        guard 1 - Double(abs(a.count - b.count)) / Double(longer) >= floor else { return 0 }
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
            }
        }
        return 1 - Double(row[b.count]) / Double(longer)
    }
}
