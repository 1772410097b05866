// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Synchronization
import Text

/// A model whose answers were recorded once and are replayed byte for byte.
///
/// A recording is a file of JSON lines, one a call: `{"request": …, "events": […], "response": …}`, behind a first line
/// `{"recording": 1, "model": …, "fingerprint": …, "capabilities": …}`. A request is found by its whole JSON form (time-outs left out). Of
/// several recordings of one request the n-th call gets the n-th, and further calls the last. What was not recorded is
/// refused with `LanguageModelError.notRecorded`.
public final class RecordedModel: LanguageModel {
    private struct Entry {
        var events: [ModelStreamEvent]
        var response: ModelResponse
    }

    public let name: String
    public let fingerprint: String
    public let capabilities: ModelCapabilities
    private let entries: [String: [Entry]]
    private let served = Mutex<[String: Int]>([:])

    /// Opens a recording.
    /// - Throws: `LanguageModelError.unavailable` with the file, the line and what was expected.
    public init(file path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw LanguageModelError.unavailable("\(path): the recording cannot be read")
        }
        var header: JSONValue?
        var entries: [String: [Entry]] = [:]
        for (index, line) in data.split(separator: 10).enumerated() {
            do {
                let value = try JSONValue(parsing: [UInt8](line))
                if index == 0 {
                    guard value["recording"]?.int == 1 else {
                        throw JSONError(message: "the first line must be {\"recording\": 1, …}")
                    }
                    header = value
                } else {
                    let entry = Entry(
                        events: try value.requiredArray("events").map { try ModelStreamEvent(json: $0) },
                        response: try ModelResponse(json: value.required("response")))
                    entries[try value.required("request").serialized(), default: []].append(entry)
                }
            } catch {
                throw LanguageModelError.unavailable("\(path):\(index + 1): \(error)")
            }
        }
        guard let header else { throw LanguageModelError.unavailable("\(path): the recording is empty") }
        let can = header["capabilities"]
        name = header["model"]?.string ?? "recorded"
        fingerprint = header["fingerprint"]?.string ?? "recorded"
        capabilities = ModelCapabilities(
            toolCalls: can?["tool_calls"]?.bool ?? false, logProbabilities: can?["logprobs"]?.bool ?? false,
            constraints: can?["constraints"]?.bool ?? false,
            needsRequiredCalls: can?["needs_required_calls"]?.bool ?? false,
            contextLength: can?["context_length"]?.int, parameters: can?["parameters"]?.int)
        self.entries = entries
    }

    public func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        try Task.checkCancellation()
        let key = request.json.serialized()
        guard let recorded = entries[key], let last = recorded.last else {
            let question = request.messages.last?.content.prefix(80) ?? ""
            throw LanguageModelError.notRecorded(
                "this request is not in the recording of \(name); its last message begins \"\(question)\"")
        }
        let number = served.withLock { served in
            defer { served[key, default: 0] += 1 }
            return served[key, default: 0]
        }
        let entry = number < recorded.count ? recorded[number] : last
        for event in entry.events { onEvent(event) }
        return entry.response
    }
}

/// Wraps a model and writes down each call, for `RecordedModel` to replay.
public final class RecordingModel: LanguageModel {
    public var name: String { model.name }
    public var fingerprint: String { model.fingerprint }
    public var capabilities: ModelCapabilities { model.capabilities }
    private let model: any LanguageModel
    private let file: Mutex<FileHandle>

    /// Starts a recording; an existing file is replaced.
    /// - Throws: `LanguageModelError.unavailable` when the file cannot be written.
    public init(_ model: any LanguageModel, to path: String) throws {
        self.model = model
        guard FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600]),
            let handle = FileHandle(forWritingAtPath: path)
        else { throw LanguageModelError.unavailable("\(path): the recording cannot be written") }
        file = Mutex(handle)
        let can = model.capabilities
        var capabilities: [(String, JSONValue)] = [
            ("tool_calls", .bool(can.toolCalls)), ("logprobs", .bool(can.logProbabilities)),
            ("constraints", .bool(can.constraints)), ("needs_required_calls", .bool(can.needsRequiredCalls)),
        ]
        if let length = can.contextLength { capabilities.append(("context_length", .integer(length))) }
        if let count = can.parameters { capabilities.append(("parameters", .integer(count))) }
        try write([
            "recording": 1, "model": .string(model.name), "fingerprint": .string(model.fingerprint),
            "capabilities": .object(JSONObject(uniqueKeysWithValues: capabilities)),
        ])
    }

    public func respond(
        to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
    ) async throws -> ModelResponse {
        let events = Mutex<[ModelStreamEvent]>([])
        let response = try await model.respond(to: request) { event in
            events.withLock { $0.append(event) }
            onEvent(event)
        }
        let seen = events.withLock { $0 }
        try write([
            "request": request.json, "events": .array(seen.map(\.json)), "response": response.json,
        ])
        return response
    }

    private func write(_ line: JSONValue) throws {
        var bytes: [UInt8] = []
        line.append(to: &bytes)
        bytes.append(10)
        let data = Data(bytes)
        do {
            try file.withLock { try $0.write(contentsOf: data) }
        } catch {
            throw LanguageModelError.unavailable("the recording cannot be written: \(error.localizedDescription)")
        }
    }
}
