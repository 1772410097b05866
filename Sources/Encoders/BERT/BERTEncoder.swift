// SPDX-License-Identifier: Apache-2.0
import Base
import Dispatch
import Foundation
import Synchronization
import TensorMath
public import Text
public import Transformers

/// A sentence and token encoder of the BERT family, run on this machine's processor.
///
/// Texts are tokenised, sorted by length and packed into small batches without padding; each thread takes batches
/// of its own. A request of one small batch (a query) is shared by all threads instead.
public final class BERTEncoder: TextEncoder {
    /// The arithmetic of the linear layers.
    public enum Precision: String, Sendable, Hashable, Codable, CaseIterable {
        case float32
        /// 8-bit integers with a scale for each output and each token: about twice as fast, cosine above 0.99 to single
        /// precision.
        case int8
    }

    /// The sizes and choices of the model.
    public let configuration: BERTConfiguration
    /// Cuts texts into the model's tokens.
    public let tokenizer: WordPieceTokenizer
    public let precision: Precision
    public let fingerprint: String
    public var dimension: Int { configuration.hiddenSize }

    let model: BERTModel
    let team: ThreadTeam
    let workspaces: WorkspacePool
    private let queue = DispatchQueue(label: "forage.bert", attributes: .concurrent)

    /// Tokens of one batch: enough to keep the weights busy, few enough for the second-level cache.
    static let batchTokens = 192

    /// Opens a model folder: `config.json`, `tokenizer.json` or `vocab.txt`, `model.safetensors`, and where they are
    /// there `1_Pooling/config.json`, `modules.json`, `sentence_bert_config.json`.
    /// - Parameters:
    ///   - threads: 0 for one a processor core.
    ///   - delta: What tuning changed of the weights.
    /// - Throws: ``TextEncoderError``, `WordPieceError` or `SafetensorsError`.
    public init(
        folder: String, precision: Precision = .float32, threads: Int = 0, delta: WeightDelta? = nil
    ) throws {
        configuration = try BERTConfiguration(folder: folder)
        let tokenizer = try WordPieceTokenizer(folder: folder)
        self.tokenizer = tokenizer
        guard tokenizer.vocabularySize <= configuration.vocabularySize else {
            throw TextEncoderError.badModel(
                path: folder,
                reason: "the tokenizer has \(tokenizer.vocabularySize) pieces, the model only "
                    + "\(configuration.vocabularySize)")
        }
        self.precision = precision
        let weights = try BERTWeights(
            folder: folder, configuration: configuration, precision: precision, delta: delta)
        model = BERTModel(configuration: configuration, weights: weights)
        team = ThreadTeam(size: threads > 0 ? threads : ProcessInfo.processInfo.activeProcessorCount)
        workspaces = WorkspacePool()
        // A changed vocabulary, length limit or pooling changes vectors as a changed weight does.
        let pieces = (0..<tokenizer.vocabularySize).reduce(UInt64(0)) { hash, id in
            XXH64.hash(tokenizer.piece(Int32(id)) ?? "", seed: hash)
        }
        let identity = "\(configuration) \(tokenizer.options) \(pieces) \(weights.hash) \(precision.rawValue)"
        let digits = String(XXH64.hash(identity), radix: 16)
        fingerprint = "bert-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Identifies the weights of a model folder, without opening the model.
    ///
    /// - Throws: `SafetensorsError`.
    public static func weightsFingerprint(folder: String) throws -> String {
        let digits = String(
            try BERTWeights.hash(SafetensorsFile(path: folder + "/model.safetensors"), prefix: ""), radix: 16)
        return "weights-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Encodes texts on the calling thread and the encoder's own; see ``TextEncoder/encode(_:)``.
    public func embeddings(of texts: [String]) throws -> EmbeddingMatrix {
        try embeddings(of: texts, cancellation: Cancellation())
    }

    @concurrent
    public func encode(_ texts: [String]) async throws -> EmbeddingMatrix {
        try await onOwnThread { try self.embeddings(of: texts, cancellation: $0) }
    }

    /// The vectors of each text's tokens, before pooling.
    @concurrent
    public func encodeTokens(_ texts: [String]) async throws -> [TokenEmbeddings] {
        try await onOwnThread { try self.tokenEmbeddings(of: texts.map { self.encoding(of: $0) }, cancellation: $0) }
    }

    /// The vectors of the tokens of pairs (a question and a passage, say), which attend to each other.
    @concurrent
    public func encodeTokens(pairs: [(first: String, second: String)]) async throws -> [TokenEmbeddings] {
        try await onOwnThread { cancellation in
            try self.tokenEmbeddings(
                of: pairs.map {
                    self.tokenizer.encode($0.first, $0.second, maximumLength: self.configuration.maximumLength)
                }, cancellation: cancellation)
        }
    }

    /// The vectors of tokens, computed on the calling thread and the encoder's own.
    public func tokenEmbeddings(of texts: [String]) throws -> [TokenEmbeddings] {
        try tokenEmbeddings(of: texts.map { encoding(of: $0) }, cancellation: Cancellation())
    }

    func encoding(of text: String) -> WordPieceTokenizer.Encoding {
        tokenizer.encode(text, maximumLength: configuration.maximumLength)
    }

    /// Runs blocking work off the cooperative pool and passes the task's cancellation on to it.
    func onOwnThread<Result: Sendable>(
        _ work: @escaping @Sendable (Cancellation) throws -> Result
    ) async throws -> Result {
        let cancellation = Cancellation()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                queue.async { continuation.resume(with: Swift.Result { try work(cancellation) }) }
            }
        } onCancel: {
            cancellation.cancel()
        }
    }
}

/// Whether somebody wants work to stop.
final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)
    var isCancelled: Bool { flag.load(ordering: .relaxed) }
    func cancel() { flag.store(true, ordering: .relaxed) }
    func check() throws {
        if isCancelled { throw CancellationError() }
    }
}

/// Workspaces of passes that are done, kept for the next.
final class WorkspacePool: Sendable {
    private let idle = Mutex<[BERTWorkspace]>([])

    func take(
        _ configuration: BERTConfiguration, tokens: Int, longest: Int, threads: Int
    ) -> BERTWorkspace {
        let found = idle.withLock { idle -> BERTWorkspace? in
            guard
                let index = idle.firstIndex(where: {
                    $0.tokenCapacity >= tokens && $0.lengthCapacity >= longest && $0.scratch.count >= threads
                })
            else { return nil }
            return idle.remove(at: index)
        }
        // A size that serves every later request too, so that few are made.
        return found
            ?? BERTWorkspace(
                configuration, tokens: max(tokens, BERTEncoder.batchTokens),
                longest: max(longest, min(configuration.maximumLength, 512)), threads: threads)
    }

    func give(_ workspace: BERTWorkspace) {
        idle.withLock { idle in
            if idle.count >= 8 { idle.removeFirst() }
            idle.append(workspace)
        }
    }
}
