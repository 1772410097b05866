// SPDX-License-Identifier: Apache-2.0

import Base
import CKernels
import Foundation
import TensorMath
import Transformers

/// Writes a GGUF file with an adapter's products added to its matrices: for other programs, which need no adapter then.
public enum MergedModel {
    /// The types that the changed matrices can be written in, by their names.
    public static let types: [(name: String, type: Int)] = [
        ("f32", Int(FORAGE_LM_F32.rawValue)), ("f16", Int(FORAGE_LM_F16.rawValue)),
        ("q8_0", Int(FORAGE_LM_Q8_0.rawValue)),
    ]

    /// The GGUF name of a block's matrix.
    private static func name(_ place: LowRankAdapter.Place) -> String {
        let names: [DecoderProjection: String] = [
            .query: "attn_q", .key: "attn_k", .value: "attn_v", .output: "attn_output", .gate: "ffn_gate",
            .up: "ffn_up",
            .down: "ffn_down",
        ]
        return "blk.\(place.layer).\(names[place.projection] ?? "").weight"
    }

    /// Writes the merged model. All metadata and every other tensor are those of the model's file, byte for byte.
    ///
    /// - Parameters:
    ///   - model: A GGUF file, or a folder that holds one.
    ///   - type: What the changed matrices are written in, by ``types``. Eight bits keep what an adapter changed, which is
    ///     less than four bits can tell apart.
    ///   - path: The file to write; it appears whole or not at all.
    /// - Throws: `GGUFError`, `LowRankAdapterError`, `LanguageModelError`.
    public static func write(model: String, adapter: String, type: String = "q8_0", to path: String) throws {
        guard let type = types.first(where: { $0.name == type })?.type else {
            throw LanguageModelError.unsupported(
                "the type \"\(type)\"; there are \(types.map(\.name).joined(separator: ", "))")
        }
        let files = try ModelFiles.open(model)
        guard let file = files.weights.owner as? GGUFFile else {
            throw LanguageModelError.unsupported("merging into a folder of safetensors: a GGUF file is needed")
        }
        let adapter = try files.adapter(adapter)
        let shape = try files.weights.decoderShape()
        let changed = Dictionary(uniqueKeysWithValues: adapter.pairs.keys.map { (name($0), $0) })
        let names = file.tensors.values.sorted { $0.range.lowerBound < $1.range.lowerBound }
        let alignment = alignment(file)
        let temporary = path + ".\(getpid()).part"
        guard FileManager.default.createFile(atPath: temporary, contents: nil),
            let handle = FileHandle(forWritingAtPath: temporary)
        else { throw LowRankAdapterError.system(path: path, reason: "it cannot be written") }
        do {
            try handle.write(contentsOf: head(file, names, changed, type))
            for tensor in names {
                var data: Data
                if let place = changed[tensor.name], let change = adapter.change(place, shape: shape) {
                    data = merged(file.floats(of: tensor), change, type)
                } else {
                    data = Data(file.bytes(of: tensor))
                }
                data.append(Data(count: padding(data.count, alignment)))
                try handle.write(contentsOf: data)
            }
            try handle.synchronize()
            try handle.close()
        } catch {
            try? handle.close()
            unlink(temporary)
            throw LowRankAdapterError.system(path: path, reason: "\(error)")
        }
        guard !file.isTorn, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw LowRankAdapterError.system(path: path, reason: String(cString: strerror(errno)))
        }
    }

    /// Where tensors may start, as the file's metadata have it; the reader has checked it.
    private static func alignment(_ file: GGUFFile) -> Int { file.metadata["general.alignment"]?.int ?? 32 }

    private static func padding(_ count: Int, _ alignment: Int) -> Int { (alignment - count % alignment) % alignment }

    private static func bytes(_ count: Int, _ type: Int) -> Int {
        count / Int(forage_lm_block_weights(Int32(type))) * Int(forage_lm_block_bytes(Int32(type)))
    }

    /// Magic, counts, metadata and where each tensor lies.
    private static func head(
        _ file: GGUFFile, _ tensors: [GGUFFile.Tensor], _ changed: [String: LowRankAdapter.Place], _ type: Int
    ) -> Data {
        var data = Data("GGUF".utf8)
        func append<T: FixedWidthInteger>(_ value: T) {
            withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) }
        }
        func append(text: String) {
            append(UInt64(text.utf8.count))
            data.append(contentsOf: text.utf8)
        }
        append(UInt32(3))
        append(UInt64(tensors.count))
        append(UInt64(file.metadataBytes.count))
        data.append(contentsOf: UnsafeRawBufferPointer(rebasing: file.file.bytes[file.metadataBytes.range]))
        let alignment = alignment(file)
        var offset = 0
        for tensor in tensors {
            append(text: tensor.name)
            append(UInt32(tensor.shape.count))
            for size in tensor.shape { append(UInt64(size)) }
            let isChanged = changed[tensor.name] != nil
            append(UInt32(isChanged ? type : tensor.type))
            append(UInt64(offset))
            let size = isChanged ? bytes(tensor.shape.reduce(1, *), type) : tensor.range.count
            offset += size + padding(size, alignment)
        }
        data.append(Data(count: padding(data.count, alignment)))
        return data
    }

    private static func merged(_ numbers: [Float], _ change: Matrix, _ type: Int) -> Data {
        var numbers = numbers
        for index in numbers.indices { numbers[index] += change.elements[index] }
        var data = Data(count: bytes(numbers.count, type))
        data.withUnsafeMutableBytes { out in
            _ = forage_lm_quantize(Int32(type), numbers, out.baseAddress, numbers.count)
        }
        return data
    }
}
