// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import LanguageModels
import OrderedCollections
import Testing
import Text
import Tools

@testable import Episodes

/// The stored form of events.
@Suite struct EventJSONTests {
    /// One of each kind, drawn.
    static func events(seed: UInt64) -> [SessionEvent] {
        var draw = RandomEvents(seed: seed)
        let limit = StopReason.Limit.allCases[draw.below(6)]
        let reasons: [StopReason] = [
            .answered, .exhausted, .confident, .budget(limit), .repeating, .unreadableModel, .failed(draw.text()),
            .interrupted,
        ]
        var spending = Spending(
            steps: 3, toolCalls: 4, modelCalls: 2, promptTokens: 90, completionTokens: 12, money: 0.25, seconds: 0)
        spending.estimatedCalls = draw.below(3)
        let kinds: [SessionEvent.Kind] = [
            .started(draw.header(budget: Budget(steps: nil, toolCalls: 3, money: 0.5, seconds: 9))), .stepStarted(2),
            .assessed(GateDecision(measure: "eigv", uncertainty: 0.25, threshold: 0.5, retrieve: true, reason: "r")),
            .modelCalled(
                ModelCallRecord(id: "m1", purpose: "act", digest: "d", promptTokens: 9, completionTokens: 8)),
            .modelReturned(id: "m1", draw.response(prompt: 9, completion: 3)), .modelFailed(id: "m1", draw.error()),
            .proposed(Proposal((0..<4).map { _ in draw.candidate() }, notes: [Note(kind: "plan", text: draw.text())])),
            .chose(PolicyChoice(index: 1, logProbability: -0.75, value: 0.5, probabilities: [0.5, 0.25])),
            .toolCalled(ToolCallRecord(id: "t1", invocation: draw.invocation(), handle: "r1")),
            .toolReturned(id: "t1", draw.output(handle: "r1")), .kept(draw.keeping()),
            .corrected(callID: draw.chance(0.5) ? "c1" : "", message: draw.text()), .interrupted,
            .closing(reasons[draw.below(reasons.count)]), .answered(draw.answer()),
            .finished(reasons[draw.below(reasons.count)], spending),
        ]
        return kinds.enumerated().map { SessionEvent(sequence: $0.offset, time: 0.5, kind: $0.element) }
    }

    @Test func everyKindSurvivesItsJSON() throws {
        for seed in 0..<60 {
            for event in Self.events(seed: UInt64(seed)) {
                let text = event.timedJSON.serialized()
                var read = try SessionEvent(json: JSONValue(parsing: text))
                #expect(read.timedJSON.serialized() == text)
                if case .started(var header) = read.kind {
                    header.session = "s"
                    read.kind = .started(header)
                }
                #expect(read == event, "\(text)")
            }
        }
    }

    /// The form that stored sessions have: a change of it needs another version.
    @Test func theFormIsAsItIsStored() throws {
        let event = SessionEvent(
            sequence: 7, time: 0.5,
            kind: .chose(PolicyChoice(index: 1, logProbability: -0.5, value: nil, probabilities: [0.25, 0.75])))
        #expect(
            event.timedJSON.serialized()
                == #"{"sequence":7,"event":"chose","index":1,"log_probability":-0.5,"probabilities":[0.25,0.75],"time":0.5}"#
        )
        let stop = SessionEvent(sequence: 8, time: 0, kind: .closing(.budget(.toolCalls)))
        #expect(stop.json.serialized() == #"{"sequence":8,"event":"closing","stop":{"reason":"budget:tool_calls"}}"#)
        #expect(SessionHeader.version == 1)
    }

    @Test func goldNeverEntersAnEvent() {
        let question = Question("Who?", id: "q", goldAnswers: ["SECRET"], goldPassages: ["SECRET2"], type: "bridge")
        let header = SessionHeader(
            session: "s", question: question, corpus: .init(), model: .init(), policy: .init(), seed: 1,
            budget: Budget(), tools: [])
        #expect(!header.json.serialized().contains("SECRET") && header.question.type.isEmpty)
    }

    /// A member of another type, left out, or cut short is an error with its name; nothing traps.
    @Test func damagedEventsAreErrors() throws {
        var refused = 0
        for event in Self.events(seed: 11) {
            let json = event.timedJSON
            for (key, _) in json.object ?? [:] {
                for replacement: JSONValue in [.null, "x", 1, [1], ["k": "v"], .integer(.max), .number(-0.5)] {
                    var members = json.object ?? [:]
                    members[key] = replacement
                    do { _ = try SessionEvent(json: .object(members)) } catch { refused += 1 }
                }
                var members = json.object ?? [:]
                members[key] = nil
                do { _ = try SessionEvent(json: .object(members)) } catch { refused += 1 }
            }
            let bytes = Array(json.serialized().utf8)
            for length in stride(from: 0, to: bytes.count, by: 7) {
                #expect(throws: (any Error).self) {
                    try SessionEvent(json: JSONValue(parsing: Array(bytes[..<length])))
                }
            }
        }
        #expect(refused > 100)
        for text in [
            #"{"sequence":0,"event":"dance"}"#, #"{"sequence":0,"event":"started","version":2}"#,
            #"{"sequence":0,"event":"closing","stop":{"reason":"budget:sleep"}}"#,
            #"{"sequence":0,"event":"proposed","candidates":[{"action":"fly","proposer":"p"}]}"#,
            #"{"sequence":0,"event":"answered","answer":{"text":"x","label":"oracle"}}"#,
        ] {
            #expect(throws: (any Error).self, "\(text)") { try SessionEvent(json: JSONValue(parsing: text)) }
        }
    }
}
