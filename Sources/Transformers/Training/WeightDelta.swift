// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import TensorMath

/// What tuning changed of a model's weights: small enough to lie beside it, and added to it where it is loaded.
///
/// Matrices are stored as 8-bit integers with one scale a row, vectors in single precision.
public struct WeightDelta: Sendable, Hashable {
    private var changes: [String: [Float]] = [:]
    /// The rows of what is new rather than changed: the vectors of prompts.
    private var newRows: [String: Int] = [:]

    /// The names of the tensors that changed, sorted.
    public var names: [String] { changes.keys.sorted() }

    /// The difference of two sets of the same names and sizes, rounded as a file stores it.
    public init(from base: ParameterSet, to tuned: ParameterSet) {
        for name in tuned.names where !base.contains(name) {
            changes[name] = tuned[name].elements
            newRows[name] = tuned[name].rows
        }
        for name in tuned.names where base.contains(name) && base[name] != tuned[name] {
            let (before, after) = (base[name], tuned[name])
            let change = zip(after.elements, before.elements).map(-)
            let matrix = Matrix(rows: after.rows, columns: after.columns, elements: change)
            changes[name] = matrix.rows == 1 ? change : Self.restored(Self.rounded(matrix), columns: matrix.columns)
        }
    }

    /// What is added to a tensor's numbers, row by row; nil where nothing is.
    public func change(of name: String) -> [Float]? { changes[name] }

    /// The vectors that a prompt puts before a block's input, row by row of so many; nil where there are none.
    package func prompt(layer: Int, width: Int) -> (rows: Int, values: [Float])? {
        let name = DeepPrompt.name(layer)
        guard let values = changes[name], let rows = newRows[name], rows > 0, values.count == rows * width else {
            return nil
        }
        return (rows, values)
    }

    /// A hash of names and numbers.
    public var hash: UInt64 {
        names.reduce(UInt64(0)) { hash, name in
            (changes[name] ?? []).withUnsafeBytes { XXH64.hash($0, seed: XXH64.hash(name, seed: hash)) }
        }
    }

    private static let prefix = "delta."
    private static let scaleSuffix = ":scale"

    /// One row's integers and scale.
    private static func rounded(_ matrix: Matrix) -> (integers: [Int8], scales: [Float]) {
        var integers: [Int8] = []
        integers.reserveCapacity(matrix.elements.count)
        var scales: [Float] = []
        for row in 0..<matrix.rows {
            let numbers = matrix.row(row)
            let largest = numbers.reduce(Float(0)) { max($0, abs($1)) }
            let scale = largest > 0 && largest.isFinite ? largest / 127 : 1
            scales.append(scale)
            integers.append(
                contentsOf: numbers.map { Int8(max(-127, min(127, ($0.isFinite ? $0 / scale : 0).rounded()))) })
        }
        return (integers, scales)
    }

    private static func restored(_ stored: (integers: [Int8], scales: [Float]), columns: Int) -> [Float] {
        [Float](unsafeUninitializedCapacity: stored.integers.count) { target, initialized in
            forage_scale_rows_i8(stored.integers, stored.scales, stored.scales.count, columns, target.baseAddress)
            initialized = stored.integers.count
        }
    }

    /// Adds the change to a file.
    ///
    /// - Parameter shapes: The set that the change is of, for the sizes of its matrices.
    public func add(to writer: inout SafetensorsWriter, shapes: ParameterSet) {
        for name in names {
            let change = changes[name] ?? []
            if let rows = newRows[name] {
                writer.add(Self.prefix + name, shape: [rows, change.count / max(1, rows)], change)
                continue
            }
            let (rows, columns) = (shapes[name].rows, shapes[name].columns)
            guard rows > 1 else {
                writer.add(Self.prefix + name, shape: [columns], change)
                continue
            }
            let stored = Self.rounded(Matrix(rows: rows, columns: columns, elements: change))
            writer.add(Self.prefix + name, shape: [rows, columns], integers: stored.integers)
            writer.add(Self.prefix + name + Self.scaleSuffix, shape: [rows], stored.scales)
        }
    }

    /// Reads the change that a file holds, without any where there is none.
    ///
    /// - Throws: `SafetensorsError` where the file is damaged.
    public init(file: SafetensorsFile) throws {
        for stored in file.names where stored.hasPrefix(Self.prefix) && !stored.hasSuffix(Self.scaleSuffix) {
            let name = String(stored.dropFirst(Self.prefix.count))
            let tensor = try file.tensor(named: stored)
            guard tensor.element == .int8 else {
                changes[name] = try file.floats(named: stored)
                if tensor.shape.count == 2 { newRows[name] = tensor.shape[0] }
                continue
            }
            let scales = try file.floats(named: stored + Self.scaleSuffix)
            guard tensor.shape.count == 2, tensor.shape[0] == scales.count else {
                throw SafetensorsError.mismatch(
                    path: file.path, name: stored, reason: "\(tensor.shape) with \(scales.count) scales")
            }
            let integers = try file.withUnsafeBytes(named: stored) { Array($0.assumingMemoryBound(to: Int8.self)) }
            changes[name] = Self.restored((integers, scales), columns: tensor.shape[1])
        }
    }
}
