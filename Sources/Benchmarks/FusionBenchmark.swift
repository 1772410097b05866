// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Search
import TensorMath

/// Fusion of two rankings: microseconds a call.
struct FusionBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "fusion", abstract: "Fusion of rankings.")

    @Option(help: "Passages in each ranking.") var depth = 100
    @Option(help: "Calls.") var calls = 2000

    func run() throws {
        var generator = SplitMix64(seed: 1)
        func ranking() -> [ScoredPassage] {
            var ordinals = Array(UInt32(0)..<UInt32(4 * depth))
            generator.shuffle(&ordinals)
            return ordinals.prefix(depth).enumerated().map { ScoredPassage(ordinal: $1, score: Float(depth - $0)) }
        }
        let rankings = [ranking(), ranking()]
        func time(_ name: String, _ body: () -> [ScoredPassage]) {
            var kept = 0
            let start = wallSeconds()
            for _ in 0..<calls { kept += body().count }
            var line = Measurement("fusion")
            line.set("stage", name)
            line.set("us", (wallSeconds() - start) / Double(calls) * 1e6)
            line.set("results", kept / calls)
            line.print()
        }
        time("reciprocal rank") { ReciprocalRank().fuse(rankings, limit: 20) }
        time("interpolation min-max") { ScoreInterpolation().fuse(rankings, limit: 20) }
        time("interpolation z-score") {
            ScoreInterpolation(.zScore).fuse(rankings, limit: 20)
        }
    }
}
