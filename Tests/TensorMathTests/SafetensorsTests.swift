// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import Testing

@testable import TensorMath

@Suite struct SafetensorsTests {
    private func temporaryPath() -> String {
        FileManager.default.temporaryDirectory.appendingPathComponent("tensors-\(UUID().uuidString).safetensors").path
    }

    @discardableResult
    private func withFile<Result>(_ data: Data, _ body: (String) throws -> Result) throws -> Result {
        let path = temporaryPath()
        try data.write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try body(path)
    }

    /// A file from a header's text and the data's bytes.
    private func file(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> Data {
        var bytes = Data()
        withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: header.utf8)
        bytes.append(contentsOf: data)
        return bytes
    }

    @Test func writtenTensorsComeBackBitForBit() throws {
        var generator = SplitMix64(seed: 3)
        var writer = SafetensorsWriter(metadata: ["made by": "a \"test\"\n"])
        let matrix = Matrix(rows: 5, columns: 7, deviation: 2, using: &generator)
        writer.add("layer/weight \u{e9}", matrix)
        writer.add("scalar", shape: [], [42])
        writer.add("empty", shape: [0, 3], [])
        let path = temporaryPath()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try writer.write(to: path)
        let read = try SafetensorsFile(path: path)
        #expect(read.names == ["empty", "layer/weight \u{e9}", "scalar"])
        #expect(read.metadata == ["made by": "a \"test\"\n"])
        #expect(try read.matrix(named: "layer/weight \u{e9}") == matrix)
        #expect(try read.floats(named: "scalar") == [42])
        #expect(try read.floats(named: "empty") == [])
        #expect(try read.tensor(named: "empty").shape == [0, 3])
        try read.withUnsafeFloats(named: "layer/weight \u{e9}") { #expect(Array($0) == matrix.elements) }
        #expect(throws: SafetensorsError.missing(path: path, name: "none")) { try read.floats(named: "none") }
        let bytes = try writer.encoded()
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    }

    @Test func halfPrecisionWidensExactly() throws {
        // 1, -2, the smallest subnormal, the largest half, infinity; then 1 and -3 in bfloat16.
        let header = """
            {"h":{"dtype":"F16","shape":[5],"data_offsets":[0,10]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[10,14]},\
            "i":{"dtype":"I64","shape":[1],"data_offsets":[14,22]}}
            """
        let data: [UInt8] = [
            0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0xFF, 0x7B, 0x00, 0x7C, 0x80, 0x3F, 0x40, 0xC0, 0xFE, 0xFF, 0xFF, 0xFF,
            0xFF,
            0xFF, 0xFF, 0xFF,
        ]
        try withFile(file(header, data: data)) { path in
            let read = try SafetensorsFile(path: path)
            #expect(try read.floats(named: "h") == [1, -2, 0x1p-24, 65504, .infinity])
            #expect(try read.floats(named: "b") == [1, -3])
            #expect(try read.integers(named: "i") == [-2])
            #expect(throws: SafetensorsError.self) { try read.floats(named: "i") }
            #expect(throws: SafetensorsError.self) { try read.integers(named: "h") }
        }
    }

    @Test(arguments: [
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}",
        "[1]", "{", "", "{\"a\":1}",
    ])
    func hostileHeadersAreRefused(_ header: String) throws {
        try withFile(file(header, data: [0, 0, 0, 0, 0, 0, 0, 0])) { path in
            #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: path) }
        }
    }

    @Test func wrongLengthsAndEveryTruncationAreRefused() throws {
        let header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
        let whole = file(header, data: [0, 0, 128, 63])
        try withFile(whole) { path in
            let floats = try SafetensorsFile(path: path).floats(named: "a")
            #expect(floats == [1])
        }
        for count in 0..<whole.count {
            try withFile(whole.prefix(count)) { path in
                #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: path) }
            }
        }
        for length in [UInt64.max, 1 << 63, 100_000_001, 1000] {
            try withFile(file(header, data: [0, 0, 128, 63], length: length)) { path in
                #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: path) }
            }
        }
        #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: "/nowhere/at/all") }
        #expect(throws: SafetensorsError.self) { _ = try SafetensorsFile(path: "/") }
        #expect(throws: SafetensorsError.self) { try SafetensorsWriter().write(to: "/nowhere/at/all") }
    }
}

@Suite struct SplitMix64Tests {
    @Test func sequenceIsTheReference() {
        // The first outputs of the published algorithm for seed 1234567.
        var generator = SplitMix64(seed: 1_234_567)
        #expect(generator.next() == 6_457_827_717_110_365_317)
        #expect(generator.next() == 3_203_168_211_198_807_973)
        #expect(generator.next() == 9_817_491_932_198_370_423)
    }

    @Test func drawsHaveTheirMoments() {
        var generator = SplitMix64(seed: 5, stream: 9)
        let normal = (0..<20_000).map { _ in generator.gaussian() }
        let mean = normal.reduce(0, +) / 20_000
        let variance = normal.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / 20_000
        #expect(abs(mean) < 0.03 && abs(variance - 1) < 0.04)
        var counts = [0, 0, 0]
        for _ in 0..<9000 { counts[generator.integer(below: 3)] += 1 }
        #expect(counts.allSatisfy { abs($0 - 3000) < 200 })
        var weighted = [0, 0, 0]
        for _ in 0..<8000 { weighted[generator.index(weights: [1, 0, 3])] += 1 }
        #expect(weighted[1] == 0 && abs(weighted[0] - 2000) < 200)
    }

    @Test func shuffleIsAPermutationOfItsSeed() {
        var first = Array(0..<50)
        var second = first
        var a = SplitMix64(seed: 8)
        var b = SplitMix64(seed: 8)
        a.shuffle(&first)
        b.shuffle(&second)
        #expect(first == second && first != Array(0..<50) && first.sorted() == Array(0..<50))
    }
}

@Suite struct BLASTests {
    @Test(
        arguments: [(1, 1, 1), (3, 4, 5), (7, 1, 9), (1, 6, 2), (2, 3, 0)],
        [(false, false), (true, false), (false, true), (true, true)])
    func productEqualsTheDefinition(_ size: (Int, Int, Int), _ transposes: (Bool, Bool)) {
        let (m, n, k) = size
        var generator = SplitMix64(seed: UInt64(m * 100 + n * 10 + k))
        let a = Matrix(rows: m, columns: k, deviation: 1, using: &generator)
        let b = Matrix(rows: k, columns: n, deviation: 1, using: &generator)
        let product = (transposes.0 ? a.transposed : a).multiplied(
            by: transposes.1 ? b.transposed : b, transposingSelf: transposes.0, transposingOther: transposes.1)
        for row in 0..<m {
            for column in 0..<n {
                let expected = (0..<k).map { a[row, $0] * b[$0, column] }.reduce(0, +)
                #expect(abs(product[row, column] - expected) < 1e-4)
            }
        }
    }

    @Test func spansAddIntoTheTarget() {
        let a: [Float] = [1, 2, 3, 4]
        let x: [Float] = [1, -1]
        var y: [Float] = [10, 20]
        var target = y.mutableSpan
        BLAS.gemv(rows: 2, columns: 2, a.span, x.span, beta: 1, into: &target)
        #expect(y == [9, 19])
        var c: [Float] = [0, 0, 0, 0]
        var square = c.mutableSpan
        BLAS.gemm(rows: 2, columns: 2, depth: 2, alpha: 2, a.span, a.span, into: &square)
        #expect(c == [14, 20, 30, 44])
    }
}
