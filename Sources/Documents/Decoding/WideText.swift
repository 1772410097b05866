// SPDX-License-Identifier: Apache-2.0

/// UTF-16 without a byte order mark.
enum WideText {
    /// The order of its bytes; nil for bytes that are no UTF-16.
    static func encoding(_ head: UnsafeBufferPointer<UInt8>) -> String? {
        guard head.count >= 4 else { return nil }
        var zeros = [0, 0]
        for index in head.indices where head[index] == 0 { zeros[index & 1] += 1 }
        let half = max(1, head.count / 2)
        // In Latin script every other byte is zero.
        if zeros[1] * 10 > half * 6, zeros[0] * 20 < half { return "UTF-16LE" }
        if zeros[0] * 10 > half * 6, zeros[1] * 20 < half { return "UTF-16BE" }
        let (little, big) = (score(head, low: 0), score(head, low: 1))
        guard max(little, big) > 0 else { return nil }
        return little >= big ? "UTF-16LE" : "UTF-16BE"
    }

    private static let frequentHan = Set(
        (FrequentHan.simplified + FrequentHan.traditional + FrequentHan.japanese).unicodeScalars.map { $0.value })

    /// How much the units look like text of one script: nearly all of them letters of it, spaces and usual signs. 0 where
    /// they do not.
    /// - Parameter low: where the lower byte of a unit stands.
    private static func score(_ head: UnsafeBufferPointer<UInt8>, low: Int) -> Double {
        var (units, odd, spaces, plain, frequent) = (0, 0, 0, 0, 0)
        var scripts: [Script: Int] = [:]
        for at in stride(from: 0, to: head.count - 1, by: 2) {
            let unit = UInt32(head[at + low]) | UInt32(head[at + 1 - low]) << 8
            units += 1
            switch unit {
            case 32, 10, 13, 9, 0x3000, 0xA0: spaces += 1
            case 33...126, 0xA1...0xFF: plain += 1
            case 0x2010...0x203A, 0x20AC, 0x2116, 0x3001...0x301F, 0xFF01...0xFF65: break
            default:
                guard let script = Script(unit) else {
                    odd += 1
                    continue
                }
                scripts[script, default: 0] += 1
                if script == .han, frequentHan.contains(unit) { frequent += 1 }
            }
        }
        let kana = scripts[.kana] ?? 0
        let han = scripts[.han] ?? 0
        guard odd * 50 <= units,
            let (script, count) = scripts.max(by: { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) })
        else { return 0 }
        // What is not of the script is signs, digits and some words in Latin letters.
        let own = script == .han || script == .kana ? kana + han : count
        let foreign = scripts.values.reduce(0, +) - own
        guard own >= 3, own * 3 > units, foreign * 20 <= own else { return 0 }
        switch script {
        case .han, .kana: guard kana * 5 > own || frequent * 10 > own * 4 else { return 0 }
        case .thai: break
        default: guard spaces * 60 >= own || own < 60 else { return 0 }
        }
        return Double(own) / Double(units)
    }

    private enum Script: Int {
        case cyrillic, greek, hebrew, arabic, thai, devanagari, kana, han, hangul, armenian, georgian

        init?(_ unit: UInt32) {
            switch unit {
            case 0x386...0x3CE: self = .greek
            case 0x400...0x45F, 0x490...0x4E9: self = .cyrillic
            case 0x531...0x587: self = .armenian
            case 0x5B0...0x5F4: self = .hebrew
            case 0x60C...0x6D5, 0x6F0...0x6F9: self = .arabic
            case 0x901...0x97F: self = .devanagari
            case 0xE01...0xE5B: self = .thai
            case 0x10A0...0x10FF: self = .georgian
            case 0x3041...0x30FE: self = .kana
            case 0x4E00...0x9FFF: self = .han
            case 0xAC00...0xD7A3: self = .hangul
            default: return nil
            }
        }
    }
}
