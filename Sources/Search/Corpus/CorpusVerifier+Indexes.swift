// SPDX-License-Identifier: Apache-2.0

public import Corpus

extension CorpusVerifier {
    /// Checks the corpus and every index that this module writes: structure, blocks, and that it covers the passages.
    public static var withIndexes: CorpusVerifier {
        var verifier = CorpusVerifier()
        func expect(_ count: Int, _ reader: CorpusReader, _ path: String) throws {
            guard count == reader.passageCount else {
                throw CorpusError(
                    .damaged, "\(path): the index holds \(count) passages, the corpus \(reader.passageCount)")
            }
        }
        verifier.register(rolePrefix: IndexRole.keyword) { path, _, reader in
            let index = try KeywordIndex(path: path)
            try index.verify()
            try expect(index.passageCount, reader, path)
        }
        verifier.register(rolePrefix: IndexRole.vectors) { path, _, reader in
            let index = try VectorIndex(path: path)
            try index.verify()
            try expect(index.count, reader, path)
        }
        verifier.register(rolePrefix: IndexRole.links) { path, _, _ in try LinkIndex(path: path).verify() }
        verifier.register(rolePrefix: IndexRole.names) { path, _, _ in try NameIndex(path: path).verify() }
        verifier.register(rolePrefix: IndexRole.compact) { path, _, reader in
            guard let vectors = reader.path(ofRole: IndexRole.vectors) else {
                throw CorpusError(.damaged, "\(path): compact vectors without vectors")
            }
            try CompactVectorIndex(path: path, exact: VectorIndex(path: vectors)).verify()
        }
        verifier.register(rolePrefix: IndexRole.graph) { path, _, reader in
            guard let vectors = reader.path(ofRole: IndexRole.vectors) else {
                throw CorpusError(.damaged, "\(path): a graph without vectors")
            }
            try GraphIndex(path: path, vectors: VectorIndex(path: vectors)).verify()
        }
        verifier.register(rolePrefix: IndexRole.tokens) { path, _, reader in
            let index = try LateInteractionIndex(path: path)
            try index.verify()
            try expect(index.passageCount, reader, path)
        }
        return verifier
    }
}
