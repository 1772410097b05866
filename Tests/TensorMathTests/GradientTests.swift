// SPDX-License-Identifier: Apache-2.0

import Base
import Testing

@testable import TensorMath

/// One operation with the sizes of its inputs, for comparison of its gradients with finite differences.
struct GradientCase: CustomTestStringConvertible, Sendable {
    var name: String
    var shapes: [(Int, Int)]
    /// Moves the random inputs to where the operation is smooth (off its kinks, into its domain).
    var place: @Sendable (Float) -> Float = { $0 }
    var apply: @Sendable ([Variable]) -> Variable

    var testDescription: String { name }
}

private func positive(_ x: Float) -> Float { abs(x) + 0.3 }
/// Keeps a distance of 0.2 from zero and from ±1, where relu, clamp and Huber have kinks.
private func offKinks(_ x: Float) -> Float {
    let y = x < 0 ? x - 0.2 : x + 0.2
    return abs(abs(y) - 1) < 0.1 ? y * 1.3 : y
}

private let cases: [GradientCase] = [
    GradientCase(name: "add", shapes: [(3, 4), (3, 4)]) { $0[0] + $0[1] },
    GradientCase(name: "subtract", shapes: [(3, 4), (3, 4)]) { $0[0] - $0[1] },
    GradientCase(name: "multiply", shapes: [(3, 4), (3, 4)]) { $0[0] * $0[1] },
    GradientCase(name: "multiply by itself", shapes: [(3, 4)]) { $0[0] * $0[0] },
    GradientCase(name: "scale and shift", shapes: [(3, 4)]) { -($0[0] * 2.5 + 1) },
    GradientCase(name: "minimum", shapes: [(3, 4), (3, 4)]) { ($0[0] * 3).minimum($0[1]) },
    GradientCase(name: "maximum", shapes: [(3, 4), (3, 4)]) { ($0[0] * 3).maximum($0[1]) },
    GradientCase(name: "clamp", shapes: [(3, 4)], place: offKinks) { $0[0].clamped(to: -1...1) },
    GradientCase(name: "relu", shapes: [(3, 4)], place: offKinks) { $0[0].relu() },
    GradientCase(name: "gelu", shapes: [(3, 4)]) { $0[0].gelu() },
    GradientCase(name: "tanh", shapes: [(3, 4)]) { $0[0].tanh() },
    GradientCase(name: "sigmoid", shapes: [(3, 4)]) { $0[0].sigmoid() },
    GradientCase(name: "exp", shapes: [(3, 4)]) { $0[0].exp() },
    GradientCase(name: "log", shapes: [(3, 4)], place: positive) { $0[0].log() },
    GradientCase(name: "squared", shapes: [(3, 4)]) { $0[0].squared() },
    GradientCase(name: "softplus", shapes: [(3, 4)]) { $0[0].softplus() },
    GradientCase(name: "huber", shapes: [(3, 4)], place: offKinks) { $0[0].huber() },
    GradientCase(name: "dropout", shapes: [(3, 4)]) {
        var generator = SplitMix64(seed: 4)
        return $0[0].dropout(rate: 0.4, using: &generator)
    },
    GradientCase(name: "product", shapes: [(3, 4), (4, 5)]) { $0[0].times($0[1]) },
    GradientCase(name: "product, left transposed", shapes: [(4, 3), (4, 5)]) {
        $0[0].times($0[1], transposingSelf: true)
    },
    GradientCase(name: "product, right transposed", shapes: [(3, 4), (5, 4)]) {
        $0[0].times($0[1], transposingOther: true)
    },
    GradientCase(name: "product, both transposed", shapes: [(4, 3), (5, 4)]) {
        $0[0].times($0[1], transposingSelf: true, transposingOther: true)
    },
    GradientCase(name: "transpose", shapes: [(3, 4)]) { $0[0].transposed() },
    GradientCase(name: "linear", shapes: [(3, 4), (4, 2), (1, 2)]) { $0[0].linear($0[1], $0[2]) },
    GradientCase(name: "row scaling", shapes: [(3, 4), (3, 1)]) { $0[0].scaling(rowsBy: $0[1]) },
    GradientCase(name: "row dots", shapes: [(3, 4), (3, 4)]) { $0[0].rowDots($0[1]) },
    GradientCase(name: "layer norm", shapes: [(3, 5), (1, 5), (1, 5)]) { $0[0].layerNorm(scale: $0[1], shift: $0[2]) },
    GradientCase(name: "sum", shapes: [(3, 4)]) { $0[0].sum() },
    GradientCase(name: "mean", shapes: [(3, 4)]) { $0[0].mean() },
    GradientCase(name: "row sums", shapes: [(3, 4)]) { $0[0].rowSums() },
    GradientCase(name: "segment sums", shapes: [(5, 2)]) { $0[0].segmentSums(offsets: [0, 2, 2, 5]) },
    GradientCase(name: "segment means", shapes: [(5, 2)]) { $0[0].segmentMeans(offsets: [0, 2, 2, 5]) },
    GradientCase(name: "gather rows", shapes: [(4, 3)]) { $0[0].rows(at: [2, 0, 2, 3, 2]) },
    GradientCase(name: "slice columns", shapes: [(3, 5)]) { $0[0].columns(in: 1..<4) },
    GradientCase(name: "pick columns", shapes: [(3, 5)]) { $0[0].picking(columns: [4, 0, 2]) },
    GradientCase(name: "pick elements", shapes: [(3, 5)]) { $0[0].elements(at: [14, 3, 3]) },
    GradientCase(name: "join columns", shapes: [(3, 2), (3, 1), (3, 4)]) { .joinedColumns($0) },
    GradientCase(name: "join rows", shapes: [(2, 3), (1, 3), (4, 3)]) { .joinedRows($0) },
    GradientCase(name: "softmax", shapes: [(3, 4)]) { $0[0].softmax() },
    GradientCase(name: "log softmax", shapes: [(3, 4)]) { $0[0].logSoftmax() },
    GradientCase(name: "segmented softmax", shapes: [(7, 1)]) { $0[0].segmentedSoftmax(offsets: [0, 3, 3, 7]) },
    GradientCase(name: "segmented log softmax", shapes: [(7, 1)]) { $0[0].segmentedLogSoftmax(offsets: [0, 3, 3, 7]) },
    GradientCase(name: "segmented entropy", shapes: [(7, 1)]) {
        $0[0].segmentedLogSoftmax(offsets: [0, 3, 7]).segmentedEntropy(offsets: [0, 3, 7])
    },
    GradientCase(name: "cross-entropy", shapes: [(3, 4)]) { $0[0].crossEntropy(classes: [0, 3, 1]) },
    GradientCase(name: "segmented cross-entropy", shapes: [(7, 1)]) {
        $0[0].segmentedCrossEntropy(targets: [1, 2, 6], offsets: [0, 3, 7])
    },
    GradientCase(name: "binary cross-entropy", shapes: [(2, 2)]) {
        $0[0].binaryCrossEntropy(
            targets: Matrix(stacking: [[0, 1], [0.3, 1]]), weights: Matrix(stacking: [[1, 2], [0.5, 0]]))
    },
    GradientCase(name: "squared error", shapes: [(2, 2)]) {
        $0[0].meanSquaredError(Matrix(stacking: [[0, 1], [2, 3]]))
    },
    GradientCase(name: "attention", shapes: [(3, 4), (5, 4), (5, 6)]) {
        $0[0].attention(keys: $0[1], values: $0[2], heads: 2)
    },
    GradientCase(name: "segmented attention", shapes: [(3, 4), (5, 4), (5, 2)]) {
        $0[0].attention(keys: $0[1], values: $0[2], queryOffsets: [0, 1, 2, 3], keyOffsets: [0, 3, 3, 5])
    },
    GradientCase(name: "self-attention", shapes: [(4, 4)]) { $0[0].attention(keys: $0[0], values: $0[0]) },
    GradientCase(name: "gated recurrent unit", shapes: [(2, 3), (2, 4), (4, 9), (3, 9), (1, 9)]) {
        $0[0].gru(input: $0[1], inputWeight: $0[2], stateWeight: $0[3], bias: $0[4])
    },
    GradientCase(name: "a variable used twice", shapes: [(3, 3)]) { ($0[0].times($0[0]) + $0[0]).tanh() },
]

@Suite struct GradientTests {
    /// The loss of an operation: its result weighted with fixed random numbers, so that every element counts differently.
    private func loss(_ test: GradientCase, _ inputs: [Matrix]) -> (loss: Variable, variables: [Variable], tape: Tape) {
        let tape = Tape()
        let variables = inputs.map { tape.variable($0) }
        let result = test.apply(variables)
        var generator = SplitMix64(seed: 77)
        let weights = Matrix(rows: result.rows, columns: result.columns, deviation: 1, using: &generator)
        return ((result * tape.constant(weights)).sum(), variables, tape)
    }

    @Test(arguments: cases) func gradientsEqualFiniteDifferences(_ test: GradientCase) {
        var generator = SplitMix64(seed: 12)
        let inputs = test.shapes.map { shape in
            var matrix = Matrix(rows: shape.0, columns: shape.1, deviation: 0.8, using: &generator)
            matrix.elements = matrix.elements.map(test.place)
            return matrix
        }
        let (value, variables, tape) = loss(test, inputs)
        let gradients = tape.gradients(of: value, for: variables)
        let step: Float = 1e-2
        for (index, input) in inputs.enumerated() {
            for element in input.elements.indices {
                var shifted = inputs
                shifted[index].elements[element] = input.elements[element] + step
                let above = loss(test, shifted).loss.scalar
                shifted[index].elements[element] = input.elements[element] - step
                let below = loss(test, shifted).loss.scalar
                let numeric = (above - below) / (2 * step)
                let exact = gradients[index].elements[element]
                #expect(
                    abs(numeric - exact) <= 4e-3 * max(1, abs(exact), abs(value.scalar)),
                    "input \(index), element \(element): \(exact) on the tape, \(numeric) by differences")
            }
        }
    }

    @Test func theGradientsAreNotAllZero() {
        var generator = SplitMix64(seed: 12)
        for test in cases {
            let inputs = test.shapes.map { shape in
                var matrix = Matrix(rows: shape.0, columns: shape.1, deviation: 0.8, using: &generator)
                matrix.elements = matrix.elements.map(test.place)
                return matrix
            }
            let (value, variables, tape) = loss(test, inputs)
            #expect(GradientNorm.norm(tape.gradients(of: value, for: variables)) > 1e-4, "\(test.name)")
        }
    }

    @Test func detachedValuesAndConstantsHaveNoGradient() {
        let tape = Tape()
        let x = tape.variable(Matrix(row: [1, 2]))
        let c = tape.constant(Matrix(row: [3, 4]))
        let gradients = tape.gradients(of: (x * c + x.detached * x).sum(), for: [x, c])
        #expect(gradients[0].elements == [4, 6])
        #expect(gradients[1].elements == [0, 0])
    }

    @Test func softmaxOfHugeNumbersStaysFinite() {
        let tape = Tape()
        let x = tape.variable(Matrix(row: [1000, 999, -1000]))
        #expect(x.softmax().value.isFinite && x.logSoftmax().value.isFinite)
        #expect(abs(x.softmax().value.elements.reduce(0, +) - 1) < 1e-6)
    }
}

@Suite struct OptimizerTests {
    /// Trains a small network on exclusive-or, which no linear map solves.
    private func train(seed: UInt64, steps: Int, from checkpoint: SafetensorsFile? = nil, start: Int = 0) throws -> (
        ParameterSet, Adam, Float
    ) {
        var generator = SplitMix64(seed: seed)
        var parameters = ParameterSet()
        parameters.addLinear("hidden", inputs: 2, outputs: 8, gain: 2, using: &generator)
        parameters.addLinear("output", inputs: 8, outputs: 1, using: &generator)
        var adam = Adam(for: parameters, weightDecay: 1e-4)
        if let checkpoint {
            parameters = try parameters.loaded(from: checkpoint)
            adam = try adam.loaded(from: checkpoint, names: parameters.names)
        }
        var last: Float = 0
        for step in start..<steps {
            let tape = Tape()
            let weights = parameters.variables(on: tape)
            let x = tape.constant(Matrix(stacking: [[0, 0], [0, 1], [1, 0], [1, 1]]))
            let logits = weights.linear("output", weights.linear("hidden", x).tanh())
            let loss = logits.binaryCrossEntropy(targets: Matrix(column: [0, 1, 1, 0]))
            var gradients = tape.gradients(of: loss, for: weights.variables)
            GradientNorm.clip(&gradients, to: 1)
            adam.update(
                &parameters, gradients: gradients,
                learningRate: LearningRateSchedule.cosine(peak: 0.1, warmUp: 5, steps: 200, floor: 0.01).rate(at: step))
            last = loss.scalar
        }
        return (parameters, adam, last)
    }

    @Test func exclusiveOrIsLearnedAndTheSeedDecidesEveryBit() throws {
        let (first, firstAdam, loss) = try train(seed: 1, steps: 200)
        let (second, secondAdam, _) = try train(seed: 1, steps: 200)
        let (other, _, _) = try train(seed: 2, steps: 200)
        #expect(loss < 0.05)
        #expect(first == second && firstAdam == secondAdam)
        #expect(first != other)
    }

    @Test func trainingContinuesFromAFileAsIfNeverStopped() throws {
        let (whole, _, _) = try train(seed: 1, steps: 60)
        let (half, adam, _) = try train(seed: 1, steps: 30)
        var writer = SafetensorsWriter()
        half.add(to: &writer)
        adam.add(to: &writer, names: half.names)
        let path = "\(temporaryFolder())/half.safetensors"
        try writer.write(to: path)
        let (resumed, _, _) = try train(seed: 1, steps: 60, from: SafetensorsFile(path: path), start: 30)
        #expect(resumed == whole)
    }

    @Test func clippingKeepsTheDirectionAndStopsWhatIsNotFinite() {
        var gradients = [Matrix(row: [3, 0]), Matrix(row: [4])]
        #expect(GradientNorm.clip(&gradients, to: 1) == 5)
        #expect(abs(gradients[0].elements[0] - 0.6) < 1e-6 && abs(gradients[1].elements[0] - 0.8) < 1e-6)
        #expect(GradientNorm.clip(&gradients, to: 10) <= 1.0001)
        var bad = [Matrix(row: [.nan, 1])]
        #expect(!GradientNorm.clip(&bad, to: 1).isFinite)
        #expect(bad[0].elements == [0, 0])
    }

    @Test func schedulesRiseAndFall() {
        let linear = LearningRateSchedule.linear(peak: 1, warmUp: 10, steps: 110)
        #expect(linear.rate(at: 0) == 0.1 && linear.rate(at: 10) == 1 && linear.rate(at: 60) == 0.5)
        #expect(linear.rate(at: 110) == 0 && linear.rate(at: 500) == 0)
        let cosine = LearningRateSchedule.cosine(peak: 1, warmUp: 0, steps: 100, floor: 0.1)
        #expect(
            cosine.rate(at: 0) == 1 && abs(cosine.rate(at: 50) - 0.55) < 1e-6 && abs(cosine.rate(at: 100) - 0.1) < 1e-6)
        #expect(LearningRateSchedule.constant(0.3).rate(at: 9) == 0.3)
    }
}

extension GradientTests {
    @Test func aTapeThatWasRunBackwardsIsFreed() {
        weak var freed: Tape?
        do {
            let tape = Tape()
            freed = tape
            let x = tape.variable(Matrix(row: [1, 2]))
            #expect(tape.gradients(of: x.squared().sum(), for: [x])[0].elements == [2, 4])
        }
        #expect(freed == nil)
    }
}
