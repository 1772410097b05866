// SPDX-License-Identifier: Apache-2.0

import Foundation
public import Text

/// What is decided when a corpus is created, and kept with it.
public struct CorpusOptions: Sendable, Hashable, Codable {
    /// How documents are cut into passages.
    public var passages: PassageSplitter.Options

    public init(passages: PassageSplitter.Options = PassageSplitter.Options()) {
        self.passages = passages
    }

    /// A short text that changes when passages would be cut differently.
    var fingerprint: String { "size=\(passages.size) overlap=\(passages.overlap)" }
}
