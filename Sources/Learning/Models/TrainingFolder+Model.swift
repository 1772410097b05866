// SPDX-License-Identifier: Apache-2.0

import Base
import Foundation
import OrderedCollections
import TensorMath

extension TrainingFolder {
    /// Returns where a stored supervised run stands; nil where nothing is stored.
    ///
    /// - Parameter fresh: The progress that the run started from: gives names and sizes.
    /// - Throws: `SafetensorsError` where the checkpoint is damaged or of another model.
    public func stored(_ fresh: SupervisedTuning.Progress) throws -> SupervisedTuning.Progress? {
        guard FileManager.default.fileExists(atPath: checkpointPath) else { return nil }
        let file = try SafetensorsFile(path: checkpointPath)
        var progress = fresh
        progress.parameters = try fresh.parameters.loaded(from: file, prefix: "now.")
        progress.adam = try fresh.adam.loaded(from: file, names: fresh.parameters.names)
        let numbers = try file.floats(named: "progress")
        guard numbers.count == 2, numbers[0] >= 0, numbers[0] < 1e9 else {
            throw SafetensorsError.mismatch(path: file.path, name: "progress", reason: "expected two numbers")
        }
        progress.step = Int(numbers[0])
        progress.seconds = Double(numbers[1])
        try cutMetrics(to: progress.step)
        return progress
    }

    /// Stores where a supervised run stands.
    ///
    /// - Throws: `SafetensorsError`.
    public func store(_ progress: SupervisedTuning.Progress) throws {
        var writer = SafetensorsWriter()
        progress.parameters.add(to: &writer, prefix: "now.")
        progress.adam.add(to: &writer, names: progress.parameters.names)
        writer.add("progress", shape: [2], [Float(progress.step), Float(progress.seconds)])
        try writer.write(to: checkpointPath)
    }

    /// Adds a step to the records.
    ///
    /// - Throws: What writing throws.
    public func append(_ record: SupervisedTuning.Record) throws {
        let line: JSONObject = [
            "iteration": .integer(record.step), "loss": .number(record.loss),
            "gradient_norm": .number(Double(record.gradientNorm)), "tokens": .integer(record.tokens),
            "learned": .integer(record.learned), "seconds": .number(record.seconds),
        ]
        try append(JSONValue.object(line).serialized() + "\n")
    }
}
