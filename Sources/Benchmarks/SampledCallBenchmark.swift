// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
import Base
import Foundation
import LanguageModels
import Net
import OrderedCollections
import Search
import Text
import Tools

/// What a model at the wheel asks for, sampled at temperature 1 in the states that its own sessions come to: how many of its
/// calls run, as they are or repaired, and what the others lack.
struct SampledCallBenchmark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sampled-calls", abstract: "Sampled calls of a model that drives: how many run after repair.")

    @Option(help: "A pulled model's name, a path, or the URL of a server (http://…/v1#model).") var model: String
    @Option(help: "A corpus folder.") var corpus: String
    @Option(help: "JSON lines of questions.") var questions: String
    @Option(help: "How many calls.") var calls = 1000
    @Option(help: "Samples of a state.") var samples = 8
    @Option(help: "The most steps of a session.") var steps = 4
    @Option(help: "How much the model is told: full, compact or menu; default: what fits it.") var prompt: String?

    private struct Count {
        var calls = 0
        var ran = 0
        var repaired = 0
        var answers = 0
        var turns = 0
        var faults: OrderedDictionary<String, Int> = [:]
        var examples: [String] = []

        mutating func fail(_ reason: String, _ example: String) {
            faults[String(reason.prefix(60)), default: 0] += 1
            if examples.count < 20 { examples.append(String(example.prefix(300))) }
        }
    }

    private func open() throws -> any LanguageModel {
        if model.contains("://") {
            let parts = model.split(separator: "#", maxSplits: 1).map(String.init)
            return try OpenAICompatibleModel(.init(baseURL: parts[0], model: parts.count > 1 ? parts[1] : "default"))
        }
        guard let path = ModelStore().resolve(model) else { throw ValidationError("there is no model \(model)") }
        return try LocalModel(path: path)
    }

    func run() async throws {
        let model = try open()
        let corpus = try await LocalCorpus(path: corpus)
        let tools = try ToolRegistry.builtIn()
        let texts = try String(contentsOfFile: questions, encoding: .utf8).textLines(omittingEmpty: true).compactMap {
            try JSONValue(parsing: String($0))["question"]?.string
        }
        guard !texts.isEmpty else { throw ValidationError("\(questions) holds no question") }
        let detail = prompt.flatMap(PromptDetail.init)
        let isMenu = (detail ?? PromptDetail(fitting: model.capabilities)) == .menu
        let proposer = ModelProposer(options: SamplingOptions(temperature: 1, maxTokens: 256), detail: detail)
        let strategy = Strategy(
            name: "sampled", fingerprint: "sampled", proposers: [proposer], policy: ModelDrivenPolicy(),
            keeper: RerankKeeper(), answerer: ExtractiveAnswerer(), budget: Budget(steps: steps, toolCalls: 30))
        let environment = AgentEnvironment(corpus: corpus, tools: tools, model: model, embed: corpus.embedding)
        var count = Count()
        for (number, text) in texts.enumerated() where count.calls < calls {
            let session = AgentSession(
                Question(text), strategy: strategy, environment: environment, store: InMemoryEventStore(),
                seed: UInt64(number))
            while try await session.runToProposal() {
                let state = await session.state
                // The menu's first search is the question itself, which no model asks for.
                let isModels = !isMenu || !state.retrieved.isEmpty
                let proposals = try await sample(
                    proposer, state, environment, UInt64(number), isModels ? samples : 1)
                if isModels { for proposal in proposals { try await judge(proposal, state, environment, &count) } }
                guard let first = proposals.first, !first.candidates.isEmpty, count.calls < calls else { break }
                try await session.propose(first)
                try await session.choose(PolicyChoice(index: 0))
            }
        }
        for example in count.examples { print(example) }
        var line = Measurement("sampled-calls")
        line.set("calls", count.calls)
        line.set("ran", count.ran)
        line.set("repaired", count.repaired)
        line.set("answers", count.answers)
        line.set("unread_turns", count.faults.filter { $0.key.hasPrefix("turn: ") }.values.reduce(0, +))
        line.set("share", Double(count.ran) / Double(max(1, count.calls)))
        line.print()
        for (fault, times) in count.faults { print("\(times) × \(fault)") }
    }

    /// Several turns of the model in one state, drawn with seeds of their own, at the same time.
    private func sample(
        _ proposer: ModelProposer, _ state: AgentState, _ environment: AgentEnvironment, _ seed: UInt64, _ samples: Int
    ) async throws -> [Proposal] {
        guard let model = environment.model else { return [] }
        return try await withThrowingTaskGroup(of: (Int, Proposal).self) { group in
            for number in 0..<samples {
                group.addTask {
                    var sampled = proposer
                    sampled.options.seed = seed &* 1000 &+ UInt64(state.step * 100 + number)
                    let context = StepContext(
                        corpus: environment.corpus, tools: environment.tools, modelCapabilities: model.capabilities,
                        modelName: model.name, embed: environment.embed,
                        respond: { requests, _ in
                            var responses: [ModelResponse] = []
                            for request in requests { responses.append(try await model.respond(to: request) { _ in }) }
                            return responses
                        })
                    return (number, try await sampled.propose(in: state, using: context))
                }
            }
            var proposals: [(Int, Proposal)] = []
            while let next = try await group.next() { proposals.append(next) }
            return proposals.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func judge(
        _ proposal: Proposal, _ state: AgentState, _ environment: AgentEnvironment, _ count: inout Count
    ) async throws {
        for candidate in proposal.candidates {
            count.turns += 1
            switch candidate.kind {
            case .call(let invocations):
                for invocation in invocations {
                    count.calls += 1
                    let output = try await environment.tools.run(
                        ToolCall(id: invocation.callID, name: invocation.tool, arguments: invocation.arguments),
                        in: ToolContext(
                            corpus: environment.corpus,
                            resultSets: Dictionary(
                                state.resultSets.elements.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 }),
                            handle: "r\(state.resultSets.count + 1)"))
                    if output.isError {
                        count.fail(
                            "call: \(invocation.tool): \(output.text)",
                            "\(invocation.tool)(\(invocation.arguments)): \(output.text)")
                    } else {
                        count.ran += 1
                        if !output.repairs.isEmpty { count.repaired += 1 }
                    }
                }
            case .correct(let message):
                // A turn that cannot be read is a call that does not run.
                count.calls += 1
                count.fail("turn: \(message)", "turn: \(candidate.reason)")
            case .answer: count.answers += 1
            case .keep, .giveUp: break
            }
        }
    }
}
