// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Foundation
import Net
import OrderedCollections

/// What stands for options that were not typed: `FORAGE_CORPUS`, and a configuration file.
///
/// The file is `.forage.yaml` in the current folder, else `forage/config.yaml` in the folder for configurations
/// (`XDG_CONFIG_HOME`, or `~/.config`), else what `FORAGE_CONFIG` names, which goes before both. Its names are those of
/// options, for all commands that have them; under the name of a command they are for that command alone:
///
///     corpus: notes.forage
///     limit: 5
///     ask:
///       model: http://localhost:8080#qwen
///
/// The file of the current folder cannot name another machine, start programs, open a server to others, say which files are
/// written or follow links: it may have come with the folder.
struct CommandLineDefaults {
    private var values: JSONObject = [:]
    /// Whether the values come from the file in the current folder, which may be someone else's, as in a copied project.
    private var isOfFolder = false
    /// Whether the environment names the corpus.
    private var hasCorpus = false
    /// Where the values come from, for messages.
    private(set) var source = ""
    /// Why the file in the current folder is left aside; nil when it is not. It may be someone else's, and there by accident: no
    /// reason for a command not to run.
    private(set) var leftAside: String?

    /// - Throws: `YAMLError` for a file of the user's own that cannot be read.
    init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        if let path = Self.file(environment) {
            source = path
            isOfFolder = path == Self.folderFile
            do {
                var status = stat()
                // Of a pipe nobody may ever write the other end.
                guard !isOfFolder || (stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG) else {
                    throw YAMLError(file: path, message: "it is no regular file")
                }
                let value = try YAMLReader.read(file: path)
                guard let members = value.object else {
                    throw YAMLError(file: path, message: "expected the names of options with their values")
                }
                values = members
            } catch let error as YAMLError {
                guard isOfFolder else { throw error }
                leftAside = error.description
            }
        }
        if let corpus = environment["FORAGE_CORPUS"], !corpus.isEmpty {
            values["corpus"] = .string(corpus)
            hasCorpus = true
        }
    }

    var isEmpty: Bool { values.isEmpty }

    private static let folderFile = ".forage.yaml"
    /// Options that start programs, open the server to others, choose what is written over, or follow links out of a folder:
    /// a folder does not choose them.
    private static let reserved: Set<String> = [
        "tools", "host", "allow-host", "open-access", "readers-see-sessions", "api-key", "endpoint", "base-url",
        "mcp-config", "record", "sessions", "out", "output", "run", "runs", "indexed", "embedding-cache", "junit",
        "svg",
        "trec", "flashrag", "inspect", "update", "force", "follow-links", "initial-messages-file", "content",
    ]

    /// Whether the file of a folder may say this: no address of another machine, to which texts and keys would go.
    private func maySay(_ name: String, _ value: JSONValue) -> Bool {
        guard isOfFolder else { return true }
        if Self.reserved.contains(name) { return false }
        return (value.array ?? [value]).allSatisfy { element in
            guard let text = element.string, text.contains("://") else { return true }
            guard let origin = HTTPOrigin(text) else { return false }
            return ["localhost", "127.0.0.1", "[::1]"].contains(origin.host)
        }
    }

    private static func file(_ environment: [String: String]) -> String? {
        if let named = environment["FORAGE_CONFIG"], !named.isEmpty { return named }
        let home = environment["XDG_CONFIG_HOME"] ?? environment["HOME"].map { $0 + "/.config" }
        return [Self.folderFile, home.map { $0 + "/forage/config.yaml" }].compactMap { $0 }.first {
            FileManager.default.fileExists(atPath: $0)
        }
    }

    /// The arguments with what is missing added behind them.
    /// - Parameters:
    ///   - help: the description of all commands that ArgumentParser writes for tools.
    ///   - refused: is told the names of options that the file of a folder may not set.
    func completing(
        _ arguments: [String], help: JSONValue, root: any ParsableCommand.Type, refused: (String) -> Void
    ) -> [String] {
        guard var command = help["command"] else { return arguments }
        var type: any ParsableCommand.Type = root
        var scopes: [JSONObject] = [values]
        var rest = arguments[...]
        // The command that is meant: each word that names a subcommand goes one level down.
        while let word = rest.first, !word.hasPrefix("-"),
            let next = command["subcommands"]?.array?.first(where: { $0["commandName"]?.string == word })
        {
            if let own = scopes.last?[word]?.object { scopes.append(own) }
            command = next
            rest = rest.dropFirst()
            if let child = type.configuration.subcommands.first(where: { $0._commandName == word }) { type = child }
        }
        if let name = type.configuration.defaultSubcommand?._commandName,
            let next = command["subcommands"]?.array?.first(where: { $0["commandName"]?.string == name })
        {
            command = next
        }
        if rest.contains("--help") || rest.contains("-h") || rest.contains("help") { return arguments }
        let given = Set(
            rest.prefix { $0 != "--" }.map { $0.split(separator: "=", maxSplits: 1).first.map(String.init) ?? $0 })
        var added: [String] = []
        for known in command["arguments"]?.array ?? [] {
            let kind = known["kind"]?.string
            let names = (known["names"]?.array ?? []).compactMap { name -> String? in
                guard let text = name["name"]?.string else { return nil }
                return name["kind"]?.string == "long" ? "--\(text)" : "-\(text)"
            }
            let longName = names.first { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }
            guard kind == "option" || kind == "flag", let longName, names.allSatisfy({ !given.contains($0) }),
                let value = scopes.reversed().lazy.compactMap({ $0[longName] }).first
            else { continue }
            guard (longName == "corpus" && hasCorpus) || maySay(longName, value) else {
                refused(longName)
                continue
            }
            if kind == "flag" {
                if value.bool == true { added.append("--\(longName)") }
            } else {
                for text in value.array ?? [value] {
                    if let text = Self.text(text) { added += ["--\(longName)", text] }
                }
            }
        }
        // Before what stands behind a `--`, which is no option any more.
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        return Array(arguments[..<end]) + added + Array(arguments[end...])
    }

    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .string(let text): return text
        case .integer, .number, .bool: return value.serialized()
        default: return nil
        }
    }
}

/// A word that names no command, and what was perhaps meant.
enum CommandSuggestion {
    /// What to say of the first word that should name a command and does not; nil when all do.
    static func problem(in arguments: [String], root: any ParsableCommand.Type) -> String? {
        var command: any ParsableCommand.Type = root
        var path: [String] = [root._commandName]
        for word in arguments {
            // `help corpus info` names commands, too.
            if word == "help", path.count == 1 { continue }
            guard !word.hasPrefix("-"), word != "help" else { return nil }
            let configuration = command.configuration
            let children = configuration.subcommands + configuration.groupedSubcommands.flatMap(\.subcommands)
            guard !children.isEmpty else { return nil }
            if let next = children.first(where: { $0._commandName == word || $0.configuration.aliases.contains(word) })
            {
                command = next
                path.append(word)
                continue
            }
            guard configuration.defaultSubcommand == nil else { return nil }
            var names: [String] = []
            for child in children where child.configuration.shouldDisplay && !names.contains(child._commandName) {
                names.append(child._commandName)
            }
            let place = path.joined(separator: " ")
            if let close = nearest(to: word, among: names) {
                return "there is no command \"\(place) \(word)\"; did you mean \"\(place) \(close)\"?"
            }
            return "there is no command \"\(place) \(word)\"; \"\(place)\" has \(names.joined(separator: ", "))"
        }
        return nil
    }
}

/// A number with its noun: "1 document", "2 documents".
func counted(_ count: Int, _ noun: String, plural: String? = nil) -> String {
    "\(count) \(count == 1 ? noun : plural ?? noun + "s")"
}
