// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels

/// The memory of a model's panels, and the files that the rest of its weights lie in.
///
/// `@unchecked Sendable`: the panels are written before anyone else knows of them, and only read afterwards.
private final class PanelMemory: MappedWeights, @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    private let bytes: Int
    private let files: any MappedWeights

    /// - Throws: `LanguageModelError` when there is not as much memory.
    init(bytes: Int, files: any MappedWeights) throws {
        guard let base = forage_lm_panel_memory(bytes) else {
            throw LanguageModelError.unavailable("no memory for the model's \(bytes >> 20) MiB of weights")
        }
        self.base = base
        self.bytes = bytes
        self.files = files
    }

    var isTorn: Bool { files.isTorn }

    deinit { forage_lm_panel_memory_free(base, bytes) }
}

extension ModelWeights {
    /// The same weights with their quantised matrices laid out as the kernels read them. The file's own pages of them are
    /// given back as they are copied, so that the process holds the weights once.
    /// - Throws: `LanguageModelError` when there is no memory for them.
    func packed(by pool: OpaquePointer) throws -> ModelWeights {
        func place(_ matrix: WeightMatrix) -> Int { (matrix.packedBytes + 63) / 64 * 64 }
        let all = layers.flatMap { layer in LayerWeights.matrices.map { layer[keyPath: $0] } } + [output]
        let bytes = all.reduce(0) { $0 + place($1) }
        guard bytes > 0 else { return self }
        let memory = try PanelMemory(bytes: bytes, files: owner)
        let file = (owner as? GGUFFile)?.file
        var used = 0
        func pack(_ matrix: WeightMatrix) -> WeightMatrix {
            guard matrix.packedBytes > 0 else { return matrix }
            var matrix = matrix
            let panels = memory.base + used
            forage_lm_pack(pool, matrix.type, matrix.base, Int32(matrix.rows), Int32(matrix.columns), panels)
            matrix.panels = UnsafeRawPointer(panels)
            used += place(matrix)
            if let file, let start = file.bytes.baseAddress {
                let from = matrix.base - start
                file.release(from..<from + matrix.rowBytes * matrix.rows)
            }
            return matrix
        }
        let layers = layers.map { layer in
            var layer = layer
            for place in LayerWeights.matrices { layer[keyPath: place] = pack(layer[keyPath: place]) }
            return layer
        }
        return ModelWeights(
            configuration: configuration, embeddings: embeddings, outputNorm: outputNorm, output: pack(output),
            layers: layers, ropeFactors: ropeFactors, owner: memory)
    }
}
