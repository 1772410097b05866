// SPDX-License-Identifier: Apache-2.0

import Base
import Reading
import Text

/// What kind of answer a question cannot have: rules that hold for every corpus and need no training.
///
/// "Where was X born?" is answered by what stands behind a preposition of place, not by the person's name; "When did X
/// die?" not by the first of the two dates behind the name. A candidate that breaks a rule keeps a tenth of its probability.
struct AnswerConstraints {
    private let question: ReaderQuestion
    private let asksWhere: Bool
    private let asksBirth: Bool
    private let asksDeath: Bool
    private let asksDate: Bool
    private let asksMoney: Bool
    /// Whether it asks for the place of something without a name, which may be "under the blue pot".
    private let asksWhereOfThing: Bool
    /// Whether it asks "what …" or "which …" for something that no number with a unit can be.
    private let asksNoQuantity: Bool
    /// Whether it asks for a number without saying "how".
    private let asksNumber: Bool

    /// What of the measured dimensions its number may have; empty where it does not say.
    private let dimensions: Set<MeasuredDimension>
    /// Whether the passages speak of what is counted, whatever their numbers count.
    private let isCountedSpokenOf: Bool
    /// Names of the question with the word behind each: "Hanover" before "office".
    private let namedSorts: [(name: String, sort: String)]
    /// Whether what is counted is itself a unit: "How many euros …".
    private let countsUnits: Bool
    /// Whether it asks for a time of day: "What time …".
    private let asksClock: Bool
    /// Whether it asks for when something begins, and when it ends.
    private let asksStart: Bool
    private let asksEnd: Bool
    /// Whether it asks for the time of what happened: "When was …", "When did …".
    private let asksOnce: Bool
    private let asksColour: Bool

    /// What is left of a candidate's probability.
    static let penalty: Float = 0.1
    /// What is left where no answer to the question can look like that.
    static let impossibility: Float = 0.01

    /// How a candidate goes with a question.
    enum Fit: Sendable { case fits, unlikely, impossible }

    private static let places: Set<String> = [
        "in", "at", "from", "near", "to", "of", "outside", "around", "within", "into",
    ]

    private static let nearPlaces: Set<String> = [
        "on", "under", "behind", "above", "below", "beside", "by", "inside", "beneath", "opposite", "between", "over",
        "underneath", "behind", "next",
    ]
    /// What "what is the …" asks for that only a number can be.
    private static let numeric: Set<String> = [
        "salary", "wage", "price", "cost", "fee", "rent", "fare", "rate", "temperature", "speed", "distance", "weight",
        "height", "length", "width", "depth", "population", "percentage", "dose", "capacity", "deposit", "fine", "age",
        "budget", "mass", "diameter", "altitude", "elevation", "discount", "prices", "costs", "fees", "fares", "size",
    ]
    /// Times that are said without a digit.
    private static let times: Set<String> = [
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "mondays", "tuesdays",
        "wednesdays",
        "thursdays", "fridays", "saturdays", "sundays", "weekend", "weekends", "weekday", "weekdays", "noon", "midday",
        "midnight", "morning", "mornings", "afternoon", "evening", "evenings", "night", "dawn", "dusk", "spring",
        "summer",
        "autumn", "winter", "christmas", "easter", "today", "tomorrow", "yesterday", "daily", "weekly", "monthly",
        "annually", "yearly", "quarterly",
    ]
    private static let people: Set<String> = [
        "people", "persons", "person", "staff", "men", "women", "adults", "children", "crew", "members", "guests",
        "visitors", "employees", "workers", "students", "pupils", "passengers", "places", "seats",
    ]
    private static let magnitudes: Set<String> = ["hundred", "thousand", "million", "billion", "trillion", "dozen"]
    /// Words of time before a name.
    private static let leads: Set<String> = [
        "in", "on", "at", "during", "before", "after", "since", "until", "till", "from", "every", "each", "around",
    ]
    /// Times that come again.
    private static let recurring: Set<String> = [
        "mondays", "tuesdays", "wednesdays", "thursdays", "fridays", "saturdays", "sundays", "weekends", "weekdays",
        "mornings",
        "evenings", "daily", "weekly", "monthly", "annually", "yearly", "quarterly",
    ]
    /// What is asked for by "what" or "which" and may be a number with a unit.
    private static let quantities: Set<String> = [
        "dose", "dosage", "size", "price", "amount", "rate", "temperature", "speed", "distance", "weight", "score",
        "share",
        "percentage", "capacity", "area", "volume", "depth", "width", "length", "height", "time", "duration", "period",
        "limit", "maximum", "minimum", "range", "mass", "power", "pressure", "frequency", "interval", "cost", "fee",
        "quota",
        "budget", "number", "level", "ratio", "value", "proportion", "fraction", "concentration", "voltage", "salary",
        "discount", "deposit", "fine", "penalty", "age", "distances", "sizes", "prices", "rates", "resolution",
        "bandwidth",
        "payload", "thrust", "term", "sum", "charge", "quantity", "allowance", "bonus", "pension", "grant", "subsidy",
        "tax", "toll", "premium", "refund",
        "income", "revenue", "turnover", "profit", "loss", "total", "wage", "rent", "fare", "count", "supplement",
        "surcharge", "measure", "unit", "units", "record", "diameter",
    ]

    static let colours: Set<String> = [
        "red", "orange", "yellow", "green", "blue", "indigo", "violet", "purple", "pink", "brown", "black", "white",
        "grey",
        "gray", "gold", "golden", "silver", "silvery", "bronze", "copper", "beige", "cream", "ivory", "khaki", "maroon",
        "crimson", "scarlet", "magenta", "cyan", "turquoise", "teal", "navy", "olive", "lime", "amber", "ochre", "tan",
        "rust",
        "rose", "lilac", "lavender", "mauve", "coral", "salmon", "peach", "charcoal", "ruby", "emerald", "azure",
        "transparent",
        "colourless", "colorless", "multicoloured", "multicolored", "reddish", "bluish", "greenish", "yellowish",
        "whitish",
        "pinkish", "brownish", "greyish", "blonde", "blond", "auburn", "burgundy", "mustard", "plum", "sand", "slate",
        "jade",
    ]

    private static let months = Set(CalendarCycle.months.names)

    private static let money: Set<String> = [
        "cost", "costs", "price", "pay", "paid", "pays", "fee", "fees", "salary", "wage", "wages", "earn", "earns",
        "earned",
        "spend", "spent", "charge", "charged", "charges", "budget", "rent", "fine", "worth",
    ]
    /// Words that say a number without a digit, beside the numerals.
    private static let amounts: Set<String> = [
        "no", "none", "zero", "nil", "once", "twice", "thrice", "half", "quarter", "third", "double", "single", "dozen",
        "dozens", "couple", "several", "both", "only", "eleven", "thirteen", "fourteen", "fifteen", "sixteen",
        "seventeen",
        "eighteen", "nineteen", "sixty", "seventy", "eighty", "ninety", "hundreds", "thousands", "millions", "trillion",
        "free",
    ]

    /// - Parameter texts: The passages that are read.
    init(_ question: ReaderQuestion, texts: [ReaderText] = []) {
        self.question = question
        let all = question.text.words
        namedSorts = all.indices.dropFirst().dropLast().compactMap { place in
            all[place].isCapitalised && all[place].isContent && !all[place + 1].isCapitalised
                && all[place + 1].isContent
                && all[place + 1].followsDirectly && !all[place - 1].isCapitalised
                ? (all[place].stem, all[place + 1].stem) : nil
        }
        isCountedSpokenOf =
            question.counted.first.map { noun in texts.contains { $0.words.contains { $0.stem == noun } } } ?? false
        let asking = question.text.words
        asksClock = asking.indices.dropLast().contains { place in
            asking[place].lower == "what" && asking[place + 1].lower == "time"
                && (place + 2 >= asking.count || asking[place + 2].lower != "of")
        }
        countsUnits = question.text.words.contains {
            ["pounds", "pound"].contains($0.lower) || MeasuredDimension.of(unit: $0.lower) != nil
        }
        asksOnce =
            question.asked == .time && question.text.words.first?.lower == "when"
            && ["was", "were", "did"].contains(question.text.words.dropFirst().first?.lower ?? "")
        // "What colour scheme …" asks for a scheme.
        asksColour = asking.indices.contains { place in
            ["colour", "color", "colours", "colors"].contains(asking[place].lower)
                && !question.sort.isDisjoint(with: ["colour", "color"])
                && (place + 1 >= asking.count || !asking[place + 1].isContent || asking[place + 1].isCapitalised)
        }
        let words = Set(question.text.words.map(\.lower))
        let lowers = question.text.words.map(\.lower)
        asksStart =
            !words.isDisjoint(with: [
                "open", "opens", "opened", "start", "starts", "started", "begin", "begins", "began", "earliest", "from",
            ]) && words.isDisjoint(with: ["until", "till"])
        asksEnd = !words.isDisjoint(with: [
            "close", "closes", "closed", "end", "ends", "ended", "finish", "finishes", "finished", "stop", "stops",
            "until",
            "latest", "shut", "shuts",
        ])
        let asksMuch = lowers.indices.dropLast().contains { lowers[$0] == "how" && lowers[$0 + 1] == "much" }
        asksMoney = asksMuch && !words.isDisjoint(with: Self.money)
        let opening = question.text.words.prefix(6).map(\.lower)
        asksBirth = !words.isDisjoint(with: ["born", "birth"])
        asksDeath = !words.isDisjoint(with: ["die", "died", "death"])
        asksDate = words.contains("date")
        asksWhere = opening.contains("where") || (opening.contains("place") && (asksBirth || asksDeath))
        asksWhereOfThing =
            asksWhere && !question.text.words.dropFirst().contains { $0.isCapitalised } && !asksBirth && !asksDeath
        // "What is the salary of …?", and not "What salary scale …?" or "What is the price list called?".
        asksNumber =
            question.asked == .thing
            && lowers.indices.dropLast().contains {
                Self.numeric.contains(lowers[$0]) && ["of", "for", "per", "in", "to"].contains(lowers[$0 + 1])
            }
        asksNoQuantity =
            question.asked == .person
            || (question.asked == .thing && words.isDisjoint(with: Self.quantities))
        var dimensions = question.asked == .count || asksNumber ? MeasuredDimension.asked(lowers) : []
        if asksMoney { dimensions.formUnion([.money, .share]) }
        self.dimensions = dimensions
    }

    /// The factor of a candidate.
    ///
    /// - Parameters:
    ///   - isTitle: Whether it is the title of one of the passages.
    func factor(_ span: Range<Int>, in text: ReaderText, isTitle: Bool) -> Float {
        switch fit(span, in: text, isTitle: isTitle) {
        case .fits: 1
        case .unlikely: Self.penalty
        case .impossible: Self.impossibility
        }
    }

    /// How a candidate goes with the question's form.
    func fit(_ span: Range<Int>, in text: ReaderText, isTitle: Bool) -> Fit {
        if isImpossible(span, text) || isOfAnother(span, text) { return .impossible }
        return breaks(span, text, isTitle) ? .unlikely : .fits
    }

    /// Whether no answer to the question looks like that: a name for "when", no number for "how many", a price for "how long",
    /// what is no colour for a colour, a number of something else where the passages speak of what is counted.
    private func isImpossible(_ span: Range<Int>, _ text: ReaderText) -> Bool {
        let words = text.words[span]
        // Names and numbers are no colours; of other words some may be colours that are not known here.
        if asksColour, !isColour(words) { return words.contains { $0.isCapitalised || $0.hasDigit } }
        if question.asked == .count || asksNumber {
            let isFree = question.counted.isEmpty && (dimensions.isEmpty || dimensions.contains(.money))
            guard
                words.contains(where: { $0.hasDigit || (Self.saysNumber($0.lower) && ($0.lower != "free" || isFree)) })
            else { return true }
            let own = units(at: span, text)
            if !dimensions.isEmpty, !own.isEmpty, own.isDisjoint(with: dimensions) { return true }
            // A measured number counts nothing but its unit.
            if !question.counted.isEmpty, !countsUnits, !own.isEmpty { return true }
            return isCountedSpokenOf && countsOther(span, text)
        }
        let clock: Set<String> = [
            "noon", "midday", "midnight", "dawn", "dusk", "morning", "afternoon", "evening", "night",
        ]
        if asksClock, !words.contains(where: { $0.hasDigit || clock.contains($0.lower) || Self.saysNumber($0.lower) }) {
            return true
        }
        // What happened once was on no days that come again.
        if asksOnce, words.allSatisfy({ Self.recurring.contains($0.lower) || !$0.isContent }) { return true }
        // A name is a time only behind a word of time: "on Good Friday", "during the Renaissance".
        if question.asked == .time, !words.contains(where: { $0.hasDigit || Self.times.contains($0.lower) }) {
            let isMonth = words.contains { Self.months.contains($0.lower) }
            var before = span.lowerBound - 1
            if before >= 0, text.words[before].lower == "the" { before -= 1 }
            let isLed = before >= 0 && Self.leads.contains(text.words[before].lower)
            return !isMonth && !isLed && words.allSatisfy { $0.isCapitalised || !$0.isContent }
        }
        return false
    }

    private func isColour(_ words: ArraySlice<ReaderText.Word>) -> Bool {
        words.contains { word in word.lower.split(separator: "-").contains { Self.colours.contains(String($0)) } }
    }

    /// Whether the sentence speaks of another thing of the same sort: of the "Leipzig office" where the question is about the
    /// "Hanover office".
    private func isOfAnother(_ span: Range<Int>, _ text: ReaderText) -> Bool {
        guard !namedSorts.isEmpty, let first = text.words.indices.contains(span.lowerBound) ? span.lowerBound : nil
        else {
            return false
        }
        let sentence = text.words[first].sentence
        let low = text.words[..<first].lastIndex { $0.sentence != sentence }.map { $0 + 1 } ?? 0
        let high = text.words[first...].firstIndex { $0.sentence != sentence } ?? text.words.count
        let stems = Set(text.words[low..<high].map(\.stem))
        return namedSorts.contains { named in
            !stems.contains(named.name)
                && (low..<max(low, high - 1)).contains { place in
                    text.words[place + 1].stem == named.sort && text.words[place].isCapitalised && place > low
                        && text.words[place].isContent && text.words[place + 1].followsDirectly && !span.contains(place)
                }
        }
    }

    /// What a number's unit measures: the sign before or behind it, or a word of it or right behind it.
    private func units(at span: Range<Int>, _ text: ReaderText) -> Set<MeasuredDimension> {
        let words = text.words
        guard let number = span.first(where: { words[$0].hasDigit || Self.saysNumber(words[$0].lower) }) else {
            return []
        }
        let before = String(decoding: text.bytes[..<words[number].utf8.lowerBound].suffix(3), as: UTF8.self).last
        if let before, let unit = MeasuredDimension.of(unit: String(before)) { return [unit] }
        let behind = String(decoding: text.bytes[words[number].utf8.upperBound...].prefix(3), as: UTF8.self).first
        if let behind, let unit = MeasuredDimension.of(unit: String(behind)) { return [unit] }
        // The rest of the same number: "1.250", "3 million"; "three 8 hour shifts" are two.
        var place = number + 1
        while place < words.count, place < number + 4,
            (words[place].hasDigit && words[place].utf8.lowerBound == words[place - 1].utf8.upperBound + 1
                && text.bytes[words[place - 1].utf8.upperBound] != 0x20)
                || Self.magnitudes.contains(words[place].lower)
        {
            place += 1
        }
        guard place < words.count, words[place].sentence == words[number].sentence else { return [] }
        // Pounds are weight and money.
        if ["pound", "pounds"].contains(words[place].lower) { return [.mass, .money] }
        guard let unit = MeasuredDimension.of(unit: words[place].lower) else { return [] }
        let next = place + 1 < words.count ? words[place + 1].lower : ""
        if unit == .length, ["h", "per", "an", "s"].contains(next) { return [.speed] }
        return [unit]
    }

    /// Whether a number counts something else than the question does: "two barges" where bicycles are counted. Of people texts
    /// speak in many words ("seats 200" guests), and "bedrooms" are rooms.
    private func countsOther(_ span: Range<Int>, _ text: ReaderText) -> Bool {
        let words = text.words
        guard let noun = question.counted.first,
            let number = span.last(where: { words[$0].hasDigit || Self.saysNumber(words[$0].lower) }),
            number + 1 < words.count
        else { return false }
        let next = words[number + 1]
        guard next.followsDirectly, next.isContent, !next.isCapitalised, !next.hasDigit,
            MeasuredDimension.of(unit: next.lower) == nil, !question.terms.contains(next.stem),
            !next.stem.hasSuffix(noun), !Self.people.contains(next.lower)
        else { return false }
        // The sentence may count both: what is meant stands right behind its own number.
        let counted = words.indices.filter { words[$0].sentence == next.sentence && words[$0].stem == noun }
        return counted.isEmpty
            || counted.contains { $0 > 0 && (words[$0 - 1].hasDigit || Self.saysNumber(words[$0 - 1].lower)) }
    }

    private func breaks(_ span: Range<Int>, _ text: ReaderText, _ isTitle: Bool) -> Bool {
        let words = text.words
        let (before, behind) = text.around(span)
        // The name of a column is no value: "hotel: Seagrass House".
        if behind == UInt8(ascii: ":"), before == UInt8(ascii: "\n") || before == UInt8(ascii: "|") { return true }
        // A question is not answered by its own words.
        let own = words[span].filter(\.isContent)
        if question.asked != .option, !own.isEmpty, own.allSatisfy({ question.terms.contains($0.stem) }) { return true }
        if question.asked == .count || asksNumber {
            guard words[span].contains(where: { $0.hasDigit || Self.saysNumber($0.lower) }) else { return true }
        }
        if asksNoQuantity, isQuantity(span, text) { return true }
        let wordBefore = span.lowerBound > 0 ? words[span.lowerBound - 1].lower : ""
        if asksWhereOfThing {
            let twoBefore = span.lowerBound > 1 ? words[span.lowerBound - 2].lower : ""
            return ![wordBefore, twoBefore].contains { Self.places.contains($0) || Self.nearPlaces.contains($0) }
        }
        if asksWhere {
            if isTitle || words[span].contains(where: { !$0.isCapitalised && $0.isContent }) { return true }
            // "in the city of X", "in Y, X": a place within a place stands behind a comma.
            let twoBefore = span.lowerBound > 1 ? words[span.lowerBound - 2].lower : ""
            let isPlaced =
                Self.places.contains(wordBefore) || (wordBefore == "the" && Self.places.contains(twoBefore))
                || commaBefore(span, text, before)
            return !isPlaced
        }
        if question.asked == .time {
            guard words[span].contains(where: \.hasDigit) else {
                return !words[span].contains {
                    Self.times.contains($0.lower) || (Self.months.contains($0.lower) && $0.isCapitalised)
                }
                    || asksDate || question.sort.contains("year")
            }
            // A part of a whole date is no date.
            for start in max(0, span.lowerBound - 2)...span.lowerBound
            where AnswerCandidate.isWholeDate(words, from: start) && span != start..<(start + 3) {
                return !question.sort.contains("year")
            }
            // Who asks for a date wants the day as well, where it is there.
            if asksDate, span.count == 1, span.lowerBound > 0, Self.months.contains(wordBefore) || isDay(wordBefore) {
                return true
            }
            // A time of day is no day.
            if asksClock, words[span].contains(where: { Self.months.contains($0.lower) || AnswerCandidate.isYear($0) })
            {
                return true
            }
            if let part = rangePart(span, text) {
                if asksStart, !asksEnd, part == .end { return true }
                if asksEnd, !asksStart, part == .start { return true }
            }
            let isSecond = followsDash(span, text)
            if asksDeath, !asksBirth, !isSecond, precedesDash(span, text) { return true }
            if asksBirth, !asksDeath, isSecond { return true }
        }
        return false
    }

    /// Whether a candidate is a number with the unit that it is of: "0.5 mg", "22 beds", which names no person and no thing.
    private func isQuantity(_ span: Range<Int>, _ text: ReaderText) -> Bool {
        let words = text.words
        guard words[span.lowerBound].hasDigit, words[span.lowerBound].lower.first?.isNumber == true else {
            return false
        }
        // "Ward 7", "release 2.1": a number that is a name has what it names before it.
        if span.lowerBound > 0, words[span.lowerBound].followsDirectly {
            let before = words[span.lowerBound - 1]
            if before.isCapitalised || question.sort.contains(before.stem) { return false }
        }
        var place = span.lowerBound + 1
        while place < words.count, words[place].hasDigit { place += 1 }
        guard place < words.count, words[place].followsDirectly, words[place].isContent, !words[place].isCapitalised
        else {
            return false
        }
        return !question.sort.contains(words[place].stem)
    }

    private static func saysNumber(_ word: String) -> Bool {
        AnswerCandidate.numerals.contains(word) || amounts.contains(word)
            || word.split(separator: "-").contains { AnswerCandidate.numerals.contains(String($0)) }
    }

    private enum RangePart { case start, end }

    /// Which end of a span of time a candidate is: "from 8:00 to 16:30", "8:00–16:30", "between May and July"; nil for none.
    private func rangePart(_ span: Range<Int>, _ text: ReaderText) -> RangePart? {
        let words = text.words
        func isTime(_ place: Int) -> Bool {
            words.indices.contains(place)
                && (words[place].hasDigit || Self.times.contains(words[place].lower)
                    || (Self.months.contains(words[place].lower) && words[place].isCapitalised))
        }
        let middles: Set<String> = ["to", "till", "until", "and"]
        let before = span.lowerBound > 0 ? words[span.lowerBound - 1].lower : ""
        let isBehind =
            (middles.contains(before) && isTime(span.lowerBound - 2))
            || (followsDash(span, text) && isTime(span.lowerBound - 1))
        if isBehind { return .end }
        let behind = span.upperBound < words.count ? words[span.upperBound].lower : ""
        let isBefore =
            (middles.contains(behind) && isTime(span.upperBound + 1))
            || (precedesDash(span, text) && isTime(span.upperBound))
        return isBefore ? .start : nil
    }

    private func isDay(_ word: String) -> Bool {
        word.utf8.count <= 2 && Int(word).map { (1...31).contains($0) } == true
    }

    /// Whether a comma stands right before the span, as in "Dirleton, East Lothian".
    private func commaBefore(_ span: Range<Int>, _ text: ReaderText, _ before: UInt8) -> Bool {
        let start = text.words[span.lowerBound].utf8.lowerBound
        return before == 0x20 && start > 1 && text.bytes[start - 2] == UInt8(ascii: ",")
    }

    /// Whether a dash stands between the date before and this one: the second of "(1881 – 1960)".
    private func followsDash(_ span: Range<Int>, _ text: ReaderText) -> Bool {
        let start = text.words[span.lowerBound].utf8.lowerBound
        return Self.isDash(text.bytes[max(0, start - 5)..<start])
    }

    private func precedesDash(_ span: Range<Int>, _ text: ReaderText) -> Bool {
        let end = text.words[span.upperBound - 1].utf8.upperBound
        return Self.isDash(text.bytes[end..<min(text.bytes.count, end + 5)])
    }

    /// Whether there is nothing but spaces and a hyphen or a dash in some bytes, around a dash.
    private static func isDash(_ bytes: ArraySlice<UInt8>) -> Bool {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.contains("–") || text.contains("—") || text.contains(" - ") || text.contains("-")
    }
}
