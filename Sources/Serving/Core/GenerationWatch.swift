// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Tells whether the database of a corpus has been written since it was asked last, from the times and sizes of its files:
/// a few microseconds, so that a server can ask at every request.
final class GenerationWatch: Sendable {
    private struct Stamp: Equatable {
        var size: UInt64?
        var modified: Date?
        var number: Int?
    }

    private let paths: [String]
    private let last: Mutex<[Stamp]>

    init(path: String) {
        paths = ["", "-wal"].map { path + "/corpus.sqlite" + $0 }
        last = Mutex(Self.stamps(paths))
    }

    private static func stamps(_ paths: [String]) -> [Stamp] {
        paths.map { path in
            guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return Stamp() }
            return Stamp(
                size: (attributes[.size] as? NSNumber)?.uint64Value, modified: attributes[.modificationDate] as? Date,
                number: (attributes[.systemFileNumber] as? NSNumber)?.intValue)
        }
    }

    /// Forgets what was seen: the next question is answered with true.
    func forget() { last.withLock { $0 = [] } }

    func hasChanged() -> Bool {
        let now = Self.stamps(paths)
        return last.withLock { last in
            defer { last = now }
            return last != now
        }
    }
}
