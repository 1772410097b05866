// SPDX-License-Identifier: Apache-2.0

import PostgresTestServer
import Testing

@testable import Postgres

/// Addresses, and values as they go over the wire.
@Suite struct WireTests {
    /// No part of an address that may be secret is in what is shown, however it is written.
    @Test(arguments: [
        "postgresql://ann:hunter2@h/d", "postgresql://ann:hunter2@h:1/d?corpus=c&password=hunter2",
        "postgres://:hunter2@/d", "postgresql://ann:hunter%32@h/d?sslpassword=hunter2&x=1",
        "postgresql://ann:hunter2@x@h/d", "postgresql://ann:hun:ter2@h/d",
    ])
    func secretsAreFoundAndHidden(_ text: String) throws {
        let address = try PostgresAddress(text)
        #expect(!address.description.contains("hunter2") && !address.description.contains("ter2"))
        let message = "could not connect with hunter2\nnor with hunter%32; hun:ter2"
        let clean = address.clean(message)
        #expect(!clean.contains("\n"))
        for secret in address.secrets { #expect(!clean.contains(secret), "\(secret)") }
    }

    @Test func ourOwnParametersAreTakenOut() throws {
        let address = try PostgresAddress("postgresql://h/d?a=1&corpus=a%20b%2&b=2")
        #expect(address.parameters == ["corpus": "a b%2"])
        #expect(address.connection == "postgresql://h/d?a=1&b=2")
        #expect(try PostgresAddress("postgresql://h/d?corpus=x").connection == "postgresql://h/d")
        #expect(throws: PostgresError.self) { try PostgresAddress("postgresql://h/\u{0}") }
    }

    /// The bytes of the protocol's binary form, as its documentation has them.
    @Test func valuesAreWrittenAsTheProtocolSays() {
        #expect(PostgresValue.integer(-2).encoded() == [255, 255, 255, 255, 255, 255, 255, 254])
        #expect(PostgresValue.number(1).encoded() == [0x3F, 0xF0, 0, 0, 0, 0, 0, 0])
        #expect(PostgresValue.boolean(true).encoded() == [1] && PostgresValue.null.encoded() == nil)
        #expect(PostgresValue.text("é\u{0}").encoded() == [0xC3, 0xA9, 0xEF, 0xBF, 0xBD])
        // One dimension, no nulls, the elements' type, two elements from 1, each with its length.
        #expect(
            PostgresValue.ordinals([1, .max]).encoded() == [
                0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 255,
                255,
                255, 255,
            ])
        #expect(PostgresValue.texts([]).encoded() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25])
        #expect(PostgresValue.byteStrings([[7]]).encoded()?.suffix(5) == [0, 0, 0, 1, 7])
    }

    /// Numbers of every size are written with the most significant byte first.
    @Test func numbersAreBigEndian() {
        for value in [Int64.min, -1, 0, 1, 255, 256, .max] {
            let bytes = PostgresValue.integer(value).encoded() ?? []
            #expect(bytes.count == 8)
            #expect(Int64(bitPattern: bytes.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }) == value)
        }
    }

    /// Whatever goes to a server comes back.
    @Test func drawnValuesComeBack() async throws {
        let pool = PostgresPool(try PostgresAddress(TestServer.address()), options: PostgresPool.Options())
        var random = SystemRandomNumberGenerator()
        let pieces = ["a", "'", "\"", "\\", "{", "}", ",", "NULL", "é", "🙂", "\n", " ", "%", "$1", ";--"]
        for _ in 0..<20 {
            func text() -> String {
                (0..<Int.random(in: 0...8, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
                    .joined()
            }
            let texts = (0..<Int.random(in: 0...5, using: &random)).map { _ in text() }
            let numbers = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                Double.random(in: -1e9...1e9, using: &random)
            }
            let single = text()
            let integer = Int64.random(in: .min ... .max, using: &random)
            let rows = try await pool.query(
                "SELECT $1, $2, $3, $4", [.text(single), .texts(texts), .numbers(numbers), .integers([integer])])
            #expect(try rows.text(0, 0) == single && rows.texts(0, 1) == texts)
            #expect(try rows.numbers(0, 2) == numbers && rows.longs(0, 3) == [integer])
        }
    }
}
