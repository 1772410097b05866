// SPDX-License-Identifier: Apache-2.0

public import Base
public import Corpus
public import LanguageModels
import Synchronization
import TensorMath
public import Tools

/// Makes candidates from a state.
///
/// A conformer is deterministic: it draws only from `context.random`, reads only the state, the context's corpus and the
/// context's model, and so makes the same candidates again when a session is resumed. It keeps nothing between calls;
/// what later turns need goes into the proposal's notes.
public protocol ActionProposer: Sendable {
    /// What the candidates' `proposer` says.
    var name: String { get }
    /// Identifies parameters that do not stand in the policy file, such as a hash of weights; empty when there are none.
    var fingerprint: String { get }
    /// The candidates for the next action; none when there is nothing to propose.
    /// - Throws: `LanguageModelError`, `SessionError.budget`, `CancellationError`, the corpus's errors.
    func propose(in state: AgentState, using context: StepContext) async throws -> Proposal
    /// Tools that the proposer brings along, beside those of the session. Default: none.
    var tools: [any RetrievalTool] { get }
    /// Keeps what the proposer's own calls found, in place of the session's keeper; default: nil, the session's.
    var keeper: (any EvidenceKeeper)? { get }
}

extension ActionProposer {
    public var keeper: (any EvidenceKeeper)? { nil }
    public var fingerprint: String { "" }
    public var tools: [any RetrievalTool] { [] }
}

/// Chooses among candidates: takes what the model asked for, follows a fixed strategy, or is a learned network.
///
/// A conformer is a function of its arguments: the same state, candidates and generator give the same choice, and a
/// recurrent network folds its state from `state.actions`.
public protocol RetrievalPolicy: Sendable {
    /// The policy's name in reports.
    var name: String { get }
    /// Identifies the policy's parameters (such as a hash of the weights), so that a resume can refuse others.
    var fingerprint: String { get }
    /// The choice.
    /// - Parameters:
    ///   - candidates: at least one.
    ///   - random: seeded from the session and the step.
    func choose(
        among candidates: [CandidateAction], in state: AgentState, random: inout SplitMix64
    ) async throws -> PolicyChoice
}

/// Answers from evidence.
///
/// A conformer cites only passages of `evidence`, never traps on empty or hostile evidence, and gives an `Answer` with
/// the label `none` when the evidence holds no answer.
public protocol Answerer: Sendable {
    /// What the answer's `answerer` says.
    var name: String { get }
    /// Identifies the answerer with its weights. Default: the name.
    var fingerprint: String { get }
    /// The answer.
    /// - Throws: `LanguageModelError`, `SessionError.budget`, `CancellationError`; then the session falls back to
    ///   `ExtractiveAnswerer`.
    func answer(_ question: Question, from evidence: Evidence, using context: StepContext) async throws -> Answer
}

extension Answerer {
    public var fingerprint: String { name }
}

/// Decides what to keep of what was retrieved: the condenser of multi-hop retrieval.
public protocol EvidenceKeeper: Sendable {
    /// The keeper's name.
    var name: String { get }
    /// What to keep after a step; everything that was retrieved is in `state.retrieved`.
    /// - Parameter calls: the ids of the calls of this step.
    func keep(after calls: [String], in state: AgentState, using context: StepContext) async throws -> Keeping
    /// What may be kept of what a policy chose to keep: defences refuse what looks planted. Default: all of it.
    func screened(_ keeping: Keeping, in state: AgentState) -> Keeping
}

extension EvidenceKeeper {
    public func screened(_ keeping: Keeping, in state: AgentState) -> Keeping { keeping }
}

/// Decides before each step whether retrieving (more) is worth it.
public protocol RetrievalGate: Sendable {
    /// The gate's name.
    var name: String { get }
    /// The decision; a gate that has no way to measure decides to retrieve.
    func assess(_ state: AgentState, using context: StepContext) async throws -> GateDecision
}

/// What a component may use while it works for one step. Model calls go through `respond`, which charges the budget
/// before the call, records the call, and gives a resumed session the recorded answer instead of paying again.
public struct StepContext: Sendable {
    /// The corpus, for look-ups that need no record because they cost nothing: titles, links, passages.
    public var corpus: any RetrievalCorpus
    /// The tools that candidates can call.
    public var tools: ToolRegistry
    /// What the model can do; nil without a model.
    public var modelCapabilities: ModelCapabilities?
    /// The model's name; empty without a model.
    public var modelName: String
    /// A generator of this component's own in this step.
    public var random: SplitMix64
    /// The session's salt of fences (`SessionHeader.fenceSalt`).
    public var fenceSalt: UInt64 = 0
    /// Makes vectors of texts, for similarities; nil without an encoder.
    public var embed: (@Sendable ([String]) async throws -> [[Float]])?
    /// Whether the gate ended retrieval because the answer is certain: then a model may answer from what it knows.
    public var isCertain = false
    private let responder: @Sendable ([ModelRequest], String) async throws -> [ModelResponse]

    public init(
        corpus: any RetrievalCorpus, tools: ToolRegistry, modelCapabilities: ModelCapabilities? = nil,
        modelName: String = "", random: SplitMix64 = SplitMix64(seed: 0),
        embed: (@Sendable ([String]) async throws -> [[Float]])? = nil,
        respond: @escaping @Sendable ([ModelRequest], String) async throws -> [ModelResponse] = { _, _ in
            throw LanguageModelError.unavailable("this session has no model")
        }
    ) {
        self.corpus = corpus
        self.tools = tools
        self.modelCapabilities = modelCapabilities
        self.modelName = modelName
        self.random = random
        self.embed = embed
        responder = respond
    }

    /// Whether the session has a model.
    public var hasModel: Bool { modelCapabilities != nil }

    /// Asks the model.
    /// - Parameter purpose: what the call is for, as the trace shows it.
    public func respond(to request: ModelRequest, purpose: String) async throws -> ModelResponse {
        guard let response = try await responder([request], purpose).first else {
            throw LanguageModelError.malformedReply("no response")
        }
        return response
    }

    /// Asks the model several things at the same time; the responses are in the requests' order.
    public func respond(toAll requests: [ModelRequest], purpose: String) async throws -> [ModelResponse] {
        requests.isEmpty ? [] : try await responder(requests, purpose)
    }
}

/// Where time comes from.
public protocol SessionClock: Sendable {
    /// Seconds since some fixed moment; never goes back.
    func now() -> Double
}

/// The machine's monotonic clock.
public struct SystemClock: SessionClock {
    private let start = ContinuousClock.now

    public init() {}

    public func now() -> Double {
        let elapsed = ContinuousClock.now - start
        return Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) * 1e-18
    }
}

/// A clock that advances by a fixed time at every reading: for tests and byte-for-byte reproducible times.
public final class TickingClock: SessionClock {
    private let readings: Mutex<Int>
    private let tick: Double

    /// - Parameter tick: seconds between readings. Default 0: time stands still.
    public init(tick: Double = 0) {
        self.tick = tick
        readings = Mutex(0)
    }

    public func now() -> Double {
        readings.withLock { count in
            defer { count += 1 }
            return Double(count) * tick
        }
    }
}
