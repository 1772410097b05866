// SPDX-License-Identifier: Apache-2.0

public import Base
public import Datasets
public import OrderedCollections
public import QualityMetrics
import Text

/// What identifies one unit of work: a question under a policy, a model and a seed.
public struct RunKey: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The question set's name.
    public var set: String
    public var question: String
    public var policy: String
    public var model: String
    public var seed: UInt64

    public init(set: String, question: String, policy: String, model: String, seed: UInt64) {
        self.set = set
        self.question = question
        self.policy = policy
        self.model = model
        self.seed = seed
    }

    public static func < (left: RunKey, right: RunKey) -> Bool {
        (left.set, left.policy, left.model, left.question, left.seed)
            < (right.set, right.policy, right.model, right.question, right.seed)
    }

    public var description: String { "\(set)/\(question) \(policy) \(model) seed \(seed)" }

    /// The name of the trace's file: letters, digits and `-_.`; two keys that these do not tell apart differ in the hash.
    public var traceName: String {
        let parts = [set, policy, model, String(seed), question]
        let text = parts.joined(separator: "-").map { $0.isLetter || $0.isNumber || "-_.".contains($0) ? $0 : "_" }
        let hash = XXH64.hash(parts.joined(separator: "\u{0}")) & 0xFFFF_FFFF
        return String(text.prefix(100)) + "-" + String(hash, radix: 16) + ".jsonl"
    }
}

/// How one question ended. Wrong is not among them: whether an answer is right is a score, and `answered` and `limit` are scored.
public enum RunStatus: String, Sendable, Hashable, CaseIterable {
    /// The policy chose to answer or to give up.
    case answered
    /// A limit of the budget ended the run; the answer is the closing turn's.
    case limit
    /// Something failed: the model, a tool, the corpus. No answer counts.
    case error
    /// It was not finished or could not be scored: cancelled, or the judge gave no verdict.
    case incomplete
}

/// What a run of one question gave, before scoring.
public struct RunOutcome: Sendable, Hashable {
    public var status: RunStatus
    /// Why it stopped, in the runtime's word (`answered`, `budget: tool_calls`, …).
    public var stop: String
    /// What answer metrics compare; empty for none.
    public var answer: String
    /// The whole answer, when it is longer.
    public var fullAnswer: String
    /// Whether the agent said that it cannot answer.
    public var refused: Bool
    /// Whether nothing that was found supports the answer.
    public var unsupported = false
    /// The agent's confidence, 0...1.
    public var confidence: Double?
    /// What the answerer saw of its evidence, by name; what a confidence is fitted on.
    public var signs: OrderedDictionary<String, Double> = [:]
    /// Passage ids: cited by the answer, best first.
    public var cited: [String]
    /// Kept as evidence, best first.
    public var kept: [String]
    /// Every passage that a tool showed, first seen first.
    public var retrieved: [String]
    /// The texts of the kept passages, in the order of `kept`, for measures that read them.
    public var keptTexts: [String]
    public var toolCalls: Int
    public var modelCalls: Int
    public var promptTokens: Int
    public var completionTokens: Int
    /// In the currency of the price table.
    public var cost: Double
    /// Wall-clock seconds.
    public var seconds: Double
    /// What failed; empty without an error.
    public var error: String
    /// Gold evidence in a score of the judge: true or false, nil when no judge ran or it gave no verdict.
    public var verdict: Bool?
    /// The sentences of the whole answer, each with the documents that it cites.
    public var statements: [CitationMetrics.Statement] = []
    /// Citation precision and recall of ALCE by the judge's entailment; nil when no judge ran, or nothing is cited.
    public var entailed: SupportShares?

    public init(
        status: RunStatus, stop: String = "", answer: String = "", fullAnswer: String = "", refused: Bool = false,
        confidence: Double? = nil, cited: [String] = [], kept: [String] = [], retrieved: [String] = [],
        keptTexts: [String] = [], toolCalls: Int = 0, modelCalls: Int = 0, promptTokens: Int = 0,
        completionTokens: Int = 0, cost: Double = 0, seconds: Double = 0, error: String = "", verdict: Bool? = nil
    ) {
        self.status = status
        self.stop = stop
        self.answer = answer
        self.fullAnswer = fullAnswer
        self.refused = refused
        self.confidence = confidence
        self.cited = cited
        self.kept = kept
        self.retrieved = retrieved
        self.keptTexts = keptTexts
        self.toolCalls = toolCalls
        self.modelCalls = modelCalls
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cost = cost
        self.seconds = seconds
        self.error = error
        self.verdict = verdict
    }
}

/// The share of the citations that are needed, and of the statements that theirs support.
public struct SupportShares: Sendable, Hashable {
    public var precision: Double
    public var recall: Double

    public init(precision: Double, recall: Double) {
        self.precision = precision
        self.recall = recall
    }
}

/// One line of a run file: a unit of work with its outcome and its scores.
public struct RunRecord: Sendable, Hashable, JSONRepresentable {
    public var key: RunKey
    public var type: String
    public var hops: Int?
    public var question: String
    public var gold: [String]
    public var goldPassages: [String]
    public var isAnswerable: Bool
    /// The contrast set that the question belongs to: minimal edits of one question with other answers; empty for none.
    public var contrast: String
    public var outcome: RunOutcome
    /// By measure, in the order of `Scorer`; empty for an error and for an incomplete run.
    public var scores: OrderedDictionary<String, Double>
    public var blame: Blame

    /// Whether the scores count: the run ended with an answer, its own or the closing turn's.
    public var isScored: Bool { outcome.status == .answered || outcome.status == .limit }

    public init(json: JSONValue) throws {
        let key = try json.required("key")
        self.key = RunKey(
            set: try key.requiredString("set"), question: try key.requiredString("question"),
            policy: try key.requiredString("policy"), model: try key.requiredString("model"),
            seed: UInt64(bitPattern: Int64(try key.requiredInt("seed"))))
        type = json["type"]?.string ?? ""
        hops = json["hops"]?.int
        question = try json.requiredString("question")
        gold = try EvalQuestion.texts(json, "gold")
        goldPassages = try EvalQuestion.texts(json, "gold_passages")
        isAnswerable = json["answerable"]?.bool ?? true
        contrast = json["contrast"]?.string ?? ""
        let out = try json.required("outcome")
        let name = try out.requiredString("status")
        guard let status = RunStatus(rawValue: name) else { throw JSONError(message: "unknown status \"\(name)\"") }
        outcome = RunOutcome(
            status: status, stop: out["stop"]?.string ?? "", answer: out["answer"]?.string ?? "",
            fullAnswer: out["full_answer"]?.string ?? "", refused: out["refused"]?.bool ?? false,
            confidence: out["confidence"]?.double, cited: try EvalQuestion.texts(out, "cited"),
            kept: try EvalQuestion.texts(out, "kept"), retrieved: try EvalQuestion.texts(out, "retrieved"),
            keptTexts: try EvalQuestion.texts(out, "kept_texts"), toolCalls: out["tool_calls"]?.int ?? 0,
            modelCalls: out["model_calls"]?.int ?? 0, promptTokens: out["prompt_tokens"]?.int ?? 0,
            completionTokens: out["completion_tokens"]?.int ?? 0, cost: out["cost"]?.double ?? 0,
            seconds: out["seconds"]?.double ?? 0, error: out["error"]?.string ?? "", verdict: out["verdict"]?.bool)
        outcome.unsupported = out["unsupported"]?.bool ?? false
        for (name, value) in out["signs"]?.object ?? [:] { outcome.signs[name] = value.double }
        outcome.statements = try (out["statements"]?.array ?? []).map {
            .init(text: try $0.requiredString("text"), citations: try EvalQuestion.texts($0, "cited"))
        }
        if let precision = out["entailed"]?["precision"]?.double, let recall = out["entailed"]?["recall"]?.double {
            outcome.entailed = SupportShares(precision: precision, recall: recall)
        }
        scores = [:]
        for (measure, value) in json["scores"]?.object ?? [:] { scores[measure] = value.double }
        blame = json["blame"]?.string.flatMap(Blame.init(rawValue:)) ?? .unknown
    }

    public var json: JSONValue {
        func list(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }
        var out: JSONObject = [
            "status": .string(outcome.status.rawValue), "stop": .string(outcome.stop),
            "answer": .string(outcome.answer),
        ]
        if !outcome.fullAnswer.isEmpty, outcome.fullAnswer != outcome.answer {
            out["full_answer"] = .string(outcome.fullAnswer)
        }
        if outcome.refused { out["refused"] = true }
        if outcome.unsupported { out["unsupported"] = true }
        if let confidence = outcome.confidence { out["confidence"] = .number(confidence) }
        if !outcome.signs.isEmpty {
            out["signs"] = .object(
                JSONObject(uniqueKeysWithValues: outcome.signs.map { ($0.key, JSONValue.number($0.value)) }))
        }
        if !outcome.statements.isEmpty {
            out["statements"] = .array(
                outcome.statements.map { ["text": .string($0.text), "cited": list($0.citations)] })
        }
        if let entailed = outcome.entailed {
            out["entailed"] = ["precision": .number(entailed.precision), "recall": .number(entailed.recall)]
        }
        out["cited"] = list(outcome.cited)
        out["kept"] = list(outcome.kept)
        out["retrieved"] = list(outcome.retrieved)
        if !outcome.keptTexts.isEmpty { out["kept_texts"] = list(outcome.keptTexts) }
        out["tool_calls"] = .integer(outcome.toolCalls)
        out["model_calls"] = .integer(outcome.modelCalls)
        out["prompt_tokens"] = .integer(outcome.promptTokens)
        out["completion_tokens"] = .integer(outcome.completionTokens)
        out["cost"] = .number(outcome.cost)
        out["seconds"] = .number(outcome.seconds)
        if !outcome.error.isEmpty { out["error"] = .string(outcome.error) }
        if let verdict = outcome.verdict { out["verdict"] = .bool(verdict) }
        var members: JSONObject = [
            "key": [
                "set": .string(key.set), "question": .string(key.question), "policy": .string(key.policy),
                "model": .string(key.model), "seed": .integer(Int(Int64(bitPattern: key.seed))),
            ],
            "type": .string(type),
        ]
        if let hops { members["hops"] = .integer(hops) }
        members["question"] = .string(question)
        members["gold"] = list(gold)
        members["gold_passages"] = list(goldPassages)
        if !isAnswerable { members["answerable"] = false }
        if !contrast.isEmpty { members["contrast"] = .string(contrast) }
        members["outcome"] = .object(out)
        members["scores"] = .object(
            JSONObject(uniqueKeysWithValues: scores.map { ($0.key, JSONValue.number($0.value)) }))
        members["blame"] = .string(blame.rawValue)
        return .object(members)
    }

    /// Scores an outcome.
    public init(key: RunKey, question: EvalQuestion, outcome: RunOutcome, scorer: Scorer) {
        self.key = key
        type = question.type
        hops = question.hops
        self.question = question.text
        gold = question.answers
        goldPassages = question.supporting
        isAnswerable = question.isAnswerable
        contrast = question.extra["contrast"]?.string ?? ""
        self.outcome = outcome
        scores = [:]
        blame = .unknown
        score(scorer)
    }

    /// Scores the outcome anew, from what the record holds.
    public mutating func score(_ scorer: Scorer) {
        scores = isScored ? scorer.scores(of: self) : [:]
        guard isScored else {
            blame = .unknown
            return
        }
        blame = Blame(
            isRight: scorer.isRight(self), isAnswerable: isAnswerable, refused: outcome.refused,
            gold: Set(goldPassages), retrieved: Set(outcome.retrieved), kept: Set(outcome.kept),
            cited: Set(outcome.cited))
    }
}
