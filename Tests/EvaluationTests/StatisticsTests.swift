// SPDX-License-Identifier: Apache-2.0

import Base
import Evaluation
import Foundation
import TensorMath
import Testing

@Suite struct StatisticsTests {
    @Test func intervalCoversTheMeanAboutAsOftenAsItSays() {
        var random = SplitMix64(seed: 2)
        var covered = 0
        for trial in 0..<200 {
            let values = (0..<60).map { _ in random.uniform() < 0.3 ? 1.0 : 0.0 }
            let interval = Bootstrap.mean(values, resamples: 500, seed: UInt64(trial))
            if interval.lower <= 0.3, 0.3 <= interval.upper { covered += 1 }
        }
        #expect((175...199).contains(covered), "\(covered) of 200 95% intervals hold the true mean")
    }

    @Test func degenerateInputs() {
        #expect(Bootstrap.mean([]).count == 0)
        let one = Bootstrap.mean([0.5])
        #expect(one.lower == 0.5 && one.upper == 0.5)
        let same = PairedComparison(a: [1, 0, 1], b: [1, 0, 1])
        #expect(same.pValue == 1 && same.pWorse == 1 && same.difference.mean == 0)
    }

    /// A right-or-wrong answer correlated between two runs, as two systems on the same questions are.
    private func pair(_ count: Int, shiftB: Double, _ random: inout SplitMix64) -> ([Double], [Double]) {
        var a: [Double] = []
        var b: [Double] = []
        for _ in 0..<count {
            let easiness = random.uniform()
            a.append(random.uniform() < easiness ? 1 : 0)
            b.append(random.uniform() < easiness - shiftB ? 1 : 0)
        }
        return (a, b)
    }

    @Test func falseAlarmsStayAtTheLevelOver200NullComparisons() {
        var random = SplitMix64(seed: 77)
        var bootstrapAlarms = 0
        var mcNemarAlarms = 0
        for trial in 0..<200 {
            let (a, b) = pair(100, shiftB: 0, &random)
            if PairedComparison(a: a, b: b, resamples: 1000, seed: UInt64(trial)).pWorse < 0.05 { bootstrapAlarms += 1 }
            if McNemarTest(a: a.map { $0 == 1 }, b: b.map { $0 == 1 }).pWorse < 0.05 { mcNemarAlarms += 1 }
        }
        // 5% of 200 is 10; the chance of more than 18 at the level is below 1%.
        #expect(bootstrapAlarms <= 18, "\(bootstrapAlarms) of 200")
        #expect(mcNemarAlarms <= 18, "\(mcNemarAlarms) of 200")
    }

    @Test func aPlantedRegressionIsCaught() {
        var random = SplitMix64(seed: 78)
        var caught = 0
        for trial in 0..<40 {
            let (a, b) = pair(300, shiftB: 0.15, &random)
            if PairedComparison(a: a, b: b, resamples: 1000, seed: UInt64(trial)).pWorse < 0.05 { caught += 1 }
        }
        #expect(caught >= 36, "\(caught) of 40")
    }

    @Test func mcNemarIsExact() {
        // 8 against 1: two-sided 2 (C(9,0) + C(9,1)) / 2^9.
        let a = [Bool](repeating: true, count: 8) + [false]
        let test = McNemarTest(a: a, b: a.map { !$0 })
        #expect(abs(test.pValue - 20.0 / 512) < 1e-12)
        #expect(abs(test.pWorse - 10.0 / 512) < 1e-12)
        #expect(McNemarTest(a: [true], b: [true]).pValue == 1)
    }

    @Test func holmKeepsTheOrderAndNeverShrinks() {
        let adjusted = holmAdjusted([0.01, 0.04, 0.03])
        #expect(adjusted == [0.03, 0.06, 0.06])
    }

    @Test(arguments: [
        (true, ["g"], ["g"], ["g"], Blame.none), (true, [], [], [], .rightWithoutEvidence),
        (false, ["x"], ["x"], [], .notRetrieved), (false, ["g", "x"], ["x"], [], .notKept),
        (false, ["g"], ["g"], ["x"], .notCited), (false, ["g"], ["g"], ["g"], .reader),
    ]) func blameNamesTheFirstStageThatLostTheGold(
        right: Bool, retrieved: [String], kept: [String], cited: [String], expected: Blame
    ) {
        let blame = Blame(
            isRight: right, gold: ["g"], retrieved: Set(retrieved), kept: Set(kept), cited: Set(cited))
        #expect(blame == expected)
    }
}
