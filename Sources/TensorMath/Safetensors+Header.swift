// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation

/// Reads and checks the JSON header of a safetensors file.
enum SafetensorsHeader {
    private struct Entry: Decodable {
        var dtype: String
        var shape: [Int]
        var offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype, shape
            case offsets = "data_offsets"
        }
    }

    private struct Name: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    private struct Header: Decodable {
        var entries: [(name: String, entry: Entry)] = []
        var metadata: [String: String] = [:]

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Name.self)
            for key in container.allKeys {
                if key.stringValue == "__metadata__" {
                    metadata = try container.decode([String: String].self, forKey: key)
                } else {
                    entries.append((key.stringValue, try container.decode(Entry.self, forKey: key)))
                }
            }
        }
    }

    /// Returns the tensors and free-text entries of a whole file's bytes.
    static func read(
        _ bytes: UnsafeRawBufferPointer, path: String
    ) throws -> (tensors: [String: SafetensorsFile.Tensor], metadata: [String: String]) {
        func malformed(_ reason: String) -> SafetensorsError { .malformed(path: path, reason: reason) }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(SafetensorsFile.longestHeader) else {
            throw malformed("its header claims \(length) bytes, at most \(SafetensorsFile.longestHeader) are read")
        }
        guard Int(length) <= bytes.count - 8 else {
            throw malformed("its header claims \(length) bytes, the file has \(bytes.count - 8) after the length")
        }
        let start = 8 + Int(length)
        let header: Header
        do {
            header = try JSONDecoder().decode(Header.self, from: Data(bytes[8..<start]))
        } catch {
            throw malformed("its header is not the expected JSON")
        }
        let available = bytes.count - start
        var tensors: [String: SafetensorsFile.Tensor] = [:]
        for (name, entry) in header.entries {
            guard let element = TensorElement(rawValue: entry.dtype) else {
                throw malformed("tensor '\(name)' has an unknown type '\(entry.dtype)'")
            }
            var size = element.byteCount
            for dimension in entry.shape {
                let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
                guard dimension >= 0, !overflow else { throw malformed("tensor '\(name)' has shape \(entry.shape)") }
                size = product
            }
            guard entry.offsets.count == 2, entry.offsets[0] >= 0, entry.offsets[0] <= entry.offsets[1],
                entry.offsets[1] <= available
            else {
                throw malformed("tensor '\(name)' lies at \(entry.offsets), outside of \(available) bytes of data")
            }
            guard entry.offsets[1] - entry.offsets[0] == size else {
                throw malformed(
                    "tensor '\(name)' takes \(entry.offsets[1] - entry.offsets[0]) bytes, its shape and type \(size)")
            }
            tensors[name] = SafetensorsFile.Tensor(
                name: name, element: element, shape: entry.shape,
                byteRange: (start + entry.offsets[0])..<(start + entry.offsets[1]))
        }
        var end = start
        for tensor in tensors.values.sorted(by: {
            ($0.byteRange.lowerBound, $0.name) < ($1.byteRange.lowerBound, $1.name)
        })
        where !tensor.byteRange.isEmpty {
            guard tensor.byteRange.lowerBound >= end else {
                throw malformed("tensor '\(tensor.name)' overlaps another")
            }
            end = tensor.byteRange.upperBound
        }
        return (tensors, header.metadata)
    }
}
