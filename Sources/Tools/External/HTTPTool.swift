// SPDX-License-Identifier: Apache-2.0

public import Base
import Encoders
import Foundation
public import LanguageModels
public import Net
public import OrderedCollections
import Text

/// How an HTTP endpoint is called as a tool (`runs: http:` of a manifest).
public struct HTTPToolOptions: Sendable, Hashable {
    /// GET puts the arguments into the query, POST sends them as a JSON object. Default POST.
    public var method: String
    /// The address; `{name}` in its path or query stands for the call's argument of that name, percent-encoded.
    public var url: String
    /// The hosts that may be reached, also by redirects. Default: the host of `url`.
    public var hosts: [String]
    /// Headers; `${NAME}` stands for an environment variable.
    public var headers: OrderedDictionary<String, String>
    /// The longest exchange with all redirects, in seconds; nil for the limit of the session.
    public var seconds: Double?
    /// Whether loopback and private addresses may be reached. Default false.
    public var allowsPrivateAddresses: Bool

    public init(
        method: String = "POST", url: String, hosts: [String]? = nil,
        headers: OrderedDictionary<String, String> = [:], seconds: Double? = nil, allowsPrivateAddresses: Bool = false
    ) throws(ToolManifestError) {
        guard let parsed = HTTPAddress(url), !parsed.host.contains("{") else {
            throw ToolManifestError(
                "runs.http.url: expected an http or https address with a fixed host, found \"\(url)\"")
        }
        guard method == "GET" || method == "POST" else {
            throw ToolManifestError("runs.http.method: expected GET or POST, found \"\(method)\"")
        }
        self.method = method
        self.url = url
        self.hosts = (hosts ?? [parsed.host]).map { $0.lowercased() }
        self.headers = headers
        self.seconds = seconds
        self.allowsPrivateAddresses = allowsPrivateAddresses
        guard self.hosts.contains(parsed.host) else {
            throw ToolManifestError("runs.http.hosts: \(parsed.host), the host of the url, is not among them")
        }
    }

    init(_ value: JSONValue) throws {
        let reader = try OptionReader(
            value, place: "runs.http",
            allowed: ["method", "url", "hosts", "headers", "seconds", "allow_private_addresses"])
        guard let url = try reader.string("url") else { throw ToolManifestError("runs.http.url: is missing") }
        var headers: OrderedDictionary<String, String> = [:]
        for (name, member) in value["headers"]?.object ?? [:] {
            guard let text = member.string else {
                throw ToolManifestError("runs.http.headers.\(name): expected a string, found \(member.typeName)")
            }
            headers[name] = text
        }
        try self.init(
            method: try reader.string("method") ?? "POST", url: url, hosts: try reader.strings("hosts"),
            headers: headers, seconds: try reader.number("seconds", in: 0.1...3600),
            allowsPrivateAddresses: try reader.bool("allow_private_addresses") ?? false)
    }
}

/// The scheme and host of an address.
struct HTTPAddress {
    var scheme: String
    /// In lower case, without the port.
    var host: String

    init?(_ url: String) {
        guard let scheme = url.range(of: "://") else { return nil }
        self.scheme = url[..<scheme.lowerBound].lowercased()
        guard self.scheme == "http" || self.scheme == "https" else { return nil }
        let authority = url[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        // Names and passwords in an address are refused: they hide the host from a reader, and are secrets in a file.
        guard !authority.contains("@"), !authority.contains("\\"), !authority.contains(where: \.isWhitespace) else {
            return nil
        }
        if authority.hasPrefix("["), let close = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<close].lowercased()
        } else {
            host = authority.prefix { $0 != ":" }.lowercased()
        }
        guard !host.isEmpty else { return nil }
    }
}

/// A tool that is an HTTP endpoint. It reaches the hosts of its manifest only, refuses private addresses after the
/// name was resolved and again on every redirect, follows at most three redirects, and bounds size and time.
public struct HTTPTool: RetrievalTool {
    public let specification: ToolSpecification
    public let access: ToolAccess
    public let options: HTTPToolOptions
    private let client: HTTPClient

    public init(
        specification: ToolSpecification, options: HTTPToolOptions, client: HTTPClient = .shared,
        access: ToolAccess = .full
    ) {
        self.access = access
        self.specification = specification
        self.options = options
        self.client = client
    }

    public func call(_ arguments: JSONValue, in context: ToolContext) async throws -> ToolOutput {
        let environment = ProcessInfo.processInfo.environment
        var headers: [(name: String, value: String)] = [("Accept", "application/json, text/plain;q=0.9, */*;q=0.1")]
        for (name, value) in options.headers {
            headers.append((name, try substitutingEnvironment(in: value, environment)))
        }
        let seconds = options.seconds ?? context.limits.seconds
        var (url, rest) = try Self.fill(options.url, arguments)
        var body: [UInt8] = []
        if options.method == "GET" {
            let query = rest.map { Self.encoded($0.key) + "=" + Self.encoded($0.value.string ?? $0.value.serialized()) }
            if !query.isEmpty { url += (url.contains("?") ? "&" : "?") + query.joined(separator: "&") }
        } else {
            headers.append(("Content-Type", "application/json"))
            body = Array(JSONValue.object(rest).serialized().utf8)
        }
        let response = try await send(
            HTTPRequest(
                method: options.method, url: url, headers: headers, body: body, timeout: seconds,
                maxResponseBytes: context.limits.externalBytes,
                refusesPrivateAddresses: !options.allowsPrivateAddresses))
        let text = String(decoding: response.body, as: UTF8.self)
        guard (200..<300).contains(response.status) else {
            throw ToolError(.failed, "the server answered \(response.status): \(oneLine(text, most: 300))")
        }
        return ToolOutput(text: text, summary: "\(specification.name): \(counted(text.count, "character"))")
    }

    /// Sends a request and follows redirects to allowed hosts.
    private func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        var request = request
        let start = ContinuousClock.now
        let limit = request.timeout
        for _ in 0...3 {
            guard let address = HTTPAddress(request.url), options.hosts.contains(address.host) else {
                throw ToolError(.refused, "only \(options.hosts.joined(separator: ", ")) may be reached")
            }
            let response: HTTPResponse
            do {
                response = try await client.send(request)
            } catch let error as HTTPError {
                if case .timedOut = error { throw ToolError(.timedOut, error.description) }
                if case .addressRefused = error { throw ToolError(.refused, error.description) }
                throw ToolError(.failed, error.description)
            }
            guard [301, 302, 303, 307, 308].contains(response.status), let location = response.headers["location"]
            else { return response }
            let target = Self.resolve(location, against: request.url)
            // A secret header goes to the host that it was written for, and never from https to http.
            if HTTPAddress(target)?.host != address.host
                || (address.scheme == "https" && HTTPAddress(target)?.scheme != "https")
            {
                request.headers.removeAll { header in
                    options.headers.keys.contains { $0.lowercased() == header.name.lowercased() }
                }
            }
            request.url = target
            if response.status == 303 || (response.status < 303 && request.method == "POST") {
                request.method = "GET"
                request.body = []
            }
            let spent = (ContinuousClock.now - start) / .seconds(1)
            request.timeout = limit - spent
            guard request.timeout > 0 else { throw ToolError(.timedOut, "no answer within \(limit.shortText) s") }
        }
        throw ToolError(.failed, "the server redirects more than three times")
    }

    static func resolve(_ location: String, against url: String) -> String {
        if location.contains("://") { return location }
        guard let scheme = url.range(of: "://") else { return location }
        if location.hasPrefix("//") { return url[..<scheme.lowerBound] + ":" + location }
        let path = url[scheme.upperBound...].firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? url.endIndex
        if location.hasPrefix("/") { return url[..<path] + location }
        let end = url[path...].firstIndex { $0 == "?" || $0 == "#" } ?? url.endIndex
        let folder = url[path..<end].lastIndex(of: "/").map { url[...$0] } ?? url[..<path] + "/"
        return folder + location
    }

    /// Fills `{name}` in an address, percent-encoded, and returns the arguments that were not used there.
    static func fill(
        _ template: String, _ arguments: JSONValue
    ) throws(ToolError) -> (url: String, rest: JSONObject) {
        var rest = arguments.object ?? [:]
        var url = ""
        var text = Substring(template)
        while let open = text.firstIndex(of: "{"), let close = text[open...].firstIndex(of: "}") {
            let name = String(text[text.index(after: open)..<close])
            url += text[..<open]
            if let value = rest.removeValue(forKey: name), !value.isNull {
                let filler = value.string ?? value.serialized()
                // As a part of a path these would climb out of it.
                guard filler != ".", filler != ".." else {
                    throw ToolError(.invalidArguments, "\(name): \"\(filler)\" is not allowed here")
                }
                url += encoded(filler)
            }
            text = text[text.index(after: close)...]
        }
        return (url + text, rest)
    }

    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = Array("0123456789ABCDEF".unicodeScalars)
                result += "%"
                result.unicodeScalars.append(digits[Int(byte >> 4)])
                result.unicodeScalars.append(digits[Int(byte & 15)])
            }
        }
        return result
    }
}
