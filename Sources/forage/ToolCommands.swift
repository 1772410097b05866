// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Assembly
import Base
import Corpus
import Foundation
import OrderedCollections
import Search
import Text
import Tools

/// What the commands that run one tool share.
struct ToolArguments: ParsableArguments {
    @Option(name: [.short, .long], help: "The corpus: a folder, or postgresql://….")
    var corpus: String

    @Option(name: [.customShort("k"), .long], help: "How many rows or passages.")
    var limit: Int?

    @Option(name: .long, help: "Where to go on.")
    var offset: Int?

    @Flag(name: [.short, .long], help: "Print one JSON object instead of text.")
    var json = false

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit must be at least 1, found \(limit)") }
        if let offset, offset < 0 { throw ValidationError("--offset must not be negative, found \(offset)") }
    }

    /// Runs a built-in tool and prints what it gives.
    func run(_ tool: String, _ arguments: JSONObject) async throws {
        var arguments = arguments
        if let limit { arguments["limit"] = .integer(limit) }
        if let offset { arguments["offset"] = .integer(offset) }
        let opened = try await CorpusOpening.open(corpus, loadsEncoder: false)
        let context = ToolContext(
            corpus: opened, limits: ToolLimits(outputCharacters: 1 << 20, passageCharacters: 1 << 16, pageRows: 10_000))
        let output = try await ToolRegistry.builtIn().run(tool, .object(arguments), in: context)
        guard !output.isError else {
            FileHandle.standardError.write(Data((TerminalText.safe(output.text) + "\n").utf8))
            throw ExitCode.failure
        }
        guard json else { return print(ToolArguments.printable(output.text)) }
        var members: JSONObject = ["summary": .string(output.summary)]
        if let set = output.resultSet { members["result_set"] = set.json }
        if !output.passages.isEmpty {
            members["passages"] = .array(
                output.passages.map {
                    [
                        "id": .string($0.passage.id), "document": .string($0.passage.documentID),
                        "title": .string($0.passage.title), "text": .string($0.passage.text),
                    ]
                })
        }
        if case .documents(let set)? = output.resultSet?.content {
            members["rows"] = .array(try await rows(of: set, arguments, in: opened))
        }
        members["text"] = .string(output.text)
        print(JSONValue.object(members).serialized())
    }

    /// The documents of the page that is shown, one object each, with the fields that were named or all.
    private func rows(
        of set: OrdinalSet, _ arguments: JSONObject, in corpus: any RetrievalCorpus
    ) async throws -> [JSONValue] {
        var listing: JSONObject = [:]
        listing["sort"] = arguments["sort"]
        listing["fields"] = arguments["fields"] ?? .array(corpus.schema.fields.map { .string($0.name) })
        var request = try DocumentListRequest(json: .object(listing), schema: corpus.schema)
        request.offset = offset ?? 0
        request.limit = min(limit ?? FilterTool.defaultLimit, 10_000)
        let table = try await corpus.list(set, request).table
        return table.rows.map { row in
            var members: JSONObject = [:]
            for (name, value) in zip(table.columns, row) where !value.isNull { members[name] = value }
            return .object(members)
        }
    }

    /// A text without the control characters that steer a terminal.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.filter { $0 == "\n" || $0 == "\t" || $0.properties.generalCategory != .control }))
    }

    /// An option's text as JSON.
    static func parsed(_ text: String, option: String) throws -> JSONValue {
        do { return try JSONValue(parsing: text) } catch {
            throw ValidationError("\(option) must be JSON: \(error)")
        }
    }

    /// `field` or `field:descending` as the tools take it.
    static func order(_ text: String) throws -> JSONValue {
        let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let field = parts.first else { throw ValidationError("--sort must be FIELD or FIELD:descending") }
        switch parts.count > 1 ? parts[1] : "ascending" {
        case "ascending", "asc": return ["by": .string(field), "order": "ascending"]
        case "descending", "desc": return ["by": .string(field), "order": "descending"]
        default: throw ValidationError("--sort must be FIELD or FIELD:descending, not \(text)")
        }
    }
}

/// `forage filter`: all documents that meet a condition.
struct FilterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "filter", abstract: "List every document that meets a condition.",
        discussion: #"""
            Example: forage filter --corpus news.forage --where 'source = The Verge and published_at >= 2023-10' \
            --sort published_at:descending --field category
            """#)

    @OptionGroup var tool: ToolArguments

    @Option(name: .long, help: "The condition, as country = Norway and year >= 2020, or as JSON.")
    var `where`: String

    @Option(name: .long, help: "FIELD or FIELD:descending; several may be given.")
    var sort: [String] = []

    @Option(name: .long, help: "A metadata field to show; several may be given.")
    var field: [String] = []

    func run() async throws {
        var arguments: JSONObject = ["where": try WhereText.json(`where`)]
        if !sort.isEmpty { arguments["sort"] = .array(try sort.map(ToolArguments.order)) }
        if !field.isEmpty { arguments["fields"] = .array(field.map(JSONValue.string)) }
        try await tool.run("filter", arguments)
    }
}

/// `forage aggregate`: counts and measures over every document that qualifies.
struct AggregateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aggregate", abstract: "Count and compute over every document that qualifies.",
        discussion: #"""
            Example: forage aggregate --corpus news.forage --group-by source --measure count --sort count:descending
            """#)

    @OptionGroup var tool: ToolArguments

    @Option(
        name: .long,
        help: "The condition, as country = Norway and year >= 2020, or as JSON; without it every document.")
    var `where`: String?

    @Option(
        name: .long,
        help: "OP, OP:FIELD or a JSON object: count, distinct, sum, mean, min, max, median, quantile, argmin, argmax.")
    var measure: [String] = []

    @Option(name: .long, help: "FIELD, FIELD:month (day, week, month, quarter, year) or FIELD:WIDTH for numbers.")
    var groupBy: [String] = []

    @Option(name: .long, help: "COLUMN or COLUMN:descending; several may be given.")
    var sort: [String] = []

    func run() async throws {
        var arguments: JSONObject = [:]
        if let condition = `where` { arguments["where"] = try WhereText.json(condition) }
        if !measure.isEmpty {
            arguments["measures"] = .array(
                try measure.map { text in
                    if text.hasPrefix("{") { return try ToolArguments.parsed(text, option: "--measure") }
                    let parts = text.split(separator: ":", maxSplits: 1).map { JSONValue.string(String($0)) }
                    return parts.count > 1 ? ["op": parts[0], "field": parts[1]] : ["op": .string(text)]
                })
        }
        if !groupBy.isEmpty {
            arguments["group_by"] = .array(
                groupBy.map { text in
                    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
                    guard parts.count > 1 else { return .string(text) }
                    if let width = Double(parts[1]) { return ["field": .string(parts[0]), "width": .number(width)] }
                    return ["field": .string(parts[0]), "every": .string(parts[1])]
                })
        }
        if !sort.isEmpty { arguments["sort"] = .array(try sort.map(ToolArguments.order)) }
        try await tool.run("aggregate", arguments)
    }
}

/// `forage read`: passages and documents in full.
struct ReadCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "read", abstract: "Read passages or whole documents by id.")

    @OptionGroup var tool: ToolArguments

    @Argument(help: "Ids of passages or documents.")
    var ids: [String]

    @Option(name: .long, help: "How many passages before and after each.")
    var around: Int?

    func run() async throws {
        var arguments: JSONObject = ["ids": .array(ids.map(JSONValue.string))]
        if let around { arguments["around"] = .integer(around) }
        try await tool.run("read", arguments)
    }
}
