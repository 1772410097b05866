// SPDX-License-Identifier: Apache-2.0

import Foundation
import Text

/// Which passages are about another thing of the same kind: a question about `FT-315` is not answered by what stands of `FT-328`.
struct CodeMatch {
    /// For each passage, whether it names codes like the question's and none of the question's own.
    private(set) var isOther: [Bool]
    /// Whether the passages name codes of the question's kinds, and none of the question's own: what is asked about is none of
    /// those that are there.
    private(set) var lacksAll: Bool

    init(asked: [String], texts: [String]) {
        guard !asked.isEmpty else {
            isOther = Array(repeating: false, count: texts.count)
            lacksAll = false
            return
        }
        let families = Set(asked.map(IdentifierCodes.family))
        var hasOwn: [Bool] = []
        isOther = []
        for text in texts {
            let codes = IdentifierCodes.all(in: text, spaced: true)
            let own = codes.contains { asked.contains($0) }
            hasOwn.append(own)
            isOther.append(!own && codes.contains { families.contains(IdentifierCodes.family(of: $0)) })
        }
        lacksAll = !hasOwn.contains(true) && isOther.contains(true)
    }
}

/// The two sides of a question with "or": "Which takes longer, the goulash or the lamb tagine?"
struct AnswerOptions {
    private let sides: [String]

    /// The most words of the left side, where no comma says where it begins.
    private static let reach = 6

    init(_ question: String) {
        let lower = question.lowercased()
        guard let range = lower.range(of: " or ", options: .backwards) else {
            sides = []
            return
        }
        let left = lower[..<range.lowerBound].split(whereSeparator: { ",:;".contains($0) }).last ?? ""
        let right = lower[range.upperBound...].prefix { !"?,;".contains($0) }
        let words = left.split(whereSeparator: \.isWhitespace).suffix(Self.reach).joined(separator: " ")
        sides = [words, String(right)].map { " " + TitleNormalizer.key(for: $0) + " " }
    }

    /// Whether an answer's normal form stands in one of the sides.
    func holds(_ key: String) -> Bool { !key.isEmpty && sides.contains { $0.contains(" \(key) ") } }
}
