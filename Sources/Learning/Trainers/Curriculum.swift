// SPDX-License-Identifier: Apache-2.0

public import Base
import TensorMath

/// Which questions come when.
public enum Curriculum: String, Sendable, Hashable, CaseIterable {
    /// All questions, in random order.
    case none
    /// Questions of few hops first; each fifth of the first half of the run lets in more hops.
    case hops

    /// Draws questions without repeats.
    ///
    /// - Parameter progress: How much of the run is over, 0 to 1.
    /// - Returns: Indices into `questions`, at most `count`.
    public func choose(
        _ count: Int, of questions: [LearningQuestion], progress: Float, using generator: inout SplitMix64
    ) -> [Int] {
        var eligible = Array(questions.indices)
        if self == .hops, let fewest = questions.map(\.hops).min() {
            let limit = fewest + Int(progress * 10)
            eligible = eligible.filter { questions[$0].hops <= limit || progress >= 0.5 }
        }
        generator.shuffle(&eligible)
        return Array(eligible.prefix(count))
    }
}
