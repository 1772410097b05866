// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Dispatch
import Foundation
import Synchronization
public import TensorMath
import Text

/// One passage as the learner sees it.
public struct WorldPassage: Sendable, Hashable {
    /// The citable identity.
    public var id: String
    /// The title; empty when there is none.
    public var title: String
    /// The text.
    public var text: String

    /// Wraps the parts of a passage.
    public init(id: String, title: String, text: String) {
        self.id = id
        self.title = title
        self.text = text
    }
}

/// A corpus held in memory for fast episodes: terms, names and title links of every passage beside the encoder's vectors.
///
/// Episodes run by the hundred thousand while a policy learns, so everything that a decision looks at is prepared once:
/// the stemmed terms of each passage with their counts, the names in it, the titles that it mentions, and a vector.
public struct RetrievalWorld: Sendable {
    /// The passages by ordinal.
    public let passages: [WorldPassage]
    /// The encoder's vector of each passage (passages × dimension), of length one.
    public let vectors: Matrix
    /// Passage ordinals by id.
    public let ordinals: [String: Int]
    /// Vocabulary: term to number.
    let termNumbers: [String: Int32]
    /// log(1 + (N - n + 0.5) / (n + 0.5)) of each term.
    let termWeights: [Float]
    /// The terms of each passage (title and text) with their counts, by ascending term.
    let terms: [[TermCount]]
    /// The terms of each title.
    let titleTerms: [[Int32]]
    /// The passages that hold a term, with the count.
    let postings: [[TermCount]]
    /// Terms in each passage, repeats counted.
    let lengths: [Float]
    let meanLength: Float
    /// Title number of each passage, and the passages of each title.
    let titleNumbers: [Int]
    let titlePassages: [[Int]]
    /// The titles that each passage mentions (without its own), in order of mention.
    let mentionedTitles: [[Int]]
    /// The passages that mention a title.
    let mentioningPassages: [[Int]]
    /// The names in each passage, ascending by number, and the weight of each name.
    let names: [[Int32]]
    let nameNumbers: [String: Int32]
    let nameWeights: [Float]
    /// The terms of the names in each passage, each once.
    let nameTerms: [[Int32]]
    /// The vectors in one byte a number, for searches whose best few need not be exact, and each row's scale.
    private let codes: [Int8]
    private let codeScales: [Float]
    let titles: TitleMatcher
    let analysis: WorldAnalysis

    /// A number with how often it occurs.
    struct TermCount: Sendable, Hashable {
        var number: Int32
        var count: Int32
    }

    /// Prepares a corpus.
    ///
    /// - Parameters:
    ///   - passages: The passages; ids must differ (the last of equal ones is found by id).
    ///   - vectors: One row a passage, in the same order, of length one.
    /// - Throws: `AnalyzerError` never for the built-in analysis.
    public init(passages: [WorldPassage], vectors: Matrix) throws {
        precondition(vectors.rows == passages.count, "one vector for each passage")
        self.passages = passages
        self.vectors = vectors
        let analysis = try WorldAnalysis()
        self.analysis = analysis
        ordinals = Dictionary(passages.enumerated().map { ($0.element.id, $0.offset) }) { _, last in last }

        // Reading the texts takes nearly all the time: on all cores, the numbering after it in order.
        let read = Self.concurrentMap(passages) { passage in
            (title: analysis.terms(passage.title), text: analysis.terms(passage.text))
        }
        var termNumbers: [String: Int32] = [:]
        var frequencies: [Int] = []
        var terms: [[TermCount]] = []
        var titleTerms: [[Int32]] = []
        var lengths: [Float] = []
        func number(_ term: String) -> Int32 {
            if let known = termNumbers[term] { return known }
            let new = Int32(termNumbers.count)
            termNumbers[term] = new
            frequencies.append(0)
            return new
        }
        for passage in read {
            let title = passage.title.map(number)
            let all = title + passage.text.map(number)
            var counts: [Int32: Int32] = [:]
            for term in all { counts[term, default: 0] += 1 }
            for term in counts.keys { frequencies[Int(term)] += 1 }
            terms.append(counts.map { TermCount(number: $0.key, count: $0.value) }.sorted { $0.number < $1.number })
            titleTerms.append(title)
            lengths.append(Float(all.count))
        }
        let count = Float(passages.count)
        termWeights = frequencies.map { log(1 + (count - Float($0) + 0.5) / (Float($0) + 0.5)) }
        var postings = [[TermCount]](repeating: [], count: frequencies.count)
        for (ordinal, list) in terms.enumerated() {
            for term in list { postings[Int(term.number)].append(TermCount(number: Int32(ordinal), count: term.count)) }
        }
        self.termNumbers = termNumbers
        self.terms = terms
        self.titleTerms = titleTerms
        self.postings = postings
        self.lengths = lengths
        meanLength = max(1, lengths.reduce(0, +) / max(1, count))

        titles = TitleMatcher(titles: passages.map(\.title), analysis: analysis)
        let titleNumbers = titles.numbers
        self.titleNumbers = titleNumbers
        var titlePassages = [[Int]](repeating: [], count: titles.count)
        for (ordinal, title) in titleNumbers.enumerated() where title >= 0 { titlePassages[title].append(ordinal) }
        self.titlePassages = titlePassages
        var mentioned: [[Int]] = []
        var mentioning = [[Int]](repeating: [], count: titles.count)
        var nameNumbers: [String: Int32] = [:]
        var nameFrequencies: [Int] = []
        var names: [[Int32]] = []
        var nameTerms: [[Int32]] = []
        let matcher = titles
        let numbers = termNumbers
        let readNames = Self.concurrentMap(passages) { passage in
            (
                mentions: matcher.mentions(in: passage.text),
                names: analysis.nameKeys(passage.title + ". " + passage.text).map { key in
                    (key: key, terms: analysis.terms(key).compactMap { numbers[$0] })
                }
            )
        }
        for (ordinal, read) in readNames.enumerated() {
            let own = titleNumbers[ordinal]
            let found = read.mentions.filter { $0 != own }
            mentioned.append(found)
            for title in found { mentioning[title].append(ordinal) }
            var known = Set<Int32>()
            var inNames = Set<Int32>()
            for (key, terms) in read.names {
                let number = nameNumbers[key] ?? Int32(nameNumbers.count)
                if nameNumbers[key] == nil {
                    nameNumbers[key] = number
                    nameFrequencies.append(0)
                }
                guard known.insert(number).inserted else { continue }
                nameFrequencies[Int(number)] += 1
                inNames.formUnion(terms)
            }
            names.append(known.sorted())
            nameTerms.append(inNames.sorted())
        }
        mentionedTitles = mentioned
        mentioningPassages = mentioning
        self.names = names
        self.nameTerms = nameTerms
        self.nameNumbers = nameNumbers
        nameWeights = nameFrequencies.map { log(1 + (count - Float($0) + 0.5) / (Float($0) + 0.5)) }
        var codes = [Int8](repeating: 0, count: vectors.elements.count)
        var scales: [Float] = []
        let width = vectors.columns
        codes.withUnsafeMutableBufferPointer { codes in
            vectors.elements.withUnsafeBufferPointer { elements in
                guard let source = elements.baseAddress, let target = codes.baseAddress else { return }
                for row in 0..<vectors.rows {
                    scales.append(forage_quantize_i8(source + row * width, width, target + row * width))
                }
            }
        }
        self.codes = codes
        codeScales = scales
    }

    /// Maps passages on all cores, in order.
    private static func concurrentMap<Result: Sendable>(
        _ passages: [WorldPassage], _ read: @Sendable (WorldPassage) -> Result
    ) -> [Result] {
        let size = 256
        let blocks = (passages.count + size - 1) / size
        let results = Mutex([[Result]](repeating: [], count: blocks))
        DispatchQueue.concurrentPerform(iterations: blocks) { block in
            let own = passages[(block * size)..<min(passages.count, (block + 1) * size)].map(read)
            results.withLock { $0[block] = own }
        }
        return results.withLock { Array($0.joined()) }
    }

    /// Returns the dot product of the vectors of two passages.
    func cosine(between a: Int, _ b: Int) -> Float {
        let width = vectors.columns
        return vectors.elements.withUnsafeBufferPointer { all in
            guard let base = all.baseAddress else { return 0 }
            return forage_dot(base + a * width, base + b * width, width)
        }
    }

    /// Returns the dot products of a vector with the vectors of all passages.
    func cosines(_ vector: [Float]) -> [Float] {
        var scores = [Float](repeating: 0, count: passages.count)
        vectors.elements.withUnsafeBufferPointer { all in
            vector.withUnsafeBufferPointer { vector in
                scores.withUnsafeMutableBufferPointer { scores in
                    BLAS.gemv(rows: passages.count, columns: vectors.columns, all, vector, into: scores)
                }
            }
        }
        return scores
    }

    /// Returns the dot products of a passage's vector with those of all passages, in the precision of a byte a number.
    func coarseCosines(with passage: Int) -> [Float] {
        let width = vectors.columns
        let row = codes[(passage * width)..<((passage + 1) * width)].map(Int16.init)
        var scores = [Float](repeating: 0, count: passages.count)
        codes.withUnsafeBufferPointer { codes in
            forage_dot_rows_i8(codes.baseAddress, codeScales, passages.count, width, row, codeScales[passage], &scores)
        }
        return scores
    }

    /// The share that BM25 (k1 0.9, b 0.4) gives to one occurrence count in a passage.
    @inline(__always)
    private func saturation(_ count: Int32, _ passage: Int) -> Float {
        let frequency = Float(count)
        return frequency * 1.9 / (frequency + 0.9 * (0.6 + 0.4 * lengths[passage] / meanLength))
    }

    /// Returns the BM25 scores of all passages for weighted terms.
    func scores(_ query: WeightedTerms) -> [Float] {
        var scores = [Float](repeating: 0, count: passages.count)
        for (term, weight) in query.terms {
            let factor = weight * termWeights[Int(term)]
            for posting in postings[Int(term)] {
                scores[Int(posting.number)] += factor * saturation(posting.count, Int(posting.number))
            }
        }
        return scores
    }

    /// Returns the best passages for weighted terms by BM25, best first, ties by ordinal; only those that hold a term.
    func search(_ query: WeightedTerms, count: Int) -> [Int] {
        let scores = scores(query)
        return largest(scores, count: count).filter { scores[$0] > 0 }
    }

    /// Returns the best passages for a query in words.
    func search(_ query: String, count: Int) -> [Int] {
        let terms = Set(analysis.terms(query).compactMap { termNumbers[$0] })
        return search(WeightedTerms(terms.map { ($0, 1) }), count: count)
    }

    /// Returns the BM25 score of one passage for weighted terms.
    func score(_ query: WeightedTerms, _ passage: Int) -> Float {
        let own = terms[passage]
        var total: Float = 0
        var index = 0
        for (term, weight) in query.terms {
            while index < own.count, own[index].number < term { index += 1 }
            guard index < own.count else { break }
            guard own[index].number == term else { continue }
            total += weight * termWeights[Int(term)] * saturation(own[index].count, passage)
        }
        return total
    }

    /// Returns how often a term is in a passage.
    func count(of term: Int32, in passage: Int) -> Int32 {
        let list = terms[passage]
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle].number < term { low = middle + 1 } else { high = middle }
        }
        return low < list.count && list[low].number == term ? list[low].count : 0
    }
}

/// Terms with weights, in ascending order of their numbers.
struct WeightedTerms: Sendable {
    let terms: [(number: Int32, weight: Float)]

    /// Sorts terms, each of which comes once.
    init(_ terms: [(Int32, Float)]) {
        self.terms = terms.map { (number: $0.0, weight: $0.1) }.sorted { $0.number < $1.number }
    }
}

/// Returns the indices of the largest numbers, largest first, ties by index.
func largest(_ scores: [Float], count: Int) -> [Int] {
    guard count > 0 else { return [] }
    // A small sorted list: the lists asked for are short against the corpus.
    var best: [(score: Float, index: Int)] = []
    best.reserveCapacity(count + 1)
    var least = -Float.infinity
    scores.withUnsafeBufferPointer { scores in
        for (index, score) in scores.enumerated() {
            if best.count == count, score <= least { continue }
            var position = best.count
            while position > 0, best[position - 1].score < score { position -= 1 }
            best.insert((score, index), at: position)
            if best.count > count { best.removeLast() }
            least = best[best.count - 1].score
        }
    }
    return best.map(\.index)
}
