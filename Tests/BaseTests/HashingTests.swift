// SPDX-License-Identifier: Apache-2.0
import Base
import CKernels
import Testing

@Suite(.serialized) struct HashingTests {
    @Test func sha256OfPublishedMessages() {
        #expect(SHA256.hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(SHA256.hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let long = String(repeating: "a", count: 1_000_000)
        #expect(SHA256.hex(long) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }

    @Test(arguments: [1, 3, 63, 64, 65, 200]) func sha256InPieces(size: Int) {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var hash = SHA256()
        var index = 0
        while index < bytes.count {
            let end = min(index + size, bytes.count)
            Array(bytes[index..<end]).withUnsafeBytes { hash.update($0) }
            index = end
        }
        #expect(hash.finalizeHex() == bytes.withUnsafeBytes { SHA256.hex($0) })
    }

    @Test func xxh64OfPublishedMessages() {
        #expect(XXH64.hash("") == 0xEF46_DB37_51D8_E999)
        #expect(XXH64.hash("a") == 0xD24E_C4F1_A98C_6E5B)
        #expect(XXH64.hash("abc") == 0x44BC_2CF5_AD77_0999)
        #expect(XXH64.hash("Nobody inspects the spammish repetition") == 0xFBCE_A83C_8A37_8BF1)
    }

    @Test func crc32cIsTheSameOnEveryPath() {
        let check = Array("123456789".utf8)
        #expect(check.withUnsafeBytes { CRC32C.checksum($0) } == 0xE306_9283)
        let bytes = (0..<777).map { UInt8(truncatingIfNeeded: $0 &* $0) }
        let fast = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        let level = forage_cpu_get_level()
        #expect(forage_cpu_force_level(FORAGE_CPU_PORTABLE) == 1)
        #expect(bytes.withUnsafeBytes { CRC32C.checksum($0) } == fast)
        #expect(forage_cpu_force_level(level) == 1)
        let first = Array(bytes[0..<100]).withUnsafeBytes { CRC32C.checksum($0) }
        #expect(Array(bytes[100...]).withUnsafeBytes { CRC32C.checksum($0, continuing: first) } == fast)
    }
}
