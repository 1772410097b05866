// SPDX-License-Identifier: Apache-2.0

public import Agent
import Base
import Corpus
import Datasets
public import Episodes
import Foundation
public import LanguageModels
import OrderedCollections
import Search
import Synchronization
import TensorMath
import Text
import Tools

/// What a model would best have written at one step of a session.
public struct ModelDemonstration: Sendable, Hashable {
    /// What it was shown, as the session shows it.
    public var messages: [ChatMessage]
    /// The line.
    public var reply: String

    /// Writes demonstrations, one a line: system and user messages, and the reply.
    ///
    /// - Throws: What writing throws.
    public static func write(_ demonstrations: [ModelDemonstration], to path: String) throws {
        let lines = demonstrations.map { demonstration -> String in
            let messages = demonstration.messages.map { message -> JSONValue in
                ["role": .string(message.role.rawValue), "content": .string(message.content)]
            }
            let line: JSONValue = ["messages": .array(messages), "reply": .string(demonstration.reply)]
            return line.serialized() + "\n"
        }
        try Data(lines.joined().utf8).write(to: URL(fileURLWithPath: path), options: .atomic)
    }

    /// Reads what ``write(_:to:)`` wrote, or what a person wrote in the same form.
    ///
    /// - Throws: `DatasetError` with the line that is wrong.
    public static func read(_ path: String) throws -> [ModelDemonstration] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw DatasetError(file: path, message: "it cannot be read")
        }
        return try data.textLines().enumerated().compactMap { index, line in
            guard !line.isEmpty else { return nil }
            func wrong(_ reason: String) -> DatasetError {
                DatasetError(file: path, line: index + 1, message: reason)
            }
            guard let json = try? JSONValue(parsing: Array(line)), let reply = json["reply"]?.string,
                let messages = json["messages"]?.array, !messages.isEmpty
            else { throw wrong("expected \"messages\" and \"reply\"") }
            return ModelDemonstration(
                messages: try messages.map { message in
                    guard let role = message["role"]?.string.flatMap(ChatMessage.Role.init(rawValue:)),
                        let content = message["content"]?.string
                    else { throw wrong("a message has no \"role\" or no \"content\"") }
                    return ChatMessage(role: role, content: content)
                }, reply: reply)
        }
    }
}

/// Shows a small model the way: runs training questions through the ordinary loop with the model's own menu, and writes
/// down at each step what leads to the gold passages.
///
/// While a gold passage is not among those shown: open it where the menu offers it, else search for it by a name that the
/// question or the passages shown have; once all are shown: answer. Where nothing leads on, answer as well: the model is
/// never taught to ask for what it cannot know of.
public struct MenuDemonstrations: Sendable {
    public var menu: MenuOptions
    public var keeper: any EvidenceKeeper
    public var budget: Budget
    public var rules: LoopRules
    /// The share of steps at which another entry is opened than the right one, so that the model sees what follows a
    /// mistake. What is written down stays the right one. Default: 0.15.
    public var mistakes = 0.15

    public init(menu: MenuOptions, keeper: any EvidenceKeeper, budget: Budget, rules: LoopRules) {
        self.menu = menu
        self.keeper = keeper
        self.budget = budget
        self.rules = rules
    }

    /// The demonstrations of some questions, in their order.
    ///
    /// - Throws: What tools throw; `CancellationError`.
    @concurrent
    public func collect(
        _ questions: [TrainingQuestion], seed: UInt64, workers: Int = 2,
        progress: @escaping @Sendable (Int) -> Void = { _ in }
    ) async throws -> [[ModelDemonstration]] {
        let done = Mutex(0)
        return try await Rollouts.concurrently(questions.count, workers: workers) { index in
            let question = questions[index]
            let proposer = DemonstratingProposer(question: question, menu: menu, mistakes: mistakes)
            let strategy = Strategy(
                name: "demonstrations", fingerprint: "demonstrations/1", proposers: [proposer],
                policy: ModelDrivenPolicy(), keeper: keeper, answerer: WithoutAnswer(), budget: budget, rules: rules)
            _ = try await Rollouts.events(
                question.question.asked, strategy: strategy, environment: question.corpus.environment,
                seed: XXH64.hash(question.question.id, seed: seed))
            progress(
                done.withLock { done in
                    done += 1
                    return done
                })
            return proposer.written.withLock { $0 }
        }
    }
}

/// Proposes what leads to the gold passages, in the form in which a model would write it.
private final class DemonstratingProposer: ActionProposer {
    let name = "model"
    let question: TrainingQuestion
    let menu: MenuOptions
    let mistakes: Double
    let written = Mutex<[ModelDemonstration]>([])

    init(question: TrainingQuestion, menu: MenuOptions, mistakes: Double) {
        self.question = question
        self.menu = menu
        self.mistakes = mistakes
    }

    func propose(in state: AgentState, using context: StepContext) async throws -> Proposal {
        let turn = MenuTurn(
            state: state, context: context, options: SamplingOptions(), proposer: name, menu: menu)
        if let first = try await turn.opening() { return first }
        let links = try await turn.links()
        let line = try await right(state, context, links)
        let messages = try await turn.request(links).messages
        written.withLock { $0.append(ModelDemonstration(messages: messages, reply: line)) }
        var random = context.random
        if mistakes > 0, let other = links.randomElement(using: &random), random.uniform() < mistakes {
            return Proposal([turn.candidate("open: " + other.title, links)])
        }
        return Proposal([turn.candidate(line, links)])
    }

    /// The best line.
    private func right(_ state: AgentState, _ context: StepContext, _ links: [MenuTurn.Link]) async throws -> String {
        let gold = question.question
        let shown = state.evidence.ranking.prefix(menu.shown)
        let missing = Set(gold.gold).subtracting(shown.compactMap { gold.gold($0.passageID, of: $0.documentID) })
        guard !missing.isEmpty else { return "answer" }
        for link in links {
            let document = try await context.corpus.passages(withID: link.id).first?.documentID ?? link.id
            if let found = gold.gold(link.id, of: document), missing.contains(found) { return "open: " + link.title }
        }
        // A search by a title that stands in the question or in what is shown.
        let seen = Self.key(
            ([state.question.text] + shown.map { String($0.shownText.prefix(menu.characters)) })
                .joined(separator: " "))
        for id in missing.sorted() {
            guard let title = try await context.corpus.passages(withID: id).first?.title else { continue }
            let bare = TitleNormalizer.withoutDisambiguation(title)
            let key = Self.key(bare)
            guard key.count > 5, seen.contains(key) else { continue }
            let line = "search: " + bare.replacing(":", with: " ")
            let turn = MenuTurn(
                state: state, context: context, options: SamplingOptions(), proposer: name, menu: menu)
            if case .call = turn.candidate(line, links).kind { return line }
        }
        return "answer"
    }

    /// A text for looking names up in it: between spaces, in lower case.
    private static func key(_ text: String) -> String { " " + TitleNormalizer.key(for: text) + " " }
}
