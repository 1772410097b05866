// SPDX-License-Identifier: Apache-2.0

import Agent
import Base
import Foundation
package import Learning
import Net
package import Search
import TensorMath

/// Opens the rerankers that `forage train reranker` wrote, which are named `cross:FILE`: by the file's path, or by its name
/// without `.safetensors` where it lies beside the policies.
package enum RerankerOpening {
    /// The rerankers that lie beside the policies, by name.
    static func names() -> [String] {
        let names = PolicyFile.standardDirectories.flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter { name in
                name.hasSuffix(suffix)
                    && (try? SafetensorsFile(path: folder + "/" + name))?.metadata["kind"] == CrossEncoder.kind
            }
        }
        let bundled = BundledFiles.paths.filter { path in
            path.hasPrefix("Policies/") && path.hasSuffix(suffix)
                && (try? SafetensorsFile(path: BundledFiles.prefix + path))?.metadata["kind"] == CrossEncoder.kind
        }.map { String($0.dropFirst("Policies/".count)) }
        return Set(names + bundled).map { String($0.dropLast(suffix.count)) }.sorted()
    }

    private static let suffix = ".safetensors"

    /// Opens a reranker.
    ///
    /// - Throws: `AssemblyError` where the file or its encoder is not there, and what opening them throws.
    package static func open(_ nameOrPath: String) throws -> CrossEncoder {
        let isPath = nameOrPath.contains("/") || nameOrPath.hasSuffix(suffix)
        let own = isPath && FileManager.default.fileExists(atPath: nameOrPath) ? nameOrPath : nil
        guard
            let path = own ?? PolicyFile.locate(nameOrPath.hasSuffix(suffix) ? nameOrPath : nameOrPath + suffix)
        else {
            throw AssemblyError("there is no reranker \(nameOrPath): `forage train reranker` makes one")
        }
        // A file names an encoder of the user's own store, and no other place.
        let named = try SafetensorsFile(path: path).metadata["model"] ?? ""
        let model = named.isEmpty || named.contains("/") ? "minilm" : named
        guard let folder = ModelStore().resolve(model) else {
            throw AssemblyError("the reranker \(nameOrPath) needs its encoder: `forage model pull \(model)`")
        }
        return try CrossEncoder(weights: path, model: folder, name: "cross:" + nameOrPath)
    }

    /// The reranker of a file, whichever command made it: a reader's relevance, or a cross-encoder.
    package static func teacher(_ path: String, model folder: String) throws -> any Reranker {
        guard try SafetensorsFile(path: path).metadata["kind"] == CrossEncoder.kind else {
            return ReaderReranker(try SpanReader(weights: path, model: folder))
        }
        return try CrossEncoder(weights: path, model: folder)
    }
}
