// SPDX-License-Identifier: Apache-2.0

import CKernels

extension ForwardPass {
    /// The buffers of a forward pass; they grow to the largest batch that was run.
    final class Buffers {
        private let c: ModelConfiguration
        private let threads: Int
        private let adapterRank: Int
        private var tokens = 0
        private var rows = 0
        private var owned: [UnsafeMutableRawPointer] = []
        private var ownedLogits: UnsafeMutableRawPointer?

        /// The residual stream, what the last matrix adds to it, queries, keys, values, gate and up projections.
        private(set) var x, delta, q, k, v, gate, up: UnsafeMutablePointer<Float>
        /// What an adapter's first matrices give, for three products at most.
        private(set) var thin: UnsafeMutablePointer<Float>
        private(set) var cosines, sines, localCosines, localSines: UnsafeMutablePointer<Float>
        private(set) var logits: UnsafeMutablePointer<Float>
        /// Inputs of the matrices, as floats and quantised.
        private(set) var input, attended, hidden: forage_lm_activations
        private(set) var multiplyScratch, attentionScratch: UnsafeMutableRawPointer

        init(configuration: ModelConfiguration, threads: Int, adapterRank: Int = 0) {
            c = configuration
            self.adapterRank = adapterRank
            self.threads = threads
            let nothing = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
            owned = [nothing]
            let empty = nothing.assumingMemoryBound(to: Float.self)
            (x, delta, q, k, v, gate, up) = (empty, empty, empty, empty, empty, empty, empty)
            thin = empty
            (cosines, sines, localCosines, localSines, logits) = (empty, empty, empty, empty, empty)
            input = forage_lm_activations()
            attended = input
            hidden = input
            multiplyScratch = nothing
            attentionScratch = nothing
            grow(tokens: 16, wanted: 1)
        }

        deinit {
            owned.forEach { $0.deallocate() }
            ownedLogits?.deallocate()
        }

        private func raw(_ bytes: Int) -> UnsafeMutableRawPointer {
            let memory = UnsafeMutableRawPointer.allocate(byteCount: max(bytes, 64), alignment: 64)
            owned.append(memory)
            return memory
        }

        private func floats(_ count: Int) -> UnsafeMutablePointer<Float> {
            raw(count * 4).bindMemory(to: Float.self, capacity: max(count, 16))
        }

        private func activations(_ columns: Int) -> forage_lm_activations {
            let blocks = (columns + 31) / 32 * tokens
            return forage_lm_activations(
                rows: 0, columns: Int32(columns), x: floats(columns * tokens),
                q: raw(columns * tokens).bindMemory(to: Int8.self, capacity: max(columns * tokens, 64)),
                d: floats(blocks), sum: floats(blocks), half_sum: floats(2 * blocks))
        }

        /// Makes room for a batch.
        func grow(tokens needed: Int, wanted: Int) {
            if needed > tokens {
                owned.forEach { $0.deallocate() }
                owned = []
                tokens = needed
                let inner = c.heads * c.headSize
                let shared = c.keyValueHeads * c.headSize
                x = floats(needed * c.width)
                delta = floats(needed * c.width)
                q = floats(needed * inner)
                k = floats(needed * shared)
                v = floats(needed * shared)
                gate = floats(needed * c.hidden)
                up = floats(needed * c.hidden)
                cosines = floats(needed * c.rotary / 2)
                sines = floats(needed * c.rotary / 2)
                localCosines = floats(needed * c.rotary / 2)
                localSines = floats(needed * c.rotary / 2)
                thin = floats(3 * needed * adapterRank)
                input = activations(c.width)
                attended = activations(inner)
                hidden = activations(c.hidden)
                let widest = Int32(max(c.width, inner, c.hidden))
                multiplyScratch = raw(forage_lm_matmul_scratch(widest) * threads)
                attentionScratch = raw(
                    forage_lm_attention_scratch(Int32(c.heads), Int32(c.keyValueHeads), Int32(c.headSize)) * threads)
            }
            if wanted > rows {
                ownedLogits?.deallocate()
                rows = wanted
                let memory = UnsafeMutableRawPointer.allocate(byteCount: wanted * c.vocabulary * 4, alignment: 64)
                ownedLogits = memory
                logits = memory.bindMemory(to: Float.self, capacity: wanted * c.vocabulary)
            }
        }
    }
}
