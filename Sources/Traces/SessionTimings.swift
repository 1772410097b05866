// SPDX-License-Identifier: Apache-2.0

public import Agent
import Episodes
import LanguageModels
public import OrderedCollections
import Tools

/// Where the time of a session went. The time between two things that happen counts for the second: for the tools that were at
/// work, for the choice, for the model's first word or for the rest of what it wrote. The parts add up to the whole.
public struct SessionTimings: Sendable {
    /// What the time went into.
    public enum Part: Sendable, Hashable {
        /// The corpus, the models and the policy, until the session began.
        case opening
        /// Tools, by name; those that ran side by side together.
        case tools([String])
        /// Looking at the state: what could be done next, without the model's turns.
        case proposing
        /// Choosing among what was proposed.
        case choosing
        /// The gate before an answer.
        case assessing
        /// What is kept as evidence.
        case keeping
        /// A model that reads its prompt, until its first word; `purpose` as in the session's events.
        case modelReading(purpose: String)
        /// A model that writes.
        case modelWriting(purpose: String)
        /// The answer, without what a model had in it: reading it from the evidence, citations, confidence.
        case answering
        /// The rest: events, storing.
        case other

        /// In plain words.
        public var description: String {
            switch self {
            case .opening: "opening the corpus and the models"
            case .tools(let names): names.joined(separator: ", ")
            case .proposing: "proposing"
            case .choosing: "choosing"
            case .assessing: "weighing whether to look on"
            case .keeping: "keeping evidence"
            case .modelReading(let purpose): "the model reads (\(purpose))"
            case .modelWriting(let purpose): "the model writes (\(purpose))"
            case .answering: "answering"
            case .other: "other"
            }
        }
    }

    /// Seconds and how often, in the order of their first occurrence.
    public private(set) var parts: OrderedDictionary<Part, (seconds: Double, count: Int)> = [:]
    /// Seconds until the first word of an answer by a model, or until the answer where no model wrote it; nil before.
    public private(set) var firstWord: Double?
    /// Seconds of all.
    public var total: Double { last }

    private var last = 0.0
    private var tools: OrderedDictionary<String, String> = [:]
    private var calls: [String: (purpose: String, hasWritten: Bool)] = [:]

    public init() {}

    /// Takes what happened, with the seconds since the program began to open what the session needs.
    public mutating func take(_ update: SessionUpdate, at seconds: Double) {
        switch update {
        case .model(let call, let event): take(event, of: call, at: seconds)
        case .event(let event): take(event, at: seconds)
        }
    }

    private mutating func take(_ event: ModelStreamEvent, of call: String, at seconds: Double) {
        guard let known = calls[call], !known.hasWritten else { return }
        if case .retrying = event { return }
        calls[call]?.hasWritten = true
        add(.modelReading(purpose: known.purpose), until: seconds)
        if known.purpose == "answer" { firstWord = firstWord ?? seconds }
    }

    private mutating func take(_ event: SessionEvent, at seconds: Double) {
        switch event.kind {
        case .started: add(.opening, until: seconds)
        case .proposed: add(.proposing, until: seconds)
        case .chose: add(.choosing, until: seconds)
        case .assessed: add(.assessing, until: seconds)
        case .kept: add(.keeping, until: seconds)
        case .answered:
            add(.answering, until: seconds)
            firstWord = firstWord ?? seconds
        case .toolCalled(let call):
            add(.other, until: seconds)
            tools[call.id] = call.invocation.tool
        case .toolReturned(let id, _):
            // Tools that ran side by side return together: the wait for the first of them was for all.
            if !tools.isEmpty { add(.tools(Array(OrderedSet(tools.values))), until: seconds) }
            tools.removeValue(forKey: id)
        case .modelCalled(let call):
            add(.other, until: seconds)
            calls[call.id] = (call.purpose, false)
        case .modelReturned(let id, _), .modelFailed(let id, _):
            let known = calls.removeValue(forKey: id)
            let purpose = known?.purpose ?? ""
            add(
                known?.hasWritten == true ? .modelWriting(purpose: purpose) : .modelReading(purpose: purpose),
                until: seconds)
        case .stepStarted, .corrected, .interrupted, .closing, .finished: add(.other, until: seconds)
        }
    }

    private mutating func add(_ part: Part, until seconds: Double) {
        let spent = max(0, seconds - last)
        last = max(last, seconds)
        parts[part, default: (0, 0)].seconds += spent
        parts[part, default: (0, 0)].count += 1
    }

    /// A table for people, one part a line, the longest first.
    public func lines() -> [String] {
        let rows = parts.filter { $0.value.seconds >= 0.0005 }.sorted { $0.value.seconds > $1.value.seconds }
        let width = rows.map { $0.key.description.count }.max() ?? 0
        var lines = rows.map { part, spent in
            let name = part.description.padding(to: width)
            let share = Int((spent.seconds / max(total, 1e-9) * 100).rounded())
            return
                "  \(name)  \(Self.milliseconds(spent.seconds)) ms  \(share) %\(spent.count > 1 ? ", \(spent.count) times" : "")"
        }
        lines.append(
            "  in all \(Self.milliseconds(total)) ms\(firstWord.map { ", the answer's first word after \(Self.milliseconds($0)) ms" } ?? "")"
        )
        return lines
    }

    private static func milliseconds(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10_000).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - count))
    }
}
