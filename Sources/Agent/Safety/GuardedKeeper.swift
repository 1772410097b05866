// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import OrderedCollections
import Text
import Tools

/// Which defences stand between what was retrieved and the evidence; each can be switched off to measure what it is worth.
public struct EvidenceDefences: Sendable, Hashable {
    /// The most passages of one document. Default 4; nil for no cap.
    public var perDocument: Int?
    /// Passages that are at least this alike (Jaccard of words) count as one. Default 0.8; nil for all.
    public var duplicateSimilarity: Double?
    /// Whether passages with strong poisoning signals are kept out.
    public var signals: Bool

    public init(perDocument: Int? = 4, duplicateSimilarity: Double? = 0.8, signals: Bool = true) {
        self.perDocument = perDocument
        self.duplicateSimilarity = duplicateSimilarity
        self.signals = signals
    }

    /// No defence.
    public static let off = EvidenceDefences(perDocument: nil, duplicateSimilarity: nil, signals: false)
}

/// Lets another keeper rank, and keeps out what looks planted: each refusal is recorded with its reason.
public struct GuardedKeeper: EvidenceKeeper {
    public var base: any EvidenceKeeper
    public var defences: EvidenceDefences

    public var name: String { base.name }

    public init(_ base: any EvidenceKeeper, defences: EvidenceDefences = EvidenceDefences()) {
        self.base = base
        self.defences = defences
    }

    public func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping {
        // What looks planted is out before the ranking, so that a flood takes no honest passage's place.
        var clean = state
        var planted: [String: String] = [:]
        if defences.signals {
            for (id, found) in state.retrieved {
                if let signal = PoisonSignals(text: found.passage.text, question: state.question.text).strongest {
                    planted[id] = signal
                }
            }
            if !planted.isEmpty {
                clean.retrieved.removeAll { planted[$0.key] != nil }
                clean.evidence.drop(Set(planted.keys))
            }
        }
        var keeping = try await base.keep(after: calls, in: clean, using: context)
        keeping.suspicious.merge(planted.filter { calls.contains(state.retrieved[$0.key]?.callID ?? "") }) { first, _ in
            first
        }
        keeping.dropped += planted.keys.filter { state.evidence.contains($0) }.sorted()
        keeping = limited(keeping, beside: [])
        let refused = keeping.suspicious.keys.filter { state.evidence.contains($0) }.sorted()
        keeping.dropped += refused.filter { !keeping.dropped.contains($0) }
        return keeping
    }

    public func screened(_ keeping: Keeping, in state: AgentState) -> Keeping {
        var keeping = base.screened(keeping, in: state)
        if defences.signals {
            for item in keeping.kept {
                let signals = PoisonSignals(text: item.text, question: state.question.text)
                if let signal = signals.strongest { keeping.suspicious[item.passageID] = signal }
            }
            keeping.kept.removeAll { keeping.suspicious[$0.passageID] != nil }
        }
        return limited(keeping, beside: state.evidence.items)
    }

    /// Refuses what repeats what is there, or crowds it.
    /// - Parameter evidence: what is kept already and stays.
    private func limited(_ keeping: Keeping, beside evidence: [EvidenceItem]) -> Keeping {
        var keeping = keeping
        var kept: [EvidenceItem] = []
        var perDocument: [String: Int] = [:]
        var words: [(id: String, terms: Set<String>)] = []
        for item in evidence {
            perDocument[item.documentID, default: 0] += 1
            if defences.duplicateSimilarity != nil { words.append((item.passageID, EvidenceWords.terms(item.text))) }
        }
        for item in keeping.kept {
            if let cap = defences.perDocument {
                perDocument[item.documentID, default: 0] += 1
                if perDocument[item.documentID, default: 0] > cap {
                    keeping.suspicious[item.passageID] = "more than \(cap) passages of one document"
                    continue
                }
            }
            if let limit = defences.duplicateSimilarity {
                let own = EvidenceWords.terms(item.text)
                let twin = words.first { other in
                    let shared = own.intersection(other.terms).count
                    let all = own.count + other.terms.count - shared
                    return all > 0 && Double(shared) / Double(all) >= limit
                }
                if let twin {
                    keeping.suspicious[item.passageID] = "nearly the same as \(twin.id)"
                    continue
                }
                words.append((item.passageID, own))
            }
            kept.append(item)
        }
        keeping.kept = kept
        return keeping
    }
}

/// Signs that a passage was planted to be found or to steer: token bags (DIGA), stuffing with the question (PoisonedRAG),
/// instructions to the reader.
public struct PoisonSignals: Sendable, Hashable {
    /// How little the text is like sentences, 0 to 1: few function words, no sentence ends.
    public var tokenSalad: Double
    /// How much of the question stands in it word for word, as one run, 0 to 1.
    public var questionStuffing: Double
    /// The share of its commonest content word.
    public var repetition: Double
    /// Whether it gives orders to a reader.
    public var instructs: Bool

    private static let functionWords: Set<String> = [
        "the", "a", "an", "of", "in", "and", "to", "is", "was", "were", "are", "be", "by", "for", "on", "at", "as",
        "with",
        "it", "its", "that", "this", "from", "or", "which", "who", "he", "she", "they", "his", "her", "their", "has",
        "have",
        "had", "but", "not", "into", "after", "also", "one", "two", "been", "you", "your", "i", "we", "if", "will",
    ]
    private static let orders = [
        "ignore your instructions", "ignore all instructions", "ignore previous instructions",
        "ignore all previous instructions", "ignore the above", "disregard previous", "disregard the above",
        "disregard all", "disregard your", "you must answer", "you must reply", "you must now", "always answer",
        "answer only with", "respond only with", "system prompt", "new instructions", "override your",
        "when asked this question", "when you are asked", "output the following", "do not mention this",
    ]

    public init(text: String, question: String) {
        let folded = text.lowercased()
        let words = folded.split { !$0.isLetter && !$0.isNumber && $0 != "'" }.map(String.init)
        let count = Double(words.count)
        // Other scripts have other function words: only texts that are mostly ASCII are judged as English.
        let isLatin = folded.utf8.reduce(0) { $0 + ($1 < 0x80 ? 1 : 0) } * 10 > folded.utf8.count * 9
        if words.count >= 20, isLatin {
            let function = Double(words.filter { Self.functionWords.contains($0) }.count) / count
            // Tables and lists have their own signs between what belongs together: cells and marked lines.
            let marked = text.split(separator: "\n").count { line in
                line.drop { $0 == " " }.first.map { "-*•+".contains($0) } ?? false
            }
            let ends = Double(text.count { ".,;:|\t".contains($0) } + marked) / count
            tokenSalad = max(0, 1 - function / 0.3) * max(0, 1 - ends / 0.04)
            var counts: [String: Int] = [:]
            for word in words where !Self.functionWords.contains(word) { counts[word, default: 0] += 1 }
            repetition = Double(counts.values.max() ?? 0) / count
        } else {
            tokenSalad = 0
            repetition = 0
        }
        let asked = question.lowercased().split { !$0.isLetter && !$0.isNumber && $0 != "'" }.map(String.init)
        questionStuffing = asked.count >= 5 ? Double(Self.longestRun(asked, words)) / Double(asked.count) : 0
        instructs = Self.orders.contains { folded.contains($0) }
    }

    /// The strongest sign that is strong enough to keep the passage out; nil for none.
    public var strongest: String? {
        if instructs { return "it gives orders to the reader" }
        if questionStuffing >= 0.8 { return "it repeats the question" }
        if tokenSalad >= 0.6 { return "it is a bag of words, not sentences" }
        if repetition >= 0.25 { return "it repeats one word" }
        return nil
    }

    /// The length of the longest run of words that both hold.
    private static func longestRun(_ left: [String], _ right: [String]) -> Int {
        var row = [Int](repeating: 0, count: right.count + 1)
        var best = 0
        for word in left {
            var diagonal = 0
            for (index, other) in right.enumerated() {
                let above = row[index + 1]
                row[index + 1] = word == other ? diagonal + 1 : 0
                best = max(best, row[index + 1])
                diagonal = above
            }
        }
        return best
    }
}

/// How much of a list of hits comes from one document: the largest share, 0 to 1.
public func sourceConcentration(of passages: [EvidenceItem]) -> Double {
    var counts: [String: Int] = [:]
    for passage in passages { counts[passage.documentID, default: 0] += 1 }
    return passages.isEmpty ? 0 : Double(counts.values.max() ?? 0) / Double(passages.count)
}
