// SPDX-License-Identifier: Apache-2.0

import Base
import Documents
import Text

/// The values of one field as they came, before its type is known: numbers of distinct raw values, by document.
struct RawColumn {
    /// A raw value as read back from its interned form.
    enum Value: Hashable {
        case text(String)
        case number(Double)
        /// A whole number of more than 53 bits.
        case integer(Int64)
        case boolean(Bool)
    }

    /// How dates such as `01/02/2024` are read.
    typealias DateOrder = DateParser.Order

    private(set) var interner = ValueInterner()
    /// The document of each value, ascending; lists repeat theirs.
    private(set) var documents: [UInt32] = []
    /// The raw value's number, beside `documents`.
    private(set) var codes: [UInt32] = []
    /// Whether some document has a list.
    private(set) var hasLists = false
    /// The order of the dates in the columns beside this one, for dates of its own that tell none.
    var orderBeside: DateOrder?

    /// - Parameter inList: whether the value is one of several that the document may have.
    mutating func add(_ value: JSONValue, document: Int, inList: Bool = false) {
        if inList { hasLists = true }
        switch value {
        case .null, .object: return
        case .array(let elements):
            hasLists = true
            for element in elements where element.array == nil { add(element, document: document) }
        case .string(let text): addText(text, document: document)
        case .bool(let flag): addTagged(1, flag ? 1 : 0, document: document)
        case .integer(let number):
            if number.magnitude > NumberText.exactLimit.magnitude {
                addTagged(3, UInt64(bitPattern: Int64(number)), document: document)
            } else {
                addNumber(Double(number), document: document)
            }
        case .number(let number): if number.isFinite { addNumber(number, document: document) }
        }
    }

    private mutating func addNumber(_ number: Double, document: Int) {
        // Both zeros are one value.
        addTagged(2, (number == 0 ? 0 : number).bitPattern, document: document)
    }

    private mutating func addTagged(_ tag: UInt8, _ payload: UInt64, document: Int) {
        var raw = (payload.littleEndian, tag)
        let code = withUnsafeBytes(of: &raw) { interner.intern(UnsafeRawBufferPointer(rebasing: $0[..<9])) }
        documents.append(UInt32(document))
        codes.append(code)
    }

    private mutating func addText(_ text: String, document: Int) {
        // Texts end in a tag of their own, so that none can equal a number's form.
        var raw = Array(text.utf8)
        raw.append(0)
        let code = raw.withUnsafeBytes { interner.intern($0) }
        documents.append(UInt32(document))
        codes.append(code)
    }

    func value(_ index: Int) -> Value {
        interner.withValue(index) { bytes in
            guard let tag = bytes.last, tag != 0, bytes.count == 9 else {
                return .text(String(decoding: bytes.dropLast(), as: UTF8.self))
            }
            let payload = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
            switch tag {
            case 1: return .boolean(payload != 0)
            case 3: return .integer(Int64(bitPattern: payload))
            default: return .number(Double(bitPattern: payload))
            }
        }
    }

    // MARK: Types

    /// What a column's values are taken for.
    struct Reading: Hashable {
        var type: FieldType
        /// How dates such as `01/02/2024` are read.
        var order: DateOrder?
        /// The sign before the fraction of numbers.
        var decimal: NumberText.Decimal = .point
        /// Whether its numbers are percentages; among others one cannot be compared, and is odd.
        var isPercents = false
    }

    /// How the numbers in texts are written, by distinct values: with a decimal comma, with a decimal point, and so that
    /// either may be meant (`1.500`).
    func notation() -> (comma: Int, point: Int, open: Int) {
        var found = (comma: 0, point: 0, open: 0)
        for index in 0..<interner.count {
            guard let bytes = interner.withValue(index, { Self.mayHaveFraction($0) ? Array($0.dropLast()) : nil }),
                let number = WrittenNumber(String(decoding: bytes, as: UTF8.self))
            else { continue }
            switch number.decimal {
            case .comma? where number.value(.comma) != nil: found.comma += 1
            case .point? where number.value(.point) != nil: found.point += 1
            case nil where number.body.contains { $0 < 48 }: found.open += 1
            default: break
            }
        }
        return found
    }

    /// Whether an interned value is a short text with a digit and a point or a comma.
    private static func mayHaveFraction(_ raw: UnsafeRawBufferPointer) -> Bool {
        guard raw.last == 0, raw.count <= 49 else { return false }
        return raw.contains { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ".") }
            && raw.contains { $0 >= 48 && $0 < 58 }
    }

    /// The type of nearly all values, and how they are read. Marks for "no value" (`N/A`) are of every type; a few other
    /// odd values make no column of texts: they are missing, and counted. Codes (`01234`) are never numbers.
    /// - Parameter decimal: what stands before fractions in the columns beside this one; its own values go before it.
    func inferred(beside decimal: NumberText.Decimal = .point) -> Reading {
        let reading = inferredByValues(beside: decimal)
        guard reading.type == .number || reading.type == .date, !hasLists else { return reading }
        // A word among few numbers may stand in many documents ("depot" among rooms 1 to 4): there it is no slip.
        var fits = [Bool](repeating: false, count: interner.count)
        var isValue = fits
        for index in 0..<interner.count {
            let value = value(index)
            if case .text(let text) = value, NumberText.isMissing(text) { continue }
            isValue[index] = true
            fits[index] =
                reading.type == .number
                ? Self.number(value, reading) != nil : Self.date(value, reading.order) != nil
        }
        var (fitting, odd) = (0, 0)
        for code in codes where isValue[Int(code)] {
            if fits[Int(code)] { fitting += 1 } else { odd += 1 }
        }
        return odd <= 1 || odd * 10 <= fitting ? reading : Reading(type: .text)
    }

    /// For a column of nothing but dates such as `03/04/2024`, whose order no value tells.
    private func ambiguousDates() -> NearType? {
        var examples: [String] = []
        for index in 0..<interner.count {
            guard case .text(let text) = value(index) else { return nil }
            if NumberText.isMissing(text) { continue }
            guard DateParser.slashed(text) != nil else { return nil }
            if examples.count < 3 { examples.append(text) }
        }
        guard !examples.isEmpty else { return nil }
        var near = NearType(type: .date, oddCount: codes.count, oddExamples: examples)
        near.isAmbiguous = true
        return near
    }

    /// For a column of texts: the type that two thirds of its values or more have, and what the others are. Nil where there
    /// is none, and for codes.
    func nearly(decimal: NumberText.Decimal) -> NearType? {
        guard !hasLists, !documents.isEmpty else { return nil }
        let order = dateOrder()
        let numbers = Reading(type: .number, decimal: decimal)
        func fits(_ index: Int) -> (number: Bool, date: Bool, isMissing: Bool, isCode: Bool) {
            let value = value(index)
            guard case .text(let text) = value else { return (Self.number(value, numbers) != nil, false, false, false) }
            if NumberText.isMissing(text) { return (false, false, true, false) }
            if NumberText.isCode(text) { return (false, false, false, true) }
            let isShort = text.utf8.count <= 40
            let isNumber = isShort && Self.number(value, numbers) != nil
            return (isNumber, isShort && !isNumber && DateParser.span(text, order: order) != nil, false, false)
        }
        // Most columns of texts are told by their first values.
        if order == nil, let ambiguous = ambiguousDates() { return ambiguous }
        let first = (0..<min(interner.count, 200)).map(fits)
        guard first.count(where: { $0.number || $0.date }) * 2 >= first.count else { return nil }
        var known = first
        known.reserveCapacity(interner.count)
        for index in known.count..<max(interner.count, known.count) { known.append(fits(index)) }
        guard !known.contains(where: \.isCode) else { return nil }
        var (numeric, dated, all) = (0, 0, 0)
        for code in codes where !known[Int(code)].isMissing {
            all += 1
            if known[Int(code)].number { numeric += 1 }
            if known[Int(code)].date { dated += 1 }
        }
        let isNumber = numeric >= dated
        let fitting = max(numeric, dated)
        guard fitting >= 4, fitting * 3 >= all * 2, fitting < all else { return nil }
        var examples: [String] = []
        for (index, kind) in known.enumerated() where !kind.isMissing && !(isNumber ? kind.number : kind.date) {
            if examples.count < 3 { examples.append(String(Self.text(value(index)).prefix(40))) }
        }
        return NearType(type: isNumber ? .number : .date, oddCount: all - fitting, oddExamples: examples)
    }

    /// The type of nearly all distinct values.
    private func inferredByValues(beside decimal: NumberText.Decimal) -> Reading {
        let written = notation()
        // One value in ten may be a slip.
        let isComma = written.comma == 0 ? written.point == 0 && decimal == .comma : written.comma >= 9 * written.point
        let decimal = isComma ? NumberText.Decimal.comma : .point
        var (numbers, booleans, numeric, dates, flags, texts, codes) = (0, 0, 0, 0, 0, 0, 0)
        var (percents, bare, years, answers) = (0, 0, 0, 0)
        let order = dateOrder()
        for index in 0..<interner.count {
            switch value(index) {
            case .number(let number):
                numbers += 1
                if Self.isYear(number) { years += 1 }
            case .integer: numbers += 1
            case .boolean: booleans += 1
            case .text(let text):
                if NumberText.isMissing(text) { continue }
                texts += 1
                let number = WrittenNumber(text)
                if let number, let value = number.value(decimal) {
                    numeric += 1
                    if number.isPercent { percents += 1 }
                    if number.isBareExponent { bare += 1 }
                    if text.utf8.count == 4, value.double.map(Self.isYear) == true { years += 1 }
                } else if NumberText.isCode(text) {
                    codes += 1
                } else if DateParser.span(text, order: order) != nil {
                    dates += 1
                }
                let lower = text.utf8.count <= 5 ? text.lowercased() : ""
                if ["true", "false"].contains(lower) {
                    flags += 1
                } else if ["yes", "no"].contains(lower) {
                    answers += 1
                }
            }
        }
        // Codes such as 1E5 alone are no numbers; 10 % beside 0.1 cannot be compared.
        if bare == numeric, numbers == 0 { numeric = 0 }
        let isPercents = percents > 0 && percents == numeric + numbers
        if !isPercents { numeric -= percents }
        if hasLists {
            let isNumbers = numbers > 0 && booleans == 0 && texts == numeric
            return Reading(type: isNumbers ? .numberList : .textList, decimal: decimal, isPercents: isPercents)
        }
        if numbers + texts + booleans == 0 { return Reading(type: .text) }
        if numbers == 0, booleans > 0, texts == flags + answers { return Reading(type: .boolean) }
        if numbers == 0, booleans == 0, texts == flags { return Reading(type: .boolean) }
        /// Whether so many odd values are few beside the others.
        func isFew(_ odd: Int, beside fitting: Int, isTyped: Bool) -> Bool {
            odd == 0 ? fitting > 0 : (odd == 1 && fitting >= 3) || odd * (isTyped ? 3 : 10) <= fitting
        }
        let fitting = numbers + numeric
        // Bare years among dates are dates of less precision.
        if dates > 0, years == fitting, booleans == 0, codes == 0,
            isFew(texts + numbers - dates - years, beside: dates + years, isTyped: false)
        {
            return Reading(type: .date, order: order)
        }
        if codes == 0, fitting > dates, isFew(texts - numeric + booleans, beside: fitting, isTyped: numbers > numeric) {
            return Reading(type: .number, decimal: decimal, isPercents: isPercents)
        }
        if numbers == 0, booleans == 0, isFew(texts - dates, beside: dates, isTyped: false) {
            return Reading(type: .date, order: order)
        }
        return Reading(type: .text)
    }

    /// Whether every value is a row of numbers with full stops (`1.9`, `1.10`, `v2.0.1`), as versions are.
    func holdsVersions() -> Bool {
        var hasSome = false
        for index in 0..<interner.count {
            guard case .text(let text) = value(index) else { return false }
            if NumberText.isMissing(text) { continue }
            let parts = text.drop { "vV".contains($0) }.split(separator: ".", omittingEmptySubsequences: false)
            guard parts.count > 1, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { $0 >= 48 && $0 < 58 } })
            else { return false }
            hasSome = true
        }
        return hasSome
    }

    /// Whether every value is a day written as a number of eight digits (`20240305`).
    func holdsCompactDays() -> Bool {
        var hasSome = false
        for index in 0..<interner.count {
            let digits: String
            switch value(index) {
            case .number(let number): digits = Int(exactly: number).map(String.init) ?? ""
            case .text(let text) where NumberText.isMissing(text): continue
            case .text(let text): digits = text.trimmed()
            default: return false
            }
            guard digits.utf8.count == 8, Int(digits) != nil, DateParser.span(digits) != nil else { return false }
            hasSome = true
        }
        return hasSome
    }

    private static func isYear(_ number: Double) -> Bool {
        number >= 1000 && number < 3000 && number == number.rounded(.down)
    }

    /// Whether dates with slashes have their day or their month first: what their values leave open to only one of them.
    private func dateOrder() -> DateOrder? { ownOrder ?? orderBeside }

    private var ownOrder: DateOrder? {
        let found = slashedDates()
        return found.dayFirst == found.monthFirst ? nil : found.dayFirst ? .dayFirst : .monthFirst
    }

    /// Whether there are dates with slashes, and whether some have a number above 12 in the place of the day or month.
    func slashedDates() -> (any: Bool, dayFirst: Bool, monthFirst: Bool) {
        var found = (any: false, dayFirst: false, monthFirst: false)
        for index in 0..<interner.count {
            guard case .text(let text) = value(index), let parts = DateParser.slashed(text) else { continue }
            found.any = true
            if parts.first > 12 { found.dayFirst = true }
            if parts.second > 12 { found.monthFirst = true }
        }
        return found
    }

    static func text(_ value: Value) -> String {
        switch value {
        case .text(let text): return text
        case .number(let number): return Int(exactly: number).map(String.init) ?? "\(number)"
        case .integer(let number): return String(number)
        case .boolean(let flag): return flag ? "true" : "false"
        }
    }

    /// A value of a column as a number.
    static func number(_ value: Value, _ reading: Reading) -> MetadataValue? {
        if case .text(let text) = value, !reading.isPercents, reading.type != .text, text.utf8.last == UInt8(ascii: "%")
        {
            return nil
        }
        return number(value, decimal: reading.decimal)
    }

    /// - Parameter decimal: the sign before fractions; nil goes by what the text itself says.
    static func number(_ value: Value, decimal: NumberText.Decimal? = .point) -> MetadataValue? {
        switch value {
        case .number(let number): return .number(number)
        case .integer(let number): return .exact(number)
        case .boolean: return nil
        case .text(let text):
            let written = WrittenNumber(text)
            if let number = written?.value(decimal ?? written?.decimal ?? .point) { return number }
            guard written == nil || written?.exponent != nil, let number = Double(text.trimmed()), number.isFinite
            else {
                return nil
            }
            return .number(number == 0 ? 0 : number)
        }
    }

    static func boolean(_ value: Value) -> Bool? {
        switch value {
        case .boolean(let flag): return flag
        case .number(let number): return number == 1 ? true : number == 0 ? false : nil
        case .integer: return nil
        case .text(let text):
            switch text.lowercased() {
            case "true", "yes", "1": return true
            case "false", "no", "0": return false
            default: return nil
            }
        }
    }

    static func date(_ value: Value, _ order: DateOrder?) -> Int64? {
        switch value {
        case .text(let text):
            // A bare year is a date only where the column was declared to hold dates.
            return DateParser.span(text, order: order)?.lowerBound
        case .number(let number):
            if isYear(number) { return DateParser.span(String(Int(number)))?.lowerBound }
            if number >= 1000_01_01, number <= 2999_12_31, let day = Int(exactly: number),
                let span = DateParser.span(String(day))
            {
                return span.lowerBound
            }
            // Seconds since 1970, or thousandths of them, as JavaScript counts.
            return Int64(exactly: (abs(number) >= 1e11 ? number / 1000 : number).rounded(.down))
        case .integer(let number): return number
        case .boolean: return nil
        }
    }
}
