// SPDX-License-Identifier: Apache-2.0

import Base
import Corpus
import LanguageModels
import OrderedCollections
import Reading
import Synchronization
import TensorMath
import Text
import Tools

/// Runs one question: performs the loop's actions, and appends every event to a store before anything acts on it.
///
///     let session = try AgentSession(question, strategy: strategy, environment: environment, store: store)
///     for await event in session.events() { … }      // in another task
///     let answer = try await session.run()
///
/// A session that was cut off at any point goes on with `resume(_:strategy:environment:store:)`: finished calls are
/// neither made nor paid for again, and it ends where the uninterrupted run would have.
public actor AgentSession {
    /// The session's id.
    public nonisolated let id: String
    let strategy: Strategy
    let environment: AgentEnvironment
    private let store: any EventStore
    private let subscribers = EventHub()
    private let interruption = Atomic<Bool>(false)

    var loop: AgentLoop
    private var nextSequence = 0
    private let startTime: Double
    private var wasInterrupted = false
    private var isReplaying = false

    /// Events that are in the store but whose turn has not come: a later call of a batch that ended first.
    private var early: [Int: SessionEvent] = [:]
    /// The number of the running batch's next result.
    private var nextTaken = 0
    /// The model calls of the action that is being performed; a resumed action finds its earlier ones here.
    private var journal: [ModelCallRecord] = []
    private var results: [String: Result<ModelResponse, LanguageModelError>] = [:]
    private var cursor = 0
    private var modelCallCount = 0
    /// What the agent knew when the action began that a replay found half done: its components are asked again with
    /// exactly that, and then find their finished calls in the journal.
    private(set) var stateBeforeJournal: AgentState?
    private var startedToolCalls: Set<String> = []

    /// A new session.
    /// - Parameters:
    ///   - seed: seeds every random choice.
    ///   - fenceSalt: makes the markers of the fences unpredictable (`SessionHeader.fenceSalt`); it is kept with the
    ///     session, so that it is replayed exactly. Default 0: they follow from the seed.
    ///   - budget: replaces the strategy's.
    ///   - id: replaces the id that is derived from the question, the seed and what the session runs with.
    public init(
        _ question: Question, strategy: Strategy, environment: AgentEnvironment, store: any EventStore,
        seed: UInt64 = 0, fenceSalt: UInt64 = 0, budget: Budget? = nil, id: String? = nil
    ) {
        let environment = environment.equipped(for: strategy)
        // Greetings and thanks are no words to look for.
        var question = question
        question.text = QuestionForm.core(question.text)
        var header = SessionHeader(
            session: "", question: question,
            corpus: .init(name: environment.corpus.summary.name, value: environment.corpus.fingerprint),
            model: AgentSession.fingerprint(of: environment.model),
            policy: .init(name: strategy.name, value: strategy.fingerprint), seed: seed,
            budget: budget ?? strategy.budget, prices: strategy.rules.prices, tools: environment.tools.names)
        let digits = String(XXH64.hash(header.json.serialized()), radix: 16)
        header.session = id ?? String(repeating: "0", count: 16 - digits.count) + digits
        header.fenceSalt = fenceSalt
        self.init(header: header, strategy: strategy, environment: environment, store: store, offset: 0)
    }

    private init(
        header: SessionHeader, strategy: Strategy, environment: AgentEnvironment, store: any EventStore, offset: Double
    ) {
        id = header.session
        self.strategy = strategy
        self.environment = environment
        self.store = store
        loop = AgentLoop(header: header, rules: strategy.rules)
        startTime = environment.clock.now() - offset
    }

    private static func fingerprint(of model: (any LanguageModel)?) -> SessionHeader.Fingerprint {
        guard let model else { return .init() }
        // A scripted model's fingerprint is its whole script: a hash of it says as much.
        let value = model.fingerprint
        return .init(name: model.name, value: value.utf8.count > 80 ? "sha256:" + SHA256.hex(value) : value)
    }

    /// A session that goes on from its stored events.
    /// - Throws: `SessionError.notFound`, `.damaged`, and `.mismatch` when the corpus's generation, the model, the
    ///   policy or the tools are not those of the record.
    public static func resume(
        _ id: String, strategy: Strategy, environment: AgentEnvironment, store: any EventStore
    ) async throws -> AgentSession {
        let events = try await store.events(of: id)
        guard let first = events.first else { throw SessionError.notFound(id) }
        let environment = environment.equipped(for: strategy)
        guard first.sequence == 0, case .started(var header) = first.kind else {
            throw SessionError.damaged("the first event must be \"started\"")
        }
        header.session = id
        func check(_ what: String, _ recorded: SessionHeader.Fingerprint, _ given: SessionHeader.Fingerprint) throws {
            guard recorded != given else { return }
            func text(_ value: SessionHeader.Fingerprint) -> String {
                value == .init() ? "none" : "\(value.name) (\(value.value.prefix(100)))"
            }
            throw SessionError.mismatch(what: what, recorded: text(recorded), given: text(given))
        }
        try check(
            "corpus generation", header.corpus,
            .init(name: environment.corpus.summary.name, value: environment.corpus.fingerprint))
        try check("model", header.model, fingerprint(of: environment.model))
        try check("policy", header.policy, .init(name: strategy.name, value: strategy.fingerprint))
        guard header.tools == environment.tools.names else {
            throw SessionError.mismatch(
                what: "set of tools", recorded: header.tools.joined(separator: ", "),
                given: environment.tools.names.joined(separator: ", "))
        }
        let session = AgentSession(
            header: header, strategy: strategy, environment: environment, store: store,
            offset: events.map(\.time).max() ?? 0)
        await session.replay(events)
        return session
    }

    /// The session's events from the first on: those that are there already, then each as it happens.
    public nonisolated func events() -> AsyncStream<SessionEvent> { subscribers.subscribe() }

    /// The session's events as `events` gives them, and between them what its model writes, as it writes it.
    public nonisolated func updates() -> AsyncStream<SessionUpdate> { subscribers.watch() }

    /// Asks the session to end its step and answer from what there is. To stop at once, cancel the task of `run`.
    public nonisolated func interrupt() { interruption.store(true, ordering: .relaxed) }

    /// What the agent knows now.
    public var state: AgentState { loop.state }

    /// Runs the session to its end, or on from where it was cut off.
    /// - Returns: the answer; every run ends in one.
    /// - Throws: `CancellationError`, and `SessionError` when an event cannot be stored; the session can be resumed.
    public func run() async throws -> Answer {
        defer { subscribers.finish() }
        try await run { _ in false }
        guard let answer = loop.state.answer else { throw SessionError.damaged("the session ended without an answer") }
        return answer
    }

    /// Performs actions until one is to be left to somebody else.
    private func run(until isForeign: (AgentLoop.Action) -> Bool) async throws {
        if nextSequence == 0 { try await append(.started(loop.state.header)) }
        while let action = loop.pending.first, !isForeign(action) {
            try Task.checkCancellation()
            if interruption.load(ordering: .relaxed), !wasInterrupted, loop.state.stop == nil, early.isEmpty {
                try await append(.interrupted)
                continue
            }
            cursor = 0
            try await perform(action)
        }
    }

    // MARK: A policy elsewhere

    /// Runs until the policy has to choose: for a policy on the other side of a socket, or a trainer that looks ahead.
    /// - Returns: the candidates, to be answered with `choose`; nil when the session is over.
    public func runToChoice() async throws -> [CandidateAction]? {
        try await run { action in
            if case .choose = action { return true }
            return false
        }
        if case .choose(let candidates)? = loop.pending.first { return candidates }
        return nil
    }

    /// Runs until something is to be proposed: for whoever proposes and chooses elsewhere.
    /// - Returns: false when the session is over.
    public func runToProposal() async throws -> Bool {
        try await run { $0 == .propose }
        return loop.pending.first == .propose
    }

    /// Takes a proposal from outside where `runToProposal` stopped.
    public func propose(_ proposal: Proposal) async throws {
        guard loop.pending.first == .propose else { throw SessionError.damaged("nothing is to be proposed now") }
        try await append(.proposed(proposal))
    }

    /// Takes a choice from outside where `runToChoice` stopped, or after `propose`.
    /// - Throws: `SessionError.damaged` when nothing is to be chosen now, or the choice names no candidate.
    public func choose(_ choice: PolicyChoice) async throws {
        guard case .choose(let candidates)? = loop.pending.first else {
            throw SessionError.damaged("nothing is to be chosen now")
        }
        guard candidates.indices.contains(choice.index) else {
            throw SessionError.damaged("the choice is candidate \(choice.index) of \(candidates.count)")
        }
        try await append(.chose(choice))
    }

    // MARK: Events

    /// Stores an event, then lets the loop and the subscribers see it.
    func append(_ kind: SessionEvent.Kind) async throws {
        let event = SessionEvent(sequence: nextSequence, time: now, kind: kind)
        nextSequence += 1
        try await store.append(event, to: id)
        take(event)
    }

    private var now: Double { environment.clock.now() - startTime }

    /// Lets the loop and the subscribers see an event that is stored.
    private func take(_ event: SessionEvent) {
        if isReplaying, journal.isEmpty, case .modelCalled = event.kind { stateBeforeJournal = loop.state }
        loop.receive(event)
        switch event.kind {
        case .modelCalled(let record):
            journal.append(record)
            modelCallCount += 1
        case .modelReturned(let id, let response): results[id] = .success(response)
        case .modelFailed(let id, let error): results[id] = .failure(error)
        case .toolCalled(let record): startedToolCalls.insert(record.id)
        case .toolReturned(let id, _): startedToolCalls.remove(id)
        case .interrupted: wasInterrupted = true
        default:
            journal.removeAll()
            results.removeAll()
            stateBeforeJournal = nil
        }
        subscribers.publish(event)
    }

    /// Takes the stored events without a gap; what stands behind a gap is the end of a batch that was cut off.
    private func replay(_ events: [SessionEvent]) {
        isReplaying = true
        defer { isReplaying = false }
        for event in events {
            if event.sequence == nextSequence {
                nextSequence += 1
                take(event)
            } else {
                early[event.sequence] = event
            }
        }
    }

    // MARK: Effects

    /// Runs a batch at the same time. Each result is stored as soon as it is there, under the number that was reserved
    /// for it, and taken when all before it are taken.
    private func runBatch(_ operations: [@Sendable () async throws -> SessionEvent.Kind]) async throws {
        let base = nextSequence
        nextSequence += operations.count
        nextTaken = base
        do {
            if operations.count == 1, early[base] == nil {
                try await keepEarly(SessionEvent(sequence: base, time: 0, kind: operations[0]()))
            } else {
                try await withThrowingTaskGroup(of: (Int, SessionEvent.Kind).self) { group in
                    for (index, operation) in operations.enumerated() where early[base + index] == nil {
                        group.addTask { (index, try await operation()) }
                    }
                    takeReady()
                    while let (index, kind) = try await group.next() {
                        try await keepEarly(SessionEvent(sequence: base + index, time: 0, kind: kind))
                        takeReady()
                    }
                }
            }
            takeReady()
        } catch {
            nextSequence = nextTaken
            throw error
        }
    }

    /// Takes the results of the running batch whose turn has come.
    private func takeReady() {
        while nextTaken < nextSequence, let event = early.removeValue(forKey: nextTaken) {
            take(event)
            nextTaken += 1
        }
    }

    private func keepEarly(_ event: SessionEvent) async throws {
        var event = event
        event.time = now
        try await store.append(event, to: id)
        early[event.sequence] = event
    }

    /// The result sets that the calls' arguments may name: the newest ones, and whichever older one a call does name.
    /// A long session does not copy all it ever found for each call.
    private func resultSets(namedIn records: [ToolCallRecord]) -> [String: ResultSet] {
        let all = loop.state.resultSets
        var sets: [String: ResultSet] = [:]
        for (handle, set) in all.elements.suffix(32) { sets[handle] = set }
        guard all.count > sets.count else { return sets }
        for record in records {
            for word in record.invocation.arguments.split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
                if let set = all[String(word)] { sets[String(word)] = set }
            }
        }
        return sets
    }

    /// Calls the tools of a batch; those that have returned already are not in it.
    func callTools(_ records: [ToolCallRecord]) async throws {
        for record in records where !startedToolCalls.contains(record.id) { try await append(.toolCalled(record)) }
        let sets = resultSets(namedIn: records)
        let tools = environment.tools
        let seconds = Ledger(state: loop.state).secondsLeft(closing: false)
        var operations: [@Sendable () async throws -> SessionEvent.Kind] = []
        for record in records {
            let call = ToolCall(
                id: record.invocation.callID, name: record.invocation.tool, arguments: record.invocation.arguments)
            let context = ToolContext(
                corpus: environment.corpus, resultSets: sets, handle: record.handle, limits: strategy.toolLimits)
            operations.append {
                let output = try await withTimeLimit(seconds) { try await tools.run(call, in: context) }
                return .toolReturned(
                    id: record.id, output ?? .failure("\(call.name) took longer than the budget allows"))
            }
        }
        try await runBatch(operations)
    }

    /// Calls the model for a component: charged and recorded before, answered from the record where it was paid for.
    func respond(_ requests: [ModelRequest], purpose: String, closing: Bool) async throws -> [ModelResponse] {
        guard let model = environment.model else {
            throw LanguageModelError.unavailable("this session has no model")
        }
        var calls: [(record: ModelCallRecord, request: ModelRequest)] = []
        for var request in requests {
            let ledger = Ledger(state: loop.state)
            if cursor < journal.count {
                // Paid for already: the grant was computed from a state that did not hold this very charge.
                let record = journal[cursor]
                request.options.maxTokens = record.completionTokens / max(1, request.options.samples)
                guard record.digest == ModelRequestCost.digest(request) else {
                    throw SessionError.damaged("call \(record.id) asks the model something else than its record")
                }
                if let seconds = ledger.secondsLeft(closing: closing) {
                    request.options.timeout = max(1, min(request.options.timeout, seconds))
                }
                calls.append((record, request))
            } else {
                let prompt = ModelRequestCost.promptTokens(of: request)
                let samples = max(1, request.options.samples)
                let granted = try ledger.grant(
                    prompt: prompt, completion: request.options.maxTokens * samples, closing: closing
                ).get()
                guard granted / samples > 0 else { throw SessionError.budget(.completionTokens) }
                request.options.maxTokens = granted / samples
                if let seconds = ledger.secondsLeft(closing: closing) {
                    guard seconds > 0 else { throw SessionError.budget(.seconds) }
                    request.options.timeout = min(request.options.timeout, seconds)
                }
                let record = ModelCallRecord(
                    id: "m\(modelCallCount + 1)", purpose: purpose, digest: ModelRequestCost.digest(request),
                    promptTokens: prompt, completionTokens: request.options.maxTokens * samples)
                try await append(.modelCalled(record))
                calls.append((record, request))
            }
            cursor += 1
        }
        let open = calls.filter { results[$0.record.id] == nil }
        if !open.isEmpty {
            let onModelEvent = environment.onModelEvent
            let subscribers = subscribers
            try await runBatch(
                open.map { call in
                    {
                        do {
                            let response = try await model.respond(to: call.request) { event in
                                subscribers.publish(event, of: call.record.id)
                                onModelEvent?(call.record.id, event)
                            }
                            return .modelReturned(id: call.record.id, response)
                        } catch let error as LanguageModelError {
                            return .modelFailed(id: call.record.id, error)
                        }
                    }
                })
        }
        return try calls.map { call in
            guard let result = results[call.record.id] else {
                throw SessionError.damaged("call \(call.record.id) has no result")
            }
            return try result.get()
        }
    }
}

/// What a request is charged before it is made, and what it is recognised by.
enum ModelRequestCost {
    /// An estimate of the prompt's tokens, on the high side: three bytes a token (English text has more than four), and
    /// eight tokens a message for its frame.
    static func promptTokens(of request: ModelRequest) -> Int {
        var bytes = 0
        for message in request.messages {
            bytes += message.content.utf8.count + message.reasoning.utf8.count + 24
            for call in message.toolCalls { bytes += call.name.utf8.count + call.arguments.utf8.count + 24 }
        }
        for tool in request.tools {
            bytes += tool.name.utf8.count + tool.description.utf8.count + tool.parameters.serialized().utf8.count + 24
        }
        return (bytes + 2) / 3
    }

    static func digest(_ request: ModelRequest) -> String {
        var bytes: [UInt8] = []
        request.json.append(to: &bytes)
        return bytes.withUnsafeBytes { String(XXH64.hash($0), radix: 16) }
    }
}

/// Runs an operation for so long at most; nil when the time was over first.
func withTimeLimit<Value: Sendable>(
    _ seconds: Double?, _ operation: @escaping @Sendable () async throws -> Value
) async throws -> Value? {
    guard let seconds else { return try await operation() }
    return try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            try await Task.sleep(for: .seconds(max(0, seconds)))
            return nil
        }
        defer { group.cancelAll() }
        return try await group.next() ?? nil
    }
}
