// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Base
import Evaluation
import Foundation
import TensorMath

/// Kills `forage eval run` at random moments and resumes it, and checks that the run comes to the same.
///
/// First an uninterrupted run, then runs that `kill -9` hits over and over. After a kill the last line is torn at times, as
/// a loss of power does it. Each record that was whole on disk must stand in the final file as it was, each question
/// once, and the scores must be those of the uninterrupted run.
struct EvalKillBenchmark: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill-eval",
        abstract: "Kills `forage eval run` at random moments, resumes it, compares the results.")

    @Argument(help: "The suite.") var suite: String
    @Option(help: "The program.") var forage = ".build/release/forage"
    @Option(help: "How often to kill.") var kills = 200
    @Option(help: "Seed of the moments.") var seed: UInt64 = 1
    @Option(help: "The folder to work in; default: a temporary one, removed at the end.") var folder: String?

    func run() throws {
        let root = folder ?? NSTemporaryDirectory() + "forage-kill-eval-\(getpid())"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        defer { if folder == nil { try? FileManager.default.removeItem(atPath: root) } }
        let start = wallSeconds()
        try finish(try launch(root + "/whole", resume: false), "the uninterrupted run")
        let longest = wallSeconds() - start
        let whole = try comparable(root + "/whole/records.jsonl")
        var random = SplitMix64(seed: seed)
        var killed = 0
        var torn = 0
        var runs = 0
        var lost = 0
        var found: [String: Int] = [:]
        while killed < kills {
            runs += 1
            let path = root + "/cut-\(runs)/records.jsonl"
            var survivors: [RunKey: RunRecord] = [:]
            var isStarted = false
            while true {
                let process = try launch(root + "/cut-\(runs)", resume: isStarted)
                isStarted = true
                let deadline = wallSeconds() + longest * random.uniform()
                while process.isRunning, wallSeconds() < deadline { usleep(500) }
                guard process.isRunning, killed < kills else {
                    try finish(process, "run \(runs)")
                    break
                }
                kill(process.processIdentifier, SIGKILL)
                process.waitUntilExit()
                killed += 1
                let bytes = (try? Data(contentsOf: URL(fileURLWithPath: path))) ?? Data()
                let lines = bytes.split(separator: 0x0A).count
                found[
                    lines == 0 ? "before the header" : lines == 1 ? "before the first record" : "among the records",
                    default: 0] += 1
                if random.integer(below: 2) == 0, let last = bytes.dropLast().lastIndex(of: 0x0A),
                    last + 2 < bytes.count
                {
                    // Somewhere inside the last line, which may be a record or, where there is none, the header.
                    let cut = last + 1 + random.integer(below: bytes.count - last - 1)
                    try bytes.prefix(cut).write(to: URL(fileURLWithPath: path))
                    torn += 1
                }
                guard let contents = try? RunFile.read(path) else { continue }
                let now = Dictionary(contents.records.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
                for (key, record) in survivors where now[key] != record {
                    // Only the torn line itself may be gone.
                    guard now[key] == nil else { throw ValidationError("\(key) was changed by a resumption") }
                    lost += 1
                }
                survivors = now
            }
            let records = try RunFile.read(path).records
            for record in records where survivors[record.key].map({ $0 != record }) ?? false {
                throw ValidationError("\(record.key) was run again although it was on disk")
            }
            let lines = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: 0x0A).count
            guard lines == records.count + 1 else {
                throw ValidationError("run \(runs): \(lines - 1) lines for \(records.count) questions")
            }
            guard try comparable(path) == whole else {
                throw ValidationError("run \(runs) differs from the uninterrupted one")
            }
        }
        guard lost <= torn else { throw ValidationError("\(lost) records are gone, and only \(torn) lines were torn") }
        var result = Measurement("kill-eval")
        result.set("kills", killed)
        result.set("torn_lines", torn)
        result.set("runs", runs)
        result.set("questions", whole.count)
        for (moment, count) in found.sorted(by: { $0.key < $1.key }) { result.set(moment, count) }
        result.print()
    }

    private func launch(_ output: String, resume: Bool) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: forage)
        process.arguments = ["eval", "run", suite, "--output", output] + (resume ? ["--resume"] : [])
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        return process
    }

    private func finish(_ process: Process, _ name: String) throws {
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ValidationError("\(name) ended with status \(process.terminationStatus)")
        }
    }

    /// The records without what a clock measured.
    private func comparable(_ path: String) throws -> [RunRecord] {
        try RunFile.read(path).records.map { record in
            var record = record
            record.outcome.seconds = 0
            return record
        }
    }
}
