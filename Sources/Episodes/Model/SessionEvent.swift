// SPDX-License-Identifier: Apache-2.0

public import Base
public import LanguageModels
import OrderedCollections
import Text
public import Tools

/// One thing that happened in a session. The append-only list of them is the session: the terminal, the event stream
/// over HTTP, the trace page, the resumed session and the trainer's trajectory all read the same events.
///
/// The sequence number is given out when the thing is begun, so that calls which run at the same time have the same
/// numbers in every run, whichever ends first. Only `time` differs from run to run; `json` leaves it out.
public struct SessionEvent: Sendable, Hashable {
    /// The place in the session, from 0.
    public var sequence: Int
    /// Seconds since the session started, by the session's clock.
    public var time: Double
    public var kind: Kind

    /// What happened.
    public enum Kind: Sendable, Hashable {
        /// The session began.
        case started(SessionHeader)
        /// A turn of the loop began; steps count from 1.
        case stepStarted(Int)
        /// The gate measured how uncertain the agent is, and decided whether to retrieve.
        case assessed(GateDecision)
        /// A model is about to be called; its cost is charged.
        case modelCalled(ModelCallRecord)
        /// A model answered.
        case modelReturned(id: String, ModelResponse)
        /// A model failed.
        case modelFailed(id: String, LanguageModelError)
        /// The proposers are done.
        case proposed(Proposal)
        /// The policy chose one of the candidates.
        case chose(PolicyChoice)
        /// A tool is about to be called.
        case toolCalled(ToolCallRecord)
        /// A tool is done, or failed with a message in the output.
        case toolReturned(id: String, ToolOutput)
        /// The keeper decided what to keep of what was retrieved.
        case kept(Keeping)
        /// A call, or a whole turn of the model, was refused with a message that says how to do better.
        case corrected(callID: String, message: String)
        /// A person asked to finish: the step ends, and what there is gets answered from.
        case interrupted
        /// The closing turn began.
        case closing(StopReason)
        /// The answer is there.
        case answered(Answer)
        /// The session is over.
        case finished(StopReason, Spending)
    }

    public init(sequence: Int, time: Double, kind: Kind) {
        self.sequence = sequence
        self.time = time
        self.kind = kind
    }
}

/// What a session runs with: enough to refuse to resume it with anything else.
public struct SessionHeader: Sendable, Hashable, JSONRepresentable {
    /// The version of the events' form, checked on reading. Now 1.
    public static let version = 1

    /// The session's id. It is the store's key, not a part of the JSON form: two runs with the same seed are the same
    /// bytes under different ids.
    public var session: String
    public var question: Question
    /// The corpus's name and the fingerprint of its generation.
    public var corpus: Fingerprint
    /// The model's name and fingerprint; both empty without a model.
    public var model: Fingerprint
    /// The policy's name and the fingerprint of its file and weights.
    public var policy: Fingerprint
    public var seed: UInt64
    /// What the markers of the session's fences are made of, beside the seed: a number that no document can know, or 0
    /// where the seed was chosen and the session must come out the same again.
    public var fenceSalt: UInt64 = 0
    public var budget: Budget
    /// What the model costs: what was spent is counted by it, here and wherever the events are read.
    public var prices: ModelPrice
    /// The names of the tools.
    public var tools: [String]

    /// A name with what identifies the thing's content.
    public struct Fingerprint: Sendable, Hashable {
        public var name: String
        public var value: String

        public init(name: String = "", value: String = "") {
            self.name = name
            self.value = value
        }
    }

    public init(
        session: String, question: Question, corpus: Fingerprint, model: Fingerprint, policy: Fingerprint,
        seed: UInt64, budget: Budget, prices: ModelPrice = ModelPrice(), tools: [String]
    ) {
        self.session = session
        self.question = question.withoutGold
        self.corpus = corpus
        self.model = model
        self.policy = policy
        self.seed = seed
        self.budget = budget
        self.prices = prices
        self.tools = tools
    }

    public init(json: JSONValue) throws {
        let version = try json.requiredInt("version")
        guard version == SessionHeader.version else {
            throw JSONError(message: "version \(version) of the session's form; this program reads \(Self.version)")
        }
        func fingerprint(_ key: String) throws -> Fingerprint {
            let value = try json.required(key)
            return Fingerprint(name: try value.requiredString("name"), value: try value.requiredString("fingerprint"))
        }
        guard let seed = UInt64(try json.requiredString("seed"), radix: 16) else {
            throw JSONError(message: "\"seed\" must be a hexadecimal number")
        }
        guard let salt = UInt64(json["fence"]?.string ?? "0", radix: 16) else {
            throw JSONError(message: "\"fence\" must be a hexadecimal number")
        }
        self.init(
            session: "",
            question: Question(
                try json.requiredString("question"), id: json["question_id"]?.string ?? "",
                dialogue: try json["dialogue"].map(Dialogue.init(json:)) ?? Dialogue()),
            corpus: try fingerprint("corpus"), model: try fingerprint("model"), policy: try fingerprint("policy"),
            seed: seed, budget: try Budget(json: try json.required("budget")),
            prices: ModelPrice(
                promptPerMillion: json["prices"]?["prompt"]?.double ?? 0,
                completionPerMillion: json["prices"]?["completion"]?.double ?? 0),
            tools: try json.requiredArray("tools").compactMap(\.string))
        fenceSalt = salt
    }

    /// The fence of a call of this session.
    public func fence(_ call: String) -> Fence { Fence(seed: seed, salt: fenceSalt, call: call) }

    public var json: JSONValue {
        func object(_ fingerprint: Fingerprint) -> JSONValue {
            ["name": .string(fingerprint.name), "fingerprint": .string(fingerprint.value)]
        }
        var members: JSONObject = [
            "version": .integer(Self.version), "question": .string(question.text),
        ]
        if !question.id.isEmpty { members["question_id"] = .string(question.id) }
        if !question.dialogue.isEmpty { members["dialogue"] = question.dialogue.json }
        members["corpus"] = object(corpus)
        members["model"] = object(model)
        members["policy"] = object(policy)
        members["seed"] = .string(String(seed, radix: 16))
        if fenceSalt != 0 { members["fence"] = .string(String(fenceSalt, radix: 16)) }
        members["budget"] = budget.json
        if prices != ModelPrice() {
            members["prices"] = [
                "prompt": .number(prices.promptPerMillion), "completion": .number(prices.completionPerMillion),
            ]
        }
        members["tools"] = .array(tools.map(JSONValue.string))
        return .object(members)
    }
}

/// A call of a model, as it is charged and before it is made.
public struct ModelCallRecord: Sendable, Hashable {
    /// `m1`, `m2` … in the order in which they were begun.
    public var id: String
    /// What the call is for: `act`, `decompose`, `passage`, `answer` …
    public var purpose: String
    /// Identifies the request, so that a resumed session pays for it once.
    public var digest: String
    /// The prompt's tokens as estimated beforehand.
    public var promptTokens: Int
    /// The most tokens of all completions.
    public var completionTokens: Int

    public init(id: String, purpose: String, digest: String, promptTokens: Int, completionTokens: Int) {
        self.id = id
        self.purpose = purpose
        self.digest = digest
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
    }
}

/// A call of a tool, before it is made.
public struct ToolCallRecord: Sendable, Hashable {
    /// `t1`, `t2` … in the order in which they were begun.
    public var id: String
    /// The call itself.
    public var invocation: ToolInvocation
    /// The handle that its result gets.
    public var handle: String

    public init(id: String, invocation: ToolInvocation, handle: String) {
        self.id = id
        self.invocation = invocation
        self.handle = handle
    }
}

/// What the proposers made of a state.
public struct Proposal: Sendable, Hashable {
    public var candidates: [CandidateAction]
    /// What the proposers noted for later turns: plans, sub-questions, sub-answers.
    public var notes: [Note]

    public init(_ candidates: [CandidateAction] = [], notes: [Note] = []) {
        self.candidates = candidates
        self.notes = notes
    }
}

/// Something worth remembering within a session, for proposers, prompts and people.
public struct Note: Sendable, Hashable, JSONRepresentable {
    /// What it is: `thought`, `plan`, `sub_question`, `sub_answer`, `used` …
    public var kind: String
    /// What it is about, such as the number of the sub-question.
    public var key: String
    public var text: String

    public init(kind: String, key: String = "", text: String) {
        self.kind = kind
        self.key = key
        self.text = text
    }

    public init(json: JSONValue) throws {
        self.init(
            kind: try json.requiredString("kind"), key: json["key"]?.string ?? "", text: try json.requiredString("text")
        )
    }

    public var json: JSONValue {
        var members: JSONObject = ["kind": .string(kind)]
        if !key.isEmpty { members["key"] = .string(key) }
        members["text"] = .string(text)
        return .object(members)
    }
}

/// What a policy chose.
public struct PolicyChoice: Sendable, Hashable {
    /// The index of the candidate.
    public var index: Int
    /// The natural logarithm of the probability with which it was chosen; 0 for a policy without chance.
    public var logProbability: Double
    /// The reward that the policy expects from here, when it estimates one.
    public var value: Double?
    /// The probability of every candidate, when the policy has them.
    public var probabilities: [Double]

    public init(index: Int, logProbability: Double = 0, value: Double? = nil, probabilities: [Double] = []) {
        self.index = index
        self.logProbability = logProbability
        self.value = value
        self.probabilities = probabilities
    }
}

/// What a keeper decided.
public struct Keeping: Sendable, Hashable {
    /// Passages that are kept, or kept with a new score; best first.
    public var kept: [EvidenceItem]
    /// Ids of passages that are let go.
    public var dropped: [String]
    /// Ids of passages that a safety rule keeps away from the evidence, with the rule.
    public var suspicious: [String: String]

    public init(kept: [EvidenceItem] = [], dropped: [String] = [], suspicious: [String: String] = [:]) {
        self.kept = kept
        self.dropped = dropped
        self.suspicious = suspicious
    }
}

/// How uncertain the agent is, and what the gate made of it.
public struct GateDecision: Sendable, Hashable {
    /// The measure's name (`degmat`, `eigv` …), empty when the gate measures nothing.
    public var measure: String
    /// The measure's value; higher is less certain.
    public var uncertainty: Double?
    /// The threshold that it was compared with.
    public var threshold: Double?
    /// Whether to retrieve.
    public var retrieve: Bool
    /// Why, in a few words for a person.
    public var reason: String

    public init(
        measure: String = "", uncertainty: Double? = nil, threshold: Double? = nil, retrieve: Bool, reason: String = ""
    ) {
        self.measure = measure
        self.uncertainty = uncertainty
        self.threshold = threshold
        self.retrieve = retrieve
        self.reason = reason
    }
}
