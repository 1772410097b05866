// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// Reads the parts of a GGUF file in order; every read is checked against the end of the file.
struct GGUFReader {
    let path: String
    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(path: String, bytes: UnsafeRawBufferPointer) {
        self.path = path
        self.bytes = bytes
    }

    private mutating func take(_ count: Int, _ what: String) throws(GGUFError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= bytes.count - offset else {
            throw .truncated(path: path, offset: bytes.count, what: what)
        }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    private mutating func integer<T: FixedWidthInteger & BitwiseCopyable>(
        _ type: T.Type, _ what: String
    ) throws(GGUFError) -> T {
        T(littleEndian: try take(MemoryLayout<T>.size, what).loadUnaligned(as: T.self))
    }

    /// A 64-bit count, at most `limit`.
    private mutating func count(_ what: String, limit: Int) throws(GGUFError) -> Int {
        let start = offset
        let value = try integer(UInt64.self, what)
        guard value <= UInt64(limit) else {
            throw .malformed(path: path, offset: start, what: "\(what) is \(value), more than the limit of \(limit)")
        }
        return Int(value)
    }

    mutating func header() throws(GGUFError) -> (version: Int, tensorCount: Int, metadataCount: Int) {
        let magic = try take(4, "the magic")
        guard magic.elementsEqual("GGUF".utf8) else { throw .notGGUF(path: path, reason: "the magic is missing") }
        let version = try integer(UInt32.self, "the version")
        guard version == 2 || version == 3 else {
            let swapped = version.byteSwapped
            throw .notGGUF(
                path: path, reason: swapped < 16 ? "the file is big-endian" : "its version is \(version)")
        }
        let tensors = try count("the number of tensors", limit: GGUFFile.mostEntries)
        let entries = try count("the number of metadata keys", limit: GGUFFile.mostEntries)
        return (Int(version), tensors, entries)
    }

    private mutating func text(_ what: String) throws(GGUFError) -> UnsafeRawBufferPointer {
        let length = try count("the length of \(what)", limit: bytes.count)
        return try take(length, what)
    }

    /// A name: a text of at most 65,535 bytes that is UTF-8.
    mutating func key(_ what: String) throws(GGUFError) -> String {
        let start = offset
        let raw = try text(what)
        guard raw.count <= 65_535, let name = String(validating: raw, as: UTF8.self) else {
            throw .malformed(path: path, offset: start, what: "\(what) is too long or no UTF-8")
        }
        return name
    }

    mutating func value(of key: String) throws(GGUFError) -> GGUFFile.Value {
        let type = try integer(UInt32.self, "the type of \"\(key)\"")
        return try value(of: key, type: type, depth: 0)
    }

    private mutating func value(of key: String, type: UInt32, depth: Int) throws(GGUFError) -> GGUFFile.Value {
        switch type {
        case 0: return .integer(Int(try integer(UInt8.self, key)))
        case 1: return .integer(Int(try integer(Int8.self, key)))
        case 2: return .integer(Int(try integer(UInt16.self, key)))
        case 3: return .integer(Int(try integer(Int16.self, key)))
        case 4: return .integer(Int(try integer(UInt32.self, key)))
        case 5: return .integer(Int(try integer(Int32.self, key)))
        case 6: return .number(Double(Float(bitPattern: try integer(UInt32.self, key))))
        case 7: return .bool(try integer(UInt8.self, key) != 0)
        case 8:
            let raw = try text("the value of \"\(key)\"")
            if let string = String(validating: raw, as: UTF8.self) { return .string(string) }
            return .bytes(Array(raw))
        case 9: return try array(of: key, depth: depth + 1)
        case 10:
            let start = offset
            let value = try integer(UInt64.self, key)
            guard let small = Int(exactly: value) else {
                throw .malformed(path: path, offset: start, what: "\"\(key)\" is \(value), which no count is")
            }
            return .integer(small)
        case 11: return .integer(Int(try integer(Int64.self, key)))
        case 12: return .number(Double(bitPattern: try integer(UInt64.self, key)))
        default:
            throw .malformed(path: path, offset: offset - 4, what: "\"\(key)\" has the unknown type \(type)")
        }
    }

    private mutating func array(of key: String, depth: Int) throws(GGUFError) -> GGUFFile.Value {
        guard depth <= 2 else {
            throw .malformed(path: path, offset: offset, what: "\"\(key)\" nests arrays too deeply")
        }
        let type = try integer(UInt32.self, "the element type of \"\(key)\"")
        let start = offset
        let length = try count("the length of \"\(key)\"", limit: GGUFFile.mostElements)
        // A hostile length cannot make us reserve more than the file could hold.
        let smallest = [1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8]
        guard type < 13 else { throw .malformed(path: path, offset: start, what: "\"\(key)\" has unknown elements") }
        guard length <= (bytes.count - offset) / smallest[Int(type)] else {
            throw .truncated(path: path, offset: bytes.count, what: "the \(length) elements of \"\(key)\"")
        }
        var values: [GGUFFile.Value] = []
        values.reserveCapacity(length)
        for _ in 0..<length { values.append(try value(of: key, type: type, depth: depth)) }
        return .array(values)
    }

    func alignment(_ metadata: [String: GGUFFile.Value]) throws(GGUFError) -> Int {
        guard let value = metadata["general.alignment"] else { return 32 }
        guard let alignment = value.int, alignment >= 1, alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
            throw .malformed(path: path, offset: 0, what: "general.alignment is no power of two up to 2^20")
        }
        return alignment
    }

    mutating func tensors(count: Int, alignment: Int) throws(GGUFError) -> [String: GGUFFile.Tensor] {
        var found: [(name: String, type: Int, shape: [Int], at: Int, size: Int)] = []
        for _ in 0..<count {
            let start = offset
            let name = try key("a tensor's name")
            let dimensions = Int(try integer(UInt32.self, "the dimensions of \"\(name)\""))
            guard (1...4).contains(dimensions) else {
                throw .malformed(path: path, offset: start, what: "\"\(name)\" has \(dimensions) dimensions")
            }
            var shape: [Int] = []
            var elements = 1
            for _ in 0..<dimensions {
                let size = try self.count("a size of \"\(name)\"", limit: 1 << 40)
                let (product, overflow) = elements.multipliedReportingOverflow(by: size)
                guard size > 0, !overflow, product <= 1 << 44 else {
                    throw .malformed(path: path, offset: start, what: "\"\(name)\" has an impossible size")
                }
                elements = product
                shape.append(size)
            }
            let type = Int(try integer(UInt32.self, "the type of \"\(name)\""))
            let at = try self.count("the offset of \"\(name)\"", limit: bytes.count)
            let weights = Int(forage_lm_block_weights(Int32(truncatingIfNeeded: type)))
            guard weights > 0 else { throw .unsupportedType(path: path, tensor: name, type: type) }
            guard shape[0] % weights == 0 else {
                throw .malformed(
                    path: path, offset: start, what: "a row of \"\(name)\" is no whole number of blocks of \(weights)")
            }
            let size = elements / weights * Int(forage_lm_block_bytes(Int32(type)))
            guard at % alignment == 0 else {
                throw .malformed(path: path, offset: start, what: "\"\(name)\" is not aligned to \(alignment) bytes")
            }
            found.append((name, type, shape, at, size))
        }
        let data = (offset + alignment - 1) / alignment * alignment
        var tensors: [String: GGUFFile.Tensor] = [:]
        for tensor in found {
            guard data <= bytes.count, tensor.size <= bytes.count - data - tensor.at else {
                throw .truncated(path: path, offset: bytes.count, what: "tensor \"\(tensor.name)\"")
            }
            let range = data + tensor.at..<data + tensor.at + tensor.size
            let entry = GGUFFile.Tensor(name: tensor.name, type: tensor.type, shape: tensor.shape, range: range)
            guard tensors.updateValue(entry, forKey: tensor.name) == nil else {
                throw .malformed(path: path, offset: range.lowerBound, what: "tensor \"\(tensor.name)\" comes twice")
            }
        }
        let ordered = tensors.values.sorted { $0.range.lowerBound < $1.range.lowerBound }
        for (earlier, later) in zip(ordered, ordered.dropFirst())
        where later.range.lowerBound < earlier.range.upperBound {
            throw .malformed(
                path: path, offset: later.range.lowerBound,
                what: "tensors \"\(earlier.name)\" and \"\(later.name)\" overlap")
        }
        return tensors
    }
}
