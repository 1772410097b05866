// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// What is read from a question once, before any search: its terms, names, vector and the titles that it mentions.
struct QuestionView: Sendable {
    let text: String
    let vector: [Float]
    /// Its terms that the corpus knows, each once.
    let terms: [Int32]
    /// The weight of all its terms together.
    let totalWeight: Float
    let titles: [Int]
    let names: [Int32]
    let nameWeight: Float
    /// Cues of its form: comparison, yes or no, and what it asks for.
    let cues: [Float]

    static let cueNames = [
        "comparison", "yes-no", "asks-person", "asks-time", "asks-place", "asks-number", "names", "length",
    ]

    init(_ text: String, vector: [Float], world: RetrievalWorld) {
        self.text = text
        self.vector = vector
        var seen = Set<Int32>()
        terms = world.analysis.terms(text).compactMap { world.termNumbers[$0] }.filter { seen.insert($0).inserted }
        totalWeight = max(1e-6, terms.reduce(0) { $0 + world.termWeights[Int($1)] })
        titles = world.titles.mentions(in: text)
        let keys = world.analysis.nameKeys(text)
        names = Set(keys.compactMap { world.nameNumbers[$0] }).sorted()
        nameWeight = max(1e-6, names.reduce(0) { $0 + world.nameWeights[Int($1)] })
        let words = world.analysis.words(text)
        let all = Set(words)
        let first = words.first ?? ""
        let comparing = [
            "or", "both", "same", "older", "younger", "earlier", "later", "longer", "larger", "more", "first",
        ]
        func cue(_ condition: Bool) -> Float { condition ? 1 : 0 }
        cues = [
            cue(comparing.contains { all.contains($0) }),
            cue(["is", "are", "was", "were", "do", "does", "did", "has", "have"].contains(first)),
            cue(all.contains("who") || all.contains("whom") || all.contains("whose")),
            cue(all.contains("when") || all.contains("year") || all.contains("date")),
            cue(all.contains("where") || all.contains("city") || all.contains("country")),
            cue(all.contains("many") || all.contains("much") || all.contains("number")),
            min(1, Float(keys.count) / 5), min(1, Float(words.count) / 40),
        ]
    }
}
