// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import TensorMath

@testable import Learning

/// A made-up corpus with two-hop questions: a person's page names a town, the town's page tells its river.
enum SmallWorld {
    static let people = [
        "Ada Brook", "Ben Carver", "Cleo Dunn", "Dora Eames", "Egon Frost", "Fay Grove", "Gus Hale", "Hana Ives",
        "Ivo Judd",
        "Jana Kerr", "Kurt Lamb", "Lena Moss",
    ]
    static let towns = [
        "Arlen", "Borvik", "Candel", "Dunmore", "Elsworth", "Farrow", "Gildan", "Harrowby", "Isenburg", "Jorund",
        "Kestrel",
        "Lorwick",
    ]
    static let rivers = [
        "Ostra", "Pelin", "Quill", "Rhoden", "Salva", "Tamble", "Ulven", "Vardo", "Welm", "Xandra", "Yarrow", "Zelt",
    ]

    static func passages() -> [WorldPassage] {
        var passages: [WorldPassage] = []
        for index in people.indices {
            passages.append(
                WorldPassage(
                    id: "person-\(index)", title: people[index],
                    text: "\(people[index]) is a painter. The painter was born in \(towns[index]) and studied abroad."))
            passages.append(
                WorldPassage(
                    id: "town-\(index)", title: towns[index],
                    text: "\(towns[index]) is a small place known for its market. It lies beside the \(rivers[index]).")
            )
            passages.append(
                WorldPassage(
                    id: "noise-\(index)", title: "Rivers, part \(index)",
                    text:
                        "A river flows through many towns. A painter born near a river often paints the river of that town."
                ))
        }
        return passages
    }

    /// Vectors that know nothing: drawn at random, of length one.
    static func vectors(_ count: Int, seed: UInt64) -> Matrix {
        var generator = SplitMix64(seed: seed)
        var matrix = Matrix(rows: count, columns: 8, deviation: 1, using: &generator)
        for row in 0..<count {
            let length = matrix.row(row).reduce(0) { $0 + $1 * $1 }.squareRoot()
            for column in 0..<8 { matrix[row, column] /= length }
        }
        return matrix
    }

    static func world() throws -> RetrievalWorld {
        let passages = passages()
        return try RetrievalWorld(passages: passages, vectors: vectors(passages.count, seed: 1))
    }

    static func questions() -> [LearningQuestion] {
        people.indices.map { index in
            LearningQuestion(
                id: "q\(index)",
                text: "Which river flows through the town where the painter \(people[index]) was born?",
                answers: [rivers[index]], gold: ["person-\(index)", "town-\(index)"], type: "bridge", hops: 2)
        }
    }

    static func prepared() throws -> [PreparedQuestion] {
        let world = try world()
        let vectors = vectors(people.count, seed: 2)
        var options = PoolOptions()
        options.keyword = 8
        options.semantic = 4
        options.nextKeyword = 3
        options.nextSemantic = 2
        return questions().enumerated().map { index, question in
            PreparedQuestion(question, vector: Array(vectors.row(index)), world: world, options: options)
        }
    }

    static func folder() -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("forage-\(UUID().uuidString)")
        try? FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url.path
    }

    /// The mean share of gold among the first two kept passages.
    static func recall(_ policy: LearnedPolicy, _ questions: [PreparedQuestion]) -> Double {
        var total = 0.0
        for question in questions {
            var generator = SplitMix64(seed: 0)
            total += question.run(policy, options: .ranking, using: &generator).recall(at: 2)
        }
        return total / Double(questions.count)
    }
}
