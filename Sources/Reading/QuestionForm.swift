// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// The question inside what people write around it: greetings, "Can you tell me …", "I would like to know …".
public enum QuestionForm {
    private static let greetings = [
        "hi", "hello", "hey", "dear all", "good morning", "good afternoon", "good evening", "please", "ok", "okay",
        "so",
        "well", "um", "pls", "plz", "excuse me", "sorry", "thanks", "thank you", "quick question", "one more question",
        "just curious",
        "out of curiosity", "hi there", "hello there", "hey there",
    ]
    private static let askers = [
        "can you", "could you", "would you", "will you", "can u", "could u", "can anyone", "can anybody",
        "can somebody",
        "can someone", "could anyone", "could somebody", "could someone", "would you mind", "are you able to",
    ]
    private static let tellings = [
        "tell me", "tell us", "let me know", "let us know", "say", "explain to me", "explain", "find out", "remind me",
        "show me", "give me", "telling me", "inform me", "check", "look up", "clarify", "help me understand",
        "help me find",
    ]
    private static let wonderings = [
        "do you know", "do you happen to know", "does anyone know", "does anybody know", "does someone know",
        "do we know",
        "i would like to know", "i'd like to know", "i’d like to know", "i want to know", "i need to know", "i wonder",
        "i was wondering", "i am wondering", "i'm wondering", "i’m wondering", "i would love to know", "any idea",
        "any ideas", "do you have any idea", "have you any idea", "is it known", "wondering", "may i ask", "may i know",
        "can i ask", "could i ask", "i have a question", "my question is", "the question is",
        "it would be great to know",
        "what i want to know is", "what i would like to know is", "i am looking for", "i'm looking for",
    ]
    private static let softeners = [
        "please", "pls", "plz", "kindly", "maybe", "perhaps", "possibly", "quickly", "also", "just", "me", "us",
    ]
    /// What the question itself may begin with behind such words.
    private static let openings: Set<String> = [
        "who", "whom", "whose", "what", "when", "where", "which", "why", "how", "if", "whether",
    ]

    /// What may stand behind a question.
    private static let closings: Set<String> = [
        "thanks", "thank you", "thanks a lot", "thank you very much", "thanks very much", "many thanks",
        "thank you so much",
        "thanks so much", "thanks in advance", "thank you in advance", "thx", "thnx", "ty", "tia", "cheers", "please",
        "pls",
        "plz", "best", "regards", "best regards", "kind regards", "much appreciated", "bye", "ok thanks", "okay thanks",
        "ok", "i appreciate it", "i would appreciate it", "any help is appreciated", "have a nice day", "a lot",
        "thanks again", "thank you again", "please and thank you", "thanks for your help", "thank you for your help",
        "thanks a bunch", "thanks a million",
    ]

    /// Words before which thanks are something that is spoken of.
    private static let speaking: Set<String> = [
        "say", "says", "said", "saying", "send", "sends", "sent", "give", "gives", "gave", "write", "wrote", "of",
        "with", "to",
        "the", "a", "an", "no", "many", "my", "our", "for", "and", "or", "is", "are", "was",
    ]

    /// A text without the thanks behind it.
    private static func withoutClosing(_ text: Substring) -> Substring {
        var rest = text
        for _ in 0..<3 {
            var end = rest
            while let last = end.last, last.isWhitespace || ".!,;:-–—?".contains(last) { end = end.dropLast() }
            // The last piece between signs, else the last words without any sign before them.
            let sign = end.lastIndex { ".!?,;\n".contains($0) }
            let piece = sign.map { end[end.index(after: $0)...] } ?? ""
            if let sign, closings.contains(folded(piece)) {
                // The question mark stays.
                rest = end[...sign]
                while let last = rest.last, ",;\n".contains(last) { rest = rest.dropLast() }
                continue
            }
            let words = end.split(separator: " ")
            guard
                let count = (1...4).reversed().first(where: {
                    $0 + 2 < words.count && closings.contains(folded(words.suffix($0).joined(separator: " ")))
                        && !["best", "ok", "regards", "bye", "a lot"].contains(
                            folded(words.suffix($0).joined(separator: " ")))
                }), let last = words.dropLast(count).last, !speaking.contains(last.lowercased())
            else { break }
            rest = rest[..<last.endIndex]
        }
        return rest
    }

    private static func folded(_ text: some StringProtocol) -> String {
        text.lowercased().split { !$0.isLetter && $0 != "'" }.joined(separator: " ")
    }

    /// The question without what stands around it; the text itself where there is nothing else. The words keep their order:
    /// "Can you tell me who the director is?" is "who the director is?".
    public static func core(_ text: String) -> String {
        let text = String(withoutClosing(text[...]))
        var rest = text[...]
        var stripped = false
        for _ in 0..<6 {
            skipSigns(&rest)
            let before = rest
            _ = take(greetings, &rest, needsSign: true)
            if take(askers, &rest) {
                while take(softeners, &rest) {}
                if take(tellings, &rest) {
                    stripped = true
                } else {
                    // "Can you export a grid?" asks for itself.
                    rest = before
                }
            } else if take(wonderings, &rest) || take(tellings, &rest) {
                stripped = true
            }
            if stripped { while take(softeners, &rest) {} }
            if rest == before { break }
        }
        skipSigns(&rest)
        guard stripped else { return greeted(text, rest) }
        let first = word(rest).lowercased()
        if first == "about" || first == "of" { rest = rest.dropFirst(first.count) }
        skipSigns(&rest)
        guard openings.contains(first) || rest.split(whereSeparator: \.isWhitespace).count > 2 else { return text }
        return String(rest)
    }

    /// The text behind a greeting.
    private static func greeted(_ text: String, _ rest: Substring) -> String {
        rest.split(whereSeparator: \.isWhitespace).count > 1 ? String(rest) : text
    }

    private static func skipSigns(_ rest: inout Substring) {
        while let first = rest.first, first.isWhitespace || ",.:;!–—-".contains(first) { rest.removeFirst() }
    }

    private static func word(_ rest: Substring) -> Substring { rest.prefix { $0.isLetter } }

    /// Takes one of some phrases off the beginning, the longest that is there.
    private static func take(_ phrases: [String], _ rest: inout Substring, needsSign: Bool = false) -> Bool {
        var trimmed = rest
        skipSigns(&trimmed)
        let lower = trimmed.prefix(40).lowercased()
        let found = phrases.filter { phrase in
            guard lower.hasPrefix(phrase) else { return false }
            let next = lower.dropFirst(phrase.count).first
            if next.map({ $0.isLetter || $0.isNumber || "'’".contains($0) }) == true { return false }
            // "So is X" and "Well of Y" are no greetings; "So, is X" is.
            if !needsSign || ["please", "pls", "plz"].contains(phrase) || next.map({ ",!.:–-".contains($0) }) == true {
                return true
            }
            let behind = trimmed.dropFirst(phrase.count).drop { $0.isWhitespace }.first
            return ["hi", "hello", "hey"].contains(phrase) && behind?.isLowercase == true
        }.max { $0.count < $1.count }
        guard let found, found.count < trimmed.count else { return false }
        rest = trimmed.dropFirst(found.count)
        return true
    }
}
