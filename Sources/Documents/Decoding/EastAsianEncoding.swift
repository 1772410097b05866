// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A model of text in an encoding of Chinese, Japanese or Korean, in which a character has two bytes: which pairs are
/// characters at all, which are the frequent ones, kana or Hangul, and which are rare.
struct EastAsianEncoding: Sendable {
    let name: String
    private let form: Form
    /// The characters that make up half of any text, as pairs of bytes.
    private let frequent: Set<UInt16>

    private enum Form: Sendable { case eucJP, shiftJIS, korean, chinese, big5 }

    static let all = [
        EastAsianEncoding(name: "CP932", form: .shiftJIS, letters: japanese),
        EastAsianEncoding(name: "EUC-JP", form: .eucJP, letters: japanese),
        EastAsianEncoding(name: "CP949", form: .korean, letters: korean),
        EastAsianEncoding(name: "GB18030", form: .chinese, letters: FrequentHan.simplified),
        EastAsianEncoding(name: "BIG5-HKSCS", form: .big5, letters: FrequentHan.traditional),
    ]

    private static let japanese =
        FrequentHan.japanese
        + "のにるたをはてとしいがなでれりからあこうもすくっさまつきそよどおけみんえじわめせだば、。ンスルトーイラリドクシアタレッフジマコロカムグプテサニメキブネワバダデギポビノパホモゴソボヒャュョウエオゲナヤユヨヌツ株式会社品番号名前住所電話円税込様"
    private static let korean =
        "이다는의에을가고하사지도한기로은자인어대리를시아해정부서나일원스그수전보여구조있제주으상만들과라장동비성"
        + "공관경위적및와등회개선년월무문내발생체국자연신안중것되모우소계오단거게면없않습니진간반결행업물산호분화금작방"

    private init(name: String, form: Form, letters: String) {
        self.name = name
        self.form = form
        frequent = Set(letters.compactMap { Self.pair($0, in: name) })
    }

    private static func pair(_ character: Character, in name: String) -> UInt16? {
        guard let descriptor = iconv_open(name, "UTF-8"), Int(bitPattern: descriptor) != -1 else { return nil }
        defer { iconv_close(descriptor) }
        var input = String(character).utf8.map { CChar(bitPattern: $0) }
        var output = [CChar](repeating: 0, count: 8)
        var (left, room) = (input.count, output.count)
        let isDone = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                var (from, to) = (source.baseAddress, target.baseAddress)
                return iconv(descriptor, &from, &left, &to, &room) == 0
            }
        }
        guard isDone, output.count - room == 2 else { return nil }
        return UInt16(UInt8(bitPattern: output[0])) << 8 | UInt16(UInt8(bitPattern: output[1]))
    }

    /// The logarithm of how likely the bytes beyond ASCII are.
    func likelihood(of bytes: UnsafeBufferPointer<UInt8>) -> Double {
        var sum = 0.0
        var at = 0
        while at < bytes.count {
            let lead = bytes[at]
            guard lead >= 0x80 else {
                at += 1
                continue
            }
            // Half-wide kana of Shift JIS: rare by now.
            if form == .shiftJIS, (0xA1...0xDF).contains(lead) {
                sum -= 5.5
                at += 1
                continue
            }
            if form == .eucJP, lead == 0x8E || lead == 0x8F {
                sum -= 9
                at += lead == 0x8E ? 2 : 3
                continue
            }
            guard at + 1 < bytes.count else { break }
            let trail = bytes[at + 1]
            if form == .chinese, (0x30...0x39).contains(trail), at + 3 < bytes.count,
                (0x81...0xFE).contains(bytes[at + 2])
            {
                sum -= 14
                at += 4
                continue
            }
            guard isPair(lead, trail) else {
                sum -= 10
                at += 1
                continue
            }
            sum += likelihood(lead, trail)
            at += 2
        }
        return sum
    }

    private func isPair(_ lead: UInt8, _ trail: UInt8) -> Bool {
        switch form {
        case .eucJP: return lead >= 0xA1 && lead <= 0xFE && trail >= 0xA1 && trail <= 0xFE
        case .shiftJIS:
            return ((0x81...0x9F).contains(lead) || (0xE0...0xFC).contains(lead)) && trail >= 0x40 && trail <= 0xFC
                && trail != 0x7F
        case .korean:
            let isLetter = (trail | 32) >= 97 && (trail | 32) <= 122
            return lead >= 0x81 && lead <= 0xFE
                && (trail >= 0xA1 && trail <= 0xFE || lead <= 0xC6 && (isLetter || trail >= 0x81))
        case .chinese: return lead >= 0x81 && lead <= 0xFE && trail >= 0x40 && trail <= 0xFE && trail != 0x7F
        case .big5:
            return lead >= 0x87 && lead <= 0xFE && ((0x40...0x7E).contains(trail) || (0xA1...0xFE).contains(trail))
        }
    }

    private func likelihood(_ lead: UInt8, _ trail: UInt8) -> Double {
        if frequent.contains(UInt16(lead) << 8 | UInt16(trail)) { return -4.6 }
        let (common, usual, rare) = (-6.5, -9.0, -14.0)
        switch form {
        case .eucJP:
            switch lead {
            case 0xA4, 0xA5: return common
            case 0xA1, 0xA3: return common
            case 0xB0...0xCF: return usual
            default: return rare
            }
        case .shiftJIS:
            switch lead {
            case 0x82, 0x83: return common
            case 0x81: return trail < 0x7E ? common : usual
            case 0x88...0x97: return usual
            default: return rare
            }
        case .korean:
            if trail < 0xA1 { return rare }
            switch lead {
            case 0xB0...0xC8: return -7.5
            case 0xA1, 0xA3: return usual
            default: return rare
            }
        case .chinese:
            if trail < 0xA1 { return rare }
            switch lead {
            case 0xA1, 0xA3: return common
            case 0xB0...0xD7: return usual
            default: return rare
            }
        case .big5:
            switch lead {
            case 0xA1: return common
            case 0xA4...0xC6: return usual
            default: return rare
            }
        }
    }
}

/// The characters of Han that make up about half of any text.
enum FrequentHan {
    static let simplified =
        "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处理世书万美市海名京城报告客户单价订货商合同书写银行公司，。、；：（）“”"
    static let traditional =
        "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民得經十三之進著等部度家電力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社義事平形相全表間樣與關各重新線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已通並提直題黨程展五果料象員革位入常文總次品式活設及管特件長求老頭基資邊流路級少圖山統接知較將組見計別她手角期根論運農指幾九區強放決西被幹做必戰先回則任取據處世書萬美市海名京城報告客戶單價訂貨商寫銀臺灣，。、；：（）「」"
    static let japanese =
        "日一国会人年大十二本中長出三同時政事自行社見月分議後前民生連五発間対上部東者党地合市業内相方四定今回新場金員九入選立開手米力学問高代明実円関決子動京全目表戦経通外最言氏現理調体化田当八六約主題下首意法不来作性的要用制治度務強気小七成期公野協取都和統以機平総加山思家話世受区領多県続進正安設保改数記院女初北午指権心界支第産結百派点教報済書府活原先共得解名交資予川向際査勝面委告軍文反元重近千考判認画海参売利組知案道信策集在件団別物側任引使求所次水半品昨論計死官増係感特情投示変打男基私各始島直両朝革価式確村提運終挙果西勢減台広容必応演電歳住争談能無再位置企真流格有疑口過局少放税検藤町常校料沢裁状工建語球営空職証土与急止送援供可役構木割聞身費付施切由説転食比難防補車優夫研収断井何南石足違消境神番規術護展態導鮮備宅害配副算視条幹独警宮究育席輸訪楽起万着乗店述残想線率病農州武声質念待試族象銀域助労例衛然早張映限親額監環験追審商葉義伝働形景落欧担好退準賞訴辺造英被株頭技低毎医復仕去姿味負閣韓渡失移差衆個門写評課末守若脳極種美岡影命含福蔵量望松非撃佐核観察整段横融型白深字答夜製票況音申様財港識注呼渉達"
}
