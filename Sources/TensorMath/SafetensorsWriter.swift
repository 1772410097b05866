// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
public import Foundation

/// Gathers tensors and writes them as one safetensors file.
///
/// The same tensors in the same order give the same bytes. The file appears whole or not at all: it is written beside
/// its place, synchronised, and renamed.
public struct SafetensorsWriter: Sendable {
    /// The numbers of a tensor.
    private enum Elements: Sendable {
        case floats([Float])
        case halves([UInt16])
        case integers([Int8])

        var count: Int {
            switch self {
            case .floats(let numbers): numbers.count
            case .halves(let numbers): numbers.count
            case .integers(let numbers): numbers.count
            }
        }

        var type: TensorElement {
            switch self {
            case .floats: .float32
            case .halves: .float16
            case .integers: .int8
            }
        }

        func append(to data: inout Data) {
            switch self {
            case .floats(let numbers): numbers.withUnsafeBytes { data.append(contentsOf: $0) }
            case .halves(let numbers): numbers.withUnsafeBytes { data.append(contentsOf: $0) }
            case .integers(let numbers): numbers.withUnsafeBytes { data.append(contentsOf: $0) }
            }
        }
    }

    private var tensors: [(name: String, shape: [Int], elements: Elements)] = []
    /// Free text entries for the header.
    public var metadata: [String: String]

    /// Starts an empty file.
    public init(metadata: [String: String] = [:]) {
        self.metadata = metadata
    }

    /// Adds a tensor in single precision.
    ///
    /// - Precondition: `elements` fits `shape`, and the name is new.
    public mutating func add(_ name: String, shape: [Int], _ elements: [Float]) {
        add(name, shape, .floats(elements))
    }

    /// Adds a tensor in half precision, rounded to the nearest; numbers out of its range become the largest of it.
    ///
    /// - Precondition: `halves` fits `shape`, and the name is new.
    public mutating func add(_ name: String, shape: [Int], halves: [Float]) {
        add(name, shape, .halves(halves.map { forage_lm_float_to_half(max(-65_504, min(65_504, $0))) }))
    }

    /// Adds a tensor of 8-bit integers.
    ///
    /// - Precondition: `integers` fits `shape`, and the name is new.
    public mutating func add(_ name: String, shape: [Int], integers: [Int8]) {
        add(name, shape, .integers(integers))
    }

    private mutating func add(_ name: String, _ shape: [Int], _ elements: Elements) {
        precondition(shape.reduce(1, *) == elements.count, "tensor '\(name)' does not fit its shape \(shape)")
        precondition(!tensors.contains { $0.name == name }, "tensor '\(name)' was already added")
        tensors.append((name, shape, elements))
    }

    /// Adds a matrix in single precision.
    public mutating func add(_ name: String, _ matrix: Matrix) {
        add(name, shape: [matrix.rows, matrix.columns], matrix.elements)
    }

    /// Returns the bytes of the file.
    public func encoded() throws -> Data {
        func quoted(_ text: String) throws -> String {
            String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
        }
        var entries: [String] = []
        if !metadata.isEmpty {
            let pairs = try metadata.sorted { $0.key < $1.key }.map { try quoted($0.key) + ":" + quoted($0.value) }
            entries.append("\"__metadata__\":{" + pairs.joined(separator: ",") + "}")
        }
        var offset = 0
        // Wider numbers first: each tensor then starts at a multiple of its number's size.
        let tensors = [TensorElement.float32, .float16, .int8].flatMap { type in
            self.tensors.filter { $0.elements.type == type }
        }
        for tensor in tensors {
            let size = tensor.elements.count * tensor.elements.type.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            entries.append(
                "\(try quoted(tensor.name)):{\"dtype\":\"\(tensor.elements.type.rawValue)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(offset + size)]}"
            )
            offset += size
        }
        var header = Array(("{" + entries.joined(separator: ",") + "}").utf8)
        while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
        var data = Data(capacity: 8 + header.count + offset)
        withUnsafeBytes(of: UInt64(header.count).littleEndian) { data.append(contentsOf: $0) }
        data.append(contentsOf: header)
        for tensor in tensors {
            tensor.elements.append(to: &data)
        }
        return data
    }

    /// Writes the file.
    ///
    /// - Throws: `SafetensorsError.system` where the file cannot be written.
    public func write(to path: String) throws {
        let data = try encoded()
        let temporary = path + ".\(getpid()).part"
        func failure() -> SafetensorsError { .system(path: path, reason: String(cString: strerror(errno))) }
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure() }
        let written = data.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Foundation.write(descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done)
                if count < 0 && errno == EINTR { continue }
                if count <= 0 { return false }
                done += count
            }
            return fsync(descriptor) == 0
        }
        let error = written ? nil : failure()
        close(descriptor)
        guard error == nil, rename(temporary, path) == 0 else {
            let reason = error ?? failure()
            unlink(temporary)
            throw reason
        }
    }
}
