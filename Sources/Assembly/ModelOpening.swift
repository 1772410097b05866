// SPDX-License-Identifier: Apache-2.0

import Agent
public import Evaluation
import Foundation
public import LanguageModels
import Net

/// Opens a language model by its name: the one place that knows which kinds there are.
public enum ModelOpening {
    /// - Parameter name: a pulled model (`forage model list`), a `.gguf` file or a model's folder, which run in this process;
    ///   the URL of an OpenAI-compatible server (`http://host:port/v1#model`); a model's name on the server of
    ///   `OPENAI_BASE_URL`; a scripted model (`.yaml`) or a recording (`.jsonl`); nil takes the environment's.
    /// - Returns: nil when neither the argument nor the environment names a model.
    /// - Throws: `AssemblyError` where there is nothing of that name; what opening a model of its kind throws.
    public static func open(_ name: String?) throws -> (any LanguageModel)? {
        let environment = ProcessInfo.processInfo.environment
        let hasKey = environment["OPENAI_API_KEY"]?.isEmpty == false
        let base = environment["OPENAI_BASE_URL"].flatMap { $0.isEmpty ? nil : $0 }
        guard let name, !name.isEmpty else {
            guard let base else { return nil }
            return try remote(base, model: environment["OPENAI_MODEL"] ?? "default", environment)
        }
        if name.hasSuffix(".yaml") || name.hasSuffix(".yml") { return try ScriptedModel(file: name) }
        if name.hasSuffix(".jsonl") { return try RecordedModel(file: name) }
        if !name.contains("://"), let place = try localPlace(name) {
            do {
                return try LocalModel(
                    path: place.path, adapter: place.adapter, name: (name as NSString).lastPathComponent)
            } catch { throw AssemblyError("--model \(name): \(error)") }
        }
        if name.contains("://") {
            let parts = name.split(separator: "#", maxSplits: 1).map(String.init)
            return try remote(
                parts[0], model: parts.count > 1 ? parts[1] : environment["OPENAI_MODEL"] ?? "default", environment)
        }
        guard let base = base ?? (hasKey ? "https://api.openai.com/v1" : nil) else {
            throw AssemblyError(
                "--model \(name): there is no model of this name here (`forage model list`; `forage model pull` fetches "
                    + "one), and no server: set OPENAI_BASE_URL, or give a URL such as http://host:port/v1#\(name)"
            )
        }
        return try remote(base, model: name, environment)
    }

    /// Opens a model of an evaluation suite; nil for none.
    /// - Throws: as `open(_:)` does.
    public static func open(_ model: EvalSuite.Model) throws -> (any LanguageModel)? {
        switch model.source {
        case .none: return nil
        case .scripted(let file): return try ScriptedModel(file: file)
        case .recorded(let file): return try RecordedModel(file: file)
        case .remote(let url, let id, let variable):
            let key = variable.flatMap { ProcessInfo.processInfo.environment[$0] }
            if let variable, key == nil {
                throw AssemblyError("model \(model.name): the environment has no \(variable)")
            }
            return try OpenAICompatibleModel(
                OpenAICompatibleModel.Configuration(baseURL: url, model: id, apiKey: key))
        case .local(let name): return try open(name)
        }
    }

    /// Where a model that runs in this process lies, and its adapter; nil for a name that may be a server's.
    private static func localPlace(_ name: String) throws -> LocalModelName? {
        do {
            if let place = try LocalModelName.find(name, folders: PolicyFile.standardDirectories) { return place }
        } catch { throw AssemblyError("--model \(name): \(error)") }
        guard name.hasSuffix(".gguf") || name.hasPrefix("/") || name.hasPrefix(".") else { return nil }
        throw AssemblyError("--model \(name): there is no such file or folder")
    }

    private static func remote(
        _ base: String, model: String, _ environment: [String: String]
    ) throws -> any LanguageModel {
        try OpenAICompatibleModel(
            OpenAICompatibleModel.Configuration(
                baseURL: base, model: model, apiKey: EndpointKey.find(for: base, environment)))
    }
}
