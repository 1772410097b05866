// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import TensorMath
import Text

/// The folder of one training run: `metrics.jsonl`, `curves.html`, a TensorBoard event file, and where the run stands.
///
/// `checkpoint.safetensors` is replaced as a whole after each iteration. A resumed run cuts `metrics.jsonl` back to the
/// checkpoint, so that a killed and resumed run leaves the same records as one that was never interrupted.
public struct TrainingFolder: Sendable {
    /// The folder's path.
    public let path: String

    /// Opens a folder, making it where it is missing.
    ///
    /// - Throws: what making the folder throws.
    public init(_ path: String) throws {
        self.path = path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    var checkpointPath: String { path + "/checkpoint.safetensors" }
    private var metricsPath: String { path + "/metrics.jsonl" }

    /// Returns where a stored run stands; nil where nothing is stored.
    ///
    /// - Parameter fresh: The progress that the run started from: gives names and sizes.
    /// - Throws: `SafetensorsError` where the checkpoint is damaged or of another network.
    public func stored(_ fresh: RewardTraining.Progress) throws -> RewardTraining.Progress? {
        guard FileManager.default.fileExists(atPath: checkpointPath) else { return nil }
        let file = try SafetensorsFile(path: checkpointPath)
        var progress = fresh
        progress.parameters = try fresh.parameters.loaded(from: file, prefix: "now.")
        progress.reference = try fresh.parameters.loaded(from: file, prefix: "reference.")
        progress.best = try fresh.parameters.loaded(from: file, prefix: "best.")
        progress.adam = try fresh.adam.loaded(from: file, names: fresh.parameters.names)
        let numbers = try file.floats(named: "progress")
        guard numbers.count == 4 else {
            throw SafetensorsError.mismatch(path: file.path, name: "progress", reason: "expected four numbers")
        }
        progress.iteration = Int(numbers[0])
        progress.bestReward = numbers[1]
        progress.smoothedReward = numbers[2]
        progress.flatStreak = Int(numbers[3])
        try cutMetrics(to: progress.iteration)
        return progress
    }

    /// Stores where a run stands and adds an iteration to the records.
    ///
    /// - Throws: `SafetensorsError`, or what writing throws.
    public func store(_ record: IterationRecord, _ progress: RewardTraining.Progress, extra: [(String, Double)] = [])
        throws
    {
        var line: JSONObject = ["iteration": .integer(record.iteration)]
        for (name, value) in record.measures + extra { line[name] = .number(value) }
        try append(JSONValue.object(line).serialized() + "\n")
        var writer = SafetensorsWriter()
        progress.parameters.add(to: &writer, prefix: "now.")
        progress.reference.add(to: &writer, prefix: "reference.")
        progress.best.add(to: &writer, prefix: "best.")
        progress.adam.add(to: &writer, names: progress.parameters.names)
        writer.add(
            "progress", shape: [4],
            [Float(progress.iteration), progress.bestReward, progress.smoothedReward, Float(progress.flatStreak)])
        try writer.write(to: checkpointPath)
    }

    /// Writes `curves.html` and the TensorBoard file from `metrics.jsonl`: held-back questions first, then diagnostics.
    ///
    /// - Parameters:
    ///   - seeds: The folders of runs that differ in their seed alone: what they gained on held-back questions is drawn
    ///     beside this one's.
    ///   - time: The wall clock that TensorBoard shows, in seconds since 1970.
    /// - Throws: what reading and writing throw.
    public func drawCurves(title: String, seeds: [TrainingFolder] = [], time: Double) throws {
        let curves = try curves()
        var board = TensorBoardWriter(time: time)
        for line in try metrics() {
            guard let step = line["iteration"]?.int else { continue }
            let scalars = (line.object ?? [:]).compactMap { name, value in
                name == "iteration" ? nil : value.double.map { (tag: name, value: Float($0)) }
            }
            board.add(scalars, step: step, time: time)
        }
        let others = try seeds.map { try $0.curves() }
        let page = CurvesPage.html(
            title: title,
            charts: curves.map { name, points in
                CurvesPage.Chart(name: name, runs: [points] + others.compactMap { $0[name] })
            })
        try Data(page.utf8).write(to: URL(fileURLWithPath: path + "/curves.html"), options: .atomic)
        try Data(board.bytes).write(
            to: URL(fileURLWithPath: path + "/events.out.tfevents.forage"), options: .atomic)
    }

    /// Each measure of `metrics.jsonl` with its points (iteration, value), in order.
    private func curves() throws -> OrderedDictionary<String, [(Int, Double)]> {
        var curves: OrderedDictionary<String, [(Int, Double)]> = [:]
        for line in try metrics() {
            guard let step = line["iteration"]?.int else { continue }
            for (name, value) in line.object ?? [:] where name != "iteration" {
                if let number = value.double { curves[name, default: []].append((step, number)) }
            }
        }
        return curves
    }

    /// One measure of `metrics.jsonl`, iteration by iteration.
    ///
    /// - Throws: what reading throws.
    public func curve(of measure: String) throws -> [Double] {
        try metrics().compactMap { $0[measure]?.double }
    }

    /// The lines of `metrics.jsonl`.
    func metrics() throws -> [JSONValue] {
        guard let data = FileManager.default.contents(atPath: metricsPath) else { return [] }
        return try data.textLines(omittingEmpty: true).map { try JSONValue(parsing: Array($0)) }
    }

    func append(_ line: String) throws {
        if !FileManager.default.fileExists(atPath: metricsPath) {
            _ = FileManager.default.createFile(atPath: metricsPath, contents: nil)
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: metricsPath))
        defer { try? handle.close() }
        try handle.seekToEnd()
        try handle.write(contentsOf: Data(line.utf8))
    }

    /// Drops records at and after an iteration, and a torn last line.
    func cutMetrics(to iteration: Int) throws {
        guard let data = FileManager.default.contents(atPath: metricsPath) else { return }
        var kept = Data()
        for line in data.textLines(omittingEmpty: true) {
            guard let value = try? JSONValue(parsing: Array(line)), let number = value["iteration"]?.int,
                number < iteration
            else { continue }
            kept += line + Data("\n".utf8)
        }
        try kept.write(to: URL(fileURLWithPath: metricsPath), options: .atomic)
    }
}

extension IterationRecord {
    /// Every number with its name, as records and curves show it.
    var measures: [(String, Double)] {
        [
            ("reward", Double(reward)), ("episodes", Double(episodes)), ("failures", Double(failures)),
            ("kept", Double(kept)), ("stop_share", Double(stopShare)), ("entropy", Double(entropy)),
            ("kl", Double(divergence)), ("ratio_mean", Double(meanRatio)), ("ratio_max", Double(largestRatio)),
            ("flat_groups", Double(flatGroups)), ("gradient_norm", Double(gradientNorm)), ("loss", Double(loss)),
        ]
    }
}
