// SPDX-License-Identifier: Apache-2.0

import CPostgres

/// The rows that a statement gave, in the protocol's binary form.
public final class PostgresRows: @unchecked Sendable {
    // Sendable: a result is never changed once it is here.

    private let result: OpaquePointer
    /// The number of rows.
    public let count: Int
    /// The rows that a change touched.
    public let affected: Int
    private let columnCount: Int

    init(_ result: OpaquePointer) {
        self.result = result
        count = Int(forage_pq_row_count(result))
        columnCount = Int(forage_pq_column_count(result))
        affected = Int(String(cString: forage_pq_affected(result))) ?? 0
    }

    deinit { forage_pq_clear(result) }

    /// Whether there is no row.
    public var isEmpty: Bool { count == 0 }

    private func place(_ row: Int, _ column: Int) throws -> (Int32, Int32) {
        guard (0..<count).contains(row), (0..<columnCount).contains(column) else {
            throw PostgresError(.unexpected, "the server's answer has no row \(row) with a column \(column)")
        }
        return (Int32(row), Int32(column))
    }

    /// Whether a field is null.
    public func isNull(_ row: Int, _ column: Int) throws -> Bool {
        let (row, column) = try place(row, column)
        return forage_pq_is_null(result, row, column) != 0
    }

    /// A field's bytes, valid while this value lives; nil for null.
    private func raw(_ row: Int, _ column: Int) throws -> UnsafeRawBufferPointer? {
        let (row, column) = try place(row, column)
        guard forage_pq_is_null(result, row, column) == 0 else { return nil }
        return UnsafeRawBufferPointer(
            start: forage_pq_value(result, row, column), count: Int(forage_pq_length(result, row, column)))
    }

    private func expected(_ what: String, _ row: Int, _ column: Int) -> PostgresError {
        let type = forage_pq_column_type(result, Int32(column))
        return PostgresError(.unexpected, "expected \(what) in column \(column), found null or the type \(type)")
    }

    private static func read<Integer: FixedWidthInteger>(
        _ bytes: UnsafeRawBufferPointer, at offset: Int = 0, as type: Integer.Type
    ) -> Integer {
        Integer(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: type))
    }

    /// An `int2`, `int4` or `int8`; nil for null.
    public func optionalInteger(_ row: Int, _ column: Int) throws -> Int? {
        guard let bytes = try raw(row, column) else { return nil }
        switch bytes.count {
        case 2: return Int(Self.read(bytes, as: Int16.self))
        case 4: return Int(Self.read(bytes, as: Int32.self))
        case 8: return Int(Self.read(bytes, as: Int64.self))
        default: throw expected("a whole number", row, column)
        }
    }

    /// An integer that must be there.
    public func integer(_ row: Int, _ column: Int) throws -> Int {
        guard let value = try optionalInteger(row, column) else { throw expected("a whole number", row, column) }
        return value
    }

    /// A `float4` or `float8`; nil for null.
    public func optionalNumber(_ row: Int, _ column: Int) throws -> Double? {
        guard let bytes = try raw(row, column) else { return nil }
        switch bytes.count {
        case 4: return Double(Float(bitPattern: Self.read(bytes, as: UInt32.self)))
        case 8: return Double(bitPattern: Self.read(bytes, as: UInt64.self))
        default: throw expected("a number", row, column)
        }
    }

    public func number(_ row: Int, _ column: Int) throws -> Double {
        guard let value = try optionalNumber(row, column) else { throw expected("a number", row, column) }
        return value
    }

    public func optionalBoolean(_ row: Int, _ column: Int) throws -> Bool? {
        try raw(row, column).map { $0.first != 0 }
    }

    public func optionalText(_ row: Int, _ column: Int) throws -> String? {
        try raw(row, column).map { String(decoding: $0, as: UTF8.self) }
    }

    public func text(_ row: Int, _ column: Int) throws -> String {
        guard let value = try optionalText(row, column) else { throw expected("a text", row, column) }
        return value
    }

    public func bytes(_ row: Int, _ column: Int) throws -> [UInt8] {
        guard let bytes = try raw(row, column) else { throw expected("bytes", row, column) }
        return Array(bytes)
    }

    /// The elements of an array of one dimension, nulls left out; nil for null.
    private func elements<Element>(
        _ row: Int, _ column: Int, _ read: (UnsafeRawBufferPointer) -> Element?
    ) throws -> [Element]? {
        guard let bytes = try raw(row, column) else { return nil }
        func damaged() -> PostgresError { expected("an array", row, column) }
        guard bytes.count >= 12 else { throw damaged() }
        let dimensions = Self.read(bytes, as: Int32.self)
        guard dimensions > 0 else { return [] }
        guard dimensions == 1, bytes.count >= 20 else { throw damaged() }
        let count = Int(Self.read(bytes, at: 12, as: Int32.self))
        var at = 20
        guard count >= 0, count <= (bytes.count - at) / 4 else { throw damaged() }
        var result: [Element] = []
        result.reserveCapacity(count)
        for _ in 0..<count {
            guard at + 4 <= bytes.count else { throw damaged() }
            let size = Int(Self.read(bytes, at: at, as: Int32.self))
            at += 4
            if size < 0 { continue }
            guard size <= bytes.count - at else { throw damaged() }
            if let element = read(UnsafeRawBufferPointer(rebasing: bytes[at..<(at + size)])) { result.append(element) }
            at += size
        }
        return result
    }

    /// An `int4[]` of ordinals; empty for null.
    public func ordinals(_ row: Int, _ column: Int) throws -> [UInt32] {
        try elements(row, column) { $0.count == 4 ? UInt32(bitPattern: Self.read($0, as: Int32.self)) : nil } ?? []
    }

    public func texts(_ row: Int, _ column: Int) throws -> [String]? {
        try elements(row, column) { String(decoding: $0, as: UTF8.self) }
    }

    public func numbers(_ row: Int, _ column: Int) throws -> [Double]? {
        try elements(row, column) { $0.count == 8 ? Double(bitPattern: Self.read($0, as: UInt64.self)) : nil }
    }

    public func longs(_ row: Int, _ column: Int) throws -> [Int64]? {
        try elements(row, column) { $0.count == 8 ? Self.read($0, as: Int64.self) : nil }
    }

    /// A `float4[]`: a vector.
    public func floats(_ row: Int, _ column: Int) throws -> [Float]? {
        try elements(row, column) { $0.count == 4 ? Float(bitPattern: Self.read($0, as: UInt32.self)) : nil }
    }
}
