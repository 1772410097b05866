// SPDX-License-Identifier: Apache-2.0

import Base

extension MappedFile {
    /// Maps a file of a corpus.
    /// - Throws: `CorpusError` with code `system`.
    convenience init(corpusFile path: String) throws(CorpusError) {
        do {
            try self.init(path: path)
        } catch {
            throw CorpusError(error)
        }
    }
}
