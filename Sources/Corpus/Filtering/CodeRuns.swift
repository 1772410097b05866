// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// A set of a column's codes as runs, ascending and apart: what every clause on a metadata field comes down to.
struct CodeRuns: Hashable {
    private(set) var runs: [ClosedRange<Int>] = []

    init() {}

    /// The codes low...high, none when low > high.
    init(_ low: Int, _ high: Int) { if low <= high { runs = [low...high] } }

    /// These codes, in any order.
    init(codes: [Int]) {
        for code in codes.sorted() {
            if let last = runs.last, code <= last.upperBound + 1 {
                runs[runs.count - 1] = last.lowerBound...max(last.upperBound, code)
            } else {
                runs.append(code...code)
            }
        }
    }

    /// All codes of values but these.
    func complement(distinctCount: Int) -> CodeRuns {
        var result = CodeRuns()
        var next = 1
        for run in runs {
            if next < run.lowerBound { result.runs.append(next...(run.lowerBound - 1)) }
            next = run.upperBound + 1
        }
        if next <= distinctCount { result.runs.append(next...distinctCount) }
        return result
    }
}

extension MetadataColumn {
    /// The number of postings with these codes: for scalar fields the number of documents.
    func count(of runs: CodeRuns) -> Int {
        runs.runs.reduce(0) { $0 + Int(starts[$1.upperBound + 1]) - Int(starts[$1.lowerBound]) }
    }

    /// Whether visiting the documents of the codes is cheaper than looking at every code.
    private func prefersPostings(_ runs: CodeRuns) -> Bool {
        let width: Int
        switch codes {
        case .bytes: width = 1
        case .shorts: width = 2
        case .words: width = 4
        case nil: return true
        }
        // In units of a tenth of a nanosecond: a scan reads some 16 bytes each nanosecond, a posting costs one and a half.
        let scan = runs.runs.count * documentCount * width * 10 / 16
        return count(of: runs) * 15 + documentCount / 64 < scan
    }

    /// The documents that have a value with one of these codes.
    func documents(with runs: CodeRuns) -> DocumentBitmap {
        var bitmap = DocumentBitmap(documentCount: documentCount)
        add(runs, to: &bitmap)
        return bitmap
    }

    private func add(_ runs: CodeRuns, to bitmap: inout DocumentBitmap) {
        if prefersPostings(runs) {
            bitmap.withWords { words in
                for run in runs.runs {
                    for document in postings(ofCodes: run.lowerBound..<(run.upperBound + 1)) {
                        words[Int(document) / 64] |= 1 << UInt64(document % 64)
                    }
                }
            }
        } else {
            for run in runs.runs { scan(run, FORAGE_BITS_OR, &bitmap) }
        }
    }

    /// Keeps of a set the documents that have a value with one of these codes.
    func restrict(_ bitmap: inout DocumentBitmap, to runs: CodeRuns) {
        if runs.runs.count == 1, !prefersPostings(runs) {
            scan(runs.runs[0], FORAGE_BITS_AND, &bitmap)
        } else {
            bitmap.formIntersection(documents(with: runs))
        }
    }

    private func scan(_ run: ClosedRange<Int>, _ mode: forage_bits_mode, _ bitmap: inout DocumentBitmap) {
        bitmap.withWords { words in
            switch codes {
            case .bytes(let codes):
                forage_scan_codes8(
                    codes.elements.baseAddress, codes.count, UInt8(run.lowerBound), UInt8(run.upperBound),
                    words.baseAddress, mode)
            case .shorts(let codes):
                forage_scan_codes16(
                    codes.elements.baseAddress, codes.count, UInt16(run.lowerBound), UInt16(run.upperBound),
                    words.baseAddress,
                    mode)
            case .words(let codes):
                forage_scan_codes32(
                    codes.elements.baseAddress, codes.count, UInt32(run.lowerBound), UInt32(run.upperBound),
                    words.baseAddress,
                    mode)
            case nil: preconditionFailure("lists have postings only")
            }
        }
    }

    /// The smallest code whose value is not below the given one; `distinctCount + 1` when all are.
    func lowerBound(_ value: MetadataValue) -> Int {
        partition { isBelow($0, value) }
    }

    /// The smallest code whose value is above the given one.
    func upperBound(_ value: MetadataValue) -> Int {
        partition { isBelow($0, value) || equals($0, value) }
    }

    /// The code of a value; nil when no document has it.
    func code(of value: MetadataValue) -> Int? {
        let code = lowerBound(value)
        return code <= distinctCount && equals(code, value) ? code : nil
    }

    private func partition(_ isBefore: (Int) -> Bool) -> Int {
        var low = 1
        var high = distinctCount + 1
        while low < high {
            let middle = (low + high) / 2
            if isBefore(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private func isBelow(_ code: Int, _ value: MetadataValue) -> Bool {
        switch (dictionary, value) {
        case (.numbers(let numbers), .number(let number)) where exact == nil: return numbers[code - 1] < number
        case (.numbers, .number), (.numbers, .integer), (.integers, .number), (.integers, .integer):
            return self.value(ofCode: code).isNumberBelow(value)
        case (.dates(let dates), .date(let date)): return dates[code - 1] < date
        case (.booleans(let flags), .boolean(let flag)): return flags[code - 1] < (flag ? 1 : 0)
        case (.texts, .text(let text)): return textBytes(ofCode: code).lexicographicallyPrecedes(text.utf8)
        default: return false
        }
    }

    private func equals(_ code: Int, _ value: MetadataValue) -> Bool {
        switch (dictionary, value) {
        case (.numbers, .number), (.numbers, .integer):
            let own = self.value(ofCode: code)
            return !own.isNumberBelow(value) && !value.isNumberBelow(own)
        case (.integers(let numbers), .integer(let number)): return numbers[code - 1] == number
        case (.integers(let numbers), .number(let number)): return NumberText.equals(numbers[code - 1], number)
        case (.dates(let dates), .date(let date)): return dates[code - 1] == date
        case (.booleans(let flags), .boolean(let flag)): return flags[code - 1] == (flag ? 1 : 0)
        case (.texts, .text(let text)): return textBytes(ofCode: code).elementsEqual(text.utf8)
        default: return false
        }
    }
}
