// SPDX-License-Identifier: Apache-2.0

/// The names of months in the languages of Western and Northern Europe, and Polish.
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
        stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia
        """.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }

    /// The month of every name, and of every beginning of at least three letters that only one month has.
    private static let numbers: [String: Int] = {
        var found: [String: Set<Int>] = [:]
        var whole: [String: Int] = ["sept": 9, "mär": 3, "mrt": 3, "maa": 3]
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
