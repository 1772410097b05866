// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Text
import Tools

@testable import Episodes

/// Draws what a driver, its tools, its model and its policy could report.
struct RandomEvents {
    var random: SplitMix64

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    mutating func chance(_ share: Double) -> Bool { Double.random(in: 0..<1, using: &random) < share }

    mutating func text(_ most: Int = 12) -> String {
        let pieces = ["a", "Ada", " ", "\"", "\\", "\n", "é", "中", "🙂", "<answer>", "\u{0}", "0", "<<end 1>>"]
        return (0..<below(most)).map { _ in pieces[below(pieces.count)] }.joined()
    }

    mutating func passage() -> Passage {
        let number = below(12)
        return Passage(
            id: "p\(number)", ordinal: UInt32(number), documentID: "d\(number / 2)",
            documentOrdinal: UInt32(number / 2),
            title: text(4), text: text(), range: 0..<below(100))
    }

    mutating func output(handle: String) -> ToolOutput {
        if chance(0.15) { return .failure(text()) }
        let passages = (0..<below(4)).map { _ in ShownPassage(passage: passage(), score: Double(below(100)) / 8) }
        let content: ResultSet.Content
        switch below(3) {
        case 0:
            content = .passages(
                passages.map {
                    RankedPassage(
                        id: $0.passage.id, ordinal: $0.passage.ordinal, documentOrdinal: $0.passage.documentOrdinal,
                        score: $0.score)
                })
        case 1: content = .documents(OrdinalSet((0..<below(5)).map { _ in UInt32(below(40)) }))
        default: content = .table(ResultTable(columns: ["n"], rows: [[.integer(below(9))]]))
        }
        let set = ResultSet(
            handle: handle, tool: "t", description: text(4), content: content, total: below(50), isComplete: chance(0.5)
        )
        return ToolOutput(
            resultSet: chance(0.8) ? set : nil, passages: passages, text: text(), summary: text(4))
    }

    mutating func invocation() -> ToolInvocation {
        // Few different calls, so that some come twice, spelt in two ways.
        let query = ["x", "y", "z"][below(3)]
        let arguments =
            chance(0.5) ? "{\"query\":\"\(query)\",\"limit\":5}" : "{ \"limit\": 5, \"query\": \"\(query)\" }"
        return ToolInvocation(
            tool: chance(0.9) ? "keyword_search" : "read", arguments: chance(0.1) ? "no json" : arguments,
            callID: chance(0.5) ? "c\(below(100))" : "")
    }

    mutating func candidate() -> CandidateAction {
        let kind: CandidateAction.Kind
        switch below(10) {
        case 0: kind = .answer(text: chance(0.5) ? text() : nil, label: Answer.Label.allCases[below(6)])
        case 1: kind = .keep((0..<below(4)).map { _ in "p\(below(15))" })
        case 2: kind = .correct(message: text())
        case 3: kind = chance(0.3) ? .giveUp : .call([])
        default: kind = .call((0..<below(4)).map { _ in invocation() })
        }
        return CandidateAction(
            kind, proposer: "p\(below(3))", reason: text(4), score: Double(below(8)) / 4,
            features: (0..<below(3)).map { _ in Float(below(16)) / 4 })
    }

    mutating func item() -> EvidenceItem {
        let passage = passage()
        return EvidenceItem(
            passageID: passage.id, documentID: passage.documentID, title: passage.title, text: passage.text,
            score: Double(below(16)) / 8, handle: chance(0.5) ? "r\(below(9))" : "",
            sentences: (0..<below(3)).map { _ in "s\(below(9))" }, reason: text(3))
    }

    mutating func keeping() -> Keeping {
        var suspicious: [String: String] = [:]
        if chance(0.2) { suspicious["p\(below(12))"] = text(3) }
        return Keeping(
            kept: (0..<below(3)).map { _ in item() }, dropped: (0..<below(3)).map { _ in "p\(below(12))" },
            suspicious: suspicious)
    }

    mutating func answer() -> Answer {
        var answer = Answer(
            text: text(), short: chance(0.5) ? text(3) : nil, label: Answer.Label.allCases[below(6)], answerer: text(3),
            citations: (0..<below(3)).map { _ in
                Citation(
                    passageID: "p\(below(12))", title: text(3), quote: text(), support: Double(below(8)) / 8,
                    repairedFrom: chance(0.2) ? "[q]" : nil)
            }, confidence: chance(0.5) ? Double(below(8)) / 8 : nil)
        answer.isSupported = chance(0.8)
        if chance(0.4) { answer.signs["margin"] = Double(below(8)) / 4 }
        return answer
    }

    mutating func error() -> LanguageModelError {
        switch below(8) {
        case 0: .unavailable(text())
        case 1: .refused(status: 400 + below(100), message: text())
        case 2: .exhaustedRetries(attempts: below(9), last: text())
        case 3: .malformedReply(text())
        case 4: .timedOut(seconds: Double(below(90)))
        case 5: .contextOverflow(tokens: below(9000), limit: below(9000))
        case 6: .unsupported(text())
        default: .notRecorded(text())
        }
    }

    mutating func response(prompt: Int, completion: Int) -> ModelResponse {
        var message = ChatMessage(role: .assistant, content: text())
        message.reasoning = text(4)
        // A server that says nothing about the cost reports zeros.
        let silent = chance(0.3)
        return ModelResponse(
            completions: [Completion(message: message, finishReason: .stop)],
            usage: TokenUsage(promptTokens: silent ? 0 : prompt, completionTokens: silent ? 0 : completion), model: "m")
    }

    mutating func header(budget: Budget = Budget()) -> SessionHeader {
        var header = SessionHeader(
            session: "s", question: Question("Who built it? " + text(), id: chance(0.5) ? "q" : ""),
            corpus: .init(name: text(3), value: "c"), model: .init(name: "m", value: "f"),
            policy: .init(name: "p", value: "v"), seed: random.next(), budget: budget,
            prices: ModelPrice(promptPerMillion: 3, completionPerMillion: 12), tools: ["keyword_search", "read"])
        if chance(0.5) { header.fenceSalt = random.next() }
        if chance(0.3) {
            header.question.dialogue = Dialogue(
                conversation: "s0", previous: "s0",
                turns: [.init(question: text(), standalone: text(), answer: text(), short: text(2))], asked: text(),
                rewriter: "rule", instructions: text(), evidence: [item()])
            header.question.dialogue.usage = TokenUsage(promptTokens: below(90), completionTokens: below(9))
        }
        return header
    }
}
