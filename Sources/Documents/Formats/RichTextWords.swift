// SPDX-License-Identifier: Apache-2.0

/// Words and numbers of Rich Text Format 1.9.1.
enum RichTextWords {
    /// The encodings of fonts, by their numbers in Windows. The fonts of number 2 have pictures for letters.
    static let pages = [
        2: "SYMBOL", 77: "MACINTOSH", 128: "CP932", 129: "CP949", 134: "GB18030", 136: "BIG5-HKSCS",
        161: "WINDOWS-1253", 162: "WINDOWS-1254", 163: "WINDOWS-1258", 177: "WINDOWS-1255", 178: "WINDOWS-1256",
        186: "WINDOWS-1257", 204: "WINDOWS-1251", 222: "WINDOWS-874", 238: "WINDOWS-1250",
    ]

    /// The encoding of a code page.
    static func page(_ number: Int) -> String {
        switch number {
        case 437, 850, 852, 855, 857, 862, 866, 932, 949: "CP\(number)"
        case 936: "GB18030"
        case 950: "BIG5-HKSCS"
        case 10000: "MACINTOSH"
        case 874, 1250...1258: "WINDOWS-\(number)"
        default: "WINDOWS-1252"
        }
    }

    /// Whether an encoding has characters of two bytes.
    static func isDouble(_ page: String) -> Bool { ["CP932", "CP949", "GB18030", "BIG5-HKSCS"].contains(page) }

    /// Words that stand for a sign.
    static let signs = [
        "emdash": "—", "endash": "–", "emspace": " ", "enspace": " ", "qmspace": " ", "bullet": "•", "lquote": "‘",
        "rquote": "’", "ldblquote": "“", "rdblquote": "”",
    ]

    /// Groups whose text is none of the document's.
    static let skipped: Set<String> = [
        "colortbl", "stylesheet", "pict", "nonshppict", "filetbl", "template", "nextfile", "sp", "shprslt", "xe", "tc",
        "tcn", "rxe", "txe", "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "bkmkstart", "bkmkend",
        "nonesttables", "mmathPict", "operator", "company", "manager", "category", "doccomm", "hlinkbase", "comment",
        "listname", "pn", "upr", "buptim", "printim",
    ]
}
