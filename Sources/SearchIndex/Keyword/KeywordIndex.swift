// SPDX-License-Identifier: Apache-2.0

import CKernels
public import CorpusStore
import Foundation
import TextProcessing

/// A keyword index: BM25 over title and text, memory-mapped.
///
/// The score of a passage is the sum over the query's terms, repeats counted, of `idf · tf / (tf + k1 (1 − b + b · length / mean length))` with
/// `idf = ln(1 + (N − n + 0.5) / (n + 0.5))`: Lucene's form of BM25 (Robertson and Zaragoza 2009). Term frequency and length count a word of
/// the title `titleWeight` times, which is BM25F with one length normalisation for both fields.
public final class KeywordIndex: Sendable {
    /// How the index was made.
    public let options: KeywordIndexOptions
    /// The number of passages.
    public let passageCount: Int
    /// The number of distinct terms.
    public let termCount: Int
    let analyzer: TextAnalyzer
    let norms: MappedArray<Float>
    private let file: SectionFile
    private let termBytes: MappedArray<UInt8>
    private let termOffsets: MappedArray<UInt32>
    private let termCounts: MappedArray<UInt32>
    private let firstBlocks: MappedArray<UInt32>
    private let starts: MappedArray<UInt64>
    private let blockLast: MappedArray<UInt32>
    private let blockMax: MappedArray<Float>
    private let blockOffsets: MappedArray<UInt32>
    private let postings: Range<Int>

    /// Opens an index file.
    /// - Throws: `CorpusError` or `SearchIndexError` when it is damaged.
    public init(path: String) throws {
        file = try SectionFile(path: path, kind: KeywordIndexWriter.kind)
        guard file.version == KeywordIndexWriter.version else {
            throw SearchIndexError.damaged("\(path): the index has version \(file.version); build it anew with `forage index`")
        }
        let meta = try file.array("meta", of: Double.self)
        guard meta.count == 4 else { throw SearchIndexError.damaged("\(path): section meta has a wrong length") }
        let encoded = try file.array("analyzer", of: UInt8.self)
        let analyzerOptions = try JSONDecoder().decode(AnalyzerOptions.self, from: Data(encoded.elements))
        options = KeywordIndexOptions(k1: meta[0], b: meta[1], titleWeight: meta[2], analyzer: analyzerOptions)
        try options.validate()
        analyzer = try TextAnalyzer(analyzerOptions)
        norms = try file.array("norms")
        termBytes = try file.array("term.bytes")
        termOffsets = try file.array("term.offsets")
        termCounts = try file.array("term.counts")
        firstBlocks = try file.array("term.blocks")
        starts = try file.array("term.starts")
        blockLast = try file.array("block.last")
        blockMax = try file.array("block.max")
        blockOffsets = try file.array("block.offsets")
        postings = try file.range(of: "postings")
        passageCount = norms.count
        termCount = termCounts.count
        guard termOffsets.count == termCount + 1, firstBlocks.count == termCount + 1, starts.count == termCount,
            blockMax.count == blockLast.count, blockOffsets.count == blockLast.count + termCount,
            firstBlocks[termCount] == UInt32(blockLast.count), Int(termOffsets[termCount]) == termBytes.count
        else { throw SearchIndexError.damaged("\(path): the index's sections do not fit together") }
        guard blocksAreOrdered() else { throw SearchIndexError.damaged("\(path): the index's blocks are out of order") }
    }

    /// Whether each term's blocks ascend, in their passages and in the file, so that the kernel may rely on it.
    private func blocksAreOrdered() -> Bool {
        let (firsts, last, offsets) = (firstBlocks.elements, blockLast.elements, blockOffsets.elements)
        for number in 0..<termCount {
            guard firsts[number] <= firsts[number + 1] else { return false }
            for block in Int(firsts[number])..<Int(firsts[number + 1]) {
                guard last[block] < UInt32(passageCount), offsets[block + number] < offsets[block + number + 1],
                    block == Int(firsts[number]) || last[block - 1] < last[block]
                else { return false }
            }
        }
        return true
    }

    /// A term of the index: its number and how many passages hold it.
    public struct Term: Sendable, Hashable {
        public let number: Int
        public let passageCount: Int
    }

    /// Looks a term up, in the form that the analyzer gives it. O(log terms).
    public func term(_ text: String) -> Term? {
        var text = text
        return text.withUTF8 { bytes in
            let number = lowerBound(bytes)
            guard number < termCount, self.bytes(of: number).elementsEqual(bytes) else { return nil }
            return Term(number: number, passageCount: Int(termCounts[number]))
        }
    }

    /// The terms that start with a text, in order, at most `limit`.
    public func terms(withPrefix prefix: String, limit: Int) -> [Term] {
        var prefix = prefix
        return prefix.withUTF8 { bytes in
            var number = lowerBound(bytes)
            var terms: [Term] = []
            while number < termCount, terms.count < limit, self.bytes(of: number).starts(with: bytes) {
                terms.append(Term(number: number, passageCount: Int(termCounts[number])))
                number += 1
            }
            return terms
        }
    }

    /// The text of a term.
    public func text(of term: Term) -> String { String(decoding: bytes(of: term.number), as: UTF8.self) }

    /// ln(1 + (N − n + 0.5) / (n + 0.5)).
    public func inverseDocumentFrequency(of term: Term) -> Double {
        let n = Double(term.passageCount)
        return log(1 + (Double(passageCount) - n + 0.5) / (n + 0.5))
    }

    private func bytes(of number: Int) -> UnsafeBufferPointer<UInt8> {
        let from = min(Int(termOffsets[number]), termBytes.count)
        let to = min(max(Int(termOffsets[number + 1]), from), termBytes.count)
        return UnsafeBufferPointer(rebasing: termBytes.elements[from..<to])
    }

    private func lowerBound(_ key: UnsafeBufferPointer<UInt8>) -> Int {
        var low = 0
        var high = termCount
        while low < high {
            let middle = (low + high) / 2
            if bytes(of: middle).lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The kernel's view of a term, after its bytes were checked; nil for a term with no postings.
    func view(of number: Int, weight: Float) throws -> forage_bm25_term? {
        let first = Int(firstBlocks[number])
        let count = Int(firstBlocks[number + 1]) - first
        guard count > 0 else { return nil }
        let offsets = first + number
        guard first >= 0, first + count <= blockLast.count, offsets + count < blockOffsets.count else {
            throw SearchIndexError.damaged("\(file.file.path): the blocks of term \(number) are out of range")
        }
        let start = postings.lowerBound + Int(clamping: starts[number])
        let length = Int(blockOffsets[offsets + count])
        guard start <= postings.upperBound, length <= postings.upperBound - start,
            Int(blockLast[first + count - 1]) < passageCount,
            let last = blockLast.elements.baseAddress, let largest = blockMax.elements.baseAddress,
            let offset = blockOffsets.elements.baseAddress, let base = file.file.bytes.baseAddress
        else { throw SearchIndexError.damaged("\(file.file.path): the postings of term \(number) are out of range") }
        try file.check(start..<(start + length))
        return forage_bm25_term(
            block_last: last + first, block_max: largest + first, block_offset: offset + offsets,
            data: base.advanced(by: start).assumingMemoryBound(to: UInt8.self), block_count: UInt32(count),
            posting_count: termCounts[number], weight: weight)
    }

    func damagedPostings() -> SearchIndexError {
        .damaged("\(file.file.path): a block of postings is damaged; `forage corpus verify` says more")
    }

    /// The passages that hold a term, ascending.
    public func passages(with term: Term) throws -> OrdinalSet {
        guard var view = try view(of: term.number, weight: 1) else { return OrdinalSet() }
        var ordinals: [UInt32] = []
        ordinals.reserveCapacity(term.passageCount)
        var passages = [UInt32](repeating: 0, count: Int(FORAGE_BM25_BLOCK))
        var frequencies = passages
        for block in 0..<view.block_count {
            let count = forage_bm25_decode_block(&view, block, &passages, &frequencies)
            guard count > 0 else { throw damagedPostings() }
            ordinals.append(contentsOf: passages[..<Int(count)])
        }
        return OrdinalSet(ascending: ordinals)
    }

    /// Checks the whole file, bit by bit.
    public func verify() throws { try file.verify() }
}
