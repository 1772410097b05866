// SPDX-License-Identifier: Apache-2.0

import Base
import LanguageModels
import Testing

@testable import Episodes

/// What may still be spent, and what is kept.
@Suite struct LedgerTests {
    private func ledger(_ budget: Budget, spent: Spending = Spending(), prices: ModelPrice = ModelPrice()) -> Ledger {
        var state = AgentState(
            header: SessionHeader(
                session: "s", question: Question("?"), corpus: .init(), model: .init(), policy: .init(), seed: 1,
                budget: budget, prices: prices, tools: []))
        state.spent = spent
        return Ledger(state: state)
    }

    @Test func eachLimitForbidsAnotherStepWhenItIsReached() {
        let closing = Budget.Reserve(promptTokens: 10, completionTokens: 10, seconds: 1)
        let cases: [(Budget, Spending, StopReason.Limit)] = [
            (Budget(steps: 2), Spending(steps: 2), .steps), (Budget(toolCalls: 3), Spending(toolCalls: 3), .toolCalls),
            (Budget(promptTokens: 100, closing: closing), Spending(promptTokens: 90), .promptTokens),
            (Budget(completionTokens: 100, closing: closing), Spending(completionTokens: 90), .completionTokens),
            (Budget(money: 1, closing: closing), Spending(money: 1), .money),
            (Budget(seconds: 10, closing: closing), Spending(seconds: 9), .seconds),
        ]
        for (budget, spent, limit) in cases {
            #expect(ledger(budget, spent: spent).reachedLimit == limit)
            #expect(ledger(budget).reachedLimit == nil, "\(limit)")
        }
        #expect(
            ledger(Budget(steps: nil, toolCalls: nil), spent: Spending(steps: 999, toolCalls: 999)).reachedLimit == nil)
    }

    /// The closing turn always has its share, at least half of a small limit.
    @Test func theClosingTurnsShareIsKeptBack() throws {
        let budget = Budget(completionTokens: 100, closing: .init(promptTokens: 10, completionTokens: 30))
        #expect(try ledger(budget).grant(prompt: 5, completion: 500, closing: false).get() == 70)
        #expect(try ledger(budget).grant(prompt: 5, completion: 500, closing: true).get() == 100)
        let small = Budget(completionTokens: 20, closing: .init(completionTokens: 512))
        #expect(try ledger(small).grant(prompt: 5, completion: 500, closing: false).get() == 10)
        let full = ledger(small, spent: Spending(completionTokens: 10))
        #expect(throws: SessionError.budget(.completionTokens)) {
            try full.grant(prompt: 5, completion: 1, closing: false).get()
        }
        #expect(try full.grant(prompt: 5, completion: 99, closing: true).get() == 10)
        let prompts = ledger(Budget(promptTokens: 100, closing: .init(promptTokens: 40)))
        #expect(throws: SessionError.budget(.promptTokens)) {
            try prompts.grant(prompt: 61, completion: 1, closing: false).get()
        }
        #expect(try prompts.grant(prompt: 100, completion: 1, closing: true).get() == 1)
    }

    @Test func moneyBuysSoManyTokens() throws {
        let prices = ModelPrice(promptPerMillion: 0, completionPerMillion: 1_000_000)
        let budget = Budget(money: 10, closing: .init(promptTokens: 0, completionTokens: 4))
        #expect(try ledger(budget, prices: prices).grant(prompt: 9, completion: 99, closing: false).get() == 6)
        #expect(throws: SessionError.budget(.money)) {
            try ledger(budget, spent: Spending(money: 6), prices: prices)
                .grant(prompt: 0, completion: 1, closing: false).get()
        }
        #expect(
            ModelPrice(promptPerMillion: 2, completionPerMillion: 8).money(prompt: 500_000, completion: 250_000) == 3)
    }

    @Test func aCallIsKnownHoweverItIsSpelt() {
        func key(_ text: String) -> String { AgentState.key(of: ToolInvocation(tool: "t", arguments: text)) }
        #expect(key(#"{"a":1,"b":{"c":[1,2],"d":2}}"#) == key(#"{ "b": {"d":2, "c":[1,2]}, "a": 1 }"#))
        #expect(key(#"{"a":[1,2]}"#) != key(#"{"a":[2,1]}"#))
        #expect(key("no json") == key("no json") && key("no json") != key("nojson"))
    }

    @Test func evidenceIsOrderedAndHoldsAPassageOnce() {
        func item(_ id: String, _ score: Double) -> EvidenceItem {
            EvidenceItem(passageID: id, documentID: id, title: id, text: "text of \(id)", score: score)
        }
        var evidence = Evidence([item("a", 1), item("b", 2), item("a", 3)])
        #expect(evidence.items.map(\.passageID) == ["a", "b"] && evidence["a"]?.score == 3)
        #expect(evidence.ranking.map(\.passageID) == ["a", "b"])
        evidence.keep(item("b", 3))
        // Equal scores stand in the order of their ids.
        #expect(evidence.ranking.map(\.passageID) == ["a", "b"])
        // What earlier answers cited stands behind all that was found now.
        let more = evidence.with([item("a", 9), item("c", 9), item("d", 9)])
        #expect(more.ranking.map(\.passageID) == ["a", "b", "c", "d"] && more["c"]?.reason == "cited before")
        evidence.drop(["a", "none"])
        #expect(evidence.items.map(\.passageID) == ["b"])
        var sentence = item("e", 1)
        sentence.sentences = ["One.", "Two."]
        #expect(sentence.shownText == "One. Two." && item("e", 1).shownText == "text of e")
    }
}
