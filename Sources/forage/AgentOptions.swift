// SPDX-License-Identifier: Apache-2.0

import Agent
import ArgumentParser
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
    @Option(help: "The corpus: a folder made by `forage index`, or a small JSON lines file that is read into memory.")
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

    @Option(help: "The folder of tool manifests. Default: Tools, where there is one, else the built-in tools.")
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
        let model = try openModel()
        let corpus = try await CorpusOpening.open(corpus)
        let policyFile = try PolicyFile.find(policy ?? LearnedDefaults.policy(for: corpus, model: model))
        if policy == nil, !quiet, let line = LearnedDefaults.explanation(of: policyFile.name, model: model) {
            note(line)
        }
        if policyFile.model == .required, model == nil {
            throw ValidationError(
                "policy \(policyFile.name) needs a model: give --model, or set OPENAI_BASE_URL and OPENAI_API_KEY")
        }
        let registry = try await LearnedDefaults.registry(models: model.map { [$0] } ?? [], answerer: answerer)
        let price = try prices.map { try PriceTable(file: $0).price(of: model?.name ?? "") } ?? ModelPrice()
        let strategy = try policyFile.strategy(registry, prices: price)
        var toolRegistry = try await openTools()
        if let names = policyFile.tools { toolRegistry = try toolRegistry.selecting(names) }
        let environment = AgentEnvironment(
            corpus: corpus, tools: toolRegistry, model: policyFile.model == .none ? nil : model,
            embed: corpus.embedding)
        return (environment, strategy)
    }

    func store() async throws -> any EventStore { try await SessionStores.open(sessions) }

    private func openTools() async throws -> ToolRegistry {
        if let tools { return try await ToolRegistry.load(directory: tools) }
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: "Tools", isDirectory: &isFolder), isFolder.boolValue {
            return try await ToolRegistry.load(directory: "Tools")
        }
        return try ToolRegistry.builtIn()
    }

    private func openModel() throws -> (any LanguageModel)? {
        guard let opened = try ModelOpening.open(model) else { return nil }
        guard let record else { return opened }
        return try RecordingModel(opened, to: record)
    }
}

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

/// Opens the model that a command line names.
enum ModelOpening {
    /// - Parameter name: a URL, a file, or a model's name; nil takes the environment's.
    /// - Returns: nil when neither the argument nor the environment names a model.
    static func open(_ name: String?) throws -> (any LanguageModel)? {
        let environment = ProcessInfo.processInfo.environment
        let hasKey = environment["OPENAI_API_KEY"]?.isEmpty == false
        let base = environment["OPENAI_BASE_URL"].flatMap { $0.isEmpty ? nil : $0 }
        guard let name, !name.isEmpty else {
            guard let base else { return nil }
            return try remote(base, model: environment["OPENAI_MODEL"] ?? "default", environment)
        }
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return try ScriptedModel(file: name) }
        if name.hasSuffix(".jsonl") { return try RecordedModel(file: name) }
        if !name.contains("://"), let place = try localPlace(name) {
            do {
                return try LocalModel(
                    path: place.path, adapter: place.adapter, name: (name as NSString).lastPathComponent)
            } catch { throw ValidationError("--model \(name): \(error)") }
        }
        if name.contains("://") {
            let parts = name.split(separator: "#", maxSplits: 1).map(String.init)
            return try remote(
                parts[0], model: parts.count > 1 ? parts[1] : environment["OPENAI_MODEL"] ?? "default", environment)
        }
        guard let base = base ?? (hasKey ? "https://api.openai.com/v1" : nil) else {
            throw ValidationError(
                "--model \(name): there is no model of this name here (`forage model list`; `forage model pull` fetches "
                    + "one), and no server: set OPENAI_BASE_URL, or give a URL such as http://host:port/v1#\(name)"
            )
        }
        return try remote(base, model: name, environment)
    }

    /// Where a model that runs in this process lies, and its adapter; nil for a name that may be a server's.
    private static func localPlace(_ name: String) throws -> LocalModelName? {
        do {
            if let place = try LocalModelName.find(name, folders: PolicyFile.standardDirectories) { return place }
        } catch { throw ValidationError("--model \(name): \(error)") }
        guard name.hasSuffix(".gguf") || name.hasPrefix("/") || name.hasPrefix(".") else { return nil }
        throw ValidationError("--model \(name): there is no such file or folder")
    }

    private static func remote(
        _ base: String, model: String, _ environment: [String: String]
    ) throws -> any LanguageModel {
        try OpenAICompatibleModel(
            OpenAICompatibleModel.Configuration(
                baseURL: base, model: model, apiKey: EndpointKey.find(for: base, environment)))
    }
}

/// Who answers where a policy leaves it open.
enum AnswererChoice: String, ExpressibleByArgument, CaseIterable {
    case auto, extractive, model
    case modelSpans = "model-spans"
}

/// The answerers that "auto" stands for in a policy file.
enum AnswererDefaults {
    /// The model that chooses spans where the session has none of this process.
    static let reader = "smollm2"

    /// The trained span reader, where its weights and the encoder that it was trained on are at hand; nil leaves the
    /// extractive answerer.
    static func best() -> (any Answerer)? { spanReader().map { SpanAnswerer($0) } }

    /// A model in this process that weighs the span reader's candidates, or without that reader those of rules.
    /// - Parameter writes: whether it is the session's own model, whose words are a candidate too.
    private static func choosing(_ model: LocalModel, writes: Bool = false) -> any Answerer {
        let reader = spanReader()
        let answerer = SpanChoiceAnswerer(
            reader: EvidenceAnswerer(model: model, proposer: reader?.proposer()), writes: writes)
        return reader.map { JudgedAnswerer(answerer, by: $0) } ?? answerer
    }

    static func spanReader() -> SpanReader? {
        guard let folder = ModelStore().resolve("minilm"),
            let path = PolicyFile.locate(SpanReader.standardName)
        else { return nil }
        return try? SpanReader(weights: path, model: folder)
    }

    /// The rerankers that can be named.
    static let rerankers: RerankerRegistry = {
        let registry = RerankerRegistry()
        registry.registerReader { spanReader() }
        return registry
    }()

    /// The registry whose "auto" is the chosen answerer.
    /// - Parameter models: the models that sessions will have.
    static func apply(
        _ choice: AnswererChoice, to registry: StrategyRegistry, models: [any LanguageModel]
    ) async throws -> StrategyRegistry {
        switch choice {
        case .auto:
            // Models in this process read: they choose among what the evidence offers and what they would write themselves.
            var readers: [String: any Answerer] = [:]
            for local in models.compactMap({ $0 as? LocalModel }) {
                readers[local.name] = choosing(local, writes: local.capabilities.toolCalls)
            }
            return registry.answering(withoutModel: best() ?? ExtractiveAnswerer(), withModels: readers)
        case .extractive: return registry.always(ExtractiveAnswerer())
        case .model:
            guard !models.isEmpty else { throw ValidationError("--answerer model needs --model") }
            return registry.always(ModelAnswerer())
        case .modelSpans:
            if let local = models.compactMap({ $0 as? LocalModel }).first {
                return registry.always(choosing(local))
            }
            guard let path = ModelStore().resolve(reader) else {
                throw ValidationError(
                    "--answerer model-spans needs a model in this process: `forage model pull \(reader)`")
            }
            return registry.always(choosing(try LocalModel(path: path, name: reader)))
        }
    }
}

/// What sessions are run with where nothing is named.
enum LearnedDefaults {
    /// The policy of sessions where none is named. A model in this process is better at reading than at driving: with it a
    /// policy that needs no model retrieves (`react` lets it drive all the same).
    static func policy(for corpus: any RetrievalCorpus, model: (any LanguageModel)?) -> String {
        guard let model, model.capabilities.toolCalls, !reads(model) else { return policy(for: corpus) }
        return "react"
    }

    /// Whether a model is left to read what a policy retrieves.
    private static func reads(_ model: any LanguageModel) -> Bool { model.capabilities.parameters != nil }

    /// One line for a person who named no policy; nil where there is nothing to choose.
    static func explanation(of policy: String, model: (any LanguageModel)?) -> String? {
        guard let model, reads(model) else { return nil }
        return "\(policy) retrieves, \(model.name) reads and answers; --policy react lets the model drive"
    }

    /// The policy of sessions without a model: the trained one where the corpus has vectors, as those had that it was
    /// trained on, else the fixed one.
    static func policy(for corpus: any RetrievalCorpus) -> String {
        corpus.embedding != nil && corpus.summary.modes.contains(.semantic) ? "forage" : "hops"
    }

    /// The strategies' parts for sessions: the standard ones, learned policies, and the answerer.
    /// - Parameter models: the models that sessions will have.
    static func registry(
        models: [any LanguageModel] = [], answerer: AnswererChoice = .auto
    ) async throws -> StrategyRegistry {
        try await AnswererDefaults.apply(answerer, to: StrategyRegistry.standard.learning(), models: models)
    }
}

/// Opens the corpus that a command line names.
enum CorpusOpening {
    /// The most documents that are read into memory from a file.
    static let memoryLimit = 20_000

    static func open(_ path: String, loadsEncoder: Bool = true) async throws -> any RetrievalCorpus {
        if PostgresAddress.isAddress(path) {
            return try await PostgresCorpus(PostgresAddress(path), loadsEncoder: loadsEncoder)
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw ValidationError("there is no corpus at \(path); make one with `forage index SOURCE --output \(path)`")
        }
        if isFolder.boolValue { return try await LocalCorpus(path: path, loadsEncoder: loadsEncoder) }
        return try memory(path)
    }

    private static func memory(_ path: String) throws -> InMemoryCorpus {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        var documents: [Document] = []
        for (index, line) in data.textLines().enumerated()
        where !line.allSatisfy({ $0 == 0x20 || $0 == 0x0D }) {
            let json: JSONValue
            do {
                json = try JSONValue(parsing: Array(line))
            } catch {
                throw ValidationError("\(path):\(index + 1): expected a JSON object: \(error)")
            }
            guard let text = json["text"]?.string ?? json["contents"]?.string else {
                throw ValidationError("\(path):\(index + 1): expected \"text\" or \"contents\"")
            }
            let id = json["id"]?.string ?? json["id"]?.int.map(String.init) ?? String(index + 1)
            documents.append(
                EvalPassage(
                    id: id, title: json["title"]?.string ?? "", text: text, metadata: json["metadata"]?.object ?? [:]
                ).document)
            guard documents.count <= memoryLimit else {
                throw ValidationError("\(path) has more than \(memoryLimit) documents; index it with `forage index`")
            }
        }
        return try InMemoryCorpus(name: (path as NSString).lastPathComponent, documents: documents)
    }
}
