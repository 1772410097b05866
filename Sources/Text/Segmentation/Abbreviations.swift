// SPDX-License-Identifier: Apache-2.0

/// Words that end in a full stop without ending a sentence.
public struct Abbreviations: Sendable {
    /// Always followed by what they belong to: titles, "e.g.", "vs." (lower-case, without the final stop).
    public var neverFinal: Set<String>
    /// May also end a sentence ("Inc.", "U.S."): a sentence ends there only before a word that often starts one.
    public var sometimesFinal: Set<String>
    /// Words (lower-case) that start a sentence when capitalised after such an abbreviation.
    public var starters: Set<String>

    /// Whether a number of one or two digits before a full stop is an ordinal that belongs to what follows: "am 6. Mai".
    public var numbersAreOrdinals = false

    public init(neverFinal: Set<String>, sometimesFinal: Set<String>, starters: Set<String>) {
        self.neverFinal = neverFinal
        self.sometimesFinal = sometimesFinal
        self.starters = starters
    }

    /// German; for other languages that write ordinals with a full stop it does as well.
    public static let german: Abbreviations = {
        var german = Abbreviations(
            neverFinal: [
                "hr", "fr", "dr", "prof", "st", "nr", "z.b", "d.h", "u.a", "bzw", "ca", "vgl", "inkl", "max", "min",
                "tel",
                "evtl", "ggf", "abs", "art", "bd", "hrsg", "geb", "gest", "sog", "dipl", "ing", "str", "mind",
                "einschl",
            ], sometimesFinal: ["usw", "etc", "jh", "jhd", "v.chr", "n.chr", "mio", "mrd", "o.ä", "gmbh", "co"],
            starters: [
                "der", "die", "das", "ein", "eine", "er", "sie", "es", "wir", "im", "in", "am", "an", "auf", "mit",
                "nach",
                "seit", "für", "dies", "diese", "dieser", "dieses", "wer", "wenn", "und", "aber", "bei", "zum", "zur",
            ])
        german.numbersAreOrdinals = true
        return german
    }()

    /// English, with the abbreviations that encyclopaedias and news use.
    public static let english = Abbreviations(
        neverFinal: [
            "mr", "mrs", "ms", "messrs", "mmes", "dr", "prof", "st", "mt", "ft", "gen", "col", "maj", "capt", "cpt",
            "lt", "cmdr", "adm", "sgt", "cpl", "pvt", "pfc", "rev", "fr", "hon", "gov", "sen", "rep", "pres", "supt",
            "det", "insp", "amb", "sec", "e.g", "eg", "i.e", "ie", "viz", "cf", "vs", "v", "c", "ca", "approx", "est",
            "fig", "figs", "eq", "ed", "eds", "vol", "vols", "pp", "ch", "art", "al", "b", "d", "r", "née", "nr",
            "feat", "trans", "repr", "rev'd", "ver", "dept", "univ", "assn", "bros",
        ],
        sometimesFinal: [
            "inc", "ltd", "co", "corp", "llc", "plc", "jr", "sr", "etc", "esq", "ave", "blvd", "rd", "no", "nos",
            "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mon", "tue", "wed",
            "thu", "fri", "sat", "sun", "a.m", "p.m", "am", "pm", "u.s", "u.k", "u.n", "u.s.a", "d.c", "ph.d", "m.d",
            "b.a", "m.a", "b.c", "a.d", "b.sc", "m.sc", "l.a", "n.y", "hr", "min", "kg", "km", "cm", "mm", "lb", "oz",
            "mph", "sq", "cu", "p",
        ],
        starters: [
            "the", "a", "an", "this", "that", "these", "those", "it", "its", "he", "she", "they", "his", "her", "their",
            "we", "our", "you", "i", "my", "in", "on", "at", "as", "after", "before", "during", "since", "when",
            "while",
            "where", "although", "though", "however", "but", "and", "for", "from", "with", "by", "there", "then", "if",
            "some", "many", "most", "all", "both", "each", "one", "two", "other", "another", "according", "what", "who",
            "which", "how", "why", "also", "because", "despite", "following", "under", "until", "upon", "such", "not",
        ])
}
