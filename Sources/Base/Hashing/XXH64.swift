// SPDX-License-Identifier: Apache-2.0
import CKernels

/// xxHash's 64-bit variant (XXH64): fast, stable across machines and releases, not against an adversary.
/// Keys of caches and identities of texts; what must be trusted uses ``SHA256``.
public enum XXH64 {
    /// The hash of a text's UTF-8.
    public static func hash(_ text: String, seed: UInt64 = 0) -> UInt64 {
        var text = text
        return text.withUTF8 { hash(UnsafeRawBufferPointer($0), seed: seed) }
    }

    /// The hash of `bytes`.
    public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
        forage_xxh64(bytes.baseAddress, bytes.count, seed)
    }
}
