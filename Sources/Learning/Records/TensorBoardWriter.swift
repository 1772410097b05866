// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Text

/// Scalars as a TensorBoard event file: records of TFRecord framing around hand-written protocol buffers.
///
/// Each record is its length (8 bytes little-endian), the masked CRC-32C of the length, an `Event` message, and the
/// masked CRC-32C of it. Of `Event` the fields wall_time (1, double), step (2, varint), file_version (3) and summary (5)
/// are written; a summary holds values with tag (1) and simple_value (2, float).
struct TensorBoardWriter {
    private(set) var bytes: [UInt8] = []

    init(time: Double) {
        append(event: Self.double(1, time) + Self.field(3, Array("brain.Event:2".utf8)))
    }

    /// Adds the scalars of a step.
    mutating func add(_ scalars: [(tag: String, value: Float)], step: Int, time: Double) {
        var summary: [UInt8] = []
        for (tag, value) in scalars {
            var bits = value.bitPattern.littleEndian
            let number = withUnsafeBytes(of: &bits) { [Self.key(2, wire: 5)] + Array($0) }
            summary += Self.field(1, Self.field(1, Array(tag.utf8)) + number)
        }
        append(
            event: Self.double(1, time) + [Self.key(2, wire: 0)] + Self.varint(UInt64(step)) + Self.field(5, summary))
    }

    private mutating func append(event: [UInt8]) {
        let length = Self.little(UInt64(event.count))
        bytes += length + Self.little(Self.maskedChecksum(length)) + event + Self.little(Self.maskedChecksum(event))
    }

    /// The checksum rotated and shifted, as the format wants it: a checksum of data that holds checksums is weak.
    static func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
        let checksum = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        return (checksum >> 15 | checksum << 17) &+ 0xA282_EAD8
    }

    private static func key(_ field: UInt8, wire: UInt8) -> UInt8 { field << 3 | wire }

    private static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var result: [UInt8] = []
        while rest > 127 {
            result.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return result + [UInt8(rest)]
    }

    private static func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        [key(number, wire: 2)] + varint(UInt64(content.count)) + content
    }

    private static func double(_ number: UInt8, _ value: Double) -> [UInt8] {
        [key(number, wire: 1)] + little(value.bitPattern)
    }

    private static func little<Integer: FixedWidthInteger>(_ value: Integer) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}
