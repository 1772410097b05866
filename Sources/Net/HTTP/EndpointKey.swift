// SPDX-License-Identifier: Apache-2.0

/// Where an address leads: scheme, host and port. What a key is bound to.
public struct HTTPOrigin: Sendable, Hashable, CustomStringConvertible {
    public let scheme: String
    /// In lower case.
    public let host: String
    public let port: Int

    /// The origin of an http or https address; nil for any other text, also for one with a user's name in it.
    public init?(_ url: String) {
        guard let mark = url.firstRange(of: "://") else { return nil }
        scheme = url[..<mark.lowerBound].lowercased()
        guard scheme == "http" || scheme == "https" else { return nil }
        let authority = url[mark.upperBound...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard !authority.isEmpty, authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x40 && $0 != 0x5C })
        else { return nil }
        var name = authority
        var number: Substring?
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            name = authority[...close]
            let rest = authority[authority.index(after: close)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            number = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.lastIndex(of: ":") {
            name = authority[..<colon]
            number = authority[authority.index(after: colon)...]
        }
        guard !name.isEmpty, !name.dropFirst().dropLast().contains("[") else { return nil }
        // A dot at the end names the same host.
        host = (name.hasSuffix(".") ? name.dropLast() : name).lowercased()
        guard let number, !number.isEmpty else {
            port = scheme == "https" ? 443 : 80
            return
        }
        guard let value = Int(number), (1...65_535).contains(value) else { return nil }
        port = value
    }

    public var description: String {
        let isStandard = port == (scheme == "https" ? 443 : 80)
        return "\(scheme)://\(host)\(isStandard ? "" : ":\(port)")"
    }
}

/// The user's key for OpenAI-compatible servers, and the server that it is for.
///
/// `OPENAI_API_KEY` is the key of the server at `OPENAI_BASE_URL`: it is sent to that scheme, host and port and to no
/// other. Where no `OPENAI_BASE_URL` is set, it goes to the server that the user names in the command. What a file says,
/// a corpus, a policy, a reply, never chooses where it goes.
public enum EndpointKey {
    /// The key for an address that the user named; nil for none.
    public static func find(for url: String, _ environment: [String: String]) -> String? {
        guard let key = environment["OPENAI_API_KEY"], !key.isEmpty, let origin = HTTPOrigin(url) else { return nil }
        guard let base = environment["OPENAI_BASE_URL"], !base.isEmpty else { return key }
        return HTTPOrigin(base) == origin ? key : nil
    }

    /// Whether the user's own settings name the server of an address.
    public static func isConfigured(_ url: String, _ environment: [String: String]) -> Bool {
        guard let base = environment["OPENAI_BASE_URL"], let origin = HTTPOrigin(url) else { return false }
        return HTTPOrigin(base) == origin
    }

    /// The text without the keys that stand in it: servers quote them in their errors.
    public static func hiding(_ secrets: [String], in text: String) -> String {
        var text = text
        for secret in secrets where secret.utf8.count >= 4 && text.contains(secret) {
            text = text.replacing(secret, with: "[key]")
        }
        return text
    }
}
