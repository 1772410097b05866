// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import COpenBLAS

/// Speeds, each beside the machine's limits and, through `peers/table.py`, beside the alternatives.
@main struct Benchmarks: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "forage-benchmarks", abstract: "Measures Forage; one JSON line for each measurement.",
        subcommands: [
            LimitsBenchmark.self, KeywordBenchmark.self, VectorBenchmark.self, GraphBenchmark.self,
            LinkBenchmark.self, FusionBenchmark.self, FilterBenchmark.self, KillBenchmark.self, ReadersBenchmark.self,
            AgentBenchmark.self,
            PoisonBenchmark.self, EncoderBenchmark.self, PolicyBenchmark.self, ReaderBenchmark.self,
            ToolCallBenchmark.self, SampledCallBenchmark.self, DecodeBenchmark.self, GuessBenchmark.self,
            EvalKillBenchmark.self, TrainingStepBenchmark.self, DecoderStepBenchmark.self, IngestBenchmark.self,
            PDFBenchmark.self, PostgresBenchmark.self,
        ])

    static func main() async {
        openblas_set_num_threads(1)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            exit(withError: error)
        }
    }
}
