// SPDX-License-Identifier: Apache-2.0

import CKernels
import CorpusStore
import Foundation
import TextProcessing

/// Builds a keyword index from passages in order of their ordinals.
///
/// Everything is kept compressed in memory (about three bytes a posting) and written in one pass: a million passages of
/// sixty words need about 200 MB.
public final class KeywordIndexWriter {
    static let kind = "keyword"
    static let version: UInt32 = 1

    private let options: KeywordIndexOptions
    private let extractor: TermExtractor
    private var table = TermTable()
    private var postings = PostingsBuffer()
    private var quarters: [UInt32] = []
    private var touched: [Int] = []
    private var lengths: [UInt32] = []

    /// - Throws: `SearchIndexError`, `AnalyzerError` for options that make no sense.
    public init(_ options: KeywordIndexOptions) throws {
        try options.validate()
        self.options = options
        extractor = try TextAnalyzer(options.analyzer).makeExtractor()
    }

    /// The number of passages so far.
    public var passageCount: Int { lengths.count }

    /// Adds the next passage.
    /// - Throws: `SearchIndexError` when the index would grow past what one file holds.
    public func add(title: UnsafeBufferPointer<UInt8>, text: UnsafeBufferPointer<UInt8>) throws {
        guard !postings.isNearlyFull, lengths.count < Int(UInt32.max) - 1 else {
            throw SearchIndexError.invalidOption("the corpus is too large for one keyword index")
        }
        var length: UInt32 = 0
        if options.titleQuarters > 0 { count(title, options.titleQuarters, &length) }
        count(text, 4, &length)
        let passage = UInt32(lengths.count)
        touched.sort()
        for term in touched {
            postings.append(term: term, passage: passage, quarters: quarters[term])
            quarters[term] = 0
        }
        touched.removeAll(keepingCapacity: true)
        lengths.append(length)
    }

    private func count(_ text: UnsafeBufferPointer<UInt8>, _ weight: UInt32, _ length: inout UInt32) {
        extractor.forEachTerm(inUTF8: text) { term, _ in
            let (number, isNew) = table.number(of: term)
            if isNew {
                postings.addTerm()
                quarters.append(0)
            }
            if quarters[number] == 0 { touched.append(number) }
            quarters[number] += weight
            length += weight
        }
    }

    /// Writes the index file.
    /// - Throws: `CorpusError` when the disk refuses.
    public func write(to path: String) throws {
        let file = try SectionFileWriter(path: path, kind: Self.kind, version: Self.version)
        let total = lengths.reduce(into: UInt64(0)) { $0 += UInt64($1) }
        let mean = lengths.isEmpty ? 1 : max(Double(total) / Double(lengths.count), 1)
        let norms = lengths.map { Float(options.k1 * (1 - options.b + options.b * Double($0) / mean)) }
        let order = table.sortedNumbers()
        try file.add("norms", norms)
        try writeTerms(order, to: file)
        try writePostings(order, norms, to: file)
        try file.add("meta", [options.k1, options.b, options.titleWeight, mean / 4])
        try file.add("analyzer", Array(try JSONEncoder.sorted.encode(options.analyzer)))
        try file.finish()
    }

    private func writeTerms(_ order: [Int], to file: SectionFileWriter) throws {
        var offsets: [UInt32] = [0]
        offsets.reserveCapacity(order.count + 1)
        try file.begin("term.bytes")
        var at: UInt32 = 0
        for term in order {
            let bytes = table.term(term)
            try bytes.withUnsafeBytes { try file.append($0) }
            at += UInt32(bytes.count)
            offsets.append(at)
        }
        try file.end()
        try file.add("term.offsets", offsets)
        try file.add("term.counts", order.map { postings.counts[$0] })
    }

    private func writePostings(_ order: [Int], _ norms: [Float], to file: SectionFileWriter) throws {
        let size = Int(FORAGE_BM25_BLOCK)
        var firstBlocks: [UInt32] = [0]
        var starts: [UInt64] = []
        var blockLast: [UInt32] = []
        var blockMax: [Float] = []
        var blockOffsets: [UInt32] = []
        var passages = [UInt32](repeating: 0, count: size)
        var frequencies = [UInt32](repeating: 0, count: size)
        var encoded = [UInt8](repeating: 0, count: 2048)
        var data: [UInt8] = []
        var written: UInt64 = 0
        try file.begin("postings")
        for term in order {
            starts.append(written + UInt64(data.count))
            let start = data.count
            var previous = UInt32.max
            var filled = 0
            func closeBlock() {
                guard filled > 0 else { return }
                blockOffsets.append(UInt32(data.count - start))
                var largest: Float = 0
                for index in 0..<filled {
                    let frequency = Float(frequencies[index]) * 0.25
                    largest = max(largest, frequency / (frequency + norms[Int(passages[index])]))
                }
                // A hair more than the largest, so that other roundings in the search cannot exceed it.
                blockMax.append(largest * 1.000001)
                blockLast.append(passages[filled - 1])
                let count = forage_bm25_encode_block(passages, frequencies, UInt32(filled), previous, &encoded)
                data.append(contentsOf: encoded[..<Int(count)])
                previous = passages[filled - 1]
                filled = 0
            }
            postings.forEachPosting(of: term) { passage, quarters in
                passages[filled] = passage
                frequencies[filled] = quarters
                filled += 1
                if filled == size { closeBlock() }
            }
            closeBlock()
            blockOffsets.append(UInt32(data.count - start))
            firstBlocks.append(UInt32(blockLast.count))
            if data.count > 1 << 20 {
                try data.withUnsafeBytes { try file.append($0) }
                written += UInt64(data.count)
                data.removeAll(keepingCapacity: true)
            }
        }
        try data.withUnsafeBytes { try file.append($0) }
        try file.end()
        try file.add("term.blocks", firstBlocks)
        try file.add("term.starts", starts)
        try file.add("block.last", blockLast)
        try file.add("block.max", blockMax)
        try file.add("block.offsets", blockOffsets)
    }
}

extension JSONEncoder {
    /// Writes members in the order of their names, so that equal values give equal bytes.
    static var sorted: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return encoder
    }
}
