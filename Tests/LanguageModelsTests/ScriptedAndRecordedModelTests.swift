// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import Synchronization
import Testing
import Text

@Suite struct ScriptedAndRecordedModelTests {
    static let script = """
        model: tiny
        turns:
          - reasoning: I must look.
            tool_calls: [{name: keyword_search, arguments: {query: "x"}}, {name: read, arguments: "{broken"}]
          - when: {contains: "1844"}
            content: Arthur's Magazine
            failures: [timeout, 429]
          - content: I do not know.
            finish: length
        """

    func scripted() throws -> ScriptedModel {
        try ScriptedModel(script: YAMLReader.read(Self.script, name: "test"), source: "test")
    }

    static func conversation(_ turns: Int, last: String) -> ModelRequest {
        var messages = [ChatMessage(role: .user, content: "question")]
        for _ in 0..<turns { messages.append(ChatMessage(role: .assistant, content: "…")) }
        messages.append(ChatMessage(role: .tool, content: last, toolCallID: "call_1_1"))
        return ModelRequest(messages: messages)
    }

    @Test func answersByTheConversationsLength() async throws {
        let model = try scripted()
        let first = try await model.respond(to: ModelRequest(messages: [])) { _ in }
        #expect(first.completions[0].message.toolCalls.map(\.arguments) == [#"{"query":"x"}"#, "{broken"])
        #expect(first.completions[0].finishReason == .toolCalls)
        let request = Self.conversation(1, last: "founded in 1844")
        await #expect(throws: LanguageModelError.timedOut(seconds: 0)) { try await model.respond(to: request) { _ in } }
        await #expect(throws: LanguageModelError.refused(status: 429, message: "scripted failure")) {
            try await model.respond(to: request) { _ in }
        }
        let second = try await model.respond(to: request) { _ in }
        #expect(second.completions[0].message.content == "Arthur's Magazine")
        let other = try await model.respond(to: Self.conversation(1, last: "nothing")) { _ in }
        #expect(other.completions[0].finishReason == .length)
        await #expect(throws: LanguageModelError.self) {
            try await model.respond(to: Self.conversation(3, last: "")) { _ in }
        }
    }

    @Test(arguments: [
        ("turns: []", "turns must be a list of at least one turn"),
        ("turns: [{contnt: x}]", "turns[0]: unknown key \"contnt\""),
        ("turns: [{content: x, finish: maybe}]", "turns[0].finish must be"),
        ("turns: [{content: x, failures: [explode]}]", "turns[0].failures"),
        ("select: random\nturns: [{content: x}]", "select must be conversation or call"),
    ])
    func errorsNameThePlace(_ yaml: String, _ expected: String) {
        let error = #expect(throws: YAMLError.self) {
            try ScriptedModel(script: YAMLReader.read(yaml, name: "s.yaml"), source: "s.yaml")
        }
        #expect(error?.description.hasPrefix("s.yaml: ") == true)
        #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
    }

    @Test func aRecordingReplaysByteForByteAndRefusesTheRest() async throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("recording-\(UUID()).jsonl").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let recording = try RecordingModel(scripted(), to: path)
        let live = Mutex<[ModelStreamEvent]>([])
        let request = ModelRequest(messages: [])
        let answer = try await recording.respond(to: request) { event in live.withLock { $0.append(event) } }
        let replay = try RecordedModel(file: path)
        let replayed = Mutex<[ModelStreamEvent]>([])
        for _ in 0..<2 {
            replayed.withLock { $0 = [] }
            let again = try await replay.respond(to: request) { event in replayed.withLock { $0.append(event) } }
            #expect(again == answer)
            #expect(again.json.serialized() == answer.json.serialized())
            #expect(replayed.withLock { $0 } == live.withLock { $0 })
        }
        #expect(replay.name == "tiny")
        let unknown = ModelRequest(messages: [ChatMessage(role: .user, content: "other")])
        await #expect(throws: LanguageModelError.self) { try await replay.respond(to: unknown) { _ in } }
    }

    @Test(arguments: ["", "{}", "{\"recording\":1}\n{\"request\":{}}", "{\"recording\":1}\n{\"request\"", "\u{0}\u{1}"])
    func aDamagedRecordingGetsAnErrorWithItsLine(_ content: String) throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("recording-\(UUID()).jsonl").path
        try Data(content.utf8).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let error = #expect(throws: LanguageModelError.self) { try RecordedModel(file: path) }
        #expect(error?.description.contains("recording-") == true)
    }
}

@Suite struct YAMLReaderTests {
    @Test func readsTheCoreSchema() throws {
        let value = try YAMLReader.read(
            "a: 1\nb: -2.5\nc: yes\nd: true\ne: ~\nf: '12'\ng: [1e3, 0x1, +4]\nh: |\n  two\n  lines\n", name: "t")
        let expected: JSONValue = [
            "a": 1, "b": -2.5, "c": "yes", "d": true, "e": nil, "f": "12", "g": [1000.0, "0x1", 4],
            "h": "two\nlines\n",
        ]
        #expect(value == expected)
    }

    @Test(arguments: ["a: [1, 2", "a: 1\na: 2", "\t- x", "a: *missing"])
    func errorsSayWhere(_ text: String) {
        let error = #expect(throws: YAMLError.self) { try YAMLReader.read(text, name: "file.yaml") }
        #expect(error?.description.hasPrefix("file.yaml") == true)
    }

    @Test func anAliasBombIsRefused() {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...8 {
            let list = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
            text += "a\(level): &a\(level) [\(list)]\n"
        }
        #expect(throws: YAMLError.self) { try YAMLReader.read(text, name: "bomb.yaml") }
    }
}
