// SPDX-License-Identifier: Apache-2.0

import Testing
import Text

/// Words of every script, as an index and a query have them.
@Suite struct ScriptTests {
    let analyzer: TextAnalyzer

    init() throws { analyzer = try TextAnalyzer() }

    func index(_ text: String) -> Set<String> { Set(analyzer.indexTerms(in: text).map(\.text)) }

    /// Whether every word that a query looks up is in the index of a text.
    func finds(_ query: String, in text: String) -> Bool {
        let terms = analyzer.queryTerms(in: query)
        let words = terms.filter { $0.role == .word }
        return !terms.isEmpty && (words.isEmpty ? terms : words).allSatisfy { index(text).contains($0.text) }
    }

    @Test(arguments: [
        ("เชียงใหม่", "เชียงใหม่อยู่ทางเหนือ"), ("แม่น้ำเจ้าพระยา", "มีแม่น้ำเจ้าพระยาไหลผ่าน"), ("ปี", "ในปีนี้"),
        ("ភ្នំពេញ", "ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា"), ("កម្ពុជា", "ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា"),
        ("ວຽງຈັນ", "ນະຄອນຫຼວງວຽງຈັນເປັນເມືອງຫຼວງ"), ("မြန်မာ", "သည်မြန်မာနိုင်ငံ၏"),
        ("서울", "서울은 대한민국의 수도이다."), ("대한민국", "서울은 대한민국의 수도이다."),
        ("プログラミング", "コンピュータープログラミングの入門書"), ("京都", "京都は古い寺が多い町です。"), ("首都", "東京都は日本の首都であり"),
        ("猫", "黒い猫がいる"), ("ねこ", "ねこがいる"), ("冰淇淋", "冰雪皇后冰淇淋有什么特点？"), ("ﾌﾟﾛｸﾞﾗﾑ", "プログラム"),
        ("οδυσσευς", "Ο ΟΔΥΣΣΕΥΣ γύρισε στην Ιθάκη"), ("ΟΔΥΣΣΈΑΣ", "οδυσσέας"), ("الكتاب", "الكتـاب على الطاولة"),
        ("كتابخانه", "به کتابخانه بروم"), ("مدرسه", "مدرسة"), ("Hawaii", "Hawaiʻi is a chain of islands."),
        ("Hawai'i", "Hawaiʻi"), ("42", "العدد ٤٢ مكتوب هنا"), ("٤٢", "number 42"), ("🚀", "We shipped it 🚀 on Friday"),
        ("👍", "well done 👍🏽"), ("❤️", "I ❤ it"), ("C++", "C++ templates are compiled."), ("C#", "C# runs on .NET."),
        ("notepad", "Notepad++ is an editor"), ("Notepad++", "Notepad++ is an editor"), ("C++17", "Since C++17"),
        ("3.11", "Version 3.11.7 is out"), ("v3.11.7", "Version 3.11.7 is out"), ("3.11.7", "see v3.11.7"),
        ("1299", "price is 1,299.00 dollars"), ("1299.00", "price is 1,299.00 dollars"),
        ("1299.00", "price is 1299 dollars"),
        ("1,299", "1299"), ("1299", "1\u{202F}299"), ("1299000", "1.299.000 Euro"), ("IT", "IT is a department"),
        ("tar -xvf", "Use tar -xvf file.tar to unpack"), ("TÜRKİYE", "türkiye"), ("straße", "STRASSE"),
        ("ёлка", "елка"),
    ])
    func found(_ query: String, _ text: String) {
        #expect(finds(query, in: text), "\(index(text)) \(analyzer.queryTerms(in: query))")
    }

    @Test(arguments: [
        ("C", "C++ templates are compiled."), ("C++", "C has pointers."), ("C#", "C++ and C"), ("🎉", "We shipped it 🚀"),
        ("3.12", "Version 3.11.7 is out"), ("대한민국", "서울은 수도이다"), ("เชียงราย", "เชียงใหม่อยู่ทางเหนือ"),
    ])
    func notFound(_ query: String, _ text: String) { #expect(!finds(query, in: text)) }

    @Test func stopWordsKeepTheirPlaceButNotTheirWeight() throws {
        let terms = analyzer.indexTerms(in: "To be, or not to be: that is the question.")
        #expect(terms.count { $0.role == .word } == 1)
        #expect(terms.count { $0.role == .stopWord } == 9)
        #expect(analyzer.terms(in: "To be, or not to be: that is the question.") == ["question"])
        // A letter that names is not the article.
        #expect(analyzer.queryTerms(in: "vitamin A deficiency").contains { $0.text == "A" && $0.role == .word })
        #expect(analyzer.indexTerms(in: "Vitamin A is stored in the liver.").contains { $0.text == "A" })
        #expect(!analyzer.indexTerms(in: "Liver. A vitamin is stored.").contains { $0.text == "A" })
        #expect(analyzer.queryTerms(in: "jobs in IT").contains { $0.text == "IT" && $0.role == .word })
    }

    @Test func lengthsCountWordsOnce() throws {
        // Versions, stop words and single syllables are found without making a text longer.
        func length(_ text: String) -> Int {
            analyzer.indexTerms(in: text).count { $0.role == .word || $0.role == .character }
        }
        #expect(length("Version 3.11.7 of the IT") == 2)
        #expect(length("Notepad++") == 1)
    }

    @Test(arguments: [
        (
            "german",
            "Die Hauptstadt von Deutschland ist Berlin, und sie liegt an der Spree. Das ist nicht neu, denn die Stadt wurde im Jahr 1237 zum ersten Mal in einer Urkunde genannt."
        ),
        (
            "french",
            "Le chat est sur la table et il ne veut pas descendre, parce que dans la cuisine les chiens sont en train de manger avec des enfants."
        ),
        (
            "english",
            "The cat is on the table and it will not come down, because there are dogs in the kitchen with the children."
        ),
        (
            "spanish",
            "El gato está en la mesa y no se quiere bajar, porque los perros de la casa comen con los niños en una cocina."
        ),
        (
            "turkish",
            "Kedi masanın üzerinde ve bir daha aşağıya inmek istemiyor çünkü mutfakta çok köpek var ve bu da onun için en kötü şey gibi."
        ),
    ])
    func languagesAreDetected(_ name: String, _ text: String) throws {
        #expect(TextLanguage.detected(in: [text, text])?.name == name)
    }

    @Test func noLanguageIsGuessedFromLittle() {
        #expect(TextLanguage.detected(in: ["Berlin 1237", "", "xyz 42 km"]) == nil)
        #expect(TextLanguage.detected(in: []) == nil)
    }

    /// The names of a few columns are no running text, whatever words they are.
    @Test func tablesSayNoLanguage() {
        let rows = [
            "al: 1\nda: x y z\nla: rosso verde\nin: a b c\ncon: 4", "al: 2\nda: x y z\nla: nero blu\nin: d e f\ncon: 5",
        ]
        #expect(TextLanguage.detected(in: rows) == nil)
        let english = TextLanguage.evidence(
            in: Array(
                repeating:
                    "The lamps of the harbour are lit and it is the keeper who is in the tower with them for this.",
                count: 20))
        #expect(english.language == .english && !english.isThin)
    }

    /// Spellings that stand for each other have one term.
    @Test(arguments: [
        ("german", ["Häuser", "Haeuser", "Haus"]), ("german", ["Bücher", "Buecher", "Buch"]),
        ("german", ["Größe", "Groesse", "größe"]), ("german", ["Übergang", "Uebergang"]),
        ("german", ["neue", "neuen"]),
        ("arabic", ["القاهرة", "القاهره"]), ("hindi", ["हिंदी", "हिन्दी"]), ("english", ["हिंदी", "हिन्दी"]),
        ("polish", ["książka", "książki", "książkę", "książką", "książek", "ksiazka"]),
        ("polish", ["domami", "domach", "domów"]),
        ("english", ["école", "l'école", "L’école", "d'école"]),
        ("english", ["ingénieur", "L'ingénieur", "qu'ingénieur"]),
        ("english", ["圖書館", "图书馆"]), ("chinese", ["漢語", "汉语"]),
    ])
    func spellingsOfAWordAreOne(_ name: String, _ words: [String]) throws {
        let language = try #require(TextLanguage.named(name))
        let analyzer = try TextAnalyzer(AnalyzerOptions(language: language))
        #expect(
            Set(words.map { analyzer.indexTerms(in: $0).map(\.text) }).count == 1,
            "\(words.map { analyzer.indexTerms(in: $0).map(\.text) })")
    }

    @Test func apostrophesOfEnglishJoin() throws {
        let analyzer = try TextAnalyzer()
        #expect(
            analyzer.terms(in: "O'Brien can't see Arthur's y'all don't") == [
                "obrien", "cant", "see", "arthur", "yall", "dont",
            ])
        #expect(
            try TextAnalyzer(AnalyzerOptions(language: #require(TextLanguage.named("german")))).terms(
                in: "Quelle Bauer") == ["quell", "bau"])
    }

    /// Persian sets endings apart by a mark that has no width.
    @Test func persianEndingsAreWords() throws {
        let analyzer = try TextAnalyzer(AnalyzerOptions(language: #require(TextLanguage.named("persian"))))
        let word = try #require(analyzer.terms(in: "کتاب").first)
        #expect(analyzer.terms(in: "کتاب\u{200C}ها").first == word)
    }

    @Test func languagesHaveWorkingAnalyzers() throws {
        for language in TextLanguage.all {
            _ = try TextAnalyzer(AnalyzerOptions(language: language)).terms(in: "Häuser l'eau")
        }
        let german = try TextAnalyzer(AnalyzerOptions(language: #require(TextLanguage.named("de"))))
        #expect(german.terms(in: "die Häuser und der Garten") == german.terms(in: "Haus Gärten"))
        // Words of other scripts are stemmed in their own language.
        #expect(analyzer.terms(in: "книги") == analyzer.terms(in: "книга"))
    }

    @Test func longTextsWithoutSpacesAreCut() {
        let thai = String(repeating: "ประเทศไทยมีแม่น้ำเจ้าพระยาไหลผ่านกรุงเทพมหานคร ", count: 400)
        let passages = PassageSplitter().passages(in: thai)
        #expect(passages.count > 10)
        #expect(passages.allSatisfy { $0.wordCount <= 200 })
        // Cuts fall between phrases.
        for passage in passages.dropLast() { #expect(String(passage.text(in: thai)).hasSuffix("มหานคร")) }
        let khmer = String(repeating: "ភ្នំពេញជារាជធានីនៃប្រទេសកម្ពុជា។", count: 400)
        #expect(PassageSplitter().passages(in: khmer).count > 4)
    }
}
