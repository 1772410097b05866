// SPDX-License-Identifier: Apache-2.0

import Base
public import Corpus
public import Datasets
public import Encoders
import Evaluation
import Foundation
import Postgres
import PostgresCorpus
import Search
import Text

/// Opens a corpus by its name: the one place that knows which kinds there are. A new kind is a conformer of
/// `RetrievalCorpus` and a line in `open`.
public enum CorpusOpening {
    /// - Parameters:
    ///   - name: a folder made by `forage index`, `postgresql://…`, or a small file of JSON lines that is read into memory.
    ///   - loadsEncoder: whether queries can be encoded. Default true; without it the corpus has no semantic search.
    ///   - memoryLimit: the most documents that are read into memory from a file.
    /// - Throws: `AssemblyError` where there is nothing of that name; what opening a corpus of its kind throws.
    public static func open(
        _ name: String, loadsEncoder: Bool = true, memoryLimit: Int = 20_000
    ) async throws -> any RetrievalCorpus {
        if PostgresAddress.isAddress(name) {
            return try await PostgresCorpus(PostgresAddress(name), loadsEncoder: loadsEncoder)
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) else {
            throw AssemblyError("there is no corpus at \(name); make one with `forage index SOURCE --output \(name)`")
        }
        if isFolder.boolValue { return try await LocalCorpus(path: name, loadsEncoder: loadsEncoder) }
        let passages = try CorpusFiles.read(name)
        guard passages.count <= memoryLimit else {
            throw AssemblyError("\(name) has more than \(memoryLimit) documents; index it with `forage index`")
        }
        return try EvalCorpus.inMemory(passages, name: (name as NSString).lastPathComponent)
    }

    /// The documents of a corpus by its name: all of a folder or database, or the lines of a file.
    /// - Throws: as `open`, and `DatasetError` for a file that is no corpus.
    public static func documents(_ name: String) async throws -> [EvalPassage] {
        var isFolder: ObjCBool = false
        let isFile = FileManager.default.fileExists(atPath: name, isDirectory: &isFolder) && !isFolder.boolValue
        if isFile || name == "-" { return try CorpusFiles.read(name) }
        return try await EvalCorpus.documents(of: open(name, loadsEncoder: false))
    }

    /// The encoder of a corpus with its name, as `/v1/embeddings` offers it; nil where there is none.
    public static func encoder(of corpus: any RetrievalCorpus) -> (name: String, encoder: any TextEncoder)? {
        switch corpus {
        case let corpus as PostgresCorpus: return corpus.encoder.map { (corpus.encoderName ?? "encoder", $0) }
        case let corpus as LocalCorpus:
            let parameters = corpus.reader.manifest.files[IndexRole.vectors]?.parameters
            return corpus.encoder.map { (parameters?["encoder"]?.string ?? "encoder", $0) }
        default: return nil
        }
    }
}
