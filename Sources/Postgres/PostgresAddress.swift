// SPDX-License-Identifier: Apache-2.0

/// A database as people name it: `postgresql://user@host:5432/database?corpus=news`, in libpq's form, with the name of what
/// is kept there in a parameter of our own.
///
/// The password stands in the address, in `PGPASSWORD` or in `~/.pgpass`; it is in no description.
public struct PostgresAddress: Sendable, Hashable, CustomStringConvertible {
    /// What libpq gets: the address without our own parameters.
    let connection: String
    /// The parameters of our own: `corpus`.
    public let parameters: [String: String]

    /// Whether a text is meant as one: it begins with `postgresql://` or `postgres://`.
    public static func isAddress(_ text: String) -> Bool {
        text.hasPrefix("postgresql://") || text.hasPrefix("postgres://")
    }

    /// Names of parameters that are taken out before libpq sees the address.
    private static let own: Set<String> = ["corpus"]

    /// - Throws: `PostgresError` `badAddress`.
    public init(_ text: String) throws {
        guard Self.isAddress(text) else {
            throw PostgresError(.badAddress, "a database is named postgresql://USER@HOST/DATABASE?corpus=NAME")
        }
        guard !text.utf8.contains(0) else { throw PostgresError(.badAddress, "the database's address holds U+0000") }
        var (connection, parameters) = (text, [String: String]())
        if let mark = text.firstIndex(of: "?") {
            var kept: [Substring] = []
            for part in text[text.index(after: mark)...].split(separator: "&") {
                let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                if pair.count == 2, Self.own.contains(String(pair[0])) {
                    parameters[String(pair[0])] = Self.decoded(pair[1])
                } else {
                    kept.append(part)
                }
            }
            connection = String(text[..<mark]) + (kept.isEmpty ? "" : "?" + kept.joined(separator: "&"))
        }
        self.connection = connection
        self.parameters = parameters
    }

    /// Percent escapes read, as in any address.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The address without its password and without parameters, which may hold one.
    public var description: String {
        var text = connection.prefix { $0 != "?" }
        if let at = text.lastIndex(of: "@"), let scheme = text.firstRange(of: "://") {
            let user = text[scheme.upperBound..<at].prefix { $0 != ":" }
            text = text[..<scheme.upperBound] + user + text[at...]
        }
        return String(text) + (parameters["corpus"].map { "?corpus=\($0)" } ?? "")
    }

    /// The secrets that the address holds, so that a library's message can be cleaned of them.
    var secrets: [String] {
        var found: [String] = []
        let text = connection.prefix { $0 != "?" }
        if let at = text.lastIndex(of: "@"), let scheme = text.firstRange(of: "://") {
            let pair = text[scheme.upperBound..<at].split(separator: ":", maxSplits: 1)
            if pair.count == 2 { found += [String(pair[1]), Self.decoded(pair[1])] }
        }
        if let mark = connection.firstIndex(of: "?") {
            for part in connection[connection.index(after: mark)...].split(separator: "&")
            where part.hasPrefix("password=") || part.hasPrefix("sslpassword=") {
                if let value = part.split(separator: "=", maxSplits: 1).last {
                    found += [String(value), Self.decoded(value)]
                }
            }
        }
        return found.filter { !$0.isEmpty }
    }

    /// A message of the library in one line, without what is secret.
    func clean(_ message: String) -> String {
        var text = message.split(whereSeparator: \.isNewline).joined(separator: "; ")
        for secret in secrets {
            text = text.split(separator: secret, omittingEmptySubsequences: false).joined(separator: "…")
        }
        return text
    }
}
