// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

// Choosing, joining and summing up rows and columns.
extension Variable {
    /// The sum of all elements: 1 × 1.
    public func sum() -> Variable {
        let x = value
        let total = x.elements.reduce(Float(0), +)
        return tape.record(Matrix(rows: 1, columns: 1, filledWith: total), inputs: [self]) { g, into in
            into.add(Matrix(rows: x.rows, columns: x.columns, filledWith: g.elements[0]), to: self)
        }
    }

    /// The mean of all elements: 1 × 1.
    ///
    /// - Precondition: there is at least one.
    public func mean() -> Variable {
        precondition(!value.elements.isEmpty, "no elements to average")
        return sum() * (1 / Float(value.elements.count))
    }

    /// The sum of each row: rows × 1.
    public func rowSums() -> Variable {
        let x = value
        var output = Matrix(rows: x.rows, columns: 1)
        for r in 0..<x.rows {
            for c in 0..<x.columns { output.elements[r] += x.elements[r * x.columns + c] }
        }
        return tape.record(output, inputs: [self]) { g, into in
            into.update(self) { sum in
                for r in 0..<x.rows {
                    for c in 0..<x.columns { sum.elements[r * x.columns + c] += g.elements[r] }
                }
            }
        }
    }

    /// The sum of the rows of each segment: one row a segment. Segment i is rows `offsets[i] ..< offsets[i + 1]`.
    public func segmentSums(offsets: [Int]) -> Variable {
        let x = value
        checkSegments(offsets, count: x.rows)
        let width = x.columns
        var output = Matrix(rows: offsets.count - 1, columns: width)
        for segment in 0..<(offsets.count - 1) {
            for r in offsets[segment]..<offsets[segment + 1] {
                for c in 0..<width { output.elements[segment * width + c] += x.elements[r * width + c] }
            }
        }
        return tape.record(output, inputs: [self]) { g, into in
            into.update(self) { sum in
                for segment in 0..<(offsets.count - 1) {
                    for r in offsets[segment]..<offsets[segment + 1] {
                        for c in 0..<width { sum.elements[r * width + c] += g.elements[segment * width + c] }
                    }
                }
            }
        }
    }

    /// The mean of the rows of each segment; a row of zeros for an empty one.
    public func segmentMeans(offsets: [Int]) -> Variable {
        let weights = zip(offsets, offsets.dropFirst()).map { 1 / Float(Swift.max(1, $1 - $0)) }
        return segmentSums(offsets: offsets).scaling(rowsBy: tape.constant(Matrix(column: weights)))
    }

    /// The mean of the rows of each range, which may overlap; a row of zeros for an empty one.
    ///
    /// - Precondition: every range lies within the rows.
    public func means(ofRows ranges: [Range<Int>]) -> Variable {
        let x = value
        let width = x.columns
        precondition(ranges.allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= x.rows }, "ranges of \(x.rows) rows")
        var output = Matrix(rows: ranges.count, columns: width)
        x.elements.withUnsafeBufferPointer { from in
            output.elements.withUnsafeMutableBufferPointer { to in
                guard let from = from.baseAddress, let to = to.baseAddress else { return }
                for (position, range) in ranges.enumerated() {
                    for row in range {
                        forage_add_scaled(from + row * width, width, 1 / Float(range.count), to + position * width)
                    }
                }
            }
        }
        return tape.record(output, inputs: [self]) { g, into in
            into.update(self) { sum in
                g.elements.withUnsafeBufferPointer { from in
                    sum.elements.withUnsafeMutableBufferPointer { to in
                        guard let from = from.baseAddress, let to = to.baseAddress else { return }
                        for (position, range) in ranges.enumerated() {
                            for row in range {
                                forage_add_scaled(
                                    from + position * width, width, 1 / Float(range.count), to + row * width)
                            }
                        }
                    }
                }
            }
        }
    }

    /// The rows at these indices, in their order; an index may come more than once.
    ///
    /// - Precondition: every index is a row.
    public func rows(at indices: [Int]) -> Variable {
        let x = value
        let width = x.columns
        var elements: [Float] = []
        elements.reserveCapacity(indices.count * width)
        for index in indices {
            precondition(index >= 0 && index < x.rows, "row \(index) of \(x.rows)")
            elements.append(contentsOf: x.row(index))
        }
        return tape.record(Matrix(rows: indices.count, columns: width, elements: elements), inputs: [self]) { g, into in
            into.update(self) { sum in
                for (position, index) in indices.enumerated() {
                    for c in 0..<width { sum.elements[index * width + c] += g.elements[position * width + c] }
                }
            }
        }
    }

    /// The columns of a range.
    ///
    /// - Precondition: it lies within the columns.
    public func columns(in range: Range<Int>) -> Variable {
        let x = value
        precondition(range.lowerBound >= 0 && range.upperBound <= x.columns, "columns \(range) of \(x.columns)")
        var output = Matrix(rows: x.rows, columns: range.count)
        for r in 0..<x.rows {
            for c in 0..<range.count {
                output.elements[r * range.count + c] = x.elements[r * x.columns + range.lowerBound + c]
            }
        }
        return tape.record(output, inputs: [self]) { g, into in
            into.update(self) { sum in
                for r in 0..<x.rows {
                    for c in 0..<range.count {
                        sum.elements[r * x.columns + range.lowerBound + c] += g.elements[r * range.count + c]
                    }
                }
            }
        }
    }

    /// The element of each row at that row's index: rows × 1.
    ///
    /// - Precondition: one column index for each row.
    public func picking(columns indices: [Int]) -> Variable {
        let x = value
        precondition(
            indices.count == x.rows && indices.allSatisfy { $0 >= 0 && $0 < x.columns }, "one column for each row")
        let picked = indices.enumerated().map { x.elements[$0.offset * x.columns + $0.element] }
        return tape.record(Matrix(column: picked), inputs: [self]) { g, into in
            into.update(self) { sum in
                for (r, c) in indices.enumerated() { sum.elements[r * x.columns + c] += g.elements[r] }
            }
        }
    }

    /// Matrices of as many rows, side by side.
    public static func joinedColumns(_ parts: [Variable]) -> Variable {
        precondition(!parts.isEmpty, "nothing to join")
        let values = parts.map(\.value)
        let rows = values[0].rows
        precondition(values.allSatisfy { $0.rows == rows }, "row counts differ")
        let width = values.reduce(0) { $0 + $1.columns }
        var elements: [Float] = []
        elements.reserveCapacity(rows * width)
        for r in 0..<rows {
            for value in values { elements.append(contentsOf: value.row(r)) }
        }
        let joined = Matrix(rows: rows, columns: width, elements: elements)
        return parts[0].tape.record(joined, inputs: parts) { g, into in
            var start = 0
            for (part, value) in zip(parts, values) {
                let from = start
                into.update(part) { sum in
                    for r in 0..<rows {
                        for c in 0..<value.columns {
                            sum.elements[r * value.columns + c] += g.elements[r * width + from + c]
                        }
                    }
                }
                start += value.columns
            }
        }
    }

    /// Matrices of as many columns, one below the other.
    public static func joinedRows(_ parts: [Variable]) -> Variable {
        precondition(!parts.isEmpty, "nothing to join")
        let values = parts.map(\.value)
        let width = values[0].columns
        precondition(values.allSatisfy { $0.columns == width }, "column counts differ")
        let joined = Matrix(
            rows: values.reduce(0) { $0 + $1.rows }, columns: width, elements: values.flatMap(\.elements))
        return parts[0].tape.record(joined, inputs: parts) { g, into in
            var start = 0
            for (part, value) in zip(parts, values) {
                let from = start * width
                into.update(part) { sum in
                    for index in 0..<value.elements.count { sum.elements[index] += g.elements[from + index] }
                }
                start += value.rows
            }
        }
    }
}

/// Checks that offsets divide `count` rows into segments.
func checkSegments(_ offsets: [Int], count: Int) {
    precondition(
        offsets.first == 0 && offsets.last == count && zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 },
        "segment offsets must rise from 0 to \(count)")
}
