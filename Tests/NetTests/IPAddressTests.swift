// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Net

@Suite struct IPAddressTests {
    @Test(
        arguments: [
            [8, 8, 8, 8], [1, 1, 1, 1], [100, 63, 255, 255], [100, 128, 0, 0], [172, 15, 0, 1], [172, 32, 0, 1],
            [192, 167, 1, 1], [198, 17, 0, 1], [198, 20, 0, 1], [223, 255, 255, 255],
        ] as [[UInt8]])
    func publicAddresses(_ address: [UInt8]) { #expect(IPAddress.isPublic(v4: address)) }

    @Test(
        arguments: [
            [0, 0, 0, 0], [10, 1, 2, 3], [127, 0, 0, 1], [127, 255, 255, 254], [169, 254, 169, 254], [172, 16, 0, 1],
            [172, 31, 255, 255], [192, 168, 0, 1], [100, 64, 0, 1], [198, 18, 0, 1], [224, 0, 0, 1],
            [255, 255, 255, 255],
            [8, 8, 8], [],
        ] as [[UInt8]])
    func addressesOfThisMachineAndItsNetwork(_ address: [UInt8]) { #expect(!IPAddress.isPublic(v4: address)) }

    /// An address of IPv4 keeps its meaning in each of the ways in which IPv6 carries one.
    @Test func addressesWrappedInIPv6() {
        let wrappings: [([UInt8]) -> [UInt8]] = [
            { [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF] + $0 },
            { [0, 0x64, 0xFF, 0x9B] + [UInt8](repeating: 0, count: 8) + $0 },
            { [0x20, 0x02] + $0 + [UInt8](repeating: 0, count: 10) },
        ]
        for wrap in wrappings {
            #expect(IPAddress.isPublic(v6: wrap([8, 8, 8, 8])))
            #expect(!IPAddress.isPublic(v6: wrap([127, 0, 0, 1])))
            #expect(!IPAddress.isPublic(v6: wrap([169, 254, 169, 254])))
        }
        #expect(!IPAddress.isPublic(v6: [UInt8](repeating: 0, count: 15) + [1]))
        #expect(!IPAddress.isPublic(v6: [0xFE, 0x80] + [UInt8](repeating: 0, count: 14)))
        #expect(!IPAddress.isPublic(v6: [0xFC] + [UInt8](repeating: 0, count: 15)))
        #expect(!IPAddress.isPublic(v6: [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 1, count: 12)))
        #expect(!IPAddress.isPublic(v6: [0x20, 0x01, 0, 0] + [UInt8](repeating: 8, count: 12)), "Teredo")
        #expect(!IPAddress.isPublic(v6: [0x3F, 0xFF, 0x0F] + [UInt8](repeating: 1, count: 13)))
        let local: [UInt8] = [0, 0x64, 0xFF, 0x9B, 0, 1] + [UInt8](repeating: 0, count: 6) + [8, 8, 8, 8]
        #expect(!IPAddress.isPublic(v6: local))
        #expect(IPAddress.isPublic(v6: [0x26, 0x06, 0x47, 0x00] + [UInt8](repeating: 1, count: 12)))
    }
}
