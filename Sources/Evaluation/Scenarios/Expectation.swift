// SPDX-License-Identifier: Apache-2.0

public import Base
import Datasets
import LanguageModels
import OrderedCollections
import QualityMetrics
import Text

/// One expectation that did not hold.
public struct ScenarioMismatch: Sendable, Hashable, CustomStringConvertible {
    /// Which expectation, such as `tools` or `calls[1].arguments.query`.
    public var place: String
    public var expected: String
    public var found: String

    public var description: String { "\(place)\n  - expected: \(expected)\n  + found:    \(found)" }
}

/// What a scenario expects of a trace, as its file says it.
///
///     tools: [keyword_search, read]            # exactly these calls in this order
///     tools_in_order: [keyword_search, read]   # these among others, in this order
///     tools_never: [aggregate]
///     calls:                                   # each found after the one before it
///       - {tool: keyword_search, arguments: {query: {contains: lighthouse}}, failed: false}
///     retrieved: {includes: [a], excludes: [b], at_least: 2, at_most: 5}     # likewise kept, cited, suspicious
///     answer: Ada Lind                          # or {contains: …, excludes: …, equals: …, any_of: […]}
///     label: model                              # who answered
///     stop: answered                            # or a list of reasons
///     spent: {tool_calls: {at_most: 3}, steps: 2}
///     corrections: {at_least: 1, contains: "made before"}
///     prompts: {contains: [...], excludes: [...]}   # what the model was shown
///     events: [{event: corrected, contains: "no tool"}]   # in this order
///     never: [{event: tool_called, contains: "delete"}]
///     error: "no recorded answer"               # the run itself must fail with this
public struct Expectation: Sendable {
    static let keys: Set<String> = [
        "tools", "tools_in_order", "tools_never", "calls", "retrieved", "kept", "cited", "suspicious", "answer",
        "label",
        "stop", "spent", "corrections", "prompts", "events", "never", "error",
    ]

    let content: JSONValue

    /// Takes the `expect` of a scenario.
    /// - Throws: `YAMLError` for an unknown key.
    public init(_ content: JSONValue, file: String, place: String = "expect") throws {
        guard case .object(let members) = content else {
            throw YAMLError(file: file, message: "\(place) must be a mapping")
        }
        for key in members.keys where !Self.keys.contains(key) {
            throw YAMLError(
                file: file,
                message: "\(place): unknown key \"\(key)\"; known are \(Self.keys.sorted().joined(separator: ", "))")
        }
        self.content = content
    }

    /// The error that the run must end with; nil when it must not fail.
    var error: String? { content["error"]?.string }

    /// Checks a trace.
    /// - Returns: what does not hold, in the order of the file.
    public func mismatches(_ trace: ScenarioTrace) -> [ScenarioMismatch] {
        var checker = Checker()
        for (key, wanted) in content.object ?? [:] {
            switch key {
            case "tools":
                let names = Self.texts(wanted)
                let found = trace.calls.map(\.tool)
                if names != found { checker.fail(key, names.joined(separator: ", "), found.joined(separator: ", ")) }
            case "tools_in_order":
                var rest = trace.calls.map(\.tool)[...]
                for name in Self.texts(wanted) {
                    guard let index = rest.firstIndex(of: name) else {
                        checker.fail(
                            key, Self.texts(wanted).joined(separator: " … "),
                            trace.calls.map(\.tool).joined(separator: ", "))
                        break
                    }
                    rest = rest[(index + 1)...]
                }
            case "tools_never":
                for name in Self.texts(wanted) where trace.calls.contains(where: { $0.tool == name }) {
                    checker.fail(key, "no call of \(name)", trace.calls.map(\.tool).joined(separator: ", "))
                }
            case "calls": checkCalls(wanted, trace, &checker)
            case "retrieved": checker.ids(key, wanted, trace.retrieved)
            case "kept": checker.ids(key, wanted, trace.kept)
            case "cited": checker.ids(key, wanted, trace.cited)
            case "suspicious": checker.ids(key, wanted, trace.suspicious)
            case "answer":
                if let text = wanted.string ?? EvalQuestion.text(wanted) {
                    let equal =
                        AnswerNormalization.squad.normalize(text) == AnswerNormalization.squad.normalize(trace.answer)
                    if !equal { checker.fail(key, text, trace.answer) }
                } else {
                    checker.text(
                        key, wanted,
                        trace.answer == trace.fullAnswer ? trace.answer : trace.fullAnswer + "\n" + trace.answer)
                }
            case "label": if wanted.string != trace.label { checker.fail(key, wanted.string ?? "", trace.label) }
            case "stop":
                let allowed = Self.texts(wanted)
                if !allowed.contains(trace.stop) { checker.fail(key, allowed.joined(separator: " or "), trace.stop) }
            case "spent":
                for (name, bound) in wanted.object ?? [:] {
                    guard let value = trace.spent[name] else {
                        checker.fail(
                            "spent.\(name)", bound.serialized(), "not among \(trace.spent.keys.joined(separator: ", "))"
                        )
                        continue
                    }
                    checker.number("spent.\(name)", bound, value)
                }
            case "corrections":
                checker.number(key, wanted, Double(trace.corrections.count))
                checker.text(key, wanted, trace.corrections.joined(separator: "\n"))
            case "prompts": checker.text(key, wanted, trace.prompts.joined(separator: "\n"))
            case "events": checkEvents(wanted, trace, &checker)
            case "never":
                for (index, pattern) in (wanted.array ?? [wanted]).enumerated() {
                    if let event = trace.events.first(where: { Self.matches($0, pattern) }) {
                        checker.fail(
                            "never[\(index)]", "no event like \(pattern.serialized())", Self.short(event.serialized()))
                    }
                }
            default: break
            }
        }
        return checker.mismatches
    }

    private func checkCalls(_ wanted: JSONValue, _ trace: ScenarioTrace, _ checker: inout Checker) {
        var rest = trace.calls[...]
        for (index, pattern) in (wanted.array ?? []).enumerated() {
            var best: Checker?
            var found = false
            for (place, call) in zip(rest.indices, rest) where pattern["tool"]?.string ?? call.tool == call.tool {
                var attempt = Checker()
                for (name, matcher) in pattern["arguments"]?.object ?? [:] {
                    attempt.value("calls[\(index)].arguments.\(name)", matcher, call.arguments[name] ?? .null)
                }
                if let failed = pattern["failed"]?.bool, failed != call.failed {
                    attempt.fail("calls[\(index)].failed", "\(failed)", "\(call.failed): \(Self.short(call.output))")
                }
                if let output = pattern["output"] { attempt.text("calls[\(index)].output", output, call.output) }
                if attempt.mismatches.isEmpty {
                    rest = rest[(place + 1)...]
                    found = true
                    break
                }
                if best == nil { best = attempt }
            }
            if !found {
                if let best {
                    checker.mismatches += best.mismatches
                } else {
                    checker.fail(
                        "calls[\(index)]", pattern.serialized(),
                        trace.calls.map { "\($0.tool) \($0.arguments.serialized())" }.joined(separator: "; "))
                }
                return
            }
        }
    }

    private func checkEvents(_ wanted: JSONValue, _ trace: ScenarioTrace, _ checker: inout Checker) {
        var rest = trace.events[...]
        for (index, pattern) in (wanted.array ?? []).enumerated() {
            guard let place = rest.firstIndex(where: { Self.matches($0, pattern) }) else {
                let names = trace.events.compactMap { $0["event"]?.string }.joined(separator: ", ")
                checker.fail("events[\(index)]", pattern.serialized(), names)
                return
            }
            rest = rest[(place + 1)...]
        }
    }

    /// Whether an event is of the pattern's kind and holds its text anywhere.
    private static func matches(_ event: JSONValue, _ pattern: JSONValue) -> Bool {
        if let name = pattern["event"]?.string, event["event"]?.string != name { return false }
        guard let text = pattern["contains"]?.string else { return true }
        return Checker.holds(text, in: event)
    }

    static func texts(_ value: JSONValue) -> [String] { (value.array ?? [value]).compactMap(\.string) }

    static func short(_ text: String) -> String { text.count <= 300 ? text : text.prefix(300) + "…" }
}

/// Collects mismatches.
struct Checker {
    var mismatches: [ScenarioMismatch] = []

    mutating func fail(_ place: String, _ expected: String, _ found: String) {
        mismatches.append(
            ScenarioMismatch(place: place, expected: expected, found: found.isEmpty ? "(nothing)" : found))
    }

    /// Whether a string somewhere in the value holds the text, in any case.
    static func holds(_ text: String, in value: JSONValue) -> Bool {
        switch value {
        case .string(let own): return own.lowercased().contains(text.lowercased())
        case .array(let elements): return elements.contains { holds(text, in: $0) }
        case .object(let members): return members.values.contains { holds(text, in: $0) }
        default: return false
        }
    }

    mutating func text(_ place: String, _ wanted: JSONValue, _ found: String) {
        let lowered = found.lowercased()
        for text in wanted["contains"].map(Expectation.texts) ?? [] where !lowered.contains(text.lowercased()) {
            fail(place, "holds \"\(text)\"", Expectation.short(found))
        }
        for text in wanted["excludes"].map(Expectation.texts) ?? [] where lowered.contains(text.lowercased()) {
            fail(place, "does not hold \"\(text)\"", Expectation.short(found))
        }
        if let options = wanted["any_of"].map(Expectation.texts),
            !options.contains(where: { lowered.contains($0.lowercased()) })
        {
            fail(place, "holds one of " + options.joined(separator: ", "), Expectation.short(found))
        }
        if let text = wanted["equals"]?.string, text != found { fail(place, text, found) }
        if wanted["empty"]?.bool == true, !found.isEmpty { fail(place, "nothing", Expectation.short(found)) }
    }

    mutating func number(_ place: String, _ wanted: JSONValue, _ found: Double) {
        if let exact = wanted.double, exact != found { fail(place, fixed(exact, 0), fixed(found, 0)) }
        if let bound = wanted["at_most"]?.double, found > bound { fail(place, "at most \(bound)", "\(found)") }
        if let bound = wanted["at_least"]?.double, found < bound { fail(place, "at least \(bound)", "\(found)") }
    }

    mutating func ids(_ place: String, _ wanted: JSONValue, _ found: [String]) {
        let shown = found.joined(separator: ", ")
        if let exact = wanted.array {
            let names = exact.compactMap(\.string)
            if names != found { fail(place, names.joined(separator: ", "), shown) }
            return
        }
        for id in wanted["includes"].map(Expectation.texts) ?? [] where !found.contains(id) {
            fail(place, "includes \(id)", shown)
        }
        for id in wanted["excludes"].map(Expectation.texts) ?? [] where found.contains(id) {
            fail(place, "excludes \(id)", shown)
        }
        if let first = wanted["first"]?.string, found.first != first { fail(place, "begins with \(first)", shown) }
        number(place, wanted, Double(found.count))
    }

    mutating func value(_ place: String, _ wanted: JSONValue, _ found: JSONValue) {
        if case .object(let members) = wanted,
            members.keys.contains(where: { ["contains", "excludes", "any_of", "at_most", "at_least"].contains($0) })
        {
            text(place, wanted, found.string ?? found.serialized())
            if let amount = found.double { number(place, wanted, amount) }
        } else if wanted != found {
            fail(place, wanted.serialized(), found.serialized())
        }
    }
}
