// SPDX-License-Identifier: Apache-2.0

/// Tells the one-byte encodings of Western and Central Europe, of Turkish and of the Baltic apart: they give the same bytes to other letters, and
/// every file is valid in all of them. What decides is common words that are spelled with such letters.
enum EuropeanEncoding {
    private static let western = """
        für über können müssen während größe straße früher später außer daß übrigens zurück möglich schön gegenüber verfügung
        même être très après été où déjà à première système problème père mère frère élève règle chaque dès près là voilà
        français façon leçon garçon ça reçu août goût coûte fenêtre forêt tête bientôt hôtel côté
        más también está están años según día así después qué cómo español niño mañana señor año compañía información
        não são também você então até está português informação irmão mão coração avião só português países lições
        och är på från för också år över även två mycket behöver många människor måste förre så
        på være også når få år må både gå således først mænd være større første værende søger både
        että è perché più così può città già sarà però università cioè poiché società verità
        één zoë geïnteresseerd coördinatie
        ei että myös sekä hän näin tämä mitä pää yhtä käyttää öljy
        það að fyrir þess við hafa þetta því einnig síðan ekki á í
        """
    private static let central = """
        się że są też być już także który które może również jest więc był będzie wśród między łódź dzięki gdzieś części
        že být které který při než může také již však více dalších ještě proti mezi našeho většiny byť kteří přes před podle
        sú že však ktorý ktoré môže prečo viac preto ďalej medzi stále nielen ešte keď čo
        és hogy nem között időben közül később több egyes első után során minden szerint lehet új állam országos idő nő őket ővel
        şi şi să că în între până după fără faţă către însă ţară oraş româniei această când atunci
        što već će može također više još kako između biti ljudi županije općina hrvatski riječi
        še že več ki lahko tudi ter kjer če članek šele morajo
        """
    private static let turkish = """
        için değil değildir olduğu çok şey şimdi kadar daha büyük küçük nasıl çünkü başka bütün diğer gibi göre hiç kişi
        olduğunu olarak önce sonra şekilde türk türkiye üzerinde yıl yılında yıllık ışık dünya arasında tarafından hakkında
        müşteri sözleşme şirket ödeme ürün iş iyi yeni kaldığı aldı aynı gün çalışma değer eğitim öğrenci görüş
        """
    private static let baltic = """
        yra už iš taip pat kaip kad būti buvo gali šis šio metų lietuvos dėl nėra jų ją tačiau įmonės žmonių viešoji
        ir būt tiek šī šajā kā arī tās pēc kas ļoti tikai vai līdz gadā latvijas uzņēmums cilvēku jābūt var
        või üle õppe ettevõtte eesti kõik või mõned võib päev töö õigus
        """
    private static let westernWords = words(of: western)
    /// The encodings that have the letters of a list of words.
    private static let others: [(names: [String], words: Set<String>)] = [
        (["WINDOWS-1250", "ISO-8859-2"], words(of: central)), (["WINDOWS-1254"], words(of: turkish)),
        (["WINDOWS-1257"], words(of: baltic)),
    ]

    private static func words(of list: String) -> Set<String> {
        Set(
            list.split(whereSeparator: \.isWhitespace).map(String.init).filter { word in
                word.unicodeScalars.contains { $0.value >= 0x80 }
            })
    }

    /// The encoding in which a text in bytes has most of the common words with letters of their own; nil where it reads as
    /// well, or better, as Western in Windows-1252.
    static func best(_ head: UnsafeBufferPointer<UInt8>) -> String? {
        var best: (name: String, hits: Int, signs: Int)?
        for (names, words) in others {
            for name in names {
                let (hits, signs) = (hits(head, name, words), signs(head, name))
                // Encodings of the same letters differ in where some of them stand: the wrong one has signs there.
                if hits > best?.hits ?? 0 || (hits > 0 && hits == best?.hits && signs < best?.signs ?? 0) {
                    best = (name, hits, signs)
                }
            }
        }
        guard let best, best.hits > hits(head, "WINDOWS-1252", westernWords) else { return nil }
        return best.name
    }

    /// How many characters beyond ASCII are no letters, and nothing that texts have between them.
    private static func signs(_ head: UnsafeBufferPointer<UInt8>, _ name: String) -> Int {
        guard let text = try? TextDecoding.transcoded(head, from: TextEncoding(name: name)) else { return .max }
        return text.unicodeScalars.count {
            $0.value >= 0x80 && !$0.properties.isAlphabetic && !"„“”‚‘’«»–—…€§°\u{A0}".unicodeScalars.contains($0)
        }
    }

    private static func hits(_ head: UnsafeBufferPointer<UInt8>, _ name: String, _ words: Set<String>) -> Int {
        guard let text = try? TextDecoding.transcoded(head, from: TextEncoding(name: name)) else { return 0 }
        var count = 0
        for word in text.lowercased().split(whereSeparator: { !$0.isLetter }) where words.contains(String(word)) {
            count += 1
        }
        return count
    }
}
