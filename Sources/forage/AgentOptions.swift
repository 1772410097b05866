// SPDX-License-Identifier: Apache-2.0

import Agent
public import ArgumentParser
public import Assembly
import Base
import Corpus
import Encoders
import Evaluation
import Foundation
import LanguageModels
import Learning
import Net
import OrderedCollections
import Postgres
import PostgresCorpus
import Search
import TensorMath
import Text
import Tools

/// What `ask`, `resume` and `calibrate` run an agent with.
struct AgentOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: "The corpus: a folder made by `forage index`, or a small JSON lines file that is read into memory.")
    var corpus: String

    @Option(
        help: """
            The model: a pulled model (`forage model list`), a .gguf file or a model's folder, all of which run in this \
            process; the URL of an OpenAI-compatible server (http://host:port/v1#model), a model's name on the server \
            of OPENAI_BASE_URL, a scripted model (.yaml) or a recording (.jsonl).
            """)
    var model: String?

    @Option(
        help: """
            The policy: a name (hops, react …) or a .yaml file. Default: react with a server's model that calls tools; \
            else the trained policy or hops retrieves, and a model in this process reads what it finds and answers.
            """)
    var policy: String?

    @Option(
        help: """
            Who answers where the policy says "auto": extractive (the best sentence), model (the model writes), \
            model-spans (a model in this process chooses among what the evidence offers), or auto (the trained span \
            reader where there is no model; a model in this process writes a short answer and chooses between it and what \
            the span reader finds; another model writes).
            """)
    var answerer = AnswererChoice.auto

    @Option(
        help:
            "The folder of tool manifests. Default: the built-in tools, with the words of Tools/ where it describes them."
    )
    var tools: String?

    @Option(help: "A price table (YAML): what models cost, for budgets in money.")
    var prices: String?

    @Option(help: "Records the model's calls in a file, for `--model FILE.jsonl` to replay.")
    var record: String?

    @Option(
        help:
            "The session store: a file, or postgresql://…. Default: $FORAGE_SESSIONS, else forage/sessions.sqlite in the user's state folder."
    )
    var sessions: String?

    /// Opens everything that a session needs.
    func environment(quiet: Bool) async throws -> (environment: AgentEnvironment, strategy: Strategy) {
        let agent = try await AgentConfiguration(
            corpus: corpus, model: model, policy: policy, answerer: answerer, tools: tools, prices: prices,
            record: record
        ).open()
        if !quiet { for line in agent.notes { note(line) } }
        return (agent.environment, agent.strategy)
    }

    /// The store of sessions that are there.
    func store() async throws -> any EventStore { try await SessionStores.open(sessions) }

    /// The store of new sessions; where it cannot be written they are answered all the same, and that is said.
    func storeOfNewSessions() async throws -> FallbackEventStore {
        @Sendable func tell(_ reason: String) {
            note("the session is not stored: \(reason); --sessions FILE stores elsewhere, --ephemeral not at all")
        }
        do {
            return FallbackEventStore(try await SessionStores.open(sessions), onFailure: tell)
        } catch SessionError.notWritable(let reason) {
            tell(reason)
            return FallbackEventStore(unopened: reason)
        }
    }
}

extension AnswererChoice: ExpressibleByArgument {}

/// The limits of a run; each replaces the policy's.
struct BudgetOptions: ParsableArguments {
    @Option(help: "The most steps.") var maxSteps: Int?
    @Option(help: "The most tool calls.") var maxToolCalls: Int?
    @Option(help: "The most prompt tokens.") var maxPromptTokens: Int?
    @Option(help: "The most completion tokens.") var maxCompletionTokens: Int?
    @Option(help: "The most money, in the currency of the price table.") var maxCost: Double?
    @Option(help: "The most seconds.") var maxTime: Double?

    func validate() throws {
        for (name, value) in [
            ("steps", maxSteps), ("tool-calls", maxToolCalls), ("prompt-tokens", maxPromptTokens),
            ("completion-tokens", maxCompletionTokens),
        ] {
            if let value, value < 0 { throw ValidationError("--max-\(name) must not be negative, found \(value)") }
        }
        for (name, value) in [("cost", maxCost), ("time", maxTime)] {
            if let value, !(value >= 0) { throw ValidationError("--max-\(name) must not be negative, found \(value)") }
        }
    }

    func applied(to budget: Budget) -> Budget {
        var budget = budget
        budget.steps = maxSteps ?? budget.steps
        budget.toolCalls = maxToolCalls ?? budget.toolCalls
        budget.promptTokens = maxPromptTokens ?? budget.promptTokens
        budget.completionTokens = maxCompletionTokens ?? budget.completionTokens
        budget.money = maxCost ?? budget.money
        budget.seconds = maxTime ?? budget.seconds
        return budget
    }
}
