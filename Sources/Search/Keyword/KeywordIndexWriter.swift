// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Corpus
import Foundation
import Text

/// Builds a keyword index from passages in order of their ordinals, with flat memory: passages are inverted into sorted
/// runs on disk, which are merged at the end. A million passages of sixty words need about 300 MB.
public final class KeywordIndexWriter {
    private let options: KeywordIndexOptions
    private let extractor: TermExtractor
    private let inverter: OpaquePointer
    private let postingsPerRun: Int
    private let runPrefix: String
    private var runs: [String] = []
    private var lengths: [UInt32] = []
    private var outOfMemory = false

    /// - Parameters:
    ///   - runFolder: where runs lie until the index is written; default: the system's folder for temporary files. Their
    ///     names are those of a corpus's unfinished files, which its next writer removes after a crash.
    ///   - postingsPerRun: bounds memory, about 25 bytes for each. Default: 6 million.
    /// - Throws: `SearchIndexError`, `AnalyzerError` for options that make no sense.
    public init(_ options: KeywordIndexOptions, runFolder: String? = nil, postingsPerRun: Int = 6_000_000) throws {
        try options.validate()
        self.options = options
        self.postingsPerRun = postingsPerRun
        runPrefix =
            runFolder.map { $0 + "/keyword-run" }
            ?? FileManager.default.temporaryDirectory.appendingPathComponent("forage-\(UUID())-run").path
        extractor = try TextAnalyzer(options.analyzer).makeExtractor()
        guard let inverter = forage_inverter_create() else { throw Self.noMemory }
        self.inverter = inverter
    }

    deinit {
        forage_inverter_free(inverter)
        for run in runs { unlink(run) }
    }

    private static var noMemory: CorpusError { CorpusError(.system, "no memory for the keyword index") }

    /// The number of passages so far.
    public var passageCount: Int { lengths.count }

    /// Adds the next passage.
    /// - Throws: `SearchIndexError` when the index would grow past what one file holds; `CorpusError` when the disk refuses.
    public func add(title: UnsafeBufferPointer<UInt8>, text: UnsafeBufferPointer<UInt8>) throws {
        guard lengths.count < Int(UInt32.max) - 1 else {
            throw SearchIndexError.invalidOption("the corpus is too large for one keyword index")
        }
        forage_inverter_begin(inverter, UInt32(lengths.count))
        var length: UInt32 = 0
        func count(_ bytes: UnsafeBufferPointer<UInt8>, _ units: UInt32) {
            guard units > 0 else { return }
            extractor.forEachTerm(inUTF8: bytes) { term, _ in
                length &+= units
                if forage_inverter_add(inverter, term.baseAddress, term.count, units) == 0 { outOfMemory = true }
            }
        }
        count(title, options.titleUnits)
        count(text, options.textUnits)
        lengths.append(length)
        if forage_inverter_end(inverter) == 0 || outOfMemory { throw Self.noMemory }
        if forage_inverter_postings(inverter) >= postingsPerRun { try endRun() }
    }

    private func endRun() throws {
        let run = "\(runPrefix)\(runs.count).000000.tmp"
        runs.append(run)
        let status = forage_inverter_write(inverter, run)
        guard status == 0 else {
            throw CorpusError(.system, "cannot write \(run): \(String(cString: strerror(status)))")
        }
    }

    /// Writes the index file and removes the runs.
    /// - Throws: `CorpusError` when the disk refuses.
    public func write(to path: String) throws {
        if forage_inverter_postings(inverter) > 0 { try endRun() }
        let unit = Double(options.unit)
        let total = lengths.reduce(0.0) { $0 + Double($1) } * unit
        let mean = lengths.isEmpty ? 1 : max(total / Double(lengths.count), 0.25)
        let norms = PassageNormsBuilder(lengths) { length in
            Float(options.k1 * (1 - options.b + options.b * Double(length) * unit / mean))
        }
        let file = try SectionFileWriter(path: path, kind: KeywordIndex.kind, version: KeywordIndex.version)
        try norms.write(to: file)
        let dictionary = try merge(norms, to: file)
        try file.add("terms", dictionary.bytes)
        try file.add("term.blocks", dictionary.blocks)
        let about = KeywordIndex.About(
            k1: options.k1, b: options.b, titleWeight: options.titleWeight, analyzer: options.analyzer,
            passageCount: lengths.count, termCount: dictionary.count, meanLength: mean)
        try file.add("about", Array(try JSONEncoder.sorted.encode(about)))
        try file.finish()
        for run in runs { unlink(run) }
        runs = []
    }

    private func merge(_ norms: PassageNormsBuilder, to file: SectionFileWriter) throws -> TermDictionaryBuilder {
        let mapped = try runs.map { try MappedFile(path: $0) }
        for file in mapped { file.advise(.sequential) }
        var dictionary = TermDictionaryBuilder()
        try file.begin("postings")
        try norms.withView { norms in
            let starts = mapped.map { $0.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) }
            let sizes = mapped.map { UInt64($0.bytes.count) }
            guard let merger = forage_run_merger_create(starts, sizes, UInt32(mapped.count), &norms, options.unit)
            else { throw damagedRun() }
            defer { forage_run_merger_free(merger) }
            var term = forage_merged_term()
            var end: UInt64 = 0
            while true {
                let status = forage_run_merger_next(merger, &term)
                if status == 0 { break }
                guard status == 1 else { throw damagedRun() }
                let start = TermDictionary.start(of: Int(term.posting_count), after: end)
                if start > end {
                    try withUnsafeBytes(of: UInt32(0)) {
                        try file.append(UnsafeRawBufferPointer(rebasing: $0[..<Int(start - end)]))
                    }
                }
                try file.append(UnsafeRawBufferPointer(start: term.postings, count: Int(term.size)))
                dictionary.add(
                    UnsafeBufferPointer(start: term.term, count: Int(term.term_length)), count: Int(term.posting_count),
                    start: start, size: Int(term.size))
                end = start + term.size
            }
        }
        try file.end()
        return dictionary
    }

    private func damagedRun() -> CorpusError {
        CorpusError(.system, "the keyword index cannot be merged: no memory, or \(runPrefix)* was changed meanwhile")
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
