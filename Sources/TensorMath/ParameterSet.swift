// SPDX-License-Identifier: Apache-2.0

public import Base

/// The named weights of a network: a value that can be copied, stored and read back.
public struct ParameterSet: Sendable, Hashable {
    /// The names in the order in which they were added.
    public private(set) var names: [String] = []
    /// The matrices in the order of `names`.
    public var values: [Matrix] = []
    private var positions: [String: Int] = [:]

    /// Makes an empty set.
    public init() {}

    /// Adds a matrix.
    ///
    /// - Precondition: the name is new.
    public mutating func add(_ name: String, _ value: Matrix) {
        precondition(positions[name] == nil, "parameter '\(name)' was already added")
        positions[name] = names.count
        names.append(name)
        values.append(value)
    }

    /// Adds a dense layer: `name.weight` of inputs × outputs, normal with deviation `gain / √inputs`, and `name.bias` of zeros.
    public mutating func addLinear(
        _ name: String, inputs: Int, outputs: Int, gain: Float = 1, using generator: inout SplitMix64
    ) {
        let deviation = gain / Float(max(1, inputs)).squareRoot()
        add(name + ".weight", Matrix(rows: inputs, columns: outputs, deviation: deviation, using: &generator))
        add(name + ".bias", Matrix(rows: 1, columns: outputs))
    }

    /// Whether there is a matrix of this name.
    public func contains(_ name: String) -> Bool { positions[name] != nil }

    /// The matrix of a name.
    ///
    /// - Precondition: it was added.
    public subscript(name: String) -> Matrix {
        get {
            guard let position = positions[name] else { preconditionFailure("no parameter '\(name)'") }
            return values[position]
        }
        set {
            guard let position = positions[name] else { preconditionFailure("no parameter '\(name)'") }
            values[position] = newValue
        }
    }

    /// The number of single weights.
    public var count: Int { values.reduce(0) { $0 + $1.elements.count } }

    /// Whether every weight is finite.
    public var isFinite: Bool { values.allSatisfy(\.isFinite) }

    /// Enters all weights on a tape.
    public func variables(on tape: Tape) -> ParameterVariables {
        ParameterVariables(variables: values.map { tape.variable($0) }, positions: positions)
    }

    /// Adds all weights to a file, their names behind a prefix.
    public func add(to writer: inout SafetensorsWriter, prefix: String = "") {
        for (name, value) in zip(names, values) { writer.add(prefix + name, value) }
    }

    /// Returns a set of the same names and sizes with the weights of a file.
    ///
    /// - Throws: `SafetensorsError.missing`, or `.mismatch` where a size differs.
    public func loaded(from file: SafetensorsFile, prefix: String = "") throws -> ParameterSet {
        var result = self
        for (index, name) in names.enumerated() {
            let matrix = try file.matrix(named: prefix + name)
            guard matrix.rows == values[index].rows, matrix.columns == values[index].columns else {
                throw SafetensorsError.mismatch(
                    path: file.path, name: prefix + name,
                    reason:
                        "is \(matrix.rows) × \(matrix.columns), expected \(values[index].rows) × \(values[index].columns)"
                )
            }
            result.values[index] = matrix
        }
        return result
    }
}

/// A parameter set on a tape, by the same names.
public struct ParameterVariables {
    /// The variables in the order of the set.
    public let variables: [Variable]
    private let positions: [String: Int]

    init(variables: [Variable], positions: [String: Int]) {
        self.variables = variables
        self.positions = positions
    }

    /// The variable of a name.
    ///
    /// - Precondition: the set has it.
    public subscript(name: String) -> Variable {
        guard let position = positions[name] else { preconditionFailure("no parameter '\(name)'") }
        return variables[position]
    }

    /// Applies the dense layer of a name; see `ParameterSet.addLinear`.
    public func linear(_ name: String, _ input: Variable) -> Variable {
        input.linear(self[name + ".weight"], self[name + ".bias"])
    }
}
