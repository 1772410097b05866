// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Which addresses a request on behalf of a model may reach.
enum IPAddress {
    /// Whether the address belongs to the public internet: not unspecified, loopback, private, shared, link-local,
    /// multicast, documentation or reserved (RFC 6890), also when an IPv4 address is wrapped in IPv6.
    /// - Parameter sockaddr: the bytes of a `sockaddr_in` or `sockaddr_in6`.
    static func isPublic(family: Int32, sockaddr bytes: UnsafeRawBufferPointer) -> Bool {
        if family == AF_INET {
            guard bytes.count >= MemoryLayout<sockaddr_in>.size else { return false }
            return isPublic(v4: Array(bytes[4..<8]))
        }
        guard family == AF_INET6, bytes.count >= MemoryLayout<sockaddr_in6>.size else { return false }
        return isPublic(v6: Array(bytes[8..<24]))
    }

    static func isPublic(v4 address: [UInt8]) -> Bool {
        guard address.count == 4 else { return false }
        switch (address[0], address[1], address[2]) {
        case (0, _, _), (10, _, _), (127, _, _), (224...255, _, _): return false
        case (100, 64...127, _), (169, 254, _), (172, 16...31, _), (192, 168, _): return false
        case (192, 0, 0), (192, 0, 2), (192, 88, 99), (198, 18...19, _), (198, 51, 100), (203, 0, 113): return false
        default: return true
        }
    }

    static func isPublic(v6 address: [UInt8]) -> Bool {
        guard address.count == 16 else { return false }
        let zeros = address.prefix { $0 == 0 }.count
        // ::, ::1, and the IPv4 addresses in ::a.b.c.d and ::ffff:a.b.c.d
        if zeros >= 12 { return zeros < 15 && isPublic(v4: Array(address[12...])) }
        if zeros == 10, address[10] == 0xFF, address[11] == 0xFF { return isPublic(v4: Array(address[12...])) }
        // 64:ff9b::/96 translates to IPv4; 64:ff9b:1::/48 does within a network of one's own.
        if address[0] == 0, address[1] == 0x64, address[2] == 0xFF, address[3] == 0x9B {
            return address[4..<12].allSatisfy { $0 == 0 } && isPublic(v4: Array(address[12...]))
        }
        // 2002::/16 (6to4) carries an IPv4 address.
        if address[0] == 0x20, address[1] == 0x02 { return isPublic(v4: Array(address[2..<6])) }
        // Only 2000::/3 is global unicast; of it 2001:db8::/32 and 3fff::/20 are documentation, 2001::/32 (Teredo) carries
        // an IPv4 address in disguise.
        guard address[0] & 0xE0 == 0x20 else { return false }
        if address[0] == 0x3F, address[1] == 0xFF, address[2] & 0xF0 == 0 { return false }
        guard address[0] == 0x20, address[1] == 0x01 else { return true }
        return !(address[2] == 0x0D && address[3] == 0xB8) && !(address[2] == 0 && address[3] == 0)
    }
}
