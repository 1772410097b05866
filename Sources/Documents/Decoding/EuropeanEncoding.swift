// SPDX-License-Identifier: Apache-2.0

/// Tells the one-byte encodings of Western and of Central Europe apart: they give the same bytes to other letters, and
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
    private static let westernWords = words(of: western)
    private static let centralWords = words(of: central)

    private static func words(of list: String) -> Set<String> {
        Set(
            list.split(whereSeparator: \.isWhitespace).map(String.init).filter { word in
                word.unicodeScalars.contains { $0.value >= 0x80 }
            })
    }

    /// Whether a text in bytes reads as one of Central Europe in an encoding, and not as a Western one in Windows-1252.
    /// - Parameter name: the encoding of Central Europe, as iconv knows it.
    static func isCentral(_ head: UnsafeBufferPointer<UInt8>, as name: String) -> Bool {
        let asCentral = hits(head, name, centralWords)
        return asCentral > 0 && asCentral > hits(head, "WINDOWS-1252", westernWords)
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
