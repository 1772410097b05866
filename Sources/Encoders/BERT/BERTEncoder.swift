// SPDX-License-Identifier: Apache-2.0
import Base
import Dispatch
import Foundation
import Synchronization
import TensorMath
import Text
public import Transformers

/// A sentence and token encoder of the BERT family (BERT, RoBERTa, XLM-R, MPNet, DistilBERT), run on this machine's
/// processor.
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
    public let tokenizer: EncoderTokenizer
    public let precision: Precision
    public let fingerprint: String
    public let dimension: Int
    /// The length of a token's vector.
    public var tokenDimension: Int { configuration.hiddenSize }
    public var prompts: EncoderPrompts { pipeline.prompts }
    /// What the model's folder asks for and does not get; to be shown once.
    public var warnings: [String] { pipeline.warnings }

    /// Encodes queries in this encoder's place, where tuning changed their side alone.
    let queries: BERTEncoder?
    let model: BERTModel
    let pipeline: SentencePipeline
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
    ///   - queryDelta: What tuning changed of them for queries alone: texts get the vectors that they had, so that an index
    ///     stays as it is, and the fingerprint is that of the encoder without it.
    /// - Throws: ``TextEncoderError``, `WordPieceError` or `SafetensorsError`.
    public init(
        folder: String, precision: Precision = .float32, threads: Int = 0, delta: WeightDelta? = nil,
        queryDelta: WeightDelta? = nil
    ) throws {
        queries = try queryDelta.map {
            try BERTEncoder(folder: folder, precision: precision, threads: threads, delta: $0)
        }
        configuration = try BERTConfiguration(folder: folder)
        let tokenizer = try EncoderTokenizer(folder: folder)
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
        let pipeline = try SentencePipeline(folder: folder, hiddenSize: configuration.hiddenSize)
        self.pipeline = pipeline
        dimension = pipeline.dimension(hiddenSize: configuration.hiddenSize)
        // A changed vocabulary, length limit, pooling or prompt changes vectors as a changed weight does.
        var identity =
            "\(configuration.signature(pipeline.poolings)) \(tokenizer.identity) \(weights.hash) \(precision.rawValue)"
        if !pipeline.dense.isEmpty || pipeline.prompts != .none {
            identity += " \(pipeline.hash) \(pipeline.dense.map(\.activation)) \(pipeline.prompts)"
        }
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
    public func encodeQueries(_ texts: [String]) async throws -> EmbeddingMatrix {
        if let queries { return try await queries.encodeQueries(texts) }
        return try await encode(prompts.query.isEmpty ? texts : texts.map { prompts.query + $0 })
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
