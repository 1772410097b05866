// SPDX-License-Identifier: Apache-2.0

public import Base
public import OrderedCollections
import Text

/// An answer with the passages that it rests on.
public struct Answer: Sendable, Hashable, JSONRepresentable {
    /// Who made the answer; a person must be able to tell a copied sentence from a written one.
    public enum Label: String, Sendable, Hashable, CaseIterable {
        /// A sentence of a passage, word for word.
        case extractive
        /// A span of a passage, found by a trained reader.
        case span
        /// Written by a language model from the evidence.
        case model
        /// Written by a language model from what it knows, where the gate found that it need not retrieve.
        case memory
        /// Computed from the whole set that qualifies.
        case aggregate
        /// Nothing was found that answers.
        case none
    }

    /// The answer as a sentence or a phrase.
    public var text: String
    /// The shortest form (a name, a number, yes or no) when the answerer can tell; what answer metrics compare.
    public var short: String?
    /// Who made it.
    public var label: Label
    /// The name of the answerer, such as the model.
    public var answerer: String
    /// The passages that the answer rests on, best first.
    public var citations: [Citation]
    /// The answerer's own confidence, 0 to 1, when it has one.
    public var confidence: Double?
    /// Whether something that was found supports the answer; decided after the fact, whoever wrote it.
    public var isSupported = true
    /// What the answerer saw of its evidence, by name: what its confidence was computed from, or can be fitted on.
    public var signs: OrderedDictionary<String, Double> = [:]

    /// What an answer says where nothing that was found is one.
    public static let nothingFound = "Not in this corpus: nothing that was found answers the question."
    /// How an answer begins where nothing was looked up, and the model knew nothing.
    package static let nothingSought = "No answer: nothing was looked up"

    /// Whether a text is what an answer says where there is none: nothing that a later question could refer to.
    package static func isNothing(_ text: String) -> Bool {
        text.hasPrefix("Not in this corpus:") || text.hasPrefix(nothingSought)
    }

    public init(
        text: String, short: String? = nil, label: Label, answerer: String, citations: [Citation] = [],
        confidence: Double? = nil
    ) {
        self.text = text
        self.short = short
        self.label = label
        self.answerer = answerer
        self.citations = citations
        self.confidence = confidence
    }

    /// What answer metrics compare: the short form, or the text.
    public var prediction: String { short ?? text }

    public init(json: JSONValue) throws {
        let name = try json.requiredString("label")
        guard let label = Label(rawValue: name) else { throw JSONError(message: "unknown label \"\(name)\"") }
        self.init(
            text: try json.requiredString("text"), short: json["short"]?.string, label: label,
            answerer: json["answerer"]?.string ?? "",
            citations: try (json["citations"]?.array ?? []).map(Citation.init(json:)),
            confidence: json["confidence"]?.double)
        isSupported = json["supported"]?.bool ?? true
        for (name, value) in json["signs"]?.object ?? [:] { signs[name] = value.double }
    }

    public var json: JSONValue {
        var members: JSONObject = ["text": .string(text)]
        if let short { members["short"] = .string(short) }
        members["label"] = .string(label.rawValue)
        members["answerer"] = .string(answerer)
        members["citations"] = .array(citations.map(\.json))
        if let confidence { members["confidence"] = .number(confidence) }
        if !isSupported { members["supported"] = false }
        if !signs.isEmpty {
            members["signs"] = .object(
                JSONObject(uniqueKeysWithValues: signs.map { ($0.key, JSONValue.number($0.value)) }))
        }
        return .object(members)
    }
}

/// A passage that an answer rests on.
public struct Citation: Sendable, Hashable, JSONRepresentable {
    /// The id of a passage that this session retrieved.
    public var passageID: String
    /// The passage's title.
    public var title: String
    /// The words of the passage that carry the answer.
    public var quote: String
    /// How well the passage supports the answer, 0 to 1.
    public var support: Double
    /// What the model wrote, when it was not this id but near it.
    public var repairedFrom: String?

    public init(
        passageID: String, title: String = "", quote: String = "", support: Double = 0, repairedFrom: String? = nil
    ) {
        self.passageID = passageID
        self.title = title
        self.quote = quote
        self.support = support
        self.repairedFrom = repairedFrom
    }

    public init(json: JSONValue) throws {
        self.init(
            passageID: try json.requiredString("passage"), title: json["title"]?.string ?? "",
            quote: json["quote"]?.string ?? "", support: json["support"]?.double ?? 0,
            repairedFrom: json["repaired_from"]?.string)
    }

    public var json: JSONValue {
        var members: JSONObject = ["passage": .string(passageID)]
        if !title.isEmpty { members["title"] = .string(title) }
        if !quote.isEmpty { members["quote"] = .string(quote) }
        members["support"] = .number(support)
        if let repairedFrom { members["repaired_from"] = .string(repairedFrom) }
        return .object(members)
    }
}
