// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation

/// What is wrong with a safetensors file.
public enum SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file cannot be opened, mapped or written; the system's reason follows.
    case system(path: String, reason: String)
    /// The bytes are not a safetensors file; what was expected where.
    case malformed(path: String, reason: String)
    /// No tensor of this name is in the file.
    case missing(path: String, name: String)
    /// The tensor is of a type that the call cannot give, or a shape that the caller did not expect.
    case mismatch(path: String, name: String, reason: String)

    public var description: String {
        switch self {
        case .system(let path, let reason): "\(path): \(reason)"
        case .malformed(let path, let reason): "\(path): not a safetensors file: \(reason)"
        case .missing(let path, let name): "\(path): no tensor '\(name)'"
        case .mismatch(let path, let name, let reason): "\(path): tensor '\(name)': \(reason)"
        }
    }
}

/// The element type of a stored tensor, by its name in the file.
public enum TensorElement: String, Sendable, Hashable, CaseIterable {
    case bool = "BOOL"
    case uint8 = "U8"
    case int8 = "I8"
    case float8E4M3 = "F8_E4M3"
    case float8E5M2 = "F8_E5M2"
    case uint16 = "U16"
    case int16 = "I16"
    case float16 = "F16"
    case bfloat16 = "BF16"
    case uint32 = "U32"
    case int32 = "I32"
    case float32 = "F32"
    case uint64 = "U64"
    case int64 = "I64"
    case float64 = "F64"

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .bool, .uint8, .int8, .float8E4M3, .float8E5M2: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        }
    }
}

/// A memory-mapped safetensors file: names, types and shapes from its header, elements straight from the mapping.
///
/// Layout: 8 bytes little-endian length of the header, the header in JSON, then the tensors' bytes. The header is
/// checked whole before anything is given out: its length is at most 100 MB, every range lies inside the file, fits its
/// shape and type, and overlaps no other.
public final class SafetensorsFile: Sendable {
    /// One tensor of the file.
    public struct Tensor: Sendable, Hashable {
        /// The name it is stored under.
        public let name: String
        /// The type of its elements.
        public let element: TensorElement
        /// Its sizes, outermost first; empty for a scalar.
        public let shape: [Int]
        /// Where its bytes are, counted from the start of the file.
        public let byteRange: Range<Int>

        /// The number of its elements.
        public var count: Int { byteRange.count / element.byteCount }
    }

    /// The path it was opened at.
    public let path: String
    /// The tensors by name.
    public let tensors: [String: Tensor]
    /// The free text entries of the header (`__metadata__`).
    public let metadata: [String: String]
    private let file: MappedFile
    private var mapping: UnsafeRawBufferPointer { file.bytes }

    /// The longest header that is read, in bytes.
    public static let longestHeader = 100_000_000

    /// Maps a file and checks its header.
    ///
    /// - Throws: `SafetensorsError.system` where the file cannot be read, `.malformed` where its header is wrong.
    public init(path: String) throws {
        self.path = path
        do {
            file = try MappedFile(path: path)
        } catch {
            throw SafetensorsError.system(path: path, reason: error.reason)
        }
        guard file.bytes.count >= 10 else {
            throw SafetensorsError.malformed(path: path, reason: "only \(file.bytes.count) bytes long")
        }
        (tensors, metadata) = try SafetensorsHeader.read(file.bytes, path: path)
    }

    /// Whether the file became shorter while it was in use: what it lost reads as zeros.
    package var isTorn: Bool { file.isTorn }

    private func checkWhole() throws {
        guard !file.isTorn else {
            throw SafetensorsError.malformed(path: path, reason: "it became shorter while it was read")
        }
    }

    /// The names of all tensors, sorted.
    public var names: [String] { tensors.keys.sorted() }

    /// Whether a tensor of this name is there.
    public func contains(_ name: String) -> Bool { tensors[name] != nil }

    /// Returns the description of a tensor.
    ///
    /// - Throws: `SafetensorsError.missing`.
    public func tensor(named name: String) throws -> Tensor {
        guard let tensor = tensors[name] else { throw SafetensorsError.missing(path: path, name: name) }
        return tensor
    }

    /// Calls `body` with the stored bytes of a tensor, straight from the mapping. They need not be aligned.
    public func withUnsafeBytes<Result>(
        named name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) throws -> Result {
        let tensor = try tensor(named: name)
        let result = try body(UnsafeRawBufferPointer(rebasing: mapping[tensor.byteRange]))
        try checkWhole()
        return result
    }

    /// Calls `body` with the elements as floats: without a copy for aligned F32, else converted into a temporary array.
    ///
    /// - Throws: `SafetensorsError.missing` or `.mismatch` (an integer or 8-bit type), or what `body` throws.
    public func withUnsafeFloats<Result>(
        named name: String, _ body: (UnsafeBufferPointer<Float>) throws -> Result
    ) throws -> Result {
        let tensor = try tensor(named: name)
        let bytes = UnsafeRawBufferPointer(rebasing: mapping[tensor.byteRange])
        if tensor.element == .float32, tensor.count > 0,
            UInt(bitPattern: bytes.baseAddress) % UInt(MemoryLayout<Float>.alignment) == 0
        {
            let result = try body(bytes.assumingMemoryBound(to: Float.self))
            try checkWhole()
            return result
        }
        return try floats(named: name).withUnsafeBufferPointer(body)
    }

    /// Returns the elements of an F32, F16, BF16 or F64 tensor as floats.
    ///
    /// - Throws: `SafetensorsError.missing`, or `.mismatch` for any other type.
    public func floats(named name: String) throws -> [Float] {
        let floats = try unchecked(name)
        try checkWhole()
        return floats
    }

    private func unchecked(_ name: String) throws -> [Float] {
        let tensor = try tensor(named: name)
        let bytes = UnsafeRawBufferPointer(rebasing: mapping[tensor.byteRange])
        let count = tensor.count
        func widened(_ type: forage_lm_type) -> [Float] {
            [Float](unsafeUninitializedCapacity: count) { target, initialized in
                if count > 0 {
                    forage_lm_dequantize(Int32(type.rawValue), bytes.baseAddress, target.baseAddress, count)
                }
                initialized = count
            }
        }
        switch tensor.element {
        case .float32: return widened(FORAGE_LM_F32)
        case .float16: return widened(FORAGE_LM_F16)
        case .bfloat16: return widened(FORAGE_LM_BF16)
        case .float64:
            return (0..<count).map {
                Float(
                    Double(
                        bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))))
            }
        default:
            throw SafetensorsError.mismatch(
                path: path, name: name, reason: "has type \(tensor.element.rawValue), expected a floating-point type")
        }
    }

    /// Returns the elements of an I64, I32 or U8 tensor as integers.
    ///
    /// - Throws: `SafetensorsError.missing`, or `.mismatch` for any other type.
    public func integers(named name: String) throws -> [Int] {
        let tensor = try tensor(named: name)
        let bytes = UnsafeRawBufferPointer(rebasing: mapping[tensor.byteRange])
        let integers = try (0..<tensor.count).map { index in
            switch tensor.element {
            case .int64: Int(Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: Int64.self)))
            case .int32: Int(Int32(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 4, as: Int32.self)))
            case .uint8: Int(bytes[index])
            default:
                throw SafetensorsError.mismatch(
                    path: path, name: name, reason: "has type \(tensor.element.rawValue), expected I64, I32 or U8")
            }
        }
        try checkWhole()
        return integers
    }

    /// Returns a tensor of two dimensions (or fewer: one row) as a matrix.
    ///
    /// - Throws: `SafetensorsError.missing` or `.mismatch`.
    public func matrix(named name: String) throws -> Matrix {
        let shape = try tensor(named: name).shape
        guard shape.count <= 2 else {
            throw SafetensorsError.mismatch(
                path: path, name: name, reason: "has shape \(shape), expected two dimensions")
        }
        return Matrix(
            rows: shape.count == 2 ? shape[0] : 1, columns: shape.last ?? 1, elements: try floats(named: name))
    }
}
