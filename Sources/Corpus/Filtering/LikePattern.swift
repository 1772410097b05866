// SPDX-License-Identifier: Apache-2.0

import Text

/// A pattern of SQL's `LIKE`: `%` or `*` stands for any text, `_` or `?` for one character. Case and accents do not count.
package struct LikePattern: Sendable {
    private enum Piece: Hashable {
        case character(Character)
        case one
        case any
    }

    private let pieces: [Piece]

    package init(_ pattern: String) {
        pieces = TextFolding.fold(pattern).map { character in
            switch character {
            case "%", "*": .any
            case "_", "?": .one
            default: .character(character)
            }
        }
    }

    /// Whether a text holds signs that stand for others.
    package static func hasWildcards(_ text: String) -> Bool { text.contains { "%*?_".contains($0) } }

    /// Whether all of a text is as the pattern says. O(text × pattern) at most.
    package func matches(_ text: String) -> Bool {
        let text = Array(TextFolding.fold(text))
        var (at, place) = (0, 0)
        // Where the last piece for any text stands, and how far it reaches.
        var retry: (place: Int, at: Int)?
        while at < text.count {
            if place < pieces.count, pieces[place] == .one || pieces[place] == .character(text[at]) {
                at += 1
                place += 1
            } else if place < pieces.count, pieces[place] == .any {
                retry = (place + 1, at)
                place += 1
            } else if let last = retry {
                retry = (last.place, last.at + 1)
                (place, at) = (last.place, last.at + 1)
            } else {
                return false
            }
        }
        return pieces[place...].allSatisfy { $0 == .any }
    }
}
