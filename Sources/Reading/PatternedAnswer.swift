// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What a question asks for, where everything of its kind is written in one pattern: e-mail and web addresses, telephone
/// numbers, postcodes. Such an answer is found by its pattern, and where nothing has it there is none.
public struct PatternedAnswer: Sendable, Hashable {
    public enum Kind: Sendable, Hashable, CaseIterable { case email, phone, website, postcode }

    public let kind: Kind

    /// Names of the kinds, longest first; those that say "address", "number" or "code" cannot mean anything else.
    private static let names: [(words: [String], kind: Kind, isWhole: Bool)] = [
        (["e-mail", "address"], .email, true), (["email", "address"], .email, true),
        (["mail", "address"], .email, true),
        (["phone", "number"], .phone, true), (["telephone", "number"], .phone, true),
        (["mobile", "number"], .phone, true), (["fax", "number"], .phone, true), (["contact", "number"], .phone, true),
        (["cell", "number"], .phone, true), (["emergency", "number"], .phone, true),
        (["web", "address"], .website, true), (["web", "site"], .website, true), (["web", "page"], .website, true),
        (["post", "code"], .postcode, true), (["postal", "code"], .postcode, true), (["zip", "code"], .postcode, true),
        (["email"], .email, false), (["e-mail"], .email, false), (["phone"], .phone, false),
        (["telephone"], .phone, false), (["website"], .website, true), (["homepage"], .website, true),
        (["url"], .website, true), (["postcode"], .postcode, true), (["zip"], .postcode, false),
    ]

    /// The words that name kinds, in lower case.
    public static let words: Set<String> = Set(names.flatMap(\.words) + ["mail", "e", "tel", "reach", "contact"])

    /// What may follow the name of the thing that is asked for.
    private static let links: Set<String> = ["of", "for", "to", "in", "at", "from", "on"]
    private static let clauses: Set<String> = [
        "is", "are", "can", "do", "should", "does", "could", "i", "we", "you", "that", "where", "people", "was",
    ]

    /// Reads a question; nil for one that asks for something else: "What did the email say?".
    public init?(_ question: String) {
        let words = Self.tokens(question)
        guard
            let asking = words.firstIndex(where: { ["what", "which", "what's"].contains($0) })
                ?? (words.isEmpty ? nil : 0), asking <= 2
        else { return nil }
        let asks = ["what", "which", "what's"].contains(words[asking])
        for (name, kind, isWhole) in Self.names {
            for start in words.indices where words[start...].starts(with: name) {
                let end = start + name.count
                let next = end < words.count ? words[end] : nil
                let isLinked = next.map { Self.links.contains($0) } ?? true
                let isClause = isWhole && next.map { Self.clauses.contains($0) } ?? false
                let isHeaded = asks ? start - asking <= 8 : start <= 1 && next.map { Self.links.contains($0) } ?? false
                let between = words[min(asking, start)..<start]
                guard isHeaded, isLinked || isClause, !between.contains("did"), !between.contains("who") else {
                    continue
                }
                self.kind = kind
                return
            }
        }
        return nil
    }

    private static func tokens(_ question: String) -> [String] {
        question.lowercased().replacing("’", with: "'").split {
            !($0.isLetter || $0.isNumber || $0 == "-" || $0 == "'")
        }.map(String.init)
    }

    /// Whether everything of the kind has its pattern, so that where nothing has it there is none.
    public var isExhaustive: Bool { kind != .postcode }

    /// The UTF-8 ranges in a text that have the pattern, from left to right, without overlaps.
    public func places(in text: String) -> [Range<Int>] {
        let bytes = Array(text.utf8)
        return switch kind {
        case .email: Self.emails(bytes)
        case .website: Self.addresses(bytes)
        case .phone: Self.phones(bytes)
        case .postcode: Self.postcodes(bytes)
        }
    }

    // MARK: Patterns

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private static func isUpper(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) }
    private static func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || isUpper(byte) || (0x61...0x7A).contains(byte) || byte >= 0x80
    }

    /// What stands on both sides of an at sign: of its left letters, digits and ``.+-_%``, of its right a name with a dot.
    private static func emails(_ bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        for at in bytes.indices where bytes[at] == UInt8(ascii: "@") {
            var (start, end) = (at, at + 1)
            let low = found.last?.upperBound ?? 0
            while start > low, isWord(bytes[start - 1]) || Array(".+-_%".utf8).contains(bytes[start - 1]) { start -= 1 }
            while end < bytes.count, isWord(bytes[end]) || Array(".-".utf8).contains(bytes[end]) { end += 1 }
            while end > at, !isWord(bytes[end - 1]) { end -= 1 }
            guard start < at, end > at + 1, bytes[at..<end].contains(UInt8(ascii: ".")) else { continue }
            found.append(start..<end)
        }
        return found
    }

    private static let topDomains: Set<String> = [
        "com", "org", "net", "edu", "gov", "int", "io", "dev", "app", "info", "biz", "eu", "uk", "de", "fr", "es", "it",
        "nl",
        "ch", "at", "be", "pl", "se", "no", "dk", "fi", "ie", "pt", "cz", "us", "ca", "au", "nz", "jp", "br", "museum",
        "example",
    ]

    /// Whether a name of a machine stands at a place, without a scheme: "kelby.org", not "end.it" of a sentence with a capital
    /// behind its stop, and no address of mail.
    private static func isDomain(_ bytes: [UInt8], at start: Int) -> Bool {
        guard (0x61...0x7A).contains(bytes[start]) || isDigit(bytes[start]) else { return false }
        var end = start
        while end < bytes.count, end - start < 80, isWord(bytes[end]) || Array(".-".utf8).contains(bytes[end]) {
            end += 1
        }
        guard end == bytes.count || bytes[end] != UInt8(ascii: "@") else { return false }
        let labels = bytes[start..<end].split(separator: UInt8(ascii: "."))
        guard labels.count > 1, labels[0].count > 1, let last = labels.last else { return false }
        return topDomains.contains(String(decoding: last, as: UTF8.self))
    }

    /// What begins with a scheme or with "www.", or is the name of a machine, up to a space or a sign that closes something.
    private static func addresses(_ bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var index = 0
        let starts = ["https://", "http://", "www."].map { Array($0.utf8) }
        while index < bytes.count {
            let isStart = index == 0 || (!isWord(bytes[index - 1]) && !Array("@.-/".utf8).contains(bytes[index - 1]))
            guard isStart, starts.contains(where: { bytes[index...].starts(with: $0) }) || isDomain(bytes, at: index)
            else {
                index += 1
                continue
            }
            var end = index
            while end < bytes.count, bytes[end] > 0x20, !Array("<>\"`{}|\\^)]".utf8).contains(bytes[end]) { end += 1 }
            while end > index, Array(".,;:!?'".utf8).contains(bytes[end - 1]) { end -= 1 }
            found.append(index..<end)
            index = max(end, index + 1)
        }
        return found
    }

    /// Whether a word that numbers are dialled behind stands right before a place: "ext. 42", "call 112".
    private static func isCued(_ bytes: [UInt8], before place: Int) -> Bool {
        let words = String(decoding: bytes[max(0, place - 24)..<place], as: UTF8.self).lowercased()
            .split { !$0.isLetter }.suffix(2)
        return words.contains {
            ["ext", "extension", "tel", "phone", "telephone", "dial", "call", "fax", "mobile"].contains($0)
        }
    }

    /// Seven to fifteen digits in groups, with a plus, brackets, spaces, dots, slashes and hyphens between them, or three and more
    /// behind a word such as "extension"; no date.
    private static func phones(_ bytes: [UInt8]) -> [Range<Int>] {
        var found: [Range<Int>] = []
        var index = 0
        while index < bytes.count {
            let opens = isDigit(bytes[index]) || bytes[index] == UInt8(ascii: "+") || bytes[index] == UInt8(ascii: "(")
            guard opens, index == 0 || (!isWord(bytes[index - 1]) && !Array("+.,-/:£$".utf8).contains(bytes[index - 1]))
            else {
                index += 1
                continue
            }
            var end = index
            var digits = 0
            var last = index
            var gap = 0
            while end < bytes.count {
                if isDigit(bytes[end]) {
                    digits += 1
                    gap = 0
                    last = end + 1
                } else if Array(" ()./-+".utf8).contains(bytes[end]), gap < 2 {
                    gap += 1
                } else {
                    break
                }
                end += 1
            }
            let isWhole = last >= bytes.count || !isWord(bytes[last])
            let least = isCued(bytes, before: index) ? 3 : 7
            if isWhole, (least...15).contains(digits), !isDate(bytes[index..<last]) { found.append(index..<last) }
            index = max(last, index + 1)
        }
        return found
    }

    /// Whether digits are a date as computers write it, "2024-04-21", or two years: "2019-2020".
    private static func isDate(_ bytes: ArraySlice<UInt8>) -> Bool {
        let groups = bytes.split { !isDigit($0) }.map { Int(String(decoding: $0, as: UTF8.self)) ?? 0 }
        let sizes = bytes.split { !isDigit($0) }.map(\.count)
        guard bytes.first.map(isDigit) == true else { return false }
        let isYear: (Int) -> Bool = { (1000...2100).contains($0) }
        return (sizes == [4, 2, 2] && isYear(groups[0]))
            || (sizes.count == 3 && sizes[2] == 4 && isYear(groups[2]) && groups[0] <= 31)
            || (sizes == [4, 4] && groups.allSatisfy(isYear))
    }

    /// British ("KB2 7TR"), Dutch ("1012 AB") and Canadian ("K1A 0B1") codes; five digits, and four behind a hyphen, before a
    /// name or behind two capitals ("24103 Kiel", "CA 94110"); any code behind a word for one. Other countries' are not told from
    /// numbers (``isExhaustive``).
    private static func postcodes(_ bytes: [UInt8]) -> [Range<Int>] {
        let text = String(decoding: bytes, as: UTF8.self)
        let pattern =
            #"\b(?:[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]|[0-9]{4} [A-Z]{2}|[0-9]{5}(?:-[0-9]{4})?(?= \p{Lu}\p{L})|(?<=\b[A-Z]{2} )[0-9]{5}(?:-[0-9]{4})?|(?<=(?i:zip|code|postcode|plz)[: ] ?)[0-9A-Z]{3,6}(?:[ -][0-9A-Z]{3,4})?)\b"#
        guard let expression = try? NSRegularExpression(pattern: pattern) else { return [] }
        return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap {
            Range($0.range, in: text).map {
                text.utf8.distance(
                    from: text.startIndex, to: $0.lowerBound)..<text.utf8.distance(
                        from: text.startIndex, to: $0.upperBound)
            }
        }
    }
}
