// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import COpenBLAS
import Foundation

/// What this machine gives at most, measured in the same run as what is compared with it: the bandwidth of reading memory
/// in order, and the speed of a product of single-precision matrices.
struct LimitsBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits", abstract: "The machine's read bandwidth and matrix speed, one thread.")

    @Option(help: "Bytes that are read, in MiB; well above the last cache.") var mebibytes = 1024
    @Option(help: "Rounds; the best counts.") var rounds = 5

    func run() {
        var line = Measurement("limits")
        line.set("read_GB_per_s", readBandwidth())
        line.set("sgemm_gflops", matrixSpeed(rows: 2048, columns: 2048, inner: 2048))
        // The shape of a batch of queries against vectors of 384 numbers.
        line.set("sgemm_batch64_gflops", matrixSpeed(rows: 64, columns: 100_000, inner: 384))
        line.print()
    }

    private func readBandwidth() -> Double {
        let values = [SIMD16<UInt32>](repeating: SIMD16(repeating: 1), count: mebibytes << 14)
        var best = Double.infinity
        var checksum: UInt32 = 0
        for _ in 0..<rounds {
            let start = wallSeconds()
            values.withUnsafeBufferPointer { rows in
                var sums = (SIMD16<UInt32>(), SIMD16<UInt32>(), SIMD16<UInt32>(), SIMD16<UInt32>())
                var index = 0
                while index + 4 <= rows.count {
                    sums.0 &+= rows[index]
                    sums.1 &+= rows[index + 1]
                    sums.2 &+= rows[index + 2]
                    sums.3 &+= rows[index + 3]
                    index += 4
                }
                checksum &+= (sums.0 &+ sums.1 &+ sums.2 &+ sums.3).wrappedSum()
            }
            best = min(best, wallSeconds() - start)
        }
        precondition(checksum != 0, "the sum is used, so that it is computed")
        return Double(mebibytes << 20) / best / 1e9
    }

    private func matrixSpeed(rows: Int, columns: Int, inner: Int) -> Double {
        let left = [Float](repeating: 0.5, count: rows * inner)
        let right = [Float](repeating: 0.25, count: columns * inner)
        var product = [Float](repeating: 0, count: rows * columns)
        var best = Double.infinity
        for _ in 0..<rounds {
            let start = wallSeconds()
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, blasint(rows), blasint(columns), blasint(inner), 1, left,
                blasint(inner), right, blasint(inner), 0, &product, blasint(columns))
            best = min(best, wallSeconds() - start)
        }
        return 2 * Double(rows) * Double(columns) * Double(inner) / best / 1e9
    }
}
