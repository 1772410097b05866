// SPDX-License-Identifier: Apache-2.0
import CKernels

/// CRC-32C (Castagnoli), the checksum of every block and record on disk; by the processor's instruction where it has one.
public enum CRC32C {
    /// The checksum of `bytes`, continuing from that of the bytes before them.
    public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing previous: UInt32 = 0) -> UInt32 {
        forage_crc32c(previous, bytes.baseAddress, bytes.count)
    }
}
