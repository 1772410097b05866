// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Corpus
import Foundation
import TensorMath
import Testing
import Text

@testable import Search

/// A scorer that looks at every passage: what the index must agree with.
struct BruteForceBM25 {
    let options: KeywordIndexOptions
    let analyzer: TextAnalyzer
    let passages: [(title: [String], text: [String])]
    let lengths: [Double]
    let mean: Double
    let frequencies: [[String: Double]]

    init(_ options: KeywordIndexOptions, _ passages: [(title: String, text: String)]) throws {
        self.options = options
        let analyzer = try TextAnalyzer(options.analyzer)
        self.analyzer = analyzer
        self.passages = passages.map { (analyzer.terms(in: $0.title), analyzer.terms(in: $0.text)) }
        frequencies = self.passages.map { passage in
            var counts: [String: Double] = [:]
            for term in passage.title where options.titleWeight > 0 { counts[term, default: 0] += options.titleWeight }
            for term in passage.text { counts[term, default: 0] += 1 }
            return counts
        }
        lengths = self.passages.map { options.titleWeight * Double($0.title.count) + Double($0.text.count) }
        mean = max(lengths.reduce(0, +) / Double(max(lengths.count, 1)), 0.25)
    }

    func search(_ query: String, limit: Int, within scope: Set<UInt32>? = nil) -> [(ordinal: UInt32, score: Double)] {
        let terms = analyzer.terms(in: query)
        let count = Double(passages.count)
        var holders: [String: Double] = [:]
        for term in Set(terms) { holders[term] = Double(frequencies.count { $0[term] != nil }) }
        var hits: [(UInt32, Double)] = []
        for (ordinal, counts) in frequencies.enumerated() where scope?.contains(UInt32(ordinal)) ?? true {
            var score = 0.0
            for term in terms {
                guard let tf = counts[term] else { continue }
                let n = holders[term] ?? 0
                let idf = log(1 + (count - n + 0.5) / (n + 0.5))
                let norm = options.k1 * (1 - options.b + options.b * lengths[ordinal] / mean)
                score += idf * tf / (tf + norm)
            }
            if score > 0 { hits.append((UInt32(ordinal), score)) }
        }
        return Array(hits.sorted { abs($0.1 - $1.1) > 1e-9 ? $0.1 > $1.1 : $0.0 < $1.0 }.prefix(limit))
    }
}

struct TemporaryFolder: ~Copyable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("forage-\(UUID())").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

@Suite struct KeywordIndexTests {
    /// Passages of words drawn from a Zipfian vocabulary, so that some terms are in nearly every passage.
    static func makePassages(_ count: Int, vocabulary: Int, seed: UInt64) -> [(title: String, text: String)] {
        var generator = SplitMix64(seed: seed)
        func word() -> String {
            let u = Double.random(in: 0..<1, using: &generator)
            return "w\(Int(pow(Double(vocabulary), u)) - 1)"
        }
        return (0..<count).map { _ in
            let title = (0..<Int.random(in: 0...3, using: &generator)).map { _ in word() }.joined(separator: " ")
            let text = (0..<Int.random(in: 0...40, using: &generator)).map { _ in word() }.joined(separator: " ")
            return (title, text)
        }
    }

    static func makeIndex(
        _ passages: [(title: String, text: String)], _ options: KeywordIndexOptions, in folder: String
    ) throws -> KeywordIndex {
        let writer = try KeywordIndexWriter(options)
        for passage in passages {
            var (title, text) = passage
            try title.withUTF8 { title in try text.withUTF8 { try writer.add(title: title, text: $0) } }
        }
        let path = folder + "/keyword.idx"
        try writer.write(to: path)
        return try KeywordIndex(path: path)
    }

    @Test(arguments: [(UInt64(1), 1.0, 0.4), (2, 2.5, 1.0), (3, 0, 0.75), (4, 1.25, 0)])
    func agreesWithTheBruteForceScorer(seed: UInt64, titleWeight: Double, b: Double) throws {
        let folder = try TemporaryFolder()
        let options = KeywordIndexOptions(k1: 1.2, b: b, titleWeight: titleWeight, analyzer: .plain)
        // Several windows of the kernel, full and partial blocks.
        let passages = Self.makePassages(20_000, vocabulary: 3_000, seed: seed)
        let index = try Self.makeIndex(passages, options, in: folder.path)
        let reference = try BruteForceBM25(options, passages)
        var generator = SplitMix64(seed: seed &+ 100)
        for _ in 0..<25 {
            let words = (0..<Int.random(in: 1...8, using: &generator)).map { _ in
                "w\(Int(pow(3_000, Double.random(in: 0..<1, using: &generator))) - 1)"
            }
            let query = words.joined(separator: " ")
            let limit = [1, 10, 100].randomElement(using: &generator) ?? 10
            var scope: Set<UInt32>?
            if Bool.random(using: &generator) {
                let share = [0.001, 0.05, 0.6].randomElement(using: &generator) ?? 0.1
                scope = Set(
                    (0..<UInt32(passages.count)).filter { _ in Double.random(in: 0..<1, using: &generator) < share })
            }
            let expected = reference.search(query, limit: limit, within: scope)
            let found = try index.search(KeywordQuery(query), limit: limit, within: scope.map { OrdinalSet($0) })
            try #require(found.count == expected.count, "\(query) seed \(seed)")
            for (hit, right) in zip(found, expected) {
                #expect(abs(Double(hit.score) - right.score) < 1e-5, "\(query) seed \(seed)")
                // Equal to nine digits counts as a tie, which rounding may order either way.
                if hit.ordinal != right.ordinal {
                    let tied = expected.filter { abs($0.score - right.score) < 1e-6 }.map(\.ordinal)
                    #expect(tied.contains(hit.ordinal) || abs((expected.last?.score ?? 0) - right.score) < 1e-6)
                }
            }
        }
    }

    /// Recall over real passages and questions is that of the brute-force scorer, to the fourth digit and beyond.
    @Test func recallOfRealQuestionsIsTheBruteForceScorers() throws {
        let examples = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Examples/hotpotqa").path
        try Self.compareRecall(examples)
    }

    static func compareRecall(_ set: String) throws {
        struct Passage: Decodable { var id: String, title: String, text: String }
        struct Question: Decodable { var question: String, supporting: [String] }
        func lines<Line: Decodable>(_ name: String, _: Line.Type) throws -> [Line] {
            try String(contentsOfFile: "\(set)/\(name).jsonl", encoding: .utf8).split(separator: "\n")
                .map { try JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
        }
        let folder = try TemporaryFolder()
        let passages = try lines("corpus", Passage.self)
        let texts = passages.map { (title: $0.title, text: $0.text) }
        let options = KeywordIndexOptions()
        let index = try Self.makeIndex(texts, options, in: folder.path)
        let reference = try BruteForceBM25(options, texts)
        let cutoffs = [1, 2, 5, 10, 100]
        var recall = [(fast: Double, reference: Double)](repeating: (0, 0), count: cutoffs.count)
        let questions = try lines("questions", Question.self)
        for question in questions {
            let fast = try index.search(KeywordQuery(question.question), limit: 100).map {
                passages[Int($0.ordinal)].id
            }
            let right = reference.search(question.question, limit: 100).map { passages[Int($0.ordinal)].id }
            for (place, cutoff) in cutoffs.enumerated() {
                let gold = Set(question.supporting)
                recall[place].fast += Double(gold.intersection(fast.prefix(cutoff)).count) / Double(max(1, gold.count))
                recall[place].reference +=
                    Double(gold.intersection(right.prefix(cutoff)).count) / Double(max(1, gold.count))
            }
        }
        for (cutoff, sums) in zip(cutoffs, recall) {
            let (fast, right) = (sums.fast / Double(questions.count), sums.reference / Double(questions.count))
            print("recall@\(cutoff) of \(questions.count) questions: \(fast), by brute force \(right)")
            #expect(abs(fast - right) < 0.00005)
        }
    }

    @Test func portableAndVectorKernelsAgree() throws {
        let folder = try TemporaryFolder()
        let passages = Self.makePassages(9_000, vocabulary: 800, seed: 9)
        let index = try Self.makeIndex(passages, KeywordIndexOptions(analyzer: .plain), in: folder.path)
        let level = forage_cpu_get_level()
        let fast = try index.search("w1 w5 w40 w300", limit: 50)
        #expect(forage_cpu_force_level(FORAGE_CPU_PORTABLE) == 1)
        let portable = try index.search("w1 w5 w40 w300", limit: 50)
        #expect(forage_cpu_force_level(level) == 1)
        #expect(fast == portable)
    }

    @Test func mustMustNotAndPrefixes() throws {
        let folder = try TemporaryFolder()
        let index = try Self.makeIndex(
            [
                ("Arthur's Magazine", "an American literary periodical published in Philadelphia"),
                ("First for Women", "a woman's magazine published by Bauer Media"),
                ("Godey's Lady's Book", "a women's magazine from Philadelphia"),
            ], KeywordIndexOptions(), in: folder.path)
        #expect(try index.search("magazine", limit: 9).map(\.ordinal).sorted() == [0, 1, 2])
        #expect(
            try index.search(KeywordQuery("magazine", must: ["Philadelphia"]), limit: 9).map(\.ordinal).sorted() == [
                0, 2,
            ])
        #expect(try index.search(KeywordQuery("magazine", mustNot: ["Philadelphia"]), limit: 9).map(\.ordinal) == [1])
        #expect(try index.search(KeywordQuery("", prefixes: ["phil"]), limit: 9).map(\.ordinal).sorted() == [0, 2])
        // "periodical" is in the index as "period", which is shorter than the prefix.
        #expect(try index.search(KeywordQuery("", prefixes: ["periodica"]), limit: 9).map(\.ordinal) == [0])
        #expect(try index.search(KeywordQuery("", prefixes: ["periodix"]), limit: 9).isEmpty)
        #expect(try index.search(KeywordQuery("magazine", must: ["absent"]), limit: 9).isEmpty)
        #expect(try index.search("", limit: 9).isEmpty)
        let explained = try index.contributions(of: "philadelphia magazine", to: 2)
        #expect(explained.map(\.term) == ["philadelphia", "magazin"])
    }

    /// `outliers`: one number in so many is up to 2^9 times as large, which blocks keep as exceptions; 0 for none.
    @Test(
        arguments: [0, 1, 2, 3, 5, 7, 8, 11, 13].flatMap { bits in (bits > 8 ? [0] : [0, 7, 40]).map { (bits, $0) } },
        [1, 5, 127, 128, 129, 700])
    func listsKeepEveryPosting(shape: (bits: Int, outliers: Int), count: Int) {
        let (bits, outliers) = shape
        var generator = SplitMix64(seed: UInt64(bits * 1000 + count + outliers * 100_000))
        let limit: UInt32 = 1 << UInt32(bits)
        func draw() -> UInt32 {
            let isOutlier = outliers > 0 && Int.random(in: 0..<outliers, using: &generator) == 0
            return UInt32.random(in: 0..<(isOutlier ? limit << 9 : limit), using: &generator)
        }
        var passage: UInt32 = .max
        var passages: [UInt32] = []
        var frequencies: [UInt32] = []
        for _ in 0..<count {
            passage = passage &+ 1 &+ draw()
            passages.append(passage)
            frequencies.append(1 + draw())
        }
        let total = passage + 1
        let room = forage_posting_bound(UInt32(count))
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 16)
        defer { bytes.deallocate() }
        let memory = bytes.bindMemory(to: UInt8.self).baseAddress
        let size = [Float(1)].withUnsafeBufferPointer { table in
            [UInt8](repeating: 0, count: Int(total)).withUnsafeBufferPointer { places in
                var norms = forage_norms(table: table.baseAddress, narrow: places.baseAddress, wide: nil)
                return forage_posting_encode(passages, frequencies, UInt32(count), &norms, 1, memory)
            }
        }
        #expect(size <= room)
        var list = forage_posting_list(data: memory, size: UInt64(size), posting_count: UInt32(count), weight: 1)
        var decoded = [UInt32](repeating: 0, count: count)
        var decodedFrequencies = decoded
        #expect(forage_posting_decode(&list, total, &decoded, &decodedFrequencies) == 1)
        #expect(decoded == passages)
        #expect(decodedFrequencies == frequencies)
        // Look-ups of some present and some absent passages.
        let asked = Set((0..<40).map { _ in UInt32.random(in: 0..<total, using: &generator) } + passages.prefix(30))
            .sorted()
        var found = [UInt32](repeating: 9, count: asked.count)
        #expect(forage_posting_frequencies(&list, total, asked, UInt32(asked.count), &found) == 1)
        let known = Dictionary(uniqueKeysWithValues: zip(passages, frequencies))
        #expect(found == asked.map { known[$0] ?? 0 })
        // Damage is seen, or gives other passages of the corpus; nothing is read or written out of place.
        for _ in 0..<200 {
            let place = Int.random(in: 0..<size, using: &generator)
            let kept = bytes[place]
            bytes[place] = UInt8.random(in: 0...255, using: &generator)
            if forage_posting_decode(&list, total, &decoded, &decodedFrequencies) == 1 {
                #expect(decoded.allSatisfy { $0 < total })
            }
            _ = forage_posting_frequencies(&list, total, asked, UInt32(asked.count), &found)
            bytes[place] = kept
        }
    }

    /// Blocks with a few large numbers are smaller than with the bits of the largest.
    @Test func exceptionsSaveBytes() {
        let passages = (0..<UInt32(12_800)).map { $0 * 3 + $0 / 100 * 200 }
        let frequencies = passages.indices.map { UInt32($0 % 64 == 5 ? 90 : 1) }
        let norms = PassageNormsBuilder([UInt32](repeating: 9, count: 65_000)) { Float($0) }
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: forage_posting_bound(12_800), alignment: 16)
        defer { bytes.deallocate() }
        let size = norms.withView {
            forage_posting_encode(passages, frequencies, 12_800, &$0, 1, bytes.bindMemory(to: UInt8.self).baseAddress)
        }
        // Two bits a gap but for a jump of 200, none a frequency but for two of 90: with bits for the largest of both
        // it would be 256 bytes a block.
        #expect(size < 100 * (12 + 4 + 2 * 16 + 2 * 6))
    }

    @Test func normsOfManyLengths() throws {
        let folder = try TemporaryFolder()
        for lengths in [[], [7, 7, 9], (0..<300).map { $0 * 5 }, (0..<70_000).map { UInt32($0) * 3 + 1 }] as [[UInt32]]
        {
            let path = folder.path + "/norms.\(lengths.count)"
            let file = try SectionFileWriter(path: path, kind: "norms", version: 1)
            let builder = PassageNormsBuilder(lengths) { Float($0) }
            try builder.write(to: file)
            try file.finish()
            let norms = try PassageNorms(SectionFile(path: path, kind: "norms"), passageCount: lengths.count)
            #expect(norms.count == lengths.count)
            for (passage, length) in lengths.enumerated() {
                let norm = norms[UInt32(passage)]
                if lengths.count < 65_536 { #expect(norm == Float(length)) }
                #expect(abs(norm - Float(length)) <= Float(length) / 2048)
            }
            #expect(throws: (any Error).self) {
                try PassageNorms(SectionFile(path: path, kind: "norms"), passageCount: lengths.count + 1)
            }
        }
    }

    /// Pruning must not show: the first k of a long search are the search for k, in a scope as without, to the bit.
    @Test(arguments: [UInt64(21), 22]) func pruningIsExact(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let passages = Self.makePassages(30_000, vocabulary: 2_000, seed: seed)
        let options = KeywordIndexOptions(k1: 0.9, b: 0.4, titleWeight: 1, analyzer: .plain)
        let index = try Self.makeIndex(passages, options, in: folder.path)
        var generator = SplitMix64(seed: seed)
        for _ in 0..<40 {
            let words = (0..<Int.random(in: 1...9, using: &generator)).map { _ in
                "w\(Int(pow(2_000, Double.random(in: 0..<1, using: &generator))) - 1)"
            }
            let query = KeywordQuery(words.joined(separator: " "))
            let everything = try index.search(query, limit: passages.count)
            for limit in [1, 3, 10, 100] {
                #expect(try index.search(query, limit: limit) == Array(everything.prefix(limit)), "\(query) \(limit)")
            }
            for share in [0.002, 0.03, 0.3] {
                let scope = OrdinalSet(
                    (0..<UInt32(passages.count)).filter { _ in Double.random(in: 0..<1, using: &generator) < share })
                let expected = everything.filter { scope.contains($0.ordinal) }.prefix(10)
                #expect(try index.search(query, limit: 10, within: scope) == Array(expected), "\(query) in \(share)")
            }
        }
        let queries = (0..<50).map { KeywordQuery("w\($0) w\($0 * 3) w1") }
        #expect(try index.search(queries, limit: 5) == queries.map { try index.search($0, limit: 5) })
    }

    @Test func severalRunsGiveTheFileOfOne() throws {
        let folder = try TemporaryFolder()
        let passages = Self.makePassages(3_000, vocabulary: 500, seed: 4)
        var files: [Data] = []
        for size in [1 << 20, 5_000, 900] {
            let writer = try KeywordIndexWriter(
                KeywordIndexOptions(titleWeight: 1.5), runFolder: folder.path, postingsPerRun: size)
            for passage in passages {
                var (title, text) = passage
                try title.withUTF8 { title in try text.withUTF8 { try writer.add(title: title, text: $0) } }
            }
            try writer.write(to: folder.path + "/keyword.idx")
            files.append(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/keyword.idx")))
        }
        #expect(files[0] == files[1])
        #expect(files[0] == files[2])
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["keyword.idx"])
    }

    @Test func phrasesAreVerifiedInTheTexts() throws {
        let folder = try TemporaryFolder()
        let passages = [
            ("New Orleans", "a city in Louisiana"), ("Orleans", "there is a new bridge"), ("", "jazz from new orleans"),
        ]
        let index = try Self.makeIndex(passages, KeywordIndexOptions(), in: folder.path)
        let query = KeywordQuery(parsing: "\"new orleans\"")
        #expect(query.phrases == ["new orleans"])
        #expect(try index.search(query, limit: 9).map(\.ordinal).sorted() == [0, 1, 2])
        let verified = try index.search(query, limit: 9, texts: { passages[Int($0)] })
        #expect(verified.map(\.ordinal).sorted() == [0, 2])
        let parsed = KeywordQuery(parsing: "jazz +Louis -album trump* \"new orleans\" - +")
        #expect(
            parsed
                == KeywordQuery(
                    "jazz - +", must: ["Louis"], phrases: ["new orleans"], mustNot: ["album"], prefixes: ["trump"]))
    }

    @Test func damagedFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        _ = try Self.makeIndex(Self.makePassages(400, vocabulary: 50, seed: 5), KeywordIndexOptions(), in: folder.path)
        let path = folder.path + "/keyword.idx"
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        var generator = SplitMix64(seed: 11)
        for trial in 0..<60 {
            var bytes = whole
            if trial % 2 == 0 {
                bytes = bytes.prefix(Int.random(in: 0..<bytes.count, using: &generator))
            } else {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                bytes[place] ^= UInt8.random(in: 1...255, using: &generator)
            }
            let copy = folder.path + "/damaged.idx"
            try bytes.write(to: URL(fileURLWithPath: copy))
            // Padding between sections is the only part whose damage does no harm.
            do {
                let index = try KeywordIndex(path: copy)
                _ = try index.search("w1 w2 w3", limit: 10)
            } catch is CorpusError {
            } catch is SearchIndexError {
            }
        }
    }
}
