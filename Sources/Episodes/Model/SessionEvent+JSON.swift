// SPDX-License-Identifier: Apache-2.0

public import Base
import LanguageModels
import OrderedCollections
import Text
import Tools

extension SessionEvent: JSONRepresentable {
    /// The name of the kind, as it stands in `event`.
    public var name: String {
        switch kind {
        case .started: return "started"
        case .stepStarted: return "step_started"
        case .assessed: return "assessed"
        case .modelCalled: return "model_called"
        case .modelReturned: return "model_returned"
        case .modelFailed: return "model_failed"
        case .proposed: return "proposed"
        case .chose: return "chose"
        case .toolCalled: return "tool_called"
        case .toolReturned: return "tool_returned"
        case .kept: return "kept"
        case .corrected: return "corrected"
        case .interrupted: return "interrupted"
        case .closing: return "closing"
        case .answered: return "answered"
        case .finished: return "finished"
        }
    }

    /// The event without its time: the same for the same seed and the same recorded model, byte for byte.
    public var json: JSONValue {
        var members: JSONObject = ["sequence": .integer(sequence), "event": .string(name)]
        switch kind {
        case .started(let header):
            if case .object(let object) = header.json { members.merge(object) { first, _ in first } }
        case .stepStarted(let step): members["step"] = .integer(step)
        case .assessed(let decision): decision.write(to: &members)
        case .modelCalled(let record):
            members["id"] = .string(record.id)
            members["purpose"] = .string(record.purpose)
            members["digest"] = .string(record.digest)
            members["prompt_tokens"] = .integer(record.promptTokens)
            members["completion_tokens"] = .integer(record.completionTokens)
        case .modelReturned(let id, let response):
            members["id"] = .string(id)
            members["response"] = response.json
        case .modelFailed(let id, let error):
            members["id"] = .string(id)
            members["error"] = ModelJSON.json(error)
        case .proposed(let proposal):
            members["candidates"] = .array(proposal.candidates.map(\.json))
            if !proposal.notes.isEmpty { members["notes"] = .array(proposal.notes.map(\.json)) }
        case .chose(let choice): choice.write(to: &members)
        case .toolCalled(let record):
            members["id"] = .string(record.id)
            members["invocation"] = record.invocation.json
            members["handle"] = .string(record.handle)
        case .toolReturned(let id, let output):
            members["id"] = .string(id)
            members["output"] = ToolJSON.json(output)
        case .kept(let keeping):
            members["kept"] = .array(keeping.kept.map(\.json))
            if !keeping.dropped.isEmpty { members["dropped"] = .array(keeping.dropped.map(JSONValue.string)) }
            if !keeping.suspicious.isEmpty {
                let pairs = keeping.suspicious.sorted { $0.key < $1.key }.map { ($0.key, JSONValue.string($0.value)) }
                members["suspicious"] = .object(JSONObject(uniqueKeysWithValues: pairs))
            }
        case .corrected(let callID, let message):
            if !callID.isEmpty { members["call"] = .string(callID) }
            members["message"] = .string(message)
        case .interrupted: break
        case .closing(let reason): members["stop"] = reason.json
        case .answered(let answer): members["answer"] = answer.json
        case .finished(let reason, let spending):
            members["stop"] = reason.json
            members["spent"] = spending.json
        }
        return .object(members)
    }

    /// The event with its time, as a store keeps it.
    public var timedJSON: JSONValue {
        guard case .object(var members) = json else { return json }
        members["time"] = .number(time)
        return .object(members)
    }

    public init(json: JSONValue) throws {
        func id() throws -> String { try json.requiredString("id") }
        let kind: Kind
        switch try json.requiredString("event") {
        case "started": kind = .started(try SessionHeader(json: json))
        case "step_started": kind = .stepStarted(try json.requiredInt("step"))
        case "assessed": kind = .assessed(try GateDecision(event: json))
        case "model_called":
            kind = .modelCalled(
                ModelCallRecord(
                    id: try id(), purpose: try json.requiredString("purpose"),
                    digest: try json.requiredString("digest"), promptTokens: try json.requiredTokens("prompt_tokens"),
                    completionTokens: try json.requiredTokens("completion_tokens")))
        case "model_returned":
            kind = .modelReturned(id: try id(), try ModelResponse(json: try json.required("response")))
        case "model_failed": kind = .modelFailed(id: try id(), try ModelJSON.error(try json.required("error")))
        case "proposed":
            kind = .proposed(
                Proposal(
                    try json.requiredArray("candidates").map(CandidateAction.init(json:)),
                    notes: try (json["notes"]?.array ?? []).map(Note.init(json:))))
        case "chose": kind = .chose(try PolicyChoice(event: json))
        case "tool_called":
            kind = .toolCalled(
                ToolCallRecord(
                    id: try id(), invocation: try ToolInvocation(json: try json.required("invocation")),
                    handle: try json.requiredString("handle")))
        case "tool_returned": kind = .toolReturned(id: try id(), try ToolJSON.output(try json.required("output")))
        case "kept":
            var suspicious: [String: String] = [:]
            for (key, value) in json["suspicious"]?.object ?? [:] { suspicious[key] = value.string }
            kind = .kept(
                Keeping(
                    kept: try json.requiredArray("kept").map(EvidenceItem.init(json:)),
                    dropped: (json["dropped"]?.array ?? []).compactMap(\.string), suspicious: suspicious))
        case "corrected":
            kind = .corrected(callID: json["call"]?.string ?? "", message: try json.requiredString("message"))
        case "interrupted": kind = .interrupted
        case "closing": kind = .closing(try StopReason(json: try json.required("stop")))
        case "answered": kind = .answered(try Answer(json: try json.required("answer")))
        case "finished":
            kind = .finished(
                try StopReason(json: try json.required("stop")), try Spending(json: try json.required("spent")))
        case let other: throw JSONError(message: "unknown event \"\(other)\"")
        }
        self.init(sequence: try json.requiredInt("sequence"), time: json["time"]?.double ?? 0, kind: kind)
    }
}

extension GateDecision {
    fileprivate func write(to members: inout JSONObject) {
        if !measure.isEmpty { members["measure"] = .string(measure) }
        if let uncertainty { members["uncertainty"] = .number(uncertainty) }
        if let threshold { members["threshold"] = .number(threshold) }
        members["retrieve"] = .bool(retrieve)
        if !reason.isEmpty { members["reason"] = .string(reason) }
    }

    fileprivate init(event json: JSONValue) throws {
        guard let retrieve = try json.required("retrieve").bool else {
            throw JSONError(message: "\"retrieve\" must be true or false")
        }
        self.init(
            measure: json["measure"]?.string ?? "", uncertainty: json["uncertainty"]?.double,
            threshold: json["threshold"]?.double, retrieve: retrieve, reason: json["reason"]?.string ?? "")
    }
}

extension PolicyChoice {
    fileprivate func write(to members: inout JSONObject) {
        members["index"] = .integer(index)
        members["log_probability"] = .number(logProbability)
        if let value { members["value"] = .number(value) }
        if !probabilities.isEmpty { members["probabilities"] = .array(probabilities.map(JSONValue.number)) }
    }

    fileprivate init(event json: JSONValue) throws {
        self.init(
            index: try json.requiredInt("index"), logProbability: try json.requiredDouble("log_probability"),
            value: json["value"]?.double, probabilities: (json["probabilities"]?.array ?? []).compactMap(\.double))
    }
}
