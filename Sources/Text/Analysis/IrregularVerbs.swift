// SPDX-License-Identifier: Apache-2.0

/// English verbs whose past no stemmer takes back to the verb: "Did it bring dust?" is answered by "It brought dust". Forms
/// that are more often another word ("rose", "wound", "felt") are left out.
public enum IrregularVerbs {
    private static let forms = """
        arise arose arisen, eat ate eaten, become became, begin began begun, bite bit bitten, bleed bled, blow blew blown,
        breed bred, break broke broken, bring brought, build built, burn burnt, buy bought, catch caught, choose chose chosen,
        come came, deal dealt, dig dug, draw drew drawn, drink drank drunk, drive drove driven, fall fell fallen, feed fed,
        fight fought, find found, flee fled, fly flew flown, forbid forbade forbidden, forget forgot forgotten,
        freeze froze frozen, give gave given, go went gone, grow grew grown, hang hung, hear heard, hide hid hidden, hold held,
        keep kept, know knew known, lay laid, lead led, leave left, lend lent, lose lost, make made, mean meant, meet met,
        pay paid, ride rode ridden, ring rang rung, rise risen, run ran, say said, see saw seen, seek sought, sell sold,
        send sent, shake shook shaken, shoot shot, show shown, sing sang sung, sink sank sunk, sit sat, sleep slept,
        speak spoke spoken, spend spent, stand stood, steal stole stolen, stick stuck, strike struck, swear swore sworn,
        swim swam swum, take took taken, teach taught, tear tore torn, tell told, think thought, throw threw thrown,
        understand understood, wake woke woken, wear wore worn, weave wove woven, win won, write wrote written,
        overthrow overthrew overthrown, withdraw withdrew withdrawn, undertake undertook undertaken, bear bore borne,
        sweep swept, swing swung, weep wept, bind bound, lie lain
        """

    /// The verb of each past form, in lower case.
    public static let all: [String: String] = {
        var bases: [String: String] = [:]
        for verb in forms.split(separator: ",") {
            let words = verb.split { $0 == " " || $0 == "\n" }.map(String.init)
            for form in words.dropFirst() { bases[form] = words[0] }
        }
        return bases
    }()
}
