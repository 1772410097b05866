// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Corpus
import Foundation

/// How vectors are kept on disk.
public enum VectorPrecision: String, Codable, Sendable, Hashable, CaseIterable {
    /// 4 bytes a number: exact.
    case float32
    /// 2 bytes a number: half the memory traffic, errors around 0.0003.
    case float16
}

extension VectorIndex {
    /// Writes an index file row by row with flat memory.
    public final class Writer {
        private let file: SectionFileWriter
        private var about: VectorIndex.About
        private var halves: [UInt16]

        /// - Parameters:
        ///   - path: where; an existing file is replaced.
        ///   - dimension: the length of each vector.
        public init(path: String, dimension: Int, precision: VectorPrecision = .float32) throws {
            guard dimension > 0, dimension <= 65_536 else {
                throw SearchIndexError.invalidOption("vectors of \(dimension) numbers; expected 1 to 65536")
            }
            about = VectorIndex.About(dimension: dimension, count: 0, precision: precision)
            halves = [UInt16](repeating: 0, count: dimension)
            file = try SectionFileWriter(path: path, kind: VectorIndex.kind, version: VectorIndex.version)
            try file.begin("vectors")
        }

        /// Appends the next passages' vectors: whole rows, each of length one.
        public func append(_ rows: UnsafeBufferPointer<Float>) throws {
            precondition(rows.count % about.dimension == 0, "whole rows")
            switch about.precision {
            case .float32: try file.append(UnsafeRawBufferPointer(rows))
            case .float16:
                for start in stride(from: 0, to: rows.count, by: about.dimension) {
                    forage_convert_to_f16(rows.baseAddress.map { $0 + start }, about.dimension, &halves)
                    try halves.withUnsafeBytes { try file.append($0) }
                }
            }
            about.count += rows.count / about.dimension
        }

        /// Ends the index and synchronises it to the disk.
        public func finish() throws {
            try file.end()
            try file.add("about", [UInt8](try JSONEncoder().encode(about)))
            try file.finish()
        }
    }
}
