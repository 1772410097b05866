// SPDX-License-Identifier: Apache-2.0

import Base

/// A record of computations on matrices that can be run backwards: reverse-mode automatic differentiation.
///
/// Values are computed at once, when an operation is written; `gradients(of:)` then walks the record from its end. A tape
/// is used by one thread, for one loss. With `records: false` it only computes, for decisions without training.
///
///     let tape = Tape()
///     let w = tape.variable(weights)
///     let loss = (tape.constant(x).times(w) - tape.constant(y)).squared().mean()
///     let gradient = tape.gradients(of: loss, for: [w])[0]
public final class Tape {
    /// Adds to the gradients of an operation's inputs, given the gradient of its result.
    package typealias Backward = (_ gradient: Matrix, _ into: inout Gradients) -> Void

    /// The gradients while the tape runs backwards; absent means zero.
    package struct Gradients {
        fileprivate var matrices: [Matrix?]
        fileprivate let needed: [Bool]

        /// Whether anything asks for the gradient of this variable.
        package func needs(_ variable: Variable) -> Bool { needed[variable.index] }

        /// Adds to the gradient of a variable.
        package mutating func add(_ gradient: Matrix, to variable: Variable) {
            guard needed[variable.index] else { return }
            guard matrices[variable.index] != nil else {
                matrices[variable.index] = gradient
                return
            }
            update(variable) { $0.add(gradient) }
        }

        /// Lets `body` add to the gradient of a variable in place.
        package mutating func update(_ variable: Variable, _ body: (inout Matrix) -> Void) {
            guard needed[variable.index] else { return }
            var gradient =
                matrices[variable.index] ?? Matrix(rows: variable.rows, columns: variable.columns)
            matrices[variable.index] = nil
            body(&gradient)
            matrices[variable.index] = gradient
        }
    }

    private struct Node {
        var value: Matrix
        var needsGradient: Bool
        var backward: Backward?
    }

    private var nodes: [Node] = []
    private let records: Bool
    private var isSpent = false

    /// Starts an empty record.
    public init(records: Bool = true) {
        self.records = records
    }

    /// Enters a matrix whose gradient may be asked for.
    public func variable(_ value: Matrix) -> Variable {
        append(value, needsGradient: records, backward: nil)
    }

    /// Enters a matrix that has no gradient.
    public func constant(_ value: Matrix) -> Variable {
        append(value, needsGradient: false, backward: nil)
    }

    /// Enters the result of an operation.
    package func record(_ value: Matrix, inputs: [Variable], _ backward: @escaping Backward) -> Variable {
        for input in inputs { precondition(input.tape === self, "a variable of another tape") }
        let needed = records && inputs.contains { nodes[$0.index].needsGradient }
        return append(value, needsGradient: needed, backward: needed ? backward : nil)
    }

    private func append(_ value: Matrix, needsGradient: Bool, backward: Backward?) -> Variable {
        nodes.append(Node(value: value, needsGradient: needsGradient, backward: backward))
        return Variable(tape: self, index: nodes.count - 1)
    }

    func value(at index: Int) -> Matrix { nodes[index].value }

    /// Returns the derivative of a 1 × 1 loss with respect to each of some variables, zero where it does not depend on one.
    ///
    /// Ends the record: its operations hold the tape, so that one which kept them would never be freed.
    ///
    /// - Precondition: the tape records and was not run backwards before, and `loss` has one element.
    public func gradients(of loss: Variable, for variables: [Variable]) -> [Matrix] {
        precondition(records, "this tape does not record")
        precondition(loss.rows == 1 && loss.columns == 1, "the loss must be one number")
        precondition(!isSpent, "this tape was run backwards before")
        isSpent = true
        var gradients = Gradients(
            matrices: [Matrix?](repeating: nil, count: nodes.count), needed: nodes.map(\.needsGradient))
        gradients.matrices[loss.index] = Matrix(rows: 1, columns: 1, filledWith: 1)
        let wanted = Set(variables.map(\.index))
        for index in stride(from: loss.index, through: 0, by: -1) {
            guard let gradient = gradients.matrices[index], let backward = nodes[index].backward else { continue }
            if !wanted.contains(index) { gradients.matrices[index] = nil }
            nodes[index].backward = nil
            backward(gradient, &gradients)
        }
        for index in nodes.indices { nodes[index].backward = nil }
        return variables.map { variable in
            gradients.matrices[variable.index] ?? Matrix(rows: variable.rows, columns: variable.columns)
        }
    }
}

/// A matrix on a tape. Operations on it are methods and operators that enter their results on the same tape.
public struct Variable {
    /// The record that it belongs to.
    public let tape: Tape
    let index: Int

    init(tape: Tape, index: Int) {
        self.tape = tape
        self.index = index
    }

    /// What was computed.
    public var value: Matrix { tape.value(at: index) }
    /// The number of rows.
    public var rows: Int { value.rows }
    /// The number of columns.
    public var columns: Int { value.columns }

    /// The only element.
    ///
    /// - Precondition: it is 1 × 1.
    public var scalar: Float {
        precondition(rows == 1 && columns == 1, "not one number")
        return value.elements[0]
    }

    /// The same value, cut off from what it was computed from: its gradient stops here.
    public var detached: Variable { tape.constant(value) }
}
