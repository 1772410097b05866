// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// A GGUF file, version 2 or 3, mapped into memory: metadata and tensors, with every offset checked.
///
/// Layout (little-endian): magic `GGUF`, version, tensor count, metadata count, metadata pairs, tensor descriptions,
/// padding to `general.alignment` (default 32), tensor data.
public final class GGUFFile: MappedWeights {
    /// A metadata value.
    public enum Value: Sendable, Hashable {
        case integer(Int)
        case number(Double)
        case bool(Bool)
        case string(String)
        /// Bytes that are no UTF-8; tokens of byte-level vocabularies may be.
        case bytes([UInt8])
        case array([Value])
    }

    /// Where a tensor lies.
    public struct Tensor: Sendable, Hashable {
        public let name: String
        /// The type's number in the file, one of `forage_lm_type`.
        public let type: Int
        /// Sizes, the fastest-varying first: a matrix is [columns, rows].
        public let shape: [Int]
        /// The bytes within the file.
        public let range: Range<Int>

        /// Elements of a row.
        public var columns: Int { shape.first ?? 1 }
        /// Rows of the matrix that the tensor is.
        public var rows: Int { shape.dropFirst().reduce(1, *) }
    }

    /// Most entries of one metadata array, most metadata keys, most tensors: larger files than any that exist.
    static let mostElements = 1 << 24
    static let mostEntries = 1 << 16

    public let path: String
    public let version: Int
    public let metadata: [String: Value]
    public let tensors: [String: Tensor]
    let file: MappedFile
    /// The bytes of all metadata pairs, and how many pairs they are.
    let metadataBytes: (range: Range<Int>, count: Int)

    /// Maps and checks a file.
    /// - Throws: `GGUFError`.
    public init(path: String) throws {
        do {
            file = try MappedFile(path: path)
        } catch {
            throw GGUFError.unreadable(path: path, reason: error.reason)
        }
        guard !file.bytes.isEmpty else { throw GGUFError.truncated(path: path, offset: 0, what: "the header") }
        self.path = path
        var reader = GGUFReader(path: path, bytes: file.bytes)
        let header = try reader.header()
        version = header.version
        var metadata: [String: Value] = [:]
        let start = reader.offset
        for _ in 0..<header.metadataCount {
            let place = reader.offset
            let key = try reader.key("a metadata key")
            let value = try reader.value(of: key)
            guard metadata.updateValue(value, forKey: key) == nil else {
                throw GGUFError.malformed(path: path, offset: place, what: "the metadata key \"\(key)\" comes twice")
            }
        }
        self.metadata = metadata
        metadataBytes = (start..<reader.offset, header.metadataCount)
        tensors = try reader.tensors(count: header.tensorCount, alignment: reader.alignment(metadata))
    }

    /// Whether the file became shorter while it was in use.
    var isTorn: Bool { file.isTorn }

    /// The bytes of a tensor; valid as long as the file object lives.
    func bytes(of tensor: Tensor) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file.bytes[tensor.range])
    }

    /// The elements of a tensor as floats.
    public func floats(of tensor: Tensor) -> [Float] {
        let count = tensor.shape.reduce(1, *)
        return [Float](unsafeUninitializedCapacity: count) { buffer, initialised in
            forage_lm_dequantize(
                Int32(tensor.type), bytes(of: tensor).baseAddress, buffer.baseAddress, count)
            initialised = count
        }
    }
}

extension GGUFFile.Value {
    /// An integer.
    public var int: Int? { if case .integer(let value) = self { return value } else { return nil } }
    /// A text.
    public var string: String? { if case .string(let value) = self { return value } else { return nil } }
    /// A boolean.
    public var bool: Bool? { if case .bool(let value) = self { return value } else { return nil } }
    /// The entries of an array.
    public var array: [GGUFFile.Value]? { if case .array(let value) = self { return value } else { return nil } }
    /// Any number.
    public var double: Double? {
        switch self {
        case .integer(let value): return Double(value)
        case .number(let value): return value
        default: return nil
        }
    }
    /// The bytes of a text.
    var utf8: [UInt8]? {
        switch self {
        case .string(let value): return Array(value.utf8)
        case .bytes(let value): return value
        default: return nil
        }
    }
}
