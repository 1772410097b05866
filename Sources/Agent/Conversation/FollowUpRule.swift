// SPDX-License-Identifier: Apache-2.0

import Base
import OrderedCollections
import QualityMetrics
import Text

/// Makes a question that leans on what was said before stand alone, without a model: the topic of the conversation takes the
/// place of a pronoun, or is put behind a question that names nothing itself.
///
/// The word lists and the bound of two content words were chosen on the training part of TREC CAsT 2019 to 2021 (660 turns);
/// how well the rule does on other turns stands in the test beside it. English only: questions in other languages stay as
/// they are.
enum FollowUpRule {
    /// The question so that it stands alone; the question itself when it does already.
    static func standalone(_ question: String, after turns: [Dialogue.Turn]) -> String {
        var topic: String?
        var whole = ""
        for (index, turn) in turns.enumerated() {
            // The chain is followed through the questions as they were typed: a rewriting that went wrong is not built upon.
            let step = Self.step(turn.question, topic: topic, previous: index > 0 ? turns[index - 1] : nil)
            topic = step.topic
            whole = Ellipsis.completed(turn.question, from: whole) ?? turn.question
        }
        return Ellipsis.completed(question, from: whole) ?? step(question, topic: topic, previous: turns.last).text
    }

    private static func step(
        _ question: String, topic: String?, previous: Dialogue.Turn?
    ) -> (text: String, topic: String?) {
        let words = Words(question)
        let phrases = words.phrases
        let named = phrases.filter { $0.split(separator: " ").contains { $0.first?.isUppercase == true } }
        let reference = words.reference
        let leads = words.leads
        var referent = topic
        if let reference, let previous, let entity = answer(of: previous, for: reference.word) { referent = entity }
        let leans = reference != nil || leads || words.contentCount <= 2 && named.isEmpty
        guard let referent, leans, !words.contains(all: Words(referent).content) else {
            return (question, reference == nil || topic == nil ? main(phrases, named, words) ?? topic : topic)
        }
        let text: String
        if let reference {
            text = words.replacing(reference.index, by: referent, isPossessive: reference.isPossessive)
        } else {
            let end = question.reversed().prefix { "?.! ".contains($0) }.count
            let mark = question.contains("?") ? "?" : ""
            text = question.dropLast(end) + " (" + referent + ")" + mark
        }
        // "What about X?" turns to X; a pronoun that stood for the last answer goes on standing for it.
        let next = leads ? named.first ?? referent : referent
        return (text, next)
    }

    /// The phrase that a question is about: the first name that does not open the sentence, else its last phrase.
    private static func main(_ phrases: [String], _ named: [String], _ words: Words) -> String? {
        let inner = named.filter { !words.text.hasPrefix($0) }
        return inner.first ?? named.first ?? phrases.last
    }

    /// The previous answer, when it is a name that the pronoun can stand for.
    private static func answer(of turn: Dialogue.Turn, for pronoun: String) -> String? {
        // A sentence is no name: what it begins with may be one.
        let short = turn.short.isEmpty ? leadingName(of: turn.answer) : turn.short
        let words = short.split(separator: " ")
        guard (1...7).contains(words.count), words.contains(where: { $0.first?.isUppercase == true }),
            short.count <= 80,
            !short.contains("["), !["Yes", "No"].contains(short), !AbstentionWording.isAbstention(short)
        else { return nil }
        let asked = Words(turn.question).lowered
        // A time or a number is nothing that a pronoun stands for.
        let asksAmount = asked.contains { ["when", "many", "much", "year", "date", "long", "often"].contains($0) }
        guard !asksAmount, !Ellipsis.isTime(short) else { return nil }
        let asksPerson = asked.contains { ["who", "whom", "whose"].contains($0) }
        let asksPlace =
            asked.contains("where") || asked.contains { ["city", "country", "town", "place", "state"].contains($0) }
        switch pronoun {
        case "he", "she", "him", "her", "his", "hers":
            return asksPerson || !asksPlace && words.count <= 4 ? clean(short) : nil
        case "there": return asksPlace ? clean(short) : nil
        case "it", "its", "itself": return asksPerson || asksPlace ? nil : clean(short)
        default: return asksPlace ? nil : clean(short)
        }
    }

    /// The text itself where all of its words belong to a name; else the name of more than one word that it begins with.
    private static func leadingName(of text: String) -> String {
        let words = text.split(separator: " ")
        let joining: Set<Substring> = ["of", "the", "de", "la", "di", "da", "van", "von", "der", "den", "and", "&"]
        var name = words.prefix { $0.first?.isUppercase == true || $0.first?.isNumber == true || joining.contains($0) }
        if name.count == words.count { return text }
        while let last = name.last, joining.contains(last) { name.removeLast() }
        let found = name.joined(separator: " ")
        return name.count >= 2 && name.count { $0.first?.isUppercase == true } >= 2 ? found : ""
    }

    private static func clean(_ text: String) -> String {
        text.last == "." && text.filter({ $0 == "." }).count == 1 ? String(text.dropLast()) : text
    }
}

/// A question taken apart into words and the phrases that they make.
private struct Words {
    let text: String
    private let tokens: [(text: Substring, isWord: Bool)]

    init(_ text: String) {
        self.text = text
        var tokens: [(Substring, Bool)] = []
        var index = text.startIndex
        while index < text.endIndex {
            guard text[index].isLetter || text[index].isNumber else {
                if !text[index].isWhitespace { tokens.append((text[index...index], false)) }
                index = text.index(after: index)
                continue
            }
            var end = index
            while end < text.endIndex, text[end].isLetter || text[end].isNumber || "'’.&+-".contains(text[end]) {
                end = text.index(after: end)
            }
            while end > text.index(after: index), ".'-’".contains(text[text.index(before: end)]) {
                end = text.index(before: end)
            }
            tokens.append((text[index..<end], true))
            index = end
        }
        self.tokens = tokens
    }

    var lowered: [String] { tokens.filter(\.isWord).map { Self.base($0.text.lowercased()) } }

    private static func base(_ word: String) -> String {
        let word = word.replacing("’", with: "'")
        return word.hasSuffix("'s") ? String(word.dropLast(2)) : word
    }

    /// The words that carry meaning.
    var content: Set<String> { Set(lowered.filter { !Self.stopWords.contains($0) }) }
    var contentCount: Int { lowered.count { !Self.stopWords.contains($0) } }

    func contains(all words: Set<String>) -> Bool { words.isSubset(of: content) }

    /// Whether the question opens as one that goes on from another.
    var leads: Bool {
        guard let first = lowered.first else { return false }
        if ["and", "but", "so", "also", "or", "really"].contains(first) { return true }
        let two = lowered.prefix(2).joined(separator: " ")
        return ["what about", "how about", "why not", "who else", "what else", "where else", "any others", "any other"]
            .contains(two)
            || lowered == ["why"] || lowered == ["how"]
    }

    /// Where a word stands that refers to what was said before.
    var reference: (index: Int, word: String, isPossessive: Bool)? {
        for (index, token) in tokens.enumerated() where token.isWord {
            let word = Self.base(token.text.lowercased())
            let next = index + 1 < tokens.count ? tokens[index + 1] : nil
            if Self.pronouns.contains(word) {
                // "Is there a way …", "were there any": nothing is meant by it.
                if word == "there", index > 0, Self.being.contains(Self.base(tokens[index - 1].text.lowercased())) {
                    continue
                }
                if word == "there", let next, Self.being.contains(Self.base(next.text.lowercased())) { continue }
                let possesses =
                    ["its", "their", "his", "theirs", "hers"].contains(word)
                    || word == "her" && next?.isWord == true
                        && !Self.afterObject.contains(Self.base(next?.text.lowercased() ?? ""))
                return (index, word, possesses)
            }
            if ["this", "that", "these", "those", "such"].contains(word) {
                // Before a noun it points at nothing that a phrase could replace.
                guard let next, next.isWord else { return (index, word, false) }
                let after = Self.base(next.text.lowercased())
                if Self.being.contains(after) || ["happen", "mean", "work", "does", "do", "did"].contains(after) {
                    return (index, word, false)
                }
            }
        }
        return nil
    }

    func replacing(_ index: Int, by phrase: String, isPossessive: Bool) -> String {
        let token = tokens[index].text
        let isContracted = token.lowercased().hasSuffix("'s") || token.lowercased().hasSuffix("’s")
        let ending = isContracted ? " is" : isPossessive ? (phrase.hasSuffix("s") ? "'" : "'s") : ""
        return text[..<token.startIndex] + phrase + ending + text[token.endIndex...]
    }

    /// Runs of words that carry meaning, names with the small words inside them.
    var phrases: [String] {
        var result: [String] = []
        var run: [String] = []
        func isWeak(_ word: String) -> Bool {
            Self.stopWords.contains(word.lowercased()) || Self.commonWords.contains(word.lowercased())
        }
        func flush() {
            while let last = run.last, isWeak(last) { run.removeLast() }
            while let first = run.first, Self.commonWords.contains(first.lowercased()), first.first?.isUppercase != true
            {
                run.removeFirst()
            }
            if !run.isEmpty { result.append(run.joined(separator: " ")) }
            run = []
        }
        for (index, token) in tokens.enumerated() {
            guard token.isWord else {
                flush()
                continue
            }
            let word = token.text.lowercased()
            if Self.stopWords.contains(Self.base(word)) {
                let isInName =
                    run.last?.first?.isUppercase == true
                    && ["of", "the", "and", "for", "in", "de", "la"].contains(word)
                    && tokens.dropFirst(index + 1).prefix(2).contains { $0.text.first?.isUppercase == true }
                if isInName { run.append(String(token.text)) } else { flush() }
                continue
            }
            // "Arthur's Magazine" is one name; what a small word follows is another phrase.
            let next = index + 1 < tokens.count ? tokens[index + 1] : nil
            let isOwner = (word.hasSuffix("'s") || word.hasSuffix("’s")) && next?.text.first?.isUppercase != true
            run.append(isOwner ? String(token.text.dropLast(2)) : String(token.text))
            if isOwner { flush() }
        }
        flush()
        return result
    }

    private static let being: Set<String> = [
        "is", "are", "was", "were", "be", "been", "has", "have", "will", "can", "exist",
    ]
    /// Words before which "her" is no possessive.
    private static let afterObject: Set<String> = [
        "in", "at", "on", "for", "to", "and", "or", "with", "when", "after", "before", "from", "by", "as", "then",
        "about",
    ]
    private static let pronouns: Set<String> = [
        "it", "its", "they", "them", "their", "theirs", "he", "him", "his", "she", "her", "hers", "there", "one",
        "ones",
        "itself", "themselves",
    ]
    private static let stopWords = Set(
        """
        a an the of in on at to for from by with about and or but is are was were be been being do does did has have had can \
        could will would should may might must what which who whom whose when where why how that this these those it its they \
        them their theirs he him his she her hers i you we us our my your me as if then than so such also not no there here \
        some any all many much more most other others tell give describe explain know please let go want like get make made \
        use used vs between into over up out down off during through after before while because just very too only even one \
        ones example examples s t re ve ll d m
        """.split(separator: " ").map(String.init))
    /// Words that carry meaning but are not what a question is about.
    private static let commonWords = Set(
        """
        work works happen happened mean means begin began start started cost costs help helps cause causes affect affects need \
        needs called come came die died live lived say says said think take takes took prevent treat find found look see play \
        played win won become became include includes differ compare related exist change changed develop developed grow eat \
        keep buy pay create created write wrote published invented discovered known considered important famous popular common \
        different good bad best better main major new old long big type types kind kinds way ways thing things people \
        information details history reasons difference differences effect effects
        """.split(separator: " ").map(String.init))
}
