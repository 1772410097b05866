// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
public import LanguageModels
public import OrderedCollections
public import Tools

/// All that the agent knows: what proposers, policies, gates, keepers and answerers read. It is a fold over the
/// session's events, so that a replay, a resume and a trainer see exactly what the live session saw.
public struct AgentState: Sendable {
    /// What the session runs with; the question in it holds no gold.
    public let header: SessionHeader
    /// The passages kept for the answer.
    public package(set) var evidence = Evidence()
    /// The results so far, by handle, oldest first.
    public package(set) var resultSets: OrderedDictionary<String, ResultSet> = [:]
    /// Every passage that a tool has shown, by id, first seen first: what an answer may cite.
    public package(set) var retrieved: OrderedDictionary<String, RetrievedPassage> = [:]
    /// What proposers noted.
    public package(set) var notes: [Note] = []
    /// What was chosen so far, with what came of it.
    public package(set) var actions: [PastAction] = []
    /// The acting model's turns, with what it was told about each of its calls.
    public package(set) var conversation: [ConversationTurn] = []
    /// The number of the step, from 1; 0 before the first.
    public package(set) var step = 0
    /// What has been spent, open calls at their estimated cost.
    public package(set) var spent = Spending()
    /// The last measurement of uncertainty.
    public package(set) var uncertainty: GateDecision?
    /// How many steps in a row brought no passage that was new.
    public package(set) var barrenSteps = 0
    /// The answer that a proposer brought: the acting model's own, or what was computed.
    public package(set) var draft: String?
    /// Who made the draft.
    public package(set) var draftLabel = Answer.Label.model
    /// Why the run is ending; nil while it goes on.
    public package(set) var stop: StopReason?
    /// The answer, once it is there.
    public package(set) var answer: Answer?

    public init(header: SessionHeader) {
        self.header = header
    }

    /// The question.
    public var question: Question { header.question }
    /// What the run may spend.
    public var budget: Budget { header.budget }
    /// The steps that are left; nil without a limit.
    public var stepsLeft: Int? { budget.steps.map { max(0, $0 - spent.steps) } }
    /// The tool calls that are left; nil without a limit.
    public var toolCallsLeft: Int? { budget.toolCalls.map { max(0, $0 - spent.toolCalls) } }

    /// The text of the newest note of that kind and key.
    public func note(_ kind: String, key: String = "") -> String? {
        notes.last { $0.kind == kind && $0.key == key }?.text
    }

    /// Whether a note of that kind and key was made.
    public func hasNote(_ kind: String, key: String) -> Bool {
        notes.contains { $0.kind == kind && $0.key == key }
    }

    /// Whether this call has been made already, with the same tool and the same arguments.
    public func hasCalled(_ invocation: ToolInvocation) -> Bool {
        calls.contains(AgentState.key(of: invocation))
    }

    /// The calls made so far, each in one form.
    package var calls: Set<String> = []
}

/// A passage that a tool has shown, with where it came from.
public struct RetrievedPassage: Sendable, Hashable {
    public var passage: Passage
    /// The best score that a tool gave it, in that tool's own units.
    public var score: Double
    /// The first call that found it (`t1` …).
    public var callID: String
    /// Its best rank in that call, from 0.
    public var rank: Int
    /// How many calls found it.
    public var timesFound: Int

    public init(passage: Passage, score: Double, callID: String, rank: Int, timesFound: Int = 1) {
        self.passage = passage
        self.score = score
        self.callID = callID
        self.rank = rank
        self.timesFound = timesFound
    }
}

/// A choice with what came of it.
public struct PastAction: Sendable, Hashable {
    public var step: Int
    public var candidate: CandidateAction
    public var choice: PolicyChoice
    /// The ids of the tool calls that it led to.
    public var callIDs: [String]
    /// How many passages it brought that had not been seen.
    public var newPassages: Int
    /// How many of its calls failed or were refused.
    public var failures: Int
    /// What its calls that failed said.
    public var errors: [String]

    public init(step: Int, candidate: CandidateAction, choice: PolicyChoice) {
        self.step = step
        self.candidate = candidate
        self.choice = choice
        callIDs = []
        newPassages = 0
        failures = 0
        errors = []
    }
}

/// One turn of the acting model, and what it was told.
public struct ConversationTurn: Sendable, Hashable {
    /// What the model wrote.
    public var message: ChatMessage
    /// What was said about each of its calls, by the model's id of the call: fenced results and corrections.
    public var replies: [String: String]
    /// What was said about the turn as a whole; nil when nothing was wrong with it.
    public var correction: String?

    public init(message: ChatMessage) {
        self.message = message
        replies = [:]
        correction = nil
    }
}
