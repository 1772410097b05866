// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation

/// Adam with bias correction, and AdamW where the weight decay is positive (arXiv 1412.6980 and 1711.05101).
public struct Adam: Sendable, Hashable {
    /// Decay of the mean of gradients.
    public var beta1: Float = 0.9
    /// Decay of the mean of squared gradients.
    public var beta2: Float = 0.999
    /// Added to the root of the squared mean.
    public var epsilon: Float = 1e-8
    /// The share of each weight taken off per step and unit of learning rate, apart from the gradient (AdamW).
    public var weightDecay: Float = 0
    /// The number of updates done.
    public private(set) var step = 0
    private var means: [Matrix]
    private var squares: [Matrix]

    /// Starts with no memory of gradients.
    public init(for parameters: ParameterSet, weightDecay: Float = 0) {
        means = parameters.values.map { Matrix(rows: $0.rows, columns: $0.columns) }
        squares = means
        self.weightDecay = weightDecay
    }

    /// Moves the weights one step against the gradients.
    ///
    /// - Precondition: as many gradients as parameters, of the same sizes.
    public mutating func update(_ parameters: inout ParameterSet, gradients: [Matrix], learningRate: Float) {
        precondition(gradients.count == parameters.values.count, "one gradient for each parameter")
        step += 1
        let correction1 = 1 - pow(beta1, Float(step))
        let correction2 = 1 - pow(beta2, Float(step))
        for index in gradients.indices {
            let gradient = gradients[index]
            precondition(gradient.elements.count == means[index].elements.count, "a gradient of another size")
            forage_adam(
                &parameters.values[index].elements, gradient.elements, &means[index].elements,
                &squares[index].elements, gradient.elements.count, learningRate, beta1, beta2, epsilon, weightDecay,
                correction1, correction2)
        }
    }

    /// Adds the memory of gradients to a file, for `loaded(from:)`.
    public func add(to writer: inout SafetensorsWriter, names: [String], prefix: String = "adam.") {
        writer.add(prefix + "step", shape: [2], [Float(step / 65536), Float(step % 65536)])
        for (index, name) in names.enumerated() {
            writer.add(prefix + "mean." + name, means[index])
            writer.add(prefix + "square." + name, squares[index])
        }
    }

    /// Returns this optimizer with the memory of a file.
    ///
    /// - Throws: `SafetensorsError` where it is missing or of another size.
    public func loaded(from file: SafetensorsFile, names: [String], prefix: String = "adam.") throws -> Adam {
        var result = self
        let count = try file.floats(named: prefix + "step")
        guard count.count == 2 else {
            throw SafetensorsError.mismatch(path: file.path, name: prefix + "step", reason: "expected two numbers")
        }
        result.step = Int(count[0]) * 65536 + Int(count[1])
        for (index, name) in names.enumerated() {
            result.means[index] = try file.matrix(named: prefix + "mean." + name)
            result.squares[index] = try file.matrix(named: prefix + "square." + name)
            guard result.means[index].elements.count == means[index].elements.count,
                result.squares[index].elements.count == means[index].elements.count
            else {
                throw SafetensorsError.mismatch(path: file.path, name: prefix + name, reason: "is of another size")
            }
        }
        return result
    }
}

/// Gradients of all parameters, treated as one long vector.
public enum GradientNorm {
    /// Returns the Euclidean length of all gradients together.
    public static func norm(_ gradients: [Matrix]) -> Float {
        var total = 0.0
        for gradient in gradients {
            gradient.elements.withUnsafeBufferPointer { total += Double(BLAS.dot($0, $0)) }
        }
        return Float(total.squareRoot())
    }

    /// Shortens the gradients to a length where they are longer, and returns the length that they had.
    ///
    /// Gradients that are not finite become zero, so that one bad batch cannot spoil the weights; the returned length
    /// is then not finite, and the caller sees it.
    @discardableResult
    public static func clip(_ gradients: inout [Matrix], to longest: Float) -> Float {
        let length = norm(gradients)
        guard length.isFinite else {
            for index in gradients.indices {
                gradients[index] = Matrix(rows: gradients[index].rows, columns: gradients[index].columns)
            }
            return length
        }
        guard length > longest else { return length }
        let factor = longest / length
        for index in gradients.indices {
            gradients[index].elements.withUnsafeMutableBufferPointer { elements in
                for element in elements.indices { elements[element] *= factor }
            }
        }
        return length
    }

    /// Adds one set of gradients to another, in order.
    public static func add(_ gradients: [Matrix], to sum: inout [Matrix]) {
        precondition(gradients.count == sum.count, "sets of gradients differ")
        for index in gradients.indices {
            sum[index].add(gradients[index])
        }
    }
}

/// The learning rate as a function of the step.
public enum LearningRateSchedule: Sendable, Hashable {
    /// The same rate throughout.
    case constant(Float)
    /// A straight rise over `warmUp` steps, then a straight fall to zero at `steps`.
    case linear(peak: Float, warmUp: Int, steps: Int)
    /// A straight rise over `warmUp` steps, then half a cosine wave down to `floor` at `steps`.
    case cosine(peak: Float, warmUp: Int, steps: Int, floor: Float)

    /// Returns the rate for a step, counted from 0.
    public func rate(at step: Int) -> Float {
        func progress(_ warmUp: Int, _ steps: Int) -> Float {
            min(1, Float(step - warmUp) / Float(max(1, steps - warmUp)))
        }
        switch self {
        case .constant(let rate): return rate
        case .linear(let peak, let warmUp, let steps):
            if step < warmUp { return peak * Float(step + 1) / Float(warmUp) }
            return peak * (1 - progress(warmUp, steps))
        case .cosine(let peak, let warmUp, let steps, let floor):
            if step < warmUp { return peak * Float(step + 1) / Float(warmUp) }
            return floor + (peak - floor) * 0.5 * (1 + cos(Float.pi * progress(warmUp, steps)))
        }
    }
}
