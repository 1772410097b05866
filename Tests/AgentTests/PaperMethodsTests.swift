// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import QualityMetrics
import Search
import Testing
import Text
import Tools

@testable import Agent

/// What papers describe, by what it must do on the small world.
@Suite struct PaperMethodsTests {
    static func policy(_ yaml: String) throws -> Strategy {
        try PolicyFile(yaml: "name: test\n" + yaml, source: "test").strategy()
    }

    static func calls(_ events: [SessionEvent]) throws -> [ToolInvocation] {
        try Trajectory(events: events).final.actions.flatMap { action -> [ToolInvocation] in
            if case .call(let calls) = action.candidate.kind { return calls }
            return []
        }
    }

    static let owner = "In which country is the company that publishes First for Women?"

    /// FLARE: an unsure sentence becomes a query without its unsure tokens, is written again, and then stands.
    @Test(arguments: ["masked", "questions"]) func anUnsureSentenceIsSearchedAndWrittenAgain(_ query: String)
        async throws
    {
        let asked =
            query == "questions" ? "\n  - {content: \"In which country is Bauer Media Group?\"}" : ""
        let model = try World.model(
            """
            select: call
            turns:
              - content: The Bauer Media Group is from France. More words.
                tokens: [["The Bauer Media Group is from ", -0.01], ["France", -2.0], [". ", -0.01], ["More", -9]]\(asked)
              - content: The Bauer Media Group is from Hamburg in Germany.
                tokens: [["The Bauer Media Group is from ", -0.01], ["Hamburg in Germany", -2.0], [".", -0.01]]
              - content: "So the answer is: Germany."
                tokens: [["So the answer is: Germany.", -0.05]]
            """)
        let (answer, events) = try await World.run(
            Self.owner,
            strategy: Self.policy(
                """
                proposers:
                  - question: {tools: [keyword_search], limit: 3}
                  - lookahead: {tools: [keyword_search], limit: 3, query: \(query)}
                policy: {ordered: {order: [question, lookahead]}}
                """), environment: World.environment(model: model))
        let arguments = try Self.calls(events).map(\.arguments)
        #expect(arguments.count == 2)
        #expect(
            arguments.last?.contains(
                query == "masked" ? "The Bauer Media Group is from ." : "In which country is Bauer Media Group?")
                == true)
        #expect(answer.short == "Germany" && answer.text.contains("Hamburg in Germany"))
        #expect(!answer.text.contains("France"))
        #expect(events.spent?.modelCalls == (query == "masked" ? 3 : 4))
    }

    @Test func aSureSentenceIsNotSearched() async throws {
        let model = try World.model(
            """
            select: call
            turns:
              - {content: "The company is German.", tokens: [["The company is German.", -0.1]]}
              - {content: "So the answer is: Germany.", tokens: [["So the answer is: Germany.", -0.1]]}
            """)
        let (answer, events) = try await World.run(
            Self.owner, strategy: World.strategy("flare"), environment: World.environment(model: model))
        #expect(answer.short == "Germany")
        #expect(try Self.calls(events).count == 2, "the question's own searches alone")
    }

    /// Utility judging: what the model names is kept, in its order; never less than the least.
    @Test(arguments: [("2, 1", 1, 2), ("none", 2, 0), ("", 1, nil)] as [(String, Int, Int?)])
    func keepsWhatTheModelFindsUseful(_ reply: String, _ least: Int, _ judged: Int?) async throws {
        let model = try World.model(
            """
            select: call
            turns:
              - {content: "\(reply)"}
              - {content: "Germany [bauer].\\nAnswer: Germany"}
            """)
        let events = try await World.run(
            Self.owner,
            strategy: Self.policy(
                """
                proposers: [{question: {tools: [keyword_search], limit: 5}}]
                keep: {useful: {least: \(least)}}
                budget: {steps: 1}
                """), environment: World.environment(model: model)
        ).events
        let evidence = try Trajectory(events: events).final.evidence.items
        let plain = try #require(try Trajectory(events: events).final.resultSets["r1"])
        guard case .passages(let ranked) = plain.content else { return }
        switch judged {
        case nil: #expect(evidence.map(\.passageID) == ranked.map(\.id), "no judgement changes nothing")
        case 0:
            #expect(
                evidence.map(\.passageID) == ranked.prefix(2).map(\.id) && evidence[0].reason == "not judged useful")
        default:
            #expect(evidence.map(\.passageID) == [ranked[1].id, ranked[0].id])
            #expect(evidence.allSatisfy { $0.reason == "judged useful" })
        }
    }

    private struct Prefers: Reranker {
        var title: String
        var name: String { "prefers" }
        var fingerprint: String { title }
        func scores(query: String, passages: [(title: String, text: String)]) async throws -> [Float] {
            passages.map { $0.title == title ? 5 : -1 }
        }
    }

    @Test func withoutAModelTheReaderJudges() async throws {
        let strategy = Strategy(
            name: "useful", fingerprint: "useful", proposers: [QuestionProposer(tools: ["keyword_search"], limit: 5)],
            policy: OrderedPolicy(), keeper: UtilityKeeper(least: 1, reranker: Prefers(title: "Bauer Media Group")),
            answerer: ExtractiveAnswerer(), budget: Budget(steps: 1))
        let events = try await World.run(Self.owner, strategy: strategy, environment: World.environment()).events
        #expect(try Trajectory(events: events).final.evidence.items.map(\.passageID) == ["bauer"])
    }

    /// Two slopes, falling, with the asked share as their mean.
    @Test func theSharesOfPassagesFallAndAverage() {
        for share in [0.1, 0.3, 0.5, 0.8] {
            for count in [10, 100] {
                let shares = CompressionKeeper.shares(count: count, share: share)
                #expect(abs(shares.reduce(0, +) / Double(count) - share) < 0.5 / Double(count))
                #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 > $1 })
                #expect(shares.allSatisfy { (0...1).contains($0) })
            }
        }
        #expect(CompressionKeeper.shares(count: 2, share: 1) == [1, 1])
        #expect(CompressionKeeper.shares(count: 2, share: 0) == [0, 0])
        let sentences = ["one two three four", "five six", "seven eight"]
        #expect(CompressionKeeper.chosen(sentences, [0, 2, 1], share: 0.5) == [1, 2])
        #expect(CompressionKeeper.chosen(sentences, [3, 2, 1], share: 0.5) == [0])
        #expect(CompressionKeeper.chosen(sentences, [3, 2, 1], share: 1) == [0, 1, 2])
        #expect(CompressionKeeper.chosen(sentences, [3, 2, 1], share: 0).isEmpty)
    }

    static let compressing = """
        proposers: [{question: {tools: [keyword_search], limit: 5}}]
        keep: {compress: {share: 0.8, questions: 0}}
        budget: {steps: 1}
        """

    @Test func keepsTheSentencesThatMakeTheQuestionProbable() async throws {
        let model = try World.model(
            """
            turns:
              - {when: {contains: "started in 1989"}, content: x, tokens: [["q", -0.1]]}
              - {when: {contains: "headquarters"}, content: x, tokens: [["q", -0.5]]}
              - {content: x, tokens: [["q", -2]]}
            """)
        let events = try await World.run(
            Self.owner, strategy: Self.policy(Self.compressing), environment: World.environment(model: model)
        ).events
        let evidence = try Trajectory(events: events).final.evidence
        #expect(evidence.ranking.prefix(2).map(\.passageID) == ["first", "bauer"])
        #expect(evidence["first"]?.shownText.contains("It was started in 1989.") == true)
        let words = evidence.items.reduce(0) { $0 + $1.shownText.split(separator: " ").count }
        let all = World.documents.reduce(0) { $0 + $1.text.split(separator: " ").count }
        #expect(words < all)
    }

    private struct Mute: LanguageModel {
        var name: String { "mute" }
        var fingerprint: String { "mute" }
        var capabilities: ModelCapabilities { ModelCapabilities() }
        func respond(
            to request: ModelRequest, onEvent: @Sendable (ModelStreamEvent) -> Void
        ) async throws -> ModelResponse {
            ModelResponse(
                completions: [
                    Completion(message: ChatMessage(role: .assistant, content: "Answer: x"), finishReason: .stop)
                ],
                usage: TokenUsage(), model: name)
        }
    }

    /// What a model cannot do is said, and the plain ranking stands.
    @Test func withoutLogProbabilitiesItIsSaid() async throws {
        let events = try await World.run(
            Self.owner, strategy: Self.policy(Self.compressing), environment: World.environment(model: Mute())
        ).events
        let evidence = try Trajectory(events: events).final.evidence.items
        #expect(!evidence.isEmpty && evidence.allSatisfy { $0.reason.contains("log-probabilities") })
        for policy in ["flare", "freeson"] {
            let events = try await World.run(
                Self.owner, strategy: World.strategy(policy), environment: World.environment(model: Mute())
            ).events
            let state = try Trajectory(events: events).final
            #expect(!state.evidence.isEmpty, "\(policy)")
            #expect(state.notes.contains { $0.key.isEmpty && $0.text.hasPrefix("no ") }, "\(policy)")
        }
    }

    /// FREESON: paths are strings of the corpus; what a model makes up is none; the best path is looked up.
    @Test func walksThroughTheCorpusToThePassage() async throws {
        let model = try World.model(
            """
            turns:
              - {when: {contains: "its headquarters in Hamburg"}, content: "yes", tokens: [["yes", -0.05]]}
              - {when: {contains: "Question: "}, content: "no", tokens: [["no", -0.1]]}
              - {when: {contains: "publishes First"}, content: x, samples: ["Bauer Media Group is a European", "Bauer Media Group is on the Moon"]}
              - {when: {contains: "is a European"}, content: x, samples: [" media company with its headquarters in Hamburg", " media company with its headquarters in Berlin"]}
            repeat_last: true
            """)
        let events = try await World.run(
            Self.owner, strategy: World.strategy("freeson"), environment: World.environment(model: model)
        ).events
        let state = try Trajectory(events: events).final
        #expect(
            state.notes.filter { $0.kind == "walk" }.map(\.text) == [
                "Bauer Media Group is a European media company with its headquarters in Hamburg"
            ])
        let calls = try Self.calls(events).filter { $0.tool == "find_text" }
        #expect(calls.count == 1)
        #expect(state.retrieved["bauer"] != nil && state.evidence.contains("bauer"))
    }

    /// HyDE: one search with the mean of the question's vector and the passages'.
    @Test func hypotheticalPassagesAreAveraged() async throws {
        let model = try World.model(
            """
            select: call
            turns:
              - {content: x, samples: ["A media company of Hamburg.", "A German publisher."]}
              - {content: "Germany [bauer].\\nAnswer: Germany"}
            """)
        let events = try await World.run(
            Self.owner, strategy: World.strategy("hyde"), environment: World.environment(model: model)
        ).events
        let calls = try Self.calls(events).filter { $0.tool == "vector_search" }
        #expect(calls.count == 1)
        #expect(try JSONValue(parsing: calls[0].arguments)["texts"]?.array?.count == 8)
    }

    @Test func rocchioMovesTheVectorTowardsTheBestPassages() async throws {
        let events = try await World.run(
            Self.owner,
            strategy: Self.policy(
                """
                proposers:
                  - question: {tools: [keyword_search], limit: 5}
                  - feedback: {from: 2, limit: 5, method: {rocchio: {alpha: 1, beta: 0.75}}}
                policy: {ordered: {order: [question, feedback]}}
                budget: {steps: 2}
                """), environment: World.environment()
        ).events
        let last = try #require(try Self.calls(events).last)
        #expect(last.tool == "vector_search")
        let arguments = try JSONValue(parsing: last.arguments)
        #expect(arguments["like"]?.array?.count == 2 && arguments["beta"]?.double == 0.75)
        #expect(try Trajectory(events: events).final.resultSets["r2"]?.count ?? 0 > 0)
    }

    /// The places that a keeper gives reach the prompt; the ranking that is measured stays by score.
    @Test func theBestAtBothEndsStandThereInThePrompt() throws {
        var evidence = Evidence(
            (0..<4).map {
                EvidenceItem(passageID: "p\($0)", documentID: "p\($0)", title: "T", text: "text", score: Double(4 - $0))
            })
        func order() -> [String] {
            EvidencePrompt.list(evidence).split(separator: "\n\n").map { String($0.dropFirst().prefix(2)) }
        }
        #expect(order() == ["p0", "p1", "p2", "p3"])
        for (place, id) in ["p0", "p2", "p3", "p1"].enumerated() {
            var item = try #require(evidence[id])
            item.place = place
            evidence.keep(item)
        }
        #expect(order() == ["p0", "p2", "p3", "p1"])
        #expect(evidence.ranking.map(\.passageID) == ["p0", "p1", "p2", "p3"])
        #expect(EvidencePrompt.naming(evidence, in: "Yes [2].") == "Yes [p2].")
    }

    /// Of passages that hold a sentence's words, the one that has them in the same order is cited.
    @Test func aSentenceIsAttributedToWhereItWasCopiedFrom() {
        let sentence = "Later the bridge over the Larn was opened by Ada Lind in spring weather."
        let evidence = Evidence([
            EvidenceItem(
                passageID: "words", documentID: "words", title: "Words",
                text: "In spring Ada Lind opened the Larn bridge, and over it went a bridge party.", score: 2),
            EvidenceItem(
                passageID: "copy", documentID: "copy", title: "Copy",
                text: "It is said that the bridge over the Larn was opened by Ada Lind in spring, 1871.", score: 1),
        ])
        let answer = Answer(text: sentence, label: .model, answerer: "model")
        let attributed = Attribution(state: .reading(evidence, of: Question("When did it begin?"))).attributed(answer)
        #expect(attributed.citations.map(\.passageID) == ["copy"])
    }

    @Test func aTermIsReadFromTheWordsBeforeIt() {
        func meaning(_ text: String, _ term: String) -> String? { JargonProposer.meaning(of: term, in: text) }
        #expect(meaning("We use Natural Language Inference (NLI) daily.", "NLI") == "Natural Language Inference")
        #expect(meaning("by retrieval-augmented generation (RAG).", "RAG") == "retrieval-augmented generation")
        #expect(meaning("the Department of Health (DOH) said", "DOH") == "Department of Health")
        #expect(meaning("the Ministry of the Interior (MI)", "MI") == "Ministry of the Interior")
        #expect(meaning("something else entirely (NLI)", "NLI") == nil)
        #expect(meaning("NLI (natural language inference)", "NLI") == nil)
    }

    /// A query is worth the answer that its passages speak for together.
    @Test func aQueryIsWorthTheAnswerThatItsPassagesShare() {
        let answers: [String: (text: String, probability: Double)] = [
            "a": ("germany", 0.8), "b": ("germany", 0.6), "c": ("france", 0.9),
        ]
        func worth(_ ids: [String]) -> Double {
            MarginalKeeper.worth(of: [ids.map { (id: $0, score: 1) }], answers: answers)
        }
        #expect(abs(worth(["a", "b"]) - 0.7) < 1e-9, "equal scores weigh equally")
        #expect(abs(worth(["a", "c"]) - 0.45) < 1e-9, "answers that differ do not add up")
        #expect(abs(worth(["c"]) - 0.9) < 1e-9 && worth(["d"]) == 0 && worth([]) == 0)
    }

    @Test func theRewriteThatLeadsToOneAnswerIsChosen() async throws {
        let model = try World.model(
            """
            turns:
              - {when: {contains: "[bauer]"}, content: "Germany [bauer].\\nAnswer: Germany"}
              - {when: {contains: "headquarters in Hamburg"}, content: Germany, tokens: [["Germany", -0.1]]}
              - {when: {contains: "second largest city"}, content: Germany, tokens: [["Germany", -0.3]]}
              - {when: {contains: "Question: "}, content: unknown, tokens: [["unknown", -0.1]]}
              - {content: "Central Europe river mountains\\nHamburg headquarters media company"}
            """)
        let events = try await World.run(
            Self.owner, strategy: World.strategy("adaqr"), environment: World.environment(model: model)
        ).events
        let evidence = try Trajectory(events: events).final.evidence.items
        #expect(evidence.first?.passageID == "bauer", "\(evidence.map(\.passageID))")
        #expect(evidence.first?.reason.contains("Hamburg headquarters") == true)
    }

    /// The weights of a gate are those of the measure that tells wrong answers from right ones.
    @Test func aGatesWeightsAreFitted() {
        var random = SplitMix64(seed: 4)
        var rows: [[Double]] = []
        var wrong: [Bool] = []
        for _ in 0..<400 {
            let doubt = random.uniform()
            rows.append([doubt, random.uniform() * 50, 7])
            wrong.append(random.uniform() < 1 / (1 + exp(-(6 * doubt - 3))))
        }
        let fit = GateFitting(rows: rows, wrong: wrong, penalty: 0.01)
        #expect(abs(fit.weights[0] - 6) < 1.5 && abs(fit.bias + 3) < 1.2, "\(fit.weights) \(fit.bias)")
        #expect(abs(fit.weights[1]) < 0.03 && fit.weights[2] == 0)
        #expect(fit.probability([1, 25, 7]) > 0.85 && fit.probability([0, 25, 7]) < 0.15)
        let certain = GateFitting(rows: [[1], [2]], wrong: [true, true])
        #expect(certain.bias.isFinite && certain.probability([1]) > 0.5)
        #expect(GateFitting(rows: [], wrong: []).weights.isEmpty)
    }

    /// By likelihood, a meaning that is said in probable words counts more; a text sampled twice counts once.
    @Test func semanticEntropyByLikelihood() {
        let texts = ["paris", "paris", "london"]
        let similarity = SampleSimilarity.jaccard(texts)
        func entropy(_ logs: [Double]) -> Double {
            UncertaintyMeasure.semanticEntropy(of: similarity, logLikelihoods: logs)
        }
        #expect(abs(entropy([log(0.5), log(0.5), log(0.5)]) - log(2)) < 1e-12)
        let share = 0.9 / 0.91
        #expect(
            abs(entropy([log(0.9), log(0.9), log(0.01)]) + share * log(share) + (1 - share) * log(1 - share)) < 1e-12)
        #expect(UncertaintyMeasure.semanticEntropy(of: .jaccard(["a", "a"]), logLikelihoods: [-1, -1]) == 0)
        #expect(UncertaintyMeasure.semanticEntropy(of: .jaccard([]), logLikelihoods: []) == 0)
        #expect(GateMeasure(name: "semantic_entropy_likelihood/entailment") != nil)
        #expect(GateMeasure.names.allSatisfy { GateMeasure(name: $0)?.name == $0 })
    }

    /// A prepared question in nearly the same words answers; another number, another question or a lost answer does not.
    @Test func aPreparedQuestionAnswers() async throws {
        let space = try QuestionSpace([
            .init(question: "In which year was First for Women started?", answer: "1989", passage: "first"),
            .init(question: "Through which city does the Elbe flow?", answer: "Hamburg", passage: "hamburg"),
            .init(question: "Who owns the lost passage?", answer: "nobody", passage: "gone"),
        ])
        let strategy = Strategy(
            name: "questions", fingerprint: "q",
            proposers: [KnownQuestionProposer(space: space), QuestionProposer(tools: ["keyword_search"], limit: 3)],
            policy: OrderedPolicy(order: ["prepared", "question"]), keeper: FusionKeeper(),
            answerer: ExtractiveAnswerer(), budget: Budget(steps: 3))
        let (answer, events) = try await World.run(
            "In what year was First for Women started?", strategy: strategy, environment: World.environment())
        #expect(answer.short == "1989" && answer.citations.map(\.passageID) == ["first"])
        #expect(try Self.calls(events).map(\.tool) == ["question_search"])
        let other = try await World.run(
            "Where does First for Women have its offices?", strategy: strategy, environment: World.environment())
        #expect(try Self.calls(other.events).map(\.tool) == ["question_search", "keyword_search"])
        #expect(
            try await space.matches("In which year was issue 12 of First for Women started?", limit: 1).first?.likeness
                == 0)
        #expect(try await space.matches("When was First for Women started?", limit: 1).first?.likeness == 0)
        let lost = try await ToolRegistry([QuestionSearchTool(space)]).run(
            "question_search", ["query": "Who owns the lost passage?"], in: ToolContext(corpus: World.corpus()))
        #expect(!lost.isError && lost.text.contains("1 question left out"))
    }

    @Test func aQuestionFileIsReadWithItsBadLinesCounted() throws {
        let path = NSTemporaryDirectory() + "questions-\(UUID().uuidString).jsonl"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("{\"question\":\"Q?\",\"answer\":\"A\",\"passage\":\"p\"}\r\nnonsense\n\n{\"question\":3}\n".utf8)
            .write(to: URL(fileURLWithPath: path))
        let space = try QuestionSpace(file: path)
        #expect(space.entries.count == 1 && space.refused == 2)
        try Data("nothing\n".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: ToolManifestError.self) { try QuestionSpace(file: path) }
    }

    /// What each sentence cites: markers within it, behind its full stop, or none but a quotation.
    @Test func anAnswersStatementsHaveTheirCitations() {
        func citation(_ id: String, _ quote: String = "") -> Citation {
            Citation(passageID: id, title: id, quote: quote, support: 1)
        }
        let answer = Answer(
            text: "The Elbe is long. [x] It flows through Hamburg [y]. The mountains are giant.", label: .model,
            answerer: "m", citations: [citation("x"), citation("y"), citation("z", "giant mountains")])
        let statements = answer.statements { $0.uppercased() }
        #expect(
            statements.map(\.text) == ["The Elbe is long.", "It flows through Hamburg.", "The mountains are giant."])
        #expect(statements.map(\.citations) == [["X"], ["Y"], ["Z"]])
        #expect(Answer(text: "not here", label: .none, answerer: "m").statements { $0 }.isEmpty)
    }
}
