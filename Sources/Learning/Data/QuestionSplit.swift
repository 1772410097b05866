// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath

/// Divides questions into those to learn from and those to judge by.
public enum QuestionSplit {
    /// Holds back about a share of the questions. Questions that rest on a common gold passage stay together: a policy that
    /// learned where a passage is would else be judged by finding it again.
    ///
    /// - Parameters:
    ///   - share: How many are held back. Default: a fifth.
    ///   - seed: Draws which.
    /// - Returns: Both parts, each in the order of the questions.
    public static func divide(
        _ questions: [LearningQuestion], share: Double = 0.2, seed: UInt64 = 1
    ) -> (train: [LearningQuestion], held: [LearningQuestion]) {
        var parents = Array(questions.indices)
        func root(_ index: Int) -> Int {
            var index = index
            while parents[index] != index {
                parents[index] = parents[parents[index]]
                index = parents[index]
            }
            return index
        }
        var owners: [String: Int] = [:]
        for (index, question) in questions.enumerated() {
            for passage in question.gold {
                if let owner = owners[passage] {
                    parents[root(index)] = root(owner)
                } else {
                    owners[passage] = index
                }
            }
        }
        var groups: [Int: [Int]] = [:]
        for index in questions.indices { groups[root(index), default: []].append(index) }
        var order = groups.keys.sorted()
        var generator = SplitMix64(seed: seed, stream: 0x5B117)
        generator.shuffle(&order)
        // One group of all questions cannot be divided by passage: then by question.
        let wanted = Int((Double(questions.count) * share).rounded())
        var held: Set<Int> = []
        for group in order where held.count < wanted {
            let members = groups[group] ?? []
            if held.count + members.count <= wanted + wanted / 4 { held.formUnion(members) }
        }
        if held.isEmpty, questions.count > 1 {
            var all = Array(questions.indices)
            generator.shuffle(&all)
            held = Set(all.prefix(max(1, wanted)))
        }
        return (
            questions.indices.filter { !held.contains($0) }.map { questions[$0] },
            questions.indices.filter { held.contains($0) }.map { questions[$0] }
        )
    }
}
