// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import Documents

/// Sentences and lists of names in the encodings that were used for their languages before Unicode.
@Suite struct LegacyEncodingTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        var language: String
        var encodings: [String]
        var sentence: String
        var names: [String]
        var testDescription: String { language }
    }

    static let western = ["WINDOWS-1252", "MACINTOSH", "CP850"]
    static let central = ["WINDOWS-1250", "ISO-8859-2", "CP852"]
    static let samples = [
        Sample(
            language: "German", encodings: western + ["ISO-8859-15"],
            sentence: "Die Größe der Wohnung wurde gemäß der Prüfung überschätzt. Später gehen die Gäste zur Brücke.",
            names: ["Müller", "Köln", "Straße", "Jürgen Weiß", "Übersicht", "MÜNCHEN"]),
        Sample(
            language: "French", encodings: western,
            sentence: "Le théâtre a fermé après trois années. Voilà pourquoi la fenêtre était là, dit-elle à François.",
            names: ["Hélène", "François", "Noël", "Orléans", "Besançon", "Prénom"]),
        Sample(
            language: "Spanish", encodings: western,
            sentence: "El niño comió después de la reunión. ¿Dónde está la estación? El año próximo habrá más.",
            names: ["Muñoz", "José", "Bogotá", "Núñez", "Peña", "Dirección"]),
        Sample(
            language: "Portuguese", encodings: western,
            sentence: "A organização não enviou as informações até amanhã. O coração está em São Paulo.",
            names: ["São Paulo", "João", "Conceição", "Goiânia", "Informação"]),
        Sample(
            language: "Danish", encodings: western,
            sentence: "Blåbærgrød er på menuen hver søndag. Børnene går over åen og køber ærter.",
            names: ["Søren", "Ålborg", "Kærgård", "Sørensen", "Måned"]),
        Sample(
            language: "Icelandic", encodings: ["WINDOWS-1252"],
            sentence: "Það er kalt á Íslandi í dag. Þessi bók er á borðinu og maðurinn les hana með ánægju.",
            names: ["Þórður", "Reykjavík", "Guðmundsdóttir", "Ísafjörður"]),
        Sample(
            language: "English", encodings: ["WINDOWS-1252"],
            sentence: "The café’s “special” costs £5 – it’s naïve to think otherwise… 20 °C, 5 m², © 2021",
            names: ["It’s", "£5.00", "20 °C", "“quoted”", "10 €", "5 – 6", "§ 5", "don’t"]),
        Sample(
            language: "Polish", encodings: central,
            sentence: "Każdy człowiek może się pomylić, jeśli źródło jest złe. Łódź leży między miastami.",
            names: ["Łódź", "Wałęsa", "Kraków", "Świętokrzyskie", "Gdańsk", "Małgorzata"]),
        Sample(
            language: "Czech", encodings: central,
            sentence: "Kůň běžel přes louku a večer byl žíznivý. Město Plzeň leží na západě Čech.",
            names: ["Dvořák", "Plzeň", "Novotný", "Jiří", "Příbram", "Množství"]),
        Sample(
            language: "Hungarian", encodings: central,
            sentence: "A gyönyörű őszi erdőben sétáltunk. Később a tűzoltók érkeztek, és eloltották a tüzet.",
            names: ["Győr", "Erdős", "Széchenyi", "Szőke Tünde", "Árvíztűrő", "Mennyiség"]),
        Sample(
            language: "Romanian", encodings: ["WINDOWS-1250", "ISO-8859-2"],
            sentence: "Casa este mare şi frumoasă. În fiecare an oamenii merg la munte, fiindcă viaţa e liniştită.",
            names: ["Iaşi", "Braşov", "Timişoara", "Ştefan", "viaţă"]),
        Sample(
            language: "Croatian", encodings: central,
            sentence: "Čovjek može živjeti u kući blizu mora. Šuma je zelena, a đaci idu u školu. Što će biti?",
            names: ["Šibenik", "Đakovo", "Marić", "Čačak", "Živković", "Količina"]),
        Sample(
            language: "Turkish", encodings: ["WINDOWS-1254"],
            sentence: "Işık yavaşça söndü ve küçük kız annesine doğru koştu. Yağmur yağıyor, çünkü kış geldi.",
            names: ["Işık", "Şişli", "Yıldız", "Ayşe", "Müşteri", "Eskişehir", "Ağrı"]),
        Sample(
            language: "Lithuanian", encodings: ["WINDOWS-1257"],
            sentence: "Žmogus gali būti laimingas, jei turi draugų. Šį vakarą mieste vyks šventė.",
            names: ["Žemaitija", "Šiauliai", "Panevėžys", "Kęstutis", "įmonė"]),
        Sample(
            language: "Russian", encodings: ["WINDOWS-1251", "KOI8-R", "ISO-8859-5", "IBM866", "MAC-CYRILLIC"],
            sentence: "Каждый человек имеет право на труд. Вчера вечером мы видели, как солнце садилось.",
            names: ["Иванов", "Москва", "Количество", "Цена", "привет"]),
        Sample(
            language: "Ukrainian", encodings: ["WINDOWS-1251", "KOI8-U"],
            sentence: "Кожна людина має право на працю. Її їжа є на столі, і нічого не сталося.",
            names: ["Київ", "Львів", "Кількість", "Україна", "Ціна"]),
        Sample(
            language: "Greek", encodings: ["WINDOWS-1253", "ISO-8859-7"],
            sentence: "Κάθε άνθρωπος έχει δικαίωμα στην εργασία. Χθες είδαμε τον ήλιο να δύει.",
            names: ["Αθήνα", "Θεσσαλονίκη", "Ποσότητα", "Τιμή"]),
        Sample(
            language: "Hebrew", encodings: ["WINDOWS-1255", "ISO-8859-8"],
            sentence: "לכל אדם יש זכות לעבוד. אתמול בערב ראינו את השמש שוקעת.",
            names: ["ירושלים", "תל אביב", "כמות", "מחיר"]),
        Sample(
            language: "Arabic", encodings: ["WINDOWS-1256", "ISO-8859-6"],
            sentence: "لكل إنسان الحق في العمل. مساء أمس رأينا الشمس تغرب خلف الأفق.",
            names: ["القاهرة", "دمشق", "الكمية", "السعر"]),
        Sample(
            language: "Thai", encodings: ["CP874"],
            sentence: "ทุกคนมีสิทธิที่จะทำงาน เมื่อวานตอนเย็นเราเห็นดวงอาทิตย์ตก", names: ["กรุงเทพ", "เชียงใหม่", "จำนวน", "ราคา"]),
        Sample(
            language: "Simplified Chinese", encodings: ["GB18030", "GBK"],
            sentence: "每个人都有工作的权利。昨天晚上我们看见太阳落到地平线后面，什么也没有说。", names: ["北京", "数量", "价格", "订单编号", "客户名称"]),
        Sample(
            language: "Traditional Chinese", encodings: ["BIG5"],
            sentence: "每個人都有工作的權利。昨天晚上我們看見太陽落到地平線後面，什麼也沒有說。", names: ["臺北", "數量", "價格", "訂單編號", "客戶名稱"]),
        Sample(
            language: "Japanese", encodings: ["CP932", "EUC-JP", "ISO-2022-JP"],
            sentence: "すべての人は働く権利を持っています。昨日の夕方、私たちは太陽が沈むのを見ました。", names: ["東京", "数量", "お客様名", "サーバー", "株式会社テスト"]),
        Sample(
            language: "Korean", encodings: ["CP949", "EUC-KR"],
            sentence: "모든 사람은 일할 권리가 있습니다. 어제 저녁 우리는 해가 지는 것을 보았습니다.", names: ["서울", "부산", "수량", "가격", "고객명"]),
    ]

    /// Bytes of a text in an encoding; nil where the encoding does not have one of its characters.
    static func bytes(_ text: String, _ encoding: String) -> [UInt8]? {
        guard let descriptor = iconv_open(encoding, "UTF-8"), Int(bitPattern: descriptor) != -1 else { return nil }
        defer { iconv_close(descriptor) }
        var input = text.utf8.map { CChar(bitPattern: $0) }
        var output = [CChar](repeating: 0, count: text.utf8.count * 8 + 64)
        var (left, room) = (input.count, output.count)
        let isDone = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                var (from, to) = (source.baseAddress, target.baseAddress)
                return iconv(descriptor, &from, &left, &to, &room) == 0 && iconv(descriptor, nil, nil, &to, &room) == 0
            }
        }
        return isDone ? output.dropLast(room).map { UInt8(bitPattern: $0) } : nil
    }

    private func check(_ text: String, _ encoding: String, as wanted: String? = nil) throws {
        guard let bytes = Self.bytes(text, encoding) else {
            Issue.record("\(encoding) does not have all of \(text)")
            return
        }
        let read = try bytes.withUnsafeBufferPointer { try TextDecoding.text($0) }
        #expect(read.text == wanted ?? text, "\(encoding) was read as \(read.encoding.name)")
    }

    @Test(arguments: samples) func sentencesAreRead(_ sample: Sample) throws {
        for encoding in sample.encodings {
            try check(sample.sentence, encoding)
            try check(String(repeating: sample.sentence + "\n", count: 40), encoding)
        }
    }

    @Test(arguments: samples) func tablesOfNamesAreRead(_ sample: Sample) throws {
        let rows = sample.names.enumerated().map { "\($0.offset),\($0.element),\($0.offset * 7)\n" }.joined()
        for encoding in sample.encodings { try check("id,name,n\n" + rows, encoding) }
    }

    /// One odd letter in a file: what Windows-1252 reads well stays so.
    @Test(arguments: samples.filter { $0.encodings.first == "WINDOWS-1252" }) func oneNameIsRead(_ sample: Sample)
        throws
    {
        for name in sample.names { try check("id,name,n\n1,\(name),5\n2,plain,6\n", "WINDOWS-1252") }
    }

    @Test func wideTextsWithoutAMark() throws {
        for sample in samplesInOtherScripts {
            for encoding in ["UTF-16LE", "UTF-16BE"] {
                try check(sample.sentence, encoding)
                try check("id,name\n" + sample.names.map { "1,\($0)\n" }.joined() + sample.sentence + "\n", encoding)
            }
        }
    }

    private var samplesInOtherScripts: [Sample] {
        Self.samples.filter { $0.sentence.unicodeScalars.first.map { $0.value > 0x300 } ?? false }
    }

    /// Bytes that are no text are none in any of the encodings.
    @Test func numbersAreNoText() {
        var numbers = SeededNumbers(state: 5)
        for _ in 0..<50 {
            // Samples of sound, counts, and noise.
            let kinds: [() -> [UInt8]] = [
                {
                    (0..<2000).flatMap { _ in
                        [UInt8.random(in: 0...255, using: &numbers), UInt8.random(in: 0...7, using: &numbers)]
                    }
                },
                { (0..<1000).flatMap { [UInt8($0 & 0xFF), UInt8($0 >> 8), 0, 0] } },
                { (0..<4000).map { _ in UInt8.random(in: 0...255, using: &numbers) } },
            ]
            for kind in kinds {
                let found = kind().withUnsafeBufferPointer { TextEncoding.detect($0, isWhole: true) }
                #expect(found == nil, "\(String(describing: found))")
            }
        }
    }

    /// ASCII is not taken for Chinese in two bytes a character.
    @Test func plainTextsStayPlain() {
        for text in ["Bush hid the facts", "this app can break", "id,name\n1,Ann\n", "\u{1B}[31mred\u{1B}[0m done"] {
            let found = Array(text.utf8).withUnsafeBufferPointer { TextEncoding.detect($0, isWhole: true) }
            #expect(found?.name == "UTF-8")
        }
    }
}
