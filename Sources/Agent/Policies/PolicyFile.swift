// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
import Foundation
import LanguageModels
import OrderedCollections
import Text
import Tools

/// A file of `Policies/`: which proposers, policy, gate, keeper and answerer work together, and within which budget.
///
///     name: hops
///     description: Several hops without a model.
///     model: optional                       # none, optional (default) or required
///     proposers: [{question: {limit: 20}}, names, {links: {from: 3}}, feedback]
///     policy: {ordered: {order: [question, names, links, feedback]}}
///     gate: {threshold: {measure: degmat, value: 0.4, samples: 5}}
///     keep: {rerank: {limit: 10}}
///     answer: auto
///     budget: {steps: 4, tool_calls: 24, seconds: 120}
///     rules: {barren_steps: 2, corrections: 3}
///     tools: [keyword_search, semantic_search, read]
///     tool_limits: {output_characters: 12000}
///     training: {clone: gold, epochs: 10}   # how a learned policy was trained; sessions do not read it
///     safety: {per_document: 4, duplicates: 0.8, signals: true}    # 0 and false switch a defence off
public struct PolicyFile: Sendable, Hashable {
    /// Whether the strategy needs a model.
    public enum ModelUse: String, Sendable, Hashable, CaseIterable { case none, optional, required }

    public var name: String
    public var description: String
    public var model: ModelUse
    /// The names of the tools that the strategy uses; nil for all.
    public var tools: [String]?
    /// The file as the user named it.
    public var source: String
    /// Where the file stands, for weights beside it; empty for a built-in one.
    public var directory: String
    /// The whole file.
    public let content: JSONValue

    /// Reads a policy file.
    /// - Throws: `YAMLError`, `PolicyError`.
    public init(file path: String) throws {
        try self.init(
            content: YAMLReader.read(file: path), source: path,
            directory: (path as NSString).deletingLastPathComponent.isEmpty
                ? "." : (path as NSString).deletingLastPathComponent)
    }

    /// Reads a policy from YAML text.
    public init(yaml: String, source: String) throws {
        try self.init(content: YAMLReader.read(yaml, name: source), source: source, directory: "")
    }

    init(content: JSONValue, source: String, directory: String) throws {
        var reader = try PolicyReader(content, file: source, path: "")
        let fallback = ((source as NSString).lastPathComponent as NSString).deletingPathExtension
        name = try reader.string("name", default: fallback)
        description = try reader.string("description", default: "")
        let use = try reader.choice("model", default: "optional", of: ModelUse.allCases.map(\.rawValue))
        model = ModelUse(rawValue: use) ?? .optional
        tools = reader.value("tools") == nil ? nil : try reader.strings("tools", default: [])
        self.source = source
        self.directory = directory
        self.content = content
    }

    /// Where policies are looked for: `Policies` in the working folder, then `share/forage/Policies` beside the folder
    /// that the program is installed in.
    public static let standardDirectories: [String] = {
        guard let program = Bundle.main.executableURL?.resolvingSymlinksInPath() else { return ["Policies"] }
        let prefix = program.deletingLastPathComponent().deletingLastPathComponent()
        return ["Policies", prefix.appending(path: "share/forage/Policies").path]
    }()

    /// Where the policies are that the program carries.
    static let bundledDirectory = BundledFiles.prefix + "Policies"

    /// The path of a file that policies use (weights, a reader): in the folder of a policy file, in one of the standard
    /// folders, or carried by the program; nil where it is nowhere.
    /// - Parameter directory: The folder of the policy file that names it; empty for none.
    public static func locate(_ name: String, beside directory: String = "") -> String? {
        if name.hasPrefix("/") { return FileManager.default.fileExists(atPath: name) ? name : nil }
        let folders = (directory.isEmpty ? [] : [directory]) + standardDirectories + [bundledDirectory]
        return folders.map { $0 + "/" + name }.first {
            $0.hasPrefix(BundledFiles.prefix)
                ? BundledFiles.bytes(of: $0) != nil : FileManager.default.fileExists(atPath: $0)
        }
    }

    /// The names of the policies that the program carries, sorted.
    static let bundled: [String] = BundledFiles.paths.compactMap { path in
        guard path.hasPrefix("Policies/"), path.hasSuffix(".yaml") else { return nil }
        return String(path.dropFirst("Policies/".count).dropLast(".yaml".count))
    }

    /// The policy of that name or path: a path to a `.yaml` file, a file of `directories`, or a built-in one.
    /// - Throws: `PolicyError` that lists the names when there is none.
    public static func find(_ name: String, in directories: [String] = standardDirectories) throws -> PolicyFile {
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return try PolicyFile(file: name) }
        for directory in directories {
            let path = directory + "/" + name + ".yaml"
            if FileManager.default.fileExists(atPath: path) { return try PolicyFile(file: path) }
        }
        if bundled.contains(name) { return try PolicyFile(file: bundledDirectory + "/" + name + ".yaml") }
        let names = bundled.joined(separator: ", ")
        throw PolicyError(
            file: name, message: "there is no such policy; there are \(names), or give the path of a .yaml file")
    }

    /// The names under which policies can be found, sorted: a file hides a built-in one, and one of an earlier folder hides
    /// one of a later.
    public static func names(in directories: [String] = standardDirectories) -> [String] {
        var names = Set(bundled)
        for directory in directories {
            let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            names.formUnion(files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) })
        }
        return names.sorted()
    }

    /// Every policy that can be found by its name, by name.
    /// - Throws: `YAMLError`, `PolicyError`.
    public static func all(in directories: [String] = standardDirectories) throws -> [PolicyFile] {
        try names(in: directories).map { try find($0, in: directories) }
    }

    /// The text of the policy of that name or path.
    /// - Throws: as `find(_:in:)` does.
    public static func text(of name: String, in directories: [String] = standardDirectories) throws -> String {
        let file = try find(name, in: directories)
        let text = try MappedFile(path: file.source)
        return withExtendedLifetime(text) { String(decoding: text.bytes, as: UTF8.self) }
    }

    /// Puts the strategy together.
    /// - Parameters:
    ///   - registry: the components that files can name.
    ///   - prices: what the session's model costs.
    /// - Throws: `PolicyError` with the path of what is wrong.
    public func strategy(
        _ registry: StrategyRegistry = .standard, prices: ModelPrice = ModelPrice()
    ) throws -> Strategy {
        var reader = try PolicyReader(content, file: source, path: "")
        for key in ["name", "description", "model", "tools", "training"] { _ = reader.value(key) }
        var proposers: [any ActionProposer] = []
        for component in try reader.components("proposers") {
            proposers.append(try registry.proposer(component, self))
        }
        guard !proposers.isEmpty else { throw reader.error("proposers", "expected at least one proposer") }
        let policy = try reader.component("policy", default: "ordered").map {
            try registry.make($0, from: registry.policies, self)
        }
        let gate = try reader.component("gate", default: nil).map { try registry.make($0, from: registry.gates, self) }
        let keeper = try reader.component("keep", default: "fusion").map {
            try registry.make($0, from: registry.keepers, self)
        }
        let answerer = try reader.component("answer", default: "auto").map {
            try registry.make($0, from: registry.answerers, self)
        }
        let budget = try Self.budget(reader.object("budget"))
        var rulesReader = try reader.object("rules")
        let rules = LoopRules(
            barrenSteps: try rulesReader.int("barren_steps", default: 2, in: 1...1000),
            corrections: try rulesReader.int("corrections", default: 3, in: 1...1000), prices: prices)
        try rulesReader.finish()
        let limits = try Self.limits(reader.object("tool_limits"))
        let defences = try Self.defences(reader.object("safety"))
        try reader.finish()
        guard let policy, let keeper, let answerer else {
            throw PolicyError(file: source, message: "policy, keep and answer must be named")
        }
        let learned = proposers.map(\.fingerprint).filter { !$0.isEmpty }
        let parts = [content.serialized(), policy.fingerprint] + learned
        return Strategy(
            name: name, fingerprint: "sha256:" + SHA256.hex(parts.joined(separator: "\n")).prefix(32),
            proposers: proposers, policy: policy, gate: gate, keeper: GuardedKeeper(keeper, defences: defences),
            answerer: answerer, budget: budget,
            rules: rules, toolLimits: limits)
    }

    private static func budget(_ reader: consuming PolicyReader) throws -> Budget {
        var reader = reader
        let standard = Budget()
        var closing = try reader.object("closing")
        let reserve = Budget.Reserve(
            promptTokens: try closing.int("prompt_tokens", default: standard.closing.promptTokens),
            completionTokens: try closing.int("completion_tokens", default: standard.closing.completionTokens),
            seconds: try closing.double("seconds", default: standard.closing.seconds, in: 0...86_400))
        try closing.finish()
        let budget = Budget(
            steps: try reader.optionalInt("steps", in: 0...10_000) ?? standard.steps,
            toolCalls: try reader.optionalInt("tool_calls") ?? standard.toolCalls,
            promptTokens: try reader.optionalInt("prompt_tokens"),
            completionTokens: try reader.optionalInt("completion_tokens"),
            money: try reader.optionalDouble("money", in: 0...1e9),
            seconds: try reader.optionalDouble("seconds", in: 0...1e7), closing: reserve)
        try reader.finish()
        return budget
    }

    private static func defences(_ reader: consuming PolicyReader) throws -> EvidenceDefences {
        var reader = reader
        let standard = EvidenceDefences()
        let perDocument = try reader.int("per_document", default: standard.perDocument ?? 0, in: 0...10_000)
        let similarity = try reader.double("duplicates", default: standard.duplicateSimilarity ?? 0, in: 0...1)
        let defences = EvidenceDefences(
            perDocument: perDocument == 0 ? nil : perDocument, duplicateSimilarity: similarity == 0 ? nil : similarity,
            signals: try reader.bool("signals", default: standard.signals))
        try reader.finish()
        return defences
    }

    private static func limits(_ reader: consuming PolicyReader) throws -> ToolLimits {
        var reader = reader
        let standard = ToolLimits()
        let limits = ToolLimits(
            outputCharacters: try reader.int("output_characters", default: standard.outputCharacters),
            passageCharacters: try reader.int("passage_characters", default: standard.passageCharacters),
            results: try reader.int("results", default: standard.results),
            pageRows: try reader.int("page_rows", default: standard.pageRows),
            seconds: try reader.double("seconds", default: standard.seconds, in: 0.001...3600))
        try reader.finish()
        return limits
    }
}
