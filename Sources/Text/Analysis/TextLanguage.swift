// SPDX-License-Identifier: Apache-2.0

import CStemmer

/// A language that texts can be indexed in: its name, its stemmer and its function words.
public struct TextLanguage: Sendable, Hashable {
    /// The English name in lower case, as Snowball has it: "german".
    public let name: String
    /// The ISO 639-1 code: "de".
    public let code: String
    /// The stemmer; nil where there is none.
    public var stemmer: String? { Self.stemmers.contains(name) ? name : nil }
    /// Function words, folded: what a query can do without, and what gives the language away.
    public let functionWords: [String]

    private init(_ name: String, _ code: String, _ words: String) {
        self.name = name
        self.code = code
        functionWords = words.split(separator: " ").map { TextFolding.fold(String($0)) }
    }

    private static let stemmers = Set(TextAnalyzer.stemmerLanguages)

    /// The language of a name ("german") or code ("de"), in any case.
    public static func named(_ name: String) -> TextLanguage? {
        let name = name.lowercased()
        return all.first { $0.name == name || $0.code == name }
    }

    public static let english = TextLanguage(
        "english", "en", AnalyzerOptions.englishStopWords.joined(separator: " "))

    /// Every language that can be named.
    public static let all: [TextLanguage] = [
        english,
        TextLanguage(
            "arabic", "ar", "في من على إلى عن مع هذا هذه التي الذي ما لا أن إن كان كانت هو هي و أو ثم قد لم بين كل ذلك"),
        TextLanguage("armenian", "hy", "է և ու են ի որ մի այս այդ եւ նա իր"),
        TextLanguage("basque", "eu", "eta da ez du bat izan dute zen dira ere baina edo"),
        TextLanguage("catalan", "ca", "el la els les de i en un una que per amb del al és va no es com d l s"),
        TextLanguage("chinese", "zh", ""),
        TextLanguage(
            "danish", "da",
            "og i at det er en den til på som med for af de ikke der var han et har jeg vi fra men om blev"),
        TextLanguage(
            "dutch", "nl",
            "de het een en van in is dat op te met voor niet zijn aan er als was door ook bij naar om maar dan uit werd wordt wie wat waar wanneer welke hoe hoeveel heeft had hun deze dit"
        ),
        TextLanguage(
            "finnish", "fi", "ja on ei että se oli ovat hän mutta joka kun tai niin kuin sen oli sekä myös mukaan"),
        TextLanguage(
            "french", "fr",
            "le la les de des du un une et en à est que qui dans pour par sur au aux avec ne pas ce cette il elle se son sa ses plus été sont ou d l qu n s c j quel quelle quels quelles quand comment où pourquoi combien on leur lui ces mais fut était avait ont"
        ),
        TextLanguage(
            "german", "de",
            "der die das und in zu den von mit ist des im dem nicht ein eine einer eines einem einen als auch auf für an es sich er sie war aus bei nach wie am wird oder zum zur durch wurde werden sind was wer wie wo wann welche welcher welches wem wen hat haben hatte sein seine ihre ihrer seiner kann konnte mehr noch nur so vom bis dass wenn man"
        ),
        TextLanguage(
            "greek", "el", "ο η το οι τα του της των και στο στη στην στον με για από να που είναι τον την δεν ως σε"),
        TextLanguage("hebrew", "he", "של את על הוא היא לא עם זה גם או כי אל כל"),
        TextLanguage(
            "hindi", "hi",
            "के का की में है से और को पर ने यह कि एक हैं था थे थी भी इस हो कर तो ही या क्या कौन कौनसा कहाँ कब किस किसने कितने कितना कैसे किया गया गई अपने उसके उनके जो वह वे हुआ"
        ),
        TextLanguage("hungarian", "hu", "a az és hogy nem is egy volt de meg ez csak mint ha vagy el azt ami"),
        TextLanguage(
            "indonesian", "id",
            "yang dan di dari ini untuk dengan pada dalam adalah itu tidak ke oleh sebagai atau juga"),
        TextLanguage("irish", "ga", "agus an na ar i is go sé bhí le don ag a"),
        TextLanguage(
            "italian", "it",
            "di il la e che in un una per con non del della le i gli al dei è si da nel sono come anche ha più o lo delle alla l d quale quali chi dove quando come cosa quanto quanti era stato sua suo"
        ),
        TextLanguage("japanese", "ja", ""),
        TextLanguage("khmer", "km", ""),
        TextLanguage("korean", "ko", ""),
        TextLanguage("lao", "lo", ""),
        TextLanguage("lithuanian", "lt", "ir yra kad su iš į ne buvo o tai kaip bet nuo dėl ar"),
        TextLanguage("burmese", "my", ""),
        TextLanguage("nepali", "ne", "को र छ मा लाई हो यो पनि गर्न भने एक"),
        TextLanguage(
            "norwegian", "no",
            "og i det er en på som til av for med at de den ikke har et var han om fra ble men jeg vi seg"),
        TextLanguage("persian", "fa", "در به از که این را با است آن برای و یک بود می شد تا"),
        TextLanguage("polish", "pl", "i w z na do nie się jest to że o jak po od za przez dla oraz był a"),
        TextLanguage(
            "portuguese", "pt",
            "de a o que e do da em um para com não uma os no se na por mais as dos como mas ao das foi é são pelo pela ou qual quais quem quando onde como quanto quantos ser foram sua seu"
        ),
        TextLanguage(
            "romanian", "ro", "și în de la a pe cu nu că din este o un pentru mai care au fost sau se prin al ale după"),
        TextLanguage(
            "russian", "ru",
            "и в не на что с он как по это из у к за от но для же был была его о а или при также который так до если что кто где когда какой какая какие каким какое каких сколько чем чего кого этот эта эти этого они она оно мы вы ли бы быть были"
        ),
        TextLanguage(
            "serbian", "sr", "и у је да на се за од са су као не што из i u je da na se za od sa su kao ne što iz"),
        TextLanguage(
            "spanish", "es",
            "de la que el en y a los del se las por un para con no una su al lo como más pero sus le ya o este fue es son entre qué quién cuál cuándo dónde cómo cuánto cuántos han ha había ser muy sin sobre también donde cuando"
        ),
        TextLanguage(
            "swedish", "sv",
            "och i att det som en på är av för med till den har de inte om ett han var jag men från vi så blev"),
        TextLanguage("tamil", "ta", "ஒரு என்று இந்த அந்த மற்றும் என என்ற உள்ள"),
        TextLanguage("thai", "th", ""),
        TextLanguage(
            "turkish", "tr",
            "ve bir bu da de için ile olarak olan daha çok en gibi ne ya ki kadar sonra o ne nedir kim kimdir nerede hangi hangisi kaç nasıl neden niçin mi mı mu mü ise her o olarak tarafından hangi"
        ),
        TextLanguage("ukrainian", "uk", "і в не на що з та до у за як від це для про є але його"),
        TextLanguage("vietnamese", "vi", "của và là có được trong cho các một với không người này đã những"),
    ]

    /// What texts say of their language.
    public struct Evidence: Sendable, Hashable {
        /// The language that stands out; nil where none does.
        public var language: TextLanguage?
        /// How many of its function words the texts hold, repeats counted.
        public var words: Int
        /// Whether it is so little that further texts should be asked again.
        public var isThin: Bool { language == nil || words < 200 }

        public init(language: TextLanguage?, words: Int) {
            self.language = language
            self.words = words
        }
    }

    /// The function words that running text must have before it says a language, and how many of them must differ: the
    /// names of a table's columns are a few words many times.
    private static let leastWords = 12
    private static let leastDistinctWords = 5

    /// The language of texts, by their function words; nil where none stands out: few words, or texts in several languages.
    public static func detected(in texts: [String]) -> TextLanguage? { evidence(in: texts).language }

    /// What the function words of texts say of their language.
    ///
    /// A language is taken when its function words are at least a tenth of the words in two fifths of the texts, no other
    /// has half as many texts, and there are enough of these words. Scripts that one stemmer serves need no detection.
    public static func evidence(in texts: [String]) -> Evidence {
        let nothing = Evidence(language: nil, words: 0)
        guard let analyzer = try? TextAnalyzer(.plain) else { return nothing }
        var owners: [String: [Int]] = [:]
        for (index, language) in all.enumerated() {
            for word in Set(language.functionWords) { owners[word, default: []].append(index) }
        }
        var votes = [Int](repeating: 0, count: all.count)
        var totals = votes
        var distinct = [Set<String>](repeating: [], count: all.count)
        var voters = 0
        for text in texts {
            let words = analyzer.terms(in: String(text.prefix(4000)))
            guard words.count >= 8 else { continue }
            var counts = [Int](repeating: 0, count: all.count)
            for word in words {
                for owner in owners[word] ?? [] {
                    counts[owner] += 1
                    distinct[owner].insert(word)
                }
            }
            voters += 1
            let ranked = counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
            if counts[ranked[0]] * 10 >= words.count, counts[ranked[0]] > counts[ranked[1]] {
                votes[ranked[0]] += 1
                totals[ranked[0]] += counts[ranked[0]]
            }
        }
        let ranked = votes.indices.sorted { (votes[$1], $0) < (votes[$0], $1) }
        let best = ranked[0]
        guard voters > 0, votes[best] * 5 >= voters * 2, votes[ranked[1]] * 2 < votes[best],
            totals[best] >= leastWords, distinct[best].count >= leastDistinctWords
        else { return nothing }
        return Evidence(language: all[best], words: totals[best])
    }
}
