// SPDX-License-Identifier: Apache-2.0

public import Base
public import Corpus
public import LanguageModels
import Text

/// Something the agent can call to learn from the corpus, or from what a manifest in `Tools/` names.
///
/// A conformer keeps these promises, which `ToolConformance` in the tests checks:
/// - `specification` never changes, so that a prompt prefix stays cached;
/// - `call` is given arguments that the specification's schema accepts, and still throws `ToolError`, never traps,
///   when it is given others;
/// - the same call in the same context gives the same output, as far as the tool itself decides;
/// - a result set that it returns carries the context's handle;
/// - cancelling the task ends the call promptly with `CancellationError`.
public protocol RetrievalTool: Sendable {
    /// What the model reads about the tool.
    var specification: ToolSpecification { get }
    /// What a client of a server needs who calls the tool itself. Default: `full`.
    var access: ToolAccess { get }
    /// Runs a call.
    /// - Throws: `ToolError` with a message that teaches the model what was wrong; `CancellationError`.
    func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput
}

/// How far a tool reaches, and so who may call it on a server.
public enum ToolAccess: String, Sendable, Hashable, CaseIterable {
    /// It searches and reads the corpus, and does nothing else.
    case read
    /// It acts outside: a program, an address, another server.
    case full
}

extension RetrievalTool {
    /// A tool that does not say how far it reaches is taken to reach far.
    public var access: ToolAccess { .full }
    /// The tool's name.
    public var name: String { specification.name }
}

/// What a call of a tool may use: the corpus, the earlier results by handle, and its limits.
public struct ToolContext: Sendable {
    /// The corpus that is searched.
    public var corpus: any RetrievalCorpus
    /// The results of this session, by handle.
    public var resultSets: [String: ResultSet]
    /// The handle that the result of this call gets: `r1`, `r2` …
    public var handle: String
    /// How much the call may use.
    public var limits: ToolLimits

    public init(
        corpus: any RetrievalCorpus, resultSets: [String: ResultSet] = [:], handle: String = "r1",
        limits: ToolLimits = ToolLimits()
    ) {
        self.corpus = corpus
        self.resultSets = resultSets
        self.handle = handle
        self.limits = limits
    }
}

/// How much one call may use.
public struct ToolLimits: Sendable, Hashable {
    /// The most characters of text that the model is shown. Default 12,000.
    public var outputCharacters: Int
    /// The most characters of one passage in a list of results. Default 1,500.
    public var passageCharacters: Int
    /// The most results of one call. Default 100.
    public var results: Int
    /// The most rows of a list or a table on one page. Default 50.
    public var pageRows: Int
    /// The longest query, in characters. Default 4,096.
    public var queryCharacters: Int
    /// The longest time of a call of an outside tool, in seconds. Default 30.
    public var seconds: Double
    /// The most bytes that are read from an outside tool. Default 1 MiB.
    public var externalBytes: Int

    public init(
        outputCharacters: Int = 12_000, passageCharacters: Int = 1_500, results: Int = 100, pageRows: Int = 50,
        queryCharacters: Int = 4_096, seconds: Double = 30, externalBytes: Int = 1 << 20
    ) {
        self.outputCharacters = outputCharacters
        self.passageCharacters = passageCharacters
        self.results = results
        self.pageRows = pageRows
        self.queryCharacters = queryCharacters
        self.seconds = seconds
        self.externalBytes = externalBytes
    }
}

/// A passage with the score that a tool gave it.
public struct ShownPassage: Sendable, Hashable {
    public var passage: Passage
    public var score: Double

    public init(passage: Passage, score: Double) {
        self.passage = passage
        self.score = score
    }
}

/// What a call gave: a result set for later calls, passages for the evidence, and text for the model.
public struct ToolOutput: Sendable, Hashable {
    /// The whole result, under the context's handle; nil when there is nothing to name (a read, an error).
    public var resultSet: ResultSet?
    /// The passages that the text shows, in its order, for the evidence.
    public var passages: [ShownPassage]
    /// What the model reads. It holds retrieved text as it stands in the corpus: whoever shows it to a model fences it.
    public var text: String
    /// One line for people.
    public var summary: String
    /// Whether the call failed; then the text says what was wrong and how to do better.
    public var isError: Bool
    /// What had to be mended in the call's name and arguments before it could run; empty for a call that was right.
    public var repairs: [String] = []

    public init(
        resultSet: ResultSet? = nil, passages: [ShownPassage] = [], text: String, summary: String,
        isError: Bool = false
    ) {
        self.resultSet = resultSet
        self.passages = passages
        self.text = text
        self.summary = summary
        self.isError = isError
    }

    /// A failed call whose text and summary are the message.
    public static func failure(_ message: String) -> ToolOutput {
        ToolOutput(text: "Error: " + message, summary: "error: " + message, isError: true)
    }
}

/// Why a tool gave no result, in words that help the caller to call it right.
public struct ToolError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What kind of failure it was.
    public enum Kind: String, Sendable, Hashable {
        /// The arguments, or a handle in them, are not what the tool takes.
        case invalidArguments
        /// There is no such tool.
        case unknownTool
        /// The tool was refused by a rule: an address, a host, a program.
        case refused
        /// The tool ran and failed.
        case failed
        /// The tool took too long.
        case timedOut
    }

    public var kind: Kind
    public var message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    public var description: String { message }
}
