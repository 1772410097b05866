// SPDX-License-Identifier: Apache-2.0

/// A value that is bound to a parameter of a statement; it never becomes part of the statement's text.
public enum PostgresValue: Sendable, Hashable {
    case null
    case text(String)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)
    case bytes([UInt8])
    case ordinals([UInt32])
    case texts([String])
    case numbers([Double])
    case integers([Int64])
    case byteStrings([[UInt8]])

    /// The type's number in every PostgreSQL.
    var type: UInt32 {
        switch self {
        case .null: return 0
        case .text: return 25
        case .integer: return 20
        case .number: return 701
        case .boolean: return 16
        case .bytes: return 17
        case .ordinals: return 1007
        case .texts: return 1009
        case .numbers: return 1022
        case .integers: return 1016
        case .byteStrings: return 1001
        }
    }

    /// The value in the binary form of the protocol; nil for null.
    func encoded() -> [UInt8]? {
        var writer = BinaryWriter()
        switch self {
        case .null: return nil
        case .text(let text): writer.append(text: text)
        case .integer(let value): writer.append(value)
        case .number(let value): writer.append(value)
        case .boolean(let value): writer.bytes.append(value ? 1 : 0)
        case .bytes(let bytes): writer.bytes = bytes
        case .ordinals(let values): writer.append(array: values.map { Int32(bitPattern: $0) })
        case .texts(let values): writer.append(texts: values)
        case .numbers(let values): writer.append(array: values)
        case .integers(let values): writer.append(array: values)
        case .byteStrings(let values):
            writer.beginArray(elementType: 17, count: values.count)
            for value in values {
                writer.append(Int32(value.count))
                writer.bytes += value
            }
        }
        return writer.bytes
    }
}

/// Writes PostgreSQL's binary formats: big-endian numbers, arrays with their element type, texts without U+0000.
public struct BinaryWriter {
    public var bytes: [UInt8] = []

    public init() {}

    public mutating func append(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
    }

    public mutating func append(_ value: Double) { append(value.bitPattern) }
    public mutating func append(_ value: Float) { append(value.bitPattern) }

    /// PostgreSQL's texts cannot hold U+0000: its replacement character stands for it.
    public mutating func append(text: String) {
        if text.utf8.contains(0) {
            for scalar in text.unicodeScalars { bytes += String(scalar == "\0" ? "\u{FFFD}" : scalar).utf8 }
        } else {
            bytes.append(contentsOf: text.utf8)
        }
    }

    mutating func beginArray(elementType: UInt32, count: Int) {
        append(Int32(count > 0 ? 1 : 0))
        append(Int32(0))
        append(elementType)
        guard count > 0 else { return }
        append(Int32(count))
        append(Int32(1))
    }

    mutating func append(array values: [Int32]) {
        beginArray(elementType: 23, count: values.count)
        bytes.reserveCapacity(bytes.count + values.count * 8)
        for value in values {
            append(Int32(4))
            append(value)
        }
    }

    public mutating func append(array values: [Int64]) {
        beginArray(elementType: 20, count: values.count)
        for value in values {
            append(Int32(8))
            append(value)
        }
    }

    public mutating func append(array values: [Double]) {
        beginArray(elementType: 701, count: values.count)
        for value in values {
            append(Int32(8))
            append(value)
        }
    }

    public mutating func append(texts values: [String]) {
        beginArray(elementType: 25, count: values.count)
        for value in values { appendSized { $0.append(text: value) } }
    }

    /// What `body` writes, with its length before it: a field of a row.
    public mutating func appendSized(_ body: (inout BinaryWriter) -> Void) {
        let place = bytes.count
        append(Int32(0))
        body(&self)
        let size = UInt32(truncatingIfNeeded: bytes.count - place - 4)
        withUnsafeBytes(of: size.bigEndian) { size in
            for index in 0..<4 { bytes[place + index] = size[index] }
        }
    }
}

/// Rows for `COPY … FROM STDIN (FORMAT binary)`.
public struct CopyRows {
    public private(set) var writer = BinaryWriter()
    private let columns: Int

    /// - Parameter columns: the number of fields of a row.
    public init(columns: Int) {
        self.columns = columns
        writer.bytes = Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0]
        writer.append(Int32(0))
        writer.append(Int32(0))
    }

    /// The bytes so far, which are then gone from here.
    public mutating func take() -> [UInt8] {
        defer { writer.bytes.removeAll(keepingCapacity: true) }
        return writer.bytes
    }

    /// The number of bytes that wait.
    public var count: Int { writer.bytes.count }

    public mutating func beginRow() { writer.append(Int16(columns)) }
    public mutating func null() { writer.append(Int32(-1)) }
    public mutating func integer(_ value: Int32) {
        writer.append(Int32(4))
        writer.append(value)
    }
    public mutating func long(_ value: Int64) {
        writer.append(Int32(8))
        writer.append(value)
    }
    public mutating func number(_ value: Double) {
        writer.append(Int32(8))
        writer.append(value)
    }
    public mutating func boolean(_ value: Bool) {
        writer.append(Int32(1))
        writer.bytes.append(value ? 1 : 0)
    }
    public mutating func text(_ value: String) { writer.appendSized { $0.append(text: value) } }
    public mutating func bytes(_ value: UnsafeRawBufferPointer) {
        writer.append(Int32(value.count))
        writer.bytes.append(contentsOf: value)
    }
    public mutating func texts(_ values: [String]) { writer.appendSized { $0.append(texts: values) } }
    public mutating func numbers(_ values: [Double]) { writer.appendSized { $0.append(array: values) } }
    public mutating func longs(_ values: [Int64]) { writer.appendSized { $0.append(array: values) } }
    /// A vector in pgvector's binary form: dimension, zero, then 4-byte numbers.
    public mutating func vector(_ values: [Float]) {
        writer.append(Int32(4 + 4 * values.count))
        writer.append(Int16(truncatingIfNeeded: values.count))
        writer.append(Int16(0))
        for value in values { writer.append(value) }
    }
    /// A moment as `timestamptz`, clamped to what that type holds: 4713 BC to 294276.
    public mutating func moment(_ seconds: Int64) {
        let since2000 = min(max(seconds, -210_866_803_200), 9_224_318_015_999) - 946_684_800
        long(since2000 * 1_000_000)
    }
    public mutating func end() { writer.append(Int16(-1)) }
}
