// SPDX-License-Identifier: Apache-2.0

import Foundation
import OrderedCollections
import Yams

/// Why a YAML file cannot be used: where, and what was expected there.
public struct YAMLError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file as the user named it, or what the text is.
    public var file: String
    /// The line, from 1; nil when the place is unknown.
    public var line: Int?
    public var message: String

    public init(file: String, line: Int? = nil, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    public var description: String {
        if let line { return "\(file):\(line): \(message)" }
        return "\(file): \(message)"
    }
}

/// Reads YAML into `JSONValue`: the files that a user edits (tools, policies, scenarios, suites, scripted models).
public enum YAMLReader {
    /// The longest file, in bytes.
    public static let byteLimit = 16 << 20

    /// Reads one file that holds one document.
    /// - Throws: `YAMLError` with the file and the line.
    public static func read(file path: String) throws(YAMLError) -> JSONValue {
        if path.hasPrefix(BundledFiles.prefix), let bytes = BundledFiles.bytes(of: path) {
            return try read(String(decoding: bytes, as: UTF8.self), name: path)
        }
        guard let bytes = bytes(ofFile: path) else {
            throw YAMLError(file: path, message: "the file cannot be read")
        }
        guard bytes.count <= byteLimit else {
            throw YAMLError(file: path, message: "the file has more than \(byteLimit) bytes, the most that is accepted")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw YAMLError(file: path, message: "the file is not UTF-8")
        }
        return try read(text, name: path)
    }

    /// What a file holds, of one without end no more than is wanted; nil for what cannot be read and for pipes and devices.
    private static func bytes(ofFile path: String) -> [UInt8]? {
        // Without waiting for someone who writes into a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= byteLimit {
            let count = piece.withUnsafeMutableBytes { Foundation.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes.append(contentsOf: piece[..<count])
        }
        return bytes
    }

    /// Reads one document. An empty text is an empty object. Anchors and aliases are expanded, up to one million nodes and
    /// sixteen for each byte of the text.
    /// - Parameter name: stands for the text in errors.
    public static func read(_ text: String, name: String) throws(YAMLError) -> JSONValue {
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch { throw Self.translated(error, name) }
        guard let node else { return .object([:]) }
        var converter = Converter(file: name, size: text.utf8.count)
        return try converter.value(of: node, depth: 0)
    }

    /// Reads a stream of documents with `---` between them; a text without one is an empty list.
    /// - Parameter name: stands for the text in errors.
    public static func readAll(_ text: String, name: String) throws(YAMLError) -> [JSONValue] {
        var nodes: [Node] = []
        do {
            var sequence = try Yams.compose_all(yaml: text)
            while let node = sequence.next() { nodes.append(node) }
            // The sequence ends where the text cannot be read on, and keeps why.
            if let error = sequence.error { throw error }
        } catch { throw Self.translated(error, name) }
        var converter = Converter(file: name, size: text.utf8.count)
        var values: [JSONValue] = []
        for node in nodes { values.append(try converter.value(of: node, depth: 0)) }
        return values
    }

    private static func translated(_ error: any Error, _ name: String) -> YAMLError {
        guard let error = error as? YamlError else { return YAMLError(file: name, message: "not valid YAML") }
        return YAMLError(file: name, line: line(of: error), message: "not valid YAML: \(reason(of: error))")
    }

    private static func line(of error: YamlError) -> Int? {
        switch error {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): return mark.line
        case .duplicatedKeysInMapping(_, let context): return context.mark.line
        default: return nil
        }
    }

    private static func reason(of error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _):
            return problem
        case .duplicatedKeysInMapping: return "a key occurs twice"
        default: return "the text cannot be read"
        }
    }
}

private struct Converter {
    let file: String
    let limit: Int
    var nodes = 0

    /// - Parameter size: the bytes of the text.
    init(file: String, size: Int) {
        self.file = file
        limit = min(1_000_000, 10_000 + 16 * size)
    }

    mutating func value(of node: Node, depth: Int) throws(YAMLError) -> JSONValue {
        nodes += 1
        guard nodes <= limit, depth <= 64 else {
            throw YAMLError(file: file, line: node.mark?.line, message: "too large or nested deeper than 64 levels")
        }
        switch node {
        case .scalar(let scalar): return self.scalar(scalar)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            for element in sequence { elements.append(try value(of: element, depth: depth + 1)) }
            return .array(elements)
        case .mapping(let mapping):
            var members = JSONObject()
            for (key, member) in mapping {
                guard let name = key.scalar?.string else {
                    throw YAMLError(file: file, line: key.mark?.line, message: "a key must be a plain text")
                }
                members[name] = try value(of: member, depth: depth + 1)
            }
            return .object(members)
        case .alias:
            throw YAMLError(file: file, line: node.mark?.line, message: "an alias points to nothing")
        }
    }

    /// Resolves a plain scalar by the YAML 1.2 core schema; a quoted one is text.
    private func scalar(_ scalar: Node.Scalar) -> JSONValue {
        guard scalar.style == .any || scalar.style == .plain else { return .string(scalar.string) }
        switch scalar.string {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        case let text:
            if let first = text.utf8.first,
                first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
                    || first == UInt8(ascii: ".") || (first >= UInt8(ascii: "0") && first <= UInt8(ascii: "9"))
            {
                // A leading zero makes a code: a number would lose it.
                let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
                if digits.count > 1, digits.allSatisfy({ $0 >= 48 && $0 < 58 }), digits.first == 48 {
                    return .string(text)
                }
                if let value = Int(text) { return .integer(value) }
                if text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let value = Double(text) {
                    return .number(value)
                }
            }
            return .string(text)
        }
    }
}
