// SPDX-License-Identifier: Apache-2.0

public import Corpus
import Text
import Tools

/// GoldEn's oracle: the span of the context so far that finds a gold passage best. It makes training data for query
/// generators without a model (Qi et al., 2019). It reads gold passages, so it is for making data only.
public struct OracleQuery: Sendable, Hashable {
    public var query: String
    /// The rank of the gold passage for the query, from 1; nil when it is not among those looked at.
    public var rank: Int?

    /// Finds the best query among the longest common subsequence and substrings of the context with the gold passage and
    /// its title, and the overlap spans (words of at least three letters match within one edit).
    ///
    /// - Parameters:
    ///   - context: the question, and after the first hop the passages found.
    ///   - depth: how many results of each candidate are looked at. Default 50.
    /// - Returns: the best query by rank (ranks clipped at 4) and then by shortness, with a floor of ten characters; nil when
    ///   context and gold share nothing.
    public static func search(
        context: String, goldID: String, goldTitle: String, goldText: String, in corpus: any RetrievalCorpus,
        mode: RetrievalMode = .keyword, depth: Int = 50
    ) async throws -> OracleQuery? {
        var best: (key: Key, found: OracleQuery)?
        let analyzer = try TextAnalyzer()
        // Function words alone find something by chance, and are no query that anyone should learn to write.
        for candidate in candidates(context: context, title: goldTitle, text: goldText)
        where !analyzer.terms(in: candidate).isEmpty {
            let hits = try await corpus.search(mode, query: candidate, limit: depth, within: nil)
            let rank = hits.firstIndex { $0.id == goldID || $0.id.hasPrefix(goldID + "#") }.map { $0 + 1 }
            let key = Key(candidate, rank: rank, depth: depth)
            if let known = best, known.key <= key { continue }
            best = (key, OracleQuery(query: candidate, rank: rank))
        }
        return best?.found
    }

    /// The order of queries, best first: by rank, clipped at 4, and then by shortness with a floor of ten characters.
    public struct Key: Sendable, Hashable, Comparable {
        private let clipped: Int
        private let length: Int
        private let query: String

        /// - Parameters:
        ///   - rank: the gold passage's rank for the query, from 1; nil when it is not among those looked at.
        ///   - depth: how many results were looked at.
        public init(_ query: String, rank: Int?, depth: Int) {
            clipped = max(4, rank ?? depth + 1)
            length = max(10, query.count) + (rank ?? depth + 1)
            self.query = query
        }

        public static func < (left: Key, right: Key) -> Bool {
            (left.clipped, left.length, left.query) < (right.clipped, right.length, right.query)
        }
    }

    /// The candidate queries for a gold passage, each once.
    public static func candidates(context: String, title: String, text: String) -> [String] {
        let source = words(context)
        let folded = source.map { $0.lowercased() }
        let goldText = words(text).map { $0.lowercased() }
        let goldTitle = words(title).map { $0.lowercased() }
        var found: [String] = []
        for gold in [goldText, goldTitle] where !gold.isEmpty {
            found.append(subsequence(source, folded, gold).joined(separator: " "))
            let filtered = source.indices.filter { folded[$0].count >= 3 }
            found.append(substring(source, folded, gold).joined(separator: " "))
            found.append(
                substring(filtered.map { source[$0] }, filtered.map { folded[$0] }, gold).joined(separator: " "))
            found += overlaps(source, folded, gold)
        }
        var seen: Set<String> = []
        return found.filter { $0.count >= 2 && seen.insert($0).inserted }
    }

    private static func words(_ text: String) -> [String] {
        text.split { !$0.isLetter && !$0.isNumber && $0 != "'" && $0 != "-" }.prefix(400).map(String.init)
    }

    /// The words of the longest common subsequence.
    private static func subsequence(_ source: [String], _ folded: [String], _ gold: [String]) -> [String] {
        var lengths = [[Int]](repeating: [Int](repeating: 0, count: gold.count + 1), count: folded.count + 1)
        for i in folded.indices.reversed() {
            for j in gold.indices.reversed() {
                lengths[i][j] =
                    folded[i] == gold[j] ? lengths[i + 1][j + 1] + 1 : max(lengths[i + 1][j], lengths[i][j + 1])
            }
        }
        var (i, j) = (0, 0)
        var result: [String] = []
        while i < folded.count, j < gold.count {
            if folded[i] == gold[j] {
                result.append(source[i])
                i += 1
                j += 1
            } else if lengths[i + 1][j] >= lengths[i][j + 1] {
                i += 1
            } else {
                j += 1
            }
        }
        return result
    }

    /// The longest run of words that both hold.
    private static func substring(_ source: [String], _ folded: [String], _ gold: [String]) -> [String] {
        var row = [Int](repeating: 0, count: gold.count + 1)
        var best = (length: 0, end: 0)
        for (index, word) in folded.enumerated() {
            var diagonal = 0
            for (place, other) in gold.enumerated() {
                let above = row[place + 1]
                row[place + 1] = word == other ? diagonal + 1 : 0
                if row[place + 1] > best.length { best = (row[place + 1], index + 1) }
                diagonal = above
            }
        }
        return Array(source[(best.end - best.length)..<best.end])
    }

    /// The four longest runs of words that occur in the gold, one edit allowed in words of at least three letters.
    private static func overlaps(_ source: [String], _ folded: [String], _ gold: [String]) -> [String] {
        let vocabulary = Set(gold)
        func occurs(_ word: String) -> Bool {
            if vocabulary.contains(word) { return true }
            guard word.count >= 3 else { return false }
            let longest = Double(word.utf8.count + 1)
            return vocabulary.contains { other in
                abs(other.utf8.count - word.utf8.count) <= 1
                    && (1 - EditDistance.similarity(word, other, atLeast: 0))
                        * Double(max(word.utf8.count, other.utf8.count))
                        <= 1.001
                    && longest > 3
            }
        }
        var runs: [[String]] = []
        var run: [String] = []
        for (index, word) in folded.enumerated() {
            if occurs(word) {
                run.append(source[index])
            } else if !run.isEmpty {
                runs.append(run)
                run = []
            }
        }
        if !run.isEmpty { runs.append(run) }
        return runs.enumerated().sorted { ($0.element.count, $1.offset) > ($1.element.count, $0.offset) }.prefix(4)
            .map { $0.element.joined(separator: " ") }
    }
}
