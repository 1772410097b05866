// SPDX-License-Identifier: Apache-2.0

public import Base
public import Datasets
import Foundation
public import OrderedCollections
import Text

/// Runs one question under a policy and a model: what an evaluation repeats. The agent runtime stands behind it, and a
/// function in tests.
///
/// A conformer is called concurrently, gets no gold (answers, passages, judgments and extra fields are taken away before),
/// answers cancellation promptly, and throws only when the question has no outcome; the evaluation records the error and goes on.
public protocol QuestionRunner: Sendable {
    /// What identifies the corpora, policies and models that the runs depend on, by name: a resumed run must have the same.
    func fingerprint(policies: [String], models: [String]) async throws -> RunFingerprint
    /// Runs a question under the key's policy, model and seed.
    func run(_ question: EvalQuestion, key: RunKey) async throws -> RunOutcome
}

/// What a run depends on. Two runs with the same fingerprint measure the same system.
public struct RunFingerprint: Sendable, Hashable, JSONRepresentable {
    /// By name, such as `corpus`, `policy hops`, `model smollm2`, `questions`, `code`.
    public var parts: OrderedDictionary<String, String>

    public init(_ parts: OrderedDictionary<String, String> = [:]) { self.parts = parts }

    public init(json: JSONValue) throws {
        parts = [:]
        for (name, value) in json.object ?? [:] { parts[name] = value.string ?? value.serialized() }
    }

    public var json: JSONValue {
        .object(JSONObject(uniqueKeysWithValues: parts.map { ($0.key, JSONValue.string($0.value)) }))
    }

    /// The names of the parts that differ or are missing on one side.
    public func differences(from other: RunFingerprint) -> [String] {
        var names = Array(parts.keys)
        for name in other.parts.keys where parts[name] == nil { names.append(name) }
        return names.filter { parts[$0] != other.parts[$0] }
    }

    /// Identifies the running program: its size and a hash over samples of it, so that a rebuilt one is another.
    public static func program() -> String {
        guard
            let file = FileHandle(forReadingAtPath: "/proc/self/exe")
                ?? CommandLine.arguments.first.flatMap({ FileHandle(forReadingAtPath: $0) })
        else { return "unknown" }
        defer { try? file.close() }
        guard let size = try? file.seekToEnd(), size > 0 else { return "unknown" }
        var hash = XXH64.hash(String(size))
        let block = 1 << 16
        let steps: UInt64 = 64
        for step in 0...steps {
            try? file.seek(toOffset: min(size / steps * step, size > UInt64(block) ? size - UInt64(block) : 0))
            guard let data = try? file.read(upToCount: block) else { continue }
            hash = data.withUnsafeBytes { XXH64.hash($0, seed: hash) }
        }
        return String(hash, radix: 16)
    }
}
