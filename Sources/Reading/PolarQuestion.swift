// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Text

/// A question for yes or no, in one of several languages: which language it is in, and how that says yes, no and "not".
///
/// What makes a question polar is its form: it opens with an auxiliary or another verb ("Is …", "Ist …", "¿Hay …"), with a
/// fixed phrase ("Est-ce que …"), or has a verb with its subject behind it ("Le refuge est-il …").
public struct PolarQuestion: Sendable, Hashable {
    /// The language that the question is in.
    public let language: TextLanguage
    /// How that language says them.
    public let yes: String
    public let no: String

    /// The language's words that deny, folded; those that forbid are among them.
    public var negations: Set<String> { forms.negations }
    /// Those of them that leave something out, in any of the languages: they deny what follows them and nothing before.
    public var exclusions: Set<String> { Self.exclusions }
    private static let exclusions = set(
        "without except sans sauf ohne außer sin salvo excepto senza tranne eccetto sem exceto zonder behalve")
    /// The language's words that permit, folded.
    public var permissions: Set<String> { forms.permissions }

    private struct Forms: Sendable, Hashable {
        var code: String
        var yes: String
        var no: String
        /// First words and first phrases, folded.
        var openings: Set<String>
        var phrases: [String] = []
        /// Words that ask for something else than yes or no, folded.
        var asking: Set<String>
        var negations: Set<String>
        var permissions: Set<String>
    }

    private let forms: Forms

    /// The form of an English question.
    public static let english = PolarQuestion(forms: all[0], language: .english)

    private init(forms: Forms, language: TextLanguage) {
        (self.forms, self.language) = (forms, language)
        (yes, no) = (forms.yes, forms.no)
    }

    /// Reads a question; nil where its form asks for something else than yes or no, or in a language that is not known here.
    public init?(_ question: String) {
        let words = Self.words(question)
        guard !words.isEmpty else { return nil }
        let text = " " + words.joined(separator: " ") + " "
        // Of a question whose language asks for something else another language's opening says nothing: "Was kostet …".
        var best: (forms: Forms, language: TextLanguage, count: Int)?
        for forms in Self.all {
            guard let language = TextLanguage.named(forms.code) else { continue }
            let known = forms.openings.union(forms.asking).union(language.functionWords)
            // Function words are shared among neighbours; an asking word or the form of a question counts for its own language.
            let asks = words.contains(where: forms.asking.contains) || Self.isPolar(words, text, forms)
            let hasForm = Self.isInverted(words, forms) || forms.phrases.contains { text.hasPrefix(" " + $0) }
            let count = (words.count { known.contains($0) } + (hasForm ? 2 : 0)) * 2 + (asks ? 1 : 0)
            if count > best?.count ?? 0 { best = (forms, language, count) }
        }
        guard let best, Self.isPolar(words, text, best.forms) else { return nil }
        self.init(forms: best.forms, language: best.language)
    }

    /// A question's words, folded; what is joined by hyphens and apostrophes is one.
    private static func words(_ question: String) -> [String] {
        TextFolding.fold(question.replacing("’", with: "'")).split {
            !($0.isLetter || $0.isNumber || $0 == "-" || $0 == "'")
        }.map { $0.trimmingCharacters(in: ["-", "'"]) }.filter { !$0.isEmpty }
    }

    private static func isPolar(_ words: [String], _ text: String, _ forms: Forms) -> Bool {
        if forms.phrases.contains(where: { text.hasPrefix(" " + $0) }) { return true }
        guard !words.contains(where: forms.asking.contains) else { return false }
        return forms.openings.contains(words[0]) || isInverted(words, forms)
    }

    /// Whether a French verb has its subject behind it, at the start or behind the noun that the subject stands for.
    private static func isInverted(_ words: [String], _ forms: Forms) -> Bool {
        guard forms.code == "fr" else { return false }
        return words.contains { word in
            guard let hyphen = word.firstIndex(of: "-") else { return false }
            return frenchSubjects.contains(String(word[word.index(after: hyphen)...]))
        }
    }

    private static let frenchSubjects: Set<String> = [
        "il", "elle", "on", "ils", "elles", "je", "tu", "vous", "nous", "ce", "t-il", "t-elle", "t-on",
    ]

    private static func set(_ words: String) -> Set<String> {
        Set(words.split(separator: " ").map { TextFolding.fold(String($0)) })
    }

    private static let all: [Forms] = [
        Forms(
            code: "en", yes: "yes", no: "no",
            openings: set(
                """
                is are was were do does did has have had can could will would should must am may might shall isn't aren't \
                wasn't weren't don't doesn't didn't hasn't haven't hadn't can't couldn't won't wouldn't shouldn't
                """),
            asking: set("who whom whose what when where which why how or"),
            negations: set(
                "not no never none cannot without neither nor nobody nothing hardly except forbidden prohibited banned"),
            permissions: set("allowed permitted welcome accepted admitted possible okay fine")),
        Forms(
            code: "fr", yes: "oui", no: "non", openings: [],
            phrases: ["est-ce que ", "est-ce qu'", "est-ce ", "y a-t-il ", "y a t il ", "est ce que "],
            asking: set(
                "qui que quoi quel quelle quels quelles ou quand comment combien pourquoi lequel laquelle lesquels"),
            negations: set(
                "pas aucun aucune jamais sans ni sauf personne interdit interdite interdits interdites non"),
            permissions: set(
                """
                autorisé autorisée autorisés autorisées permis permise admis admise acceptés acceptées accepté bienvenu \
                bienvenus bienvenues possible
                """)),
        Forms(
            code: "de", yes: "ja", no: "nein",
            openings: set(
                """
                ist sind war waren hat haben hatte hatten kann kannst können darf darfst dürfen muss müssen gibt wird \
                werden wurde wurden soll sollen sollte gehört gilt habe bin bekommt braucht liegt findet steht lässt könnte
                """),
            asking: set(
                "wer wen wem wessen was wann wo woher wohin welche welcher welches welchen warum wieso wie oder"),
            negations: set(
                """
                nicht kein keine keinen keiner keinem keines nie niemals ohne weder noch außer verboten untersagt niemand \
                nichts
                """),
            permissions: set("erlaubt gestattet zulässig zugelassen willkommen möglich")),
        Forms(
            code: "es", yes: "sí", no: "no",
            openings: set(
                """
                es son está están hay puede puedo pueden podemos se tiene tienen tenía fue fueron era eran debe \
                deben existe existen acepta aceptan admite admiten incluye incluyen hace hacen necesito necesita
                """),
            asking: set("quién quiénes qué cuándo dónde cuál cuáles cómo cuánto cuánta cuántos cuántas adónde o"),
            negations: set(
                "no nunca jamás ningún ninguna ninguno sin ni salvo excepto prohibido prohibida prohibidos nadie nada"),
            permissions: set("permitido permitida permitidos permitidas admitidos bienvenidos posible permite permiten")
        ),
        Forms(
            code: "it", yes: "sì", no: "no",
            openings: set(
                """
                è sono c'è ci si può posso possono possiamo ha hanno aveva era erano fu deve devono bisogna esiste \
                esistono accetta accettano
                """),
            asking: set("chi cosa che quando dove quale quali qual come quanto quanta quanti quante perché o"),
            negations: set("non mai nessun nessuna nessuno senza né tranne eccetto vietato vietata niente nulla"),
            permissions: set("ammesso ammessa ammessi permesso permessi consentito consentita benvenuti possibile")),
        Forms(
            code: "pt", yes: "sim", no: "não",
            openings: set(
                "é são há tem têm pode podem posso podemos está estão foi foram era eram existe existem deve devem precisa"
            ),
            asking: set("quem que quando onde qual quais como quanto quanta quantos quantas porque ou"),
            negations: set("não nunca jamais nenhum nenhuma sem nem exceto proibido proibida ninguém nada"),
            permissions: set("permitido permitida permitidos permitidas aceitos aceita aceito possível")),
        Forms(
            code: "nl", yes: "ja", no: "nee",
            openings: set(
                """
                is zijn was waren heeft hebben had hadden kan kunnen mag mogen moet moeten wordt worden werd werden \
                bestaat bestaan zit ligt geldt
                """),
            asking: set("wie wat wanneer waar welke welk waarom hoe hoeveel wiens of"),
            negations: set("niet geen nooit zonder noch behalve verboden niemand niets"),
            permissions: set("toegestaan toegelaten welkom mogelijk")),
    ]
}
