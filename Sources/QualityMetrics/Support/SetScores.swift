// SPDX-License-Identifier: Apache-2.0

/// Precision, recall, F1 and exact match between a predicted and a gold set. All values are in 0...1.
public struct SetScores: Sendable, Hashable {
    public var exactMatch: Double
    public var f1: Double
    public var precision: Double
    public var recall: Double

    public init(exactMatch: Double, f1: Double, precision: Double, recall: Double) {
        self.exactMatch = exactMatch
        self.f1 = f1
        self.precision = precision
        self.recall = recall
    }

    /// The scores from counts, with an empty denominator giving 0 (HotpotQA's convention).
    init(truePositives: Int, falsePositives: Int, falseNegatives: Int) {
        let predicted = truePositives + falsePositives
        let gold = truePositives + falseNegatives
        precision = predicted > 0 ? Double(truePositives) / Double(predicted) : 0
        recall = gold > 0 ? Double(truePositives) / Double(gold) : 0
        f1 = harmonicMean(precision, recall)
        exactMatch = falsePositives + falseNegatives == 0 ? 1 : 0
    }

    /// Compares two sets. Two empty sets have exact match 1 and, as HotpotQA's script has it, F1 0.
    public init<Element: Hashable>(predicted: some Sequence<Element>, gold: some Sequence<Element>) {
        let predicted = Set(predicted)
        let gold = Set(gold)
        let common = predicted.intersection(gold).count
        self.init(
            truePositives: common, falsePositives: predicted.count - common, falseNegatives: gold.count - common)
    }
}

/// A sentence that an answer rests on: the title of its paragraph and its index there (HotpotQA, 2WikiMultihopQA).
public struct SupportingFact: Sendable, Hashable {
    public var title: String
    /// From 0.
    public var sentence: Int

    public init(title: String, sentence: Int) {
        self.title = title
        self.sentence = sentence
    }
}

/// Measures of what an answer rests on, as the multi-hop benchmarks define them.
public enum SupportMetrics {
    /// HotpotQA's supporting-fact scores ("sp_em", "sp_f1", …): sets of (title, sentence).
    public static func hotpotQA(predicted: [SupportingFact], gold: [SupportingFact]) -> SetScores {
        SetScores(predicted: predicted.map(FactKey.init), gold: gold.map(FactKey.init))
    }

    /// 2WikiMultihopQA's supporting-fact scores: repeats are removed first, then titles are compared in lower case, so
    /// that facts that differ by case alone are counted one by one.
    public static func twoWikiMultihopQA(predicted: [SupportingFact], gold: [SupportingFact]) -> SetScores {
        let predictedKeys = Set(predicted.map(FactKey.init)).map(\.lowercased)
        let goldKeys = Set(gold.map(FactKey.init)).map(\.lowercased)
        let goldSet = Set(goldKeys)
        let predictedSet = Set(predictedKeys)
        let hits = predictedKeys.count { goldSet.contains($0) }
        return SetScores(
            truePositives: hits, falsePositives: predictedKeys.count - hits,
            falseNegatives: goldKeys.count { !predictedSet.contains($0) })
    }

    /// MuSiQue's support scores over paragraph ids: two empty sets agree with F1 1.
    public static func musique<ID: Hashable>(predicted: some Sequence<ID>, gold: some Sequence<ID>) -> SetScores {
        let predicted = Set(predicted)
        let gold = Set(gold)
        var scores = SetScores(predicted: predicted, gold: gold)
        if predicted.isEmpty, gold.isEmpty {
            scores.f1 = 1
            scores.exactMatch = 1
        }
        return scores
    }

    /// HotpotQA's joint scores ("joint_em", "joint_f1", …): the products of the answer's and the support's precision and
    /// recall, and the harmonic mean of the products.
    public static func joint(answer: AnswerScores, support: SetScores) -> SetScores {
        let precision = answer.precision * support.precision
        let recall = answer.recall * support.recall
        return SetScores(
            exactMatch: answer.exactMatch * support.exactMatch, f1: harmonicMean(precision, recall),
            precision: precision, recall: recall)
    }

    /// 2WikiMultihopQA's joint scores: answer, supporting facts and evidence triples.
    public static func joint(answer: AnswerScores, support: SetScores, evidence: SetScores) -> SetScores {
        let precision = answer.precision * support.precision * evidence.precision
        let recall = answer.recall * support.recall * evidence.recall
        return SetScores(
            exactMatch: answer.exactMatch * support.exactMatch * evidence.exactMatch,
            f1: harmonicMean(precision, recall), precision: precision, recall: recall)
    }

    /// 2WikiMultihopQA's evidence scores.
    /// - Parameters:
    ///   - predicted: triples (subject, relation, object).
    ///   - gold: for each gold triple its wordings, the aliases of subject and object multiplied out.
    public static func evidenceTriples(predicted: [[String]], gold: [[[String]]]) -> SetScores {
        let predictedSet = Set(predicted.map(TripleKey.init))
        let goldSets = gold.map { Set($0.map(TripleKey.init)) }
        let matches = predictedSet.count { triple in goldSets.contains { $0.contains(triple) } }
        let precision = predictedSet.isEmpty ? 0 : Double(matches) / Double(predictedSet.count)
        let recall = goldSets.isEmpty ? 0 : Double(matches) / Double(goldSets.count)
        let exact = matches == predictedSet.count && matches == goldSets.count
        return SetScores(
            exactMatch: exact ? 1 : 0, f1: harmonicMean(precision, recall), precision: precision, recall: recall)
    }

    /// A fact whose title is compared by bytes, as Python compares.
    private struct FactKey: Hashable {
        var title: [UInt8]
        var sentence: Int

        init(_ fact: SupportingFact) {
            title = Array(fact.title.utf8)
            sentence = fact.sentence
        }

        var lowercased: FactKey {
            var key = self
            var text = String.UnicodeScalarView()
            text.append(contentsOf: PythonText.lowercased(String(decoding: title, as: UTF8.self)))
            key.title = Array(String(text).utf8)
            return key
        }
    }

    /// A triple rewritten as the script does: lower case, no ASCII punctuation, single spaces; articles stay.
    private struct TripleKey: Hashable {
        var parts: [[UInt8]]

        init(_ triple: [String]) {
            parts = triple.map { part in
                let kept = PythonText.lowercased(part).filter { !PythonText.isPunctuation($0) }
                var text = String.UnicodeScalarView()
                text.append(contentsOf: PythonText.collapsed(kept))
                return Array(String(text).utf8)
            }
        }
    }
}
