// SPDX-License-Identifier: Apache-2.0

import Foundation
import TensorMath

/// A black-box measure of uncertainty over samples of one continuation; higher is less certain.
///
/// Lin, Trivedi and Sun, "Generating with Confidence" (2024), for the graph measures; Kuhn, Gal and Farquhar, "Semantic
/// Uncertainty" (2023), for the entropy. With m samples, d_i = Σ_j W_ij and L = I - D^(-1/2) W D^(-1/2).
public enum UncertaintyMeasure: String, Sendable, Hashable, CaseIterable {
    /// Σ max(0, 1 - λ_k): a soft number of meanings, 1 to m.
    case eigv
    /// Σ (m - d_i) / m²: the mean dissimilarity, 0 to 1 - 1/m.
    case degmat
    /// How far the samples lie apart in the space of the small eigenvectors: 0 to √(m-1).
    case eccentricity
    /// The number of meanings: components of "means the same".
    case semanticSets = "semantic_sets"
    /// Minus the mean ROUGE-L of pairs: -1 to 0. Reads the samples' texts.
    case lexicalSimilarity = "lexical_similarity"
    /// The entropy over meanings by their frequency, in nats: 0 to ln m.
    case semanticEntropy = "semantic_entropy"

    /// Eigenvectors with eigenvalues below this take part in the eccentricity.
    public static let eccentricityThreshold = 0.9

    /// The measure's value.
    /// - Parameter samples: the texts, which only `lexicalSimilarity` reads.
    public func value(of similarity: SampleSimilarity, samples: [String]) -> Double {
        let m = similarity.count
        guard m > 0 else { return 0 }
        switch self {
        case .eigv:
            return SimilarityGraph(similarity).eigenvalues.reduce(0) { $0 + max(0, 1 - $1) }
        case .degmat:
            return (Double(m * m) - similarity.values.reduce(0, +)) / Double(m * m)
        case .eccentricity: return SimilarityGraph(similarity).eccentricity(below: Self.eccentricityThreshold)
        case .semanticSets: return Double(Set(Self.classes(similarity)).count)
        case .semanticEntropy:
            var counts: [Int: Int] = [:]
            for label in Self.classes(similarity) { counts[label, default: 0] += 1 }
            return counts.sorted { $0.key < $1.key }.reduce(0) { sum, entry in
                let share = Double(entry.value) / Double(m)
                return sum - share * log(share)
            }
        case .lexicalSimilarity:
            guard m > 1 else { return -1 }
            let words = samples.map { $0.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init) }
            var sum = 0.0
            for i in 0..<m { for j in 0..<i { sum += Self.rougeL(words[i], words[j]) } }
            return -sum / Double(m * (m - 1) / 2)
        }
    }

    /// The entropy over meanings by likelihood (Kuhn, Gal and Farquhar, 2023): a meaning's probability is the sum of those of
    /// the different texts that say it, out of all texts sampled; in nats, 0 to ln of the number of meanings.
    /// - Parameter logLikelihoods: the log-probability of each sample's text; a text that was sampled twice counts once.
    public static func semanticEntropy(of similarity: SampleSimilarity, logLikelihoods: [Double]) -> Double {
        guard !logLikelihoods.isEmpty, logLikelihoods.count == similarity.count else { return 0 }
        let highest = logLikelihoods.max() ?? 0
        let labels = classes(similarity)
        let m = similarity.count
        var masses: [Int: Double] = [:]
        for i in 0..<m {
            // The same text again is the same event.
            let isRepeat = (0..<i).contains {
                similarity.values[i * m + $0] == 1 && abs(logLikelihoods[i] - logLikelihoods[$0]) < 1e-9
            }
            if !isRepeat { masses[labels[i], default: 0] += exp(logLikelihoods[i] - highest) }
        }
        let total = masses.values.reduce(0, +)
        return masses.sorted { $0.key < $1.key }.reduce(0) { sum, entry in
            let share = entry.value / total
            return share > 0 ? sum - share * log(share) : sum
        }
    }

    /// The component of each sample, where an edge needs both directions.
    static func classes(_ similarity: SampleSimilarity) -> [Int] {
        let m = similarity.count
        var labels = Array(0..<m)
        func root(_ index: Int) -> Int {
            var index = index
            while labels[index] != index { index = labels[index] }
            return index
        }
        for i in 0..<m {
            for j in 0..<i where similarity.sameMeaning[i * m + j] && similarity.sameMeaning[j * m + i] {
                let (a, b) = (root(i), root(j))
                labels[max(a, b)] = min(a, b)
            }
        }
        return (0..<m).map(root)
    }

    /// ROUGE-L F: from the longest common subsequence of words.
    static func rougeL(_ left: [String], _ right: [String]) -> Double {
        if left.isEmpty && right.isEmpty { return 1 }
        guard !left.isEmpty, !right.isEmpty else { return 0 }
        var row = [Int](repeating: 0, count: right.count + 1)
        for word in left {
            var diagonal = 0
            for (j, other) in right.enumerated() {
                let above = row[j + 1]
                row[j + 1] = word == other ? diagonal + 1 : max(above, row[j])
                diagonal = above
            }
        }
        return 2 * Double(row[right.count]) / Double(left.count + right.count)
    }
}

/// The normalised Laplacian of a similarity matrix, with its eigenvalues (ascending) and eigenvectors from LAPACK.
struct SimilarityGraph {
    let count: Int
    private(set) var eigenvalues: [Double]
    /// Column-major: entry i of eigenvector k is `vectors[k * count + i]`.
    private(set) var vectors: [Double]

    init(_ similarity: SampleSimilarity) {
        count = similarity.count
        let m = count
        var scale = [Double](repeating: 0, count: m)
        for i in 0..<m {
            let degree = similarity.values[i * m..<(i + 1) * m].reduce(0, +)
            scale[i] = degree > 0 ? 1 / degree.squareRoot() : 0
        }
        var laplacian = similarity.values
        for i in 0..<m {
            for j in 0..<m {
                laplacian[i * m + j] = (i == j ? 1 : 0) - scale[i] * similarity.values[i * m + j] * scale[j]
            }
        }
        // A finite symmetric matrix has eigenvalues; a matrix with a not-a-number counts as nothing in common.
        let found = SymmetricEigenvalues(laplacian, count: m)
        eigenvalues = found?.values ?? [Double](repeating: 0, count: m)
        vectors = found?.vectors ?? (0..<m * m).map { $0 / m == $0 % m ? 1 : 0 }
    }

    func eccentricity(below threshold: Double) -> Double {
        let m = count
        var sum = 0.0
        for k in 0..<m where eigenvalues[k] < threshold {
            let vector = vectors[k * m..<(k + 1) * m]
            let mean = vector.reduce(0, +) / Double(m)
            sum += vector.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        }
        return sum.squareRoot()
    }
}
