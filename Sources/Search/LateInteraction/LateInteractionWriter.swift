// SPDX-License-Identifier: Apache-2.0
import Base
import Corpus
import Foundation

/// Writes an index of token vectors, one passage after the other in the order of their ordinals. Codes go to the file as
/// they come; starts and scales (12 bytes a token at most) stay in memory until the end.
public struct LateInteractionWriter: ~Copyable {
    private let file: SectionFileWriter
    private let dimension: Int
    private var starts: [UInt64]
    private var scales: [Float]

    /// - Throws: `CorpusError` where the folder cannot be written.
    public init(path: String, dimension: Int) throws {
        let file = try SectionFileWriter(
            path: path, kind: LateInteractionIndex.kind, version: LateInteractionIndex.version)
        try file.begin("codes")
        // Set after the last throw: a value that cannot be copied is made whole or not at all.
        self.file = file
        self.dimension = dimension
        starts = [0]
        scales = []
    }

    /// Adds the next passage.
    public mutating func append(_ tokens: TokenMatrix) throws {
        precondition(tokens.dimension == dimension, "vectors of another length")
        try tokens.codes.withUnsafeBytes { try file.append($0) }
        scales += tokens.scales
        starts.append(UInt64(scales.count))
    }

    /// Writes the rest and synchronises the file to the disk.
    public consuming func finish() throws {
        try file.end()
        try file.add("starts", starts)
        try file.add("scales", scales)
        let about = LateInteractionIndex.About(
            dimension: dimension, passages: starts.count - 1, tokens: scales.count)
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        try file.add("about", Array(try encoder.encode(about)))
        try file.finish()
    }
}
