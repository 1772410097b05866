// SPDX-License-Identifier: Apache-2.0

/// The names of months in languages of Europe.
enum MonthNames {
    private static let names = """
        january february march april may june july august september october november december
        januar februar märz april mai juni juli august september oktober november dezember
        jänner feber märz april mai juni juli august september oktober november dezember
        janvier février mars avril mai juin juillet août septembre octobre novembre décembre
        enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
        gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre
        janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro
        januari februari maart april mei juni juli augustus september oktober november december
        januari februari mars april maj juni juli augusti september oktober november december
        januar februar marts april maj juni juli august september oktober november december
        januar februar mars april mai juni juli august september oktober november desember
        tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta lokakuuta marraskuuta joulukuuta
        tammikuu helmikuu maaliskuu huhtikuu toukokuu kesäkuu heinäkuu elokuu syyskuu lokakuu marraskuu joulukuu
        ledna února března dubna května června července srpna září října listopadu prosince
        января февраля марта апреля мая июня июля августа сентября октября ноября декабря
        январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь
        ocak şubat mart nisan mayıs haziran temmuz ağustos eylül ekim kasım aralık
        stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
        """.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }

    /// The month of every name, and of every beginning of at least three letters that only one month has.
    private static let numbers: [String: Int] = {
        var found: [String: Set<Int>] = [:]
        var whole: [String: Int] = [
            "sept": 9, "mär": 3, "mrt": 3, "maa": 3, "mar": 3, "setiembre": 9, "fev": 2, "aout": 8, "marz": 3,
            "maerz": 3,
            "fevrier": 2, "decembre": 12, "marco": 3,
        ]
        for list in names {
            for (index, name) in list.enumerated() {
                whole[name] = index + 1
                for length in 3...5 where length < name.count {
                    found[String(name.prefix(length)), default: []].insert(index + 1)
                }
            }
        }
        for (name, months) in found where months.count == 1 {
            if whole[name] == nil { whole[name] = months.first }
        }
        return whole
    }()

    /// - Parameter name: in small letters, without a full stop.
    static func number(of name: String) -> Int? { numbers[name] }
}

/// The names of the days of the week in the same languages.
enum WeekdayNames {
    private static let names: Set<String> = Set(
        """
        monday tuesday wednesday thursday friday saturday sunday tues thur thurs
        montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
        lundi mardi mercredi jeudi vendredi samedi dimanche
        lunes martes miércoles miercoles jueves viernes sábado sabado domingo
        lunedì lunedi martedì martedi mercoledì mercoledi giovedì giovedi venerdì venerdi sabato domenica
        segunda terça terca quarta quinta sexta
        maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
        måndag tisdag onsdag torsdag fredag lördag söndag mandag tirsdag lørdag søndag
        maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai
        maanantaina tiistaina keskiviikkona torstaina perjantaina lauantaina sunnuntaina
        poniedziałek wtorek środa czwartek piątek sobota niedziela
        pondělí úterý středa čtvrtek pátek neděle
        понедельник вторник среда четверг пятница суббота воскресенье
        pazartesi salı çarşamba perşembe cuma cumartesi pazar
        """.split(whereSeparator: \.isWhitespace).map(String.init))

    /// Their beginnings of three letters, and the two of German and Dutch.
    private static let short: Set<String> = names.reduce(
        into: [
            "mo", "di", "mi", "do", "fr", "sa", "so", "ma", "wo", "vr", "za", "zo", "пн", "вт", "ср", "чт", "пт", "сб",
            "вс",
        ]
    ) { $0.insert(String($1.prefix(3))) }

    /// - Parameter name: in small letters.
    static func holds(_ name: String) -> Bool {
        guard !names.contains(name) else { return true }
        // "mar" is a day of the week in Spanish, and March.
        return short.contains(name) && MonthNames.number(of: name) == nil
    }
}
