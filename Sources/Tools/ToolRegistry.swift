// SPDX-License-Identifier: Apache-2.0

public import Base
import Corpus
public import LanguageModels
import Text

/// The tools of a session, in a fixed order: the order in which a model is told of them.
public struct ToolRegistry: Sendable {
    /// The tools, in their order.
    public let tools: [any RetrievalTool]
    /// What the built-in tools answered before; nil asks anew each time.
    public var memo: ToolMemo?
    private let positions: [String: Int]

    /// Takes the tools in the order in which the model is told of them.
    /// - Throws: `ToolManifestError` when two tools have one name, or a schema is not one that can be checked.
    public init(_ tools: [any RetrievalTool]) throws {
        var positions: [String: Int] = [:]
        for (index, tool) in tools.enumerated() {
            let specification = tool.specification
            guard ToolRegistry.isValid(name: specification.name) else {
                throw ToolManifestError(
                    "a tool's name must match [A-Za-z0-9_.-]{1,64}, found \"\(specification.name)\"")
            }
            guard positions.updateValue(index, forKey: specification.name) == nil else {
                throw ToolManifestError("two tools are named \"\(specification.name)\"")
            }
            do {
                try JSONSchemaValidator(schema: specification.parameters).checkSchema()
            } catch {
                throw ToolManifestError("tool \"\(specification.name)\": \(error)")
            }
        }
        self.tools = tools
        self.positions = positions
    }

    /// The tool of that name.
    public subscript(name: String) -> (any RetrievalTool)? {
        positions[name].map { tools[$0] }
    }

    /// The names, in order.
    public var names: [String] { tools.map(\.name) }

    /// What a model is told, in order.
    public var specifications: [ToolSpecification] { tools.map(\.specification) }

    /// A built-in tool that is there for those who name it, and that no model is told of otherwise; nil for other names.
    public static func onRequest(_ name: String) -> (any RetrievalTool)? {
        switch name {
        case FindTextTool.name: return FindTextTool()
        case VectorSearchTool.name: return VectorSearchTool()
        case LinksTool.name: return LinksTool()
        default: return nil
        }
    }

    /// A registry with only the tools of these names, in this registry's order; tools that are there on request come last.
    /// - Throws: `ToolManifestError` when a name is unknown.
    public func selecting(_ wanted: some Collection<String>) throws -> ToolRegistry {
        let missing = wanted.filter { positions[$0] == nil }
        if !missing.isEmpty, missing.allSatisfy({ Self.onRequest($0) != nil }) {
            return try adding(missing.compactMap(Self.onRequest)).selecting(wanted)
        }
        for name in wanted where positions[name] == nil && Self.onRequest(name) == nil {
            throw ToolManifestError("there is no tool \"\(name)\"; there are \(names.joined(separator: ", "))")
        }
        let wanted = Set(wanted)
        var selected = try ToolRegistry(tools.filter { wanted.contains($0.name) })
        selected.memo = memo
        return selected
    }

    /// The registry with further tools behind its own; one whose name is taken is left out.
    public func adding(_ more: [any RetrievalTool]) throws -> ToolRegistry {
        var names = Set(positions.keys)
        let new = more.filter { names.insert($0.name).inserted }
        guard !new.isEmpty else { return self }
        var extended = try ToolRegistry(tools + new)
        extended.memo = memo
        return extended
    }

    /// The registry that answers from a memo what was asked before.
    public func remembering(_ memo: ToolMemo) -> ToolRegistry {
        var registry = self
        registry.memo = memo
        return registry
    }

    private static func isBuiltIn(_ tool: any RetrievalTool) -> Bool {
        tool is SearchTool || tool is ReadTool || tool is FilterTool || tool is AggregateTool || tool is LinksTool
            || tool is FindTextTool || tool is VectorSearchTool || tool is QuestionSearchTool
    }

    /// Runs a call as a model wrote it. Name and arguments are read as they were meant, by the tool's schema; what had to be
    /// mended stands in the output's `repairs`. Whatever is wrong beyond that comes back as an output that says so; only
    /// cancellation is thrown.
    /// - Throws: `CancellationError`.
    public func run(_ call: ToolCall, in context: ToolContext) async throws -> ToolOutput {
        guard let name = toolName(call.name), let tool = self[name] else { return .failure(unknown(call.name).message) }
        guard let read = ArgumentRepair.read(call.arguments, schema: tool.specification.parameters) else {
            var reason = "expected an object"
            do { _ = try JSONValue(parsing: call.arguments, limits: JSONLimits(depth: 32, bytes: 1 << 18)) } catch {
                reason = "\(error)"
            }
            return .failure("the arguments of \(name) are not JSON: \(reason). Write one JSON object.")
        }
        var output = try await remembered(tool, read.value, in: context)
        output.repairs = read.repairs
        if name != call.name { output.repairs.insert("the name \"\(call.name.prefix(64))\" read as \(name)", at: 0) }
        return output
    }

    /// What the memo holds of a call, or what the tool says now.
    private func remembered(
        _ tool: any RetrievalTool, _ arguments: JSONValue, in context: ToolContext
    ) async throws -> ToolOutput {
        guard let memo, Self.isBuiltIn(tool), memo.corpus == context.corpus.fingerprint else {
            return try await run(tool, arguments, in: context)
        }
        let text = arguments.serialized()
        let key = ToolMemo.Key(
            tool: tool.name, arguments: text, handle: context.handle, limits: context.limits,
            sets: ToolMemo.sets(named: text, in: context.resultSets))
        if let known = memo.answer(key) { return known }
        let output = try await run(tool, arguments, in: context)
        if !output.isError { memo.remember(output, for: key) }
        return output
    }

    /// The tool that a name means, as a model wrote it.
    package func toolName(_ written: String) -> String? {
        if let name = ToolCall.tool(named: written, among: names) { return name }
        // A slip of the pen in a long name; a short one could be another word.
        guard written.count >= 6, let near = nearest(to: written, among: names), near.count >= 6 else { return nil }
        return near
    }

    /// Runs a tool by name with arguments that are JSON already, read as they were meant.
    /// - Throws: `CancellationError`.
    public func run(_ name: String, _ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        guard let meant = toolName(name), let tool = self[meant] else { return .failure(unknown(name).message) }
        let read = ArgumentRepair.fit(arguments, schema: tool.specification.parameters)
        var output = try await run(tool, read.value, in: context)
        output.repairs = (meant == name ? [] : ["the name \"\(name.prefix(64))\" read as \(meant)"]) + read.repairs
        return output
    }

    private func run(
        _ tool: any RetrievalTool, _ arguments: JSONValue, in context: ToolContext
    ) async throws -> ToolOutput {
        try Task.checkCancellation()
        do {
            let violations = try JSONSchemaValidator(schema: tool.specification.parameters).validate(arguments)
            guard violations.isEmpty else {
                let shown = violations.prefix(5).map(\.description).joined(separator: "; ")
                return .failure("wrong arguments for \(tool.name): \(shown)")
            }
            return try await tool.call(arguments, in: context).capped(to: context.limits)
        } catch let error as CancellationError {
            throw error
        } catch {
            try Task.checkCancellation()
            return .failure("\(tool.name): \(error)")
        }
    }

    private func unknown(_ name: String) -> ToolError {
        let known = names.joined(separator: ", ")
        if let near = nearest(to: name, among: names) {
            return ToolError(
                .unknownTool, "there is no tool \"\(name.prefix(64))\"; did you mean \(near)? There are \(known).")
        }
        return ToolError(.unknownTool, "there is no tool \"\(name.prefix(64))\"; there are \(known).")
    }

    static func isValid(name: String) -> Bool {
        (1...64).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    return true
                default: return false
                }
            }
    }
}

extension ToolOutput {
    /// The output with its text cut to the limit; a note says how much was cut.
    func capped(to limits: ToolLimits) -> ToolOutput {
        guard text.utf8.count > limits.outputCharacters, text.count > limits.outputCharacters else { return self }
        var result = self
        let note = "\n[cut: \(text.count - limits.outputCharacters) more characters]"
        result.text = String(text.prefix(max(0, limits.outputCharacters - note.count))) + note
        return result
    }
}

/// Why a tool or its manifest cannot be used: the file and the line where known, and what was expected.
public struct ToolManifestError: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
