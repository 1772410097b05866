// SPDX-License-Identifier: Apache-2.0

import Base
import Text

/// What the files of inputs look like at one moment: their names, sizes and times of change. Two stamps that differ mean
/// that something has to be read again.
public struct SourceStamp: Sendable, Hashable {
    private let hash: UInt64

    /// Looks at the inputs, as `CorpusWriter.ingest` would read them.
    /// - Throws: `CorpusError` for a path that is not there, or a `forage.yaml` that is not right.
    public init(_ inputs: [String], options: IngestOptions) throws {
        let list = try SourceList(inputs, options: options)
        var hash: UInt64 = 0
        for source in list.sources {
            hash = XXH64.hash("\(source.path)\0\(source.size)\0\(source.modified)\0\(source.fingerprint)", seed: hash)
        }
        self.hash = hash
    }
}
