// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import LanguageModels

/// `forage model merge`: a model with its adapter as one GGUF file.
struct ModelMergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Write a model with its adapter as one GGUF file, for other programs.")

    @Argument(help: "The model with its adapter: smollm2+agent, or model.gguf+adapter.safetensors.")
    var model: String
    @Argument(help: "The file to write.")
    var out: String
    @Option(help: "What the changed matrices are written in: \(MergedModel.types.map(\.name).joined(separator: ", ")).")
    var type = "q8_0"

    func run() throws {
        guard let place = try LocalModelName.find(model) else {
            throw ValidationError("there is no model \"\(model)\"; `forage model list` names those that are here")
        }
        guard let adapter = place.adapter else {
            throw ValidationError("\(model) has no adapter: name it behind a plus sign")
        }
        do { try MergedModel.write(model: place.path, adapter: adapter, type: type, to: out) } catch {
            throw ModelCommand.ModelFailure(message: "\(error)")
        }
        print(out)
    }
}
