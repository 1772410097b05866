// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import Testing

@testable import Documents

/// The bytes of a file in `Files`.
func testFile(_ name: String) throws -> [UInt8] {
    let url = try #require(Bundle.module.url(forResource: "Files/\(name)", withExtension: nil))
    return Array(try Data(contentsOf: url))
}

/// Reads bytes as a file of that name, as a folder's file is read.
func read(_ bytes: [UInt8], name: String, options: ReadingOptions = ReadingOptions()) throws -> Reading {
    let format = bytes.withUnsafeBufferPointer {
        SourceFormat.detect(
            name: name, head: UnsafeBufferPointer(rebasing: $0.prefix(1 << 16)), isWhole: $0.count <= 1 << 16)
    }
    guard let format else { throw DocumentError("it is no document") }
    return try DocumentReader(options).read(.bytes(bytes), format: format, id: name)
}

func read(_ text: String, name: String, options: ReadingOptions = ReadingOptions()) throws -> Reading {
    try read(Array(text.utf8), name: name, options: options)
}

/// A stream that gives a few bytes at a time.
final class DrippingStream: ByteStream {
    private let bytes: [UInt8]
    private let size: Int
    private var at = 0

    init(_ bytes: [UInt8], size: Int) {
        self.bytes = bytes
        self.size = size
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(size, buffer.count, bytes.count - at)
        bytes.withUnsafeBytes { buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[at..<(at + count)])) }
        at += count
        return count
    }
}

/// Numbers that are the same in every run.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
