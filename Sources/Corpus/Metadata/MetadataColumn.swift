// SPDX-License-Identifier: Apache-2.0

import Base
import Synchronization

/// One field's column: a sorted dictionary, a code for each document, and the documents of each code.
///
/// Code 0 stands for no value; code c is the c-th smallest distinct value. So every comparison of values is a comparison
/// of codes, and the documents in the order of the values are `postings`.
final class MetadataColumn: Sendable {
    /// The codes of a scalar field, in the narrowest type that holds them.
    enum Codes: Sendable {
        case bytes(MappedArray<UInt8>)
        case shorts(MappedArray<UInt16>)
        case words(MappedArray<UInt32>)
    }

    /// The distinct values in ascending order.
    enum Dictionary: Sendable {
        case numbers(MappedArray<Double>)
        /// Whole numbers, some of more than 53 bits.
        case integers(MappedArray<Int64>)
        case dates(MappedArray<Int64>)
        case booleans(MappedArray<UInt8>)
        /// Texts by their UTF-8 bytes: text c is `bytes[offsets[c] ..< offsets[c + 1]]`.
        case texts(bytes: MappedArray<UInt8>, offsets: MappedArray<UInt64>)
    }

    let type: FieldType
    let distinctCount: Int
    let documentCount: Int
    let dictionary: Dictionary
    /// Nil for lists.
    let codes: Codes?
    /// Numbers as they are, where the dictionary is large; NaN for none.
    let values: MappedArray<Double>?
    /// Beside numbers, some of which are whole and of more than 53 bits: these as they are; 0 for the others.
    let exact: MappedArray<Int64>?
    /// For lists: document d has `elements[listStarts[d] ..< listStarts[d + 1]]`.
    let listStarts: MappedArray<UInt32>
    let elements: MappedArray<UInt32>
    /// Code c has the documents `postings[starts[c] ..< starts[c + 1]]`, ascending.
    let starts: MappedArray<UInt32>
    let postings: MappedArray<UInt32>

    private let file: SectionFile
    private let ranges: [Range<Int>]
    private let isValidated = Atomic<Bool>(false)

    var isList: Bool { codes == nil }

    init(file: SectionFile, key: String, type: FieldType, distinctCount: Int, documentCount: Int) throws {
        var ranges: [Range<Int>] = []
        func array<Element: BitwiseCopyable>(_ name: String, count: Int?) throws -> MappedArray<Element> {
            let name = "\(key).\(name)"
            ranges.append(try file.range(of: name))
            let array: MappedArray<Element> = try file.array(name, checking: false)
            guard count == nil || array.count == count else {
                throw CorpusError(.damaged, "\(file.file.path): section \(name) has \(array.count) elements")
            }
            return array
        }
        switch type {
        case .number, .numberList:
            dictionary =
                file.contains("\(key).integers")
                ? .integers(try array("integers", count: distinctCount))
                : .numbers(try array("numbers", count: distinctCount))
        case .date: dictionary = .dates(try array("dates", count: distinctCount))
        case .boolean: dictionary = .booleans(try array("booleans", count: distinctCount))
        case .text, .textList:
            dictionary = .texts(
                bytes: try array("bytes", count: nil), offsets: try array("offsets", count: distinctCount + 1))
        }
        if type == .textList || type == .numberList {
            codes = nil
            listStarts = try array("lists", count: documentCount + 1)
            elements = try array("elements", count: nil)
        } else {
            listStarts = MappedArray()
            elements = MappedArray()
            if distinctCount < 256 {
                codes = .bytes(try array("codes", count: documentCount))
            } else if distinctCount < 65_536 {
                codes = .shorts(try array("codes", count: documentCount))
            } else {
                codes = .words(try array("codes", count: documentCount))
            }
        }
        exact =
            type.isNumeric && file.contains("\(key).exact") ? try array("exact", count: distinctCount) : nil
        values = file.contains("\(key).values") ? try array("values", count: documentCount) : nil
        starts = try array("starts", count: distinctCount + 2)
        postings = try array("postings", count: codes == nil ? nil : documentCount)
        self.type = type
        self.distinctCount = distinctCount
        self.documentCount = documentCount
        self.file = file
        self.ranges = ranges
    }

    /// Checks checksums and every index that the kernels follow without a look, once.
    func validate() throws {
        if isValidated.load(ordering: .acquiring) { return }
        for range in ranges { try file.check(range) }
        func ascending<Element: Comparable>(_ elements: UnsafeBufferPointer<Element>, to end: Element) -> Bool {
            guard let last = elements.last else { return false }
            for index in elements.indices.dropFirst() where elements[index - 1] > elements[index] { return false }
            return last == end
        }
        func below(_ elements: UnsafeBufferPointer<UInt32>, _ bound: Int) -> Bool {
            var largest: UInt32 = 0
            for element in elements { largest = max(largest, element) }
            return elements.isEmpty || Int(largest) < bound
        }
        var sound = ascending(starts.elements, to: UInt32(postings.count)) && below(postings.elements, documentCount)
        switch codes {
        case .bytes(let codes): sound = sound && Int(codes.elements.max() ?? 0) <= distinctCount
        case .shorts(let codes): sound = sound && Int(codes.elements.max() ?? 0) <= distinctCount
        case .words(let codes): sound = sound && below(codes.elements, distinctCount + 1)
        case nil:
            sound =
                sound && below(elements.elements, distinctCount + 1) && !elements.elements.contains(0)
                && ascending(listStarts.elements, to: UInt32(elements.count))
        }
        if case .texts(let bytes, let offsets) = dictionary {
            sound = sound && ascending(offsets.elements, to: UInt64(bytes.count))
        }
        guard sound else { throw CorpusError(.damaged, "\(file.file.path): a column is inconsistent") }
        isValidated.store(true, ordering: .releasing)
    }

    /// The code of a document's value; 0 for none, and for lists the first element's.
    func code(of document: Int) -> UInt32 {
        switch codes {
        case .bytes(let codes): return UInt32(codes[document])
        case .shorts(let codes): return UInt32(codes[document])
        case .words(let codes): return codes[document]
        case nil:
            let (start, end) = (listStarts[document], listStarts[document + 1])
            return start < end ? elements[Int(start)] : 0
        }
    }

    /// The number of documents with a code.
    func count(ofCode code: Int) -> Int {
        let (start, end) = (starts[code], starts[code + 1])
        return end > start ? Int(end - start) : 0
    }

    /// The documents with a code in a range, by code and then ascending.
    func postings(ofCodes range: Range<Int>) -> UnsafeBufferPointer<UInt32> {
        guard !range.isEmpty else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(
            rebasing: postings.elements[Int(starts[range.lowerBound])..<Int(starts[range.upperBound])])
    }

    /// A text value.
    func text(ofCode code: Int) -> String { String(decoding: textBytes(ofCode: code), as: UTF8.self) }

    /// The UTF-8 bytes of a text value.
    func textBytes(ofCode code: Int) -> UnsafeBufferPointer<UInt8> {
        guard case .texts(let bytes, let offsets) = dictionary else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(rebasing: bytes.elements[Int(offsets[code - 1])..<Int(offsets[code])])
    }

    /// The value that a code stands for.
    /// - Precondition: the code is 1 or more.
    func value(ofCode code: Int) -> MetadataValue {
        switch dictionary {
        case .numbers(let numbers):
            if let exact, exact[code - 1] != 0 { return .exact(exact[code - 1]) }
            return .number(numbers[code - 1])
        case .integers(let numbers): return .exact(numbers[code - 1])
        case .dates(let dates): return .date(dates[code - 1])
        case .booleans(let booleans): return .boolean(booleans[code - 1] != 0)
        case .texts: return .text(String(decoding: textBytes(ofCode: code), as: UTF8.self))
        }
    }

    /// Whether sums are to be made of whole numbers: those of the column's Doubles could need more than 53 bits.
    var needsExactSums: Bool {
        switch dictionary {
        case .integers: return true
        case .numbers where exact != nil: return true
        case .numbers(let numbers):
            guard let least = numbers.elements.first, let greatest = numbers.elements.last else { return false }
            let count = isList ? elements.count : documentCount
            guard max(abs(least), abs(greatest)) * Double(count) > 0x1p53 else { return false }
            return numbers.elements.allSatisfy { abs($0) <= 0x1p53 && $0 == $0.rounded() }
        default: return false
        }
    }

    /// A document's value; nil when it has none.
    func value(of document: DocumentOrdinal) -> MetadataValue? {
        let document = Int(document)
        if isList {
            let (start, end) = (Int(listStarts[document]), Int(listStarts[document + 1]))
            return start < end ? .list((start..<end).map { value(ofCode: Int(elements[$0])) }) : nil
        }
        let code = code(of: document)
        return code == 0 ? nil : value(ofCode: Int(code))
    }
}
