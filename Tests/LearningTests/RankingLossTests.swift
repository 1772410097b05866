// SPDX-License-Identifier: Apache-2.0

import Base
import Datasets
import Foundation
import TensorMath
import Testing

@testable import Learning

@Suite struct RankingLossTests {
    private func value(_ loss: RankingLoss, _ scores: [Float], _ lists: [RankingLoss.List]) -> (Float, [Float]) {
        let tape = Tape()
        let column = tape.variable(Matrix(column: scores))
        let value = loss.value(column, lists)
        return (value.scalar, tape.gradients(of: value, for: [column])[0].elements)
    }

    @Test func infoNCEIsTheNegativeLogOfTheSoftmax() {
        let list = RankingLoss.List(range: 0..<3, relevant: [1])
        let expected = -log(exp(Float(2)) / (exp(Float(1)) + exp(Float(2)) + exp(Float(-1))))
        #expect(abs(value(.infoNCE, [1, 2, -1], [list]).0 - expected) < 1e-5)
        // It does not change when every score of a question moves by the same.
        #expect(abs(value(.infoNCE, [4, 5, 2], [list]).0 - expected) < 1e-5)
        // Another relevant passage is no rival.
        let two = RankingLoss.List(range: 0..<3, relevant: [0, 1])
        let each = [Float(1), 2].map { -log(exp($0) / (exp($0) + exp(Float(-1)))) }
        #expect(abs(value(.infoNCE, [1, 2, -1], [two]).0 - (each[0] + each[1]) / 2) < 1e-5)
    }

    @Test func rankNetOfOnePairIsTheLogisticLoss() {
        let list = RankingLoss.List(range: 0..<2, relevant: [0])
        #expect(abs(value(.rankNet, [0.5, 2], [list]).0 - log(1 + exp(Float(1.5)))) < 1e-5)
        // With one rival it is the same as the contrastive loss.
        #expect(abs(value(.rankNet, [0.5, 2], [list]).0 - value(.infoNCE, [0.5, 2], [list]).0) < 1e-5)
    }

    @Test func marginsOfTheTeacherLeaveNothingToLearn() {
        let list = RankingLoss.List(range: 0..<3, relevant: [0], teacher: [3, 1, 0])
        // The same margins at another height.
        let (loss, gradient) = value(.marginMSE, [13, 11, 10], [list])
        #expect(loss < 1e-6 && gradient.allSatisfy { abs($0) < 1e-5 })
        #expect(abs(value(.marginMSE, [0, 0, 0], [list]).0 - (4 + 9) / 2) < 1e-5)
    }

    @Test func theDivergenceIsZeroForTheTeachersDistributionOnly() {
        let list = RankingLoss.List(range: 0..<3, relevant: [], teacher: [2, 0, -1])
        #expect(abs(value(.listKL, [5, 3, 2], [list]).0) < 1e-6)
        #expect(value(.listKL, [0, 0, 0], [list]).0 > 0.1)
        #expect(value(.listKL, [5, 3, 2], [list]).1.allSatisfy { abs($0) < 1e-5 })
    }

    @Test func oneRelevantPassageMakesTheDisjointLossInfoNCE() {
        let one = RankingLoss.List(range: 0..<3, relevant: [1])
        #expect(abs(value(.disjoint, [1, 2, -1], [one]).0 - value(.infoNCE, [1, 2, -1], [one]).0) < 1e-5)
        // A weak one among several relevant passages is forgiven.
        let two = RankingLoss.List(range: 0..<3, relevant: [1, 2])
        #expect(value(.disjoint, [0, 5, -5], [two]).0 < 0.02 && value(.infoNCE, [0, 5, -5], [two]).0 > 2)
    }

    @Test func onlyTheMannWhitneyLossComparesQuestions() {
        let lists = [
            RankingLoss.List(range: 0..<2, relevant: [0]), RankingLoss.List(range: 2..<4, relevant: [0]),
        ]
        let (level, raised): ([Float], [Float]) = ([2, 0, 2, 0], [2, 0, 7, 5])
        #expect(abs(value(.infoNCE, level, lists).0 - value(.infoNCE, raised, lists).0) < 1e-5)
        #expect(value(.mannWhitney, raised, lists).0 > value(.mannWhitney, level, lists).0 + 0.5)
        // Divided by log 2 it is at least the share of pairs in the wrong order: here one of four.
        #expect(value(.mannWhitney, raised, lists).0 / log(2) >= 0.25)
    }

    @Test func swapsHighUpWeighMost() {
        // The pairs of the gold passage with the ranks 1 and 5 are 1/2 and 1/2 - 1/5 apart.
        let list = RankingLoss.List(range: 0..<5, relevant: [1])
        let scores: [Float] = [4, 3, 2, 1, 0]
        let expected = zip([Float(1), -1, -2, -3], [Float(0.5), 1 / 6, 0.25, 0.3]).reduce(Float(0)) {
            $0 + log(1 + exp($1.0)) * $1.1
        }
        #expect(abs(value(.lambda, scores, [list]).0 - expected) < 1e-5)
    }

    @Test func plackettLuceIsTheProbabilityOfTheOrder() {
        let list = RankingLoss.List(range: 0..<3, relevant: [], teacher: [0, 2, 1])
        let weights = [Float(0.5), 1, -1].map { exp($0) }
        let first = weights[1] / weights.reduce(0, +), second = weights[2] / (weights[0] + weights[2])
        #expect(abs(value(.plackettLuce, [0.5, 1, -1], [list]).0 + log(first * second)) < 1e-5)
    }

    @Test func theTeachersScoresAreWhatIsRegressedTo() {
        let list = RankingLoss.List(range: 0..<3, relevant: [], teacher: [0, 2, 1])
        #expect(value(.meanSquared, [0, 2, 1], [list]).0 == 0)
        #expect(abs(value(.meanSquared, [1, 2, 1], [list]).0 - 1.0 / 3) < 1e-6)
    }

    /// What the passages say of the answers, and the scores they have: p(z) P(answer | z) summed.
    @Test func theMarginalIsTheLikelihoodOfTheAnswer() throws {
        let likelihoods: [Float] = [0.7, 0.1, 0.05].map { log($0) }
        let list = RankingLoss.List(range: 0..<3, relevant: [], teacher: likelihoods)
        let scores: [Float] = [0.2, 1.4, -0.3]
        let total = scores.map { exp($0) }.reduce(0, +)
        let expected = -log(zip(scores, likelihoods).reduce(Float(0)) { $0 + exp($1.0) / total * exp($1.1) })
        let (marginal, gradient) = value(.marginal, scores, [list])
        #expect(abs(marginal - expected) < 1e-5)
        // The first step of expectation and maximisation goes where the marginal's gradient goes: Fisher's identity.
        let (_, expectation) = value(.expectationMaximisation, scores, [list])
        for (own, other) in zip(gradient, expectation) { #expect(abs(own - other) < 1e-5) }
        // Rényi's bounds: order 0 is the marginal, order 1 the evidence lower bound, and the order between lies between.
        func bound(_ order: Float) throws -> Float {
            let tape = Tape()
            return try #require(RankingLoss.renyi(tape.variable(Matrix(column: scores)), list, order: order)).scalar
        }
        let evidence = -zip(scores, likelihoods).reduce(Float(0)) { $0 + exp($1.0) / total * $1.1 }
        #expect(try abs(bound(0) - marginal) < 1e-5)
        #expect(try abs(bound(1) - evidence) < 1e-5)
        let half = value(.variational, scores, [list]).0
        #expect(marginal < half && half < evidence)
        #expect(try abs(bound(0.5) - half) < 1e-6)
    }

    private func lists(_ teachers: [[Float]]) -> [RankingLoss.List] {
        var first = 0
        return teachers.map { teacher in
            defer { first += teacher.count }
            return RankingLoss.List(range: first..<(first + teacher.count), relevant: [0], teacher: teacher)
        }
    }

    @Test func theWassersteinDistanceIsThatOfTwoGaussians() {
        let teachers: [[Float]] = [[3, 1, 0], [2, 2, -1], [0.5, 0, 1], [4, 0, 0]]
        // None from itself, at any height of a question's scores.
        let same = teachers.enumerated().flatMap { row, teacher in teacher.map { $0 + Float(row) } }
        #expect(abs(value(.wasserstein, same, lists(teachers)).0) < 1e-5)
        let scores: [Float] = [0, 1, 0.5, 2, -1, 0.3, 0.1, 0.2, 0.9, -0.5, 1, 1]
        let distance = value(.wasserstein, scores, lists(teachers)).0
        #expect(distance > 0.01)
        // Which question is which does not matter: they are samples.
        let turned = Array(scores[3...] + scores[..<3])
        #expect(abs(value(.wasserstein, turned, lists(teachers)).0 - distance) < 1e-5)
        // Two passages: one number a list, so that the distance is that of two normal distributions, twice.
        let pairs: [[Float]] = [[2, 0], [1, 0.5], [0, 0.3]]
        let own: [Float] = [0.2, 0, 1.5, 0, -1, 0]
        func moments(_ values: [Float]) -> (mean: Float, deviation: Float) {
            let mean = values.reduce(0, +) / 3
            return (mean, (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 2).squareRoot())
        }
        let (p, t) = (
            moments([0.2, 1.5, -1].map { 1 / (1 + exp(-$0)) }), moments([2, 0.5, -0.3].map { 1 / (1 + exp(-$0)) })
        )
        let expected = 2 * (pow(p.mean - t.mean, 2) + pow(p.deviation - t.deviation, 2))
        #expect(abs(value(.wasserstein, own, lists(pairs)).0 - expected) < 1e-5)
    }

    @Test func theWassersteinGradientEqualsFiniteDifferences() {
        let teachers: [[Float]] = [[3, 1, 0], [2, 2, -1], [0.5, 0, 1], [4, 0, 0], [1, 2]]
        let scores: [Float] = [0, 1, 0.5, 2, -1, 0.3, 0.1, 0.2, 0.9, -0.5, 1, 1, 0.4, 0.1]
        let gradient = value(.wasserstein, scores, lists(teachers)).1
        for index in scores.indices {
            var (up, down) = (scores, scores)
            up[index] += 1e-2
            down[index] -= 1e-2
            let numeric =
                (value(.wasserstein, up, lists(teachers)).0 - value(.wasserstein, down, lists(teachers)).0) / 2e-2
            #expect(abs(numeric - gradient[index]) < 1e-3)
        }
    }

    @Test(arguments: RankingLoss.all.filter { !["em", "variational"].contains($0.name) }.map(\.name))
    func gradientsEqualFiniteDifferences(_ name: String) throws {
        let loss = try #require(RankingLoss.named(name))
        let scores: [Float] = [0.3, -0.6, 1.1, 0.2, 0.9, -0.4, 0.5]
        let lists = [
            RankingLoss.List(range: 0..<4, relevant: [2, 0], teacher: [1, 0, 0.5, -1]),
            RankingLoss.List(range: 4..<7, relevant: [1], teacher: [0.2, 0.9, -0.3]),
        ]
        let gradient = value(loss, scores, lists).1
        for index in scores.indices {
            var (up, down) = (scores, scores)
            up[index] += 1e-2
            down[index] -= 1e-2
            let numeric = (value(loss, up, lists).0 - value(loss, down, lists).0) / 2e-2
            #expect(abs(numeric - gradient[index]) < 2e-3)
        }
    }

    @Test func listsWithoutALessonCostNothing() {
        for loss in RankingLoss.all {
            let list = RankingLoss.List(range: 0..<2, relevant: [])
            let (value, gradient) = value(loss, [1, 2], [list])
            #expect(value == 0 && gradient == [0, 0], "\(loss.name)")
        }
        #expect(RankingLoss.named("none") == nil)
    }
}
