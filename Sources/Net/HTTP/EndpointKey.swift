// SPDX-License-Identifier: Apache-2.0

import Foundation

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
        for secret in secrets where secret.utf8.count >= 4 {
            if text.contains(secret) { text = text.replacing(secret, with: "[key]") }
            // What is shorter may be a word.
            if secret.utf8.count >= 12 { text = hidingSpellings(of: secret, in: text) }
        }
        return text
    }

    /// The text without the key in another case, with other characters between its letters, percent-encoded, escaped as JSON,
    /// in hexadecimal, and in Base64 wherever it begins there.
    private static func hidingSpellings(of secret: String, in text: String) -> String {
        let scalars = Array(text.unicodeScalars)
        let letters = spelled(scalars)
        var patterns = [spelled(Array(secret.unicodeScalars)).map(\.letter)]
        patterns.append(secret.utf8.flatMap { Array((($0 < 16 ? "0" : "") + String($0, radix: 16)).utf8) })
        // Three bytes are four characters: the key looks different by where it begins, but for its ends.
        for shift in 0..<3 {
            let coded = Data([UInt8](repeating: 0, count: shift) + Array(secret.utf8)).base64EncodedString()
            let inner = coded.dropFirst(shift == 0 ? 0 : shift + 1).filter { $0 != "=" }.dropLast()
            patterns.append(spelled(Array(String(inner).unicodeScalars)).map(\.letter))
        }
        var hidden: [Range<Int>] = []
        for pattern in patterns where pattern.count >= 10 && pattern.count <= letters.count {
            var start = 0
            while start + pattern.count <= letters.count {
                guard letters[start].letter == pattern[0],
                    letters[start..<start + pattern.count].lazy.map(\.letter).elementsEqual(pattern)
                else {
                    start += 1
                    continue
                }
                hidden.append(letters[start].place.lowerBound..<letters[start + pattern.count - 1].place.upperBound)
                start += pattern.count
            }
        }
        guard !hidden.isEmpty else { return text }
        var result = String.UnicodeScalarView()
        var next = 0
        for range in hidden.sorted(by: { $0.lowerBound < $1.lowerBound }) where range.upperBound > next {
            result.append(contentsOf: scalars[next..<max(next, range.lowerBound)])
            result.append(contentsOf: "[key]".unicodeScalars)
            next = range.upperBound
        }
        result.append(contentsOf: scalars[next...])
        return String(result)
    }

    /// The letters and digits of ASCII in a text, in lower case, with their places; escapes are read.
    private static func spelled(_ scalars: [Unicode.Scalar]) -> [(letter: UInt8, place: Range<Int>)] {
        var result: [(letter: UInt8, place: Range<Int>)] = []
        var index = 0
        func code(_ start: Int, _ count: Int) -> UInt32? {
            guard start + count <= scalars.count else { return nil }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars[start..<start + count])
            return UInt32(String(text), radix: 16)
        }
        while index < scalars.count {
            var value = scalars[index].value
            var width = 1
            if scalars[index] == "%", let read = code(index + 1, 2) {
                (value, width) = (read, 3)
            } else if scalars[index] == "\\", index + 1 < scalars.count, scalars[index + 1] == "u",
                let read = code(index + 2, 4)
            {
                (value, width) = (read, 6)
            }
            if let byte = UInt8(exactly: value), byte < 0x80 {
                let low = byte | 0x20
                if (0x30...0x39).contains(byte) {
                    result.append((byte, index..<index + width))
                } else if (0x61...0x7A).contains(low) {
                    result.append((low, index..<index + width))
                }
            }
            index += width
        }
        return result
    }
}
