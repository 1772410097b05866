// SPDX-License-Identifier: Apache-2.0

import TensorMath
public import Text
public import Transformers

extension DifferentiableBERT {
    /// Reads the weights of a model folder, as ``BERTEncoder`` does, for training.
    ///
    /// - Parameter delta: What an earlier tuning changed.
    /// - Throws: ``TextEncoderError`` or `SafetensorsError`.
    public init(folder: String, delta: WeightDelta? = nil) throws {
        let configuration = try BERTConfiguration(folder: folder)
        let path = folder + "/model.safetensors"
        let file = try SafetensorsFile(path: path)
        let anchor = "embeddings.word_embeddings.weight"
        guard let prefix = file.names.first(where: { $0.hasSuffix(anchor) }).map({ String($0.dropLast(anchor.count)) })
        else { throw TextEncoderError.badModel(path: path, reason: "no tensor \"\(anchor)\"") }
        var weights = ParameterSet()
        for name in Self.tensorNames(layers: configuration.layerCount) {
            var stored = prefix + name
            if name.contains("LayerNorm"), !file.contains(stored) {
                stored = stored.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
                    .replacing("LayerNorm.bias", with: "LayerNorm.beta")
            }
            let shape = try file.tensor(named: stored).shape
            var values = try file.floats(named: stored)
            if let change = delta?.change(of: name), change.count == values.count {
                for index in values.indices { values[index] += change[index] }
            }
            guard let matrix = Self.matrix(name, shape, values, configuration) else {
                throw TextEncoderError.badModel(path: path, reason: "tensor \"\(stored)\" has shape \(shape)")
            }
            weights.add(name, matrix)
        }
        self.init(
            shape: EncoderShape(
                width: configuration.hiddenSize, heads: configuration.headCount, inner: configuration.intermediateSize,
                epsilon: configuration.epsilon, usesReLU: configuration.usesReLU),
            layerCount: configuration.layerCount, base: weights)
    }

    /// A tensor as a matrix where its shape is that of its name.
    private static func matrix(_ name: String, _ shape: [Int], _ values: [Float], _ c: BERTConfiguration) -> Matrix? {
        let expected: [Int]
        if name.hasSuffix("word_embeddings.weight") {
            expected = [c.vocabularySize, c.hiddenSize]
        } else if name.hasSuffix("position_embeddings.weight") {
            expected = [c.positionCount, c.hiddenSize]
        } else if name.hasSuffix("token_type_embeddings.weight") {
            expected = [c.typeCount, c.hiddenSize]
        } else if name.hasSuffix("intermediate.dense.weight") {
            expected = [c.intermediateSize, c.hiddenSize]
        } else if name.hasSuffix("intermediate.dense.bias") {
            expected = [c.intermediateSize]
        } else if name.hasSuffix("attention.output.dense.weight") {
            expected = [c.hiddenSize, c.hiddenSize]
        } else if name.hasSuffix(".output.dense.weight") {
            expected = [c.hiddenSize, c.intermediateSize]
        } else if name.contains("self."), name.hasSuffix(".weight") {
            expected = [c.hiddenSize, c.hiddenSize]
        } else {
            expected = [c.hiddenSize]
        }
        guard shape == expected else { return nil }
        return Matrix(rows: shape.count == 2 ? shape[0] : 1, columns: shape[shape.count - 1], elements: values)
    }
}

extension BERTEncoder {
    /// The hidden states of encodings after the lowest `layers` blocks, by the fast pass: what tuning of the blocks above
    /// starts from.
    ///
    /// - Returns: For each encoding its tokens × dimension numbers, row by row.
    public func states(of encodings: [WordPieceTokenizer.Encoding], layers: Int) throws -> [[Float]] {
        try tokenEmbeddings(of: encodings, cancellation: Cancellation(), layers: layers).map(\.vectors.values)
    }

    /// The vectors of the tokens of encodings made elsewhere.
    @concurrent
    public func encodeTokens(_ encodings: [WordPieceTokenizer.Encoding]) async throws -> [TokenEmbeddings] {
        try await onOwnThread { try self.tokenEmbeddings(of: encodings, cancellation: $0) }
    }
}
