// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
public import LanguageModels
import OrderedCollections
import Text

/// One file of `Tools/`: what a model is told about a tool, and what runs it.
///
/// ```yaml
/// name: keyword_search
/// description: Finds passages by their words …
/// runs: builtin                # or one of http:, program:, mcp:
/// parameters: {type: object, …}
/// ```
public struct ToolManifest: Sendable, Hashable {
    /// What runs the tool.
    public enum Runner: Sendable, Hashable {
        /// The built-in tool of that name.
        case builtIn(String)
        case http(HTTPToolOptions)
        case program(ProgramToolOptions)
        case mcp(MCPServerOptions)
    }

    /// What a model is told. The tools of an MCP server bring their own: then this one only names the server.
    public var specification: ToolSpecification
    public var runner: Runner
    /// What a client of a server needs who calls the tool itself; `access: read` opens an outside tool to tokens that may
    /// only search and read. Default: `full` but for a built-in tool.
    public var access: ToolAccess
    /// The file, for messages.
    public var source: String

    /// Reads a file.
    /// - Throws: `YAMLError` for text that is no YAML; `ToolManifestError` that names the file and the member.
    public init(file path: String) throws {
        try self.init(YAMLReader.read(file: path), source: path)
    }

    /// Reads the text of a file.
    /// - Parameter source: stands for the text in errors.
    public init(yaml: String, source: String) throws {
        try self.init(YAMLReader.read(yaml, name: source), source: source)
    }

    private init(_ value: JSONValue, source: String) throws {
        do {
            let violations = try JSONSchemaValidator(schema: Self.schema).validate(value)
            guard violations.isEmpty else {
                throw ToolManifestError(violations.prefix(3).map(\.description).joined(separator: "; "))
            }
            let name = try value.requiredString("name")
            guard ToolRegistry.isValid(name: name) else {
                throw ToolManifestError("name: must match [A-Za-z0-9_.-]{1,64}, found \"\(name)\"")
            }
            runner = try Runner(value.required("runs"), name: name)
            if let named = value["access"]?.string {
                guard let known = ToolAccess(rawValue: named) else {
                    throw ToolManifestError("access: expected read or full, found \"\(named)\"")
                }
                access = known
            } else if case .builtIn = runner {
                access = .read
            } else {
                access = .full
            }
            let parameters = value["parameters"] ?? ["type": "object"]
            try JSONSchemaValidator(schema: parameters).checkSchema()
            specification = ToolSpecification(
                name: name, description: value["description"]?.string ?? "", parameters: parameters)
            self.source = source
        } catch {
            throw ToolManifestError("\(source): \(error)")
        }
        if case .mcp = runner { return }
        guard value["parameters"] != nil, !specification.description.isEmpty else {
            throw ToolManifestError("\(source): \"description\" and \"parameters\" are missing")
        }
    }

    /// What a manifest must be.
    private static let schema: JSONValue = [
        "type": "object", "required": ["name", "runs"], "additionalProperties": false,
        "properties": [
            "name": ["type": "string"], "description": ["type": "string"], "parameters": ["type": "object"],
            "runs": ["type": ["string", "object"]], "access": ["type": "string"],
        ],
    ]
}

extension ToolManifest.Runner {
    init(_ value: JSONValue, name: String) throws {
        if let text = value.string {
            guard text == "builtin" else {
                throw ToolManifestError(
                    "runs: expected builtin, or one of builtin:, http:, program:, mcp:, found \"\(text)\"")
            }
            self = .builtIn(name)
            return
        }
        guard let members = value.object, members.count == 1, let kind = members.keys.first else {
            throw ToolManifestError("runs: expected exactly one of builtin:, http:, program:, mcp:")
        }
        let options = members.elements[0].value
        switch kind {
        case "builtin":
            guard let builtIn = options.string else { throw ToolManifestError("runs.builtin: expected a tool's name") }
            self = .builtIn(builtIn)
        case "http": self = .http(try HTTPToolOptions(options))
        case "program": self = .program(try ProgramToolOptions(options))
        case "mcp": self = .mcp(try MCPServerOptions(options))
        default: throw ToolManifestError("runs: expected one of builtin:, http:, program:, mcp:, found \"\(kind)\"")
        }
    }
}

/// Reads the options of a runner: refuses unknown members by name, and substitutes `${NAME}` from the environment.
struct OptionReader {
    let value: JSONValue
    let place: String

    init(_ value: JSONValue, place: String, allowed: [String]) throws(ToolManifestError) {
        guard let members = value.object else {
            throw ToolManifestError("\(place): expected an object, found \(value.typeName)")
        }
        for key in members.keys where !allowed.contains(key) {
            let hint = nearest(to: key, among: allowed).map { "; did you mean \($0)?" } ?? ""
            throw ToolManifestError(
                "\(place): there is no \"\(key)\"\(hint) (allowed: \(allowed.joined(separator: ", ")))")
        }
        self.value = value
        self.place = place
    }

    func string(_ key: String) throws(ToolManifestError) -> String? {
        guard let member = value[key] else { return nil }
        guard let text = member.string else {
            throw ToolManifestError("\(place).\(key): expected a string, found \(member.typeName)")
        }
        return text
    }

    func strings(_ key: String) throws(ToolManifestError) -> [String]? {
        guard let member = value[key] else { return nil }
        guard let elements = member.array else {
            throw ToolManifestError("\(place).\(key): expected a list of strings, found \(member.typeName)")
        }
        var texts: [String] = []
        for element in elements {
            guard let text = element.string else {
                throw ToolManifestError("\(place).\(key): expected strings only, found \(element.typeName)")
            }
            texts.append(text)
        }
        return texts
    }

    func number(_ key: String, in range: ClosedRange<Double>) throws(ToolManifestError) -> Double? {
        guard let member = value[key] else { return nil }
        guard let number = member.double, range.contains(number) else {
            throw ToolManifestError(
                "\(place).\(key): expected a number from \(range.lowerBound.shortText) to \(range.upperBound.shortText), found \(member)"
            )
        }
        return number
    }

    func bool(_ key: String) throws(ToolManifestError) -> Bool? {
        guard let member = value[key] else { return nil }
        guard let flag = member.bool else {
            throw ToolManifestError("\(place).\(key): expected true or false, found \(member)")
        }
        return flag
    }
}

/// Replaces `${NAME}` by the environment's value: how a secret gets into a header without standing in a file.
/// - Throws: `ToolError` when a variable is not set. Its value never reaches a message.
func substitutingEnvironment(in text: String, _ environment: [String: String]) throws(ToolError) -> String {
    var result = ""
    var rest = Substring(text)
    while let open = rest.range(of: "${"), let close = rest[open.upperBound...].firstIndex(of: "}") {
        let name = String(rest[open.upperBound..<close])
        guard let value = environment[name] else {
            throw ToolError(.failed, "the environment variable \(name) is not set")
        }
        result += rest[..<open.lowerBound] + value
        rest = rest[rest.index(after: close)...]
    }
    return result + rest
}
