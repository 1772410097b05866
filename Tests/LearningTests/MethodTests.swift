// SPDX-License-Identifier: Apache-2.0

import Base
import TensorMath
import Testing

@testable import Learning

@Suite struct MethodTests {
    private func episode(_ rewards: [Float], values: [Float]? = nil) -> EpisodeReturn {
        EpisodeReturn(rewards: rewards, values: values ?? [Float](repeating: 0, count: rewards.count))
    }

    private func advantages(_ credits: [[[StepCredit]]]) -> [[[Float]]] {
        credits.map { $0.map { $0.map(\.advantage) } }
    }

    @Test func leaveOneOutComparesWithTheOthers() {
        let groups = [[episode([0, 1]), episode([0, 0]), episode([3])]]
        // Totals 1, 0, 3: less the means of the others, 1.5, 2, 0.5.
        #expect(advantages(LeaveOneOut().credits(for: groups)) == [[[-0.5, -0.5], [-2, -2], [2.5]]])
        // The closed form: G / (G - 1) times the distance from the group's mean.
        let totals: [Float] = [1, 0, 3]
        let mean = totals.reduce(0, +) / 3
        for (total, advantage) in zip(totals, [-0.5, -2, 2.5] as [Float]) {
            #expect(abs(1.5 * (total - mean) - advantage) < 1e-6)
        }
        #expect(advantages(LeaveOneOut().credits(for: [[episode([5])]])) == [[[0]]])
        #expect(LeaveOneOut().credits(for: []).isEmpty)
    }

    @Test func groupRelativeIsInStandardDeviations() {
        let credits = advantages(
            GroupRelative().credits(for: [[episode([1]), episode([3])], [episode([2]), episode([2])]]))
        #expect(abs(credits[0][0][0] + 1) < 1e-4 && abs(credits[0][1][0] - 1) < 1e-4)
        #expect(credits[1] == [[0], [0]])
    }

    @Test func reinforceSubtractsTheMeanAtEachStep() {
        let credits = Reinforce().credits(for: [[episode([1, 1])], [episode([0, 3]), episode([1])]])
        // To go: (2, 1), (3, 3), (1): means 2 and 2.
        #expect(advantages(credits) == [[[0, -1]], [[1, 1], [-1]]])
        #expect(credits[1][0].map(\.valueTarget) == [3, 3])
    }

    @Test func advantageEstimationEqualsItsSum() {
        var method = ProximalPolicy()
        method.gamma = 0.9
        method.lambda = 0.8
        let rewards: [Float] = [1, 0, 2]
        let values: [Float] = [0.5, 1, 0.2]
        let estimates = method.estimate(episode(rewards, values: values))
        for step in 0..<3 {
            var expected: Float = 0
            var factor: Float = 1
            for later in step..<3 {
                let next = later + 1 < 3 ? values[later + 1] : 0
                expected += factor * (rewards[later] + 0.9 * next - values[later])
                factor *= 0.9 * 0.8
            }
            #expect(abs(estimates[step].advantage - expected) < 1e-5)
            #expect(abs(estimates[step].valueTarget - expected - values[step]) < 1e-5)
        }
        let normal = advantages(method.credits(for: [[episode(rewards, values: values), episode([0, 1])]])).joined()
            .joined()
        #expect(abs(normal.reduce(0, +)) < 1e-4)
        // λ = 1 and γ = 1 leave the rewards to go less the value.
        method.lambda = 1
        method.gamma = 1
        #expect(
            method.estimate(episode(rewards, values: values)).map(\.advantage).elementsEqual([2.5, 1, 1.8]) {
                abs($0 - $1) < 1e-5
            })
    }

    @Test func clippingStopsTheGradientWhereTheRatioWentFar() {
        let tape = Tape()
        let now = tape.variable(Matrix(column: [0.5, -0.5, 0.05, 0.5]))
        let values = tape.variable(Matrix(column: [0, 0, 0, 0]))
        let credits = [1, -1, 1, -1].map { StepCredit(advantage: $0, valueTarget: 0) }
        let terms = PolicyTerms(
            logProbabilities: now, behaviour: [0, 0, 0, 0], values: values, oldValues: [0, 0, 0, 0], credits: credits)
        let gradient = tape.gradients(of: clippedLoss(terms, clip: 0.2), for: [now])[0].elements
        // Gone far in the wanted direction: no more. Near, or far in the unwanted direction: full gradient.
        #expect(gradient[0] == 0 && gradient[1] == 0)
        #expect(gradient[2] < 0 && gradient[3] > 0)
        #expect(terms.ratios.value.elements.map { ($0 * 1000).rounded() } == [1649, 607, 1051, 1649])
    }

    @Test func everyMethodIsRegisteredUnderItsName() {
        #expect(PolicyGradientMethods.all.keys.sorted() == ["grpo", "ppo", "reinforce", "rloo"])
        for (name, method) in PolicyGradientMethods.all { #expect(method.name == name && method.init().passes >= 1) }
        for (name, network) in PolicyNetworks.all { #expect(network.architecture == name) }
        for (name, term) in RewardTerms.all { #expect(type(of: term).name == name) }
    }

    @Test func curriculumLetsInHopsOneByOne() {
        let questions = (0..<30).map { LearningQuestion(id: "\($0)", text: "", hops: 2 + $0 % 3) }
        var generator = SplitMix64(seed: 1)
        func hops(_ progress: Float) -> Set<Int> {
            Set(
                Curriculum.hops.choose(30, of: questions, progress: progress, using: &generator).map {
                    questions[$0].hops
                })
        }
        #expect(hops(0) == [2] && hops(0.11) == [2, 3] && hops(0.21) == [2, 3, 4] && hops(0.9) == [2, 3, 4])
        let drawn = Curriculum.none.choose(10, of: questions, progress: 0, using: &generator)
        #expect(Set(drawn).count == 10)
    }

    @Test func alarmsNameWhatWentWrong() {
        var record = IterationRecord()
        record.episodes = 10
        record.kept = 3
        record.entropy = 1
        record.gradientNorm = 1
        var parameters = ParameterSet()
        parameters.add("w", Matrix(row: [1]))
        let alarms = CollapseAlarms()
        #expect(alarms.check(record, parameters: parameters, flatStreak: 1) == nil)
        record.entropy = 0.001
        #expect(alarms.check(record, parameters: parameters, flatStreak: 1) == .entropy(0.001))
        record.entropy = 1
        record.divergence = 9
        #expect(alarms.check(record, parameters: parameters, flatStreak: 1) == .divergence(9))
        record.divergence = 0
        record.flatGroups = 1
        #expect(alarms.check(record, parameters: parameters, flatStreak: 10) == nil)
        #expect(alarms.check(record, parameters: parameters, flatStreak: 11) == .flatGroups(1))
        record.flatGroups = 0
        record.kept = 0.1
        #expect(alarms.check(record, parameters: parameters, flatStreak: 1) == .nothingKept(0.1))
        parameters.values[0].elements[0] = .nan
        #expect(alarms.check(record, parameters: parameters, flatStreak: 1) == .notFinite)
    }
}
