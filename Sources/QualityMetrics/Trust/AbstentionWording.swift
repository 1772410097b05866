// SPDX-License-Identifier: Apache-2.0

/// Tells a text that answers nothing from one that answers: it is empty, says that its writer does not know, refuses,
/// announces that something must be looked up, or asks back. That many texts say so alike is no agreement on an answer.
///
/// It is wider than ``RefusalWording``, which scores answers: where it errs, something is looked up that was known.
public enum AbstentionWording {
    /// Whole texts that stand for no answer.
    private static let words: Set<String> = [
        "unknown", "none", "null", "nil", "na", "n a", "nan", "idk", "unsure", "unclear", "uncertain", "undetermined",
        "unspecified", "undefined", "unavailable", "undisclosed", "nothing", "nobody", "no idea", "no clue", "no one",
        "not available", "not applicable", "not known", "not sure", "not given", "not stated", "not specified",
        "not found", "tbd", "error", "answer", "unbekannt", "keine angabe", "weiß nicht", "weiss nicht", "inconnu",
        "desconocido", "desconhecido", "sconosciuto", "no sé", "no se", "okänt", "ukjent", "ukendt", "onbekend",
        "nieznane", "неизвестно", "不明", "未知",
    ]
    /// Texts of other languages that begin or hold one of these know nothing.
    private static let foreign = [
        "weiß es nicht", "weiss es nicht", "weiß ich nicht", "ich weiß nicht", "ich weiss nicht", "kann ich nicht",
        "kann diese frage nicht", "keine information", "je ne sais pas", "je ne peux pas", "ne dispose pas",
        "no lo sé", "no sé", "no puedo", "no tengo información", "non lo so", "non posso", "não sei", "não posso",
        "weet ik niet", "weet het niet", "jag vet inte", "jeg vet ikke", "jeg ved ikke", "nie wiem", "не знаю",
        "не могу", "нет информации", "不知道", "無法", "无法", "不清楚", "不确定", "抱歉", "わかりません", "分かりません",
        "できません", "모르", "알 수 없", "죄송", "لا أعرف", "bilmiyorum",
    ]
    private static let negations: Set<String> = [
        "not", "cannot", "cant", "dont", "doesnt", "didnt", "couldnt", "wont", "wouldnt", "isnt", "arent", "wasnt",
        "havent", "hasnt", "unable", "no", "without", "lack", "lacks", "lacking", "insufficient", "never", "neither",
    ]
    /// What someone who answers nothing does not do, or does not have.
    private static let abilities: Set<String> = [
        "know", "known", "sure", "certain", "aware", "familiar", "find", "found", "recall", "remember", "answer",
        "answered", "determine", "determined", "provide", "help", "assist", "verify", "confirm", "access",
        "information", "info", "data", "details", "record", "records", "context", "knowledge", "idea", "clear",
        "enough", "specified", "mentioned", "stated", "available", "comply", "say", "tell", "identify", "identified",
        "fulfill", "discuss", "engage", "do", "able", "possible", "browse", "search", "look",
    ]
    private static let intentions: Set<String> = [
        "need", "needs", "let", "lets", "will", "ill", "should", "must", "going", "want", "have", "id", "would", "can",
        "try",
    ]
    private static let looking: Set<String> = [
        "search", "searching", "look", "lookup", "check", "find", "retrieve", "browse", "consult", "query", "research",
        "verify", "know", "see", "think", "context", "information", "details", "clarification",
    ]
    private static let openings = [
        "sorry", "im sorry", "i am sorry", "apologies", "my apologies", "i apologize", "i apologise", "as an ai",
        "unfortunately", "searching", "looking", "search for", "search the", "looking up", "please provide",
        "please clarify", "please specify", "please give", "could you", "can you", "would you",
    ]

    /// Whether a text answers nothing.
    public static func isAbstention(_ text: String) -> Bool {
        let lowered = text.prefix(600).lowercased()
        let words = lowered.filter { $0 != "'" && $0 != "’" }.split { !$0.isLetter && !$0.isNumber }.map(String.init)
        guard !words.isEmpty else { return true }
        let whole = words.joined(separator: " ")
        if Self.words.contains(whole) || RefusalWording.isRefusal(text) { return true }
        // What goes on for long says something all the same.
        let start = Array(words.prefix(24))
        if lowered.last(where: { !$0.isWhitespace }) == "?" { return true }
        let opening = start.joined(separator: " ") + " "
        if openings.contains(where: { opening.hasPrefix($0 + " ") }) { return true }
        if foreign.contains(where: { lowered.prefix(120).contains($0) }) { return true }
        for (place, word) in start.enumerated() {
            let next = start[(place + 1)...].prefix(5)
            if negations.contains(word), next.contains(where: abilities.contains), speaksOfItself(start[..<place], word)
            {
                return true
            }
            if intentions.contains(word), next.prefix(4).contains(where: looking.contains),
                place <= 3,
                start[..<place].allSatisfy({
                    ["i", "we", "first", "ok", "okay", "so", "well", "am", "im"].contains($0)
                })
            {
                return true
            }
        }
        return false
    }

    /// Whether a negation is the writer's own, or says of the answer or its sources that they are not there: the subject of
    /// "The lighthouse is not known for its height" is another.
    private static func speaksOfItself(_ before: ArraySlice<String>, _ word: String) -> Bool {
        let subjects: Set<String> = [
            "i", "im", "we", "it", "there", "this", "that", "context", "passage", "passages", "text", "document",
            "documents", "question", "answer", "information", "evidence", "sources", "source", "you", "he", "she",
            "they",
        ]
        return before.isEmpty || before.suffix(4).contains(where: subjects.contains)
    }
}
